"""One message after the other: handle, then commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka.loop import Loop, Message, Partition, Refusals, Work
from alprcore.kafka.publish import DeadLetters
from alprcore.kafka.settings import KafkaSettings
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic

logger = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
"""A dependency that is back is used again within this time."""

Handle = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class _Held:
    """What of a partition waits for something that is away."""

    messages: Sequence[Message]
    delay: float
    due: float


class _OneByOne(Work):
    def __init__(self, handle: Handle, dead_letters: DeadLetters, metrics: ConsumerMetrics, refusals: Refusals) -> None:
        self._handle = handle
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._refusals = refusals
        self._held: dict[Partition, _Held] = {}

    @override
    async def taken(self, committed: Mapping[Partition, tuple[int | None, str]]) -> None:
        self._held.clear()

    @override
    async def lost(self, partitions: Iterable[Partition]) -> None:
        self._held.clear()  # paused partitions are resumed by the assignment itself

    @override
    async def turn(self, loop: Loop, fetched: Mapping[Partition, Sequence[Message]]) -> None:
        now = time.monotonic()
        again = {partition: held.messages for partition, held in self._held.items() if held.due <= now}
        done: dict[Partition, tuple[int, str]] = {}
        for partition, messages in (*again.items(), *fetched.items()):
            after = await self._partition(loop, partition, messages)
            if after is not None:
                done[partition] = (after, "")
            if not loop.ours:
                break
        await loop.commit(done)

    async def _partition(self, loop: Loop, partition: Partition, messages: Sequence[Message]) -> int | None:
        """Handle a partition's messages in order; answers the offset to commit, None when nothing was done."""
        after: int | None = None
        for index, message in enumerate(messages):
            if not loop.ours:
                break
            try:
                await self._one(loop, message)
            except Transient as error:
                known = self._held.get(partition)
                same = known is not None and known.messages[0].offset == message.offset
                delay = min(known.delay * 2, LONGEST_DELAY_S) if known is not None and same else FIRST_DELAY_S
                self._held[partition] = _Held(messages[index:], delay, time.monotonic() + delay)
                loop.pause([partition])
                self._metrics.messages.labels(loop.label(message.topic), "retried").inc()
                logger.warning("message_retried", extra={"topic": message.topic, "reason": str(error)})
                return after
            after = message.offset + 1
        else:
            if self._held.pop(partition, None) is not None:
                loop.resume([partition])
        return after

    async def _one(self, loop: Loop, message: Message) -> None:
        label, begun, code = loop.label(message.topic), time.monotonic(), ""
        try:
            await self._handle(message)
        except InvalidMessage as error:
            code = error.code
            self._refusals.count(refused=True)
            await self._dead_letters.put(message, error)
            self._metrics.messages.labels(label, "dead_letter").inc()
            self._metrics.dead_letters.labels(label, error.code).inc()
            where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
            logger.warning("message_refused", extra={**where, "code": error.code})
        else:
            self._refusals.count(refused=False)
            self._metrics.messages.labels(label, "handled").inc()
        seconds = time.monotonic() - begun
        self._metrics.handle.labels(label).observe(seconds)
        self._metrics.handled(label, message.timestamp_ms)
        message.consumed(label, loop.group, seconds, code)


async def run_consumer(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    group: str,
    handle: Handle,
    dead_letters: DeadLetters,
    stop: asyncio.Event,
    metrics: ConsumerMetrics,
    outsiders: bool = False,
    agencies: Sequence[str] = (),
) -> None:
    """Handle every message of the topics, in order by partition, until `stop`; commit after the effect.

    `agencies`: whose topics, of those that every agency has one of.

    `handle` raises `Transient` to be asked again (the partition waits, 0.1 to 5 s, others go on), `InvalidMessage` to
    have the message put aside. Raises `DeadLetterLimit` after 10 refusals in a row or 50 among the last 1,000, unless
    `outsiders` write the topic; whatever else `handle` raises; and `Transient` when no broker can be reached.
    """
    work = _OneByOne(handle, dead_letters, metrics, Refusals(outsiders=outsiders))
    # 50 messages a turn: small enough that a rebalance waits for one message at most, see `ours`
    await Loop(settings, topics, group, metrics, agencies).run(work, stop, idle_ms=100, max_records=50)


async def run_letters(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    group: str,
    handle: Handle,
    dead_letters: DeadLetters,
    stop: asyncio.Event,
    metrics: ConsumerMetrics,
) -> None:
    """Handle every dead letter of the topics like `run_consumer`; what put a message aside was somebody else's rule.

    `handle` refuses none: a dead letter of a dead letter has no topic, and ends the consumer.
    """
    work = _OneByOne(handle, dead_letters, metrics, Refusals(outsiders=True))
    await Loop(settings, topics, group, metrics, letters=True).run(work, stop, idle_ms=100, max_records=50)
