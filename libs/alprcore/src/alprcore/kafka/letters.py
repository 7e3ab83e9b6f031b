"""Looking at dead letters and sending them back, for the operator's command."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from alprcore.kafka.loop import Message
from alprcore.kafka.publish import Publisher, translated
from alprcore.kafka.settings import MAX_REQUEST_BYTES, KafkaSettings
from alprcore.kafka.topics import existing_topics

_POLL_MS = 200
_STAMP = "dlq-"


async def lying(settings: KafkaSettings, name: str) -> AsyncIterator[Message]:
    """Give what lies on a topic (its name on the broker), from the beginning to the end found at the start.

    A topic that does not exist is empty. Raises `Transient` when no broker answers.
    """
    if name not in await existing_topics(settings):
        return
    consumer = AIOKafkaConsumer(
        name,
        **settings.client_params(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    with translated():
        await consumer.start()
    try:
        with translated():
            partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                    for record in records:
                        if record.offset < ends[partition]:
                            yield Message.of(record)
    finally:
        await consumer.stop()


async def replay(publisher: Publisher, letter: Message) -> None:
    """Write a dead letter back to the topic it was put aside from, without the stamps: same key, value and headers."""
    headers = [(name, content) for name, content in letter.headers.items() if not name.startswith(_STAMP)]
    origin = letter.headers["dlq-topic"].decode()
    await (await publisher.send_raw(origin, key=letter.key, value=letter.value, headers=headers))
