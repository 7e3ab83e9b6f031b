"""The programs in proto/README.md, copied out and run against a real broker."""

import asyncio
import base64
import os
import re
import subprocess
import sys
import time

import pytest

from alprcore import wire
from alprcore.kafka import KafkaSettings, Publisher, create_topics, load_topic_specs
from alprcore.seal import SigningKey, verify
from alprcore.topics import Topic
from tests.contract.contract import PROTO, example_bytes, examples
from tests.integration.ingest_world import World, jpeg

BLOCKS = re.findall(r"```python\n(.*?)```", (PROTO / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def programs(tmp_path):
    for block in BLOCKS:
        (tmp_path / block.splitlines()[0].split()[1]).write_text(block)
    return tmp_path


def unprefixed(kafka_bootstrap):
    """The samples know no prefix: outsiders have topics of their own names."""
    return KafkaSettings(bootstrap=kafka_bootstrap)


def test_the_camera_sample_publishes_a_frame_that_verifies(programs, kafka_bootstrap, tmp_path):
    settings = unprefixed(kafka_bootstrap)
    specs = [spec for spec in load_topic_specs() if spec.name == "frames"]
    asyncio.run(create_topics(settings, specs))
    key = SigningKey(os.urandom(32))
    (tmp_path / "device.key").write_text(base64.b64encode(key._key.private_bytes_raw()).decode())
    (tmp_path / "photo.jpg").write_bytes(jpeg(5))
    done = subprocess.run(
        [sys.executable, programs / "publish.py", kafka_bootstrap, tmp_path / "device.key", tmp_path / "photo.jpg"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    world = World(None, kafka_bootstrap, "", tmp_path)
    lying = {
        dict(headers)["ce_id"].decode(): (value, headers) for *_, value, headers in asyncio.run(world.lying("frames"))
    }
    frame = wire.decode_frame(*lying[done.stdout.strip()])
    assert frame.image == jpeg(5)
    assert verify(key.public, frame.signature, frame.signed_text())


def test_the_cad_sample_prints_each_notification_once(programs, kafka_bootstrap):
    settings = unprefixed(kafka_bootstrap)
    agency = f"sample{os.urandom(3).hex()}"
    specs = [spec for spec in load_topic_specs() if spec.name == "cad.<agency>.notifications"]
    asyncio.run(create_topics(settings, specs, agencies=[agency]))
    path = examples("notifications")[0]
    notification = wire.decode_notification(example_bytes(path), {"ce_type": b"alpr.v1.notification"})
    event = wire.cad_event("notification", notification, source="plateline/matcher")

    async def publish():
        async with Publisher(settings) as publisher:
            headers = wire.headers_for(
                Topic.CAD_NOTIFICATIONS, id=notification.notification_id, source="x", time=notification.notified_at
            )
            for _ in range(2):
                await publisher.publish(
                    Topic.CAD_NOTIFICATIONS, key=notification.incident_id, value=event, headers=headers, agency=agency
                )

    asyncio.run(publish())
    program = subprocess.Popen(
        [sys.executable, programs / "subscribe.py", kafka_bootstrap, agency, f"{agency}-cad"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        first = program.stdout.readline()
        time.sleep(1)
    finally:
        program.terminate()
        rest = program.communicate()[0]
    assert first.strip() == f"{notification.incident_id} 1 {notification.screen_text}"
    assert rest == ""
