"""Says again what a broker has lost: once at every start, for topics on which nothing was ever published.

The database is the record (devices, lists in force, partial plates); a broker that was made anew, with a restored
installation or after its disk was lost, knows none of it, and frames would wait for devices for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from alpr_ingest.hotlists import ActiveList, version_of
from alpr_ingest.loading.republishing import Republishing
from alpr_ingest.store import Outgoing, Store
from alprcore.errors import Transient
from alprcore.kafka import KafkaSettings, never_written
from alprcore.model import Person, Refused
from alprcore.policy import PARTIAL
from alprcore.topics import Topic
from alprcore.wire import encode_device, encode_list_version, encode_partial, rfc3339

logger = logging.getLogger(__name__)

_AGAIN_S: Final = 2.0


class Restating:
    """Publishes what topics that were made anew do not have; what they have stays as it is.

    `done` is set when everything is in the outbox. Nothing may leave the outbox before: a crash in between then finds the
    topics as empty as they were, and all is said again.
    """

    def __init__(
        self, store: Store, kafka: KafkaSettings, republishing: Republishing, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._kafka, self._republishing, self._clock = store, kafka, republishing, clock
        self.done = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Do it once; broker and database may be away for a while."""
        while not stop.is_set():
            try:
                await self.restate()
            except Transient as error:
                logger.warning("restating_waits", extra={"reason": str(error)})
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _AGAIN_S)
                continue
            self.done.set()
            return

    async def restate(self) -> dict[str, int]:
        """Look at each topic and say again what it lacks; answers how many of what. Raises `Transient`."""
        now, outgoing = self._clock(), list[Outgoing]()
        if await never_written(self._kafka, Topic.DEVICES):
            outgoing += [
                Outgoing(Topic.DEVICES, one.device_id, encode_device(one), f"{one.device_id}/{one.revision}", now)
                for one in await self._store.every_device()
            ]
        if await never_written(self._kafka, Topic.HOTLIST_PARTIALS):
            outgoing += [
                Outgoing(
                    Topic.HOTLIST_PARTIALS, one.entry_id, encode_partial(one.entry("PARTIAL", 1)), one.entry_id, now
                )
                for one in await self._store.living_partials()
            ]
        told = {"messages": len(outgoing)} if outgoing else {}
        if await never_written(self._kafka, Topic.HOTLIST_VERSIONS) and (count := await self._lists(outgoing)):
            told["lists"] = count
        await self._store.put_out(outgoing)  # all or nothing
        if told:
            logger.warning("topics_said_again", extra=told)
        return told

    async def _lists(self, outgoing: list[Outgoing]) -> int:
        count = 0
        for one in await self._store.lists_in_force():
            if one.list_type == PARTIAL:
                outgoing.append(_announced(one, self._clock()))
                count += 1
                continue
            told = await self._republishing.run(one, _system(one.agency))
            if isinstance(told, Refused):  # on its way into force: its load announces it
                logger.warning("list_not_said_again", extra={"list": one.code, "reason_code": told.reason_code})
            else:
                count += 1
        return count


def _announced(one: ActiveList, now: datetime) -> Outgoing:
    key = f"{one.agency}/{one.code}"
    message = version_of(one, one.version, one.entries, one.source_time or now, one.loaded_at or now)
    name = f"{key}/{one.version}/{rfc3339(now)}"
    return Outgoing(Topic.HOTLIST_VERSIONS, key, encode_list_version(message), name, now)


def _system(agency: str) -> Person:
    """Who says again what nobody asked for."""
    return Person("", "system", "system", "", agency, (), "", "")
