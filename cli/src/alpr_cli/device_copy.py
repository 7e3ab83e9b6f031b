"""A device's copies of lists in a file: takes packages whole or not at all, and tells which lists have a plate."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from alprcore.copies import ListCopy, PackageHead, PackageReader
from alprcore.errors import InvalidMessage
from alprcore.model import PackagePart, Plate, from_us, to_us

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS packages (only integer PRIMARY KEY CHECK (only = 1), package_id text NOT NULL,
    agency text NOT NULL, device_id text NOT NULL, issued_us integer NOT NULL);
CREATE TABLE IF NOT EXISTS lists (code text PRIMARY KEY, name text NOT NULL, list_type text NOT NULL,
    advisory_class text NOT NULL, default_reason text NOT NULL, version integer NOT NULL, entries integer NOT NULL,
    source_time_us integer NOT NULL, valid_until_us integer NOT NULL);
CREATE TABLE IF NOT EXISTS entries (entry_id blob PRIMARY KEY, code text NOT NULL, plate text NOT NULL,
    sealed blob NOT NULL, key_id text NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_plate ON entries (plate);
"""
_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Held:
    """One list as the device has it."""

    code: str
    name: str
    advisory_class: str
    default_reason: str
    version: int
    entries: int
    source_time: datetime
    valid_until: datetime


class CopyBroken(InvalidMessage):
    """A list has not the entries that its package says: it is to be pulled whole."""

    def __init__(self, code: str, found: int, said: int) -> None:
        super().__init__("COPY_BROKEN", f"{code} has {found} entries instead of {said}")
        self.list_code = code


class DeviceCopy:
    """The file. Plates are readable in it, everything else is sealed as it came; what was taken out is overwritten."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open the file, made where there is none, readable by its owner alone."""
        path.touch(mode=0o600)
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")  # a plate that left its list leaves the disk
            database.execute("PRAGMA journal_mode = WAL")  # who compares meanwhile sees the lists as they were
            database.executescript(_SCHEMA)
            yield cls(database)

    def lists(self) -> list[Held]:
        """List what the device has."""
        rows = self._database.execute(
            "SELECT code, name, advisory_class, default_reason, version, entries, source_time_us, valid_until_us"
            " FROM lists ORDER BY code"
        )
        return [Held(a, b, c, d, e, f, from_us(sourced), from_us(until)) for a, b, c, d, e, f, sourced, until in rows]

    def versions(self) -> dict[str, int]:
        """The version of each list, as a package is asked for."""
        return {one.code: one.version for one in self.lists()}

    def newest(self) -> tuple[str, datetime] | None:
        """Id and time of the package that was taken last."""
        row = self._database.execute("SELECT package_id, issued_us FROM packages").fetchone()
        return None if row is None else (row[0], from_us(row[1]))

    def find(self, plate: Plate, now: datetime) -> list[Held]:
        """Name the lists that have this very plate, of those whose copy still holds."""
        rows = self._database.execute("SELECT DISTINCT code FROM entries WHERE plate = ?", (plate.reveal(),))
        codes = {code for (code,) in rows}
        return [one for one in self.lists() if one.code in codes and now < one.valid_until]

    def forget(self) -> None:
        """Start anew: no list, and any package is newer."""
        with self._changing():
            for table in ("entries", "lists", "packages"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - the three names above

    def apply(self, package: PackageReader, private: bytes, *, device_id: str, nonce: str, now: datetime) -> None:
        """Take a package: all of its lists or, when anything is wrong with it, nothing.

        Raises `InvalidMessage`: PACKAGE_FOREIGN (another device's or agency's), PACKAGE_NOT_ASKED (answers another
        call), PACKAGE_OLDER, PACKAGE_EXPIRED, PACKAGE_BASE (starts from a version that is not held), SEAL_BROKEN,
        PACKAGE_INVALID, and `CopyBroken`.
        """
        head = package.head
        self._admit(head, device_id, nonce, now)
        kept = {one.code: one for one in head.lists}
        with self._changing():
            for code in self.versions().keys() - kept.keys():
                self._database.execute("DELETE FROM entries WHERE code = ?", (code,))
                self._database.execute("DELETE FROM lists WHERE code = ?", (code,))
            for one in head.lists:
                if one.kind == "full":
                    self._database.execute("DELETE FROM entries WHERE code = ?", (one.code,))
            self._take(package.parts(private), kept)
            for one in head.lists:
                self._keep(one)
            self._database.execute(
                "INSERT OR REPLACE INTO packages VALUES (1, ?, ?, ?, ?)",
                (head.package_id, head.agency, head.device_id, to_us(head.issued_at)),
            )

    def _admit(self, head: PackageHead, device_id: str, nonce: str, now: datetime) -> None:
        known = self._database.execute("SELECT agency, device_id, issued_us FROM packages").fetchone()
        if head.device_id != device_id or (known is not None and known[:2] != (head.agency, head.device_id)):
            raise InvalidMessage("PACKAGE_FOREIGN", "it is for another device or of another agency")
        if head.nonce != nonce:
            raise InvalidMessage("PACKAGE_NOT_ASKED", "it answers another call")
        if any(one.valid_until <= now for one in head.lists):
            raise InvalidMessage("PACKAGE_EXPIRED", "the time for which its lists hold is over")
        if known is not None and to_us(head.issued_at) <= known[2]:
            raise InvalidMessage("PACKAGE_OLDER", "a package of the same time or a later one was taken already")
        held = self.versions()
        for one in head.lists:
            if one.version < held.get(one.code, 0):
                raise InvalidMessage("PACKAGE_OLDER", f"{one.code}: version {one.version} is older than the one held")
            if one.base and one.base != held.get(one.code, 0):
                raise InvalidMessage(
                    "PACKAGE_BASE", f"{one.code}: it starts from version {one.base}, which is not held"
                )

    def _take(self, parts: Iterator[PackagePart], kept: dict[str, ListCopy]) -> None:
        code, waiting = "", list[tuple[bytes, str, str, bytes, str]]()
        for part in parts:
            match part.kind:
                case "begin":
                    self._put(waiting)
                    code = part.list_code
                    if code not in kept or kept[code].kind == "same":
                        raise InvalidMessage("PACKAGE_INVALID", "entries of a list that its head does not bring")
                case "removed":
                    self._put(waiting)
                    self._database.execute(
                        "DELETE FROM entries WHERE entry_id = ? AND code = ?", (part.entry_id, code)
                    )  # fmt: skip
                case "end":
                    pass  # the reader's affair
                case "put":
                    waiting.append((part.entry_id, code, part.plate.reveal(), part.sealed, part.key_id))
                    if len(waiting) == _BATCH:
                        self._put(waiting)
        self._put(waiting)

    def _put(self, waiting: list[tuple[bytes, str, str, bytes, str]]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", waiting)
        waiting.clear()

    def _keep(self, one: ListCopy) -> None:
        [found] = self._database.execute("SELECT count(*) FROM entries WHERE code = ?", (one.code,)).fetchone()
        if found != one.entries:
            raise CopyBroken(one.code, found, one.entries)
        self._database.execute(
            "INSERT OR REPLACE INTO lists VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(one.code, one.name, one.list_type, one.advisory_class, one.default_reason, one.version, one.entries),
                *(to_us(one.source_time), to_us(one.valid_until)),
            ),
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
