"""Publishing: every message is acknowledged by all replicas before its effect is counted on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka.settings import MAX_REQUEST_BYTES, KafkaSettings
from alprcore.topics import Topic, dead_letters, physical

if TYPE_CHECKING:
    from alprcore.kafka.loop import Message

logger = logging.getLogger(__name__)

_DELIVERY_MS: Final = 45_000  # a broker that restarts is back within this; a longer absence is the caller's to wait for
_STOP_S: Final = 10.0
_BATCH_BYTES: Final = 128 * 1024  # eight times the client's own: a list of a million entries has 300 MB of buckets

Headers = Sequence[tuple[str, bytes]]
_partition_of: Final = DefaultPartitioner()


@dataclass(frozen=True, slots=True)
class Ack:
    """Where a message came to lie."""

    partition: int
    offset: int


@contextmanager
def translated() -> Iterator[None]:
    """Turn what passes by itself into `Transient`. A broken sequence of the idempotent producer stays what it is.

    It never heals (aio-libs/aiokafka 1017), so it must end the process.
    """
    try:
        yield
    except MessageSizeTooLargeError as error:
        raise InvalidMessage("MESSAGE_TOO_LARGE", "larger than the broker or client takes") from error
    except KafkaError as error:
        # timeouts, lost connections, unknown topic, no leader, ... are marked retriable by the library
        if error.retriable or isinstance(error, KafkaTimeoutError):
            raise Transient(f"broker: {type(error).__name__}") from error
        raise


class Publisher:
    """The only way to write to a topic: acks=all, idempotent, and never without someone awaiting the answer."""

    def __init__(self, settings: KafkaSettings, before: Mapping[Topic, Callable[[bytes], bytes]] | None = None) -> None:
        """`before`: what is done to the values of a topic's messages on their way out (sealing)."""
        self._settings = settings
        self._before = before or {}
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `Transient` when no broker answers."""
        producer = AIOKafkaProducer(
            **self._settings.client_params(),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_REQUEST_BYTES,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=_DELIVERY_MS,
        )
        try:
            with translated():
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is buffered and close, within 10 s."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_STOP_S):
                await producer.stop()
        except TimeoutError:
            logger.warning("publisher_stop_overdue")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def publish(
        self,
        topic: Topic,
        *,
        key: str,
        value: bytes | None,
        headers: Headers,
        agency: str = "",
        partition: int | None = None,
    ) -> Ack:
        """Write one message and wait until all replicas have it. Raises `Transient`, or `InvalidMessage` if too large."""
        sending = await self.send(topic, key=key, value=value, headers=headers, agency=agency, partition=partition)
        return await sending

    async def send(
        self,
        topic: Topic,
        *,
        key: str,
        value: bytes | None,
        headers: Headers,
        agency: str = "",
        partition: int | None = None,
    ) -> Awaitable[Ack]:
        """Buffer one message; the answer must be awaited before anything relies on it. Raises like `publish`."""
        name = physical(topic, prefix=self._settings.topic_prefix, agency=agency)
        if value is not None and (change := self._before.get(topic)) is not None:
            value = change(value)
        return await self.send_raw(name, key=key.encode(), value=value, headers=headers, partition=partition)

    async def publish_all(
        self, topic: Topic, messages: Iterable[tuple[str, bytes | None, Headers]], *, agency: str = ""
    ) -> dict[int, int]:
        """Write many messages and wait until all replicas have them; answers the offset behind the last, by partition.

        Messages are packed here instead of one by one in the client, which costs a third. They come to lie where
        `publish` would put them, in their order. Raises like `publish`; then some of them may have been written.
        """
        if self._producer is None:
            raise Transient("broker: not connected")
        name = physical(topic, prefix=self._settings.topic_prefix, agency=agency)
        with translated():
            partitions = sorted(await self._producer.partitions_for(name))
            packed: dict[int, list[Any]] = {partition: [] for partition in partitions}
            for key, value, headers in messages:
                encoded = key.encode()
                batches = packed[_partition_of(encoded, partitions, partitions)]
                fields = {"timestamp": None, "key": encoded, "value": value, "headers": headers}
                if not batches or batches[-1].append(**fields) is None:
                    batches.append(self._producer.create_batch())
                    batches[-1].append(**fields)
            written = [self._pack(name, partition, batches) for partition, batches in packed.items() if batches]
            return dict(await asyncio.gather(*written))

    async def _pack(self, name: str, partition: int, batches: Sequence[Any]) -> tuple[int, int]:
        producer, end, sent = self._producer, 0, []
        if producer is None:
            raise Transient("broker: not connected")
        for batch in batches:
            batch.close()  # or single messages would join it
            sent.append((await producer.send_batch(batch, name, partition=partition), batch.record_count()))
        for future, count in sent:
            metadata = await asyncio.shield(future)
            if metadata.offset < 0:  # written by an earlier attempt whose answer was lost: the broker knows not where
                raise Transient("broker: a batch was repeated")
            end = metadata.offset + count
        return partition, end

    async def send_raw(
        self, name: str, *, key: bytes | None, value: bytes | None, headers: Headers, partition: int | None = None
    ) -> Awaitable[Ack]:
        """Buffer bytes for a topic by its broker name: for dead letters and their replay."""
        if self._producer is None:
            raise Transient("broker: not connected")
        with translated():
            future = await self._producer.send(name, value=value, key=key, partition=partition, headers=list(headers))
        return _acknowledged(future)


async def _acknowledged(future: Awaitable[Any]) -> Ack:
    with translated():
        # shielded: canceling who waits must not cancel the message
        metadata = await asyncio.shield(future)
    return Ack(metadata.partition, metadata.offset)


class DeadLetters:
    """Puts aside what no retry can save: the original bytes and headers, and why (`alpr dlq` lists and replays)."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._stamp = (("dlq-service", service.encode()), ("dlq-version", version("alprcore").encode()))

    async def put(self, message: Message, error: InvalidMessage) -> None:
        """Put a consumed message aside. Raises when it cannot be written: then the consumer stops, nothing is lost."""
        origin = (message.topic, str(message.partition), str(message.offset), str(message.timestamp_ms))
        await self._write(message.topic, message.key, message.value, message.headers, origin, error)

    async def put_raw(
        self,
        topic: Topic,
        *,
        key: str,
        value: bytes,
        headers: Headers,
        error: InvalidMessage,
        agency: str = "",
    ) -> None:
        """Put aside what came through another door than Kafka, as if it had been on the topic."""
        name = physical(topic, prefix=self._publisher._settings.topic_prefix, agency=agency)  # noqa: SLF001 - its other half
        await self._write(name, key.encode(), value, dict(headers), (name, "-1", "-1", "0"), error)

    async def _write(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Mapping[str, bytes],
        origin: tuple[str, str, str, str],
        error: InvalidMessage,
    ) -> None:
        names = ("dlq-topic", "dlq-partition", "dlq-offset", "dlq-timestamp")
        why = (("dlq-code", error.code.encode()), ("dlq-message", error.detail.encode()))
        kept = [(name, content) for name, content in headers.items() if not name.startswith("dlq-")]
        place = [(name, content.encode()) for name, content in zip(names, origin, strict=True)]
        sending = await self._publisher.send_raw(
            dead_letters(topic), key=key, value=value, headers=[*kept, *place, *why, *self._stamp]
        )
        await sending
