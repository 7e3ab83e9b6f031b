"""A plain subscriber: everything published to some topics since it began to listen, read by aiokafka alone."""

import asyncio
import threading
import time
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition


@dataclass(frozen=True)
class Seen:
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


class Tap:
    """Listens in a thread of its own from the moment it is entered; `read` gives what has come so far."""

    def __init__(self, bootstrap, *topics):
        self._bootstrap = bootstrap
        self.topics = topics
        self._seen = {topic: [] for topic in topics}
        self._heard = dict.fromkeys(topics, time.monotonic())
        self._listening, self._stop = threading.Event(), threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._listening.wait(60), "the subscriber found no topic"
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(30)

    def read(self, topic):
        if self._failure is not None:
            raise self._failure
        return list(self._seen[topic])

    def last_heard(self, topic):
        """When the newest message of a topic came, by the monotonic clock; while none came, the beginning."""
        self.read(topic)
        return self._heard[topic]

    def _run(self):
        try:
            asyncio.run(self._follow())
        except Exception as error:
            self._failure = error
            self._listening.set()

    async def _follow(self):
        async with AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=4_000_000
        ) as consumer:
            known = await consumer._client.fetch_all_metadata()
            partitions = [TopicPartition(t, p) for t in self._seen for p in known.partitions_for_topic(t) or ()]
            consumer.assign(partitions)
            for partition, end in (await consumer.end_offsets(partitions)).items():
                consumer.seek(partition, end)
            self._listening.set()
            while not self._stop.is_set():
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    for m in messages:
                        self._heard[m.topic] = time.monotonic()
                        self._seen[m.topic].append(Seen(m.key, m.value, dict(m.headers)))
