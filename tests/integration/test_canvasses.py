"""Canvasses on a real database with the real query door behind them: order, reads, prompts, what is sealed and recorded."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

import alpr_console.main
from alpr_console.web import COOKIE, SignedIn, csrf_of
from alprcore import postgres, wire
from alprcore.model import GeoPoint, Location, LocationQuality
from alprcore.seal import ListKeys
from tests.fixtures.apps import console_settings
from tests.fixtures.doors import Doors, make_read, utc_now

pytestmark = pytest.mark.asyncio
TOKEN = "a session of this test"
SQUARE = [[38.70, -121.30], [38.70, -121.20], [38.80, -121.20], [38.80, -121.30]]
PURPOSE = {"roseville": "crime_scene_canvass", "escondido": "objective_2"}
WHY = {
    "attest_no_first_amendment": True, "reasonable_suspicion": "named by a witness",
    "need_to_know": "assigned investigator",
}  # fmt: skip


def lists_and_devices(request):
    """Ingest, as far as a canvass asks it: two cars and one partial plate."""
    if request.url.path == "/v1/devices":
        return httpx.Response(200, json={"devices": [{"device_id": "car-7"}, {"device_id": "car-2"}]})
    known = request.url.path == "/v1/partial-plates/e-1"
    return httpx.Response(200 if known else 404, json={} if known else {"reason_code": "ENTRY_UNKNOWN"})


@asynccontextmanager
async def running(database, folder):
    """Audit and console in this process; `sign_in` says whose session the console finds."""
    async with Doors(database, folder) as doors:
        ListKeys.generate(folder / "list.keys", "lk-1")
        pool = await postgres.connect(database.url("console"))
        settings = console_settings(folder, list_keys_file=folder / "list.keys")
        built = alpr_console.main.build(settings, pool, doors.profiles, asyncio.Event())
        world = SimpleNamespace(doors=doors, console=built)

        def sign_in(agency, role="investigator"):
            person, world.profile = doors.person(agency=agency, roles=(role,)), doors.profiles[agency]
            world.session = SignedIn(person, world.profile, csrf_of(TOKEN), sound_armed=True, muted_until=None)

        async def find(*_):
            return world.session

        world.sign_in = sign_in
        object.__setattr__(built.app.state.web, "find_session", find)
        mounts = {"all://audit": doors.http._transport, "all://ingest": httpx.MockTransport(lists_and_devices)}
        built.doors._client = httpx.AsyncClient(mounts=mounts)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(built.app), base_url="https://console", cookies={COOKIE: TOKEN},
            headers={"x-csrf-token": csrf_of(TOKEN), "origin": "https://console"},
        ) as world.http:  # fmt: skip
            try:
                yield world
            finally:
                pool.terminate()


def body(profile, kind="homicide", **changes):
    now = utc_now()
    purposes = [one.code for one in profile.purposes if one.query]
    wanted = PURPOSE.get(profile.agency, "criminal_investigation")
    return {
        "case_number": "26-000999", "incident_type": kind, "polygon": SQUARE,
        "captured_from": (now - timedelta(hours=2)).isoformat(), "captured_to": (now + timedelta(hours=1)).isoformat(),
        "purpose_code": wanted if wanted in purposes else purposes[0],
        "justification": "A man was shot dead at Vernon and Oak", **changes,
    }  # fmt: skip


def seen(plate, number, agency, latitude, minutes=5):
    place = Location(GeoPoint(latitude, -121.25), LocationQuality.REGISTERED)
    when = utc_now() - timedelta(minutes=minutes)
    return make_read(
        plate, number=number, agency=agency, location=place, captured_at=when, received_at=when, read_at=when
    )


async def recorded(world):
    rows = await world.doors.sql("SELECT value, headers FROM console.outbox WHERE topic = 'audit' ORDER BY outbox_id")
    return [
        wire.decode_audit_event(
            row["value"], {name: base64.b64decode(text) for name, text in json.loads(row["headers"])}
        )
        for row in rows
    ]


@pytest.mark.requirement("USE-09")
async def test_under_each_policy_a_homicide_comes_first_and_its_reads_are_listed_for_the_case(pg_database, tmp_path):
    async with running(pg_database, tmp_path) as world:
        for number, agency in enumerate(("irvine", "westminster", "claremont", "escondido", "roseville")):
            world.sign_in(agency)
            for kind in ("burglary", "homicide"):
                made = await world.http.post("/v1/canvasses", json=body(world.profile, kind))
                assert made.status_code == 201, made.text
            listed = (await world.http.get("/v1/canvasses")).json()["canvasses"]
            assert [one["incident_type"] for one in listed] == ["homicide", "burglary"], agency
            assert listed[0]["priority"] is (agency not in ("claremont", "escondido")), agency
            inside, outside = (
                seen("8INS001", 10 * number, agency, 38.75),
                seen("8OUT001", 10 * number + 1, agency, 38.90),
            )
            early = seen("8ERL001", 10 * number + 2, agency, 38.75, minutes=180)
            await world.doors.keep(inside, outside, early)
            path = f"/v1/canvasses/{listed[0]['canvass_id']}/reads"
            found = await world.http.post(path, json=WHY)
            assert found.status_code == 200, found.text
            assert [row["plate"] for row in found.json()["rows"]] == ["8INS001"], agency
            [asked] = await world.doors.audit.door.store.log(agency, 2**62, "query", 200)
            assert "26-000999" in str(asked["personal"]), agency
            if world.profile.first_amendment_block:
                silent = await world.http.post(path, json={**WHY, "attest_no_first_amendment": False})
                assert silent.json()["reason_code"] == "FIRST_AMENDMENT_PROHIBITED", agency


@pytest.mark.requirement("USE-10", partial="the soft prompt at a canvass; entry, past and forward matches elsewhere")
async def test_a_major_crime_asks_for_unit_and_plate_until_they_are_there(pg_database, tmp_path):
    async with running(pg_database, tmp_path) as world:
        world.sign_in("irvine", "dispatcher")
        one = (await world.http.post("/v1/canvasses", json=body(world.profile))).json()
        assert [prompt["code"] for prompt in one["prompts"]] == ["ASSIGN_UNIT", "ENTER_PLATE"]
        path = f"/v1/canvasses/{one['canvass_id']}"
        one = (await world.http.put(f"{path}/units", json={"device_ids": ["car-7", "car-2", "car-7"]})).json()
        assert one["units"] == ["car-2", "car-7"]
        one = (await world.http.put(f"{path}/units", json={"device_ids": ["car-2"]})).json()
        assert (one["units"], [prompt["code"] for prompt in one["prompts"]]) == (["car-2"], ["ENTER_PLATE"])
        for _ in range(2):
            answer = await world.http.post(f"{path}/entries", json={"kind": "partial", "entry_id": "e-1"})
            assert answer.status_code == 201
        assert answer.json()["entries"] == [{"kind": "partial", "entry_id": "e-1"}]
        assert answer.json()["prompts"] == []
        assert (await world.http.post(f"{path}/entries", json={"kind": "rumor", "entry_id": "e"})).status_code == 422
        for said, to, reason in (
            ({"kind": "hot_plate", "entry_id": "e-1"}, "entries", "ENTRY_UNKNOWN"),
            ({"kind": "partial", "entry_id": "e-2"}, "entries", "ENTRY_UNKNOWN"),
            ({"device_ids": ["car-2", "car-9"]}, "units", "DEVICE_UNKNOWN"),
        ):
            unknown = await world.http.request("POST" if to == "entries" else "PUT", f"{path}/{to}", json=said)
            assert (unknown.status_code, unknown.json()["reason_code"]) == (422, reason)
        assert (await world.http.post(f"{path}/closure")).json()["closed_at"]
        for again in (
            await world.http.post(f"{path}/closure"),
            await world.http.put(f"{path}/units", json={"device_ids": []}),
        ):
            assert (again.status_code, again.json()["reason_code"]) == (404, "CANVASS_UNKNOWN")
        events = [event for event in await recorded(world) if event.kind.startswith("canvass")]
        assert [event.kind for event in events if event.kind != "canvass_view"] == [
            "canvass_opened", "canvass_units", "canvass_units", "canvass_entry_added", "canvass_closed",
        ]  # fmt: skip


@pytest.mark.requirement("USE-01", partial="canvasses; queries, lists and partial plates are tested elsewhere")
async def test_what_is_said_of_the_case_is_sealed_recorded_and_refused_to_others(pg_database, tmp_path):
    async with running(pg_database, tmp_path) as world:
        world.sign_in("irvine")
        refused = await world.http.post("/v1/canvasses", json=body(world.profile, purpose_code="curiosity"))
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "PURPOSE_NOT_PERMITTED")
        one = (await world.http.post("/v1/canvasses", json=body(world.profile))).json()
        assert one["case_number"] == "26-000999"
        row = (await world.doors.sql("SELECT * FROM console.canvasses"))[0]
        assert "26-000999" not in str(dict(row))
        assert "Vernon" not in str(dict(row))
        [opened] = [event for event in await recorded(world) if event.kind == "canvass_opened"]
        assert opened.facts["incident_type"] == "homicide"
        assert "26-000999" not in str(opened.facts)
        assert opened.personal["case_number"] == "26-000999"
        for path in ("/canvasses", f"/canvasses/{one['canvass_id']}"):
            page = await world.http.get(path)
            assert page.status_code == 200
            assert "26-000999" in page.text
        assert (await world.http.get("/canvasses/none")).status_code == 404
        world.sign_in("westminster")
        assert (await world.http.get("/v1/canvasses")).json() == {"canvasses": []}
        assert (await world.http.get(f"/v1/canvasses/{one['canvass_id']}")).status_code == 404
        world.sign_in("irvine", "auditor")
        for path in ("/v1/canvasses", "/canvasses", "/canvasses/new", f"/v1/canvasses/{one['canvass_id']}"):
            assert (await world.http.get(path)).status_code == 403
        assert await world.console.canvasses.purge(utc_now()) == 0
        assert await world.console.canvasses.purge(utc_now() + timedelta(days=900)) == 1
        assert await world.doors.sql("SELECT canvass_id FROM console.canvass_units") == []
