"""The turn that both consumers share: who owns which partition, when to hand over, when to commit.

aiokafka traps behind the shape: defaults commit by timer and start at the end; the sticky assignor stands
still; listener errors are swallowed, so the listener only leaves notes; fetching starts before a listener has
returned, so what was fetched around a rebalance is thrown away and fetched again from the committed offset.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError
from typing_extensions import override

from alprcore import tracing
from alprcore.errors import AlprError
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import MAX_REQUEST_BYTES, KafkaSettings
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic, dead_letters, physical

logger = logging.getLogger(__name__)

METADATA_LIMIT: Final = 4096
"""Bytes of commit metadata that a broker keeps by default (offset.metadata.max.bytes)."""

Partition = tuple[str, int]

_POLL_MS: Final = 500
_REVOKE_S: Final = 20.0  # below the 25 s of a shutdown; the group waits for us that long
_SESSION_MS: Final = 10_000  # a killed worker's partitions move on after this
_IN_A_ROW: Final = 10
_WINDOW: Final = 1000
_IN_WINDOW: Final = 50  # 5 % of the window


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it lay on its topic; `topic` is the name on the broker."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp_ms: int

    @classmethod
    def of(cls, record: Any) -> Message:
        """Take over what the client library fetched; a header that stands twice counts by its last value."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            record.key,
            record.value,
            {name: value or b"" for name, value in record.headers},
            record.timestamp,
        )

    @property
    def _given_trace(self) -> str:
        return self.headers.get("traceparent", b"").decode("ascii", "replace")

    @property
    def trace(self) -> str:
        """The `traceparent` of whatever follows from this message; empty: no trace."""
        return tracing.onward(self._given_trace, tracing.place_of(self.topic, self.partition, self.offset))

    def consumed(self, topic: str, group: str, seconds: float, code: str = "") -> None:
        """Tell the collector of traces that this message was handled; `code`: why it was put aside."""
        where = (self.topic, self.partition, self.offset)
        tracing.consumed(self._given_trace, where, topic, group, seconds, code)


class DeadLetterLimit(AlprError):
    """So many messages are refused that the fault is more likely ours: stop and let a person look."""


class Refusals:
    """Counts refused messages: 10 in a row or 5 % of the last 1,000 end the consumer, unless outsiders write the topic."""

    def __init__(self, *, outsiders: bool) -> None:
        self._outsiders = outsiders
        self._row = 0
        self._window: deque[bool] = deque(maxlen=_WINDOW)
        self._refused = 0

    def count(self, *, refused: bool) -> None:
        """Count one message. Raises `DeadLetterLimit`."""
        if len(self._window) == _WINDOW:
            self._refused -= self._window[0]
        self._window.append(refused)
        self._refused += refused
        self._row = self._row + 1 if refused else 0
        if not self._outsiders and (self._row >= _IN_A_ROW or self._refused >= _IN_WINDOW):
            raise DeadLetterLimit(f"{self._row} refused in a row, {self._refused} of the last {len(self._window)}")


class Work(Protocol):
    """What a loop does with its partitions; every call happens while the partitions are ours."""

    async def taken(self, committed: Mapping[Partition, tuple[int | None, str]]) -> None:
        """These partitions are ours now, committed as given."""

    async def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are somebody else's from now on."""

    async def turn(self, loop: Loop, fetched: Mapping[Partition, Sequence[Message]]) -> None:
        """Do something with what was fetched, which may be nothing; commit what is done."""


