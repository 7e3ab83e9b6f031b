"""What was sent to standing repositories, noted beside the keys: the folder outlives a backup of the database (SHR-10).

A database from a backup does not know what went after it. The notes of the backups' window tell: what is not known here to
lie there is entered again, and what is not stored here any more is taken back like everything else that was purged.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from alprcore.model import from_us, to_us

WINDOW: Final = timedelta(days=36)
"""A day more than the longest that a backup is kept (`retention.backup_window_days`)."""
AT_ONCE: Final = 5000
_LINE: Final = struct.Struct(">?16siq")


@dataclass(frozen=True, slots=True)
class Noted:
    """A read that was sent: which revision of it, and when it was captured."""

    read_id: UUID
    revision: int
    captured_at: datetime


class SentNotes:
    """One file a day for each agency and repository: what went there and what was taken back, in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sent(self, agency: str, adapter: str, now: datetime, reads: Iterable[Noted]) -> None:
        """Note reads before they leave; a crash in between notes what never went, which is taken back in vain."""
        lines = (_LINE.pack(True, one.read_id.bytes, one.revision, to_us(one.captured_at)) for one in reads)
        self._add(agency, adapter, now, b"".join(lines))

    def back(self, agency: str, adapter: str, now: datetime, read_ids: Iterable[UUID]) -> None:
        """Note reads that the repository gave back."""
        self._add(agency, adapter, now, b"".join(_LINE.pack(False, one.bytes, 0, 0) for one in read_ids))

    def lying(self, agency: str, adapter: str) -> Iterator[Sequence[Noted]]:
        """What was sent within the window and not given back after it, the newest day first, some thousands at a time."""
        gone: set[bytes] = set()
        for file in sorted(self._place(agency, adapter).glob("*.sent"), reverse=True):
            back = {read_id: at for at, (sent, read_id, _, _) in enumerate(_lines(file)) if not sent}
            page: dict[bytes, Noted] = {}
            for at, (sent, read_id, revision, captured) in enumerate(_lines(file)):
                if sent and at > back.get(read_id, -1) and read_id not in gone:
                    page[read_id] = Noted(UUID(bytes=read_id), revision, from_us(captured))
                if len(page) == AT_ONCE:
                    yield list(page.values())
                    page = {}
            if page:
                yield list(page.values())
            gone |= set(back)

    def known(self, agency: str, adapter: str) -> str:
        """Name the database that was compared with the notes last; empty when none was."""
        try:
            return (self._place(agency, adapter) / "known").read_text("utf-8")
        except FileNotFoundError:
            return ""

    def know(self, agency: str, adapter: str, database: str) -> None:
        """Keep which database was compared with the notes."""
        place = self._place(agency, adapter)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        (place / "known").write_text(database, encoding="utf-8")

    def forget(self, agency: str, adapter: str, now: datetime) -> None:
        """Remove the notes of days that no backup reaches back to."""
        before = (now.astimezone(UTC) - WINDOW).date()
        for file in self._place(agency, adapter).glob("*.sent"):
            if date.fromisoformat(file.stem) < before:
                file.unlink()

    def _place(self, agency: str, adapter: str) -> Path:
        if not agency or "/" in agency + adapter or agency.startswith("."):
            raise ValueError("not an agency's repository")
        return self._folder / agency / f"sent-{adapter}"

    def _add(self, agency: str, adapter: str, now: datetime, content: bytes) -> None:
        if not content:
            return
        place = self._place(agency, adapter)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = place / f"{now.astimezone(UTC).date().isoformat()}.sent"
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            whole = file.seek(0, os.SEEK_END) // _LINE.size * _LINE.size
            file.truncate(whole)  # a line that a crash left half would shift all that follow
            file.seek(whole)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _lines(file: Path) -> Iterator[tuple[bool, bytes, int, int]]:
    content = file.read_bytes()
    return _LINE.iter_unpack(content[: len(content) - len(content) % _LINE.size])
