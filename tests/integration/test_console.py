"""The console on a real broker and database; where another service would answer, a door that remembers who asked."""

import asyncio
import contextlib
import json
import re
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import psutil
import pytest

from alpr_cli.local import free_port
from alpr_console.accounts.rules import totp
from alprcore import wire
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import ClientKind, NotificationKind, make_id
from alprcore.profiles import load_profiles, shipped_documents
from alprcore.topics import Topic
from tests.fixtures import people
from tests.fixtures.console import (
    PASSWORD,
    make_hit,
    make_notification,
    read_all,
    running_console,
    sealed,
    sql,
    wait_for,
)
from tests.fixtures.postgres import _database
from tests.fixtures.purges import BEFORE, message_of, order_of

PREFIX = f"con{secrets.token_hex(3)}."
TERMS = {
    "alpr", "lpr", "alpr_system", "detection", "stationary_camera", "mobile", "fixed", "hit", "hot_list",
    "special_hot_list", "hot_plate", "alpr_administrator", "cdms", "learn", "tas",
}  # fmt: skip


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    with (
        _database(pg_admin_dsn, "console", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder, OPS_PORT=str(free_port())) as running,
    ):
        yield running


def audit_events(console, kind):
    """Events of a kind on topic audit, as any subscriber would decode them."""
    seen = [wire.decode_audit_event(m.value, m.headers) for m in read_all(console.bootstrap, f"{console.prefix}audit")]
    return [event for event in seen if event.kind == kind]


class Watcher:
    """A client of the event stream, in a thread: what came, and when it ended."""

    def __init__(self, client, last_event_id=None):
        self.events, self.ended, self.status = [], threading.Event(), None
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        self._thread = threading.Thread(target=self._run, args=(client, headers), daemon=True)
        self._thread.start()

    def _run(self, client, headers):
        with (
            contextlib.suppress(httpx.HTTPError),
            client.stream("GET", "/v1/events", headers=headers, timeout=60) as answer,
        ):
            self.status, current = answer.status_code, {}
            for line in answer.iter_lines():
                if not line and current.get("event"):
                    self.events.append((current["event"], current.get("id"), json.loads(current["data"])))
                    current = {}
                elif ": " in line:
                    name, _, value = line.partition(": ")
                    current[name] = value
        self.ended.set()

    def named(self, name):
        return [event for event in self.events if event[0] == name]

    def card(self, hit_id):
        cards = [data for _, _, data in self.named("incident") if data["hit_id"] == hit_id]
        return cards[-1] if cards else None


def test_nobody_gets_in_without_a_session(console):
    with httpx.Client(base_url=console.url) as client:
        for path in ("/v1/hits", "/v1/events", "/v1/glossary", "/v1/devices", "/v1/live-hits/x/images/closeup"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["reason_code"]) == (401, "NO_SESSION"), path
        for path in ("/", "/hits", "/search"):
            assert client.get(path).headers["location"] == "/login"


def test_cookie_is_strict_and_changes_need_the_pages_token(console):
    with console.sign_in() as client:
        answer = client.post("/v1/session", json={"username": "dispatcher", "password": PASSWORD})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        client.headers.pop("x-csrf-token")
        refused = client.post("/v1/session/mute", json={"minutes": 5})
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "CSRF_TOKEN_WRONG")
        foreign = client.post("/v1/session/mute", json={"minutes": 5}, headers={"origin": "https://elsewhere.example"})
        assert foreign.json()["reason_code"] == "CROSS_ORIGIN"


