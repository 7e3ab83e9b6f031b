"""Ingest is killed in the middle of a stream: cameras send again, and every frame lies on the topic."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import httpx
import pytest

from alpr_cli import simulate
from alpr_cli.sources import Picture
from alprcore import wire
from tests.integration.ingest_world import World, jpeg


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


class Process:
    """The service as an installation runs it."""

    def __init__(self, world):
        settings = world.settings()
        self.port = settings.port
        own = {
            "PORT": settings.port, "KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "TOPIC_PREFIX": settings.topic_prefix,
            "DATABASE_URL": settings.database_url.get_secret_value(), "OBJECTS_URL": settings.objects_url,
            "PERSON_PUBLIC_KEY": settings.person_public_key, "LIST_KEYS_FILE": settings.list_keys_file,
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPR_")}
        self.environment = kept | {f"ALPR_INGEST_{name}": str(value) for name, value in own.items()}

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-m", "alpr_ingest"], env=self.environment)
        deadline = time.monotonic() + 60
        while not self._ready():
            assert self.process.poll() is None, "ingest ended"
            assert time.monotonic() < deadline, "ingest was not ready within 60 s"
            time.sleep(0.1)

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


def test_a_killed_ingest_loses_no_frame(world, tmp_path):
    async def register():
        async with world.running():
            await world.register()

    asyncio.run(register())
    service = Process(world)
    service.start()
    wanted = 60

    async def told():
        stop = asyncio.Event()
        [camera] = simulate.cameras_of({"pole-1": world.device_key}, {}, simulate._PLACE)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{service.port}", timeout=10, trust_env=False
        ) as client:
            playing = asyncio.create_task(
                simulate.play(
                    camera,
                    lambda: iter([Picture(jpeg(number), number * 0.05) for number in range(wanted)]),
                    simulate.https_door(client, stop),
                    simulate.Sequence(tmp_path / "state", camera.camera_id),
                    stop,
                )
            )
            for _ in range(2):
                await asyncio.sleep(0.8)
                await asyncio.to_thread(service.kill)
                await asyncio.to_thread(service.start)
            async with asyncio.timeout(60):
                return await playing

    outcomes = asyncio.run(told())
    assert outcomes.total() == wanted
    assert set(outcomes) <= {"accepted", "duplicate"}
    found = [wire.decode_frame(value, headers) for *_, value, headers in asyncio.run(world.lying("frames"))]
    assert {frame.sequence for frame in found} == set(range(1, wanted + 1))
    assert len({frame.frame_id for frame in found}) == wanted
    assert service.stop() == 0


def test_a_setting_that_is_missing_ends_with_78(world):
    service = Process(world)
    del service.environment["ALPR_INGEST_LIST_KEYS_FILE"]
    done = subprocess.run(
        [sys.executable, "-m", "alpr_ingest"], env=service.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 78
    assert "ALPR_INGEST_LIST_KEYS_FILE" in done.stderr
