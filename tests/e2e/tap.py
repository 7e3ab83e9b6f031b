"""A plain subscriber: what lies on a topic, read by aiokafka alone."""

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition


@dataclass(frozen=True)
class Seen:
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


async def _ends(bootstrap, topic):
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            await consumer._client.force_metadata_update()
            partitions = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
        return await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()


async def _between(bootstrap, topic, begins):
    ends = await _ends(bootstrap, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=4_000_000
    )
    await consumer.start()
    seen = []
    try:
        wanted = {tp: end for tp, end in ends.items() if end > begins.get(tp.partition, 0)}
        if not wanted:
            return seen
        consumer.assign(list(wanted))
        for tp in wanted:
            consumer.seek(tp, begins.get(tp.partition, 0))
        while any(await consumer.position(tp) < end for tp, end in wanted.items()):
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                seen += [Seen(m.key, m.value, dict(m.headers)) for m in messages]
        return seen
    finally:
        await consumer.stop()


class Tap:
    """Everything published to some topics since the tap was opened."""

    def __init__(self, bootstrap, *topics):
        self.bootstrap = bootstrap
        self.begins = {
            topic: {tp.partition: end for tp, end in asyncio.run(_ends(bootstrap, topic)).items()} for topic in topics
        }

    def read(self, topic):
        return asyncio.run(_between(self.bootstrap, topic, self.begins[topic]))
