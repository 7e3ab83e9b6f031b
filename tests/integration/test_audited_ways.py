"""Every way to data, called for real: each call leaves an entry before anything is shown (AUD-08)."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

import alpr_console.main
from alpr_console.web import COOKIE, SignedIn, csrf_of
from alprcore import audited, postgres, wire
from alprcore.links import image_links
from alprcore.seal import ListKeys
from tests.fixtures import console as screens
from tests.fixtures.apps import console_settings
from tests.fixtures.doors import QUERY, Doors, make_read, utc_now
from tests.fixtures.releases import ASKED

pytestmark = pytest.mark.asyncio

ROLES = ("investigator", "supervisor", "auditor", "dispatcher", "program_manager")
TOKEN = "a session of this test"
ACTS = {"POST /v1/image-views", "POST /v1/exports", "POST /v1/queries", "POST /v1/hit-queries", "POST /v1/audit/log",
        "POST /search", "POST /audits/entries"}  # fmt: skip
"""Ways that show something though they are no GET: these too must answer, not only refuse."""
ABSENT = {
    "/v1/evidence-exports/{",
    "canvass_id",
    "task_id",
    "verification_id",
    "lookup_id",
    "/audits/findings",
    "hotlists",
    "volumes",
}
"""What is not there in this test: asking for it shows nothing."""


@asynccontextmanager
async def everything(database, folder):
    """Audit, retention and console in this process, the console's doors led to the others."""
    async with Doors(database, folder) as doors:
        pool = await postgres.connect(database.url("console"))
        stop = asyncio.Event()
        keys = ListKeys.generate(folder / "links.keys", "k")
        settings = console_settings(folder, list_keys_file=folder / "links.keys")
        built = alpr_console.main.build(settings, pool, doors.profiles, stop)
        person = doors.person(roles=ROLES)
        session = SignedIn(person, doors.profiles["demo"], csrf_of(TOKEN), sound_armed=True, muted_until=None)

        async def find(*_):
            return session

        object.__setattr__(built.app.state.web, "find_session", find)
        ways = {"all://audit": doors.http._transport, "all://retention": doors.shelf._transport}
        built.doors._client = httpx.AsyncClient(mounts=ways)
        screen = httpx.AsyncClient(
            transport=httpx.ASGITransport(built.app), base_url="https://console", cookies={COOKIE: TOKEN},
            headers={"x-csrf-token": csrf_of(TOKEN), "origin": "https://console"},
        )  # fmt: skip
        try:
            yield SimpleNamespace(
                doors=doors, console=built, screen=screen, pool=pool, stop=stop, person=person, keys=keys
            )
        finally:
            stop.set()
            await screen.aclose()
            pool.terminate()


async def kinds_since(world, mark):
    """Kinds of what was recorded since: in the ledger, on its topic, in the console's outbox."""
    entries = await world.doors.sql("SELECT kind FROM audit.entries WHERE idx > $1", mark[0])
    await world.doors.told()
    outbox = await world.doors.sql(
        "SELECT value, headers FROM console.outbox WHERE topic = 'audit' AND outbox_id > $1", mark[1]
    )
    heard = [wire.decode_audit_event(value, headers) for topic, _, value, headers in world.doors.heard.messages[mark[2] :]
             if str(topic) == "audit"]  # fmt: skip
    events = [wire.decode_audit_event(row["value"], _headers(row["headers"])) for row in outbox]
    return {row["kind"] for row in entries} | {event.kind for event in (*heard, *events)}


def _headers(packed):
    return {name: base64.b64decode(content) for name, content in json.loads(packed)}


async def marked(world):
    last = (await world.doors.sql("SELECT coalesce(max(idx), -1) FROM audit.entries"))[0][0]
    out = (await world.doors.sql("SELECT coalesce(max(outbox_id), 0) FROM console.outbox"))[0][0]
    return last, out, len(world.doors.heard.messages)


