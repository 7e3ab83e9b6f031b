"""A CAD beside the console: what it says is shown, what it is sent is signed and arrives, its links open and end."""

import base64
import hmac
import json
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest

from alpr_console.cad.store import CadFeed
from alprcore import kafka, wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.hooks import signatures
from alprcore.links import image_links
from alprcore.model import CadSaid, CadStatus, NotificationKind, Person, make_id
from alprcore.ops import ConsumerMetrics
from alprcore.seal import ListKeys
from tests.contract.test_cad_schema import faults
from tests.fixtures import people
from tests.fixtures.console import make_hit, make_notification, wait_for
from tests.fixtures.postgres import _database
from tests.fixtures.served import served

PUBLIC = "https://alpr.example"


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, tmp_path_factory):
    with (
        _database(pg_admin_dsn, "cad", f"TEMPLATE {pg_template}") as (_, database),
        served(
            database, tmp_path_factory.mktemp("cad"), public_url=PUBLIC, webhook_networks=["127.0.0.0/8"],
            webhook_plain_http=True,
        ) as running,
    ):  # fmt: skip
        yield running


@pytest.fixture(scope="module")
def clients(console):
    """Sessions by role and agency."""
    opened = {}
    with ExitStack() as stack:

        def client(role="dispatcher", agency="demo"):
            if (role, agency) not in opened:
                name = people.make_person(console, agency, role)
                opened[role, agency] = stack.enter_context(people.signed_in(console, name))
            return opened[role, agency]

        yield client


