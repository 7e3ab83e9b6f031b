"""Which audits are due, what a reviewer looks at, who may not judge what, and when an audit is closed (AUD-05, AUD-06)."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import AgencyProfile

from .accesses import ACCESS_KINDS, QUERY_KINDS

SAMPLE_SHARE: Final = 0.05
SAMPLE_A_MONTH: Final = 50
"""A sample is 5 % of the accesses or 50 a month, whichever is more, and everything that a pattern flagged besides."""
READERS: Final = frozenset({"auditor", "alpr_admin", "program_manager"})
"""Who may see audit tasks, reports and findings; working a task takes the task's own role."""
REVIEW_DAYS: Final = 7
"""A finding without a disposition for longer turns the review red (CJIS AU-6: weekly)."""
ACCOUNT_KINDS: Final = (
    "account",
    "grant",
    "assignment",
    "delegation",
    "certification",
    "training",
    "clearance",
    "profile",
)
"""Beginnings of the kinds that an audit of the system looks at beside the accesses."""
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}


class Result(StrEnum):
    """What a reviewer finds of one access."""

    OK = "ok"
    QUESTION = "question"
    VIOLATION = "violation"


@dataclass(frozen=True, slots=True)
class Period:
    """One calendar quarter, month or year of the agency: its name and its ends in UTC."""

    name: str
    starts_at: datetime
    ends_at: datetime
    months: int


def last_period(profile: AgencyProfile, now: datetime) -> Period:
    """Give the last period that is over, in calendar days of the agency."""
    months = _MONTHS[profile.audit.interval]
    zone = ZoneInfo(profile.timezone)
    local = now.astimezone(zone).date()
    first = date(local.year, (local.month - 1) // months * months + 1, 1)
    before = _months_back(first, months)
    name = {
        1: f"{before.year}-{before.month:02d}",
        3: f"{before.year}-Q{(before.month + 2) // 3}",
        12: f"{before.year}",
    }[months]
    return Period(name, _midnight(before, zone), _midnight(first, zone), months)


def next_end(profile: AgencyProfile, now: datetime) -> datetime:
    """When the period that runs now is over."""
    months = _MONTHS[profile.audit.interval]
    zone = ZoneInfo(profile.timezone)
    local = now.astimezone(zone).date()
    first = date(local.year, (local.month - 1) // months * months + 1, 1)
    return _midnight(_months_back(first, -months), zone)


def _months_back(first: date, months: int) -> date:
    count = first.year * 12 + first.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))


def due_at(period: Period, profile: AgencyProfile) -> datetime:
    """When an audit that is not closed is overdue (section 4.3: quarter end + 30 days)."""
    return period.ends_at + timedelta(days=profile.audit.overdue_days)


def kinds_of(scope: str) -> frozenset[str]:
    """Kinds of accesses that an audit of this scope looks at: people's queries, or all accesses."""
    return QUERY_KINDS if scope == "user_queries" else frozenset(ACCESS_KINDS)


def sample_size(total: int, months: int) -> int:
    """How many of the accesses are drawn."""
    return min(total, max(math.ceil(total * SAMPLE_SHARE), SAMPLE_A_MONTH * months))


def sample(indexes: Iterable[int], size: int, seed: str) -> tuple[int, ...]:
    """Draw entries by the hash of a seed that nobody knew before the period was over (the ledger's root then).

    The seed stands in the ledger, so that anybody can draw the same sample again.
    """
    drawn = sorted(indexes, key=lambda index: hashlib.sha256(f"{seed}\n{index}".encode()).digest())
    return tuple(sorted(drawn[:size]))


def may_work(person: Person, role: str) -> Decision:
    """Demand the role that the agency's policy gives the audit to."""
    if role not in person.roles:
        return Refused("AUD-05", "ROLE_NOT_AUTHORISED", f"this audit is the work of role {role}")
    return ADMITTED


def may_judge(person: Person, subject_id: str, result: Result, note: str) -> Decision:
    """Own accesses are judged by someone else, and whatever is not in order is explained."""
    if person.person_id == subject_id:
        return Refused("AUD-05", "OWN_QUERY", "your own accesses are reviewed by someone else")
    if result is not Result.OK and not note.strip():
        return Refused("AUD-05", "NOTE_REQUIRED", "say what is questionable")
    return ADMITTED


def may_close(items: Sequence[int], decided: Mapping[int, str], statement: str) -> Decision:
    """An audit is closed when every item has a finding, with a statement of the person who closes it."""
    missing = len(set(items) - set(decided))
    if missing:
        return Refused("AUD-05", "FINDINGS_MISSING", f"{missing} of {len(items)} items have no finding yet")
    if not statement.strip():
        return Refused("AUD-05", "STATEMENT_REQUIRED", "sign with a statement")
    return ADMITTED


def counts_of(decided: Mapping[int, str]) -> dict[str, int]:
    """How many items were found in order, questionable, a violation."""
    counted = Counter(decided.values())
    return {result.value: counted[result.value] for result in Result}


def state_of(due: datetime, now: datetime, *, closed: bool) -> str:
    """State of an audit task: open, overdue or closed."""
    if closed:
        return "closed"
    return "overdue" if now > due else "open"
