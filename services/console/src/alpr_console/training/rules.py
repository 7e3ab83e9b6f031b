"""Which training and papers a person needs, and until when those that it has count."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Refused
from alprcore.policy import (
    ACTIVITIES,
    AgencyProfile,
    Standing,
    has_certification,
    local_day,
    may_access,
    missing_papers,
    missing_training,
    policy_due_at,
    policy_refusal,
    training_refusal,
    valid_training,
)

CONTEXTS: Final = ("initial", "refresher", "FTO")
"""Where a training took place; FTO is the Field Training Officer program (TRN-02)."""
EQUIPMENT_CLEARANCE: Final = "equipment_clearance"
"""The certification that says an employee is cleared for ALPR equipment (ACC-14)."""
CERTIFICATIONS: Final = ("clets", "cji_access", EQUIPMENT_CLEARANCE)
ATTESTED: Final = "attested when the account was made"
"""The course under which papers stand that no one of the agency witnessed."""
OPERATOR: Final = "operator of the installation"
REMINDERS: Final = (timedelta(days=30), timedelta(days=7))
"""The yearly review is announced this long before it falls due, and again (TRN-06)."""
_CATEGORY_OF: Final = {
    "dispatcher": "communications", "contractor": "contractor", "alpr_admin": "technology", "auditor": "professional",
    "custodian": "professional", "retention_officer": "professional", "clets_coordinator": "professional",
}  # fmt: skip
_TAG: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def place(roles: Collection[str], profile: AgencyProfile) -> tuple[str, str]:
    """Name category and job title of a person known by its roles only: made on the machine itself, as a first one is."""
    first = next(iter(roles), "")
    found = _CATEGORY_OF.get(first, "sworn")
    admitted = profile.access.categories
    return (found if not admitted or found in admitted else "technology"), profile.role_title(first)


def tags_refusal(tags: Collection[str]) -> Refused | None:
    """Refuse a course that covers nothing, or whose tags are no plain words."""
    if tags and all(_TAG.fullmatch(tag) for tag in tags):
        return None
    return Refused("TRN-01", "FIELD_INVALID", "a course covers at least one part, named in small letters")


def record_refusal(
    course: dict[str, Any] | None, completed_on: date, trainer: str, recorder: str, day: date, *, own: bool
) -> Refused | None:
    """Refuse a completion nobody could have witnessed (TRN-01): future, of no approved course, or one's own."""
    if course is None:
        return Refused("TRN-01", "COURSE_UNKNOWN", "the agency has no such course")
    if course["approved_at"] is None:
        return Refused("TRN-01", "COURSE_NOT_APPROVED", "the department has not approved this version of the course")
    if completed_on > day:
        return Refused("TRN-01", "FIELD_INVALID", "the training lies in the future")
    if not trainer.strip():
        return Refused("TRN-01", "FIELD_INVALID", "the trainer is missing")
    if own:
        return Refused("TRN-01", "OWN_ACCOUNT", f"{recorder} cannot record a training of their own")
    return None


def clearance_refusal(contract_end: date | None, waiver_sha256: str, day: date) -> Refused | None:
    """Refuse a contractor's paper that proves nothing; parts that are not there yet may be added later (ACC-06)."""
    if waiver_sha256 and not _SHA256.fullmatch(waiver_sha256):
        return Refused("ACC-06", "FIELD_INVALID", "the waiver is named by the SHA-256 of its document, 64 hex digits")
    if contract_end is not None and contract_end < day:
        return Refused("ACC-06", "CONTRACT_ENDED", "the contract has ended")
    return None


