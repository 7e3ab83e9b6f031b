"""Pursuits with an ALPR unit, and what cameras are placed where for which purpose. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import OTHER_APPROVED, OTHER_USE, AgencyProfile, Approval, approvals_lack

DISPATCH: Final = frozenset({"dispatcher", "supervisor"})
INVOLVED: Final = frozenset({"dispatcher", "supervisor", "officer"})
AUTHORS: Final = frozenset({"supervisor", "alpr_admin", "program_manager"})
WATCHERS: Final = INVOLVED | AUTHORS
TEXT_LENGTH: Final = 500
LONGEST: Final = timedelta(days=3 * 366)
"""A fixed siting is looked at again after three years at the latest."""
PROMPTED_FOR: Final = timedelta(hours=12)
"""A prompt that a unit has not seen within a shift is no help any more."""


class EventKind(StrEnum):
    """What ends an ALPR vehicle's part in a pursuit, when practicable (OPS-01)."""

    ENOUGH_VEHICLES = "enough_vehicles"
    HELICOPTER_ARRIVED = "helicopter_arrived"
    SUPERVISOR_TERMINATED = "supervisor_terminated"


class PursuitOutcome(StrEnum):
    """What the unit did; nothing is done to it from here (OPS-01)."""

    ENDED = "ended"
    CONTINUED = "continued"


class DeploymentKind(StrEnum):
    """What was placed or sent (OPS-02)."""

    FIXED_SITING = "fixed_siting"
    TRAILER_PLACEMENT = "trailer_placement"
    CANVASS = "canvass"


WORDS: Final = {
    EventKind.ENOUGH_VEHICLES: "Enough emergency vehicles are in the pursuit",
    EventKind.HELICOPTER_ARRIVED: "A police helicopter has arrived",
    EventKind.SUPERVISOR_TERMINATED: "A supervisor has terminated the pursuit",
}
_PROMPT: Final = "{words}: end the ALPR vehicle's part in the pursuit when practicable, and say what was done."


@dataclass(frozen=True, slots=True)
class Prompted:
    """Whom an event of a pursuit prompted, and how many clients of the unit were signed on to be told (OPS-01)."""

    unit: str
    targets: tuple[str, ...]
    reached: int

    @property
    def missed(self) -> bool:
        """Whether the unit was to be told and nobody is signed on as it: then it is called by radio."""
        return self.unit in self.targets and not self.reached


@dataclass(frozen=True, slots=True)
class Deployment:
    """A placement as it was asked for, with the approval it needs."""

    kind: DeploymentKind
    device_id: str
    place: str
    purpose_code: str
    approval_id: str
    starts_at: datetime
    ends_at: datetime


def may_log(person: Person) -> Decision:
    """Decide whether a person opens a pursuit and logs what happens in it: dispatch does (OPS-01)."""
    return _with(person, DISPATCH, "OPS-01", "pursuits are logged by: dispatcher, supervisor")


def may_answer(person: Person) -> Decision:
    """Decide whether a person says how the unit's part ended: dispatch or the unit (OPS-01)."""
    return _with(person, INVOLVED, "OPS-01", "the outcome is told by: dispatcher, officer, supervisor")


def may_deploy(person: Person) -> Decision:
    """Decide whether a person places cameras (OPS-02)."""
    return _with(person, AUTHORS, "OPS-02", "deployments are made by: " + ", ".join(sorted(AUTHORS)))


def may_look(person: Person) -> Decision:
    """Decide whether a person sees pursuits and deployments."""
    return _with(person, WATCHERS, "OPS-01", "operations are not open to this role")


def prompt(kind: EventKind) -> str:
    """Say to unit and dispatcher what happened and what the policy asks; the decision stays theirs (OPS-01)."""
    return _PROMPT.format(words=WORDS[kind])


def deployment(
    asked: Deployment, person: Person, profile: AgencyProfile, approvals: Sequence[Mapping[str, Any]],
    case_number: str, now: datetime,
) -> Deployment | Refused:  # fmt: skip
    """Judge a deployment: a purpose of the policy, times that make sense, an approval for other uses (OPS-02, USE-11).

    `approvals` are rows of `GET /v1/use-approvals`; only the one that is named counts.
    """
    if not asked.purpose_code.strip():
        return Refused("OPS-02", "PURPOSE_REQUIRED", "say for which purpose of the policy")
    known = any(purpose.code == asked.purpose_code for purpose in profile.purposes)
    if not known or (asked.purpose_code == OTHER_APPROVED and not profile.governance.other_uses_approvers):
        return Refused("OPS-02", "PURPOSE_NOT_PERMITTED", "the agency's policy does not permit this purpose")
    if not (asked.place.strip() or asked.device_id.strip()):
        return Refused("OPS-02", "FIELD_MISSING", "place or device_id")
    if not timedelta(0) < asked.ends_at - asked.starts_at <= LONGEST:
        return Refused("OPS-02", "FIELD_INVALID", "ends_at: after starts_at, three years later at most")
    if asked.purpose_code != OTHER_APPROVED:
        return asked
    named = [_approval(row, person) for row in approvals if str(row["approval_id"]) == asked.approval_id]
    lacks = approvals_lack(named, OTHER_USE, person, now, case_number=case_number)
    if lacks:
        return Refused("USE-11", "APPROVAL_REQUIRED", f"another use needs a valid approval: {lacks}")
    return asked


def status_of(refusal: Refused) -> int:
    """Choose the HTTP status of a refused deployment: what is missing or odd is 422, what is not allowed 403."""
    return 403 if refusal.reason_code == "APPROVAL_REQUIRED" else 422


def _with(person: Person, roles: frozenset[str], rule: str, words: str) -> Decision:
    return Refused(rule, "ROLE_NOT_AUTHORISED", words) if roles.isdisjoint(person.roles) else ADMITTED


def _approval(row: Mapping[str, Any], person: Person) -> Approval:
    own = row["username"] == person.username
    return Approval(
        approval_id=row["approval_id"],
        agency=row.get("agency", person.agency),
        kind=row["kind"],
        approved_by=person.person_id if own else row["username"],
        valid_from=datetime.fromisoformat(row["valid_from"]),
        valid_to=datetime.fromisoformat(row["valid_to"]),
        event_id=row.get("event_id"),
        revoked=row.get("ended_at") is not None,
        case_number=row.get("case_number", ""),
        for_username=row.get("for_username", ""),
    )
