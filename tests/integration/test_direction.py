"""The direction of travel, from the camera's configuration through recognizer and matcher to the hit and the CAD."""

import asyncio
import json
from dataclasses import replace

import pytest

from alprcore import model
from alprcore.topics import Topic
from tests.integration import recognizer_world
from tests.integration.matcher_world import AGENCY, details, now, plate, world

FIXED, BOTH_WAYS, UNKNOWN = (plate(number) for number in (11, 12, 13))
EASTBOUND = recognizer_world.PLACE
STANDING = replace(EASTBOUND, heading=None)


async def drive(bootstrap, prefix, folder):
    """Each vehicle passes once, before a recognizer process that reads what the frame says of itself."""
    async with recognizer_world.world_of(bootstrap, prefix, folder) as street:
        await street.device("north", directions=("N",))
        await street.device("both", directions=("N", "S"))
        await street.device("none", directions=("N", "S"))
        with recognizer_world.service_of(street) as service:
            await service.ready()
            for device, text, place in (
                ("north", FIXED, EASTBOUND),
                ("both", BOTH_WAYS, EASTBOUND),
                ("none", UNKNOWN, STANDING),
            ):
                image = recognizer_world.fake_jpeg([(100, text, 0.999)])
                await street.send(street.frame(device, 1, now(), image, location=place))
            await street.wait(lambda: _all_read(street))


async def _all_read(street):
    return {read.plate.reveal() for read in await street.reads()} >= {FIXED, BOTH_WAYS, UNKNOWN}


@pytest.mark.requirement("CAP-07")
def test_a_hit_of_a_fixed_camera_has_the_direction_the_camera_is_configured_for(kafka_bootstrap, tmp_path):
    for folder in ("matcher", "recognizer"):
        (tmp_path / folder).mkdir()
    with world(kafka_bootstrap, tmp_path / "matcher") as scene:
        scene.load(*((text, details()) for text in (FIXED, BOTH_WAYS, UNKNOWN)))
        scene.worker().wait_ready()
        asyncio.run(drive(kafka_bootstrap, scene.kafka.topic_prefix, tmp_path / "recognizer"))
        hits = scene.wait(lambda: found if len(found := {hit.entry_plate: hit for hit in scene.hits()}) == 3 else None)
        assert hits[FIXED].read.device_kind is model.DeviceKind.FIXED
        directions = {text: hits[text].read.direction for text in (FIXED, BOTH_WAYS, UNKNOWN)}
        # configured, although the device's own heading is east; by heading where the camera sees both ways; else unknown
        assert directions == {FIXED: "N", BOTH_WAYS: "E", UNKNOWN: "unknown"}

        def told():
            events = [json.loads(message.value)["data"] for message in scene.all(Topic.CAD_HITS, agency=AGENCY)]
            found = {event["plate_listed"]: event["direction"] for event in events}
            return found if len(found) == 3 else None

        assert scene.wait(told) == directions
