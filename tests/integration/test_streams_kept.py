"""A topic that keeps records too long makes a service not ready; a dead letter on a topic reaches the quarantine."""

import asyncio
import base64
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from alpr_ingest import main as ingest_main
from alpr_retention.quarantine import rules
from alpr_retention.quarantine.store import Quarantine
from alpr_retention.store import ImageKeys
from alpr_retention.telling import Outbox
from alprcore import postgres, wire
from alprcore.kafka import DeadLetters, KafkaSettings, Publisher, create_topics, load_topic_specs, run_letters
from alprcore.kafka import streams as kafka_streams
from alprcore.objects import ImageStore
from alprcore.ops import ConsumerMetrics
from alprcore.profiles import load_profiles
from alprcore.topics import Topic
from tests.fixtures.doors import utc_now
from tests.integration.ingest_world import World

DAY_MS = 86_400_000


async def set_topic(settings: KafkaSettings, name, **config):
    """Change how the broker keeps a topic."""
    admin = AIOKafkaAdminClient(**settings.client_params())
    await admin.start()
    try:
        wanted = {key.replace("_", "."): str(value) for key, value in config.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic_prefix + name, configs=wanted)
        await admin.alter_configs([resource])
    finally:
        await admin.close()


@pytest.mark.requirement("RET-11")
def test_a_topic_kept_too_long_keeps_a_service_from_being_ready_and_a_dead_letter_is_kept_on(
    pg_database, kafka_bootstrap, topics_prefix, tmp_path, monkeypatch
):
    monkeypatch.setattr(kafka_streams, "_SOON_S", 0.2)
    world = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(_told(world))


async def _told(world):
    await world.make_topics()
    good = {"cleanup_policy": "delete", "retention_ms": DAY_MS, "segment_ms": DAY_MS // 4}
    for name, wrong, words in (
        ("reads", {"retention_ms": 30 * DAY_MS}, "reads: retention.ms is 2592000000, at most 604800000"),
        ("frames.dlq", {"cleanup_policy": "compact"}, "frames.dlq: cleanup.policy is compact, must be delete"),
    ):
        await set_topic(world.kafka, name, **good | wrong)
        stop = asyncio.Event()
        settings = world.settings()
        service = asyncio.create_task(ingest_main.serve(settings, stop))
        try:
            state = await _streams(settings.port, lambda told: told not in {"", "not looked at yet"}, service)
            assert state == (503, words)
            await set_topic(world.kafka, name, **good)
            assert await _streams(settings.port, lambda told: told == "ok", service) == (200, "ok")
        finally:
            stop.set()
            await service
    await _letter_kept(world)


async def _streams(port, enough, service):
    """What /readyz says of the streams, once it says enough."""
    import httpx

    deadline = time.monotonic() + 60
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            if service.done():
                service.result()
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/readyz")
                told = answer.json()["checks"].get("streams", "")
                unready = {name for name, words in answer.json()["checks"].items() if words != "ok"}
                if enough(told) and unready <= {"streams"}:
                    return answer.status_code, told
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "the streams were not looked at"
            await asyncio.sleep(0.1)


def _unpacked(packed):
    head, value, _ = rules.unpack(packed)
    return value, {name: base64.b64decode(content) for name, content in head["headers"].items()}


async def _letter_kept(world):
    """A frame that ingest puts aside is taken from its topic of dead letters into the quarantine."""
    async with world.running():
        await world.register(siting=None)
        answer = await world.post(world.frame(1))
        assert answer.json()["reason_code"] == "SITING_NOT_DECLARED"
    pool = await postgres.connect(world.database.url("retention"))
    keys = ImageKeys(world.folder / "image-keys")
    store = ImageStore((world.folder / "images").as_uri())
    quarantine = Quarantine(pool, store, keys, load_profiles(), utc_now, Outbox(pool))
    stop = asyncio.Event()
    await create_topics(
        world.kafka, [s for s in load_topic_specs() if s.name in {"hits.dlq", "reads.dlq", "frames.dlq"}]
    )
    async with Publisher(world.kafka) as publisher:
        consumer = asyncio.create_task(
            run_letters(
                world.kafka, [Topic.FRAMES, Topic.READS, Topic.HITS], group="letters", handle=quarantine.take,
                dead_letters=DeadLetters(publisher, "retention"), stop=stop, metrics=ConsumerMetrics("retention_letters"),
            )
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                while not (told := await quarantine.lying("demo", "", 10))["letters"]:
                    if consumer.done():
                        consumer.result()
                    await asyncio.sleep(0.1)
        finally:
            stop.set()
            await consumer
    # eight days later the topic has forgotten it; here it is gone at once
    admin = AIOKafkaAdminClient(**world.kafka.client_params())
    await admin.start()
    try:
        await admin.delete_topics([f"{world.kafka.topic_prefix}frames.dlq"])
    finally:
        await admin.close()
    packed = await quarantine.payload("demo", told["letters"][0]["letter_id"])
    await pool.close()
    assert wire.decode_frame(*_unpacked(packed)).image == world.frame(1).image
    assert told["reasons"][0] | {"oldest": "", "newest": ""} == {
        "topic": "frames", "reason_code": "SITING_NOT_DECLARED", "letters": 1,
        "bytes": told["letters"][0]["bytes"], "oldest": "", "newest": "",
    }  # fmt: skip
    assert told["letters"][0]["device_id"] == "pole-1"
