"""A person compares reads with their pictures: misreads are counted by device and model, and nothing read is lost."""

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from alpr_retention.store import Records
from alprcore import postgres, wire
from alprcore.model import Provenance
from alprcore.policy import due_day
from alprcore.profiles import load_profiles
from tests.fixtures.console import make_hit, make_notification, read_all, running_console, sql, wait_for
from tests.fixtures.postgres import _database
from tests.fixtures.purges import BEFORE, message_of, order_of

PREFIX = f"chk{secrets.token_hex(3)}."
DEVICE = "demo-pole-1"
NEWER = Provenance("plate-reader", "ab" * 32)


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checks")
    with (
        _database(pg_admin_dsn, "checks", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder) as running,
    ):
        yield running


def keep(console, *hits):
    """Store the reads of these hits as retention does, in the same database."""

    async def store():
        pool = await postgres.connect(console.database.url("retention"), max=2)
        try:
            profile = load_profiles()["demo"]
            due = lambda read: due_day(read.captured_at, read.received_at, read.device_kind, profile)  # noqa: E731
            await Records(pool).keep([(hit.read, due(hit.read)) for hit in hits], [])
        finally:
            await pool.close()

    asyncio.run(store())


def shown(console, client, *hits):
    console.publish(*(make_notification(hit) for hit in hits))
    for hit in hits:
        wait_for("the hit", lambda hit=hit: client.get(f"/v1/hits/{hit.hit_id}").status_code == 200)


def check(client, hit, result="misread", corrected="", **changes):
    body = {"result": result, "corrected_text": corrected, "method": "image_review", **changes}
    return client.post(f"/v1/hits/{hit.hit_id}/read-check", json=body)


@pytest.mark.requirement("HIT-07")
def test_three_misreads_on_a_device_are_counted_and_every_read_text_stays(console):
    hits = {"7MIS001": "7M1S001", "7MIS002": "7MIS0O2", "7MIS003": ""}
    made = [make_hit(plate) for plate in hits]
    right = make_hit("7MIS004")
    keep(console, *made, right)
    with console.sign_in() as client:
        before = client.get(f"/v1/devices/{DEVICE}/statistics").json()["misreads"]
        shown(console, client, *made, right)
        for hit, corrected in zip(made, hits.values(), strict=True):
            answer = check(client, hit, corrected=corrected)
            assert answer.status_code == 201, answer.text
            assert answer.json()["read_check"]["corrected_text"] == corrected
        assert check(client, right, "correct").status_code == 201
        counts = client.get(f"/v1/devices/{DEVICE}/statistics").json()
        assert before == 0
        assert (counts["misreads"], counts["checked"]) == (3, 4)
        assert counts["readers"] == [{"reader": "plate-reader@000000000000", "checked": 4, "misreads": 3}]
        for hit, corrected in zip(made, hits.values(), strict=True):
            stored = client.get(f"/v1/hits/{hit.hit_id}").json()
            assert (stored["plate"], stored["plate_raw"]) == (hit.read.plate.reveal(), hit.read.plate_raw)
            assert (stored["read_check"]["plate_text"], stored["read_check"]["corrected_text"]) == (
                hit.read.plate.reveal(),
                corrected,
            )
            assert (stored["workflow_state"], stored["read_check"]["by"]) == ("misread", "Dana Dispatcher")
        assert client.get(f"/v1/hits/{right.hit_id}").json()["workflow_state"] == "read_checked"
    kept = sql(console, "SELECT read_id::text, plate, details ->> 'plate_raw' AS raw FROM retention.reads")
    assert {(row["read_id"], row["plate"], row["raw"]) for row in kept} == {
        (hit.read.read_id, hit.read.plate.reveal(), hit.read.plate_raw) for hit in (*made, right)
    }


