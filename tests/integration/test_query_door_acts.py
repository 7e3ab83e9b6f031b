"""What may follow a question, and questions about hits and to an external tenant: each its own entries in the ledger."""

import asyncio
import csv
import hashlib
import io
import itertools
import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from alprcore.model import Device, DeviceKind, GeoPoint
from tests.fixtures.doors import QUERY, Doors, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio

REASONS = {"purpose_code": "criminal_investigation", "justification": "attachment to the burglary report"}
FORMULAS = ("=cmd|'/c calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "  =1+1")


async def export(doors, query_id, form, **changes):
    body = {"query_id": query_id, "format": form, **REASONS, **changes}
    return await doors.http.post("/v1/exports", json=body, headers=doors.auth())


@pytest.mark.requirement("QRY-02")
async def test_an_export_is_recorded_marked_and_no_formula(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = [make_read(number=n, device_name=name) for n, name in enumerate(FORMULAS, 1)]
        await doors.keep(*reads, make_read("9XYZ222", number=99))
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        await doors.keep(make_read(number=50))  # stored after the answer: no part of it
        answer = await export(doors, query_id, "csv")
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-disposition"].startswith('attachment; filename="plateline-export-')
        table = list(csv.reader(io.StringIO(answer.content.decode())))
        mark, watermark, header, *rows = table
        assert mark[0].startswith("CONFIDENTIAL - OFFICIAL USE ONLY - property of ")
        assert "jdoe" in watermark[0]
        assert "DEMO" in watermark[0].upper()
        assert len(rows) == len(FORMULAS)
        named = [dict(zip(header, row, strict=True)) for row in rows]
        assert {row["read_id"] for row in named} == {read.read_id for read in reads}
        assert all(row["watermark"] == watermark[0] for row in named)
        for row in named:
            assert row["device_name"].startswith("'")
            assert row["longitude"] == "-117.83"
            assert all(text[:1] not in tuple("=+@\t\r\0") for text in row.values())
        (intent,) = await doors.log("export")
        facts = intent["entry"]["facts"]
        assert (facts["follows"], facts["format"], facts["purpose_code"]) == (query_id, "csv", REASONS["purpose_code"])
        assert intent["personal"]["reasons"]["justification"] == REASONS["justification"]
        assert intent["personal"]["reasons"]["case_number"] == QUERY["case_number"]
        assert intent["personal"]["criteria"] == {"query_id": query_id, "of": {"plate": "8TST001"}}
        (result,) = await doors.log("export_result")
        assert result["entry"]["about"] == intent["index"]
        told = result["entry"]["facts"]
        digest = hashlib.sha256(answer.content).hexdigest()
        assert (told["rows"], told["bytes"], told["sha256"]) == (len(FORMULAS), len(answer.content), digest)
        assert answer.headers["etag"] == f'"{digest}"'
        assert told["source_system"] == "local"


@pytest.mark.requirement("QRY-02")
async def test_printing_and_json_are_exports_and_each_needs_its_reason(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        for form in ("print", "json"):
            answer = await export(doors, query_id, form)
            content = answer.json()
            assert [row["read_id"] for row in content["rows"]] == [read.read_id]
            assert content["mark"].startswith("CONFIDENTIAL")
            assert str(content["export_id"]) in content["watermark"]
            newest = (await doors.log("export"))[-1]
            assert (newest["index"], newest["entry"]["facts"]["format"]) == (content["export_id"], form)
        assert "content-disposition" not in (await export(doors, query_id, "print")).headers
        stranger = doors.auth(person_id="p-2", username="other")
        body = {"query_id": query_id, "format": "csv", **REASONS}
        cases = (
            (await export(doors, query_id, "csv", purpose_code=""), 422, "PURPOSE_REQUIRED"),
            (await export(doors, query_id, "csv", purpose_code="curiosity"), 403, "PURPOSE_NOT_PERMITTED"),
            (await export(doors, query_id, "csv", justification="investigation"), 422, "PURPOSE_REQUIRED"),
            (await export(doors, query_id, "csv", justification="list of the protest marchers"), 403,
             "FIRST_AMENDMENT_PROHIBITED"),
            (await export(doors, query_id, "xls"), 422, "CRITERIA_INVALID"),
            (await export(doors, query_id + 1, "csv"), 403, "QUERY_UNKNOWN"),
            (await doors.http.post("/v1/exports", json=body, headers=stranger), 403, "QUERY_UNKNOWN"),
        )  # fmt: skip
        for answer, status, code in cases:
            assert (answer.status_code, answer.json()["reason_code"]) == (status, code)
            assert "8TST001" not in answer.text
        assert "format (one of 'csv', " in cases[4][0].json()["detail"]
        await doors.sql("UPDATE audit.intents SET committed_at = now() - interval '16 min' WHERE idx = $1", query_id)
        assert (await export(doors, query_id, "csv")).json()["reason_code"] == "QUERY_EXPIRED"


@pytest.mark.requirement("USE-11")
async def test_an_export_is_judged_like_its_question_and_as_things_stand(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        now, who = utc_now(), doors.person(agency="roseville")
        boss = doors.person(person_id="p-9", username="boss", roles=("supervisor",), agency="roseville")
        await doors.keep(make_read(agency="roseville"))
        approval = {"kind": "other_use", "description": "search for the stolen school bus after the storm",
                    "valid_from": (now - timedelta(hours=1)).isoformat(), "case_number": QUERY["case_number"],
                    "valid_to": (now + timedelta(hours=1)).isoformat()}  # fmt: skip
        answer = await doors.http.post("/v1/use-approvals", json=approval, headers=doors.auth(boss))
        number = answer.json()["approval_id"]
        other = {"purpose_code": "other_approved"}
        plain = (await doors.ask({"plate": "8TST001"}, person=who)).json()["query_id"]
        approved = (await doors.ask({"plate": "8TST001"}, person=who, approval_id=number, **other)).json()["query_id"]

        async def taken(query_id, purpose="other_approved", **changes):
            body = {"query_id": query_id, "format": "json", **REASONS, "purpose_code": purpose}
            token = doors.auth(doors.person(agency="roseville", **changes))
            answer = await doors.http.post("/v1/exports", json=body, headers=token)
            assert (answer.status_code == 201) == ("8TST001" in answer.text)
            return answer.json().get("reason_code", "")

        assert await taken(approved) == ""
        (entry,) = await doors.audit.door.store.log("roseville", 2**62, "export", 5)
        assert entry["entry"]["facts"]["approval_ids"] == [number]
        assert entry["personal"]["supervisor_id"] == "p-9"
        assert await taken(plain) == "APPROVAL_REQUIRED"
        assert await taken(approved, REASONS["purpose_code"]) == "PURPOSE_NOT_PERMITTED"
        assert await taken(plain, REASONS["purpose_code"], training=("alpr",)) == "TRAINING_MISSING"
        assert await taken(plain, REASONS["purpose_code"], roles=("custodian",)) == "ROLE_NOT_AUTHORISED"
        path = f"/v1/use-approvals/{number}/revocation"
        await doors.http.post(path, json={"reason": "the storm is over"}, headers=doors.auth(boss))
        assert await taken(approved) == "APPROVAL_REQUIRED"


async def test_a_look_at_one_read_is_no_question_to_follow(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        opened = await doors.http.get(f"/v1/reads/{read.read_id}?query_id={query_id}", headers=doors.auth())
        look = opened.json()["receipt"]["index"]
        again = await doors.http.get(f"/v1/reads/{read.read_id}?query_id={look}", headers=doors.auth())
        assert (again.status_code, again.json()["reason_code"]) == (403, "QUERY_UNKNOWN")
        assert (await export(doors, look, "json")).json()["reason_code"] == "QUERY_UNKNOWN"


async def test_an_export_of_hits_is_not_cut_by_hits_that_came_since(pg_database, tmp_path, monkeypatch):
    monkeypatch.setattr("alpr_audit.api.exports.MAX_ROWS", 2)
    async with Doors(pg_database, tmp_path) as doors:
        reads = [make_read(f"8TST00{n}", number=n) for n in range(4)]
        await doors.keep(*reads[:2], hits=[make_hit(read) for read in reads[:2]])
        answer = await doors.http.post("/v1/hit-queries", headers=doors.auth(),
                                       json={**QUERY, "criteria": {"list_code": "SVS"}, "limit": 2})  # fmt: skip
        given = {row["hit_id"] for row in answer.json()["rows"]}
        assert len(given) == 2
        await doors.keep(*reads[2:], hits=[make_hit(read) for read in reads[2:]])
        taken = await export(doors, answer.json()["query_id"], "json")
        assert {row["hit_id"] for row in taken.json()["rows"]} == given
        assert "NOT COMPLETE" not in taken.json()["mark"]
        # what one export cannot take is said on it, not left out in silence
        monkeypatch.setattr("alpr_audit.api.exports.MAX_ROWS", 1)
        cut = (await export(doors, answer.json()["query_id"], "json")).json()
        assert (len(cut["rows"]), "NOT COMPLETE: 1 of 2 that" in cut["mark"]) == (1, True)
        assert (await doors.log("export_result"))[-1]["entry"]["facts"]["answered"] == 2


@pytest.mark.requirement(
    "USE-08", partial="exports and the rule of recipients; release requests are tested at their own door"
)
async def test_nothing_is_exported_for_private_or_commercial_recipients(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(*(make_read(agency=agency, number=n) for n, agency in enumerate(doors.profiles)))
        roles = ("officer", "supervisor", "program_manager")
        for agency, role in itertools.product(doors.profiles, roles):
            who = doors.person(agency=agency, roles=(role,))
            query_id = (await doors.ask({"plate": "8TST001"}, person=who)).json()["query_id"]
            for recipient in ("commercial", "private_entity", "individual", "law_enforcement"):
                body = {"query_id": query_id, "format": "json", **REASONS, "recipient_class": recipient}
                answer = await doors.http.post("/v1/exports", json=body, headers=doors.auth(who))
                assert (answer.status_code, answer.json()["reason_code"]) == (403, "RECIPIENT_CLASS_NOT_PERMITTED")
            assert (await doors.audit.door.store.log(agency, 2**62, "export", 5)) == []


async def test_an_entry_says_over_how_many_cameras_a_question_went(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for name, agency in (("north", "demo"), ("south", "demo"), ("other", "irvine")):
            device = Device(name, agency, DeviceKind.FIXED, name, "", (), None, True, GeoPoint(33.0, -117.0), b"")
            doors.audit.devices[name] = device
        await doors.ask({"plate": "8TST001"})
        await doors.ask({"device_ids": ["north"]})
        everywhere, one = [entry["entry"]["facts"]["cameras"] for entry in await doors.log("query")]
        assert everywhere == {"count": 2, "sha256": hashlib.sha256(b"north\nsouth\n").hexdigest()}
        assert one == {"count": 1, "sha256": hashlib.sha256(b"north\n").hexdigest()}


@pytest.mark.requirement("QRY-01")
async def test_past_hits_are_searched_through_the_same_door(pg_database, tmp_path):
    base = utc_now() - timedelta(days=2)
    async with Doors(pg_database, tmp_path) as doors:
        one = make_read("8TST001", number=1, captured_at=base)
        two = make_read("9XYZ222", number=2, captured_at=base + timedelta(hours=1), device_id="car-7")
        theirs = make_read("8TST001", number=3, agency="irvine", captured_at=base)
        plain = make_read("8TST001", number=4, captured_at=base)
        hits = {
            read.read_id: make_hit(read, list_code=code) for read, code in ((one, "SVS"), (two, "FWS"), (theirs, "SVS"))
        }
        await doors.keep(one, two, theirs, plain, hits=hits.values())

        async def hit_ids(criteria, **body):
            question = {**QUERY, "criteria": criteria, **body}
            answer = await doors.http.post("/v1/hit-queries", json=question, headers=doors.auth())
            assert answer.status_code == 200, answer.text
            return [row["hit_id"] for row in answer.json()["rows"]], answer.json()

        mine, other = hits[one.read_id].hit_id, hits[two.read_id].hit_id
        times = {"captured_from": (base - timedelta(hours=1)).isoformat(), "captured_to": utc_now().isoformat()}
        cases = (({"plate": "8TST001"}, [mine]), (times, [other, mine]), ({"list_code": "FWS"}, [other]),
                 ({"device_id": "car-7"}, [other]), ({"plate": "7NON000"}, []),
                 ({"plate": "8TSTOO1", "lookalike": True}, [mine]), ({"partial": "9XY*"}, [other]))  # fmt: skip
        for criteria, expected in cases:
            assert (await hit_ids(criteria))[0] == expected, criteria
        first, answer = await hit_ids(times, limit=1)
        second, _ = await hit_ids(times, limit=1, after=answer["next"])
        assert (first, second) == ([other], [mine])
        asked, told = await doors.log("hit_query"), await doors.log("hit_query_result")
        assert [entry["entry"]["about"] for entry in told] == [entry["index"] for entry in asked]
        assert asked[0]["personal"]["criteria"] == {"plate": "8TST001"}
        query_id = (await hit_ids({"plate": "8TST001"}))[1]["query_id"]
        body = {"read_id": one.read_id, "role": "closeup", "query_id": query_id}
        assert (await doors.http.post("/v1/image-views", json=body, headers=doors.auth())).status_code == 201
        taken = await export(doors, query_id, "json")
        assert [row["hit_id"] for row in taken.json()["rows"]] == [mine]
        refused = await doors.http.post("/v1/hit-queries", json={**QUERY, "criteria": {}}, headers=doors.auth())
        assert refused.status_code == 422


async def test_a_polygon_finds_what_lies_in_it_not_in_its_rectangle(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())  # at 33.68, -117.83
        around = [[33.6, -117.9], [33.8, -117.9], [33.8, -117.7], [33.6, -117.7]]
        beside = [[33.6, -117.9], [33.8, -117.7], [33.6, -117.7]]
        assert len((await doors.ask({"polygon": around})).json()["rows"]) == 1
        assert (await doors.ask({"polygon": beside})).json()["rows"] == []
        rectangle = {"south": 33, "west": -118, "north": 34, "east": -117}
        for criteria in ({"polygon": around[:2]}, {"polygon": around, "area": rectangle}, {"polygon": [[91, 0]] * 3},
                         {"polygon": [[33, -118, 1]] * 3}, {"polygon": around * 20}):  # fmt: skip
            answer = await doors.ask(criteria)
            assert (answer.status_code, answer.json()["reason_code"]) == (422, "CRITERIA_INVALID"), criteria


@contextmanager
def tenant(tmp_path, token="a token for this test"):
    """The simulated tenant as a process of its own."""
    (tmp_path / "tenant.token").write_text(token)
    arguments = [sys.executable, "-m", "alpr_cli", "learn", "--token-file", str(tmp_path / "tenant.token")]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        words = process.stdout.readline()
        assert "simulated" in words
        yield words.split()[-1]
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def odd_tenant(answer):
    """A tenant that answers whatever `answer(handler)` makes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.over = Event()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.requirement("DEF-11")
async def test_every_search_names_its_source_and_an_external_tenant_is_one(pg_database, tmp_path):
    tokens = tmp_path / "learn.json"
    with tenant(tmp_path) as url:
        tokens.write_text(json.dumps({"roseville": "a token for this test", "irvine": "another"}))
        settings = {"learn_tenants": {"roseville": url, "irvine": url}, "learn_tokens_file": tokens}
        async with Doors(pg_database, tmp_path, **settings) as doors:
            who = doors.person(agency="roseville")
            local = (await doors.ask({"plate": "8LRN001"}, person=who)).json()
            answer = await doors.ask({"plate": "8LRN001"}, person=who, source="learn")
            assert answer.status_code == 200, answer.text
            rows = answer.json()["rows"]
            assert (local["source_system"], answer.json()["source_system"]) == ("local", "learn")
            assert [row["plate"] for row in rows] == ["8LRN001", "8LRN001"]
            assert all(row["source_system"] == "learn" and row["simulated"] for row in rows)
            query_id = answer.json()["query_id"]

            async def log(kind, agency="roseville"):
                return (await doors.audit.door.store.log(agency, 2**62, kind, 50))[::-1]

            for kind in ("query", "query_result"):
                assert [entry["entry"]["facts"]["source_system"] for entry in await log(kind)] == ["local", "learn"]
            told = (await log("query_result"))[-1]
            assert (told["entry"]["about"], told["entry"]["facts"]["rows"]) == (query_id, 2)
            # what the tenant keeps is not ours to show or take away
            body = {"read_id": rows[0]["read_id"], "role": "closeup", "query_id": query_id}
            assert (await doors.http.post("/v1/image-views", json=body, headers=doors.auth(who))).status_code == 409
            taken = {"query_id": query_id, "format": "csv", **REASONS}
            assert (await doors.http.post("/v1/exports", json=taken, headers=doors.auth(who))).status_code == 409
            # the database's own gate does not take an intent of another source
            assert (await doors.sql("SELECT count(*) FROM retention.used_entries"))[0][0] == 1
            wrong_token = await doors.ask({"plate": "8LRN001"}, person=doors.person(agency="irvine"), source="learn")
            assert (wrong_token.status_code, wrong_token.json()["reason_code"]) == (503, "SEARCH_UNAVAILABLE")
            none = await doors.ask({"plate": "8LRN001"}, person=doors.person(agency="claremont"), source="learn")
            assert (none.status_code, none.json()["reason_code"]) == (422, "SOURCE_NOT_CONFIGURED")
            unjustified = await doors.ask({"plate": "8LRN001"}, person=who, source="learn", justification="")
            assert unjustified.json()["reason_code"] == "PURPOSE_REQUIRED"


def _sleep(handler):
    handler.server.over.wait(30)


def _redirect(handler):
    handler.send_response(307)
    handler.send_header("location", f"http://127.0.0.1:{handler.server.server_port}/elsewhere")
    handler.end_headers()


def _say(status, content):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.mark.requirement("DEF-11")
@pytest.mark.parametrize(
    "answer",
    [_sleep, _redirect, _say(500, b""), _say(200, b"<html>"), _say(200, b'{"detections": [{"plate": 1}]}'),
     _say(200, b"[" * 100_000), _say(200, b" " * 5_000_000)],
    ids=["slow", "redirect", "error", "html", "other fields", "deep", "huge"],
)  # fmt: skip
async def test_a_tenant_that_fails_is_a_clear_503_and_two_entries(answer, pg_database, tmp_path):
    with odd_tenant(answer) as url:
        async with Doors(pg_database, tmp_path, learn_tenants={"demo": url}, learn_seconds=0.5) as doors:
            async with asyncio.timeout(25):  # sooner than a tenant that keeps silent for half a minute
                failed = await doors.ask({"plate": "8LRN001"}, source="learn")
            assert (failed.status_code, failed.json()["reason_code"]) == (503, "SEARCH_UNAVAILABLE")
            (intent,), (result,) = await doors.log("query"), await doors.log("query_result")
            assert (result["entry"]["about"], result["entry"]["outcome"]) == (intent["index"], "error")
            assert result["entry"]["facts"]["source_system"] == "learn"
