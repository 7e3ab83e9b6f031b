"""A broker that was made anew learns from ingest's database what it had carried; one that has it is left alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from alpr_ingest.store import Store
from alprcore.errors import Transient
from alprcore.profiles import load_profiles
from alprcore.topics import Topic
from tests.integration.ingest_world import World

pytestmark = pytest.mark.asyncio


async def test_a_fresh_broker_is_told_what_is_in_force_and_nothing_twice(
    pg_database, kafka_bootstrap, topics_prefix, tmp_path, monkeypatch
):
    first = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    await first.make_topics()
    async with first.running():
        await first.register()
        await first.register("pole-2")
        answer = await first.load("DEMO", "plate,state\n8TST001,US-CA\n8TST002,US-CA\n", source_time=datetime.now(UTC))
        assert answer.status_code == 201, answer.text
        body = {
            "pattern": "7A?C1*", "case_number": "26-000456", "purpose_code": load_profiles()["demo"].purposes[0].code,
            "expires_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat(), "crime_type": "homicide",
            "reason": "Seen leaving the scene",
        }  # fmt: skip
        trained = first.person(roles=("investigator",), training=("alpr", "alpr_data"), category="sworn")
        answer = await first.http.post("/v1/partial-plates", json=body, headers=trained)
        assert answer.status_code == 201, answer.text
        await first.eventually("hotlist.partials", 1)
        before = {topic: await first.lying(topic) for topic in ("devices", "hotlist.versions")}

    kept, away = Store.put_out, []

    async def breaks_once(store, outgoing):
        if not away and any(one.topic is Topic.DEVICES for one in outgoing):
            away.append(len(outgoing))
            raise Transient("the database went away in the middle")
        await kept(store, outgoing)

    monkeypatch.setattr(Store, "put_out", breaks_once)  # whatever breaks, it is said whole
    fresh = World(pg_database, kafka_bootstrap, topics_prefix + "again.", tmp_path)
    await fresh.make_topics()
    async with fresh.running():
        devices = await fresh.eventually("devices", 2)
        assert away == [4]
        assert {row[2] for row in devices} == {"pole-1", "pole-2"}
        versions = await fresh.eventually("hotlist.versions", 2)
        assert {row[2] for row in versions} == {"demo/DEMO", "demo/PARTIAL"}
        await fresh.eventually("hotlist.partials", 1)
        await fresh.eventually("hotlist", 2)
        said = {
            topic: len(await fresh.lying(topic))
            for topic in ("devices", "hotlist", "hotlist.versions", "hotlist.partials")
        }
    async with fresh.running():  # the next start finds that everything is there
        await asyncio.sleep(1.5)
        assert {topic: len(await fresh.lying(topic)) for topic in said} == said
    async with first.running():
        await asyncio.sleep(1.0)
        assert {topic: len(await first.lying(topic)) for topic in before} == {
            topic: len(rows) for topic, rows in before.items()
        }
