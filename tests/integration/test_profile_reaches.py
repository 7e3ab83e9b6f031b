"""A version reaches every service, overrides reach the reports, and a closed audit reaches the guidelines."""

import asyncio
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from alpr_audit.reviews import tasks
from alprcore import wire
from alprcore.kafka import Publisher
from alprcore.model import ProfileRecord, make_id
from alprcore.profiles import canonical, profile_from_json, shipped_documents
from alprcore.topics import Topic
from tests.fixtures.console import make_hit
from tests.fixtures.desk import desk, put_hit
from tests.fixtures.doors import Doors, utc_now
from tests.integration.ingest_world import World
from tests.integration.test_audit_reviews import Office
from tests.integration.test_audit_work import ask, report, tell
from tests.integration.test_publication import DESIGNEE, section

REASON = "the picture does not load"


@pytest.mark.requirement("CFG-03")
@pytest.mark.asyncio
@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville"])
async def test_a_soft_step_left_out_is_counted_in_the_report_with_user_and_reason(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made, Doors(pg_database, tmp_path) as doors:
        made.now = utc_now()
        await made.put_in_force(agency, {"gates.read_check": "soft", "gates.order_fixed": "off", "audible": False})
        who = made.as_("dispatcher", agency, grants=["clets"])
        for number in (1, 2):
            hit = make_hit(f"7OVR00{number}", now=made.now, agency=agency)
            await put_hit(made, hit)
            body = {"source": "CLETS", "route": "dispatch", "result": "active", "override_reason": REASON}
            await made.post(f"/v1/hits/{hit.hit_id}/verifications", who, body)
        await tell(doors, *await made.sent("audit"))
        role = doors.profiles[agency].audit.role
        _, shown = await report(doors, agency, role)
        assert shown["totals"]["overrides"] == [
            {"username": "dispatcher", "full_name": "Dispatcher", "step": "read_check", "reason": REASON, "count": 2}
        ]


@pytest.mark.requirement("HIT-09")
@pytest.mark.asyncio
@pytest.mark.parametrize("agency", ["irvine", "westminster"])
async def test_an_unverified_action_is_counted_in_the_report_with_its_reason(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made, Doors(pg_database, tmp_path) as doors:
        made.now = utc_now()
        officer = made.as_("officer", agency, client="vehicle")
        hit = make_hit("7OVR003", now=made.now, agency=agency)
        await put_hit(made, hit)
        seen = {"result": "correct", "method": "visual_on_vehicle", "state_confirmed": "match"}
        await made.post(f"/v1/hits/{hit.hit_id}/read-check", officer, seen)
        body = {"type": "traffic_stop", "reason": "not_practicable"}
        assert (await made.post(f"/v1/hits/{hit.hit_id}/actions", officer, body))["unverified_action"] is True
        await tell(doors, *await made.sent("audit"))
        _, shown = await report(doors, agency, doors.profiles[agency].audit.role)
        assert shown["totals"]["overrides"] == [
            {"username": "officer", "full_name": "Officer", "step": "verify", "reason": "not_practicable", "count": 1}
        ]


@pytest.mark.requirement("AUD-11")
@pytest.mark.asyncio
@pytest.mark.parametrize("agency", ["westminster", "roseville"])
async def test_after_the_closure_of_an_audit_section_c_names_its_day(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made, Doors(pg_database, tmp_path) as doors:
        office, role = Office(doors, agency), doors.profiles[agency].audit.role

        async def call(_door, method, path, person, **_):
            answer = await office.call(method, path.removeprefix("/v1/audit/"), person.roles[0])

            async def read():
                return answer.json()

            return SimpleNamespace(status=answer.status_code, headers={}, json=read)

        made.doors.call = call
        manager = made.as_("program_manager", agency)
        await made.put_in_force(agency, DESIGNEE)
        assert "Last audit closed: none yet." in section(await made.post("/v1/guidelines", manager), "c")

        await ask(doors, agency, {"plate": "8TST001"})
        office.at(tasks.next_end(doors.profiles[agency], utc_now()) + timedelta(minutes=1))
        for _ in range(2):
            await doors.audit.reviewing.turn()
        (task,) = (await office.get("tasks", role))["tasks"]
        path = f"tasks/{task['task_id']}"
        for item in (await office.get(path, role))["items"]:
            await office.call("POST", f"{path}/findings", role, {"entry": item["entry"], "result": "ok", "note": ""})
        closed = await office.call("POST", f"{path}/closure", role, {"statement": "all looked at"})
        assert closed.status_code == 201, closed.text

        words = section(await made.post("/v1/guidelines", manager), "c")
        assert f"Last audit closed: {closed.json()['closed_at'][:10]}, for {task['period']}." in words


@pytest.mark.requirement("CFG-02")
def test_ingest_works_by_a_version_as_soon_as_it_is_in_force(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    world = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)

    async def told():
        await world.make_topics()
        async with world.running():
            document = json.loads(shipped_documents()["irvine"])
            first = document["lists"][0]
            document["lists"].append({**first, "code": "COUNTY", "label": "County list"})
            first |= {"label": "Renamed list", "advisory_class": "information_only"}
            text = canonical(document)
            record = ProfileRecord("irvine", profile_from_json(text).version, text, utc_now())
            headers = wire.headers_for(
                Topic.PROFILES, id=make_id("profile", "irvine", record.version), source="console", time=utc_now()
            )
            codes = set()
            async with Publisher(world.kafka) as publisher:
                await publisher.publish(
                    Topic.PROFILES, key="irvine", value=wire.encode_profile(record), headers=headers
                )
                async with asyncio.timeout(30):
                    while "COUNTY" not in codes:
                        answer = await world.call("GET", "/v1/hotlists", agency="irvine")
                        codes = {row["code"] for row in answer.json()["hotlists"]}
                        await asyncio.sleep(0.2)
                    row = {}
                    while (row.get("name"), row.get("advisory_class")) != ("Renamed list", "information_only"):
                        row = (await world.call("GET", f"/v1/hotlists/{first['code']}", agency="irvine")).json()
                        await asyncio.sleep(0.2)

    asyncio.run(told())
