"""Searching through the console with the real doors behind it: who asked stands in the ledger, or nothing is answered."""

import asyncio
import hashlib
import io
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from alpr_cli import demo
from alpr_cli.main import main as alpr
from alpr_cli.stack import Stack
from alprcore import plates, wire
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import ImageRef, ImageRole, View
from alprcore.objects import ImageStore
from alprcore.policy import due_day
from alprcore.profiles import load_profiles
from alprcore.seal import seal_image
from alprcore.topics import Topic
from tests.fixtures.console import make_hit, make_notification, publish, read_all
from tests.fixtures.doors import make_read
from tests.fixtures.state import state_folder

FORGED = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9", "x-real-ip": "203.0.113.9"}


@pytest.fixture(scope="module")
def stack():
    with (
        state_folder() as folder,
        Stack(
            folder, without=frozenset({"recognizer", "matcher"}), settings={"ALPR_AUDIT_QUERIES_PER_MINUTE": "0"}
        ) as running,
    ):
        yield running


def keep(stack, *reads):
    """Publish reads, as the recognizer does; retention stores them."""

    async def send():
        async with Publisher(KafkaSettings(bootstrap=stack.bootstrap)) as publisher:
            for read in reads:
                headers = wire.headers_for(Topic.READS, id=read.read_id, source="recognizer", time=datetime.now(UTC))
                key = plates.skeleton(read.plate)
                await publisher.publish(Topic.READS, key=key, value=wire.encode_read(read), headers=headers)

    asyncio.run(send())


def search(session, plate, **changes):
    body = {
        "purpose_code": "criminal_investigation",
        "justification": "vehicle seen at a burglary",
        "attest_no_first_amendment": True,
        "criteria": {"plate": plate},
        **changes,
    }
    return session.http.post("/v1/queries", json=body, headers=FORGED)