def missing_for_unit(standing: Standing | None, profile: AgencyProfile, now: datetime) -> tuple[Refused, ...]:
    """List everything that keeps a person from being assigned to an ALPR unit (ACC-14, ACC-03, TRN-08).

    A unit is operated by employees of the department who are cleared, trained and hold an account.
    """
    if standing is None:
        return (Refused("ACC-14", "ACCOUNT_MISSING", "no ALPR user account was issued"),)
    found: list[Refused] = []
    if standing.state != "active":
        found.append(Refused("ACC-14", "ACCOUNT_MISSING", "no ALPR user account was issued"))
    if standing.contractor or not standing.employee_id:
        found.append(Refused("ACC-14", "EMPLOYEE_REQUIRED", "units are operated by department personnel only"))
    if profile.access.device_clearance and not has_certification(
        standing, EQUIPMENT_CLEARANCE, local_day(profile, now)
    ):
        found.append(Refused("ACC-14", "CLEARANCE_MISSING", "no valid clearance for equipment is on file"))
    lacking = missing_training(valid_training(standing, profile, now), standing.category, profile, "device_session")
    if (untrained := training_refusal(lacking, profile, "ACC-14")) is not None:
        found.append(untrained)
    found.extend(missing_papers(standing, profile, now))
    return tuple(found)


def may_start_device_session(standing: Standing, profile: AgencyProfile, now: datetime) -> Decision:
    """Decide whether a person may start working with a device (ACC-03, TRN-08); contractors never do (ACC-14)."""
    if standing.contractor:
        return Refused("ACC-14", "EMPLOYEE_REQUIRED", "units are operated by department personnel only")
    decision = may_access(standing, profile, "device_session", now)
    return decision if isinstance(decision, Refused) else ADMITTED


def announced(standing: Standing, profile: AgencyProfile, now: datetime) -> datetime | None:
    """Tell when the yearly review falls due once that is near enough to be announced, 30 days before (TRN-06)."""
    due = policy_due_at(standing, profile)
    return due if due is not None and due - now <= REMINDERS[0] else None


def reminder(standing: Standing, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
    """Tell how the policy stands with a person: `read`, `due`, `overdue` or `unread`, with days left (TRN-05, TRN-06).

    `due` begins 30 days before; `urgent` says that at most 7 days are left.
    """
    due = policy_due_at(standing, profile)
    refusal = policy_refusal(standing, profile, now)
    days = None if due is None else (due - now).days
    if refusal is not None:
        state = "overdue" if refusal.rule_id == "TRN-06" else "unread"
    else:
        state = "due" if announced(standing, profile, now) else "read"
    return {
        "state": state,
        "version": profile.version,
        "read_version": standing.policy_version,
        "read_at": standing.policy_read_at,
        "due_at": due,
        "days_left": days,
        "urgent": state in ("overdue", "unread") or (due is not None and due - now <= REMINDERS[1]),
    }


def lacking(standing: Standing, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
    """Say what a person's training covers and which parts it still lacks, by activity (TRN-02, TRN-04)."""
    covered = valid_training(standing, profile, now)
    by_activity = {
        activity: list(missing_training(covered, standing.category, profile, activity))
        for activity in sorted(ACTIVITIES)
    }
    return {
        "covered": list(covered),
        "lacks": {activity: parts for activity, parts in by_activity.items() if parts},
        "papers": [
            {"reason_code": one.reason_code, "detail": one.detail} for one in missing_papers(standing, profile, now)
        ],
        "policy": reminder(standing, profile, now),
    }


def report(
    people: list[dict[str, Any]], profile: AgencyProfile, now: datetime, lacks: str = ""
) -> list[dict[str, Any]]:
    """Say for each person what its training covers and lacks; `lacks` keeps those who lack this part (TRN-02, TRN-04)."""
    rows = []
    for person in people:
        found = lacking(person["standing"], profile, now)
        if lacks and not any(lacks in parts for parts in found["lacks"].values()):
            continue
        standing = person["standing"]
        rows.append(
            {
                "username": person["username"], "full_name": person["full_name"], "category": standing.category,
                "state": standing.state, "suspended": person["suspended"], **found,
            }
        )  # fmt: skip
    return rows


def suspension(standing: Standing, profile: AgencyProfile, now: datetime) -> str:
    """Name what keeps an active account out at the moment, '' when nothing does; policy reading is no suspension."""
    if standing.state != "active":
        return ""
    decision = may_access(standing, profile, "access_data", now)
    code = decision.reason_code if isinstance(decision, Refused) else ""
    return "" if code == "POLICY_NOT_READ" else code
