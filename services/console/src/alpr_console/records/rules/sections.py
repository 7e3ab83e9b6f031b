"""Which pages of records are of any use to whom; the door behind each decides again. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from alprcore.evidence import EXPORT_ROLES
from alprcore.model import Person
from alprcore.policy import HOLD_PLACERS, RELEASE_TAKERS

OVERSEERS: Final = frozenset({"retention_officer", "program_manager", "custodian", "auditor"})
"""Who answers for keeping and destroying, and who audits it (RET-14, ADM-04)."""
HOLDERS: Final = HOLD_PLACERS | {"auditor"}
"""Who places holds and takes evidence, and who looks after them (RET-07, RET-12)."""
FILERS: Final = RELEASE_TAKERS | {"chief_admin_assistant", "auditor"}
"""Who takes in, decides, files or fulfills requests for releases (SHR-02 to SHR-06)."""
RESPONDERS: Final = frozenset({"program_manager", "custodian", "alpr_admin", "auditor"})
"""Who works on a breach (SEC-02)."""
APPROVES: Final = "approve_release"
"""The power over releases that a named designee may exercise (SHR-03)."""


@dataclass(frozen=True, slots=True)
class Section:
    """A page of this part: address, words, and the roles it is for."""

    path: str
    words: str
    roles: frozenset[str]


SECTIONS: Final = (
    Section("/records", "Overview", OVERSEERS),
    Section("/records/purges", "Purge", OVERSEERS),
    Section("/records/schedule", "Schedule", OVERSEERS),
    Section("/records/holds", "Holds", HOLDERS),
    Section("/records/evidence", "Evidence", HOLDERS),
    Section("/records/releases", "Releases", FILERS),
    Section("/records/demands", "Demands", OVERSEERS | {"supervisor", "alpr_admin"}),
    Section("/records/sharing", "Sharing", OVERSEERS | {"supervisor", "alpr_admin"}),
    Section("/records/breaches", "Breaches", RESPONDERS),
)

_FORMS: Final = {
    "/records/holds/new": HOLD_PLACERS,
    "/records/releases/new": FILERS - {"auditor"},
    "/records/sharing/new": frozenset({"program_manager", "alpr_admin"}),
}
"""Pages with nothing but a form, and whom it is of any use to: an auditor looks on."""


def may_look(path: str, roles: Collection[str]) -> bool:
    """Tell whether a page, or the section it lies in, is of any use to these roles."""
    if path in _FORMS:
        return not _FORMS[path].isdisjoint(roles)
    found = [one for one in SECTIONS if path == one.path or path.startswith(f"{one.path}/")]
    return bool(found) and not max(found, key=lambda one: len(one.path)).roles.isdisjoint(roles)


def first(person: Person) -> str:
    """Name the first page of records that this person can use, or an empty string."""
    return next((one.path for one in SECTIONS if not one.roles.isdisjoint(person.roles)), "")


def tabs(person: Person) -> list[tuple[str, str]]:
    """List the pages that this person can use, address and words."""
    return [(one.path, one.words) for one in SECTIONS if not one.roles.isdisjoint(person.roles)]


def starts_purges(person: Person) -> bool:
    """Tell whether this person may preview a purge and begin one before its time (RET-06)."""
    return "retention_officer" in person.roles


def places_holds(person: Person) -> bool:
    """Tell whether the form for a hold is of any use to this person: auditors look on (RET-07)."""
    return may_look("/records/holds/new", person.roles)


def exports_evidence(person: Person) -> bool:
    """Tell whether the form for an evidence package is of any use to this person: whoever may see plates (ADM-04)."""
    return not EXPORT_ROLES.isdisjoint(person.roles)


def authorizes_clets(person: Person) -> bool:
    """Tell whether this person may let a package carry what CLETS answered (SEC-06)."""
    may = not {"supervisor", "program_manager", "clets_coordinator"}.isdisjoint(person.roles)
    return may and "clets" in person.grants


def makes_agreements(person: Person) -> bool:
    """Tell whether the form for a sharing agreement is of any use to this person."""
    return may_look("/records/sharing/new", person.roles)


def records_demands(person: Person) -> bool:
    """Tell whether the form for a demand is of any use to this person."""
    return not (OVERSEERS - {"auditor"}).isdisjoint(person.roles)


def settles(person: Person) -> bool:
    """Tell whether this person settles what was found gone before its day."""
    return not {"custodian", "program_manager"}.isdisjoint(person.roles)


def looks_up(person: Person) -> bool:
    """Tell whether this person may look up reads for somebody who asks about their own vehicle."""
    return not {"program_manager", "supervisor"}.isdisjoint(person.roles)


def empowered(person: Person, delegation: str) -> Person:
    """Give a person the power over releases under the delegation named; without one nothing more (ACC-10)."""
    return replace(person, powers=(f"{APPROVES}:{delegation}",)) if delegation else person


def counts_powers(path: str) -> bool:
    """Tell whether a call is one in which a designee's power counts: whatever concerns requests for releases."""
    return path == "/v1/release-requests" or path.startswith("/v1/release-requests/")
