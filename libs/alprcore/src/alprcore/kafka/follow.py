"""Reading topics without a group: compacted ones whole, then every change; orders from where their effect ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import Counter

from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka.loop import Message
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import MAX_REQUEST_BYTES, KafkaSettings
from alprcore.topics import Topic, physical
from alprcore.wire import CE_TYPE

logger = logging.getLogger(__name__)

_POLL_MS: Final = 100
_RECORDS: Final = 5000  # a million entries take 200 turns, and a turn leaves the event loop in 40 ms
_FOLLOWED: Final = 500  # once caught up, a load must not hold up what else the process does: 4 ms
_RETRY_S: Final = 1.0

SKIPPED: Final = Counter("alpr_followed_skipped_total", "Followed messages that could not be read", ["topic", "code"])
"""A writer of ours published something odd: what it should have changed stays as it was. Look at the writer."""


def _consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **settings.client_params(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )


def _skip(topic: Topic, record: Any, error: InvalidMessage) -> None:
    SKIPPED.labels(topic.value, error.code).inc()
    where = {"topic": topic.value, "partition": record.partition, "offset": record.offset, "code": error.code}
    logger.error("followed_message_skipped", extra=where)


def _headers(record: Any) -> dict[str, bytes]:
    return {name: value or b"" for name, value in record.headers}


async def follow_whole(
    settings: KafkaSettings,
    topic: Topic,
    apply: Callable[[str, bytes | None, dict[str, bytes]], None],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Apply every message of a topic from its beginning, set `ready` at the end found at the start, follow on.

    Every process reads all partitions. A message that `apply` refuses (`InvalidMessage`) is counted, logged and passed
    over. Raises `Transient` when no broker can be reached at the start.
    """

    def take(record: Any) -> None:
        apply((record.key or b"").decode(errors="replace"), record.value, _headers(record))

    await _follow(settings, topic, take, None, ready=ready, stop=stop)


async def follow_since(
    settings: KafkaSettings,
    topic: Topic,
    apply: Callable[[Message], None],
    since: datetime,
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Apply the messages of every partition of a topic that were published after a moment, in the order of each.

    As `follow_whole` otherwise: `ready`, `stop`, what is refused and what is raised.
    """

    def take(record: Any) -> None:
        apply(Message.of(record))

    await _follow(settings, topic, take, since, ready=ready, stop=stop)


async def follow_from(
    settings: KafkaSettings,
    topic: Topic,
    position: Callable[[], Awaitable[Mapping[int, int]]],
    take: Callable[[Message], Awaitable[None]],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Take every message of a topic once, from the offsets that the service keeps beside what they did.

    `position` answers the next offset by partition (none: from the beginning) out of the service's own database, and
    `take` stores offset and effect in one transaction. A database that is brought back from a backup thus comes again
    to everything since. Sets `ready` at the end found at the start. A message whose effect is away for now (`Transient`)
    is tried again in its place; one that cannot be read is counted, logged and passed over, as by `follow_whole`.
    """
    async with _assigned(settings, topic, stop) as (consumer, partitions):
        if not partitions:
            return
        with translated():
            first = await consumer.beginning_offsets(partitions)
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
        kept = await position()
        for tp in partitions:
            at = kept.get(tp.partition, first[tp])
            consumer.seek(tp, at if first[tp] <= at <= ends[tp] else first[tp])  # another broker, or long away
        while not stop.is_set():
            if not ready.is_set() and all([await consumer.position(tp) >= ends[tp] for tp in partitions]):
                ready.set()
                logger.info("topic_followed", extra={"topic": topic.value})
            with translated():
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_FOLLOWED)
            for tp, records in fetched.items():
                for record in records:
                    if not await _taken(topic, record, take, stop):
                        consumer.seek(tp, record.offset)
                        break


async def _taken(topic: Topic, record: Any, take: Callable[[Message], Awaitable[None]], stop: asyncio.Event) -> bool:
    """Take one message, however long what it needs is away; False when `stop` came first."""
    while not stop.is_set():
        try:
            await take(Message.of(record))
        except InvalidMessage as error:
            _skip(topic, record, error)
        except Transient as error:
            logger.warning("followed_message_waits", extra={"topic": topic.value, "reason": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RETRY_S)
            continue
        return True
    return False


async def _follow(
    settings: KafkaSettings,
    topic: Topic,
    take: Callable[[Any], None],
    since: datetime | None,
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    async with _assigned(settings, topic, stop) as (consumer, partitions):
        if not partitions:
            return
        with translated():
            await consumer.seek_to_beginning(*partitions)
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
            if since is not None:
                found = await consumer.offsets_for_times({tp: int(since.timestamp() * 1000) for tp in partitions})
                for tp in partitions:
                    consumer.seek(tp, found[tp].offset if found.get(tp) else ends[tp])
        while not stop.is_set():
            if not ready.is_set():
                behind = [tp for tp in partitions if await consumer.position(tp) < ends[tp]]
                if not behind:
                    ready.set()
                    logger.info("topic_followed", extra={"topic": topic.value})
            with translated():
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS)
            for records in fetched.values():
                for record in records:
                    try:
                        take(record)
                    except InvalidMessage as error:
                        _skip(topic, record, error)


async def read_at(
    settings: KafkaSettings, topic: Topic, partition: int, offsets: Collection[int]
) -> dict[int, Message]:
    """Read the messages at these offsets of a partition again; one that has expired is left out. Raises `Transient`."""
    found: dict[int, Message] = {}
    tp, consumer = TopicPartition(physical(topic, prefix=settings.topic_prefix), partition), _consumer(settings)
    with translated():
        await consumer.start()
    try:
        consumer.assign([tp])
        with translated():
            begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
            wanted = sorted(offset for offset in set(offsets) if begin <= offset < end)
            while wanted:
                if wanted[0] - await consumer.position(tp) not in range(_RECORDS):
                    consumer.seek(tp, wanted[0])
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS)
                asked = set(wanted)
                for record in fetched.get(tp, ()):
                    if record.offset in asked:
                        found[record.offset] = Message.of(record)
                passed = await consumer.position(tp)
                wanted = [offset for offset in wanted if offset >= passed]
    finally:
        await consumer.stop()
    return found


