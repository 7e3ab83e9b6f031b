"""More frames than can be looked at: near-duplicates are left out and counted, no vehicle is lost, nothing waits for long.

A load test: the reader is the fake one, and every look takes a tenth of a second.
"""

import asyncio
import json
import time
from datetime import timedelta

from tests.integration.recognizer_world import MARK, Service, now, picture, world_of

LOOK_S = 0.1
FPS = 10
CAMERAS = ("c1", "c2")
SECONDS = 24
A_VEHICLE_EVERY_S = 3.0
IN_VIEW_S = 1.2


def plates_at(camera, second):
    """One vehicle after another, in view for 1.2 s each; only the last looks can be read."""
    number, since = divmod(second - 0.5, A_VEHICLE_EVERY_S)
    if second < 0.5 or since > IN_VIEW_S:
        return []
    text = f"{camera[-1]}KLM{int(number):03}"
    return [[60 + 200 * since, 80, 60 + 20 * since, 30, text, 0.97 if since > 0.7 else 0.3]]


def slow_jpeg(plates, shade):
    return picture(shade=shade) + MARK + json.dumps({"plates": plates, "seconds": LOOK_S}).encode()


def test_more_frames_than_can_be_looked_at(kafka_bootstrap, topics_prefix, tmp_path):
    """Twenty frames a second, ten looks a second."""

    async def story():
        async with world_of(kafka_bootstrap, topics_prefix, tmp_path) as world:
            await world.device("d1", cameras=CAMERAS)
            service = await Service(world, batch=4).ready()
            try:
                sent = await play(world)
                await world.wait(lambda: counted(service, sent))
                behind = time.monotonic()
                await asyncio.sleep(6)  # what the last passages have to tell
                check(service, sent, await world.reads(), behind)
            finally:
                service.kill()

    asyncio.run(story())


async def play(world):
    """Send every camera's frames as they are captured; answers frames by id with what they show."""
    begin, clock, sent = now(), time.monotonic(), {}
    for number in range(SECONDS * FPS):
        second = number / FPS
        await asyncio.sleep(max(0.0, clock + second - time.monotonic()))
        for camera in CAMERAS:
            plates = plates_at(camera, second)
            image = slow_jpeg(plates, shade=number % 200)
            frame = world.frame("d1", number, begin + timedelta(seconds=second), image, camera=camera)
            await world.send(frame, partition=0)
            sent[frame.frame_id] = (frame, plates[0][4] if plates else None)
    return sent


async def counted(service, sent):
    return sum(service.outcomes().values()) >= len(sent)


def check(service, sent, reads, behind):
    outcomes = service.outcomes()
    assert sum(outcomes.values()) == len(sent), "every frame ends in one outcome"
    assert set(outcomes) <= {"read", "no_plate", "skipped"}
    assert outcomes["skipped"] > len(sent) // 10
    assert f'frames_skipped_total{{reason="near_duplicate"}} {outcomes["skipped"]}.0' in service.get("/metrics")[1]

    vehicles = {text for _, text in sent.values() if text}
    kept = {}
    for read in sorted(reads, key=lambda read: read.revision):
        kept[read.read_id] = read
    assert sorted(read.plate.reveal() for read in kept.values()) == sorted(vehicles), "one read for each vehicle"

    looked = {frame_id for read in kept.values() for frame_id in read.frame_ids}
    for text in vehicles:
        views = sorted(frame.captured_at for frame, shown in sent.values() if shown == text)
        seen = sorted(sent[frame_id][0].captured_at for frame_id in looked if sent[frame_id][1] == text)
        assert len(seen) >= 2
        assert max(seen) >= views[0] + timedelta(seconds=0.7), "a last good view was looked at"
        assert seen[0] - views[0] <= timedelta(seconds=0.5), "the first view, or one just behind it"

    firsts = [read for read in reads if read.revision == 1]
    waits = sorted((read.read_at - read.captured_at).total_seconds() for read in firsts)
    assert waits[-1] < 8, f"frames wait ever longer: {waits}"
