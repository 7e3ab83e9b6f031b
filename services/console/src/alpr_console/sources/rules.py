"""Who may ask for the registration of a vehicle, and who may read what was answered. Pure."""

from __future__ import annotations

from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import registration_basis

ROLES: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})
_REGISTRATION: Final = frozenset({"clets", "state"})  # DMV data is the State's and is reached over CLETS


def _granted(person: Person, accepted: frozenset[str], name: str) -> Decision:
    if accepted.isdisjoint(person.grants):
        return Refused("ACC-07", "SOURCE_NOT_AUTHORISED", f"your account holds no grant for {name}")
    return ADMITTED


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
