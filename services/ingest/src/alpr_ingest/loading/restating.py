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

from alpr_ingest.app import Relay
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

_PAGE: Final = 500
_AGAIN_S: Final = 2.0


class Restating:
    """Publishes what topics that were made anew do not have; what they have stays as it is."""

    def __init__(
        self,
        store: Store,
        kafka: KafkaSettings,
        relay: Relay,
        republishing: Republishing,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._kafka, self._relay = store, kafka, relay
        self._republishing, self._clock = republishing, clock

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
            return

    async def restate(self) -> dict[str, int]:
        """Look at each topic and say again what it lacks; answers how many of what. Raises `Transient`."""
        told = {}
        if await never_written(self._kafka, Topic.DEVICES) and (count := await self._devices()):
            told["devices"] = count
        if await never_written(self._kafka, Topic.HOTLIST_PARTIALS) and (count := await self._partials()):
            told["partials"] = count
        if await never_written(self._kafka, Topic.HOTLIST_VERSIONS) and (count := await self._lists()):
            told["lists"] = count
        if told:
            logger.warning("topics_said_again", extra=told)
        self._relay.kick()
        return told

    async def _devices(self) -> int:
        after, count, now = "", 0, self._clock()
        while page := await self._store.every_device(after, _PAGE):
            await self._store.put_out(
                [
                    Outgoing(Topic.DEVICES, one.device_id, encode_device(one), f"{one.device_id}/{one.revision}", now)
                    for one in page
                ]
            )
            after, count = page[-1].device_id, count + len(page)
        return count

    async def _partials(self) -> int:
        living, now = await self._store.living_partials(), self._clock()
        for start in range(0, len(living), _PAGE):
            await self._store.put_out(
                [
                    Outgoing(
                        Topic.HOTLIST_PARTIALS, one.entry_id, encode_partial(one.entry("PARTIAL", 1)), one.entry_id, now
                    )
                    for one in living[start : start + _PAGE]
                ]
            )
        return len(living)

    async def _lists(self) -> int:
        count = 0
        for one in await self._store.lists_in_force():
            if one.list_type == PARTIAL:
                await self._store.put_out([_announced(one, self._clock())])
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
