"""Whether a list is as young as its rule demands, and whether a day of the agency had its loads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alpr_ingest.hotlists import ActiveList

COUNTED: Final = frozenset({"core", "special"})
"""Types of lists whose loads are counted by local day (HOT-03, HOT-05); a local list is loaded when there is news."""
FED: Final = frozenset({"core", "special", "local"})
_SLACK: Final = timedelta(hours=1)
_LONGEST_CATCH_UP: Final = 31
"""Days that are judged at once after a standstill; older ones are beyond mending."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long ago a list was last known to be what its source has, in seconds, and whether that is too long.

    `since` is when it became too old; None while it is fresh, or while nobody counts on it.
    """

    unconfirmed_s: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class DayCount:
    """Successful loads of one list on one local day, and how many its rule asks for."""

    day: date
    loads: int
    needed: int


def freshness(
    target: ActiveList, *, confirmed_at: datetime | None, watched_from: datetime, fed: bool, now: datetime
) -> Freshness:
    """Judge a list by its last successful load, or by the last pull that found it unchanged (HOT-03, HOT-05).

    A list is too old when that lies further back than a day over its loads per day, and an hour, which the night with 25
    hours needs; a special list without that hour (HOT-05). It is too old also when its source has stood still for twice
    as long, however often the source was asked. One that was never loaded counts from `watched_from`. A special list counts once it is approved, a local one only when it has a feed.
    """
    known = [moment for moment in (target.loaded_at, confirmed_at) if moment is not None]
    last = max(known, default=watched_from)
    if target.list_type == "special":
        last = max(last, watched_from)  # before its approval nothing could be loaded
    counts = target.approved and (target.list_type in COUNTED or (fed and target.list_type in FED))
    interval = timedelta(seconds=target.max_age_s)
    ends = [last + interval + (timedelta(0) if target.list_type == "special" else _SLACK)]
    if target.source_time is not None:
        ends.append(target.source_time + 2 * interval + _SLACK)
    end = min(ends)
    return Freshness(max(0, int((now - last).total_seconds())), end if counts and now > end else None)


def closed_days(judged_to: date | None, watched_from: datetime, now: datetime, zone: str) -> tuple[date, ...]:
    """List the local days that are over and not judged yet, oldest first.

    The day on which watching began is not judged: it had no chance of all its loads.
    """
    local = ZoneInfo(zone)
    today, first = now.astimezone(local).date(), watched_from.astimezone(local).date() + timedelta(days=1)
    begin = max(first, today - timedelta(days=_LONGEST_CATCH_UP))
    if judged_to is not None:
        begin = max(begin, judged_to + timedelta(days=1))
    return tuple(begin + timedelta(days=n) for n in range(max(0, (today - begin).days)))


def missed(target: ActiveList, count: DayCount) -> bool:
    """Tell whether a closed day had fewer successful loads than the list's rule asks for (HOT-03)."""
    return target.approved and target.list_type in COUNTED and count.loads < count.needed
