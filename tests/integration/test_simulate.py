"""`alpr simulate` as a program, through both doors, against a real ingest, broker and database."""

import asyncio
import base64
import json
import subprocess
import sys

import pytest

from alprcore import wire
from alprcore.seal import SigningKey, verify
from tests.integration.ingest_world import World, jpeg


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


async def simulate(world, *arguments):
    command = [sys.executable, "-m", "alpr_cli", "simulate", "--state", str(world.folder / "simulate"), *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)


def test_both_doors_carry_frames_that_verify(world):
    async def told():
        async with world.running():
            key = SigningKey.generate(world.folder / "pole-1.key")
            cameras = [{"camera_id": f"pole-1-{side}", "directions": ["N"], "view": "rear"} for side in "ab"]
            await world.register(public_key=base64.b64encode(key.public).decode(), cameras=cameras)
            device = str(world.folder / "pole-1.key")
            photographs = world.folder / "photographs"
            photographs.mkdir()
            for number in range(4):
                (photographs / f"{number}.jpg").write_bytes(jpeg(number))
            shared = ["--bootstrap", world.kafka.bootstrap, "--prefix", world.kafka.topic_prefix, "--device", device]
            done = await simulate(
                world, *shared, "--source", "drive", "--plates", "8KLM204", "--frames", "3", "--fps", "20"
            )
            assert (done.returncode, json.loads(done.stdout)) == (0, {"frames": 6, "outcomes": {"accepted": 6}}), (
                done.stderr
            )
            done = await simulate(world, *shared, "--source", str(photographs), "--moment-s", "0", "--fps", "50")
            assert (done.returncode, json.loads(done.stdout)["frames"]) == (0, 4), done.stderr
            url = str(world.http.base_url)
            done = await simulate(
                world, "--door", "https", "--url", url, "--device", f"pole-1={device}", "--source", str(photographs),
                "--moment-s", "0", "--fps", "50",
            )  # fmt: skip
            assert (done.returncode, json.loads(done.stdout)["outcomes"]) == (0, {"accepted": 4}), done.stderr
            frames = [wire.decode_frame(value, headers) for *_, value, headers in await world.lying("frames")]
            assert len(frames) == 14
            assert all(verify(key.public, frame.signature, frame.signed_text()) for frame in frames)
            taken = [(frame.camera_id, frame.sequence) for frame in frames]
            assert len(set(taken)) == len(taken)
            assert {camera for camera, _ in taken} == {"pole-1-a", "pole-1-b"}

    asyncio.run(told())


def test_a_device_that_nobody_registered_is_named(world, monkeypatch):
    async def told():
        from alpr_cli import simulate as room

        monkeypatch.setattr(room, "_REGISTRY_S", 1.0)
        with pytest.raises(room.Misconfigured, match="ghost"):
            await room.registered(world.kafka, {"ghost"})

    asyncio.run(told())
