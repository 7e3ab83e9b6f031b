"""Breach records on a real database: tasks by the agency's policy, who is told, and what the ledger is told (SEC-02)."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest

import alpr_console.main
from alpr_console.web import COOKIE, SignedIn, csrf_of
from alprcore import postgres, wire
from alprcore.model import Person
from alprcore.profiles import load_profiles
from alprcore.seal import SigningKey
from tests.fixtures.apps import console_settings

pytestmark = pytest.mark.asyncio
TOKEN = "a session of this test"
COUNTS = {"reads": 120, "hits": 3, "images": 240, "devices": [{"device_id": "pole-1", "reads": 120}]}


@asynccontextmanager
async def running(database, folder):
    """The console in this process; retention answers counts, and `sign_in` says whose session the console finds."""
    profiles = load_profiles()
    pool = await postgres.connect(database.url("console"))
    (folder / "keys").mkdir(exist_ok=True)
    if not (folder / "keys" / "person.key").exists():
        SigningKey.generate(folder / "keys" / "person.key")
    built = alpr_console.main.build(console_settings(folder), pool, profiles, asyncio.Event())
    world = SimpleNamespace(pool=pool, asked=[], found=built.app.state.web.find_session)

    def sign_in(agency, *roles, name="p-1"):
        person = Person(name, name, f"Person {name}", "Example PD", agency, roles, f"s-{name}", "192.0.2.7")
        world.session = SignedIn(person, profiles[agency], csrf_of(TOKEN), sound_armed=True, muted_until=None)

    async def find(*_):
        return world.session

    def counts(request):
        world.asked.append((request.url.path, json.loads(request.content)))
        return httpx.Response(200, json=COUNTS)

    world.sign_in = sign_in
    built.accounts.sessions.find = find
    built.doors._client = httpx.AsyncClient(mounts={"all://": httpx.MockTransport(counts)})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(built.app), base_url="https://console", cookies={COOKIE: TOKEN},
        headers={"x-csrf-token": csrf_of(TOKEN), "origin": "https://console"},
    ) as world.http:  # fmt: skip
        try:
            yield world
        finally:
            pool.terminate()


def report(**changes):
    return {
        "kind": "stolen_credentials", "title": "Shared password", "description": "Found on a screen in the lobby.",
        "data": ["reads", "hits"], "accounts": ["jdoe"], "device_ids": ["pole-1"],
        "discovered_at": (datetime.now(UTC) - timedelta(minutes=10)).isoformat(), **changes,
    }  # fmt: skip


async def told(world):
    """Kinds of the events that wait for the ledger, and their personal texts."""
    rows = await world.pool.fetch("SELECT value, headers FROM console.outbox WHERE topic = 'audit' ORDER BY outbox_id")
    return [
        wire.decode_audit_event(
            row["value"], {name: base64.b64decode(content) for name, content in json.loads(row["headers"])}
        )
        for row in rows
    ]


@pytest.mark.requirement("SEC-02")
async def test_a_breach_follows_the_agencys_policy_and_its_program_manager_is_told(pg_database, tmp_path):
    async with running(pg_database, tmp_path) as world:
        for agency in ("irvine", "westminster", "claremont", "escondido", "roseville"):
            await followed(world, agency)


async def followed(world, agency):
    """One breach of one agency, from whoever saw it to those who must know."""
    world.sign_in(agency, "officer", name=f"o-{agency}")  # whoever sees a breach reports it
    opened = await world.http.post("/v1/incidents", json=report())
    assert opened.status_code == 201, opened.text
    record = opened.json()
    assert record["policy"]["name"] == "Records Release and Maintenance Policy"
    referring = [task for task in record["tasks"] if "Records Release and Maintenance Policy" in task["words"]]
    assert {task["code"] for task in referring} >= {"FOLLOW_POLICY", "TELL_PERSONS", "REVIEW"}
    within_hour = next(task for task in record["tasks"] if task["code"] == "REPORT_CJIS")
    due = datetime.fromisoformat(within_hour["due_at"]) - datetime.fromisoformat(record["discovered_at"])
    assert due == timedelta(hours=1)
    third = [task["words"] for task in record["tasks"] if task["code"] == "TELL_CUSTODIAN"]
    assert bool(third) == (agency in ("claremont", "escondido"))
    # an officer sees no records and has no notice; the roles have one each
    assert (await world.http.get("/v1/incidents")).status_code == 403
    assert (await world.http.get("/v1/incident-notices")).json() == {"notices": []}
    for role in ("program_manager", "custodian"):
        world.sign_in(agency, role, name=f"p-{role}")
        (notice,) = (await world.http.get("/v1/incident-notices")).json()["notices"]
        assert (notice["role"], notice["incident_id"]) == (role, record["incident_id"])
    # what waits is counted for every page: the notice and the role's own tasks, for whoever has a part in it
    waiting = {"officer": 0, "supervisor": 0, "alpr_admin": 2, "auditor": 1}
    owned = [task["role"] for task in record["tasks"]]
    waiting |= {role: 1 + owned.count(role) for role in ("program_manager", "custodian")}
    for role, number in waiting.items():
        world.sign_in(agency, role, name=f"p-{role}")
        assert (await world.found("", datetime.now(UTC))).breaches == number, role
    seen = f"/v1/incident-notices/{notice['notice_id']}/seen"
    assert [(await world.http.post(seen)).status_code for _ in range(2)] == [204, 404]
    world.sign_in("demo", "program_manager")
    assert (await world.http.get("/v1/incidents")).json()["incidents"] == []
    assert (await world.http.get(f"/v1/incidents/{record['incident_id']}")).status_code == 404
    alerts = await world.pool.fetch("SELECT kind FROM console.alerts WHERE agency = $1", agency)
    assert [row["kind"] for row in alerts] == ["breach_opened"]


@pytest.mark.requirement("SEC-02")
async def test_a_breach_is_worked_on_counted_and_closed_and_every_step_is_recorded(pg_database, tmp_path):
    async with running(pg_database, tmp_path) as world:
        world.sign_in("westminster", "program_manager")
        for changes in ({"kind": "gossip"}, {"title": " "}, {"data": ["rumors"]}, {"persons": -1}):
            wrong = await world.http.post("/v1/incidents", json=report(**changes))
            assert (wrong.status_code, wrong.json()["reason_code"]) == (422, "FIELD_INVALID"), wrong.text
        window = {"captured_from": "2026-11-01T00:00:00+00:00", "captured_to": "2026-11-03T00:00:00+00:00"}
        record = (await world.http.post("/v1/incidents", json=report(**window))).json()
        path = f"/v1/incidents/{record['incident_id']}"
        counted = await world.http.post(f"{path}/counts")
        assert (counted.status_code, counted.json()["counts"]["reads"]) == (201, 120)
        assert world.asked == [("/v1/affected-counts", {**window, "device_ids": ["pole-1"]})]
        early = await world.http.post(f"{path}/closure", json={"words": "done"})
        assert (early.status_code, early.json()["reason_code"]) == (409, "STATE_CONFLICT")
        noted = await world.http.post(f"{path}/entries", json={"words": "The account is disabled."})
        assert noted.json()["timeline"][-1]["words"] == "The account is disabled."
        world.sign_in("westminster", "custodian", name="c-1")
        for task in record["tasks"]:
            done = await world.http.post(f"{path}/tasks/{task['task_id']}", json={"note": "done so"})
            assert done.status_code == 200, done.text
        refused = await world.http.post(f"{path}/closure", json={"words": "over"})
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        world.sign_in("westminster", "program_manager")
        closed = (await world.http.post(f"{path}/closure", json={"words": "Passwords changed."})).json()
        assert (closed["state"], closed["may"]) == ("closed", [])
        late = await world.http.post(f"{path}/entries", json={"words": "one more"})
        assert (late.status_code, late.json()["reason_code"]) == (409, "STATE_CONFLICT")
        kinds = [event.kind for event in await told(world)]
        assert {
            "breach_opened",
            "breach_view",
            "breach_counted",
            "breach_noted",
            "breach_task_done",
            "breach_closed",
        } <= {*kinds}
        assert kinds.count("breach_task_done") == len(record["tasks"])
        (first, *_) = [event for event in await told(world) if event.kind == "breach_opened"]
        assert first.personal["description"] == "Found on a screen in the lobby."
        assert "lobby" not in json.dumps(dict(first.facts)), "what a person wrote can be erased"