@asynccontextmanager
async def _assigned(
    settings: KafkaSettings, topic: Topic, stop: asyncio.Event
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """Open a reader of a whole topic, which may not exist yet; without partitions when `stop` came first."""
    consumer = _consumer(settings)
    with translated():
        await consumer.start()
    try:
        partitions = await _partitions(settings, physical(topic, prefix=settings.topic_prefix), stop)
        if partitions:
            consumer.assign(partitions)
        yield consumer, partitions
    finally:
        await consumer.stop()


async def _partitions(settings: KafkaSettings, name: str, stop: asyncio.Event) -> list[TopicPartition]:
    """Find the partitions of a topic, waiting for a topic that does not exist yet."""
    admin = AIOKafkaAdminClient(**settings.client_params())
    try:
        with translated():
            await admin.start()
        while not stop.is_set():
            with translated():
                (topic,) = await admin.describe_topics([name])
            if numbers := sorted(partition["partition"] for partition in topic["partitions"]):
                return [TopicPartition(name, number) for number in numbers]
            logger.warning("topic_missing", extra={"topic": name})
            try:
                async with asyncio.timeout(_RETRY_S):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        await admin.close()
    return []


class AssignedFollower:
    """Follows chosen partitions of one topic from their beginning, without a group.

    `apply(partition, page)` takes over many keys with their values at once, in the order of the topic, and answers by
    index what it refuses: that is counted, logged and passed over. A value whose type is not the topic's never reaches
    it. `dropped(partition)` when a partition is let go.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: Topic,
        *,
        apply: Callable[[int, Sequence[tuple[bytes, bytes | None]]], Mapping[int, InvalidMessage]],
        dropped: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._typed = ("ce_type", CE_TYPE[topic].encode())
        self._name = physical(topic, prefix=settings.topic_prefix)
        self._apply = apply
        self._dropped = dropped
        self._wanted: set[int] = set()
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._applied = asyncio.Condition()

    async def assign(self, partitions: set[int]) -> None:
        """Follow exactly these from now on; those that stay go on where they are. Answers once it has begun."""
        self._wanted = set(partitions)
        self._changed.set()
        async with self._applied:
            await self._applied.wait_for(lambda: set(self._ends) == self._wanted or not self._changed.is_set())

    def caught_up(self, partition: int) -> bool:
        """Whether everything has been applied that lay in the partition when it was assigned."""
        return partition in self._ends and self._positions.get(partition, 0) >= self._ends[partition]

    def position(self, partition: int) -> int:
        """Offset of the next message of the partition; 0 when it is not followed."""
        return self._positions.get(partition, 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`. Raises `Transient` when no broker can be reached at the start."""
        consumer = _consumer(self._settings)
        with translated():
            await consumer.start()
        try:
            await _partitions(self._settings, self._name, stop)
            while not stop.is_set():
                if self._changed.is_set():
                    await self._reassign(consumer)
                if not self._positions:
                    await self._await_change(stop)
                    continue
                with translated():
                    fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self._at_once())
                for tp, records in fetched.items():
                    self._take(tp.partition, records)
                for number in self._positions:
                    # the last offsets of a compacted partition may hold nothing: no record tells that they are passed
                    self._positions[number] = await consumer.position(TopicPartition(self._name, number))
        finally:
            self._changed.clear()
            async with self._applied:
                self._applied.notify_all()
            await consumer.stop()

    def _at_once(self) -> int:
        return _FOLLOWED if all(map(self.caught_up, self._positions)) else _RECORDS

    def _take(self, number: int, records: list[Any]) -> None:
        if number not in self._positions:
            return
        typed = []
        for record in records:
            if record.value is None or self._typed in record.headers:
                typed.append(record)
            else:
                _skip(self._topic, record, InvalidMessage("SCHEMA_UNKNOWN", "ce_type: not that of the topic"))
        page = [(record.key or b"", record.value) for record in typed]
        for index, error in self._apply(number, page).items():
            _skip(self._topic, typed[index], error)
        self._positions[number] = records[-1].offset + 1

    async def _reassign(self, consumer: AIOKafkaConsumer) -> None:
        self._changed.clear()
        wanted = set(self._wanted)
        for number in set(self._positions) - wanted:
            del self._positions[number]
            self._ends.pop(number, None)
            self._dropped(number)
        tps = {number: TopicPartition(self._name, number) for number in wanted}
        if tps:
            consumer.assign(list(tps.values()))
        else:
            consumer.unsubscribe()
        for number, tp in tps.items():
            if number in self._positions:
                consumer.seek(tp, self._positions[number])
            else:
                with translated():
                    begin = (await consumer.beginning_offsets([tp]))[tp]
                    self._ends[number] = (await consumer.end_offsets([tp]))[tp]
                consumer.seek(tp, begin)
                self._positions[number] = begin
        async with self._applied:
            self._applied.notify_all()

    async def _await_change(self, stop: asyncio.Event) -> None:
        waiting = {asyncio.create_task(self._changed.wait()), asyncio.create_task(stop.wait())}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
