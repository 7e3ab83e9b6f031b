"""Many messages at once, for handlers that choose themselves what may be committed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from typing_extensions import override

from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka.consume import FIRST_DELAY_S, LONGEST_DELAY_S
from alprcore.kafka.loop import METADATA_LIMIT, Loop, Message, Partition, Refusals, Work
from alprcore.kafka.publish import DeadLetters
from alprcore.kafka.settings import KafkaSettings
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic

logger = logging.getLogger(__name__)


class BatchHandler(Protocol):
    """Handles batches of several partitions; `(topic on the broker, number)` names a partition."""

    async def assigned(self, positions: Mapping[Partition, tuple[int | None, str]]) -> None:
        """These partitions are ours now: committed offset (None: never) and the metadata committed with it."""

    async def revoked(self, partitions: Iterable[Partition]) -> None:
        """These partitions are no longer ours: forget them."""

    async def handle(self, messages: Sequence[Message]) -> None:
        """Handle messages, in order by partition; none when nothing came, so that timers can be looked at.

        `Transient`: asked again with the same messages, so what was done already must be recognized. `InvalidMessage`
        of several messages: asked again one by one; of one: it is put aside.
        """

    def position(self, partition: Partition) -> tuple[int, str] | None:
        """Which offset may be committed, and the metadata to commit with it; None: nothing yet."""


class _Batches(Work):
    def __init__(
        self, handler: BatchHandler, dead_letters: DeadLetters, metrics: ConsumerMetrics, refusals: Refusals
    ) -> None:
        self._handler = handler
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._refusals = refusals
        self._partitions: set[Partition] = set()

    @override
    async def taken(self, committed: Mapping[Partition, tuple[int | None, str]]) -> None:
        self._partitions = set(committed)
        await self._handler.assigned(committed)

    @override
    async def lost(self, partitions: Iterable[Partition]) -> None:
        lost = set(partitions)
        self._partitions -= lost
        await self._handler.revoked(lost)

    @override
    async def turn(self, loop: Loop, fetched: Mapping[Partition, Sequence[Message]]) -> None:
        messages = [message for batch in fetched.values() for message in batch]
        begun = time.monotonic()
        skipped = await self._handle(loop, messages)
        seconds = time.monotonic() - begun
        for (name, number), batch in fetched.items():
            label, aside = loop.label(name), skipped.get((name, number), {})
            self._metrics.handle.labels(label).observe(seconds)
            if batch:
                self._metrics.handled(label, batch[-1].timestamp_ms)
            for message in batch:
                message.consumed(label, loop.group, seconds, aside.get(message.offset, ""))
        done: dict[Partition, tuple[int, str]] = {}
        for partition in self._partitions:
            position = self._handler.position(partition)
            aside = skipped.get(partition, {})
            if position is None and aside:
                position = (min(aside), "")
            # the handler passes over what was put aside, so the next offset is due
            while position is not None and position[0] in aside:
                position = (position[0] + 1, position[1])
            if position is not None:
                if len(position[1].encode()) > METADATA_LIMIT:
                    raise ValueError("commit metadata too long")
                done[partition] = position
        await loop.commit(done)

    async def _handle(self, loop: Loop, messages: Sequence[Message]) -> dict[Partition, dict[int, str]]:
        """Handle a batch, waiting for what is away; answers the offsets that were put aside, and why."""
        delay, paused = FIRST_DELAY_S, False
        skipped: dict[Partition, dict[int, str]] = {}
        try:
            while loop.ours or not paused:
                try:
                    await self._handler.handle(messages)
                except Transient as error:
                    logger.warning("batch_retried", extra={"reason": str(error)})
                    loop.pause(self._partitions)
                    paused = True
                    await loop.keep_alive(delay)
                    delay = min(delay * 2, LONGEST_DELAY_S)
                except InvalidMessage as error:
                    if len(messages) == 1:
                        await self._put_aside(loop, messages[0], error)
                        offsets = skipped.setdefault((messages[0].topic, messages[0].partition), {})
                        offsets[messages[0].offset] = error.code
                    else:
                        for message in messages:
                            for partition, found in (await self._handle(loop, [message])).items():
                                skipped.setdefault(partition, {}).update(found)
                    break
                else:
                    for message in messages:
                        self._refusals.count(refused=False)
                        self._metrics.messages.labels(loop.label(message.topic), "handled").inc()
                    break
        finally:
            if paused:
                loop.resume(self._partitions)
        return skipped

    async def _put_aside(self, loop: Loop, message: Message, error: InvalidMessage) -> None:
        self._refusals.count(refused=True)
        await self._dead_letters.put(message, error)
        label = loop.label(message.topic)
        self._metrics.messages.labels(label, "dead_letter").inc()
        self._metrics.dead_letters.labels(label, error.code).inc()
        where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        logger.warning("message_refused", extra={**where, "code": error.code})


async def run_batches(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    group: str,
    handler: BatchHandler,
    dead_letters: DeadLetters,
    stop: asyncio.Event,
    metrics: ConsumerMetrics,
    max_records: int = 64,
    idle: float = 0.2,
    outsiders: bool = False,
) -> None:
    """Hand batches to `handler` until `stop`, committing what it says after each; raises like `run_consumer`.

    `handle([])` is called when nothing came for `idle` seconds.
    """
    work = _Batches(handler, dead_letters, metrics, Refusals(outsiders=outsiders))
    await Loop(settings, topics, group, metrics).run(work, stop, idle_ms=int(idle * 1000), max_records=max_records)
