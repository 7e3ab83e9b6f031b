"""Says hits of the last day again: withdrawn, once their entry has left its list; released, once their storm is over.

Nothing is remembered for this but the topic `hits` itself: every worker follows it and looks after the partitions whose
lists it holds. A worker that dies is followed by one that reads the same (docs/decisions/0030).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from alpr_matcher import metrics
from alpr_matcher.alerts.storms import Storms
from alpr_matcher.alerts.told import TOLD_FOR, ToldEntry, ToldHits, to_look_for, withdrawal
from alprcore import wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import KafkaSettings, Message, follow_since, read_at
from alprcore.model import Entry, EntryDetails, Hit, ListVersion
from alprcore.topics import Topic

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.25  # a withdrawn hot plate is recalled within a second
_PAGE: Final = 200  # entries looked for, or hits published, before the loop is left to the reads
_CALM_S: Final = 1.0
_PRUNE_S: Final = 3600.0
Versions = Mapping[tuple[str, str], ListVersion]


@dataclass(frozen=True, slots=True)
class Lists:
    """What the matcher's view of the lists answers at once, without waiting.

    `versions` gives the one version of each list in force in a partition, None while its reads may not be judged;
    `entries` what could be the told entry there, or stand in its place.
    """

    versions: Callable[[int], Versions | None]
    entries: Callable[[int, ToldEntry], tuple[Entry, ...]]
    open: Callable[[Entry], EntryDetails | None]


class Recalls:
    """Follows `hits` and publishes a hit again when its entry is no longer in force or its storm is over."""

    def __init__(
        self,
        kafka: KafkaSettings,
        lists: Lists,
        storms: Storms,
        publish: Callable[[Hit, str, str], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        """`publish` puts a hit on `hits` under a key and with a trace, and returns once it is acknowledged."""
        self._kafka = kafka
        self._lists = lists
        self._storms = storms
        self._publish = publish
        self._now = now
        self._looked: dict[int, tuple[Versions, int]] = {}
        self._partial: dict[int, tuple[ToldEntry, ...]] = {}
        self._released: dict[int, tuple[int, int]] = {}
        self.told = ToldHits()
        self.read = asyncio.Event()

    async def follow(self, stop: asyncio.Event) -> None:
        """Follow `hits` from a day ago until `stop`."""
        since = self._now() - TOLD_FOR
        await follow_since(self._kafka, Topic.HITS, self._take, since, ready=self.read, stop=stop)

    def _take(self, message: Message) -> None:
        hit = wire.decode_hit(message.value or b"", message.headers)
        key = (message.key or b"").decode(errors="replace")
        self.told.take(message.partition, key, message.offset, hit)
        self._storms.take(hit)

    async def run(self, assigned: Callable[[], frozenset[int]], stop: asyncio.Event) -> None:
        """Look after the assigned partitions until `stop`; what fails is done again at the next look."""
        pruned = calmed = 0.0
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            if self.read.is_set() and clock() - calmed >= _CALM_S:
                calmed = clock()
                self._storms.calm(self._now())
                metrics.STORMS.set(len(self._storms))
            if self.read.is_set() and clock() - pruned >= _PRUNE_S:
                pruned = clock()
                self.told.prune(self._now())
            for partition in sorted(assigned()) if self.read.is_set() else ():
                try:
                    await self._look(partition)
                    await self._release(partition)
                except Transient as error:
                    metrics.RETRIES.labels("recalls").inc()
                    logger.warning("recalls_retried", extra={"partition": partition, "error": str(error)})
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await stop.wait()

    async def _look(self, partition: int) -> None:
        """Look for every entry whose list has moved on since it was last looked for.

        Partial entries go without a new version: they are looked for at every turn.
        """
        if (versions := self._lists.versions(partition)) is None:
            return
        state = versions, self.told.changes(partition)
        told, done = self.told.of(partition), True
        if self._looked.get(partition) == state:
            told = self._partial.get(partition, ())
        else:
            self._partial[partition] = tuple(entry for entry in told if entry.partial)
        for first in range(0, len(told), _PAGE):
            gone = []
            # no await from here to the end of the page: one state of the lists, and of this partition
            if (versions := self._lists.versions(partition)) is None:
                return
            for entry in told[first : first + _PAGE]:
                if not to_look_for(entry, versions):
                    continue
                version = versions.get((entry.agency, entry.list_code))
                if entry.stands(self._lists.entries(partition, entry), version):
                    entry.stood_in = version.version if version else entry.stood_in
                else:
                    gone.append(entry)
            for entry in gone:
                done = await self._withdraw(partition, entry) and done
            await asyncio.sleep(0)
        if done:
            self._looked[partition] = state

    async def _release(self, partition: int) -> None:
        """Publish the hits again whose storm is over, oldest first: each is announced now."""
        if self._released.get(partition) == (self._storms.ended, self.told.changes(partition)):
            return
        looked = self._storms.ended, self.told.changes(partition)
        for storm_id, held in self.told.held(partition).items():
            if not self._storms.is_over(storm_id):
                continue
            messages = await read_at(self._kafka, Topic.HITS, partition, [offset for _, _, offset in held])
            for told, hit_id, offset in sorted(held, key=lambda item: item[2]):
                if (found := _hit_of(messages.get(offset))) is None:
                    logger.error("held_hit_gone", extra={"hit_id": hit_id, "partition": partition, "offset": offset})
                    metrics.RELEASED.labels("gone").inc()
                else:
                    hit, trace = found
                    said = replace(hit, revision=hit.revision + 1, released_at=self._now())
                    await self._publish(said, told.key, trace)
                    metrics.RELEASED.labels("announced").inc()
                told.said[hit_id].held_by = ""
            logger.info("storm_released", extra={"storm_id": storm_id, "partition": partition, "hits": len(held)})
        self._released[partition] = looked

    async def _withdraw(self, partition: int, told: ToldEntry) -> bool:
        """Publish the hits of an entry again, as withdrawn; False when the lists moved away meanwhile."""
        hits = told.open_hits(self._now() - TOLD_FOR)
        messages = await read_at(self._kafka, Topic.HITS, partition, hits.values()) if hits else {}
        versions = self._lists.versions(partition)
        if versions is None:
            return False
        version = versions.get((told.agency, told.list_code))
        entries = self._lists.entries(partition, told)
        if told.stands(entries, version):
            return False
        now = self._now()
        for number, (hit_id, offset) in enumerate(hits.items()):
            if (found := _hit_of(messages.get(offset))) is None:
                continue
            hit, trace = found
            if (reason := withdrawal(hit, entries, version, self._lists.open, now)) is None:
                continue
            withdrawn = replace(hit, revision=hit.revision + 1, withdrawn_at=now, withdrawn_reason=reason.value)
            await self._publish(withdrawn, told.key, trace)
            told.said[hit_id].withdrawn = True
            metrics.WITHDRAWN.labels(reason.value, hit.list_code).inc()
            logger.info("hit_withdrawn", extra={"hit_id": hit_id, "reason": reason.value, "traceparent": trace})
            if number % _PAGE == _PAGE - 1:
                await asyncio.sleep(0)
        told.stood_in = version.version if version is not None else told.stood_in
        return True


def _hit_of(message: Message | None) -> tuple[Hit, str] | None:
    """The hit and the trace of a message; None when the topic has let go of it."""
    if message is None:
        return None
    try:
        hit = wire.decode_hit(message.value or b"", message.headers)
    except InvalidMessage:
        return None
    return hit, message.trace
