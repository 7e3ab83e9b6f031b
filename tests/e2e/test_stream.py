"""Frames through the whole product: to a plain subscriber, to a search, and what happens when the ledger is away."""

import asyncio
import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from alpr_cli import demo, simulate
from alpr_cli.sources import pictures
from alprcore import wire
from alprcore.model import GeoPoint
from alprcore.seal import SigningKey
from tests.e2e.conftest import Player, wait_for
from tests.e2e.tap import Tap

PLATES = ("7HGK418", "6TWA952", "8CDL237")
NEAR_REAL_TIME_S = 5.0
LIGHT_MB, HEAVY_MB, TOGETHER_MB = 150, 2000, 4000


def question(plate):
    return {
        "purpose_code": "criminal_investigation",
        "justification": "end-to-end test of the query door",
        "attest_no_first_amendment": True,
        "criteria": {"plate": plate},
    }


@pytest.fixture(scope="module")
def driven(stack):
    """Three vehicles have passed camera 7; the second is listed. Gives the alerts a plain subscriber received.

    Loading the list anew withdraws the hits of the drives before: those say so and are none of this drive.
    """
    demo.load_list(stack, [PLATES[1]])
    with Tap(stack.bootstrap, "cad.demo.notifications", "cad.demo.hits", "reads") as tap:
        with Player(stack, PLATES, cameras=(7,), fps=5.0, seed=11) as player:
            player.finish()
        wait_for("the alert", lambda: any(b"withdrawn_at" not in m.value for m in tap.read("cad.demo.notifications")))
        time.sleep(3)
        told = {
            topic: [json.loads(m.value)["data"] for m in tap.read(topic)]
            for topic in ("cad.demo.notifications", "cad.demo.hits")
        }
        alerts = {topic: [data for data in all_ if "withdrawn_at" not in data] for topic, all_ in told.items()}
        yield {**alerts, "reads": tap.read("reads")}


@pytest.mark.requirement("CAP-10")
def test_a_listed_plate_reaches_a_plain_subscriber_in_near_real_time(stack, driven):
    alerts = driven["cad.demo.notifications"]
    assert {alert["plate_listed"] for alert in alerts} == {PLATES[1]}
    (hit,) = {hit["hit_id"]: hit for hit in driven["cad.demo.hits"]}.values()
    assert hit["list"]["code"] == "DEMO"
    metrics = urllib.request.urlopen(f"{stack.services['matcher'].url}/metrics", timeout=10).read().decode()
    assert any(line.startswith("alpr_matcher_captured_to_hit_seconds_count") for line in metrics.splitlines())


@pytest.mark.requirement("DEF-02")
@pytest.mark.requirement("CAP-05")
def test_every_vehicle_can_be_found_by_its_plate(stack, driven, investigator):
    for plate in PLATES:
        rows = wait_for(
            f"the read of vehicle {PLATES.index(plate)}",
            lambda plate=plate: investigator.call("POST", "/v1/queries", json=question(plate)).json()["rows"],
        )
        assert [row["plate"] for row in rows] == [plate]
        assert 0 <= rows[0]["confidence"] <= 1


@pytest.mark.requirement("CAP-04")
def test_a_frame_uploaded_late_is_found_at_the_time_of_its_capture(stack, driven, investigator):
    """A camera without a link sends what it saw four hours ago: capture and receipt stay two stamps."""
    captured = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    asyncio.run(send_late(stack, "5LRA606", captured))
    window = {
        "captured_from": (captured - timedelta(minutes=5)).isoformat(),
        "captured_to": (captured + timedelta(minutes=5)).isoformat(),
    }
    asked = question("5LRA606")
    asked["criteria"] |= window
    (row,) = wait_for("the late read", lambda: investigator.call("POST", "/v1/queries", json=asked).json()["rows"], 90)
    assert datetime.fromisoformat(row["captured_at"]) == captured
    assert datetime.fromisoformat(row["received_at"]) - captured > timedelta(hours=3, minutes=59)


