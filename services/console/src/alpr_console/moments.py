"""How pages lay out times and days: in the agency's zone, for people; as RFC 3339, for machines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def iso(moment: datetime | str) -> str:
    """Lay out a time for machines (RFC 3339)."""
    return moment.isoformat() if isinstance(moment, datetime) else moment


def local(moment: datetime | str, zone: str) -> str:
    """Lay out a time in the agency's zone; what is no time is shown as it is."""
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return str(moment)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return f"{parsed.astimezone(ZoneInfo(zone)):%b %-d, %Y, %H:%M:%S %Z}"


def day(moment: date | str, zone: str, *, until: bool = False) -> str:
    """Lay out a day, or the day of a time in the agency's zone; with `until` the last day before that time."""
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return str(moment)
    if isinstance(parsed, datetime) and parsed.tzinfo is not None:
        parsed = parsed.astimezone(ZoneInfo(zone)) - timedelta(seconds=1 if until else 0)
    return f"{parsed:%b %-d, %Y}"
