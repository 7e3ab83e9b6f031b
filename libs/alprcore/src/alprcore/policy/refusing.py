"""Which refusals become ledger entries of their own, and which are counted together (AUD-09)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

RECORDED: Final = frozenset({401, 403, 409, 422})
"""Statuses that are refusals: no session, policy, order of steps, missing or wrong fields."""
STRANGERS_EACH: Final = 20
"""Entries a minute for one address without a session: a person who mistypes stays far below, a scan far above."""
STRANGERS_ALL: Final = 300
"""Entries a minute for all such addresses together: what a flood from many can add to the ledger."""
PERSON_EACH: Final = 240
"""Entries a minute for one signed-in person: more than any page can cause."""
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Refusals of one minute that share an entry: from where, why, how many, since when."""

    who: str
    reason_code: str
    count: int
    since: datetime


@dataclass(slots=True)
class Refusals:
    """Counts refusals by minute, so that a flood of nameless calls cannot fill the ledger.

    Every refusal is in the ledger: up to the limits one entry each, beyond them one entry per address, reason and
    minute with the count. `who` is a person's id or an address.
    """

    _since: datetime | None = None
    _seen: dict[str, int] = field(default_factory=dict)
    _strangers: int = 0
    _crowds: dict[tuple[str, str], int] = field(default_factory=dict)

    def alone(self, who: str, reason_code: str, *, known: bool, now: datetime) -> bool:
        """Tell whether this refusal has an entry of its own; else it is counted. Call `due` first."""
        if self._since is None:
            self._since = now
        seen = self._seen.get(who, 0) + 1
        self._seen[who] = seen
        fits = seen <= PERSON_EACH
        if not known:
            fits = seen <= STRANGERS_EACH and self._strangers < STRANGERS_ALL
            self._strangers += fits
        if not fits:
            address = who if known or (who, reason_code) in self._crowds or len(self._crowds) < STRANGERS_ALL else ""
            self._crowds[address, reason_code] = self._crowds.get((address, reason_code), 0) + 1
        return fits

    def due(self, now: datetime, *, ending: bool = False) -> tuple[Crowd, ...]:
        """Give what was counted once its minute is over, or when the service ends, and begin a new minute."""
        if self._since is None or not (ending or now - self._since >= MINUTE):
            return ()
        since = self._since
        crowds = tuple(Crowd(who, code, count, since) for (who, code), count in sorted(self._crowds.items()))
        self._since, self._strangers = None, 0
        self._seen.clear()
        self._crowds.clear()
        return crowds
