"""The query door: what it answers, what it records, and that nothing is answered without a record."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest

from alpr_audit import ledger
from alpr_audit.api.door import Ask
from alpr_cli import verify
from alprcore.model import GeoPoint
from alprcore.seal import SigningKey, note_verifier, sign_person, verify_note
from tests.fixtures.doors import QUERY, Doors, Gate, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")


@pytest.mark.requirement("QRY-01")
async def test_every_criterion_finds_its_reads_and_no_other(pg_database, tmp_path):
    base = utc_now() - timedelta(days=3)
    async with Doors(pg_database, tmp_path) as doors:
        one = make_read("8TST001", number=1, captured_at=base)
        two = make_read("8TSTOO1", number=2, captured_at=base + timedelta(hours=1), state="NV", device_id="car-7")
        far = make_read("9XYZ222", number=3, captured_at=base + timedelta(days=2))
        east = make_read("7EAST00", number=4, captured_at=base + timedelta(hours=2))
        east = replace(east, location=replace(east.location, point=GeoPoint(33.7, -100.0)))
        await doors.keep(one, two, far, east, hits=[make_hit(far)])
        stamp = (base + timedelta(minutes=30)).isoformat()
        cases = [
            ({"plate": "8tst-001"}, {one}),
            ({"plate": "8TST001", "lookalike": True}, {one, two}),
            ({"partial": "8TST??1"}, {one, two}),
            ({"partial": "*222"}, {far}),
            ({"partial": "8TS*"}, {one, two}),
            ({"partial": "8TST0*", "lookalike": True}, {one, two}),
            ({"partial": "8TST%1_"}, None),
            ({"plate": "8TSTOO1", "state": "NV"}, {two}),
            ({"plate": "8TSTOO1", "state": "CA"}, set()),
            ({"captured_from": base.isoformat(), "captured_to": stamp}, {one}),
            ({"captured_from": stamp, "captured_to": utc_now().isoformat()}, {two, far, east}),
            ({"area": {"south": 33, "west": -118, "north": 34, "east": -117}}, {one, two, far}),
            ({"area": {"south": 33, "west": -101, "north": 34, "east": -99}}, {east}),
            ({"device_id": "car-7"}, {two}),
            ({"device_ids": ["car-7", "demo-device"]}, {one, two, far, east}),
            ({"own_detections": True}, {two}),
            ({"device_id": "car-7", "own_detections": True}, {two}),
            ({"device_id": "demo-device", "own_detections": True}, None),
            ({"list_code": "SVS"}, {far}),
            ({"list_code": "FWS"}, set()),
            ({"plate": "x' OR 1=1 --"}, set()),
            ({"device_id": "'; DROP TABLE retention.reads; --"}, set()),
        ]
        for criteria, expected in cases:
            answer = await doors.ask(criteria, person=doors.person(devices=("car-7", "car-8")))
            if expected is None:
                assert (answer.status_code, answer.json()["reason_code"]) == (422, "CRITERIA_INVALID")
                continue
            assert answer.status_code == 200, (criteria, answer.text)
            assert {row["read_id"] for row in answer.json()["rows"]} == {r.read_id for r in expected}, criteria


async def test_answers_come_in_pages_newest_first(pg_database, tmp_path):
    base = utc_now() - timedelta(hours=1)
    async with Doors(pg_database, tmp_path) as doors:
        reads = [make_read("8TST001", number=n, captured_at=base + timedelta(seconds=n // 2)) for n in range(7)]
        await doors.keep(*reads)
        seen, after = [], ""
        for _ in range(4):
            answer = (await doors.ask({"plate": "8TST001"}, limit=3, after=after)).json()
            seen.extend(row["read_id"] for row in answer["rows"])
            after = answer.get("next", "")
            if not after:
                break
        expected = sorted(reads, key=lambda r: (r.captured_at, r.read_id), reverse=True)
        assert seen == [r.read_id for r in expected]
        bad = await doors.ask({"plate": "8TST001"}, after="yesterday/x")
        assert (bad.status_code, bad.json()["reason_code"]) == (422, "CRITERIA_INVALID")


@pytest.mark.requirement("QRY-01")
async def test_without_a_ledger_there_is_no_answer(pg_database, tmp_path):
    gate = Gate(pg_database.url("audit"))
    async with Doors(pg_database, tmp_path, gate=gate) as doors:
        read = make_read()
        await doors.keep(read)
        first = (await doors.ask({"plate": "8TST001"})).json()
        assert len(first["rows"]) == 1
        await gate.shut()
        follow = f"?query_id={first['query_id']}"
        wish = {"read_id": read.read_id, "role": "closeup", "query_id": first["query_id"]}
        answers = [
            await doors.ask({"plate": "8TST001"}),
            await doors.ask({"plate": "8TST001"}),
            await doors.http.get(f"/v1/reads/{read.read_id}{follow}", headers=doors.auth()),
            await doors.http.post("/v1/image-views", json=wish, headers=doors.auth()),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["reason_code"]) == (503, "LEDGER_UNAVAILABLE")
            assert "8TST001" not in answer.text
        await gate.open()
        await doors.leading()
        assert len((await doors.ask({"plate": "8TST001"})).json()["rows"]) == 1
        assert (await doors.audit.door.store.verify(doors.audit.writer.verifier))["sound"]


async def test_a_stopped_writer_answers_503(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        doors.stop.set()
        await doors.writing
        answer = await doors.ask({"plate": "8TST001"})
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "LEDGER_UNAVAILABLE")
        assert (await doors.sql("SELECT count(*) FROM retention.used_entries"))[0][0] == 0


async def test_a_result_that_cannot_be_recorded_is_not_handed_out(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        search = doors.audit.door.store.search

        async def search_and_lose_the_writer(index):
            rows = await search(index)
            doors.stop.set()
            await doors.writing
            return rows

        doors.audit.door.store.search = search_and_lose_the_writer
        answer = await doors.ask({"plate": "8TST001"})
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "LEDGER_UNAVAILABLE")
        assert "8TST001" not in answer.text


@pytest.mark.requirement("QRY-05")
@pytest.mark.parametrize("path", ["/v1/queries", "/v1/hit-queries"])
async def test_the_log_holds_the_submitted_criteria(path, pg_database, tmp_path):
    area = {"south": 33.5, "west": -118.0, "north": 34.0, "east": -117.25}
    times = {"captured_from": "2026-01-02T03:04:05Z", "captured_to": "2026-01-03T00:00:00Z"}
    asked = (
        {"area": area, **times},
        times,
        {"polygon": [[33.5, -118.0], [34.0, -118.0], [34.0, -117.25]]},
        {"partial": "8t?*1", "lookalike": True, "state": "CA"},
        {"plate": "8tst-001"},
        {"list_code": "SVS"},
        {"device_ids": ["car-7", "car-8"], "device_id": "car-9"},
        {"own_detections": True},
    )
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            who = doors.person(agency=agency, devices=("car-7",))
            for criteria in asked:
                body = {**QUERY, "criteria": criteria}
                answer = await doors.http.post(path, json=body, headers=doors.auth(who))
                assert answer.status_code == 200, answer.text
            kind = "query" if path == "/v1/queries" else "hit_query"
            logged = (await doors.audit.door.store.log(agency, 2**62, kind, 50))[::-1]
            assert tuple(entry["personal"]["criteria"] for entry in logged) == asked
            assert [entry["entry"]["facts"]["elements"] for entry in logged] == [sorted(each) for each in asked]


@pytest.mark.requirement("QRY-02")
@pytest.mark.requirement("QRY-03")
async def test_purpose_reasons_and_texts_are_required_and_recorded(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        person = doors.person(agency="escondido")
        purpose = next(p.code for p in doors.profiles["escondido"].purposes if p.query)
        body = {"person": person, "purpose_code": purpose}
        missing = await doors.ask({"plate": "8TST001"}, **body, need_to_know=None)
        assert (missing.status_code, missing.json()["reason_code"]) == (422, "NEED_TO_KNOW_REQUIRED")
        unjustified = await doors.ask({"plate": "8TST001"}, justification="")
        assert (unjustified.status_code, unjustified.json()["reason_code"]) == (422, "PURPOSE_REQUIRED")
        assert (await doors.ask({"plate": "8TST001"}, **body)).status_code == 200
        rows = await doors.audit.door.store.log("escondido", 2**62, "query", 10)
        reasons = rows[0]["personal"]["reasons"]
        assert reasons["need_to_know"] == {"basis": "assigned investigator"}
        assert reasons["reasonable_suspicion"] == {"basis": "named by a witness"}
        assert (reasons["purpose_code"], reasons["justification"]) == (purpose, "vehicle seen at a burglary")


@pytest.mark.requirement("QRY-06")
@pytest.mark.requirement("QRY-08")
async def test_the_log_names_person_organization_and_time_from_the_session(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            roles, name = ("contractor",), {"username": "kroe", "full_name": "Kim Roe", "organization": "X Corp."}
            person = doors.person(agency=agency, roles=roles, **name)
            for forged in (
                {"username": "jdoe"},
                {"full_name": "Jane Doe"},
                {"organization": "Y"},
                {"ip": "1.2.3.4"},
            ):
                answer = await doors.ask({"plate": "8TST001"}, person=person, **forged)
                assert answer.status_code == 422  # a body that names a person is refused
            before = utc_now()
            for _ in range(2):
                named = {"criteria": {"device_ids": [f"{agency}-device"]}, "purpose_code": "upload_check"}
                assert (await doors.ask(person=person, **named)).status_code == 200
            second, first = await doors.audit.door.store.log(agency, 2**62, "query", 10)
            for entry in (first, second):
                who = entry["personal"]["person"]
                assert (who["username"], who["full_name"], who["organization"]) == ("kroe", "Kim Roe", "X Corp.")
                assert (who["agency"], who["session_id"]) == (agency, "s-1")
                assert who["authenticated_at"]
                assert who["authenticated_by"] == ["pwd", "otp", "mfa"]
            assert second["index"] > first["index"]
            times = [datetime.fromisoformat(entry["entry"]["time"]) for entry in (first, second)]
            assert before <= times[0] < times[1] <= utc_now()
            assert all(time.utcoffset() == timedelta(0) for time in times)


@pytest.mark.requirement("QRY-07", partial="the console decides the address; its proxy rule is tested there")
async def test_the_log_holds_the_address_of_the_session_whatever_the_headers_say(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        forged = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9", "x-real-ip": "203.0.113.9"}
        body = {"criteria": {"plate": "8TST001"}, "purpose_code": "criminal_investigation",
                "justification": "vehicle seen at a burglary", "attest_no_first_amendment": True}  # fmt: skip
        answer = await doors.http.post("/v1/queries", json=body, headers={**doors.auth(), **forged})
        assert answer.status_code == 200, answer.text
        nobody = await doors.http.post("/v1/queries", json=body, headers=forged)
        assert nobody.status_code == 401
        (entry,) = await doors.log("query")
        assert entry["personal"]["ip"] == "192.0.2.7"
        rows = await doors.audit.door.store.log("", 2**62, "refused", 10)
        assert rows[0]["personal"] == {"peer": "127.0.0.1"}


@pytest.mark.requirement("AUD-02")
@pytest.mark.requirement("AUD-01", partial="queries, reads and images; a mobile unit's queue is not part of it")
async def test_no_data_access_lacks_a_field(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        await doors.http.get(f"/v1/reads/{read.read_id}?query_id={query_id}", headers=doors.auth())
        body = {"read_id": read.read_id, "role": "closeup", "query_id": query_id}
        await doors.http.post("/v1/image-views", json=body, headers=doors.auth())
        accesses = [*await doors.log("query"), *await doors.log("image_view")]
        assert len(accesses) == 3
        for access in accesses:
            personal = access["personal"]
            assert access["entry"]["time"]
            assert personal["ip"]
            assert personal["criteria"]
            assert personal["person"]["username"]
            assert personal["person"]["organization"]
            assert personal["reasons"]["purpose_code"]


@pytest.mark.requirement("AUD-09", partial="the doors of audit")
async def test_every_refusal_is_one_entry(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        auth = doors.auth
        refusals = [
            (doors.ask({"plate": "8TST001"}, purpose_code="curiosity"), 403, "PURPOSE_NOT_PERMITTED"),
            (doors.ask({"plate": "8TST001"}, person=doors.person(roles=("clerk",))), 403, "ROLE_NOT_AUTHORISED"),
            (doors.ask({}), 422, "CRITERIA_INVALID"),
            (doors.ask({"plate": "--"}), 422, "CRITERIA_INVALID"),
            (doors.ask({"plate": "8TST001", "owner": "x"}), 422, "CRITERIA_INVALID"),
            (doors.ask({"device_id": "a\x00b"}), 422, "CRITERIA_INVALID"),
            (doors.ask({"own_detections": True}), 422, "CRITERIA_INVALID"),
            (doors.http.post("/v1/queries", content=b"{", headers=auth()), 422, "CRITERIA_INVALID"),
            (doors.http.get("/v1/reads/x?query_id=999", headers=auth()), 403, "QUERY_UNKNOWN"),
            (doors.http.get("/v1/reads/x", headers=auth()), 422, "FIELD_MISSING"),
            (doors.http.get("/v1/audit/log", headers=auth()), 403, "ROLE_NOT_AUTHORISED"),
            (doors.http.get("/v1/audit/log?before=x", headers=auth(roles=("auditor",))), 422, "FIELD_INVALID"),
            (doors.http.get("/v1/audit/verify"), 401, "TOKEN_MISSING"),
            (doors.http.get("/v1/audit/verify", headers={"authorization": "Person a.b"}), 401, "TOKEN_INVALID"),
        ]  # fmt: skip
        for call, status, code in refusals:
            before = doors.audit.writer.size
            answer = await call
            assert (answer.status_code, answer.json()["reason_code"]) == (status, code)
            rows = await doors.sql("SELECT convert_from(leaf, 'UTF8')::jsonb ->> 'reason_code' AS code,"
                                   " convert_from(leaf, 'UTF8')::jsonb ->> 'outcome' AS outcome"
                                   " FROM audit.entries WHERE idx >= $1", before)  # fmt: skip
            assert [(row["code"], row["outcome"]) for row in rows] == [(code, "refused")]


@pytest.mark.requirement("CAP-12")
async def test_no_row_of_another_agency_is_ever_answered(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        mine, theirs = make_read(number=1), make_read(number=2, agency="irvine")
        await doors.keep(mine, theirs, hits=[make_hit(theirs)])
        for criteria in (
            {"plate": "8TST001"},
            {"list_code": "SVS"},
            {"partial": "8T*"},
            {"device_id": "irvine-device"},
        ):
            rows = (await doors.ask(criteria)).json()["rows"]
            assert {row["agency"] for row in rows} <= {"demo"}
            assert theirs.read_id not in {row["read_id"] for row in rows}
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        crossed = await doors.http.get(f"/v1/reads/{theirs.read_id}?query_id={query_id}", headers=doors.auth())
        assert (crossed.status_code, crossed.json()["reason_code"]) == (403, "READ_NOT_ANSWERED")
        # row-level security stands below the function: the keeper's own role sees nothing without a scope
        assert (await doors.sql("SELECT count(*) FROM retention.reads", login="retention"))[0][0] == 0


@pytest.mark.requirement("DEF-03")
@pytest.mark.requirement("CAP-03")
async def test_a_read_has_its_fields_two_images_and_nothing_of_a_person(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        answer = await doors.http.get(f"/v1/reads/{read.read_id}?query_id={query_id}", headers=doors.auth())
        assert answer.status_code == 200, answer.text
        row = answer.json()
        row.pop("receipt")
        assert (row["plate"], row["device_id"]) == ("8TST001", "demo-device")
        assert (row["latitude"], row["longitude"]) == (33.68, -117.83)
        assert datetime.fromisoformat(row["captured_at"]) == read.captured_at
        roles = [image["role"] for image in row["images"]]
        assert sorted(roles) == ["closeup", "context"]
        assert next(image["view"] for image in row["images"] if image["role"] == "context") in {"front", "rear"}
        assert all(image["key"] and image["sha256"] for image in row["images"])
        # a closed set: a further field has to be judged here before anyone sees it
        assert set(row) == {
            "read_id", "revision", "agency", "plate", "plate_raw", "state", "state_confidence", "origins", "confidence",
            "characters", "alternatives", "captured_at", "received_at", "read_at", "device_id", "device_kind",
            "device_name", "camera_id", "direction", "latitude", "longitude", "location_quality", "location_age_s",
            "heading", "images", "box", "corners", "frame_ids", "detector", "reader", "profile_version",
            "unreadable_reason", "vehicle",
        }  # fmt: skip
        assert set(row["vehicle"]) == {"color", "color_probability"}  # what the picture shows, nothing of a registry
        words = ("owner", "driver", "registr", "name_of", "address", "person", "birth", "phone")
        assert not [field for field in row if any(word in field for word in words)]


async def test_follow_ups_are_for_the_asker_and_the_answered_reads_only(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read, other = make_read(number=1), make_read("9XYZ222", number=2)
        await doors.keep(read, other)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]

        async def look(who, which, query):
            url = f"/v1/reads/{which.read_id}?query_id={query}"
            return (await doors.http.get(url, headers=doors.auth(who))).json().get("reason_code", "")

        assert await look(doors.person(), read, query_id) == ""
        assert await look(doors.person(person_id="p-2"), read, query_id) == "QUERY_UNKNOWN"
        assert await look(doors.person(), other, query_id) == "READ_NOT_ANSWERED"
        assert await look(doors.person(), read, query_id + 1) == "QUERY_UNKNOWN"  # a result is not a query
        await doors.sql("UPDATE audit.intents SET committed_at = committed_at - interval '16 minutes'")
        assert await look(doors.person(), read, query_id) == "QUERY_EXPIRED"


def _judged(paper, key, content):
    paper.write_text(json.dumps(content))
    return verify.main(["receipt", str(paper), "--key", str(key)])


async def test_the_receipt_proves_the_entry_to_whoever_has_the_public_key(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for _ in range(5):
            answer = await doors.ask({"plate": "8TST001"})
        receipt = answer.json()["receipt"]
        verifier = note_verifier("plateline.test/ledger", doors.audit.writer._key.public)
        head = ledger.parse_head(verify_note(receipt["checkpoint"], verifier))
        assert (head.size, head.root.hex()) == (receipt["tree_size"], receipt["root"])
        leaf = ledger.leaf_hash(receipt["entry"].encode())
        proof = [bytes.fromhex(part) for part in receipt["inclusion"]]
        assert verify.verify_inclusion(receipt["index"], head.size, leaf, proof, head.root)
        paper, key = tmp_path / "answer.json", tmp_path / "ledger.pub"
        key.write_text(verifier)
        assert _judged(paper, key, answer.json()) == verify.SOUND
        other = {**receipt, "entry": receipt["entry"].replace("missing", "present").replace("criminal", "private")}
        assert _judged(paper, key, {"receipt": other}) == verify.DIVERGED
        assert _judged(paper, key, {**receipt, "checkpoint": receipt["checkpoint"].replace("/ledger", "/other")}) == 40
        assert _judged(paper, key, []) == verify.INVALID
        assert "8TST001" not in receipt["entry"]
        assert "Doe" not in receipt["entry"]


async def test_the_reader_can_do_nothing_but_answer_a_fresh_entry_once(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read(), hits=[make_hit(make_read())])
        reader = await asyncpg.connect(pg_database.url("reader"))
        try:
            tables = await doors.sql("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN"
                                     " ('retention', 'audit', 'ingest', 'console')")  # fmt: skip
            assert len(tables) > 10
            for (table,) in tables:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await reader.fetch(f"SELECT * FROM {table}")
            for call in ("use_intent(0, 'search')", "stored_day('reads', gen_random_uuid(), 'demo', now())",
                         "open_view(0, 'p-1')", "drop_day('2020-01-01')", "ensure_day('2020-01-01')"):  # fmt: skip
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await reader.fetch(f"SELECT retention.{call}")

            async def search(index):
                return await reader.fetch("SELECT retention.search_reads($1)", index)

            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="LEDGER_ENTRY_MISSING"):
                await search(12345)
            door, person = doors.audit.door, doors.person()

            async def intend(act="search"):
                reasons = {"purpose_code": "audit", "justification": "a test of the database's own gate"}
                search = {"plate": "8TST001", "limit": 5}
                told = {"criteria": {"plate": "8TST001"}, "reasons": reasons}
                return await door.intend(person, Ask("query", act, search, {"purpose_code": "audit"}, told))

            used = await intend()
            assert len(await search(used.index)) == 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="LEDGER_ENTRY_USED"):
                await search(used.index)
            other = await intend("image")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="LEDGER_ENTRY_MISSING"):
                await search(other.index)
            plain = await door.record("note_taken", person, facts={}, personal={})
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="LEDGER_ENTRY_MISSING"):
                await search(plain.index)
            stale = await intend()
            await doors.sql(
                "UPDATE audit.intents SET committed_at = now() - interval '31 s' WHERE idx = $1", stale.index
            )
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="LEDGER_ENTRY_STALE"):
                await search(stale.index)
        finally:
            await reader.close()


async def test_tokens_of_strangers_and_old_tokens_do_not_open_the_door(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        stranger = SigningKey.generate(tmp_path / "stranger.key")
        tokens = {
            sign_person(stranger, doors.person(), utc_now()): "TOKEN_INVALID",
            sign_person(doors.person_key, doors.person(), utc_now() - timedelta(seconds=6)): "TOKEN_EXPIRED",
        }
        for token, code in tokens.items():
            answer = await doors.http.post("/v1/queries", json={}, headers={"authorization": f"Person {token}"})
            assert (answer.status_code, answer.json()["reason_code"]) == (401, code)


@pytest.mark.parametrize(
    ("criteria", "status"),
    [
        ({"area": {"south": 1e-7, "west": -3e-7, "north": 5e-324, "east": 1.2345678e-5}}, 200),
        ({"polygon": [[1e-7, -1e-9], [0.1234567891, 1e-7], [-1e-7, 0.5]]}, 200),
        ({"plate": "8TST001", "captured_from": "2026-01-01T00:00:00+23:59"}, 200),
        ({"plate": "8TST001", "captured_to": "2026-01-01T00:00:00-18:00"}, 200),
        ({"plate": "8TST001", "captured_from": "0001-01-01T00:00:00+12:00"}, 422),
        ({"plate": "8TST001", "captured_to": "9999-12-31T23:59:59-12:00"}, 422),
    ],
)
async def test_every_sound_question_is_recorded_so_that_it_can_be_answered(pg_database, tmp_path, criteria, status):
    async with Doors(pg_database, tmp_path) as doors:
        assert (await doors.ask(criteria)).status_code == status
        if "plate" in criteria:
            name = make_read().read_id
            odd = f"{criteria.get('captured_from') or criteria['captured_to']}/{name}"
            assert (await doors.ask({"plate": "8TST001"}, after=odd)).status_code == status
