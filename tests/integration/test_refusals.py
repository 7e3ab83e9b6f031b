"""Every refusal of every door is one entry with its reason, and a flood of nameless calls is counted (AUD-09)."""

import asyncio
import re
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

from alpr_ingest.api import build_app
from alpr_ingest.api.door import Doors as IngestDoors
from alpr_ingest.app import refusal_log
from alprcore.policy import RECORDED
from alprcore.profiles import load_profiles
from alprcore.seal import SigningKey, sign_person
from alprcore.topics import Topic
from alprcore.wire import decode_audit_event
from tests.fixtures.desk import desk
from tests.fixtures.doors import Doors, utc_now

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.requirement(
        "AUD-09", partial="frames refused one by one inside a batch go to the dead letters instead"
    ),
]
IDS = "00000000-0000-5000-8000-000000000001"
FORWARDED = ("audit ", "ingest ", "retention ")


def routes_of(app):
    """Method and path of every route below /v1, the parameters filled in; forwarded ones apart."""
    own, forwarded = [], []

    def walk(routes):
        for route in routes:
            if hasattr(route, "original_router"):
                walk(route.original_router.routes)
            elif getattr(route, "path", "").startswith("/v1/"):
                path = re.sub(r"\{[^}]+\}", IDS, route.path)
                place = forwarded if getattr(route, "name", "").startswith(FORWARDED) else own
                place.extend((method, path) for method in sorted(route.methods - {"HEAD", "OPTIONS"}))

    walk(app.routes)
    return own, forwarded


async def call(http, method, path, headers):
    body = {} if method in ("POST", "PUT", "DELETE", "PATCH") else None
    async with asyncio.timeout(20):
        return await http.request(method, path, json=body, headers=headers)