def test_pages_are_not_kept_and_run_no_foreign_code(console):
    with console.sign_in() as client:
        for path in ("/hits", "/search", "/glossary", "/source", "/v1/session"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert "http://" not in answer.text.replace(console.url, "")


def test_five_wrong_passwords_lock_the_account(console):
    with httpx.Client(base_url=console.url) as client:
        attempt = {"username": "retention", "password": "wrong"}
        codes = [client.post("/v1/session", json=attempt).json()["reason_code"] for _ in range(6)]
        assert codes == ["CREDENTIALS_WRONG"] * 5 + ["ACCOUNT_LOCKED"]
        right = client.post("/v1/session", json={"username": "retention", "password": PASSWORD})
        assert (right.status_code, right.json()["reason_code"]) == (401, "ACCOUNT_LOCKED")
    with console.sign_in("administrator") as admin:
        assert admin.delete("/v1/people/retention/lock").status_code == 204
    with console.sign_in("retention"):
        pass
    wrong = lambda: [e for e in audit_events(console, "sign_in") if e.reason_code == "CREDENTIALS_WRONG"]  # noqa: E731
    wait_for("the attempts in the ledger's topic", lambda: len(wrong()) == 5)


def test_the_second_factor_is_not_waived_for_a_forwarded_call(console):
    with httpx.Client(base_url=console.url, headers={"x-forwarded-for": "127.0.0.1"}) as client:
        answer = client.post("/v1/session", json={"username": "dispatcher", "password": PASSWORD})
        assert (answer.status_code, answer.json()["reason_code"]) == (401, "SECOND_FACTOR_NOT_ENROLLED")


def test_an_added_person_signs_in_with_password_and_code_and_no_code_twice(console):
    command = [sys.executable, "-m", "alpr_console", "add-person", "irvine", "jroe", "Jo Roe", "dispatcher"]
    made = subprocess.run(command, env=console.environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    password, secret = re.fullmatch(r"password (\S+)\notpauth://\S+secret=([A-Z2-7]+)&\S+\n", made.stdout).groups()
    code = totp(secret, int(time.time()) // 30)
    with httpx.Client(base_url=console.url) as client:
        attempt = {"username": "jroe", "password": password}
        assert client.post("/v1/session", json=attempt).json()["reason_code"] == "SECOND_FACTOR_WRONG"
        assert client.post("/v1/session", json={**attempt, "code": code}).status_code == 201
        assert client.get("/v1/session").json()["agency"] == "irvine"
        assert 'class="watermark"' not in client.get("/glossary").text
        again = client.post("/v1/session", json={**attempt, "code": code})
        assert (again.status_code, again.json()["reason_code"]) == (401, "SECOND_FACTOR_WRONG")
        assert "was used already" in again.json()["detail"]


@pytest.mark.requirement("DEF-01")
def test_glossary_in_the_wording_of_every_profile(console):
    with console.sign_in("investigator") as client:
        answer = client.get("/v1/glossary").json()
        assert {term["code"] for term in answer["terms"]} >= TERMS
        assert answer["wording"] == load_profiles()["demo"].wording
    # the other profiles: the same call by a person of that agency
    for agency in people.AGENCIES:
        with people.signed_in(console, people.make_person(console, agency, "auditor")) as client:
            answer = client.get("/v1/glossary").json()
        assert answer["agency"] == agency
        assert answer["wording"] == load_profiles()[agency].wording
        assert {term["code"] for term in answer["terms"]} >= TERMS, agency


def legs_told(console):
    text = httpx.get(f"http://127.0.0.1:{console.environment['ALPR_CONSOLE_OPS_PORT']}/metrics").text
    return dict(re.findall(r'^alpr_pipeline_leg_seconds_count{leg="(\w+)"} (\S+)$', text, re.MULTILINE))


@pytest.mark.requirement("HIT-02")
def test_a_hit_reaches_the_screen_and_its_receipt_says_sound_and_screen(console):
    hit = make_hit("7HIT002")
    with console.sign_in() as client:
        stream = Watcher(client)
        wait_for("the queue", lambda: stream.named("snapshot"))
        console.publish(make_notification(hit))
        card = wait_for("the hit", lambda: stream.card(hit.hit_id))
        assert (card["audible"], card["advisory_words"], card["workflow_state"]) == (
            True,
            "Stolen vehicle",
            "unverified",
        )
        assert "Unverified lead" in card["screen_text"]
        receipt = client.post(f"/v1/hits/{hit.hit_id}/presented", json={"sound": True, "screen": True})
        assert receipt.status_code == 201
        wait_for("the time it was shown", lambda: stream.card(hit.hit_id)["hit_shown_at"])
        assert client.post(f"/v1/hits/{hit.hit_id}/presented", json={"sound": False, "screen": True}).status_code == 201
        answer = client.get(f"/v1/hits/{hit.hit_id}").json()
        assert [(p["sound"], p["screen"]) for p in answer["presented"]] == [(True, True)]
        assert answer["incident"]["audible"] is True
        trail = [answer[f"{stop}_at"] for stop in ("captured", "received", "read", "matched")]
        trail += [answer["incident"][f"{stop}_at"] for stop in ("notified", "stored", "shown")]
        assert sorted(trail, key=datetime.fromisoformat) == trail
        assert client.post(f"/v1/hits/{hit.hit_id}/acknowledge").status_code == 201
        assert legs_told(console).keys() == {
            "captured_to_received", "received_to_read", "read_to_matched", "matched_to_notified", "notified_to_stored",
            "stored_to_shown", "captured_to_shown", "shown_to_acknowledged",
        }  # fmt: skip
    events = wait_for(
        "the receipt on topic audit",
        lambda: [e for e in audit_events(console, "hit_presented") if e.facts["subject"] == hit.hit_id],
    )
    assert len(events) == 1
    assert (events[0].facts["sound"], events[0].facts["screen"]) == ("true", "true")
    assert events[0].personal["username"] == "dispatcher"


@pytest.mark.requirement("HIT-02")
def test_muting_is_per_session_limited_and_logged(console):
    with console.sign_in() as client, console.sign_in() as other:
        assert client.post("/v1/session/sound").status_code == 204
        assert client.post("/v1/session/mute", json={"minutes": 16}).json()["reason_code"] == "MUTE_TOO_LONG"
        until = client.post("/v1/session/mute", json={"minutes": 15}).json()["muted_until"]
        assert timedelta(minutes=14) < datetime.fromisoformat(until) - datetime.now(UTC) <= timedelta(minutes=15)
        assert client.get("/v1/session").json()["muted_until"]
        assert other.get("/v1/session").json()["muted_until"] is None
    kinds = lambda: [len(audit_events(console, kind)) for kind in ("sound_armed", "sound_muted")]  # noqa: E731
    wait_for("both in the ledger", lambda: kinds() == [1, 1])


@pytest.mark.requirement("HIT-04")
def test_a_disabled_accounts_stream_ends_before_the_next_hit(console):
    with console.sign_in() as watching, console.sign_in("administrator") as admin:
        stream = Watcher(watching)
        wait_for("the queue", lambda: stream.named("snapshot"))
        assert admin.put("/v1/people/dispatcher/state", json={"disabled": True, "reason": "left"}).status_code == 204
        try:
            hit = make_hit("7HIT004")
            console.publish(make_notification(hit))
            assert stream.ended.wait(5.0), "the stream is still open after 5 s"
            assert stream.card(hit.hit_id) is None
            assert stream.events[-1][0] == "signed-out"
            assert watching.get("/v1/events").status_code == 401
            assert watching.get("/v1/hits").status_code == 401
        finally:
            admin.put("/v1/people/dispatcher/state", json={"disabled": False, "reason": "is back"})


@pytest.mark.requirement("HIT-05", partial="the notification's text is the matcher's")
def test_a_new_hit_is_advisory_and_unverified(console):
    hit = make_hit("7HIT005")
    console.publish(hit)
    with console.sign_in() as client:
        answer = wait_for(
            "the hit", lambda: (a := client.get(f"/v1/hits/{hit.hit_id}")).status_code == 200 and a
        ).json()
    assert (answer["advisory"], answer["workflow_state"]) == (True, "unverified")
    assert answer["notice"] == "Unverified lead, not grounds for a stop"


def test_one_vehicle_is_one_incident_that_moves(console):
    first, second = make_hit("7MOV001"), make_hit("7MOV001", ordinal=2, device_name="Second St")
    with console.sign_in() as client:
        stream = Watcher(client)
        wait_for("the queue", lambda: stream.named("snapshot"))
        console.publish(make_notification(first))
        wait_for("the first sighting", lambda: stream.card(first.hit_id))
        update = make_notification(second, revision=2, first=first)
        console.publish(update, update, make_notification(first))  # repeats, and one that comes late
        card = wait_for("the second sighting", lambda: stream.card(second.hit_id))
        assert [s["place"] for s in card["sightings"]] == ["Main St at 5th Ave, N", "Second St, N"]
        time.sleep(1.0)
        of_incident = [data for _, _, data in stream.named("incident") if data["incident_id"] == card["incident_id"]]
        assert [data["revision"] for data in of_incident] == [1, 2]
    assert len(sql(console, "SELECT 1 FROM console.notifications WHERE incident_id = $1", card["incident_id"])) == 2


def test_a_withdrawn_hit_is_recalled_on_every_screen_without_a_sound(console):
    hit = make_hit("7WDR001")
    gone = replace(hit, revision=1, withdrawn_at=datetime.now(UTC), withdrawn_reason="not_listed")
    recall = make_notification(gone, revision=2, first=hit, kind=NotificationKind.RECALL)
    with console.sign_in() as client:
        stream = Watcher(client)
        wait_for("the queue", lambda: stream.named("snapshot"))
        console.publish(hit, make_notification(hit))
        wait_for("the hit", lambda: stream.card(hit.hit_id))
        console.publish(gone, recall, hit, make_notification(hit))  # and what was said before it once more
        of_hit = lambda: [data for _, _, data in stream.named("incident") if data["hit_id"] == hit.hit_id]  # noqa: E731
        card = wait_for("the recall", lambda: (found := of_hit()[-1])["kind"] == "recall" and found)
        assert (card["withdrawn_words"], card["workflow_state"]) == ("no longer listed", "withdrawn")
        assert (card["revision"], len(card["sightings"])) == (2, 1)  # a recall is no sighting
        marker = make_hit("7WDR002")
        console.publish(make_notification(marker))
        wait_for("what came after", lambda: stream.card(marker.hit_id))
        answer = client.get(f"/v1/hits/{hit.hit_id}").json()
        assert (answer["workflow_state"], answer["incident"]["kind"]) == ("withdrawn", "recall")
        assert [card["revision"] for card in of_hit()] == [1, 2]


def test_an_alert_storm_rings_once_and_a_supervisor_releases_it(console):
    storm_id = make_id("storm", "7STM001")
    held = replace(
        make_hit("7STM001"), storm_id=storm_id, storm_kind="device", storm_reason="Alert storm: 60 in 10 min."
    )
    storm = make_notification(held, kind=NotificationKind.STORM, incident_id=storm_id, notification_id=storm_id)
    released = replace(held, revision=1, released_at=datetime.now(UTC))
    with console.sign_in() as client, console.sign_in("supervisor") as boss:
        stream = Watcher(client)
        wait_for("the queue", lambda: stream.named("snapshot"))
        console.publish(held, storm)
        card = wait_for("the storm", lambda: stream.card(held.hit_id))
        assert (card["kind"], card["audible"], card["storm_words"]) == ("storm", True, "Alert storm: 60 in 10 min.")
        assert client.post(f"/v1/storms/{storm_id}/releases").status_code == 403
        assert boss.post(f"/v1/storms/{make_id('storm', 'another')}/releases").status_code == 404
        assert [boss.post(f"/v1/storms/{storm_id}/releases").status_code for _ in range(2)] == [202, 202]
        wait_for("the ledger's entry", lambda: audit_events(console, "storm_released"))
        console.publish(released, make_notification(released))
        wait_for("the hit by itself", lambda: client.get(f"/v1/hits/{held.hit_id}").json()["incident"]["kind"] == "hit")
        assert client.post(f"/v1/hits/{held.hit_id}/acknowledge").status_code == 201
        last = lambda: {d["incident_id"]: d for _, _, d in stream.named("incident") if d["hit_id"] == held.hit_id}  # noqa: E731
        wait_for("both taken", lambda: [d["acknowledged_by"] for d in last().values()] == ["Dana Dispatcher"] * 2)


def test_notifications_for_vehicles_stay_out_of_the_dispatchers_queue(console):
    hit = make_hit("7CAR001")
    console.publish(make_notification(hit, client=ClientKind.VEHICLE, target="vehicles"))
    with console.sign_in() as client:
        wait_for("the hit", lambda: client.get(f"/v1/hits/{hit.hit_id}").status_code == 200)
        stream = Watcher(client)
        snapshot = wait_for("the queue", lambda: stream.named("snapshot"))
        assert hit.hit_id not in {card["hit_id"] for card in snapshot[0][2]["incidents"]}


def test_a_stream_that_comes_back_misses_nothing(console):
    hits = [make_hit(f"7GAP0{number:02d}") for number in range(12)]
    with console.sign_in() as client:
        stream = Watcher(client)
        _, number, _ = wait_for("the queue", lambda: stream.named("snapshot"))[0]
        console.publish(*(make_notification(hit) for hit in hits))
        again = Watcher(client, last_event_id=number)
        wanted = {hit.hit_id for hit in hits}
        wait_for("the gap", lambda: wanted <= {data["hit_id"] for _, _, data in again.named("incident")})
        assert not again.named("snapshot")
        numbers = [int(event_no) for _, event_no, _ in again.named("incident")]
        assert numbers == sorted(set(numbers))


def test_acknowledging_says_who_and_stays(console):
    hit = make_hit("7ACK001")
    console.publish(make_notification(hit))
    with console.sign_in() as client, console.sign_in("administrator") as other:
        wait_for("the hit", lambda: client.get(f"/v1/hits/{hit.hit_id}").status_code == 200)
        assert client.post(f"/v1/hits/{hit.hit_id}/acknowledge").status_code == 201
        assert other.post(f"/v1/hits/{hit.hit_id}/acknowledge").status_code == 201
        incident = client.get(f"/v1/hits/{hit.hit_id}").json()["incident"]
        assert incident["acknowledged_by"] == "Dana Dispatcher"
        assert client.post("/v1/hits/none/acknowledge").status_code == 404


@pytest.mark.requirement(
    "HIT-09", partial="the demonstration's people; every agency's are tested with the work on hits"
)
def test_the_demonstrations_people_type_what_clets_answered(console):
    hit = make_hit("7DEM001")
    console.publish(make_notification(hit))
    answered = {"source": "CLETS", "route": "dispatch", "result": "active", "reference": "T-1"}
    checked = {"result": "correct", "method": "image_review", "state_confirmed": "match"}
    for username in ("dispatcher", "investigator", "officer", "supervisor"):
        with console.sign_in(username) as client:
            wait_for("the hit", lambda client=client: client.get(f"/v1/hits/{hit.hit_id}").status_code == 200)
            if username == "dispatcher":
                assert client.post(f"/v1/hits/{hit.hit_id}/read-check", json=checked).status_code == 201
            said = client.post(f"/v1/hits/{hit.hit_id}/verifications", json=answered)
            assert said.status_code == 201, (username, said.text)


@pytest.mark.requirement("HOT-12", partial="who opens a hit; the byte search over every store is its own test")
def test_what_the_list_says_is_opened_only_for_the_screen(console):
    hit = sealed(make_hit("7SEA001"), console.keys, vehicle_year="2014", vehicle_make="Honda", notes="Two occupants")
    console.publish(make_notification(hit))
    with console.sign_in() as client:
        wait_for("the hit", lambda: client.get(f"/v1/hits/{hit.hit_id}").status_code == 200)
        entry = client.get(f"/v1/hits/{hit.hit_id}").json()["incident"]["entry"]
    assert entry == {"vehicle": "2014 Honda", "notes": "Two occupants"}
    kept = sql(
        console,
        "SELECT card::text || encode(entry_sealed, 'escape') AS kept FROM console.hits WHERE hit_id = $1",
        hit.hit_id,
    )
    assert "Honda" not in kept[0]["kept"]
    viewed = lambda: [e for e in audit_events(console, "hit_view") if e.facts["subject"] == hit.hit_id]  # noqa: E731
    told = wait_for("the ledger's entry of who opened it", viewed)
    assert {event.personal["username"] for event in told} == {"dispatcher"}
    assert "Two occupants" not in repr(told)


@pytest.mark.requirement("CAP-12", partial="the console's screens and live hits; queries are the door's")
def test_hits_and_screens_belong_to_their_agency(console):
    ours, theirs = make_hit("7OWN001"), make_hit("7OWN002", agency="irvine")
    console.publish(make_notification(theirs), make_notification(ours))
    with console.sign_in() as client:
        wait_for("our hit", lambda: client.get(f"/v1/hits/{ours.hit_id}").status_code == 200)
        wait_for("their hit in the table", lambda: sql(console, "SELECT 1 FROM console.hits WHERE agency = 'irvine'"))
        assert client.get(f"/v1/hits/{theirs.hit_id}").status_code == 404
        assert client.post(f"/v1/hits/{theirs.hit_id}/acknowledge").status_code == 404
        assert {hit["agency"] for hit in client.get("/v1/hits?limit=200").json()["hits"]} == {"demo"}
        for path in ("/hits", "/search", "/glossary", "/source"):
            page = client.get(path).text
            assert "For official use only." in page
            assert load_profiles()["demo"].name in page
            assert 'class="watermark"' in page

    async def as_the_service():
        connection = await asyncpg.connect(console.database.url("console"))
        try:
            unsaid = await connection.fetchval("SELECT count(*) FROM console.hits")
            async with connection.transaction():
                await connection.execute("SELECT set_config('console.agency', 'irvine', true)")
                return unsaid, {row["agency"] for row in await connection.fetch("SELECT agency FROM console.hits")}
        finally:
            await connection.close()

    assert asyncio.run(as_the_service()) == (0, {"irvine"})


@pytest.mark.requirement("QRY-06", partial="who is told to the ledger; its row is checked in test_query_door.py")
def test_who_asks_comes_from_the_session(console):
    console.doors.json("POST", "/v1/queries", 200, {"query_id": 1, "rows": []})
    with console.sign_in("contractor") as client:
        body = {"purpose_code": "criminal_investigation", "username": "somebody else", "criteria": {}}
        assert client.post("/v1/queries", json=body).status_code == 200
    method, path, person, sent = console.doors.asked[-1]
    assert (method, path, json.loads(sent)) == ("POST", "/v1/queries", body)
    assert (person.username, person.full_name, person.organization) == (
        "contractor",
        "Casey Contractor",
        "Example Maintenance LLC",
    )


@pytest.mark.requirement("QRY-07", partial="the address told to the ledger; its row is checked in test_query_door.py")
def test_a_spoofed_forwarding_header_is_ignored(console):
    console.doors.json("POST", "/v1/queries", 200, {"query_id": 1, "rows": []})
    with console.sign_in("investigator") as client:
        client.post(
            "/v1/queries", json={}, headers={"x-forwarded-for": "198.51.100.7", "forwarded": "for=198.51.100.7"}
        )
        assert client.get("/v1/session", headers={"x-forwarded-for": "198.51.100.7"}).json()["source_ip"] == "127.0.0.1"
    assert console.doors.asked[-1][2].source_ip == "127.0.0.1"


def test_doors_answers_pass_through_and_an_absent_door_is_a_clear_503(console, pg_template):
    picture = b"\xff\xd8\xff" + bytes(range(256)) * 400
    console.doors.answers["GET", "/v1/live-hits/h/images/closeup"] = (200, "image/jpeg", picture)
    console.doors.json("POST", "/v1/image-views", 403, {"reason_code": "QUERY_EXPIRED"})
    console.doors.json("POST", "/v1/queries", 503, {"reason_code": "LEDGER_NOT_WRITABLE", "detail": "no"})
    with console.sign_in("investigator") as client:
        image = client.get("/v1/live-hits/h/images/closeup")
        assert (image.content, image.headers["content-type"], image.headers["cache-control"]) == (
            picture,
            "image/jpeg",
            "no-store",
        )
        assert client.post("/v1/image-views", json={}).json() == {"reason_code": "QUERY_EXPIRED"}
        assert client.post("/v1/queries", json={}).status_code == 503
        csrf = client.headers["x-csrf-token"]
        page = client.post("/search", data={"plate": "7SRC001", "csrf": csrf})
        assert page.status_code == 503
        assert "Searching is closed" in page.text
        assert "7SRC001" in page.text  # the form is kept, and nothing of it is in a URL
        assert str(page.url) == f"{console.url}/search"


def test_a_forwarded_path_stays_where_it_is(console):
    console.doors.json("GET", "/v1/retention/", 200, {})
    with console.sign_in("retention") as client:
        for path in ("/v1/retention/..%2f..%2fv1/purges", "/v1/retention//x", "/v1/retention/%2e%2e/v1/x"):
            assert client.get(path).status_code == 404, path
        assert client.get("/v1/retention/runs%3Fas=b?limit=1").status_code == 200
    assert console.doors.asked[-1][1] == "/v1/retention/runs%3Fas=b?limit=1"


@pytest.mark.requirement("SEC-07", partial="the console's logs and URLs")
def test_no_plate_and_no_person_in_the_log(console):
    with console.sign_in("investigator") as client:
        client.post("/v1/queries", json={"criteria": {"plate": "7LOG001"}})
        client.post("/search", data={"plate": "7LOG001", "csrf": client.headers["x-csrf-token"]})
        assert "7LOG001" not in client.post("/v1/session", json={"username": "7LOG001"}).text
    log = console.log.read_text()
    assert log
    for secret in ("7LOG001", "7HIT002", "investigator", "Dana", PASSWORD):
        assert secret not in log


def test_profiles_are_published_and_kept(console):
    published = {
        m.key.decode(): wire.decode_profile(m.value, m.headers)
        for m in read_all(console.bootstrap, f"{PREFIX}profiles")
    }
    assert {agency: record.document for agency, record in published.items()} == shipped_documents()
    rows = sql(console, "SELECT agency, version FROM console.profile_versions")
    assert {row["agency"]: row["version"] for row in rows} == {a: p.version for a, p in load_profiles().items()}
    assert wait_for("an empty outbox", lambda: sql(console, "SELECT count(*) AS n FROM console.outbox")[0]["n"] == 0)


def test_a_purge_that_retention_orders_removes_a_hit_and_is_answered(console):
    hit, kept = make_hit("7OLD001"), make_hit("7OLD002")
    for one in (hit, kept):
        console.publish(make_notification(one))
        wait_for("the hit", lambda one=one: sql(console, "SELECT 1 FROM console.hits WHERE hit_id = $1", one.hit_id))
    order = order_of("demo", hit, held=[kept], due_day=BEFORE)
    message = message_of(order)

    async def send():
        settings = KafkaSettings(bootstrap=console.bootstrap, topic_prefix=PREFIX)
        async with Publisher(settings) as publisher:
            await publisher.publish(
                Topic.PURGES, key="demo", value=message.value, headers=list(message.headers.items())
            )

    asyncio.run(send())
    tables = ("hits", "incidents", "notifications", "presented")
    count = "SELECT count(*) AS n FROM console.{} WHERE hit_id = $1"
    wait_for("the purge", lambda: not any(sql(console, count.format(t), hit.hit_id)[0]["n"] for t in tables))
    assert sql(console, count.format("hits"), kept.hit_id)[0]["n"] == 1
    read = wait_for("the answer", lambda: read_all(console.bootstrap, f"{PREFIX}purge.answers"))
    (answer,) = [wire.decode_purge_answer(m.value, m.headers) for m in read]
    assert (answer.order_id, answer.service, dict(answer.left)) == (order.order_id, "console", {})
    assert (answer.gone["hits"], answer.gone["notifications"], answer.gone["incidents"]) == (1, 1, 1)


def test_the_process_stays_small(console):
    resident = psutil.Process(console.process.pid).memory_info().rss / 1e6
    assert resident < 150, f"{resident:.0f} MB"


def test_an_exercise_comes_back_over_the_topic_and_is_marked(console):
    with console.sign_in() as client:
        sent = client.post("/v1/exercises", json={})
        assert sent.status_code == 202, sent.text
        path = f"/v1/hits/{sent.json()['hit_id']}"
        wait_for("the exercise", lambda: client.get(path).status_code == 200)
        card = client.get(path).json()
        assert (card["plate"], card["incident"]["status"]) == ("EXERCISE", "Exercise")
        client.post(f"{path}/acknowledge")  # nobody is to be told of it later on


def test_a_test_plate_arms_the_chain_and_is_nobodys_hit(console):
    hit = make_hit("7CNR001")
    hit = replace(hit, read=replace(hit.read, camera_id="canary-1", canary=True))
    console.publish(hit, make_notification(hit))
    with console.sign_in() as client:
        assert wait_for("the test plate", lambda: client.get("/v1/chain").json()["cameras"])[0]["ok"]
        assert client.get(f"/v1/hits/{hit.hit_id}").status_code == 404
