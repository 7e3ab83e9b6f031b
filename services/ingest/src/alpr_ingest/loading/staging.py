"""Compares a list file with what the list has, batch by batch; nothing is held but one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alpr_ingest.hotlists import WITHOUT_BASIS, ActiveList
from alpr_ingest.reading import Batch, Prepared, Read
from alpr_ingest.store import Changing
from alprcore.layouts import ListEnd, Reject
from alprcore.plates import skeleton
from alprcore.seal import ListKeys

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
    without_basis: bool = False
    """A line brought registration data although no permissible use is named."""
    rejects: list[Reject] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Entries that the list has with other details."""
        return self.known - self.same

    @property
    def added(self) -> int:
        """Entries that the list has not."""
        return self.accepted - self.known


class Staging:
    """One file on its way: every entry is compared, and sealed only when it is new or changed."""

    def __init__(self, target: ActiveList, keys: ListKeys, told: Callable[[int], None]) -> None:
        """`told` hears how many lines have been read."""
        self._told = told
        self._target = target
        self._keys = keys
        self.counts = Counts()

    async def run(self, read: Read, changing: Changing, *, seal: bool) -> ListEnd:
        """Compare all lines with the list; with `seal`, keep them for a merge as well. Answers how the file ended.

        Where the order of lines matters they are kept in any case, and counted when all are known.
        """
        ordered = False
        coming = asyncio.create_task(read())
        try:
            while isinstance(batch := await coming, Batch):
                coming = asyncio.create_task(read())
                ordered = batch.ordered
                self._count(batch)
                self._told(self.counts.lines)
                held = await changing.held([one[0] for one in batch.accepted]) if self._target.entries else {}
                rows = await asyncio.to_thread(self._compare, batch.accepted, held, seal)
                if seal or ordered:
                    await changing.put(rows, [(one.number, one.reason_code) for one in batch.rejects])
        finally:
            coming.cancel()
        if ordered:
            last = await changing.keep_last_lines()
            self.counts.accepted, self.counts.known, self.counts.same, self.counts.removed = last
        return batch

    def _count(self, batch: Batch) -> None:
        counts = self.counts
        counts.lines += batch.lines
        counts.category_off += batch.category_off
        counts.rejected += len(batch.rejects)
        counts.without_basis |= any(one.reason_code == WITHOUT_BASIS for one in batch.rejects)
        counts.rejects += batch.rejects[: SHOWN_REJECTS - len(counts.rejects)]

    def _compare(self, lines: Sequence[Prepared], held: dict[str, bytes | None], seal: bool) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        counts = self.counts
        for name, plate, details, removal in lines:
            known = name in held
            if removal:
                counts.removed += known
                rows.append((name, known, True, None, None, None, None, None))
                continue
            counts.accepted += 1
            counts.known += known
            digest = self._keys.digest(details, entry_id=name)
            if known and (held[name] == digest or self._keys.digested(held[name], details, entry_id=name)):
                counts.same += 1
                rows.append((name, True, False, None, None, None, None, None))
                continue
            sealed, key_id = self._keys.seal(details, entry_id=name) if seal else (b"", "")
            rows.append((name, known, False, plate, skeleton(plate), sealed, key_id, digest))
        return rows
