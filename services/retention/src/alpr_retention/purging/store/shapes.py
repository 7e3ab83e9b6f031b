"""What the rows of a purge are read into: runs, items, and what the services answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from alprcore.model import make_id

from ..rules import Answer, Item


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the purge: what it was asked, by whom, and how it stands."""

    run_id: str
    as_of: date
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    asked_by: str
    asked_name: str
    asked_agency: str
    settle_by: datetime | None

    def facts(self, agency: str) -> dict[str, Any]:
        """The run as people and programs of this agency read it: another agency's officer has no name there."""
        ours = agency == self.asked_agency
        return {
            "run_id": self.run_id,
            "as_of": self.as_of.isoformat(),
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "asked_by": self.asked_by if ours else "",
            "asked_name": self.asked_name if ours else "",
        }


def run_of(row: Mapping[str, Any]) -> Run:
    """A run from its row."""
    return Run(str(row["run_id"]), *(row[name] for name in Run.__slots__[1:]))


def item_of(row: Mapping[str, Any]) -> Item:
    """An item from its row, without answers."""
    return Item(
        agency=row["agency"],
        due_day=row["due_day"],
        kind=row["kind"],
        state=row["state"],
        reason_code=row["reason_code"],
        profile_version=row["profile_version"],
        reads=row["reads"],
        hits=row["hits"],
        held=row["held"],
        images=row["images"],
        key_destroyed=row["key_destroyed"],
        parts=row["parts"],
        holds=json.loads(row["holds"]),
        stores=json.loads(row["stores"]),
        strays=tuple(row["strays"]),
    )


def order_id_of(run_id: str, agency: str, day: date, kind: str, part: int) -> str:
    """Name one part of what the services are told about an item."""
    return make_id("purge_order", run_id, agency, kind, day.isoformat(), str(part))


def answers_of(rows: Sequence[Any]) -> tuple[Answer, ...]:
    """Add up what each service said to the parts of one item's orders."""
    sums: dict[str, Answer] = {}
    for row in rows:
        gone, left = Counter(json.loads(row["gone"])), Counter(json.loads(row["remaining"]))
        parts, last = 1, row["answered_at"]
        if before := sums.get(row["service"]):
            gone.update(before.gone)
            left.update(before.left)
            parts, last = before.parts + 1, max(before.answered_at, last)
        sums[row["service"]] = Answer(row["service"], parts, dict(gone), dict(left), last)
    return tuple(sums.values())
