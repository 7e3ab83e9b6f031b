"""Who may ask another database about a hit, and who may read what it answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from alprcore.model import ADMITTED, Admitted, Decision, Person, Refused
from alprcore.policy import AgencyProfile, Overridden, pass_gate, registration_basis

ROLES: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})
SEERS: Final = ROLES | {"alpr_admin", "program_manager"}
REDACTED: Final = "CLETS text is left out: it is shown and released only with an authority of its own."
"""What stands in a hit's papers in the place of the answer (SEC-06)."""


class Source(StrEnum):
    """The database that was asked."""

    CLETS = "CLETS"
    NCIC = "NCIC"
    OTHER = "OTHER"


class Route(StrEnum):
    """How it was asked (HIT-26)."""

    MOBILE_TERMINAL = "mobile_terminal"
    DISPATCH = "dispatch"
    DESKTOP = "desktop"


class Result(StrEnum):
    """What it said of the entry."""

    CONFIRMED = "confirmed"
    NOT_CURRENT = "not_current"
    NO_RECORD = "no_record"


_OPENED_BY: Final[Mapping[Source, frozenset[str]]] = {
    Source.CLETS: frozenset({"clets"}),
    Source.NCIC: frozenset({"clets", "federal"}),
    Source.OTHER: frozenset({"department_rms", "state", "federal"}),
}
_REGISTRATION: Final = frozenset({"clets", "state"})  # DMV data is the State's and is reached over CLETS


def may_see(person: Person) -> Decision:
    """Decide whether a person sees that a hit was verified: who works on hits, and who manages the program."""
    if SEERS.isdisjoint(person.roles):
        return Refused("HIT-04", "ROLE_NOT_AUTHORISED", "live hits are not open to this role")
    return ADMITTED


def source_open(person: Person, source: Source) -> Decision:
    """Decide whether a person may use a source or read its answer: ALPR access alone grants none (ACC-07)."""
    return _granted(person, _OPENED_BY[source], source.value)


def _granted(person: Person, accepted: frozenset[str], name: str) -> Decision:
    if accepted.isdisjoint(person.grants):
        return Refused("ACC-07", "SOURCE_NOT_AUTHORISED", f"your account holds no grant for {name}")
    return ADMITTED


def may_verify(
    person: Person, profile: AgencyProfile, source: Source, *, read_checked: bool, override_reason: str
) -> Admitted | Overridden | Refused:
    """Decide whether a person may verify a hit with a source: role, grant, and the step before it (CFG-03, HIT-06)."""
    if ROLES.isdisjoint(person.roles):
        return Refused("HIT-09", "ROLE_NOT_AUTHORISED", "hits are verified by dispatchers, officers and investigators")
    opened = source_open(person, source)
    if isinstance(opened, Refused):
        return opened
    return pass_gate(profile, "read_check", done=read_checked, override_reason=override_reason)


def may_look_up(person: Person, permissible_use: str) -> Decision:
    """Decide whether a person may ask for a vehicle's registration (SEC-05): role, grant, and a permissible use."""
    if ROLES.isdisjoint(person.roles):
        return Refused("SEC-05", "ROLE_NOT_AUTHORISED", "registrations are looked up by those who work on hits")
    opened = _granted(person, _REGISTRATION, "registration data")
    if isinstance(opened, Refused):
        return opened
    return registration_basis(registration=True, permissible_use=permissible_use)


def may_read_registration(person: Person) -> Decision:
    """Decide whether a person may read what a registration lookup answered."""
    return _granted(person, _REGISTRATION, "registration data")


def without_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a verification for everybody who sees the hit: all but the text, with a note where there is one."""
    shown = {name: value for name, value in row.items() if name != "has_text"}
    return {**shown, "text": None, "redaction": REDACTED if row["has_text"] else ""}
