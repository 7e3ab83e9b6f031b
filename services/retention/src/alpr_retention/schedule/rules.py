"""What a change of the rules of keeping does to records that are stored, who decides on it, and what is told. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, DeviceKind, Person, Refused, make_id
from alprcore.policy import AgencyProfile, RetentionRules, ScheduleEntry, due_day, period_of, unscheduled

LOOKERS: Final = frozenset({"custodian", "program_manager", "retention_officer", "auditor", "alpr_admin", "supervisor"})
PLANNERS: Final = frozenset({"custodian", "program_manager", "retention_officer"})
REPORT_READERS: Final = frozenset({"custodian", "program_manager", "retention_officer", "auditor"})
REPORTED_TO: Final = ("program_manager", "custodian")
"""To whom every destruction report goes (RET-14)."""
OPEN: Final = frozenset({"counting", "awaiting", "approved"})
_DECISIVE: Final = (
    "mode", "mobile", "fixed", "hits", "clock", "schedule_required", "schedule", "custodian_approval", "statute",
    "hold_grounds", "hold_end", "purge_after_booking",
)  # fmt: skip
"""The rules that say when a record goes; how an export is written is none of them."""
_AGES: Final = (
    (1, "under 1 month"), (3, "1 to 3 months"), (6, "3 to 6 months"), (12, "6 to 12 months"), (24, "1 to 2 years"),
    (60, "2 to 5 years"), (10_000, "over 5 years"),
)  # fmt: skip


def decisive(profile: AgencyProfile) -> dict[str, Any]:
    """Give the rules that say when records of an agency go, as JSON has them, with the time zone that makes days."""
    rules = asdict(profile.retention)
    chosen = {key: rules[key] for key in _DECISIVE}
    for key in ("hold_grounds", "hold_end", "schedule"):
        chosen[key] = [dict(item, devices=list(item["devices"])) if key == "schedule" else item for item in chosen[key]]
    return {**chosen, "timezone": profile.timezone}


def under(profile: AgencyProfile, rules: Mapping[str, Any]) -> AgencyProfile:
    """Give the profile under other rules of keeping, as `decisive` writes them."""
    given = {key: rules[key] for key in _DECISIVE if key in rules}
    given["schedule"] = tuple(
        ScheduleEntry(**{**entry, "devices": tuple(entry["devices"])}) for entry in rules["schedule"]
    )
    for key in ("hold_grounds", "hold_end"):
        given[key] = tuple(rules[key])
    return replace(profile, timezone=rules["timezone"], retention=replace(profile.retention, **given))


def edited(profile: AgencyProfile, edits: Mapping[str, Any]) -> RetentionRules:
    """Give the rules as somebody would have them; `edits` names keys of the section, None leaves one as it is."""
    given = {key: value for key, value in edits.items() if value is not None}
    return replace(profile.retention, **given)


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name the rules in which two states differ."""
    return [key for key in (*_DECISIVE, "timezone") if before.get(key) != after.get(key)]


@dataclass(frozen=True, slots=True)
class Group:
    """Reads of one due day that are alike for the rules: device kind, local days of capture and receipt, hit or not."""

    kind: DeviceKind
    captured_on: date
    received_on: date
    hit: bool
    reads: int


def new_day(profile: AgencyProfile, group: Group, lies_on: date, today: date) -> date:
    """Give the day on which reads that lie on a due day belong under a profile; the same day where nothing moves.

    What should be gone by now belongs on today: it goes with the next purge, and the keys of past days are destroyed.
    """
    zone = ZoneInfo(profile.timezone)
    captured, received = (datetime.combine(day, time(12), zone) for day in (group.captured_on, group.received_on))
    return _settled(due_day(captured, received, group.kind, profile, hit=group.hit), lies_on, today)


def new_day_of(
    profile: AgencyProfile, kind: DeviceKind, captured_at: datetime, received_at: datetime, *,
    hit: bool, lies_on: date, today: date,
) -> date:  # fmt: skip
    """The same for one read."""
    return _settled(due_day(captured_at, received_at, kind, profile, hit=hit), lies_on, today)


