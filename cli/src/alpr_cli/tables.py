"""How reads are written out: a table for people, JSON lines and CSV for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TextIO

from alpr_cli.inputs import Input

Read = Mapping[str, Any]
COLUMNS: Final = (
    "file", "plate", "x", "y", "w", "h", "state", "score",
    "origin", "origin_probability", "reason", "time_s", "first_s", "last_s", "frames",
)  # fmt: skip
"""Of the CSV: all reads, those of unreadable plates with what was made out and a reason. The first eight are what scorers of plate readers take; `state` is two letters, and of the US alone."""
UNREADABLE: Final = {
    "TOO_SMALL": "too few pixels",
    "BLURRED": "blurred",
    "DARK": "too dark",
    "GLARE": "glare",
    "STEEP": "seen too steeply",
    "UNSURE": "too unsure",
}
_LONGEST_NAME: Final = 44
_MOVING_ONLY: Final = ("time_s", "first_s", "last_s", "frames")


def share(probability: float) -> str:
    """Write a probability in percent for people; none is ever shown as certain."""
    return f"{min(probability * 100, 99.9):.1f} %"


def clock(seconds: float) -> str:
    """Write a time within a video: 0:07.3."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes}:{rest / 10:04.1f}"
    return f"{hours}:{text:>7}".replace(" ", "0") if hours else text


def plate_words(read: Read) -> str:
    """Write what a plate says; what was made out of an unreadable one ends in a question mark."""
    if read["plate"]:
        return str(read["plate"])
    return f"{read['plate_raw']}?" if read["plate_raw"] else "?"


def reason_words(read: Read) -> str:
    """Write that a plate counts as unreadable, and why; nothing for a plate that was read."""
    if read["plate"]:
        return ""
    reason = str(read["unreadable_reason"])
    return f"unreadable: {UNREADABLE.get(reason, reason.lower())}" if reason else "unreadable"


def state_words(read: Read) -> str:
    """Write the state of origin with its probability; unknown stays unknown."""
    if read["state"] == "unknown":
        return "unknown"
    return f"{read['state']} {share(read['state_confidence'])}"


def box_words(read: Read) -> str:
    """Write the plate's place: left, top, width and height in pixels, each in a column."""
    box = read["box"]
    return "".join(f"{box[key]:>6.0f}" for key in ("x", "y", "width", "height"))


@dataclass(slots=True)
class Table:
    """Lines for people, as they come; columns are as wide as the longest name needs, which is known beforehand."""

    out: TextIO
    inputs: Sequence[Input]
    begun: bool = False

    def read(self, given: Input, read: Read) -> None:
        """Write one read."""
        when = f"{clock(read['first_s'])} - {clock(read['last_s'])}" if given.moving else ""
        if "captured_at" in read:
            when = datetime.fromisoformat(read["captured_at"]).astimezone().strftime("%H:%M:%S")
        sure = share(read["confidence"]) if read["confidence"] > 0 else ""
        self._line(given.name, when, plate_words(read), sure, state_words(read), box_words(read), reason_words(read))

    def nothing(self, given: Input, *, left_out: int = 0) -> None:
        """Write that a picture shows no plate, or none that was asked for."""
        self._line(given.name, "", f"{left_out} left out" if left_out else "no plate")

    def _line(
        self, name: str, when: str, plate: str, sure: str = "", state: str = "", box: str = "", reason: str = ""
    ) -> None:
        if not self.begun:
            self.begun = True
            self._line("FILE", "TIME", "PLATE", "SURE", "STATE", "".join(f"{name:>6}" for name in "XYWH"))
        wide = min(_LONGEST_NAME, max(4, *(len(one.name) for one in self.inputs)))
        short = name if len(name) <= wide else "…" + name[1 - wide :]
        moment = f"{when:<17} " if any(one.moving for one in self.inputs) else ""
        line = f"{short:<{wide}} {moment}{plate:<10} {sure:>6}  {state:<14}{box:<24}  {reason}"
        print(line.rstrip(), file=self.out, flush=True)


class Lines:
    """One JSON a read, under the names of the contract, after `source` and its `kind`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def read(self, given: Input, read: Read) -> None:
        """Write one read."""
        left_out = () if given.moving else _MOVING_ONLY
        fields = {key: value for key, value in read.items() if key not in left_out}
        line = json.dumps({"source": given.name, "kind": given.kind, **fields}, ensure_ascii=False, allow_nan=False)
        print(line, file=self._out, flush=True)


class Sheet:
    """A CSV of all reads."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._writer = csv.writer(out)
        self._writer.writerow(COLUMNS)

    def read(self, given: Input, read: Read) -> None:
        """Write one read."""
        box, state = read["box"], str(read["state"])
        place = [box[key] for key in ("x", "y", "width", "height")]
        of_us = state.removeprefix("US-") if state.startswith("US-") else "unknown"
        times = [read[key] if given.moving else "" for key in _MOVING_ONLY]
        text = read["plate"] or read["plate_raw"]  # of an unreadable plate what was made out: `reason` tells them apart
        self._writer.writerow([
            given.name, text, *place, of_us, read["confidence"],
            state, read["state_confidence"], read["unreadable_reason"], *times,
        ])  # fmt: skip
        self._out.flush()
