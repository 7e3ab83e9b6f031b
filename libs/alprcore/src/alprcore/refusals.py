"""The road of every refusal into the ledger: one entry each, floods counted by address and minute (AUD-09)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from alprcore.model import Person
from alprcore.policy import Crowd, Refusals

Enter = Callable[[Person | None, str, str, Mapping[str, str]], Awaitable[None]]
"""Enters a refusal: who was refused (None: nobody signed in), from which address, the reason code, the facts."""


class RefusalLog:
    """Enters refusals through the service's own way to the ledger; used by every door of it."""

    def __init__(self, enter: Enter, clock: Callable[[], datetime]) -> None:
        self._enter, self._clock = enter, clock
        self._refusals = Refusals()
        self._waiting: deque[Crowd] = deque()

    async def tell(
        self,
        person: Person | None,
        address: str,
        reason_code: str,
        facts: Mapping[str, str],
        enter: Enter | None = None,
    ) -> None:
        """Enter a refusal before it is answered, by `enter` where the door has more to say.

        Raises what entering raises; then the call must not be answered as refused.
        """
        await self.flush()
        who = person.person_id if person else address
        if self._refusals.alone(who, reason_code, known=person is not None, now=self._clock()):
            await (enter or self._enter)(person, address, reason_code, facts)

    async def flush(self, *, ending: bool = False) -> None:
        """Enter what was counted in a minute that is over; calls at the same time share the work, none does it twice."""
        self._waiting.extend(self._refusals.due(self._clock(), ending=ending))
        while self._waiting:
            crowd = self._waiting.popleft()
            facts = {"count": str(crowd.count), "since": crowd.since.isoformat()}
            try:
                await self._enter(None, crowd.who, crowd.reason_code, facts)
            except BaseException:
                self._waiting.append(crowd)  # counted refusals are told of later, whatever went wrong now
                raise
