"""What others must have approved before a question is answered, and to whom data is never given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alprcore.model import ADMITTED, Decision, GeoPoint, Person, Refused

from .profile import AgencyProfile

OTHER_USE: Final = "other_use"
PROTECTED_EVENT: Final = "protected_event"
OTHER_APPROVED: Final = "other_approved"
"""The purpose that stands for uses beyond the profile's list (USE-11)."""
NEVER_RECIPIENTS: Final = frozenset({"commercial", "private_entity", "individual"})
"""Classes of recipient to whom nothing is ever given, whoever approves (USE-08)."""
EVENT_ROLES: Final = frozenset({"supervisor", "program_manager", "alpr_admin"})
"""Who may declare and end a protected event."""
HOLD_PLACERS: Final = frozenset({"investigator", "supervisor", "custodian", "retention_officer", "program_manager"})
"""Who may place a hold, look at it again and ask for its end (RET-07)."""
RELEASE_TAKERS: Final = HOLD_PLACERS | {"alpr_admin"}
"""Who may take down a request for a release and hand over what was approved, beside those whom the policy names (SHR-02)."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of WGS 84 degrees."""

    south: float
    west: float
    north: float
    east: float

    def overlaps(self, other: Area) -> bool:
        """Tell whether two rectangles share a point."""
        apart = self.south > other.north or other.south > self.north or self.west > other.east or other.west > self.east
        return not apart

    def holds(self, point: GeoPoint) -> bool:
        """Tell whether a point lies in the rectangle."""
        return self.south <= point.latitude <= self.north and self.west <= point.longitude <= self.east


@dataclass(frozen=True, slots=True)
class Approval:
    """One dated, numbered approval: of a use beyond the list, or of area searches around a protected event.

    It is given for one case, for one person, or for one person in one case: to nobody else's question and no other.
    """

    approval_id: int
    agency: str
    kind: str
    approved_by: str
    valid_from: datetime
    valid_to: datetime
    event_id: int | None = None
    revoked: bool = False
    case_number: str = ""
    for_username: str = ""


@dataclass(frozen=True, slots=True)
class ProtectedEvent:
    """A place and time at which people use freedoms that the First Amendment protects (USE-07)."""

    event_id: int
    area: Area
    begins_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""

    def protects_until(self, asker: str) -> datetime:
        """Give the end of its protection from a person: ending it early takes nothing from the time before.

        Whoever ended it stays bound by it as declared: nobody lifts a protection for a search of their own.
        """
        if self.ended_at is None or self.ended_by == asker:
            return self.ends_at
        return min(self.ends_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class Known:
    """What the door knows beside the question: the approvals it names, declared events, where fixed devices stand."""

    approvals: tuple[Approval, ...] = ()
    events: tuple[ProtectedEvent, ...] = ()
    positions: Mapping[str, GeoPoint] | None = None


def may_receive(recipient_class: str) -> Decision:
    """Decide whether this class of recipient may be given data at all (USE-08)."""
    if recipient_class in NEVER_RECIPIENTS:
        return Refused("USE-08", "RECIPIENT_CLASS_NOT_PERMITTED", "data is never given to this class of recipient")
    return ADMITTED


def agreement_refused(profile: AgencyProfile, kind: str, state: str, purposes: Collection[str]) -> Refused | None:
    """Say why an agency's policy permits no agreement with this kind of agency, of this state, for these purposes.

    Asked when it is proposed, and again whenever it is used or the policy changed: a paper does not outlive the policy
    that permitted it (SHR-01, SHR-07).
    """
    sharing = profile.sharing
    abroad = kind == "in_state" and bool(sharing.home_state) and state != sharing.home_state
    if kind not in sharing.agreement_kinds or abroad:
        words = "the policy permits no agreement with federal or out-of-state agencies"
        return Refused("SHR-07", "COUNTERPARTY_NOT_PERMITTED", words)
    known = {purpose.code for purpose in profile.purposes if purpose.query}
    if not known.issuperset(purposes):
        return Refused("USE-01", "PURPOSE_NOT_PERMITTED", f"purposes: of {', '.join(sorted(known))}")
    return None


def may_approve(kind: str, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether this person may give an approval of this kind (USE-07, USE-11)."""
    if kind == PROTECTED_EVENT:
        roles = frozenset({"supervisor"})
    elif not profile.governance.other_uses_approvers:
        return Refused("USE-11", "PURPOSE_NOT_PERMITTED", "the agency's policy knows no uses beyond its list")
    else:
        roles = frozenset(profile.governance.other_uses_approvers)
    if person.agency != profile.agency or roles.isdisjoint(person.roles):
        return Refused("USE-11", "ROLE_NOT_AUTHORISED", "this role may not give such an approval")
    return ADMITTED


def approvals_lack(
    approvals: Iterable[Approval],
    kind: str,
    person: Person,
    now: datetime,
    *,
    event_id: int | None = None,
    case_number: str = "",
) -> str:
    """Tell why none of the named approvals of this kind, or for this event, carries a question; empty when one does."""
    lacks = [
        approval_lacks(approval, person, now, case_number=case_number)
        for approval in approvals
        if approval.kind == kind and approval.event_id == event_id
    ]
    return "" if "" in lacks else next(iter(lacks), "no such approval")


def approval_lacks(approval: Approval, person: Person, now: datetime, *, case_number: str = "") -> str:
    """Tell why an approval does not carry this person's question about this case now; empty when it does.

    Nobody's own approval carries a question: an approval is another person's.
    """
    bound = approval.case_number or approval.for_username
    checks = (
        (approval.agency != person.agency, "no such approval"),
        (not bound.strip(), "the approval names neither a case nor a person"),
        (approval.for_username not in ("", person.username), "the approval is for another person"),
        (bool(_case(approval.case_number)) and _case(approval.case_number) != _case(case_number),
         "the approval is for another case"),
        (approval.revoked, "the approval was revoked"),
        (now < approval.valid_from, "the approval is not valid yet"),
        (now > approval.valid_to, "the approval has ended"),
        (approval.approved_by == person.person_id, "an approval is another person's to give"),
    )  # fmt: skip
    return next((words for broken, words in checks if broken), "")


def _case(number: str) -> str:
    """Write a case number so that blanks and case of letters do not make it another one."""
    return "".join(number.split()).casefold()