def test_counts_are_by_model_and_a_second_thought_counts_instead_of_the_first(console):
    old, new = (make_hit(f"7MOD00{number}", ordinal=number) for number in (1, 2))
    old = _on(old, "demo-pole-2", old.read.reader)
    new = _on(new, "demo-pole-2", NEWER)
    with console.sign_in() as client:
        shown(console, client, old, new)
        for hit in (old, new):
            assert check(client, hit, corrected="8MOD001").status_code == 201
        assert check(client, new, corrected="8MOD001").status_code == 201  # sent twice, found once
        assert check(client, old, "correct", method="visual_on_vehicle", state_confirmed="match").status_code == 201
        counts = client.get("/v1/devices/demo-pole-2/statistics").json()
        assert counts["readers"] == [
            {"reader": "plate-reader@000000000000", "checked": 1, "misreads": 0},
            {"reader": f"plate-reader@{'ab' * 6}", "checked": 1, "misreads": 1},
        ]
        found = client.get(f"/v1/hits/{old.hit_id}").json()["read_check"]
        assert (found["result"], found["method"], found["state_confirmed"]) == (
            "correct",
            "visual_on_vehicle",
            "match",
        )
    rows = sql(console, "SELECT result FROM console.read_checks WHERE hit_id = $1 ORDER BY check_no", old.hit_id)
    assert [row["result"] for row in rows] == ["misread", "correct"]  # the first finding stands beside the second
    told = _told(console, old, 2)
    assert [event.personal["username"] for event in told] == ["dispatcher", "dispatcher"]
    assert "8MOD001" not in str(told)


def _told(console, hit, count):
    """What the ledger is told of a hit's read; the outbox sends it a moment after the answer."""

    def told():
        events = [wire.decode_audit_event(m.value, m.headers) for m in read_all(console.bootstrap, f"{PREFIX}audit")]
        found = [event for event in events if event.kind == "read_checked" and event.facts["hit_id"] == hit.hit_id]
        return found if len(found) >= count else None

    return wait_for(f"{count} findings in the ledger", told)


def _on(hit, device, reader):
    return replace(hit, read=replace(hit.read, device_id=device, reader=reader))


def test_what_was_found_reaches_the_matcher_without_a_plate(console):
    made = [make_hit(f"78BC12{number}", ordinal=number) for number in range(6)]
    hits = [replace(hit, read=replace(hit.read, device_id="demo-pole-6")) for hit in made]
    with console.sign_in() as client:
        shown(console, client, *hits)
        for number, hit in enumerate(hits):
            assert check(client, hit, corrected=f"7BBC12{number}").status_code == 201

    def told():
        found = [m for m in read_all(console.bootstrap, f"{PREFIX}devices.checks") if m.key == b"demo-pole-6"]
        return [wire.decode_device_checks(m.value, dict(m.headers)) for m in found]

    newest = wait_for("the sixth finding", lambda: (found := told()) and found[-1].checked == 6 and found)[-1]
    assert min(checks.checked for checks in told()) == 5
    assert (newest.misread, newest.mistaken, newest.agency) == (6, {"B8": 6}, "demo")
    assert newest.reader == f"{hits[0].read.reader.name}@{hits[0].read.reader.sha256[:12]}"


def test_a_finding_that_corrects_nothing_and_a_person_who_may_not_are_refused(console):
    hit = make_hit("7REF001")
    with console.sign_in() as client, console.sign_in("auditor") as auditor, console.sign_in("investigator") as other:
        shown(console, client, hit)
        codes = [
            check(client, hit, corrected="7ref 001"), check(client, hit, corrected="?"), check(client, hit, "correct", "7REF002"),
            check(client, hit, "dismissed"), check(other, hit), check(auditor, hit),
        ]  # fmt: skip
        assert [(answer.status_code, answer.json()["reason_code"]) for answer in codes] == [
            (422, "CORRECTION_INVALID"), (422, "CORRECTION_INVALID"), (422, "CORRECTION_OF_CORRECT"),
            (422, "FIELD_INVALID"), (403, "ROLE_NOT_AUTHORISED"), (403, "ROLE_NOT_AUTHORISED"),
        ]  # fmt: skip
        assert client.post("/v1/hits/none/read-check", json={"result": "correct"}).status_code == 404
    assert sql(console, "SELECT 1 FROM console.read_checks WHERE hit_id = $1", hit.hit_id) == []


