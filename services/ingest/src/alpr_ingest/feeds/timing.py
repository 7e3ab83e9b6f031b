"""When a list is pulled next, and when a day of the agency begins and ends."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from alpr_ingest.feeds.feed import Feed, Schedule

FIRST_RETRY_S: Final = 60
LONGEST_RETRY_S: Final = 3_600
_SPREAD_S: Final = 300
"""Lists of one time of day are spread over five minutes, each always in the same place."""
_UTC: Final = ZoneInfo("UTC")


def next_due(schedule: Schedule, name: str, after: datetime, zone: str) -> datetime:
    """Give the next moment (UTC) at which a list is due after `after`; `name` fixes its place in the spread.

    Times of day are those of the agency's own clock. A time that the clocks skip in spring comes as much later as
    they skip; one that autumn has twice comes the first time only.
    """
    place = int.from_bytes(sha256(name.encode()).digest()[:4], "big") / 2**32
    if schedule.every_s:
        early_s = place * min(_SPREAD_S, schedule.every_s / 10)  # earlier, so that no gap exceeds the rule
        return after + timedelta(seconds=schedule.every_s - early_s)
    late = timedelta(seconds=place * _SPREAD_S)
    local, day = ZoneInfo(zone), after.astimezone(ZoneInfo(zone)).date()
    moments = (
        datetime.combine(day + timedelta(days=more), time.fromisoformat(at), local).astimezone(_UTC) + late
        for more in (-1, 0, 1, 2)
        for at in schedule.at
    )
    return min(moment for moment in moments if moment > after)


def retry_after(failures: int) -> timedelta:
    """Give how long to wait after so many failures in a row: a minute, twice as long each time, an hour at most."""
    return timedelta(seconds=min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(max(failures - 1, 0), 10)))


def due_again(feed: Feed, now: datetime, zone: str, *, retry: bool) -> datetime:
    """Give when a list is pulled again after a pull; a retry comes sooner than its next time, never later."""
    usual = next_due(feed.schedule, f"{feed.agency}/{feed.code}", now, zone)
    return min(usual, now + retry_after(feed.failures + 1)) if retry else usual


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Give the first moment of a local day and of the one after it (UTC): 23, 24 or 25 hours apart."""
    local = ZoneInfo(zone)
    begin, end = (datetime.combine(d, time.min, local).astimezone(_UTC) for d in (day, day + timedelta(days=1)))
    return begin, end