def _settled(due: date, lies_on: date, today: date) -> date:
    if due >= today:
        return due
    return min(lies_on, today)


def moves(profile: AgencyProfile, groups: Iterable[Group], lies_on: date, today: date) -> dict[date, int]:
    """Count the reads of a due day that belong elsewhere under a profile, by the day on which they belong."""
    counted: dict[date, int] = {}
    for group in groups:
        day = new_day(profile, group, lies_on, today)
        if day != lies_on:
            counted[day] = counted.get(day, 0) + group.reads
    return counted


def may_look(person: Person) -> Decision:
    """Decide whether somebody sees how long records are kept and what is stored."""
    return _of_roles(person, LOOKERS, "ADM-04", "your role does not see how records are kept")


def may_plan(person: Person) -> Decision:
    """Decide whether somebody asks what other rules would move."""
    return _of_roles(person, PLANNERS, "RET-14", "changes are planned by those who answer for retention")


@dataclass(frozen=True, slots=True)
class Change:
    """An open change as the rules look at it: its state, and whether the custodian of records has a say in it."""

    state: str
    custodian: bool


def asks_custodian(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether a change is the custodian's to approve: the rules before it or after it say so (RET-14).

    A change that takes the custodian's say away does not carry itself.
    """
    return bool(before.get("custodian_approval") or after.get("custodian_approval"))


def may_approve(person: Person, profile: AgencyProfile, *, custodian: bool) -> Decision:
    """Decide whether somebody approves a change: the custodian of records where the policy asks it (RET-14).

    Elsewhere it is the program manager, or a custodian of records where there is one.
    """
    roles = frozenset({"custodian"} if custodian else {"custodian", "program_manager"})
    titles = " or ".join(profile.role_title(role) for role in sorted(roles, reverse=True))
    return _of_roles(person, roles, "RET-14", f"a change of retention is approved by the {titles}")


def may_settle(person: Person) -> Decision:
    """Decide whether somebody settles a finding of missing records: those to whom destruction is reported."""
    return _of_roles(person, frozenset(REPORTED_TO), "RET-14", "findings are settled by those who answer for retention")


def open_findings(findings: Sequence[Mapping[str, Any]]) -> int:
    """Count what was missed before its time and nobody has looked into yet."""
    return sum(finding["number"] for finding in findings if finding["settled_at"] is None)


def may_read_reports(person: Person) -> Decision:
    """Decide whether somebody reads what was destroyed."""
    return _of_roles(person, REPORT_READERS, "RET-14", "destruction reports go to those who answer for retention")


def _of_roles(person: Person, roles: frozenset[str], rule: str, words: str) -> Decision:
    if roles.isdisjoint(person.roles):
        return Refused(rule, "ROLE_NOT_AUTHORISED", words)
    return ADMITTED


UNKNOWN: Final = Refused("CFG-01", "PROFILE_UNKNOWN", "no policy is known that says how long these records are kept")
"""Why records of an agency without a known profile stay: its policy may ask for a schedule or an approval."""


def may_purge(profile: AgencyProfile, change: Change | None) -> Refused | None:
    """Decide whether due records of an agency may go now; `change` is the one that is open, None: there is none.

    Without an entry of the records schedule nothing goes where the policy asks for one (RET-05), and after a change
    of the rules nothing before it is approved (RET-14).
    """
    missing = unscheduled(profile.retention)
    if missing:
        kinds = ", ".join(kind.value for kind in missing)
        return Refused(
            "RET-05", "RETENTION_SCHEDULE_MISSING", f"the records retention schedule has no entry for {kinds} devices"
        )
    if change is not None and change.state in OPEN - {"approved"}:
        if change.custodian:
            who = profile.role_title("custodian")
            return Refused("RET-14", "CUSTODIAN_APPROVAL_REQUIRED", f"the {who} has not approved the changed rules")
        return Refused("RET-14", "RETENTION_CHANGE_PENDING", "the changed rules are not approved yet")
    return None


def warnings(
    profile: AgencyProfile, change: Change | None, *, overdue: int, premature: int, uncounted: int
) -> list[dict[str, str]]:
    """List what those who answer for retention have to look at, each with a code and words."""
    refused = may_purge(profile, change)
    rows = [(refused.reason_code, f"No purge runs: {refused.detail}.")] if refused else []
    if premature:
        rows.append(("RECORDS_MISSING", f"{_reads(premature)} gone before the time. Look into it at once."))
    if overdue:
        rows.append(("RECORDS_OVERDUE", f"{_reads(overdue)} past the due day and still stored."))
    if uncounted:
        rows.append(("COUNTING", f"{uncounted} due days are not counted yet; figures grow for some minutes."))
    return [{"code": code, "words": words} for code, words in rows]


def _reads(number: int) -> str:
    return "1 read is" if number == 1 else f"{number:,} reads are"


def in_force(profile: AgencyProfile) -> dict[str, Any]:
    """Write the rules in force as people read them: the period that counts for each kind of device."""
    rules = profile.retention
    return {
        "mode": rules.mode,
        "clock": rules.clock,
        **{f"period_{kind.value}": period_of(rules, kind).words for kind in DeviceKind},
        "period_hits": rules.hits,
        "policy_mobile": rules.mobile,
        "policy_fixed": rules.fixed,
        "schedule_required": rules.schedule_required,
        "schedule": [dict(asdict(entry), devices=list(entry.devices)) for entry in rules.schedule],
        "missing": [kind.value for kind in unscheduled(rules)],
        "custodian_approval": rules.custodian_approval,
        "statute": rules.statute,
    }


def by_age(months: Mapping[str, int], today: date) -> list[dict[str, Any]]:
    """Sum reads by month of capture (`2026-05`) into ages, the youngest first."""
    sums = [0] * len(_AGES)
    for month, number in months.items():
        year, of_year = map(int, month.split("-"))
        age = (today.year - year) * 12 + today.month - of_year
        sums[next(at for at, (limit, _) in enumerate(_AGES) if age < limit or limit == _AGES[-1][0])] += number
    return [
        {"words": words, "below_months": limit, "reads": reads}
        for (limit, words), reads in zip(_AGES, sums, strict=True)
    ]


def report_of(run: Mapping[str, Any], profile: AgencyProfile | None, now: datetime) -> dict[str, Any]:
    """Write the destruction report of one run for one agency: what went, what stayed and why; no plate, no person.

    `run` names run and agency, its times, outcome and reason code, and holds the certificate. A certificate that is made
    anew, because a service answered late, is reported anew (RET-15).
    """
    agency, run_id = str(run["agency"]), str(run["run_id"])
    digest = hashlib.sha256(json.dumps(run["certificate"], sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return {
        "report_id": make_id("destruction-report", run_id, agency, digest),
        "certificate_sha256": digest,
        "run_id": run_id,
        "agency": agency,
        "made_at": now.isoformat(),
        **{key: _text(run.get(key)) for key in ("as_of", "started_at", "finished_at", "outcome", "reason_code")},
        "profile_version": profile.version if profile else "",
        "to": [
            {"role": role, "title": profile.role_title(role) if profile else role.replace("_", " ")}
            for role in REPORTED_TO
        ],
        "certificate": run["certificate"],
    }


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value or "")


def waits_to_be_seen(report: Mapping[str, Any]) -> bool:
    """Tell whether somebody should say that they have seen a report: not where nothing was due and nothing went wrong."""
    certificate = report["certificate"]
    return bool(certificate["days"] or certificate["errors"] or report["outcome"] != "complete")


def addressed_to(person: Person, roles: Sequence[str]) -> str:
    """Say in which of its roles a report is addressed to somebody; empty when it is not."""
    return next((role for role in roles if role in person.roles), "")
