"""A test plate through every way in and all six services: it proves that the chain is armed, and leaves no record."""

import asyncio

import asyncpg
import pytest

from alpr_cli import demo
from alprcore import wire
from tests.e2e.conftest import CANARIES, Player, wait_for
from tests.e2e.tap import Tap

PLATE = "7CNR001"


async def reads_of(stack, plate):
    connection = await asyncpg.connect(stack.database.admin)
    try:
        return await connection.fetchval("SELECT count(*) FROM retention.reads WHERE plate = $1", plate)
    finally:
        await connection.close()


@pytest.mark.parametrize("door", ["https", "kafka"])
def test_a_test_plate_proves_its_way_again_and_again_and_is_neither_rung_nor_recorded_nor_sent_to_the_cad(
    stack, dispatcher, door
):
    demo.load_list(stack, [PLATE])

    def camera():
        cameras = dispatcher.call("GET", "/v1/chain").json()["cameras"]
        return next((one for one in cameras if one["camera_id"] == f"demo-pole-{CANARIES[door]}-a"), {})

    before = camera().get("last_at")
    with Tap(stack.bootstrap, "notifications", "cad.demo.hits", "cad.demo.notifications") as tap:
        with Player(stack, [PLATE], cameras=(CANARIES[door],), door=door, source="canary", extra=("--moment-s", "7")):
            wait_for("the canary", lambda: camera().get("last_at") != before)
            first = camera()["last_at"]
            wait_for("it once more", lambda: camera()["last_at"] != first)
        (told,) = {
            (n.status.value, n.audible, n.hit.read.canary)
            for n in (wire.decode_notification(m.value, m.headers) for m in tap.read("notifications"))
            if n.hit.read.plate.reveal() == PLATE
        }
        assert told == ("Exercise", False, True)
        assert tap.read("cad.demo.hits") == tap.read("cad.demo.notifications") == []
    assert camera()["ok"] is True
    assert 0 < camera()["took_s"] < 30
    assert PLATE not in dispatcher.call("GET", "/v1/hits").text
    assert asyncio.run(reads_of(stack, PLATE)) == 0
