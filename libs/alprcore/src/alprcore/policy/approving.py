"""What others must have approved before a question is answered, and to whom data is never given."""

from __future__ import annotations

from collections.abc import Mapping
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
    """One dated, numbered approval: of a use beyond the list, or of area searches around a protected event."""

    approval_id: int
    agency: str
    kind: str
    approved_by: str
    valid_from: datetime
    valid_to: datetime
    event_id: int | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class ProtectedEvent:
    """A place and time at which people use freedoms that the First Amendment protects (USE-07)."""

    event_id: int
    area: Area
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the door knows beside the question: the approval it names, declared events, where fixed devices stand."""

    approval: Approval | None = None
    events: tuple[ProtectedEvent, ...] = ()
    positions: Mapping[str, GeoPoint] | None = None


def may_receive(recipient_class: str) -> Decision:
    """Decide whether this class of recipient may be given data at all (USE-08)."""
    if recipient_class in NEVER_RECIPIENTS:
        return Refused("USE-08", "RECIPIENT_CLASS_NOT_PERMITTED", "data is never given to this class of recipient")
    return ADMITTED


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


def approval_lacks(
    approval: Approval | None, kind: str, person: Person, now: datetime, *, event_id: int | None = None
) -> str:
    """Tell why an approval does not carry this person's question now; empty when it does.

    Nobody's own approval carries a question: an approval is another person's.
    """
    if approval is None or approval.agency != person.agency or approval.kind != kind:
        return "no such approval"
    if approval.event_id != event_id:
        return "the approval is of another event"
    checks = (
        (approval.revoked, "the approval was revoked"),
        (now < approval.valid_from, "the approval is not valid yet"),
        (now > approval.valid_to, "the approval has ended"),
        (approval.approved_by == person.person_id, "an approval is another person's to give"),
    )
    return next((words for broken, words in checks if broken), "")
