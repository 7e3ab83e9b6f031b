"""What figures say of hits: how often which device, list and grade was right, and how long each step took. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import AgencyProfile

READERS: Final = frozenset({"supervisor", "alpr_admin", "program_manager", "auditor"})
REVIEWERS: Final = frozenset({"supervisor"})
FINDING_LENGTH: Final = (8, 2000)
LONGEST: Final = timedelta(days=366)
SUMMED_WITHIN: Final = timedelta(days=31)
"""Outcomes of the last month are summed up anew: what is done on a hit later than that changes no figure."""
STAGES: Final = {
    "captured_shown": "Captured to shown",
    "shown_acknowledged": "Shown to acknowledged",
    "shown_broadcast": "Shown to first broadcast",
    "broadcast_verified": "Broadcast to verification",
    "broadcast_result": "Broadcast to the broadcast of the result",
    "captured_verified": "Captured to verification",
}
"""Stages of the work on a hit whose times are reported (HIT-13, HIT-19)."""
_QUARTER: Final = re.compile(r"(\d{4})-Q([1-4])")


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when, the end not included."""

    name: str
    starts_at: datetime
    ends_at: datetime


def may_read(person: Person) -> Decision:
    """Decide whether a person sees what became of hits."""
    if READERS.isdisjoint(person.roles):
        return Refused("HIT-07", "ROLE_NOT_AUTHORISED", "figures are open to: " + ", ".join(sorted(READERS)))
    return ADMITTED


def may_review(person: Person) -> Decision:
    """Decide whether a person closes the review of a wrong stop."""
    if REVIEWERS.isdisjoint(person.roles):
        return Refused("HIT-12", "ROLE_NOT_AUTHORISED", "reviews are closed by: supervisor")
    return ADMITTED


def period(
    quarter: str, start: datetime | None, end: datetime | None, profile: AgencyProfile, now: datetime
) -> Period | Refused:
    """Fix the period of a report: a quarter of the agency's calendar ("2027-Q1"), or from and to; else this quarter."""
    zone = ZoneInfo(profile.timezone)
    if quarter:
        found = _QUARTER.fullmatch(quarter)
        if found is None:
            return Refused("HIT-19", "FIELD_INVALID", "a quarter is written as 2027-Q1")
        return _quarter(int(found[1]), int(found[2]), zone)
    if start is None and end is None:
        today = now.astimezone(zone)
        return _quarter(today.year, (today.month + 2) // 3, zone)
    if start is None or end is None or start.tzinfo is None or end.tzinfo is None or not start < end <= start + LONGEST:
        return Refused("HIT-19", "FIELD_INVALID", "from and to, with their time zones, a year apart at most")
    return Period("", start, end)


def precision(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count what became of hits, in all and by device, list and grade.

    `rows` are outcomes. Precision is the share of hits whose read was compared and found right, None below one check:
    what nobody looked at says nothing.
    """
    return {
        "total": _counts(rows),
        "devices": _by(rows, "device_id"),
        "lists": _by(rows, "list_code"),
        "grades": _by(rows, "grade"),
    }


def times(rows: Sequence[Mapping[str, Any]], overdue: int, profile: AgencyProfile) -> dict[str, Any]:
    """Lay out how long each stage took: `rows` hold stage, count, p50, p90, p99 in seconds."""
    known = {row["stage"]: row for row in rows}
    stages = [
        {
            "stage": stage,
            "words": words,
            "hits": known[stage]["count"] if stage in known else 0,
            **{name: round(known[stage][name], 3) if stage in known else None for name in ("p50", "p90", "p99")},
        }
        for stage, words in STAGES.items()
    ]
    return {"stages": stages, "overdue_broadcasts": overdue, "broadcast_limit_s": profile.hits.broadcast_s or None}


def finding(text: str) -> str | Refused:
    """Judge what a supervisor found on reviewing a wrong stop."""
    low, high = FINDING_LENGTH
    if not low <= len(text.strip()) <= high:
        return Refused("HIT-12", "FIELD_INVALID", f"a finding has {low} to {high} characters")
    return text.strip()


def _by(rows: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return [{name: one, **_counts(groups[one])} for one in sorted(groups)]


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    checked = sum(row["checked_at"] is not None for row in rows)
    misreads, wrong_states = (sum(row[name] for row in rows) for name in ("misread", "wrong_state"))
    answers = Counter(row["verification"] for row in rows)
    return {
        "hits": len(rows),
        "checked": checked,
        "misreads": misreads,
        "wrong_states": wrong_states,
        "precision": round((checked - misreads - wrong_states) / checked, 4) if checked else None,
        "active": answers["active"],
        "not_current": answers["not_active"],
        "no_record": answers["no_record"],
        "stops": sum(row["stopped"] for row in rows),
        "wrong_vehicles": sum(row["wrong_vehicle"] for row in rows),
        "dispositions": dict(sorted(Counter(row["disposition"] for row in rows if row["disposition"]).items())),
    }


def _quarter(year: int, number: int, zone: ZoneInfo) -> Period:
    months = (3 * number - 2, 3 * number + 1)
    start, end = (
        datetime(year + (month > 12), (month - 1) % 12 + 1, 1, tzinfo=zone).astimezone(UTC) for month in months
    )
    return Period(f"{year}-Q{number}", start, end)