def found(session, plate, **changes):
    """Search until the read is stored; answers its row."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = search(session, plate, **changes)
        assert answer.status_code == 200, answer.text
        if rows := answer.json()["rows"]:
            return answer.json(), rows
        time.sleep(0.3)
    return pytest.fail("the read was not stored within 60 s")


def entries(stack, kind):
    with demo.Session(stack.console, "auditor", stack.demo_password) as auditor:
        return auditor.call("GET", f"/v1/audit/log?kind={kind}").json()["rows"]


@pytest.mark.requirement("QRY-06")
@pytest.mark.requirement("QRY-07")
@pytest.mark.requirement("QRY-08")
def test_the_ledger_names_the_contractor_the_organization_and_the_peer(stack):
    keep(stack, make_read("8CON001", number=1, device_id="maintained"))
    upkeep = {"purpose_code": "upload_check", "criteria": {"device_ids": ["maintained"]}}
    with demo.Session(stack.console, "contractor", stack.demo_password) as contractor:
        refused = search(contractor, "8CON001")
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "PURPOSE_NOT_PERMITTED")
        answer, rows = found(contractor, "", **upkeep)
        assert [row["plate"] for row in rows] == ["8CON001"]
        again = search(contractor, "", **upkeep).json()
        assert again["query_id"] > answer["query_id"]
    asked = entries(stack, "query")
    newest = asked[0]["personal"]
    who = newest["person"]
    assert (who["username"], who["full_name"]) == ("contractor", "Casey Contractor")
    assert who["organization"] == "Example Maintenance LLC"
    assert newest["ip"] == "127.0.0.1", "a forwarding header of an untrusted peer was believed"
    numbers = [entry["index"] for entry in asked]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.requirement("CAP-12")
def test_a_query_never_answers_with_another_agencys_read(stack):
    old = datetime.now(UTC) - timedelta(minutes=5)
    keep(stack, make_read("8OWN001", number=2, agency="irvine", captured_at=old), make_read("8OWN001", number=3))
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        _, rows = found(investigator, "8OWN001")
        time.sleep(2)
        rows = search(investigator, "8OWN001").json()["rows"]
        assert [row["agency"] for row in rows] == ["demo"]
        page = investigator.http.get("/search").text
    assert "For official use only." in page
    assert "Plateline Demonstration Agency" in page


@pytest.mark.requirement("DEF-11")
def test_what_follows_a_search_goes_through_the_console_and_names_the_session(stack):
    keep(stack, make_read("8FOL001", number=4))
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        answer, rows = found(investigator, "8FOL001")
        body = {"query_id": answer["query_id"], "format": "csv", "purpose_code": "criminal_investigation",
                "justification": "attachment to the burglary report"}  # fmt: skip
        exported = investigator.http.post("/v1/exports", json=body, headers=FORGED)
        assert exported.status_code == 201, exported.text
        assert "attachment" in exported.headers["content-disposition"]
        assert rows[0]["read_id"] in exported.text
        hits = {"purpose_code": "criminal_investigation", "justification": "vehicle seen at a burglary",
                "attest_no_first_amendment": True, "criteria": {"plate": "8FOL001"},
                "no_case_number_reason": "the report is being written"}  # fmt: skip
        asked = investigator.http.post("/v1/hit-queries", json=hits)
        assert (asked.status_code, asked.json()["rows"]) == (200, [])
        waiting = investigator.http.get("/v1/queries/incomplete").json()["rows"]
        assert asked.json()["query_id"] in [row["query_id"] for row in waiting]
        given = investigator.http.post(
            f"/v1/queries/{asked.json()['query_id']}/case-number", json={"case_number": "26-000555"}
        )
        assert given.status_code == 201
        named = investigator.http.post("/v1/exports", json={**body, "username": "auditor"})
        assert named.status_code == 422
        assert investigator.http.get("/v1/use-approvals").status_code == 200
        assert investigator.http.post("/v1/protected-events", json={}).status_code == 403
    for kind in ("query", "hit_query", "export"):
        logged = entries(stack, kind)
        assert logged
        assert {entry["entry"]["facts"]["source_system"] for entry in logged} == {"local"}
        assert logged[0]["personal"]["person"]["username"] == "investigator"
        assert logged[0]["personal"]["ip"] == "127.0.0.1"
        assert logged[0]["personal"]["person"]["authenticated_by"]
        assert logged[0]["entry"]["facts"]["cameras"]["sha256"]


def test_refusals_of_the_doors_come_through_with_their_reason(stack):
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        assert search(investigator, "8CON001", justification="").json()["reason_code"] == "PURPOSE_REQUIRED"
        assert investigator.http.post("/v1/purges", json={}).status_code == 403
        assert investigator.http.get("/v1/devices").status_code in (200, 403)
    assert httpx.post(f"{stack.console}/v1/queries", json={}).status_code == 401
    for service in ("audit", "retention"):
        direct = httpx.post(f"{stack.services[service].url}/v1/queries", json={})
        assert direct.status_code in (401, 404)


def with_pictures(stack, read):
    """Put the read's two pictures into the object store, sealed to the day on which it falls due."""
    day = due_day(read.captured_at, read.received_at, read.device_kind, load_profiles()[read.agency])
    deadline = time.monotonic() + 60  # retention makes and publishes the keys after it is ready
    public = None
    while public is None and time.monotonic() < deadline:
        keys = [wire.decode_image_key(m.value, m.headers) for m in read_all(stack.bootstrap, "image.keys")]
        public = next((key.public_key for key in keys if (key.agency, key.due_day) == (read.agency, day)), None)
    assert public is not None, "retention published no key of that day"
    store, refs = ImageStore(stack.services["retention"].environment["ALPR_RETENTION_OBJECTS_URL"]), {}
    for role in (ImageRole.CLOSEUP, ImageRole.CONTEXT):
        key = f"{role.value}/{read.agency}/{day}/{read.read_id}.jpg"
        picture = b"\xff\xd8 " + role.value.encode()
        asyncio.run(store.put(key, seal_image(public, picture, aad=key.encode())))
        refs[role.value] = ImageRef(key, hashlib.sha256(picture).digest(), role, View.UNKNOWN, day)
    return replace(read, **refs)


