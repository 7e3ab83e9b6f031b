"""Nothing but the glossary's and the policy's public pages opens without a session, and a disabled account has none."""

import contextlib
import itertools
import json
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest

import alpr_ingest.api
from alprcore import audited
from alprcore.seal import SigningKey, read_person, sign_person
from tests.fixtures import people
from tests.fixtures.apps import every_app
from tests.fixtures.console import running_console, sql, wait_for
from tests.fixtures.doors import Doors, utc_now
from tests.fixtures.postgres import _database

PREFIX = f"nos{secrets.token_hex(3)}."
PROVIDER_PAGES = {"/login/provider", "/login/provider/back", "/login/provider/logout"}
PUBLIC_PAGES = {"/login", "/login/second", "/source", "/public/policy"}
"""Pages without a session: the way in, the offer of the source (AGPL 13), and what must be published (ADM-05)."""
PUBLIC_CALLS = {"/v1/session", "/v1/sign-in", "/v1/sign-in/second"}
"""Calls that make a session; each demands what proves a person."""


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("no_session")
    with (
        _database(pg_admin_dsn, "nosession", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder, OPS_PORT="0") as running,
    ):
        yield running


def filled(way):
    """Method, path, and an address with something in the place of each parameter."""
    method, path = way.split()
    return method, path, re.sub(r"\{[^}]+\}", "7", path)


@pytest.mark.requirement(
    "ACC-01", partial="HTTP only; broker, database and object store refuse nameless clients in other tests"
)
def test_every_route_of_the_console_wants_a_session(console, tmp_path):
    routes = [filled(way) for way in audited.ways(every_app(tmp_path)["console"].routes)]
    assert len(routes) > 80
    assert any("images" in path for _, path, _ in routes)
    public = PUBLIC_PAGES | PROVIDER_PAGES | PUBLIC_CALLS
    closed_ones = [way for way in routes if way[1] not in public or way[:2] == ("GET", "/v1/session")]
    keys = ({}, {"cookie": "plateline_session=guess"}, {"authorization": "Bearer guess"})
    with httpx.Client(base_url=console.url, timeout=30) as client, ThreadPoolExecutor(4) as pool:

        def opened(case):
            (method, path, address), headers = case
            answer = client.request(method, address, headers=headers)
            if path.startswith("/v1/"):
                closed = answer.status_code == 401 and answer.json()["reason_code"] == "NO_SESSION"
            else:
                closed = answer.status_code == 401 or (
                    answer.status_code == 303 and answer.headers["location"] == "/login"
                )
            return None if closed else (method, path, answer.status_code)

        cases = list(itertools.product(closed_ones, keys))
        assert len(cases) > 240
        assert [found for found in pool.map(opened, cases) if found] == []
        for path in ("/v1/session", "/v1/sign-in", "/v1/sign-in/second"):
            assert client.post(path, json={}).status_code == 422
        for path in sorted(PUBLIC_PAGES - {"/login/second"}):
            assert client.get(path).status_code in (200, 303, 404, 422), path


def test_figures_are_shown_on_the_operators_port_alone(console):
    lines = [json.loads(line) for line in console.log.read_text().splitlines() if "http_listening" in line]
    (inside,) = {line["port"] for line in lines} - {httpx.URL(console.url).port}
    assert httpx.get(f"{console.url}/metrics").status_code == 404
    assert "alpr_console_" in httpx.get(f"http://127.0.0.1:{inside}/metrics").text


@pytest.mark.asyncio
@pytest.mark.requirement("ACC-01", partial="HTTP only: audit, retention and ingest behind the console")
async def test_every_route_of_the_other_services_wants_a_persons_token(pg_database, tmp_path):
    key, silent = SigningKey.generate(tmp_path / "key"), AsyncMock(kick=MagicMock())
    door = SimpleNamespace(refusals=silent, clock=utc_now, person_key=key.public, relay=silent, store=silent)
    # signed and without content: whoever watches the log may fetch it; the key by which a stranger verifies a package
    public = {"/v1/audit/checkpoint", "/v1/evidence-key"}
    async with Doors(pg_database, tmp_path) as doors:
        apps = (doors.audit.http, doors.shelf._transport.app, alpr_ingest.api.build_app(door))
        for app in apps:
            ways = [filled(way) for way in audited.ways(app.routes)]
            assert len(ways) > 5
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
                for method, path, address in ways:
                    if path in public or method == "HEAD" or not path.startswith("/v1/"):
                        continue
                    for headers in ({}, {"authorization": "Bearer guess"}, {"authorization": "Person guess.guess"}):
                        status = (await client.request(method, address, headers=headers)).status_code
                        # without its parameters or its body a call is refused before anybody looks who sent it
                        assert status in (401, 422), (method, path, headers)


@pytest.mark.requirement("ACC-11", partial="account administration itself is tested with the accounts")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_a_disabled_account_loses_everything_within_five_seconds(console, agency):
    username = people.make_person(console, agency, "dispatcher")
    admin_name = people.make_person(console, agency, people.PROFILES[agency].governance.access_managers[0])
    ended, status, ended_at = threading.Event(), [], []

    def listen(client):
        with contextlib.suppress(httpx.HTTPError), client.stream("GET", "/v1/events", timeout=60) as answer:
            status.append(answer.status_code)
            for _ in answer.iter_lines():
                pass
        ended_at.append(time.monotonic())
        ended.set()

    with people.signed_in(console, username) as client, people.signed_in(console, admin_name) as admin:
        token = client.headers["authorization"].removeprefix("Bearer ")
        threading.Thread(target=listen, args=(client,), daemon=True).start()
        wait_for("the open stream", lambda: status)
        console.doors.json("GET", "/v1/devices", 200, {"devices": []})
        assert client.get("/v1/devices").status_code == 200  # at a door, with a token that lives 5 s
        person = next(asked[2] for asked in reversed(console.doors.asked) if asked[2] is not None)
        assert person.username == username
        vouched_at = datetime.now(UTC)
        assert client.get("/", headers={"cookie": f"plateline_session={token}"}).headers["location"] != "/login"
        assert admin.put(f"/v1/people/{username}/state", json={"disabled": True, "reason": "left"}).status_code in (
            200,
            204,
        )
        disabled_at = time.monotonic()
        assert client.get("/v1/hits").status_code == 401
        assert client.get("/v1/devices").status_code == 401
        with httpx.Client(base_url=console.url, cookies={"plateline_session": token}) as browser:
            assert browser.get("/hits").headers["location"] == "/login"
        # the time between the two events, however late this thread gets to look at it
        assert ended.wait(60), "the stream never ended"
        assert ended_at[0] - disabled_at < 5.0
    # what a door was given before dies by itself: the console's word for a person holds 5 s
    key = SigningKey.load(console.environment["ALPR_CONSOLE_PERSON_KEY_FILE"])
    word = sign_person(key, person, vouched_at)
    assert read_person(word, key.public, vouched_at + timedelta(seconds=4.9)).username == username
    with pytest.raises(PermissionError, match="TOKEN_EXPIRED"):
        read_person(word, key.public, vouched_at + timedelta(seconds=5.1))
    (row,) = sql(console, "SELECT disabled_at FROM console.people WHERE username = $1", username)
    assert row["disabled_at"] is not None
    with httpx.Client(base_url=console.url) as again:
        refused = again.post("/v1/session", json={"username": username, "password": people.PASSWORD})
        assert refused.status_code == 401