def test_texts_go_with_their_record_and_the_count_stays(console):
    from alpr_console.doors import Outbox
    from alpr_console.purging.store import PurgeStore
    from alpr_console.workflow.store import Hooks, WorkflowStore, no_change, nobody

    hit = _on(make_hit("7OLD777"), "demo-pole-3", NEWER)
    with console.sign_in() as client:
        shown(console, client, hit)
        assert check(client, hit, corrected="7OLD778").status_code == 201

    async def purge(*hits):
        pool = await postgres.connect(console.database.url("console"), max=2)
        try:
            hooks = Hooks(no_change, no_change, nobody, no_change, no_change, lambda *_: None)
            outbox = Outbox(pool, postgres.load_queries("alpr_console"))
            store = WorkflowStore(outbox, {}, None, hooks, no_change, timedelta(days=1), lambda *_: "manual")
            purges = PurgeStore(outbox, [store.remove], lambda: datetime.now(UTC))
            await purges.take(message_of(order_of("demo", *hits, due_day=BEFORE)))
        finally:
            await pool.close()

    asyncio.run(purge(make_hit("7OLD779")))  # another hit's
    texts = "SELECT plate_text, corrected_text FROM console.read_checks WHERE hit_id = $1"
    assert sql(console, texts, hit.hit_id) == [{"plate_text": "7OLD777", "corrected_text": "7OLD778"}]
    asyncio.run(purge(hit))
    assert sql(console, texts, hit.hit_id) == [{"plate_text": None, "corrected_text": None}]
    with console.sign_in() as client:
        assert client.get("/v1/devices/demo-pole-3/statistics").json()["misreads"] == 1


async def _as_the_service(console, statement, *arguments):
    connection = await asyncpg.connect(console.database.url("console"))
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('console.agency', '*', true)")
            await connection.execute(statement, *arguments)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE console.read_checks SET result = 'correct'", "DELETE FROM console.read_checks"]
)
def test_the_service_itself_cannot_change_a_finding(console, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(_as_the_service(console, statement))


def test_the_device_page_shows_misreads_and_why_a_camera_cannot_read(console):
    row = {"name": "Stolen vehicles", "in_force": 13, "held_since": None, "in_force_since": None}
    console.doors.json("GET", "/v1/devices/demo-pole-9/lists", 200, {
        "device_id": "demo-pole-9", "reported_at": "2026-03-02T14:05:00Z", "current": False, "lists": [
            {"code": "SVS", "held": 12, "outdated": True, "behind_s": 7500} | row,
            {"code": "SLR", "held": 13, "outdated": False, "behind_s": 0} | row,
        ],
    })  # fmt: skip
    console.doors.json("GET", "/v1/devices", 200, {"devices": [
        {"device_id": "demo-pole-9", "name": "Ninth St", "kind": "fixed", "in_service": True, "cameras": [{}]},
    ]})  # fmt: skip
    console.doors.json("GET", "/v1/read-statistics", 200, {"cameras": [
        {"camera_id": "demo-pole-9-cam", "reads": 40, "unreadable": 10, "reasons": {"BLURRED": 7, "TOO_SMALL": 3}},
    ]})  # fmt: skip
    hit = _on(make_hit("7PAG001"), "demo-pole-9", NEWER)
    with console.sign_in() as client:
        shown(console, client, hit)
        check(client, hit, corrected="7PAG007")
        page = client.get("/devices/demo-pole-9").text
        for words in (
            "Ninth St",
            '<strong id="misreads">1</strong>',
            "7 blurred, 3 too small",
            "25 %",
            "version 12, outdated for 2 h 5 min",
            "up to date",
        ):
            assert words in page, words
        assert "7PAG00" not in page
        assert "Ninth St" in client.get("/devices").text
        assert client.get("/devices/other").status_code == 404
    method, path, person, _ = next(row for row in reversed(console.doors.asked) if "read-statistics" in row[1])
    assert (method, path, person.agency) == ("GET", "/v1/read-statistics?device_id=demo-pole-9&days=7", "demo")
    with httpx.Client(base_url=console.url) as stranger:
        assert stranger.get("/devices/demo-pole-9").status_code == 303
        assert stranger.get("/v1/devices/demo-pole-9/statistics").status_code == 401