class Receiver:
    """A CAD's webhook: keeps what came, answers with what it is told to."""

    def __init__(self, status=200, headers=(), wait_s=0.0):
        self.got, self.status, self.headers, self.wait_s = [], status, dict(headers), wait_s
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(receiver.wait_s)
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hits"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = []

    def make(**how):
        made.append(Receiver(**how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def endpoint(console, clients):
    """Makes endpoints, and switches them off when the test ends."""
    made = []

    def make(url):
        answer = clients("alpr_admin").post("/v1/cad/endpoints", json={"name": "CAD", "url": url})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["endpoint_id"])
        return answer.json()

    yield make
    for name in made:
        clients("alpr_admin").post(f"/v1/cad/endpoints/{name}/state", json={"enabled": False})


def ring(console, plate, agency="demo", **changes):
    """A hit on the console; answers it and its incident."""
    note = make_notification(make_hit(plate, agency=agency), **changes)
    console.put(note)
    return note.hit, note.incident_id


def say(console, incident, status, *, at=0, name="", agency="demo", **fields):
    said = CadStatus(
        name or make_id("said", incident, status, str(at)), incident, CadSaid(status),
        datetime.now(UTC) + timedelta(seconds=at), **fields,
    )  # fmt: skip
    return console.run(console.console.cad.put_status(agency, said, datetime.now(UTC)))


def card(clients, hit, **who):
    return clients(**who).get(f"/v1/hits/{hit.hit_id}").json()["cad"]


def deliver(console, until, what="the delivery"):
    def tried():
        console.run(console.console.deliveries.begin())
        return until()

    wait_for(what, tried, timeout_s=15)


def bodies(receiver):
    return [json.loads(body) for _, _, body in receiver.got]


def test_the_dispatcher_sees_what_the_cad_says(console, clients):
    hit, incident = ring(console, "7CAD001")
    assert card(clients, hit) is None
    assert say(console, incident, "accepted", call_number="26-000777")
    assert say(console, incident, "dispatched", at=1, unit="Car 14")
    shown = card(clients, hit)
    assert (shown["status"], shown["call_number"], shown["unit"]) == ("dispatched", "26-000777", "Car 14")
    live = next(one for one in clients().get("/v1/hits").json()["hits"] if one["hit_id"] == hit.hit_id)
    assert live["cad"]["status"] == "dispatched"
    told = [event for event in console.events("cad_status") if event.facts["hit_id"] == hit.hit_id]
    assert [(event.facts["status"], event.facts["applied"]) for event in told] == [
        ("accepted", "true"), ("dispatched", "true"),
    ]  # fmt: skip


def test_every_answer_gives_the_screens_a_new_event(console):
    hit, incident = ring(console, "7CAD002")
    before = console.sql("SELECT last_no FROM console.event_numbers WHERE agency = 'demo'")[0]["last_no"]
    for _ in range(3):
        assert say(console, incident, "accepted", name="the-same")
    after = console.sql("SELECT last_no FROM console.event_numbers WHERE agency = 'demo'")[0]["last_no"]
    assert after == before + 1
    assert len(console.sql("SELECT 1 FROM console.cad_statuses WHERE hit_id = $1", hit.hit_id)) == 1


def test_a_rejection_stands_on_the_card_with_its_reason(console, clients):
    hit, incident = ring(console, "7CAD003")
    say(console, incident, "rejected", reason="duplicate of 26-000776")
    shown = card(clients, hit)
    assert (shown["status"], shown["reason"]) == ("rejected", "duplicate of 26-000776")
    page = clients().get("/cad")
    assert page.status_code == 200
    assert "duplicate of 26-000776" in page.text


def test_an_illegal_jump_is_recorded_and_shown_and_not_applied(console, clients):
    hit, incident = ring(console, "7CAD004")
    say(console, incident, "accepted")
    say(console, incident, "closed", at=1)
    say(console, incident, "on_scene", at=2)
    shown = card(clients, hit)
    assert shown["status"] == "closed"
    assert [(one["status"], one["reason_code"]) for one in shown["problems"]] == [("on_scene", "CAD_CLOSED")]
    event = console.events("cad_status")[-1]
    assert (event.facts["applied"], event.reason_code) == ("false", "CAD_CLOSED")
    listed = clients().get("/v1/cad/statuses").json()["statuses"]
    assert next(one for one in listed if one["status"] == "on_scene")["reason_code"] == "CAD_CLOSED"


def test_the_answer_of_one_agency_touches_no_incident_of_another(console, clients):
    hit, incident = ring(console, "7CAD005", agency="roseville")
    assert not say(console, incident, "accepted")
    assert not say(console, make_id("incident", "nobody"), "accepted")
    assert card(clients, hit, agency="roseville") is None
    assert say(console, incident, "accepted", agency="roseville")
    assert card(clients, hit, agency="roseville")["status"] == "accepted"
    assert incident not in clients().get("/v1/cad/statuses").text


def test_an_answer_waits_for_its_incident_and_is_put_aside_when_none_comes(console):
    now = [datetime.now(UTC)]
    feed = CadFeed(
        console.console.cad, kafka.KafkaSettings(bootstrap="127.0.0.1:1", topic_prefix="x."), None, lambda: ["demo"],
        lambda: now[0], "console", ConsumerMetrics("cad_test"),
    )  # fmt: skip

    def message(value, offset):
        return kafka.Message("x.cad.demo.status", 0, offset, b"k", value, {}, 0)

    note = make_notification(make_hit("7CAD006"))
    said = CadStatus("w-1", note.incident_id, CadSaid.ACCEPTED, now[0])
    early = message(wire.encode_cad_status(said, source="cad"), 1)
    with pytest.raises(Transient):
        console.run(feed.handle(early))
    console.put(note)
    console.run(feed.handle(early))
    lost = message(wire.encode_cad_status(CadStatus("w-2", "no-such", CadSaid.CLOSED, now[0]), source="cad"), 2)
    with pytest.raises(Transient):
        console.run(feed.handle(lost))
    now[0] += timedelta(seconds=31)
    with pytest.raises(InvalidMessage) as refused:
        console.run(feed.handle(lost))
    assert refused.value.code == "INCIDENT_UNKNOWN"
    for offset in range(10, 60):  # a CAD that repeats a day of old answers holds nothing up
        with pytest.raises(InvalidMessage):
            console.run(
                feed.handle(
                    message(
                        wire.encode_cad_status(
                            CadStatus(f"w-{offset}", "no-such", CadSaid.CLOSED, now[0]), source="cad"
                        ),
                        offset,
                    )
                )
            )
    for garbage in (b"", b"{}", b"\x00" * 40):
        with pytest.raises(InvalidMessage):
            console.run(feed.handle(message(garbage, 3)))


def test_a_notification_arrives_signed_at_the_agencys_endpoint_and_nowhere_else(console, receiver, endpoint):
    cad = receiver()
    made = endpoint(cad.url)
    ring(console, "7CAD010", agency="roseville")
    hit, incident = ring(console, "7CAD011")
    deliver(console, lambda: cad.got)
    (path, headers, body) = cad.got[0]
    assert len(cad.got) == 1
    assert path == "/hits"
    event = json.loads(body)
    assert faults(event) == []
    assert event["data"]["incident_id"] == incident
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == event["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == ("v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode())
    console.put(make_notification(hit))  # Kafka says it twice
    console.run(console.console.deliveries.begin())
    assert len(cad.got) == 1


def test_the_secret_is_shown_once_and_a_new_one_signs_beside_the_old(console, clients, receiver, endpoint):
    cad = receiver()
    made = endpoint(cad.url)
    admin = clients("alpr_admin")
    assert made["secret"] not in admin.get("/v1/cad/endpoints").text + admin.get("/cad").text
    stored = console.sql("SELECT sealed FROM console.cad_endpoints WHERE endpoint_id = $1", made["endpoint_id"])
    assert made["secret"].encode() not in stored[0]["sealed"]
    rotated = admin.post(f"/v1/cad/endpoints/{made['endpoint_id']}/secret").json()
    assert rotated["secret"] != made["secret"]
    ring(console, "7CAD012")
    deliver(console, lambda: cad.got)
    _, headers, body = cad.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = [
        "v1," + base64.b64encode(hmac.digest(base64.b64decode(one.removeprefix("whsec_")), signed, "sha256")).decode()
        for one in (rotated["secret"], made["secret"])
    ]
    assert headers["webhook-signature"].split(" ") == expected


@pytest.mark.parametrize("role", ["dispatcher", "supervisor", "officer"])
def test_only_the_administrator_connects_a_cad(clients, role):
    answer = clients(role).post("/v1/cad/endpoints", json={"name": "CAD", "url": "http://127.0.0.1/"})
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
    assert clients(role).get("/v1/cad/endpoints").status_code == (403 if role == "officer" else 200)


@pytest.mark.parametrize("url", ["https://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd", "x"])
def test_no_endpoint_inside(clients, url):
    answer = clients("alpr_admin").post("/v1/cad/endpoints", json={"name": "CAD", "url": url})
    assert answer.status_code == 422, answer.text


def test_an_address_may_hold_a_word_that_opens_it_and_is_shown_to_the_administrator_alone(
    console, clients, receiver, endpoint
):
    address = receiver().url.replace("/hits", "/only-for-plateline")
    made = endpoint(address)
    assert address in clients("alpr_admin").get("/v1/cad/endpoints").text
    for path in ("/v1/cad/endpoints", "/cad"):
        assert "only-for-plateline" not in clients().get(path).text
    (event,) = [one for one in console.events("cad_endpoint_added") if one.facts["subject"] == made["endpoint_id"]]
    assert (event.facts["name"], event.facts["host"]) == ("CAD", "127.0.0.1")
    assert "only-for-plateline" not in str(event)


def test_no_endpoint_of_another_agency_is_touched(clients, receiver, endpoint):
    made = endpoint(receiver().url)
    other = clients("alpr_admin", "roseville")
    assert made["endpoint_id"] not in other.get("/v1/cad/endpoints").text
    assert other.post(f"/v1/cad/endpoints/{made['endpoint_id']}/secret").status_code == 404
    assert other.post(f"/v1/cad/endpoints/{made['endpoint_id']}/state", json={"enabled": False}).status_code == 404


def test_a_failing_endpoint_is_tried_again_and_holds_up_no_other(console, clients, receiver, endpoint):
    broken, moved, slow, sound = receiver(status=500), receiver(status=302, headers={"location": "/else"}), (
        receiver(wait_s=3)
    ), receiver()  # fmt: skip
    dead = receiver()
    dead.close()
    names = {what: endpoint(one.url)["endpoint_id"] for what, one in {
        "broken": broken, "moved": moved, "slow": slow, "sound": sound, "dead": dead,
    }.items()}  # fmt: skip
    began = time.monotonic()
    ring(console, "7CAD013")
    deliver(console, lambda: sound.got)
    assert time.monotonic() - began < 2.5
    deliver(console, lambda: len(broken.got) >= 2, "a second try")
    assert {path for path, *_ in moved.got} == {"/hits"}
    assert len({headers["webhook-id"] for _, headers, _ in broken.got}) == 1
    broken.status = 204
    deliver(console, lambda: waiting(clients, names["broken"]) == 0, "the end of the trouble")
    rows = {row["endpoint_id"]: row for row in clients("alpr_admin").get("/v1/cad/endpoints").json()["endpoints"]}
    assert rows[names["moved"]]["last_failure"] == "answered 302, redirects are not followed"
    assert rows[names["dead"]]["last_failure"].startswith("no answer")
    assert rows[names["dead"]]["disabled_at"] is None
    assert rows[names["dead"]]["waiting"] == 1
    assert rows[names["broken"]]["delivered"] == 1
    assert "Behind, trying again" in clients("alpr_admin").get("/cad").text


def waiting(clients, name):
    rows = clients("alpr_admin").get("/v1/cad/endpoints").json()["endpoints"]
    return next(row for row in rows if row["endpoint_id"] == name)["waiting"]


def test_the_receivers_wish_to_wait_is_honored(console, receiver, endpoint):
    cad = receiver(status=503, headers={"retry-after": "120"})
    made = endpoint(cad.url)
    ring(console, "7CAD014")
    deliver(console, lambda: cad.got)

    def due():
        rows = console.sql("SELECT next_at FROM console.cad_deliveries WHERE endpoint_id = $1", made["endpoint_id"])
        return rows[0]["next_at"] > datetime.now(UTC) + timedelta(seconds=100)

    wait_for("the next try", due)
    assert len(cad.got) == 1


def test_a_secret_whose_key_was_taken_away_is_a_failure_that_the_page_tells(console, clients, receiver, endpoint):
    cad = receiver()
    made = endpoint(cad.url)
    lost = "UPDATE console.cad_endpoints SET key_id = 'lk-0' WHERE endpoint_id = $1"
    console.sql(lost, made["endpoint_id"])
    ring(console, "7CAD023")
    words = "the key of its secret was taken away"
    deliver(console, lambda: words in clients("alpr_admin").get("/cad").text, "the failure")
    assert "Behind, trying again" in clients("alpr_admin").get("/cad").text
    assert (cad.got, waiting(clients, made["endpoint_id"])) == ([], 1)
    assert clients("alpr_admin").post(f"/v1/cad/endpoints/{made['endpoint_id']}/secret").status_code == 201
    deliver(console, lambda: cad.got)  # though the secret before, which would sign for a day, cannot be opened
    assert len(cad.got[0][1]["webhook-signature"].split(" ")) == 1


def person_of(client):
    """The person behind a session, as the other features pass it on."""
    told = client.get("/v1/session").json()
    return Person("p", told.get("username", "p"), "Dana", "Demo", "demo", ("dispatcher",), "", "s")


def test_what_people_do_goes_to_the_cad_as_a_chain(console, receiver, endpoint, clients):
    cad = receiver()
    endpoint(cad.url)
    hit, incident = ring(console, "7CAD015")
    store, outbox, person = console.console.cad, console.console.outbox, person_of(clients())

    async def work():
        async with outbox.change("demo") as connection:
            call = {"call_id": "c-1", "call_type": "stolen_vehicle", "vehicle_description": "white van"}
            await store.call_opened(connection, person, hit.hit_id, call, datetime.now(UTC))
        async with outbox.change("demo") as connection:
            await store.work_changed(
                connection, person, hit.hit_id, "read_check", {"result": "misread"}, datetime.now(UTC)
            )

    console.run(work())
    deliver(console, lambda: len(cad.got) == 3)
    events = sorted(bodies(cad), key=lambda one: one["data"]["update_no"])
    assert [one["type"] for one in events] == [f"alpr.v1.cad.{kind}" for kind in ("notification", "call", "update")]
    assert [one["data"]["cap"]["msgType"] for one in events] == ["Alert", "Update", "Cancel"]
    assert [faults(one) for one in events] == [[], [], []]
    assert events[1]["data"]["work"]["call_type"] == "stolen_vehicle"
    identifiers = [one["data"]["cap"]["identifier"] for one in events]
    named = [part.split(",")[1] for part in events[2]["data"]["cap"]["references"].split(" ")]
    assert named == identifiers[:2]
    assert {one["data"]["incident_id"] for one in events} == {incident}
    published = []

    async def publish(agency, key, name, body, _):
        published.append((agency, key, json.loads(body)["type"], name))
        return True

    assert console.run(store.relay(publish)) >= 2
    mine = [one for one in published if one[1] == incident]
    assert [(agency, kind) for agency, _, kind, _ in mine] == [
        ("demo", "alpr.v1.cad.call"), ("demo", "alpr.v1.cad.update"),
    ]  # fmt: skip
    assert console.run(store.relay(publish)) == 0


@pytest.mark.requirement("HIT-20")
def test_a_call_that_a_dispatcher_enters_reaches_the_cad(console, receiver, clients):
    admin, dispatcher = clients("alpr_admin", "roseville"), clients("dispatcher", "roseville")
    cad = receiver()
    made = admin.post("/v1/cad/endpoints", json={"name": "CAD", "url": cad.url}).json()
    hit, incident = ring(console, "7CAD020", agency="roseville")
    types = [one["code"] for one in dispatcher.get(f"/v1/hits/{hit.hit_id}/work").json()["forms"]["call"]["types"]]
    assert "stolen_vehicle" in types
    call = {"call_type": "stolen_vehicle", "vehicle_description": "white van", "direction_of_travel": "north"}
    entered = dispatcher.post(f"/v1/hits/{hit.hit_id}/calls", json=call)
    assert entered.status_code == 201, entered.text
    assert dispatcher.post(f"/v1/hits/{hit.hit_id}/calls", json={"call_type": "tea"}).status_code == 422
    later = {"vehicle_description": "white van, ladder", "direction_of_travel": "south"}
    described = dispatcher.post(f"/v1/hits/{hit.hit_id}/calls/{entered.json()['call_id']}/description", json=later)
    assert described.status_code == 201, described.text
    checked = dispatcher.post(f"/v1/hits/{hit.hit_id}/read-check", json={"result": "misread"})
    assert checked.status_code == 201, checked.text
    deliver(console, lambda: len(cad.got) == 4)
    admin.post(f"/v1/cad/endpoints/{made['endpoint_id']}/state", json={"enabled": False})
    _, told, added, taken_back = sorted(bodies(cad), key=lambda one: one["data"]["update_no"])
    assert [faults(one) for one in (told, added, taken_back)] == [[], [], []]
    assert added["data"]["work"] == {"change": "call_state", "call_id": entered.json()["call_id"], **later}
    assert (told["type"], told["data"]["incident_id"]) == ("alpr.v1.cad.call", incident)
    assert told["data"]["work"] == {"change": "call", "call_id": entered.json()["call_id"], **call}
    assert (taken_back["data"]["cap"]["msgType"], taken_back["data"]["workflow_state"]) == ("Cancel", "misread")


def test_a_topic_that_is_away_keeps_its_messages_and_no_other_waits(console, clients):
    hit, incident = ring(console, "7CAD016")
    store, outbox, person = console.console.cad, console.console.outbox, person_of(clients())

    async def work():
        async with outbox.change("demo") as connection:
            await store.work_changed(connection, person, hit.hit_id, "closure", {}, datetime.now(UTC))

    async def away(*_):
        raise Transient("no broker")

    seen = []

    async def back(_, key, *__):
        seen.append(key)
        return True

    console.run(work())
    assert console.run(store.relay(away)) == 0
    console.run(store.relay(back))
    assert incident in seen


def test_a_recall_cancels(console, receiver, endpoint):
    cad = receiver()
    endpoint(cad.url)
    hit, _ = ring(console, "7CAD017")
    console.put(make_notification(hit, revision=2, kind=NotificationKind.RECALL))
    deliver(console, lambda: len(cad.got) == 2)
    types = {one["data"]["revision"]: one["data"]["cap"]["msgType"] for one in bodies(cad)}
    assert types == {1: "Alert", 2: "Cancel"}


def asked(link):
    return urlsplit(link.url)._replace(scheme="", netloc="").geturl()


def fetched(machine, link, secret, sent=0, **changes):
    """Ask for a link as a CAD does, the request signed; `changes` alter what is sent and not what was signed."""
    sent = int(time.time()) + sent
    headers = {
        "webhook-id": "r-1", "webhook-timestamp": str(sent),
        "webhook-signature": signatures([secret], "r-1", sent, link.encode()),
    }  # fmt: skip
    return machine.get(changes.pop("target", link), headers=headers | changes)


def code(answer):
    return answer.status_code, answer.json()["reason_code"]


@pytest.fixture
def machine(console):
    """A program without session or cookie."""
    with httpx.Client(base_url=console.url) as client:
        yield client


@pytest.fixture
def secret(clients, endpoint):
    """What the agency's CAD signs with; it takes no messages."""
    return endpoint("")["secret"]


def test_a_link_shows_the_image_to_the_agencys_cad_until_it_ends(console, machine, secret):
    hit, _ = ring(console, "7CAD018")
    console.doors.json("GET", f"/v1/live-hits/{hit.hit_id}/images/closeup", 200, {"image": "of the hit"})
    link = asked(image_links(console.keys, PUBLIC, "demo", hit.hit_id, datetime.now(UTC))[0])
    answer = fetched(machine, link, secret)
    assert (answer.status_code, answer.json()) == (200, {"image": "of the hit"})
    (person,) = [person for _, path, person, _ in console.doors.asked if hit.hit_id in path]
    assert (person.agency, person.full_name) == ("demo", "CAD system CAD")  # in retention's entry live_image_shown
    old = image_links(console.keys, PUBLIC, "demo", hit.hit_id, datetime.now(UTC) - timedelta(minutes=16))[0]
    assert code(fetched(machine, asked(old), secret)) == (403, "LINK_EXPIRED")
    assert code(fetched(machine, link.replace("signature=", "signature=A"), secret)) == (403, "LINK_FORGED")
    assert code(fetched(machine, link.replace("closeup", "context"), secret)) == (403, "LINK_FORGED")
    stranger = ListKeys({"k": bytes(range(32))}, "k")
    made_up = image_links(stranger, PUBLIC, "demo", hit.hit_id, datetime.now(UTC))[0]
    assert code(fetched(machine, asked(made_up), secret)) == (403, "LINK_FORGED")
    assert fetched(machine, link.replace("/closeup", "/frame"), secret).status_code == 404
    unknown = image_links(console.keys, PUBLIC, "demo", make_id("hit", "of nobody"), datetime.now(UTC))[0]
    assert fetched(machine, asked(unknown), secret).status_code == 404


def test_no_link_opens_by_itself(console, clients, machine, secret):
    hit, _ = ring(console, "7CAD021")
    console.doors.json("GET", f"/v1/live-hits/{hit.hit_id}/images/closeup", 200, {"image": "of the hit"})
    link = asked(image_links(console.keys, PUBLIC, "demo", hit.hit_id, datetime.now(UTC))[0])
    assert code(machine.get(link)) == (401, "NO_SESSION")
    assert clients().get(link).status_code == 200
    assert clients("officer").get(link).status_code == 403
    assert clients("dispatcher", "roseville").get(link).status_code == 403
    for refused in (
        fetched(machine, link, "whsec_" + "A" * 43 + "="),
        fetched(machine, link, secret, sent=-301),
        fetched(machine, link, secret, sent=400),
        fetched(machine, link, secret, target=link.replace("closeup", "context")),
        fetched(machine, link, secret, **{"webhook-id": "r-2"}),
        fetched(machine, link, secret, **{"webhook-timestamp": "soon"}),
        fetched(machine, link, secret, **{"webhook-signature": ""}),
    ):
        assert code(refused) == (401, "SIGNATURE_INVALID")


def test_the_cad_of_one_agency_opens_no_link_of_another(console, machine, secret):
    hit, _ = ring(console, "7CAD022", agency="roseville")
    link = asked(image_links(console.keys, PUBLIC, "roseville", hit.hit_id, datetime.now(UTC))[0])
    assert code(fetched(machine, link, secret)) == (401, "SIGNATURE_INVALID")
    moved = link.replace("agency=roseville", "agency=demo")
    assert code(fetched(machine, moved, secret)) == (403, "LINK_FORGED")


def test_what_nobody_took_in_a_day_is_given_up_and_counted(console, clients, receiver, endpoint):
    cad = receiver(status=500)
    made = endpoint(cad.url)
    ring(console, "7CAD019")
    console.run(console.console.cad.tidy(datetime.now(UTC) + timedelta(hours=25)))
    rows = clients("alpr_admin").get("/v1/cad/endpoints").json()["endpoints"]
    row = next(row for row in rows if row["endpoint_id"] == made["endpoint_id"])
    assert (row["given_up"], row["waiting"], row["disabled_at"]) == (1, 0, None)
