"""Turns a list file into named entries, batch by batch; nothing is held but one batch. Knows no keys and no store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final

from alpr_ingest.hotlists import CATEGORY_OFF, ActiveList, left_out
from alprcore.layouts import Layout, Line, ListEnd, Reject, read_list
from alprcore.model import entry_id
from alprcore.wire import encode_entry_details

BATCH: Final = 5_000
"""Lines read, compared and staged at a time: about 5 MB."""
LENGTH: Final = 8
"""Bytes before each pickled batch that say how long it is, where a child gives them."""

Prepared = tuple[str, str, bytes, bool]
"""An accepted line: entry id, plate, details, and whether the entry is to be taken off."""


@dataclass(frozen=True, slots=True)
class Task:
    """How a file is read: for which list, by which layout, of when, and under which use its registration data stands.

    `declared` is how many entries the sender says there are, `zone` the agency's time zone.
    """

    target: ActiveList
    layout: Layout
    now: datetime
    declared: int | None
    zone: str
    incremental: bool
    permissible_use: str


@dataclass(slots=True)
class Batch:
    """Some lines of a file. `ordered`: of several lines of an entry the last one holds."""

    ordered: bool
    lines: int = 0
    accepted: list[Prepared] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    category_off: int = 0


def batches(task: Task, source: BinaryIO) -> Iterator[Batch | ListEnd]:
    """Read a file from its begin: its lines in batches, and how it ended. An `OSError` of the source passes through."""
    target, use = task.target, task.permissible_use
    lines = read_list(
        source, task.layout, now=task.now, declared=task.declared, zone=task.zone,
        counts=lambda line: not left_out(target, line, use), incremental=task.incremental,
    )  # fmt: skip
    while found := list(islice(lines, BATCH)):
        batch = Batch(lines.ordered, len(found))
        for line in found:
            if isinstance(line, Reject):
                batch.rejects.append(line)
            elif code := left_out(target, line, use):
                if code == CATEGORY_OFF:
                    batch.category_off += 1
                else:
                    batch.rejects.append(Reject(line.number, code))
            else:
                batch.accepted.append(_prepared(target, line, use))
        yield batch
    yield lines.end


def _prepared(target: ActiveList, line: Line, use: str) -> Prepared:
    plate, told = line.plate.reveal(), line.details
    name = entry_id(target.agency, target.code, plate, told.state, line.record)
    return name, plate, encode_entry_details(replace(told, permissible_use=use) if use else told), line.removal