async def send_late(stack, plate, captured):
    """Send one rendered frame through the HTTPS door with an old time of capture."""
    picture = list(pictures("drive", fps=5, moment_s=0, part=0, parts=1, plates=[plate], seed=3))[-1]
    key = SigningKey.load(demo.key_file(stack, "demo-pole-8"))
    (camera,) = simulate.cameras_of({"demo-pole-8": key}, {}, GeoPoint(33.69, -117.82))
    number = simulate.Sequence(stack.state / "simulate", camera.camera_id).take()
    frame = simulate.make_frame(camera, picture.jpeg, number, captured)
    async with httpx.AsyncClient(base_url=stack.services["ingest"].url, timeout=60) as client:
        assert await simulate.https_door(client, asyncio.Event())(frame) == "accepted"


async def send_again(stack, message):
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap) as producer:
        await producer.send_and_wait("reads", message.value, message.key, headers=list(message.headers.items()))


async def rows_of_hit(stack, hit_id):
    connection = await asyncpg.connect(stack.database.admin)
    try:
        return await connection.fetchval("SELECT count(*) FROM retention.hits WHERE hit_id::text = $1", hit_id)
    finally:
        await connection.close()


@pytest.mark.requirement("HIT-01")
def test_the_same_read_delivered_twice_makes_one_row(stack, driven):
    (hit_id,) = {hit["hit_id"] for hit in driven["cad.demo.hits"]}
    (read_id,) = {hit["read_id"] for hit in driven["cad.demo.hits"]}
    first = next(m for m in driven["reads"] if wire.decode_read(m.value, m.headers).read_id == read_id)
    with Tap(stack.bootstrap, "hits") as tap:
        asyncio.run(send_again(stack, first))
        wait_for("the hit once more", lambda: tap.read("hits"))
        assert {wire.decode_hit(m.value, m.headers).hit_id for m in tap.read("hits")} == {hit_id}
    time.sleep(2)
    assert asyncio.run(rows_of_hit(stack, hit_id)) == 1


@pytest.mark.requirement("HIT-02")
def test_the_alert_is_audible_and_its_presentation_is_recorded(stack, driven, dispatcher):
    rings = [a for a in driven["cad.demo.notifications"] if a["audible"]]
    assert {a["target"] for a in rings} == {"dispatch", "vehicles", "desktops"}
    assert all("Unverified lead" in a["screen_text"] for a in rings)
    hit_id = rings[0]["hit_id"]
    wait_for("the console to hold it", lambda: dispatcher.call("GET", f"/v1/hits/{hit_id}", allow=(404,)).is_success)
    dispatcher.call("POST", f"/v1/hits/{hit_id}/presented", json={"sound": True, "screen": True})
    (receipt,) = dispatcher.call("GET", f"/v1/hits/{hit_id}").json()["presented"]
    assert (receipt["sound"], receipt["screen"]) == (True, True)
    assert datetime.fromisoformat(receipt["presented_at"]) <= datetime.now(UTC)


@pytest.mark.requirement("QRY-01")
def test_without_the_ledger_a_search_is_refused_and_answers_nothing(stack, driven, investigator):
    stack.stop_service("audit")
    try:
        answer = investigator.call("POST", "/v1/queries", json=question(PLATES[0]), allow=(502, 503))
        assert answer.status_code == 503
        assert "rows" not in answer.json()
    finally:
        stack.start_service("audit")
        stack.wait_ready("audit")
    answer = investigator.call("POST", "/v1/queries", json=question(PLATES[0]))
    assert [row["plate"] for row in answer.json()["rows"]] == [PLATES[0]]


def test_the_product_fits_on_a_small_machine(stack, driven):
    resident = stack.resident_mb()
    too_large = {
        name: round(mb) for name, mb in resident.items() if mb > (HEAVY_MB if name == "recognizer" else LIGHT_MB)
    }
    assert not too_large
    assert sum(resident.values()) + stack.nodes_resident_mb() < TOGETHER_MB


def test_every_service_stops_within_its_deadline_and_comes_back(stack, driven):
    for name in stack.services:
        began = time.monotonic()
        assert stack.stop_service(name) == 0, f"{name} did not stop cleanly"
        assert time.monotonic() - began < 25
        stack.start_service(name)
    stack.wait_ready(*stack.services)
