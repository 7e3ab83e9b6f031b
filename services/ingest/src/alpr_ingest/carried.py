"""Decides what copies of lists devices get, how long they hold, and whether one is up to date for service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alpr_ingest.hotlists import ActiveList
from alprcore.model import Refused
from alprcore.policy import ENTERED, PARTIAL, AgencyProfile, Overridden, pass_gate

MOST_REMOVED: Final = 100_000
"""Entries that a delta takes out at most; beyond that the whole list is sent, and memory stays bounded."""
_GRACE: Final = timedelta(minutes=1)
"""How long a copy holds in which an entry has just ended: ingest takes it off its list within seconds."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """A list of which a device does not hold the version in force; `held` is 0 when it holds none."""

    code: str
    name: str
    held: int
    in_force: int


def carried(lists: Iterable[ActiveList]) -> tuple[ActiveList, ...]:
    """Name the lists that devices get (HOT-21): approved ones with a version, but for partial plates.

    Those are patterns that are matched against every read in one place, with an end to each.
    """
    return tuple(one for one in lists if one.version > 0 and one.approved and one.list_type != PARTIAL)


def base_of(active: ActiveList, held: int, floor: int) -> int:
    """Give the version that a package may start from; 0: the whole list.

    `floor` is the newest version of which entries that left are forgotten. A device that claims a version that is not
    in force yet has a copy of another installation's past: it gets the list whole.
    """
    return held if max(1, floor) <= held <= active.version else 0


def valid_until(active: ActiveList, issued_at: datetime, valid: timedelta, first_end: datetime | None) -> datetime:
    """Give the time after which a copy is not used: for hot plates no later than the first of them ends (HOT-19).

    A device cannot see when its entries end: that is sealed.
    """
    latest = issued_at + valid
    if first_end is None or active.list_type not in ENTERED:
        return latest
    return min(latest, max(first_end, issued_at + _GRACE))


def outdated(lists: Iterable[ActiveList], held: Mapping[str, int]) -> tuple[Outdated, ...]:
    """Name the lists of which a device does not hold the version in force (HOT-21)."""
    return tuple(
        Outdated(one.code, one.name, held.get(one.code, 0), one.version)
        for one in carried(lists)
        if held.get(one.code, 0) != one.version
    )


def ready(profile: AgencyProfile, behind: Sequence[Outdated], override_reason: str) -> Overridden | Refused | None:
    """Decide by its lists whether a unit may go into service (HOT-21, EQP-06); None: it may.

    `Overridden`: it may, with the reason that the policy lets pass. `Refused` NOT_UPDATED names the lists.
    """
    decision = pass_gate(profile, "list_versions", done=not behind, override_reason=override_reason)
    if isinstance(decision, Refused):
        names = ", ".join(one.code for one in behind)
        return Refused(decision.rule_id, decision.reason_code, f"{names}: {decision.detail}")
    return decision if isinstance(decision, Overridden) else None


def report_fault(lists: Iterable[ActiveList], said: Mapping[str, int]) -> Refused | None:
    """Tell what is wrong with a device's report of what it holds."""
    known = {one.code: one for one in carried(lists)}
    for code, version in said.items():
        if code not in known:
            return Refused("HOT-21", "LIST_UNKNOWN", f"{code}: devices of this agency get no such list")
        if not 0 < version <= known[code].version:
            return Refused("HOT-21", "VERSION_UNKNOWN", f"{code}: version {version} was never in force")
    return None
