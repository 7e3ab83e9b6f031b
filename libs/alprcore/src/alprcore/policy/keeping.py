"""How long a record is kept, and when a hit is late."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.model import DeviceKind

from .profile import AgencyProfile

FLOOR_YEARS: Final = 1
"""No record is due earlier than one calendar year after it was received (RET-01)."""


def due_day(captured_at: datetime, received_at: datetime, kind: DeviceKind, profile: AgencyProfile) -> date:
    """Give the agency-local day on which a record falls due; it may be purged when that day has ended.

    Clock and period come from the profile (RET-02..04), never earlier than the one-year floor (RET-01).
    """
    zone = ZoneInfo(profile.timezone)
    start = captured_at if profile.retention_clock == "captured" else received_at
    due = add_years(start.astimezone(zone).date(), profile.retention_years(kind))
    return max(due, add_years(received_at.astimezone(zone).date(), FLOOR_YEARS))


def add_years(day: date, years: int) -> date:
    """Move a day by calendar years; 29 February becomes 1 March, so that nothing falls due early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def hit_is_delayed(captured_at: datetime, now: datetime, profile: AgencyProfile) -> bool:
    """Tell whether a hit comes so late after capture that it must be labeled with its age (CAP-09)."""
    return (now - captured_at).total_seconds() > profile.delayed_after_s
