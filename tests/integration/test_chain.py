"""Test plates from canary cameras: they arm the chain, are missed when they stay away, and are nobody's hit."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from alpr_retention.app import Keeper
from alprcore import wire
from alprcore.kafka import Message
from alprcore.topics import Topic, physical
from tests.fixtures.console import make_hit, make_notification
from tests.fixtures.room import bare, database

__all__ = ["database"]
CAMERAS = {"irvine": ("canary-1", "canary-2")}


def canary(camera, now, agency="irvine"):
    hit = make_hit("7CNR001", now=now, agency=agency)
    hit = replace(hit, read=replace(hit.read, camera_id=camera, device_id=f"{camera}-pole", canary=True))
    return make_notification(hit)


@pytest.mark.asyncio
async def test_the_chain_is_armed_while_every_canary_arrives_and_broken_when_one_stays_away(database, tmp_path):
    async with bare(database, tmp_path, canary_cameras=CAMERAS) as made:
        who, chain = made.as_("dispatcher"), made.console.chain
        assert (await made.get("/v1/chain", made.as_("dispatcher", "roseville")))["armed"] is None
        await chain.on_timer(made.now)
        state = await made.get("/v1/chain", who)
        assert (state["armed"], [camera["last_at"] for camera in state["cameras"]]) == (False, [None, None])

        for camera in CAMERAS["irvine"]:
            await chain.arrived(canary(camera, made.now), made.now)
        state = await made.get("/v1/chain", who)
        assert state["armed"] is True
        assert [camera["camera_id"] for camera in state["cameras"]] == ["canary-1", "canary-2"]
        assert state["cameras"][0]["took_s"] == pytest.approx(1.4)
        assert (await made.get("/v1/hits", who))["hits"] == []

        for _ in range(3):
            made.later(seconds=60)
            await chain.arrived(canary("canary-1", made.now), made.now)
            await chain.on_timer(made.now)
        made.later(seconds=10)
        assert await chain.on_timer(made.now) == 0
        assert await chain.on_timer(made.now) == 0
        state = await made.get("/v1/chain", who)
        assert [camera["ok"] for camera in state["cameras"]] == [True, False]
        assert state["armed"] is False
        (event,) = await made.events("chain_broken")
        assert event.facts["camera_id"] == "canary-2"
        alerts = await made.sql("SELECT kind, facts FROM console.alerts WHERE agency = 'irvine'")
        assert [alert["kind"] for alert in alerts] == ["chain_broken"]

        await chain.arrived(canary("canary-2", made.now), made.now)
        await chain.on_timer(made.now)
        assert (await made.get("/v1/chain", who))["armed"] is True
        assert len(await made.events("chain_armed")) == 1


@pytest.mark.asyncio
async def test_a_camera_that_never_sent_one_is_missed_too(database, tmp_path):
    async with bare(database, tmp_path, canary_cameras={"irvine": ("canary-1",)}, canary_limit_s=60) as made:
        await made.console.chain.on_timer(made.now)
        made.later(seconds=61)
        assert await made.console.chain.on_timer(made.now) == 1
        # without a setting whatever arrives counts, and an older one changes nothing
        await made.console.chain.arrived(canary("stray", made.now, "claremont"), made.now)
        late = canary("stray", made.now - timedelta(minutes=5), "claremont")
        await made.console.chain.arrived(late, made.now)
        state = await made.get("/v1/chain", made.as_("dispatcher", "claremont"))
        assert (state["armed"], len(state["cameras"])) == (True, 1)


def test_retention_keeps_no_record_of_a_test_plate():
    kept = []

    class Records:
        async def keep(self, reads, hits, _longer):
            kept.append(([read.read_id for read, _ in reads], [hit.hit_id for hit, _ in hits]))

    class Profiles:
        def due(self, read):
            return read.captured_at.date()

        def longer(self, _hit):
            return None

    real, test = make_hit("7REAL01"), canary("canary-1", make_hit().read.captured_at).hit

    def message(topic, value):
        headers = dict(wire.headers_for(topic, id="1", source="test", time=real.matched_at))
        return Message(physical(topic, prefix=""), 0, 0, b"", value, headers, 0)

    messages = [
        message(topic, value)
        for one in (test, real)
        for topic, value in ((Topic.READS, wire.encode_read(one.read)), (Topic.HITS, wire.encode_hit(one)))
    ]
    asyncio.run(Keeper(Records(), Profiles(), "").handle(messages))
    assert kept == [([real.read.read_id], [real.hit_id])]
