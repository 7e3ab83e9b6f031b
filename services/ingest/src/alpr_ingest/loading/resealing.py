"""Seals entries anew that an older key has sealed, so that the older key can be destroyed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from alpr_ingest import metrics
from alpr_ingest.app import Relay, first_of
from alpr_ingest.loading.publishing import PAGE, Publication
from alpr_ingest.store import FIRST, EnteredPlate, Outgoing, Store
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import Publisher
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from alprcore.wire import encode_partial

logger = logging.getLogger(__name__)

_IDLE_S: Final = 3_600.0
"""Between looks when every entry has the current key's seal: each reads the whole table."""
_AGAIN_S: Final = 300.0
"""Until the next pass while entries are left: those that a load held, or whose key is not in the file."""


class Resealing:
    """Goes through all entries in pages. Ids, spans and versions stay as they are: nothing is matched anew."""

    def __init__(
        self, store: Store, publisher: Publisher, keys: ListKeys, relay: Relay, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._keys = keys
        self._relay = relay
        self._clock = clock
        self._publication = Publication(store, publisher, relay, clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Seal anew what another key has sealed, then look again now and then, until `stop`."""
        while not stop.is_set():
            left = 1
            try:
                if left := await self._left():
                    await self._pass(stop)
                    left = await self._left()
                    logger.info("entries_sealed_anew", extra={"key_id": self._keys.current, "left": left})
            except Transient as error:
                logger.warning("resealing_waits", extra={"reason": str(error)})
            await first_of(stop, timeout_s=_AGAIN_S if left else _IDLE_S)

    async def _left(self) -> int:
        left = await self._store.sealed_otherwise(self._keys.current)
        metrics.OLD_SEALS.set(left)
        return left

    async def _pass(self, stop: asyncio.Event) -> None:
        """Go once through the plates entered one by one and the buckets of all lists."""
        current, after, name = self._keys.current, "", FIRST
        while found := await self._store.reseal_entered(current, name, PAGE, self._again, self._partial):
            name = found
            self._relay.kick()
        while not stop.is_set() and (page := await self._store.skeletons_sealed_otherwise(current, after, PAGE)):
            async with self._store.resealing(current, page, self._again) as buckets:
                await self._publication.publish(buckets)
            after = page[-1]

    def _again(self, entry_id: str, sealed: bytes, key_id: str) -> tuple[bytes, bytes] | None:
        try:
            details = self._keys.open(sealed, key_id, entry_id=entry_id)
        except InvalidMessage as error:
            logger.warning("entry_details_closed", extra={"code": error.code, "entry_id": entry_id, "key_id": key_id})
            return None
        return self._keys.seal(details, entry_id=entry_id)[0], self._keys.digest(details, entry_id=entry_id)

    def _partial(self, one: EnteredPlate) -> Outgoing:
        value = encode_partial(one.entry("PARTIAL", 1))
        return Outgoing(Topic.HOTLIST_PARTIALS, one.entry_id, value, one.entry_id, self._clock())
