"""Who asks, and how a rule answers: admitted, or refused with a rule id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking: taken from the session, never from a request body (QRY-06, QRY-07).

    `training` holds the tags of the courses that count today (TRN-04), `grants` the other sources this person may
    see (ACC-07), `authenticated_at` and `authenticated_by` when and by what (RFC 8176) the person proved who it is,
    `devices` the devices of the unit this person is assigned to (own detections, QRY-01), `powers` what this person
    may do in this call as a named designee, each as `power:delegation_id` (ACC-10).
    """

    person_id: str
    username: str
    full_name: str
    organization: str
    agency: str
    roles: tuple[str, ...]
    session_id: str
    source_ip: str
    category: str = ""
    training: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    authenticated_at: str = ""
    authenticated_by: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    powers: tuple[str, ...] = ()


def personal_of(person: Person) -> dict[str, str]:
    """Name a person in the erasable texts of a ledger's event (A8)."""
    return {
        "person_id": person.person_id,
        "username": person.username,
        "full_name": person.full_name,
        "organization": person.organization,
        "source_ip": person.source_ip,
        "session_id": person.session_id,
    }


def machine(agency: str) -> Person:
    """Name the machine itself, where a timer acts and no person."""
    return Person("", "system", "system", "", agency, (), "", "")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The rule lets it pass."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The rule refuses: which rule, the code a machine reads and the words a person reads."""

    rule_id: str
    reason_code: str
    detail: str


ADMITTED: Final = Admitted()
Decision = Admitted | Refused
