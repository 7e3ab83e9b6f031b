"""Telling a topic that was made anew, or whose broker was, from one that carries what was said."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from alprcore.kafka.publish import translated
from alprcore.kafka.settings import KafkaSettings
from alprcore.topics import Topic, physical


async def partitions_of(settings: KafkaSettings, names: Sequence[str]) -> list[TopicPartition]:
    """Name the partitions of topics by their names on the broker; one that is not there has none. Raises `Transient`."""
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            described = await admin.describe_topics(list(names))
        finally:
            await admin.close()
    return sorted(
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    )


async def never_written(settings: KafkaSettings, topic: Topic) -> bool:
    """Tell whether nothing was ever published on a topic that is there; its end stays where it is when it is compacted.

    Needs the right to describe it and nothing else. Raises `Transient` when no broker answers.
    """
    partitions = await partitions_of(settings, [physical(topic, prefix=settings.topic_prefix)])
    if not partitions:
        return False
    consumer = AIOKafkaConsumer(**settings.client_params(), group_id=None, enable_auto_commit=False)
    with translated():
        await consumer.start()
        try:
            ends = await consumer.end_offsets(partitions)
        finally:
            await consumer.stop()
    return not any(ends.values())
