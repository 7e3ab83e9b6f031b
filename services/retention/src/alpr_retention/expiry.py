"""What falls due and when: the day a purge may take, the days that images need keys for, names of images by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from alprcore.model import DeviceKind, ImageRole
from alprcore.policy import AgencyProfile, due_day

KEYS_BACK: Final = timedelta(days=31)
"""A vehicle's spool may come in a month after its shift; its images need keys then."""
KEYS_AHEAD: Final = timedelta(days=2)
"""Keys lie ready before the first frame of a day, even when this service is away for a weekend's end."""
RECEIVED_BACK: Final = timedelta(days=2)
"""A frame may wait this long between its receipt and its reading."""
_NO_CLOCK: Final = datetime(1970, 1, 1, tzinfo=UTC)  # what a camera says whose clock was reset
_DAY: Final = timedelta(days=1)
_LAST_ZONE: Final = timedelta(hours=12)
UNATTRIBUTED: Final = "unattributed"
"""Stands for the agency of a dead letter that names none, or one that nobody knows: it stays as long as anybody's would."""
LIVE: Final = timedelta(hours=24)
"""A hit is live for this long after it was matched; after that its images pass the query door."""


def purge_before(now: datetime) -> date:
    """Give the first day that may not be purged yet: a due day has ended everywhere 12 h after its end in UTC."""
    return (now - _LAST_ZONE).date()


def refused_as_of(as_of: date, now: datetime) -> bool:
    """Tell whether a purge up to this day would take records before their time (RET-01)."""
    return as_of > purge_before(now)


def usual_days(profile: AgencyProfile, now: datetime) -> frozenset[date]:
    """Give the due days of images captured from 31 days ago to 2 days ahead, of every device kind."""
    days: set[date] = set()
    captured = now - KEYS_BACK
    while captured <= now + KEYS_AHEAD:
        for kind in DeviceKind:
            days.add(due_day(captured, captured, kind, profile))
            days.add(due_day(captured, max(captured, now), kind, profile))
        captured += _DAY
    return frozenset(days)


def key_days(profile: AgencyProfile, now: datetime) -> frozenset[date]:
    """Give every due day of images received from 2 days ago to 2 days ahead, whatever their capture time says.

    Where the clock starts at the capture, a reset camera clock or an old spool brings the due day down to any day as
    far as the one-year floor (RET-01): with a period of two years these are about 370 days.
    """
    days = set(usual_days(profile, now))
    for kind in DeviceKind:
        day = due_day(_NO_CLOCK, now - RECEIVED_BACK, kind, profile)
        last = due_day(now + KEYS_AHEAD, now + KEYS_AHEAD, kind, profile)
        while day <= last:
            days.add(day)
            day += _DAY
    return frozenset(days)


def image_prefixes(agency: str, day: date) -> tuple[str, ...]:
    """Name the folders in which an agency's images of one due day lie."""
    return tuple(f"{role.value}/{agency}/{day.isoformat()}" for role in ImageRole)


def held_key(agency: str, hold_id: str, read_id: str, role: str) -> str:
    """Name an image that a hold keeps beyond its due day."""
    return f"{held_prefix(agency, hold_id)}/{read_id}-{role}.jpg"


def held_prefix(agency: str, hold_id: str) -> str:
    """Name the folder of the images that a hold keeps."""
    return f"held/{agency}/{hold_id}"