async def furnish(world):
    """A read with images, an answered query, a report, a live hit with its incident: the ids that paths and bodies name."""
    doors, now = world.doors, utc_now()
    read = await doors.with_images(make_read())
    hit = screens.make_hit("8TST001", now=now)
    shown = replace(hit, read=await doors.with_images(hit.read))
    await doors.keep(shown.read, hits=[shown])
    await doors.keep(read)
    await world.console.hits.put_notification(screens.make_notification(hit), now)
    asked = (await doors.ask({"plate": "8TST001"}, person=world.person)).json()
    span = {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    report = await doors.http.post("/v1/audit/reports", json=span, headers=doors.auth(world.person))
    requested = (await doors.shelf.post("/v1/release-requests", json=ASKED, headers=doors.auth(world.person))).json()
    paper = {**doors.auth(world.person), "content-type": "text/plain"}
    await doors.shelf.put(f"/v1/release-requests/{requested['request_id']}/document", content=b"dear", headers=paper)
    wish = {"ground": "evidence", "case_number": "26-1", "query": {"plate": "8TST001"}}
    held = (await doors.shelf.post("/v1/holds", json=wish, headers=doors.auth(world.person))).json()
    breach = (await world.screen.post("/v1/incidents", json={"kind": "other", "title": "t", "description": "d"})).json()
    soon = (now + timedelta(days=9)).isoformat()
    wanted = {
        "kind": "discovery",
        "reference": "1",
        "requester": "Counsel",
        "wanted": "reads",
        "received_at": now.isoformat(),
    }
    asked_for = await doors.shelf.post("/v1/demands", json={**wanted, "due_at": soon}, headers=doors.auth(world.person))
    return SimpleNamespace(
        incident=breach["incident_id"], demand=asked_for.json()["demand_id"], hold=held["hold_id"], request=requested["request_id"], read=read.read_id, hit=hit.hit_id, query=asked["query_id"], span=span, report=report.json()["report_id"],
        link=image_links(world.keys, "https://console", "demo", hit.hit_id, now)[0].url.removeprefix("https://console"),
    )  # fmt: skip


def body_of(way, ids):
    """What is posted where more than nothing is needed; other posts may be refused: that is an entry too."""
    search = {**QUERY, "criteria": {"plate": "8TST001"}}
    image = {"read_id": ids.read, "role": "closeup", "query_id": ids.query}
    return {
        "/v1/queries": search,
        "/v1/hit-queries": search,
        "/v1/image-views": image,
        "/v1/exports": {"query_id": ids.query, "format": "json", "purpose_code": "criminal_investigation",
                        "justification": "attachment to the burglary report"},
        "/v1/audit/reports": ids.span,
        "/v1/release-requests": ASKED,
        "/v1/disclosures": {"read_id": ids.read},
        "/presented": {"sound": True, "screen": True},
        "/read-check": {"result": "match"},
        "/v1/holds": {"ground": "evidence", "case_number": "26-1", "query": {"plate": "8TST001"}},
    }.get(next((end for end in ("/presented", "/read-check") if way.endswith(end)), way.split()[1]), {})  # fmt: skip


def path_of(way, ids, entry):
    path, rest = way.split()[1], {
        "reads": f"{ids.read}?query_id={ids.query}", "audit": "log", "images": entry, "live-hits": f"{ids.hit}/images/closeup",
        "holds": ids.hold, "evidence-exports": f"{ids.hold}/volumes/1", "demands": ids.demand, "repositories": "arjis/stop", "sharing-agreements": f"{ids.hold}/stop", "hotlists": "SVS/loads", "release-requests": f"{ids.request}/document",
    }  # fmt: skip
    for name, value in {
        "request_id": ids.request, "read_id": ids.read, "query_id": ids.query, "hit_id": ids.hit, "report_id": ids.report, "role": "closeup",
        "hold_id": ids.hold, "incident_id": ids.incident, "demand_id": ids.demand, "index": ids.query, "entry": entry, "approval_id": 1, "event": 1, "event_id": 1, "task_id": "t-1",
        "finding_id": "f-1", "plate_id": "p-1", "verification_id": "v-1", "lookup_id": "l-1",
        "rest:path": rest.get(path.split("/")[2] if path.count("/") > 1 else "", ""),
    }.items():  # fmt: skip
        path = path.replace("{" + name + "}", str(value))
    if way.startswith("GET /v1/cad/images"):
        return ids.link
    if path.endswith(f"/reads/{ids.read}"):
        path += f"?query_id={ids.query}"
    if path.endswith("/trail"):
        path += f"?read_id={ids.read}"
    return path + ("?old=1&new=2" if path.endswith("/consistency") else "")


async def called(world, service, way, ids):
    """Call a way as a person; a stream is read until its first data. Answers status and what was recorded."""
    doors, entry = world.doors, ""
    if "/images/" in way and "live" not in way and "/cad/" not in way:
        wish = {"read_id": ids.read, "role": "closeup", "query_id": ids.query}
        entry = (await doors.http.post("/v1/image-views", json=wish, headers=doors.auth(world.person))).json()["entry"]
    mark, (method, _) = await marked(world), way.split()
    path, body = path_of(way, ids, entry), body_of(way, ids)
    stopper = None
    if way == "GET /v1/events":  # ends with the service, as soon as it showed something

        async def stop():
            with suppress(TimeoutError):
                async with asyncio.timeout(20):
                    while not await kinds_since(world, mark):
                        await asyncio.sleep(0.1)
            world.stop.set()

        stopper = asyncio.create_task(stop())
    client = {"audit": doors.http, "retention": doors.shelf, "console": world.screen}[service]
    headers = {} if service == "console" else doors.auth(world.person)
    if way == "POST /search":
        form = {"plate": "8TST001", "purpose_code": QUERY["purpose_code"], "justification": QUERY["justification"],
                "case_number": "26-1", "attest_no_first_amendment": "on", "csrf": csrf_of(TOKEN)}  # fmt: skip
        answer = await client.post(path, data=form)
    elif path.startswith(("/search", "/audits", "/hits")) and method == "POST":
        answer = await client.post(path, data={"csrf": csrf_of(TOKEN)})
    else:
        content = json.dumps(body).encode() if method != "GET" else None
        answer = await client.request(
            method, path, content=content, headers={**headers, "content-type": "application/json"}
        )
    if stopper is not None:
        await stopper
    return answer, await kinds_since(world, mark)


@pytest.mark.requirement("AUD-08")
async def test_every_call_of_a_way_to_data_leaves_an_entry(pg_database, tmp_path):
    wrong = []
    async with everything(pg_database, tmp_path) as world:
        ids = await furnish(world)
        ways = [(service, way) for service, listed in audited.DATA.items() for way in listed if service != "ingest"]
        ways = [way for way in ways if audited.DATA[way[0]][way[1]] != "> ingest"]  # posted lists: tested at ingest
        for service, way in sorted(ways, key=lambda one: one[1].endswith("/events")):  # the stream ends the console
            answer, made = await called(world, service, way, ids)
            expected = set(audited.kinds(service, way))
            shows = (way.startswith("GET") or way in ACTS) and not any(word in way for word in ABSENT)
            if service == "retention" and way.startswith("GET /v1/images"):
                expected |= {"image_view"}  # recorded by the door that gave the entry out
                made |= {"image_view"} if answer.status_code == 200 else set()
            if way == "GET /v1/images/{rest:path}" and answer.status_code == 200:
                made |= {"image_view"}
            well = made & expected if expected and answer.status_code < 400 else made
            nothing = answer.status_code in {404, 405} and not shows
            if not (well or nothing) or (shows and answer.status_code >= 400):
                wrong.append((service, way, answer.status_code, sorted(made), answer.text[:200]))
    assert wrong == []
    assert len(ways) > 80
