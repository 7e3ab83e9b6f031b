"""Frames through the whole product: to a plain subscriber, to a search, and what happens when the ledger is away."""

import json
import time
import urllib.request

import pytest

from alpr_cli import demo
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
    """Three vehicles have passed camera 7; the second is listed. Gives the alerts a plain subscriber received."""
    demo.load_list(stack, [PLATES[1]])
    with Tap(stack.bootstrap, "cad.demo.notifications", "cad.demo.hits") as tap:
        with Player(stack, PLATES, cameras=(7,), fps=5.0, seed=11) as player:
            player.finish()
        wait_for("the alert", lambda: tap.read("cad.demo.notifications"))
        time.sleep(3)
        yield {topic: [json.loads(m.value)["data"] for m in tap.read(topic)] for topic in tap.topics}


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
