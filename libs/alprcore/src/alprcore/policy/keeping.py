"""How long a record is kept, and when a hit is late."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Admitted, DeviceKind, Refused

from .profile import AgencyProfile, RetentionRules

FLOOR_YEARS: Final = 1
"""No record is due earlier than one calendar year after it was received (RET-01)."""
LONGEST_YEARS: Final = 5
_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,3}) (minute|day|month|year)s?")
_PLAIN_YEAR: Final = date(2023, 3, 1)  # the year after it has 366 days: what reaches it reaches a year from any day


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time as papers state it: a count of minutes, days, calendar months or calendar years."""

    count: int
    unit: str

    def after(self, start: datetime) -> datetime:
        """Give the moment at which the period ends; a day that a month lacks becomes the first of the next month."""
        match self.unit:
            case "minute":
                return start + timedelta(minutes=self.count)
            case "day":
                return start + timedelta(days=self.count)
            case _:
                months = self.count * (12 if self.unit == "year" else 1)
                return datetime.combine(add_months(start.date(), months), start.timetz(), start.tzinfo)

    @property
    def words(self) -> str:
        """The period as profiles write it."""
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"

    @property
    def reach(self) -> date:
        """The day it reaches from the same first day as every other: tells which of two periods is longer."""
        return self.after(datetime.combine(_PLAIN_YEAR, datetime.min.time())).date()


FLOOR: Final = Period(FLOOR_YEARS, "year")
LONGEST: Final = Period(LONGEST_YEARS, "year")


def read_period(text: str) -> Period | None:
    """Read a period as profiles write it: `2 years`, `18 months`, `21 days`, `3 minutes`; None for anything else."""
    found = _WRITTEN.fullmatch(text)
    return Period(int(found[1]), found[2]) if found else None


def period_of(rules: RetentionRules, kind: DeviceKind, *, hit: bool = False) -> Period:
    """Give the period that binds records of a device kind, of reads that hit a list or of all others.

    Trailers follow fixed devices (RET-03). Where the schedule has entries for the kind, the longest of them is the
    period, never a shorter one than the policy's own (RET-05). Raises `ValueError` for rules that no profile may have.
    """
    texts = [rules.mobile if kind is DeviceKind.MOBILE else rules.fixed]
    texts += [entry.period for entry in rules.schedule if not entry.devices or kind.value in entry.devices]
    if hit and rules.hits:
        texts.append(rules.hits)
    periods = [read_period(text) for text in texts]
    if None in periods:
        raise ValueError("a period that is none")
    return max((period for period in periods if period), key=lambda period: (period.reach, period.count))


def unscheduled(rules: RetentionRules) -> tuple[DeviceKind, ...]:
    """Name the device kinds that the records schedule has to cover and does not: nothing is purged then (RET-05)."""
    if not rules.schedule_required:
        return ()
    covered = {kind for entry in rules.schedule for kind in entry.devices or tuple(kind.value for kind in DeviceKind)}
    return tuple(kind for kind in DeviceKind if kind.value not in covered)


def due_at(
    captured_at: datetime, received_at: datetime, kind: DeviceKind, profile: AgencyProfile, *, hit: bool = False
) -> datetime:
    """Give the moment, in the agency's time, at which a record's period ends: clock and period by profile (RET-02..05).

    Never earlier than the one-year floor (RET-01), unless the profile names a statute that asks for less: then never
    before it was received. Whether such a profile may be in force at all, `may_keep_less` decides.
    """
    zone, rules = ZoneInfo(profile.timezone), profile.retention
    start = captured_at if rules.clock == "captured" else received_at
    due = period_of(rules, kind, hit=hit).after(start.astimezone(zone))
    received = received_at.astimezone(zone)
    return max(due, received if rules.statute else FLOOR.after(received))


def due_day(
    captured_at: datetime, received_at: datetime, kind: DeviceKind, profile: AgencyProfile, *, hit: bool = False
) -> date:
    """Give the agency-local day on which a record falls due; it may be purged when that day has ended."""
    return due_at(captured_at, received_at, kind, profile, hit=hit).date()


def may_keep_less(rules: RetentionRules, statute: str) -> Admitted | Refused:
    """Decide whether rules fit a deployment, which was declared to stand under this statute or, empty, under none.

    Less than a year takes a named statute and a deployment of its own, because topics are shared (RET-01).
    """
    if not rules.statute or rules.statute == statute:
        return ADMITTED
    under = f"this one stands under {statute}" if statute else "this one stands under none"
    return Refused(
        "RET-01", "RETENTION_FLOOR", f"keeping records by {rules.statute} takes a deployment of its own; {under}"
    )


def longest_period(rules: RetentionRules) -> Period:
    """Give the longest period that any record of the agency is kept for, holds aside."""
    periods: Iterable[Period] = (period_of(rules, kind, hit=True) for kind in DeviceKind)
    return max(periods, key=lambda period: period.reach)


def shortest_period(rules: RetentionRules) -> Period:
    """Give the shortest period that any record of the agency is kept for."""
    return min((period_of(rules, kind) for kind in DeviceKind), key=lambda period: period.reach)


def add_years(day: date, years: int) -> date:
    """Move a day by calendar years; 29 February becomes 1 March, so that nothing falls due early."""
    return add_months(day, 12 * years)


def add_months(day: date, months: int) -> date:
    """Move a day by calendar months; a day that the month lacks becomes the first of the next, nothing falls due early."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    try:
        return date(year, month + 1, day.day)
    except ValueError:
        return date(year, month + 2, 1)  # no December lacks a day


def hit_is_delayed(captured_at: datetime, now: datetime, profile: AgencyProfile) -> bool:
    """Tell whether a hit comes so late after capture that it must be labeled with its age (CAP-09)."""
    return (now - captured_at).total_seconds() > profile.delayed_after_s
