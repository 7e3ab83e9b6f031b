"""Where `alpr read` puts what the desk tells: table, JSON lines, CSV, pictures; and how far it is."""

from __future__ import annotations

import base64
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from alpr_cli import annotate
from alpr_cli.desk import Event
from alpr_cli.inputs import Input
from alpr_cli.tables import Lines, Read, Sheet, Table
from alprcore.wire import rfc3339

_BAR: Final = 24
_JPEGS: Final = frozenset({".jpg", ".jpeg"})


class Unwritable(Exception):
    """What is to be written cannot be, or would replace what is read; the text says which."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for: JSON lines in place of the table, further files, and the least probability."""

    json: bool = False
    csv: Path | None = None
    annotate: Path | None = None
    closeups: Path | None = None
    min_probability: float = 0.0


def key_of(given: Input) -> str:
    """Give the source as it is ordered: files by absolute path, because the desk stands elsewhere."""
    return given.source if given.kind == "live" else str(Path(given.source).absolute())


def say(words: str) -> None:
    """Tell the person something beside the reads."""
    print(f"alpr read: {words}", file=sys.stderr, flush=True)


class Progress:
    """How far it is, on standard error and only before a person; to a file or a pipe nothing is said."""

    def __init__(self, total: int) -> None:
        self._shown = sys.stderr.isatty()
        self._total, self._width = total, 0

    def say(self, words: str) -> None:
        """Show this in place of what stands there."""
        if self._shown:
            print(f"\r{words:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(words)

    def clear(self) -> None:
        """Make room for a line."""
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    def step(self, done: int, part: float = 0.0, words: str = "") -> None:
        """Show that so many inputs are done, and a part of the next one."""
        share = min(1.0, (done + part) / self._total)
        bar = "█" * round(share * _BAR) + "░" * (_BAR - round(share * _BAR))
        self.say(f"{bar} {share * 100:3.0f} %  {words or f'{done} of {self._total}'}")

    def sum_up(self, words: str) -> None:
        """Leave a last line behind."""
        self.clear()
        if self._shown:
            print(words, file=sys.stderr)


class Outputs:
    """Where the reads go, and the count of what was seen; `failed` inputs make the exit status."""

    def __init__(self, wanted: Wanted, given: Sequence[Input], files: ExitStack) -> None:
        """Open what is to be written. Raises `Unwritable`."""
        self._wanted, self._given = wanted, {key_of(one): one for one in given}
        self._targets = _targets(wanted.annotate, given)
        self.progress = Progress(len(self._given))
        self.failed = 0
        self._begun = time.monotonic()
        self._count: Counter[str] = Counter()
        self._not_seen: set[str] = set()
        self._opened: dict[str, datetime] = {}
        self._table, self._lines = Table(sys.stdout, tuple(given)), Lines(sys.stdout)
        self._sheet: Sheet | None = None
        if wanted.csv is not None:
            try:
                wanted.csv.parent.mkdir(parents=True, exist_ok=True)
                self._sheet = Sheet(files.enter_context(wanted.csv.open("w", newline="", encoding="utf-8")))
            except OSError as error:
                raise Unwritable(f"{wanted.csv}: {error.strerror}") from error

    def take(self, event: Event) -> None:
        """Write what an event of the desk tells. Raises `Unwritable`."""
        match event["event"]:
            case "ready":
                self.progress.step(0)
            case "progress":
                length, at_s = event["length_s"], float(event["at_s"])
                part = min(1.0, at_s / length) if length else 0.0
                self.progress.step(self._count["inputs"], part, f"{self._given[event['source']].name}  {at_s:.0f} s")
            case "opened":
                self._opened[event["source"]] = datetime.now(UTC)
            case "picture":
                self._picture(self._given[event["source"]], event)
            case "passage":
                self.progress.clear()
                given = self._given[event["source"]]
                self._read(given, self._with_clock(given, event["read"]), event)
            case "finished":
                self._finished(self._given[event["source"]])
            case "failed":
                self.progress.clear()
                self.failed += 1
                given = self._given[event["source"]]
                self._not_seen.add(given.source)
                say(f"{given.name}: {event['reason']}")
                if not given.moving:
                    self._finished(given)
            case _:  # "done", and what a later desk may add
                pass

    def sum_up(self, *, interrupted: bool) -> None:
        """Say in one line what was seen."""
        count, spent = self._count, time.monotonic() - self._begun
        parts = [f"{count['plates']} plates"]
        if count["unreadable"]:
            parts.append(f"{count['unreadable']} of them unreadable")
        if count["empty"]:
            parts.append(f"{count['empty']} pictures without a plate")
        if self.failed:
            parts.append(f"{self.failed} inputs not read")
        stopped = "stopped early: " if interrupted else ""
        self.progress.sum_up(
            f"{stopped}{count['inputs']} of {len(self._given)} inputs, {', '.join(parts)}; {spent:.0f} s"
        )

    def _picture(self, given: Input, event: Event) -> None:
        self.progress.clear()
        if event["note"]:
            say(f"{given.name}: {event['note']}")
        reads = [read for read in event["reads"] if self._read(given, read)]
        if not reads:
            self._count["empty"] += not event["reads"]
            if not self._wanted.json:
                self._table.nothing(given, left_out=len(event["reads"]))
        self._draw(given, reads, event)
        self._finished(given)

    def _finished(self, given: Input) -> None:
        self._count["inputs"] += 1
        silent = self._wanted.json or given.source in self._not_seen
        if given.moving and not self._count[f"passages of {given.source}"] and not silent:
            self.progress.clear()
            self._table.nothing(given)
        self.progress.step(self._count["inputs"])

    def _with_clock(self, given: Input, read: Read) -> Read:
        """Add to a read of a live stream when it was captured: times of its frames count from the first one."""
        if given.kind != "live":
            return read
        captured = self._opened[given.source] + timedelta(seconds=read["time_s"])
        return {**read, "captured_at": rfc3339(captured)}

    def _read(self, given: Input, read: Read, event: Event | None = None) -> bool:
        """Write one read where it belongs; tells whether it was wanted."""
        if read["confidence"] < self._wanted.min_probability or (self._wanted.min_probability and not read["plate"]):
            return False
        self._count["plates"] += 1
        self._count["unreadable"] += not read["plate"]
        self._count[f"passages of {given.source}"] += given.moving
        shown = {key: value for key, value in read.items() if key != "closeup"}
        (self._lines if self._wanted.json else self._table).read(given, shown)
        if self._sheet is not None:
            self._sheet.read(given, shown)
        if self._wanted.closeups is not None:
            self._count[f"closeups of {given.source}"] += 1
            name = _numbered(given, self._count[f"closeups of {given.source}"])
            _write(self._wanted.closeups / name, base64.b64decode(read["closeup"]))
        if event is not None:
            self._draw(given, [read], event)
        return True

    def _draw(self, given: Input, reads: Sequence[Read], event: Event) -> None:
        if self._wanted.annotate is None:
            return
        target = self._targets[given.source]
        if given.moving:
            number = self._count[f"passages of {given.source}"]
            target = target.with_name(f"{target.stem}-{number:03}.jpg")
        try:
            annotate.save(annotate.draw(base64.b64decode(event["jpeg"]), reads, event["scale"]), target)
        except OSError as error:
            raise Unwritable(f"{target}: {error.strerror or error}") from error


def _targets(folder: Path | None, given: Sequence[Input]) -> dict[str, Path]:
    """Name the annotated picture of each input; none may be one of the pictures that are read."""
    if folder is None:
        return {}
    targets: dict[str, Path] = {}
    for one in given:
        below, number = _below(one), 1
        while (target := folder / (_numbered(one, number) if number > 1 else below)) in targets.values():
            number += 1
        targets[one.source] = target
    sources = {Path(one.source).resolve() for one in given if one.kind != "live"}
    for target in targets.values():
        if target.resolve() in sources:
            raise Unwritable(f"--annotate {folder} would write over {target}")
    return targets


def _below(given: Input) -> Path:
    """Give the name of an input as that of a JPEG below some folder."""
    path = Path("live" if given.kind == "live" else given.name)
    parts = () if path.is_absolute() or ".." in path.parts else path.parts[:-1]
    name = f"{path.stem if path.suffix.lower() in _JPEGS else path.name}.jpg"
    return Path(*parts) / name


def _numbered(given: Input, number: int) -> Path:
    below = _below(given)
    return below.with_name(f"{below.stem}-{number:03}.jpg")


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise Unwritable(f"{file}: {error.strerror}") from error
