"""Reading compacted topics whole, without a group: the state they carry, then every change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import Counter

from alprcore.errors import InvalidMessage
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import MAX_REQUEST_BYTES, KafkaSettings
from alprcore.topics import Topic, physical

logger = logging.getLogger(__name__)

_POLL_MS: Final = 100
_RECORDS: Final = 5000  # a million entries take 200 turns, and a turn leaves the event loop in 10 ms
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
    name = physical(topic, prefix=settings.topic_prefix)
    consumer = _consumer(settings)
    with translated():
        await consumer.start()
    try:
        partitions = await _partitions(settings, name, stop)
        if not partitions:
            return
        consumer.assign(partitions)
        with translated():
            await consumer.seek_to_beginning(*partitions)
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
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
                        apply((record.key or b"").decode(errors="replace"), record.value, _headers(record))
                    except InvalidMessage as error:
                        _skip(topic, record, error)
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

    `apply(partition, key, value, headers, offset)` for every message, `dropped(partition)` when a partition is let go.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: Topic,
        *,
        apply: Callable[[int, str, bytes | None, dict[str, bytes], int], None],
        dropped: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._topic = topic
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
                    fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS)
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

    def _take(self, number: int, records: list[Any]) -> None:
        if number not in self._positions:
            return
        for record in records:
            try:
                key = (record.key or b"").decode(errors="replace")
                self._apply(number, key, record.value, _headers(record), record.offset)
            except InvalidMessage as error:
                _skip(self._topic, record, error)
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
