"""Reads a list file in batches and compares it with what the list has; nothing is held but one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Changing
from alprcore.layouts import Line, ListReading, Reject
from alprcore.model import entry_id
from alprcore.plates import skeleton
from alprcore.seal import ListKeys
from alprcore.wire import encode_entry_details

BATCH: Final = 5_000
"""Lines read, compared and staged at a time: about 5 MB."""
SHOWN_REJECTS: Final = 1_000


@dataclass(slots=True)
class Counts:
    """What a file holds beside what the list has; `rejects` are the first ones, by line."""

    lines: int = 0
    accepted: int = 0
    known: int = 0
    same: int = 0
    removed: int = 0
    rejected: int = 0
    category_off: int = 0
    rejects: list[Reject] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Entries that the list has with other details."""
        return self.known - self.same

    @property
    def added(self) -> int:
        """Entries that the list has not."""
        return self.accepted - self.known


_Prepared = tuple[str, str, bytes, bytes, bool]
"""An accepted line: entry id, plate, details, their keyed digest, and whether the entry is to be taken off."""


class Staging:
    """One file on its way: every line is parsed once, named, compared, and sealed only when it is new or changed."""

    def __init__(
        self,
        target: ActiveList,
        keys: ListKeys,
        unfit: Callable[[Line], str],
        told: Callable[[int], None],
        *,
        permissible_use: str = "",
    ) -> None:
        """`unfit` gives the code for which a line of this list is rejected although it can be read, or nothing.

        `told` hears how many lines have been read. `permissible_use` is sealed into every entry (SEC-05).
        """
        self._told = told
        self._target = target
        self._keys = keys
        self._unfit = unfit
        self._use = permissible_use
        self.counts = Counts()

    def counts_for(self, line: Line) -> bool:
        """Tell whether the list takes a line, as far as its content goes."""
        off = line.category and line.category in self._target.categories_off
        return not off and (line.removal or not self._unfit(line))

    async def run(self, lines: ListReading, changing: Changing, *, seal: bool) -> Counts:
        """Compare all lines with the list; with `seal`, keep them for a merge as well.

        Where the order of lines matters they are kept in any case, and counted when all are known.
        """
        walk = iter(lines)
        coming = asyncio.create_task(asyncio.to_thread(self._read, walk))
        try:
            while (batch := await coming) is not None:
                coming = asyncio.create_task(asyncio.to_thread(self._read, walk))
                accepted, rejects = batch
                self._told(self.counts.lines)
                held = await changing.held([one[0] for one in accepted]) if self._target.entries else {}
                rows = await asyncio.to_thread(self._compare, accepted, held, seal)
                if seal or lines.ordered:
                    await changing.put(rows, [(one.number, one.reason_code) for one in rejects])
        finally:
            coming.cancel()
        if lines.ordered:
            last = await changing.keep_last_lines()
            self.counts.accepted, self.counts.known, self.counts.same, self.counts.removed = last
        return self.counts

    def _read(self, walk: Iterator[Line | Reject]) -> tuple[list[_Prepared], list[Reject]] | None:
        found = list(islice(walk, BATCH))
        if not found:
            return None
        accepted, rejects = [], []
        counts, off = self.counts, self._target.categories_off
        for line in found:
            if isinstance(line, Reject):
                rejects.append(line)
            elif line.category and line.category in off:
                counts.category_off += 1
            elif not line.removal and (code := self._unfit(line)):
                rejects.append(Reject(line.number, code))
            else:
                accepted.append(self._prepare(line))
        counts.lines += len(found)
        counts.rejected += len(rejects)
        counts.rejects += rejects[: SHOWN_REJECTS - len(counts.rejects)]
        return accepted, rejects

    def _prepare(self, line: Line) -> _Prepared:
        target, plate = self._target, line.plate.reveal()
        name = entry_id(target.agency, target.code, plate, line.details.state, line.record)
        told = replace(line.details, permissible_use=self._use) if self._use else line.details
        details = encode_entry_details(told)
        return name, plate, details, self._keys.digest(details, entry_id=name), line.removal

    def _compare(self, lines: Sequence[_Prepared], held: dict[str, bytes | None], seal: bool) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        counts = self.counts
        for name, plate, details, digest, removal in lines:
            known = name in held
            if removal:
                counts.removed += known
                rows.append((name, known, True, None, None, None, None, None))
                continue
            counts.accepted += 1
            counts.known += known
            if known and (held[name] == digest or self._keys.digested(held[name], details, entry_id=name)):
                counts.same += 1
                rows.append((name, True, False, None, None, None, None, None))
                continue
            sealed, key_id = self._keys.seal(details, entry_id=name) if seal else (b"", "")
            rows.append((name, known, False, plate, skeleton(plate), sealed, key_id, digest))
        return rows
