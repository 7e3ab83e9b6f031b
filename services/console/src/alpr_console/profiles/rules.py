"""Who may write, approve and put into force a version of the profile, and what differs between two. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import AgencyProfile

APPROVER: Final = "program_manager"
POWER: Final = "approve_profile"
"""What a program manager may give to a designee (ACC-10)."""
LEAST_NOTE: Final = 8
MOST_NOTE: Final = 500
DRAFT_ROLES: Final = frozenset({APPROVER, "training_manager", "custodian"})
"""Who may propose a version: the program manager, and those who answer for training and for records. An ALPR
administrator works under the profile and never changes it (CFG-02, section 7 of the requirements)."""
READ_ROLES: Final = DRAFT_ROLES | {"alpr_admin", "auditor", "clets_coordinator", "retention_officer", "supervisor"}


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs between two documents; None stands for a key that is not written there."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Draft:
    """What a decision about a written version looks at."""

    number: int
    based_on: str
    author_id: str
    approved: bool = False
    withdrawn: bool = False
    in_force: bool = False


def reads(person: Person) -> bool:
    """Tell whether the profile stands in this person's menu."""
    return not READ_ROLES.isdisjoint(person.roles)


def may_read(person: Person, agency: str) -> Decision:
    """Decide whether this person sees the versions of an agency's profile."""
    if person.agency != agency:
        return Refused("CFG-01", "PROFILE_UNKNOWN", "no such profile of your agency")
    if not reads(person):
        return Refused("CFG-02", "ROLE_NOT_AUTHORISED", "the profile is open to those who manage or check the program")
    return ADMITTED


def may_draft(person: Person) -> Decision:
    """Decide whether this person may write a version of the profile (CFG-02)."""
    if DRAFT_ROLES.isdisjoint(person.roles):
        return Refused("CFG-02", "ROLE_NOT_AUTHORISED", "the rules change only by those who answer for them")
    return ADMITTED


def may_approve(
    person: Person,
    draft: Draft,
    *,
    version_in_force: str,
    waiting: Iterable[int],
    managers: int,
    delegated: bool = False,
) -> Decision:
    """Decide whether this person may approve a version (CFG-02, ACC-10).

    `managers` counts everybody who ever was the agency's program manager: once there were two, nobody approves what
    they wrote themselves, and closing the other's account changes nothing. A designee never does. `waiting` names approved versions whose day has not come: a second one would be undone by it or undo it.
    """
    if APPROVER not in person.roles and not delegated:
        return Refused("CFG-02", "ROLE_NOT_AUTHORISED", "a version of the profile is approved by the program manager")
    if draft.author_id == person.person_id and (managers > 1 or APPROVER not in person.roles):
        return Refused("CFG-02", "APPROVER_NOT_AUTHORISED", "another person approves what you wrote")
    if draft.withdrawn or draft.approved:
        return Refused("CFG-02", "VERSION_DECIDED", "this version has been decided already")
    if draft.based_on != version_in_force:
        return Refused("CFG-02", "VERSION_OUTDATED", "another version came into force since this one was written")
    if list(waiting):
        return Refused("CFG-02", "VERSION_WAITS", "an approved version waits for its day; withdraw it first")
    return ADMITTED


def may_withdraw(person: Person, draft: Draft, *, delegated: bool = False) -> Decision:
    """Decide whether this person may withdraw a version that is not in force yet: its author, or who approves."""
    if APPROVER not in person.roles and not delegated and person.person_id != draft.author_id:
        return Refused("CFG-02", "ROLE_NOT_AUTHORISED", "a version is withdrawn by its author or the program manager")
    if draft.in_force or draft.withdrawn:
        return Refused("CFG-02", "VERSION_DECIDED", "a version that came into force stays in the history")
    return ADMITTED


def effective(asked: datetime | None, now: datetime) -> datetime | Refused:
    """Fix when an approved version comes into force: now, or later; never earlier, past events keep their version."""
    if asked is None:
        return now
    if asked.tzinfo is None or asked < now:
        return Refused("CFG-02", "EFFECTIVE_IN_PAST", "a version comes into force now or later, with a time zone")
    return asked


def title_of(profile: AgencyProfile, person: Person) -> str:
    """Say in which of the roles that answer for the profile a person acts, in the agency's words (ADM-06)."""
    roles = [role for role in ("program_manager", "training_manager", "custodian") if role in person.roles]
    return profile.role_title(roles[0] if roles else (person.roles or ("",))[0])


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """List the keys that differ, by name: `governance.designee_name`, `purposes[homeland_security].label`."""
    old, new = _flat(before, ""), _flat(after, "")
    return [Change(key, old.get(key), new.get(key)) for key in sorted(old | new) if old.get(key) != new.get(key)]


def _flat(value: Any, place: str) -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        items = [(f"{place}.{key}" if place else str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        items = [(f"{place}[{item.get('code', at)}]", item) for at, item in enumerate(value)]
    else:
        return {place: value}
    return {name: found for key, item in items for name, found in _flat(item, key).items()}


def edited(document: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """Write values into a copy of a document, by key with dots; None takes the key out, so that its default counts.

    Raises `KeyError` with the key when a part of it leads through something that has no keys.
    """
    copy: dict[str, Any] = deepcopy(dict(document))
    for key, value in edits.items():
        *path, last = key.split(".")
        place: Any = copy
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise KeyError(key)
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return copy


def state(row: Mapping[str, Any], place_in_force: int) -> str:
    """Name the state of a written version: draft, approved, in_force, superseded or withdrawn."""
    if row["place"] is not None:
        return "in_force" if row["place"] == place_in_force else "superseded"
    if row["withdrawn_at"] is not None:
        return "withdrawn"
    return "draft" if row["approved_at"] is None else "approved"
