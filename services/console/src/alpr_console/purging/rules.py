"""What a purge takes that its order does not name, and what its answer says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from alprcore.model import DeviceKind, PurgeAnswer, PurgeOrder
from alprcore.policy import AgencyProfile, due_day

SERVICE: Final = "console"
_DAY: Final = timedelta(days=1)
_SLACK: Final = timedelta(days=2)
_LONGEST: Final = timedelta(days=2200)  # beyond the five years that a period may have


def together(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Put together what several features removed, by table; a table that two of them name counts both."""
    found: dict[str, int] = {}
    for count in counts:
        for table, number in count.items():
            found[table] = found.get(table, 0) + number
    return found


def over_before(day: date, policies: Sequence[AgencyProfile]) -> datetime | None:
    """Give the moment before which every hit is due by a day, under each of these policies; None without any.

    `policies` are all that were ever in force for the agency: retention gives a read no later day than one of them
    does. Two days are left for time zones and for the way of a read to its hit.
    """
    if not policies:
        return None
    first, last = day - _LONGEST, day
    while first < last:  # the latest day on which a capture is due by then; a later capture never falls due earlier
        middle = first + (last - first + _DAY) // 2
        if _due(middle, policies) <= day:
            first = middle
        else:
            last = middle - _DAY
    return datetime.combine(first - _SLACK, time(), UTC) if _due(first, policies) <= day else None


def _due(captured: date, policies: Iterable[AgencyProfile]) -> date:
    at = datetime.combine(captured, time(), UTC)
    return max(due_day(at, at, kind, policy, hit=True) for policy in policies for kind in DeviceKind)


def answer(order: PurgeOrder, gone: Mapping[str, int], now: datetime) -> PurgeAnswer:
    """Answer one part of an order: rows that went, by table, empty ones left out. Nothing named is ever left."""
    return PurgeAnswer(
        order.order_id,
        order.run_id,
        order.agency,
        order.due_day,
        order.part,
        SERVICE,
        {table: number for table, number in gone.items() if number},
        {},
        now,
    )
