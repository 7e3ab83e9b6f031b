"""Publishes a list again from the database: for a topic that was lost or made anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from alpr_ingest.app import Relay, audit_message
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.loading.publishing import Publication
from alpr_ingest.store import ListBusy, Outgoing, Store
from alprcore.kafka import Publisher
from alprcore.model import Person, Refused
from alprcore.policy import PARTIAL
from alprcore.wire import rfc3339


class Republishing:
    """No entry and no version changes: only where the version in force ends on the topic."""

    def __init__(self, store: Store, publisher: Publisher, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._publication = Publication(store, publisher, relay, clock)

    async def run(self, target: ActiveList, person: Person) -> int | Refused:
        """Publish all buckets of a list and announce its version anew; answers how many buckets.

        Raises `Transient`: then do it again, what was published stays right.
        """
        if target.list_type == PARTIAL:
            return Refused("HOT-04", "LIST_NOT_REPUBLISHABLE", "partial plates are on a topic of their own")
        busy = Refused("HOT-04", "LIST_BUSY", "another version of this list is on its way into force")
        try:
            async with self._store.changing(target.agency, target.code) as changing:
                active, now = await changing.active(), self._clock()
                if await changing.unfinished() is not None:
                    return busy
                if active is None or not active.version:
                    return Refused("HOT-04", "LIST_NEVER_LOADED", "the list has no version yet")
                subject, version = f"{active.agency}/{active.code}", str(active.version)

                def said(buckets: int) -> Outgoing:
                    facts = {"version": version, "buckets": str(buckets)}
                    return audit_message("list_republished", subject, rfc3339(now), person, now, facts=facts)

                return await self._publication.republish(changing, active, said)
        except ListBusy:
            return busy