def test_a_live_hits_pictures_come_through_also_without_the_ledger(stack):
    hit = replace(make_hit(plate := "8PIC001"), read=with_pictures(stack, make_hit(plate).read))
    publish(stack.bootstrap, "", hit, make_notification(hit))
    with demo.Session(stack.console, "dispatcher", stack.demo_password) as dispatcher:

        def look(role):
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                answer = dispatcher.http.get(f"/v1/live-hits/{hit.hit_id}/images/{role}")
                if answer.status_code == 200:
                    return answer.content
                time.sleep(0.3)
            return pytest.fail(answer.text)

        stack.stop_service("audit")
        try:
            assert (look("closeup"), look("context")) == (b"\xff\xd8 closeup", b"\xff\xd8 context")
            assert dispatcher.http.get(f"/v1/hits/{hit.hit_id}").json()["incident"]["revision"] == 1
        finally:
            stack.start_service("audit")
            stack.wait_ready("audit")


@pytest.mark.requirement("QRY-01")
def test_no_search_without_the_ledger_and_live_hits_go_on(stack):
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        assert search(investigator, "8CON001").status_code == 200
        stack.stop_service("audit")
        try:
            refused = search(investigator, "8CON001")
            assert (refused.status_code, refused.json()["reason_code"]) == (503, "LEDGER_UNAVAILABLE")
            assert "rows" not in refused.json()
            wish = {"hold_id": "0" * 36, "medium": "dvd", "justification": "for the court"}
            refused = investigator.http.post("/v1/evidence-exports", json=wish)
            assert (refused.status_code, refused.json()["reason_code"]) == (503, "RECORDS_NOT_AVAILABLE")
            assert investigator.http.get("/v1/hits").status_code == 200
        finally:
            stack.start_service("audit")
            stack.wait_ready("audit")


@pytest.mark.requirement("RET-12")
def test_evidence_goes_through_the_console_from_the_hold_to_the_booking_number(stack, tmp_path):
    read = with_pictures(stack, make_read("8EVI061", number=61))
    keep(stack, read)
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        found(investigator, "8EVI061")
        hold = {"ground": "evidence", "case_number": "26-77", "read_ids": [read.read_id]}
        hold_id = investigator.call("POST", "/v1/holds", json=hold).json()["hold_id"]
        wish = {"hold_id": hold_id, "medium": "dvd", "justification": "for the district attorney"}
        began = investigator.http.post("/v1/evidence-exports", json=wish, headers=FORGED)
        assert began.status_code == 202, began.text
        path = f"/v1/evidence-exports/{began.json()['package_id']}"
        deadline = time.monotonic() + 60
        while (state := investigator.call("GET", path).json())["state"] in ("opened", "building"):
            assert time.monotonic() < deadline, state
            time.sleep(0.3)
        assert state["state"] == "ready", state
        (volume,) = state["volumes"]
        taken = investigator.http.get(f"{path}/volumes/1")
        assert taken.headers["content-disposition"] == f'attachment; filename="{volume["name"]}"'
        assert hashlib.sha256(taken.content).hexdigest() == volume["sha256"]
        with zipfile.ZipFile(io.BytesIO(taken.content)) as archive:
            archive.extractall(tmp_path)
        folder = tmp_path / volume["name"].removesuffix(".zip")
        key = investigator.call("GET", "/v1/evidence-key").json()["sha256"]
        assert alpr(["evidence", "verify", str(folder), "--fingerprint", key]) == 0
        assert investigator.http.get(f"{path}/volumes/1").status_code == 409
        media = {"medium": "dvd", "witness": "Sam Roe", "serials": {"1": "DVD-1"}}
        assert investigator.http.post(f"{path}/media", json=media).status_code == 200
        booked = investigator.http.post(f"{path}/bookings", json={"booking_number": "26-E-1"})
        assert booked.json()["state"] == "closed"
    exports = [one for one in entries(stack, "export") if one["entry"]["facts"].get("hold_id") == hold_id]
    assert [one["personal"]["ip"] for one in exports] == ["127.0.0.1"]
    deadline = time.monotonic() + 30
    while not (told := entries(stack, "evidence_booked")):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert told[0]["entry"]["facts"]["hold_id"] == hold_id