async def test_console_every_route_refuses_strangers_and_the_powerless_with_one_entry(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        own, forwarded = routes_of(made.console.app)
        assert len(own) > 40
        assert len(forwarded) > 15
        powerless = made.as_((), "irvine", name="nobody")
        await made.employ(powerless)
        refused = 0
        for headers, routes in (({}, own + forwarded), (powerless, own)):
            for method, path in routes:
                made.later(minutes=2)
                if path == "/v1/openapi.json" or (headers and path.startswith(("/v1/events", "/v1/session", "/v1/me"))):
                    continue
                await made.sql("DELETE FROM console.outbox")
                answer = await call(made.http, method, path, headers)
                told = list(await made.events("refused") + await made.events("sign_in"))
                expected = [answer.json()["reason_code"]] if answer.status_code in RECORDED else []
                codes = [event.reason_code for event in told if event.outcome == "refused"]
                assert codes == expected, (method, path, answer.status_code)
                refused += len(expected)
                for event in told:
                    asks_nobody = path.startswith(("/v1/sign-in", "/v1/session"))
                    assert event.personal.get("username", "") in ({"nobody"} if headers and not asks_nobody else {""})
                    assert event.facts["status"] == str(answer.status_code)
        assert refused > len(own) + len(forwarded)


async def test_console_changes_from_another_site_are_entered_and_floods_are_counted(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        foreign = {"origin": "https://elsewhere.example"}
        answer = await made.http.post("/v1/session", json={"username": "x", "password": "y"}, headers=foreign)
        assert (answer.status_code, answer.json()["reason_code"]) == (403, "CROSS_ORIGIN")
        assert [event.reason_code for event in await made.events("refused")] == ["CROSS_ORIGIN"]
        made.later(minutes=2)
        await made.sql("DELETE FROM console.outbox")
        for _ in range(60):
            assert (await made.http.get("/v1/hits")).status_code == 401
        assert len(await made.events("refused")) == 20
        made.later(minutes=1)
        await made.console.refusals.flush()
        told = await made.events("refused")
        assert sum(int(event.facts.get("count", 1)) for event in told) == 60
        assert len(told) == 21
        assert {event.personal["source_ip"] for event in told} == {"127.0.0.1"}


async def test_console_pages_and_wrong_passwords_are_entered_once_too(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        nobody = made.as_((), "irvine", name="nobody")
        await made.employ(nobody)
        wrong = {"username": "irvine.nobody", "password": "not the password"}
        calls = [
            ("GET", "/hits", nobody, None, "ROLE_NOT_AUTHORISED"),
            ("GET", "/audits", nobody, None, "ROLE_NOT_AUTHORISED"),
            ("POST", "/v1/sign-in", {}, wrong, "CREDENTIALS_WRONG"),
            ("POST", "/v1/sign-in", {}, {**wrong, "username": "who.ever"}, "CREDENTIALS_WRONG"),
            ("POST", "/v1/sign-in", {}, {"username": "x"}, "FIELD_INVALID"),
        ]
        for method, path, headers, body, code in calls:
            made.later(minutes=30)
            await made.sql("DELETE FROM console.outbox")
            answer = await made.http.request(method, path, headers={**headers, "accept": "text/html"}, json=body)
            told = [event for event in await made.sent("audit") if event.outcome == "refused"]
            assert answer.status_code in RECORDED, (path, answer.text)
            assert [event.reason_code for event in told] == [code], path
        assert {event.kind for event in told} == {"refused"}


class _Outbox:
    """What ingest would relay."""

    def __init__(self):
        self.sent = []

    async def put_out(self, outgoing):
        self.sent += outgoing

    async def hotlist(self, *_):
        return None  # the agency has no list

    feed = hotlist

    def __getattr__(self, name):
        async def nothing(*_args, **_more):
            return {}

        return nothing


async def test_ingest_every_route_refuses_strangers_and_the_powerless_with_one_entry(tmp_path):
    key, store, moment = SigningKey.generate(tmp_path / "key"), _Outbox(), SimpleNamespace(now=utc_now())
    doors = IngestDoors(
        store=store, publisher=None, dead_letters=None, images=None, relay=SimpleNamespace(kick=lambda: None),
        loader=SimpleNamespace(layouts={}), entering=None, puller=None, dry_runs=None, packing=None, republishing=None,
        profiles=load_profiles(), largest_list=1,
        person_key=key.public, clock=lambda: moment.now, refusals=refusal_log(store, lambda: moment.now),
    )  # fmt: skip
    app = build_app(doors)
    own, _ = routes_of(app)
    assert len(own) > 8
    person = Doors.person(None, roles=("garage",))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as http:
        for powerless in (False, True):
            for method, path in own:
                store.sent.clear()
                moment.now += timedelta(minutes=2)  # far fewer than twenty a minute: a scan is counted instead
                headers = {"authorization": f"Person {sign_person(key, person, moment.now)}"} if powerless else {}
                answer = await call(http, method, path, headers)
                expected = [answer.json()["reason_code"]] if answer.status_code in RECORDED else []
                events = [decode(message) for message in store.sent if message.topic is Topic.AUDIT]
                assert [event.reason_code for event in events] == expected, (method, path, answer.status_code)
                if not headers:
                    assert answer.status_code in RECORDED
                elif expected and not path.endswith(("/v1/frames", "/lists/package", "/lists/state")):  # devices' own
                    assert events[0].personal["username"] == "jdoe"


def decode(message):
    return decode_audit_event(message.value, {"ce_type": b"alpr.v1.audit_event"})


async def test_audit_and_retention_every_route_refuses_strangers_and_the_powerless_with_one_entry(
    pg_database, tmp_path
):
    async with Doors(pg_database, tmp_path) as doors:
        audit, _ = routes_of(doors.audit.http)
        keeper, _ = routes_of(doors.shelf._transport.app)
        assert len(audit) > 20
        assert len(keeper) > 5
        for powerless in (False, True):
            doors.audit.door.clock = utc_now
            for number, (method, path) in enumerate(audit):
                before = doors.audit.writer.size
                if not powerless:  # far fewer than twenty a minute: a scan is counted, not entered call by call
                    moment = utc_now() + number * timedelta(minutes=2)
                    doors.audit.door.clock = lambda at=moment: at
                headers = doors.auth(roles=("garage",)) if powerless else {}  # a token lives 5 s
                answer = await call(doors.http, method, path, headers)
                rows = await doors.sql("SELECT convert_from(leaf, 'UTF8')::jsonb ->> 'reason_code' FROM audit.entries"
                                       " WHERE idx >= $1 AND kind = 'refused'", before)  # fmt: skip
                expected = [answer.json()["reason_code"]] if answer.status_code in RECORDED else []
                if answer.status_code not in (404, 410, 413, 429):
                    assert [row[0] for row in rows] == expected, (method, path, answer.status_code)
                open_to_all = path == "/v1/audit/checkpoint"
                assert powerless or open_to_all or answer.status_code in (401, 422), (method, path)
            for number, (method, path) in enumerate(keeper):
                doors.heard.messages.clear()
                moment = utc_now() + (0 if powerless else number) * timedelta(minutes=2)
                doors.clock = lambda at=moment: at
                headers = doors.auth(roles=("garage",)) if powerless else {}
                answer = await call(doors.shelf, method, path.replace(IDS, "7") if number == 0 else path, headers)
                events = await doors.told()
                expected = [answer.json()["reason_code"]] if answer.status_code in RECORDED else []
                if answer.status_code not in (404, 410, 413):
                    assert [e.reason_code for e in events if e.kind == "refused"] == expected, (method, path)
                open_to_all = path == "/v1/evidence-key"
                assert powerless or open_to_all or answer.status_code in (401, 422), (method, path)