class Loop(ConsumerRebalanceListener):  # type: ignore[misc] # the library brings no types
    """One member of one group."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[Topic],
        group: str,
        metrics: ConsumerMetrics,
        agencies: Sequence[str] = (),
        *,
        letters: bool = False,
    ) -> None:
        self._settings = settings
        self._group = settings.topic_prefix + group
        self._names = [
            physical(topic, prefix=settings.topic_prefix, agency=agency)
            for topic in topics
            for agency in (agencies if "<agency>" in topic.value else [""])
        ]
        if letters:
            self._names = [dead_letters(name) for name in self._names]
        self._metrics = metrics
        self._busy = asyncio.Lock()
        self._generation = 0
        self._taken = -1
        self._assigned: set[TopicPartition] | None = None
        self._lost: set[TopicPartition] = set()
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._consumer = AIOKafkaConsumer(
            **settings.client_params(),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            max_partition_fetch_bytes=MAX_REQUEST_BYTES,
            fetch_max_bytes=4 * MAX_REQUEST_BYTES,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 5,
            rebalance_timeout_ms=int(_REVOKE_S * 1500),
        )

    @property
    def group(self) -> str:
        """The group's name on the broker."""
        return self._group

    def label(self, name: str) -> str:
        """Give a topic's name for a metric: without the prefix."""
        return name.removeprefix(self._settings.topic_prefix)

    @property
    def ours(self) -> bool:
        """Whether the partitions in hand are still ours; false from the moment a rebalance begins."""
        return self._taken == self._generation

    @override
    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._generation += 1
        self._assigned = None
        self._lost |= revoked
        try:
            async with asyncio.timeout(_REVOKE_S):  # the batch in hand ends and is committed first
                await self._busy.acquire()
        except TimeoutError:
            logger.warning("revoke_overdue", extra={"group": self._group})
        else:
            self._busy.release()

    @override
    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._assigned = set(assigned)

    async def run(self, work: Work, stop: asyncio.Event, *, idle_ms: int, max_records: int) -> None:
        """Turn until `stop`, then finish what is in hand. Errors of the work end the loop."""
        self._consumer.subscribe(self._names, listener=self)
        with translated():
            await self._consumer.start()
        try:
            while not stop.is_set():
                await self._take_over(work)
                with translated():
                    fetched = await self._consumer.getmany(timeout_ms=idle_ms, max_records=max_records)
                async with self._busy:
                    if self.ours and self._assigned is None:
                        batches = {
                            (tp.topic, tp.partition): [Message.of(record) for record in records]
                            for tp, records in fetched.items()
                        }
                        await work.turn(self, batches)
                        self._measure()
        finally:
            async with asyncio.timeout(_REVOKE_S):
                await self._consumer.stop()

    async def _take_over(self, work: Work) -> None:
        if self._lost:
            lost, self._lost = self._lost, set()
            await work.lost([(tp.topic, tp.partition) for tp in lost])
            for name in {tp.topic for tp in lost}:
                self._metrics.lag.labels(self.label(name)).set(0)
        if self._assigned is None:
            return
        async with self._busy:
            generation, assigned = self._generation, self._assigned
            positions = await self._read_committed(assigned)
            if generation != self._generation:
                return
            try:
                for tp in assigned:
                    offset = positions[tp][0]
                    if offset is None:
                        await self._consumer.seek_to_beginning(tp)
                    else:
                        self._consumer.seek(tp, offset)
            except IllegalStateError:  # a rebalance began meanwhile
                return
            self._committed = {tp: (offset, note) for tp, (offset, note) in positions.items() if offset is not None}
            await work.taken({(tp.topic, tp.partition): positions[tp] for tp in assigned})
            self._assigned, self._taken = None, generation
            logger.info("partitions_taken", extra={"group": self._group, "count": len(assigned)})

    async def _read_committed(self, partitions: set[TopicPartition]) -> dict[TopicPartition, tuple[int | None, str]]:
        """Read offsets with their metadata, which the consumer of the library does not hand out."""
        if not partitions:
            return {}
        admin = AIOKafkaAdminClient(**self._settings.client_params())
        with translated():
            try:
                await admin.start()
                found = await admin.list_consumer_group_offsets(self._group, partitions=list(partitions))
            finally:
                await admin.close()
        positions: dict[TopicPartition, tuple[int | None, str]] = {}
        for tp in partitions:
            kept = found.get(tp)
            known = kept is not None and kept.offset >= 0
            positions[tp] = (kept.offset, kept.metadata or "") if kept is not None and known else (None, "")
        return positions

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Fetch nothing from these for now; polling goes on, so the group keeps us."""
        self._consumer.pause(*(TopicPartition(*partition) for partition in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from these again."""
        held = self._consumer.assignment()
        self._consumer.resume(*(tp for partition in partitions if (tp := TopicPartition(*partition)) in held))

    async def keep_alive(self, seconds: float) -> None:
        """Wait while partitions are paused, without falling out of the group."""
        with translated():
            await self._consumer.getmany(timeout_ms=int(seconds * 1000))

    async def commit(self, positions: Mapping[Partition, tuple[int, str]]) -> None:
        """Commit what has changed. Lost partitions are passed over: their new owner repeats what was not committed."""
        changed = {
            tp: position
            for partition, position in positions.items()
            if self._committed.get(tp := TopicPartition(*partition)) != position
        }
        if not changed:
            return
        try:
            with translated():
                await self._consumer.commit(changed)
        except (CommitFailedError, IllegalStateError) as error:
            logger.warning("commit_refused", extra={"group": self._group, "error": type(error).__name__})
            return
        self._committed.update(changed)

    def _measure(self) -> None:
        waiting: dict[str, int] = {}
        for tp in self._consumer.assignment():
            end = self._consumer.highwater(tp)
            if end is not None and tp in self._committed:
                waiting[tp.topic] = waiting.get(tp.topic, 0) + max(0, end - self._committed[tp][0])
        for name, count in waiting.items():
            self._metrics.lag.labels(self.label(name)).set(count)
