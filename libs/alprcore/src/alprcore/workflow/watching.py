"""To whom live hits go, who answers for them, and for how long a hit is live."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused

WATCHERS: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor", "alpr_admin", "program_manager"})
DISPATCH: Final = frozenset({"dispatcher", "supervisor"})
"""Roles that answer for hits (HIT-15): whoever of them acknowledges one owns it, and they enter its calls (HIT-20)."""
LIVE_FOR: Final = timedelta(hours=24)
"""A hit younger than this is shown without a query, and its timers run; older ones are asked for through the query door
(QRY-01).
"""


def may_watch(person: Person) -> Decision:
    """Decide whether live hits, and the work on them, are shown to this person (HIT-04)."""
    if WATCHERS.isdisjoint(person.roles):
        return Refused("HIT-04", "ROLE_NOT_AUTHORISED", "live hits are not open to this role")
    return ADMITTED
