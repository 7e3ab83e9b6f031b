"""The product on a broker that refuses what no rule allows: from a fleet's frame to the agency's CAD, and what stays."""

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer

from alpr_cli import demo, simulate
from alpr_cli.sources import pictures
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import GeoPoint
from alprcore.seal import SigningKey
from tests.e2e.conftest import BY_CERTIFICATE, Player, wait_for
from tests.e2e.tap import Tap

LISTED, PASSING = "6HZR284", "8JVK537"
JUSTIFICATION = "looking for a made-up trailer of the wire test"
QUIET_S = 4.0
NOTE = "synthetic entry of the demonstration"


@pytest.fixture
def told(stack):
    """What is told of hits while a test runs; it ends when all is told, so that the next one hears nothing of it."""
    with Tap(stack.bootstrap, "hits", "cad.demo.notifications") as tap:
        yield tap
        demo.load_list(stack, demo.listed())  # which takes back what was told
        wait_for("silence", lambda: all(time.monotonic() - tap.last_heard(topic) > QUIET_S for topic in tap.topics))


async def through_the_fleet(stack, plate):
    """Publish a rendered vehicle frame by frame as the fleet's account, and hear as the CAD's what comes of it."""
    place = GeoPoint(33.69, -117.82)
    keys = {"demo-pole-6": SigningKey.load(demo.key_file(stack, "demo-pole-6"))}
    devices = await simulate.registered(KafkaSettings(bootstrap=stack.bootstrap), set(keys))
    (camera,) = simulate.cameras_of(keys, devices, place)
    sequence = simulate.Sequence(stack.state / "simulate", camera.camera_id)
    cad = AIOKafkaConsumer(
        "cad.demo.hits", **stack.secured.by_password("cad-demo").client_params(), group_id="cad-demo",
        auto_offset_reset="latest",
    )  # fmt: skip
    await cad.start()
    try:
        async with asyncio.timeout(60):
            while not cad.assignment():
                await asyncio.sleep(0.1)
        await cad.seek_to_end()
        async with Publisher(stack.secured.by_password("fleet-poles")) as publisher:
            door = simulate.kafka_door(publisher, asyncio.Event())
            for picture in pictures("drive", fps=5, moment_s=0, part=0, parts=1, plates=[plate], seed=29):
                frame = simulate.make_frame(camera, picture.jpeg, sequence.take(), datetime.now(UTC))
                assert await door(frame) == "accepted"
                await asyncio.sleep(0.2)
        async with asyncio.timeout(90):
            async for message in cad:
                hit = json.loads(message.value)["data"]
                if hit["plate_listed"] == plate and "withdrawn_at" not in hit:
                    return hit
    finally:
        await cad.stop()


@pytest.mark.requirement("SEC-01", partial="the way of a frame; every single right is in test_wire_access")
def test_a_fleet_s_frame_becomes_a_hit_at_the_cad_by_accounts_of_their_own(stack, told):
    for name, service in stack.services.items():
        way = json.loads(service.environment[f"ALPR_{name.upper()}_KAFKA_SECURITY"])
        assert way["kind"] == ("tls" if name in BY_CERTIFICATE else "sasl")
        assert service.environment[f"ALPR_{name.upper()}_KAFKA_BOOTSTRAP"] != stack.bootstrap
    demo.load_list(stack, [LISTED])
    hit = asyncio.run(through_the_fleet(stack, LISTED))
    assert hit["list"]["code"] == "DEMO"
    wait_for("its alert", lambda: alerts(told, LISTED))


def alerts(tap, plate):
    return [message for message in tap.read("cad.demo.notifications") if plate.encode() in message.value]


def held_by_the_broker(stack, pattern="*"):
    """Every byte of the partitions and of the broker's own log; indexes hold positions only and 10 MB of nothing."""
    files = [
        path for path in (stack.state / "kafka").glob(f"{pattern}/*") if path.is_file() and "index" not in path.suffix
    ]
    return {str(path.relative_to(stack.state)): path.read_bytes() for path in [*files, stack.state / "kafka.log"]}


def test_the_broker_s_folder_holds_plates_and_neither_names_nor_what_lists_say(stack, told, investigator):
    """Design of the streams: plates stand in the clear, because they are joined; everything else is sealed."""
    demo.load_list(stack, [PASSING])
    with Player(stack, [PASSING], cameras=(5,), fps=5.0, seed=31) as player:
        player.finish()
    asked = {
        "purpose_code": "criminal_investigation", "justification": JUSTIFICATION, "attest_no_first_amendment": True,
        "criteria": {"plate": PASSING},
    }  # fmt: skip
    wait_for("the read", lambda: investigator.call("POST", "/v1/queries", json=asked).json()["rows"])
    refused = investigator.call("POST", "/v1/devices", json={}, allow=(403, 422))
    assert refused.is_error
    wait_for("its alert", lambda: alerts(told, PASSING))
    told_sealed = "what people did is told to the ledger, sealed"
    wait_for(told_sealed, lambda: any(b"sealed" in held for held in held_by_the_broker(stack, "audit-*").values()))
    kept = held_by_the_broker(stack)

    def where(text):
        return sorted(name for name, held in kept.items() if text.encode() in held)

    assert any(name.startswith("kafka/hotlist-") for name in where(PASSING)), "the search finds what is in the clear"
    assert any(name.startswith("kafka/reads-") for name in where(PASSING))
    for words in (NOTE, JUSTIFICATION, "Ira Investigator", "Alex Administrator", stack.demo_password):
        assert where(words) == []
