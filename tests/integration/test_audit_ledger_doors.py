"""The ledger through its doors: nothing unsaid is answered, receipts that stand alone, and what auditors may look up."""

import asyncio
import dataclasses
import json
import shutil
from datetime import timedelta

import pytest

from alpr_audit import ledger, metrics
from alpr_audit.api import door as doors_of_audit
from alpr_cli import verify
from alprcore.seal import note_verifier
from tests.fixtures.doors import Doors, Gate, make_read, utc_now

pytestmark = pytest.mark.asyncio
PROFILES = ("irvine", "westminster", "claremont", "escondido", "roseville")


def forgetting(original, name):
    """A door that forgets to say one thing."""
    first, *rest = name.split(".")

    async def append(self, draft):
        if draft.kind in ledger.REQUIRED and name in ledger.REQUIRED[draft.kind]:
            if not rest:
                draft = dataclasses.replace(draft, **{first: ""})
            else:
                copy = json.loads(json.dumps({"facts": draft.facts, "personal": draft.personal}))
                inner = copy[first]
                for step in rest[:-1]:
                    inner = inner[step]
                inner.pop(rest[-1], None)
                draft = dataclasses.replace(draft, **copy)
        return await original(self, draft)

    return append


async def test_a_query_that_would_be_recorded_without_a_field_is_not_answered(pg_database, tmp_path, monkeypatch):
    """A2: each required field of the intent, left out in turn, gives 422 and no row."""
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        assert len((await doors.ask({"plate": "8TST001"})).json()["rows"]) == 1
        writer = type(doors.audit.writer)
        original = writer.append
        for name in ledger.REQUIRED["query"]:
            monkeypatch.setattr(writer, "append", forgetting(original, name))
            answer = await doors.ask({"plate": "8TST001"})
            assert (answer.status_code, answer.json()["reason_code"]) == (422, "FIELD_MISSING"), name
            assert "rows" not in answer.json()
            assert name.split(".")[-1] in answer.json()["detail"]
        monkeypatch.setattr(writer, "append", original)
        found = await doors.log("query")
        assert len(found) == 1  # the answered one
        for name in ledger.REQUIRED["query"]:
            at = {
                **found[0],
                "facts": found[0]["entry"]["facts"],
                "profile_version": found[0]["entry"]["profile_version"],
            }
            for step in name.split("."):
                at = at[step]
        assert len(found[0]["entry"]["software"]) == 64


async def test_a_receipt_stands_alone(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        answer = (await doors.ask({"plate": "8TST001"})).json()
        key = doors.audit.writer.verifier
        (tmp_path / "answer.json").write_text(json.dumps(answer))
        (tmp_path / "answer.tlog-proof").write_text(answer["receipt"]["proof"])
        for name in ("answer.json", "answer.tlog-proof"):
            assert verify.main(["receipt", str(tmp_path / name), "--key", key]) == 0
        # and is to be had again, under a later head, by who asked and by an auditor
        again = f"/v1/audit/proof/{answer['query_id']}"
        for person in ({}, {"roles": ("auditor",), "person_id": "p-9", "username": "au"}):
            proof = await doors.http.get(again, headers=doors.auth(**person))
            assert verify.verify_receipt(proof.text, key).code == verify.SOUND
        other = await doors.http.get(again, headers=doors.auth(person_id="p-2"))
        assert (other.status_code, other.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        missing = await doors.http.get("/v1/audit/proof/999999", headers=doors.auth(roles=("auditor",)))
        assert missing.status_code == 404
        foreign = await doors.http.get(again, headers=doors.auth(roles=("auditor",), agency="irvine"))
        assert (foreign.status_code, foreign.json()["reason_code"]) == (404, "ENTRY_UNKNOWN")
        # the log between two heads only grew
        first = ledger.parse_head(answer["receipt"]["checkpoint"].partition("\n\n")[0] + "\n")
        told = await doors.http.get(f"/v1/audit/consistency?old={first.size}", headers=doors.auth(roles=("auditor",)))
        later = ledger.parse_head(told.json()["checkpoint"].partition("\n\n")[0] + "\n")
        path = [bytes.fromhex(part) for part in told.json()["proof"]]
        assert verify.verify_consistency(first.size, told.json()["new"], first.root, later.root, path)
        odd = await doors.http.get("/v1/audit/consistency?old=0", headers=doors.auth(roles=("auditor",)))
        assert odd.status_code == 422


@pytest.mark.parametrize("agency", PROFILES)
async def test_auditors_find_entries_and_each_look_is_an_entry(pg_database, tmp_path, agency):
    """A13: reading the log is a leaf; other agencies and other roles see nothing of it."""
    async with Doors(pg_database, tmp_path) as doors:
        auditor = {"agency": agency, "roles": ("auditor",), "person_id": "p-9", "username": "auditor"}

        async def find(**wanted):
            answer = await doors.http.post("/v1/audit/log", json=wanted, headers=doors.auth(**auditor))
            assert answer.status_code == 200, answer.text
            return answer.json()

        person = doors.person(agency=agency)
        await doors.audit.door.record(
            "sign_in",
            person,
            facts={},
            personal={"criteria": {"plate": "8tst-001"}, "reasons": {"case_number": "26-7"}},
        )
        stranger = doors.person(agency="demo", person_id="p-3", username="other")
        await doors.audit.door.record("sign_in", stranger, facts={}, personal={})
        before = doors.audit.writer.size
        assert [row["personal"]["person"]["username"] for row in (await find(kind="sign_in"))["rows"]] == ["jdoe"]
        assert doors.audit.writer.size == before + 1
        assert len((await find(kind="sign_in", username="jdoe"))["rows"]) == 1
        assert len((await find(kind="sign_in", plate="8TST001"))["rows"]) == 1
        assert (await find(kind="sign_in", plate="9XYZ999"))["rows"] == []
        assert len((await find(kind="sign_in", case_number="26-7"))["rows"]) == 1
        assert len((await find(outcome="refused"))["rows"]) == 0
        later = (utc_now() + timedelta(hours=1)).isoformat()
        assert (await find(**{"from": later}))["rows"] == []
        page = await find(limit=2)
        assert len(page["rows"]) == 2
        assert (await find(limit=2, before=page["next"]))["rows"][0]["index"] < page["rows"][1]["index"]
        entry = (await find(kind="sign_in"))["rows"][0]["index"]
        shown = (await doors.http.get(f"/v1/audit/log/{entry}", headers=doors.auth(**auditor))).json()
        proof = shown["proof"]
        path = [bytes.fromhex(part) for part in proof["inclusion"]]
        leaf = ledger.leaf_hash(proof["leaf"].encode())
        assert verify.verify_inclusion(entry, proof["tree_size"], leaf, path, bytes.fromhex(proof["root"]))
        for who in ({"roles": ("officer",)}, {"roles": ("alpr_admin",)}):
            refused = await doors.http.post("/v1/audit/log", json={}, headers=doors.auth(**{**auditor, **who}))
            assert (refused.status_code, refused.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        odd = await doors.http.post("/v1/audit/log", json={"person": "jdoe"}, headers=doors.auth(**auditor))
        assert odd.status_code == 422


async def test_an_entry_shows_what_belongs_to_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        await doors.audit.door.record("sign_in", doors.person(), facts={}, personal={})
        asked = (await doors.ask({"plate": "8TST001"})).json()
        await doors.http.get(f"/v1/reads/{read.read_id}?query_id={asked['query_id']}", headers=doors.auth())
        auditor = doors.auth(roles=("auditor",), session_id="s-9")
        shown = (await doors.http.get(f"/v1/audit/log/{asked['query_id']}", headers=auditor)).json()
        kinds = [entry["entry"]["kind"] for entry in shown["linked"]]
        assert kinds == ["sign_in", "query_result", "query"]
        assert shown["personal"]["criteria"] == {"plate": "8TST001"}
        unknown = await doors.http.get("/v1/audit/log/99999", headers=auditor)
        assert (unknown.status_code, unknown.json()["reason_code"]) == (404, "ENTRY_UNKNOWN")


async def test_looks_are_limited_and_one_verification_runs_at_a_time(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, looks_per_minute=3) as doors:
        auditor = {"roles": ("auditor",), "person_id": "p-9", "username": "au"}
        answers = [await doors.http.get("/v1/audit/log", headers=doors.auth(**auditor)) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].headers.get("retry-after") or answers[-1].json()["reason_code"] == "RATE_LIMITED"
        asked = [doors.http.get("/v1/audit/verify", headers=doors.auth(**auditor)) for _ in range(4)]
        codes = sorted(answer.status_code for answer in await asyncio.gather(*asked))
        assert codes[0] == 200
        assert codes[-1] == 429


async def test_a_ledger_that_cannot_write_is_told_within_a_minute(pg_database, tmp_path):
    """A14: readiness and metric turn at once, queries are answered 503, and all comes back by itself."""
    gate = Gate(pg_database.url("audit"))
    async with Doors(pg_database, tmp_path, gate=gate) as doors:
        assert metrics.LEADING._value.get() == 1
        await gate.shut()
        assert (await doors.ask({"plate": "8TST001"})).status_code == 503
        for _ in range(600):
            if not doors.audit.writer.leading:
                break
            await asyncio.sleep(0.1)
        assert not doors.audit.writer.leading
        assert metrics.LEADING._value.get() == 0
        assert not doors.audit.health.report()["ready"]
        assert (await doors.ask({"plate": "8TST001"})).status_code == 503
        await gate.open()
        await doors.leading()
        assert metrics.LEADING._value.get() == 1
        assert (await doors.ask({"plate": "8TST001"})).status_code == 200


async def test_the_door_offers_what_the_command_line_verifies(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for number in range(3):
            await doors.ask({"plate": f"8TST00{number}"})
        note = (await doors.http.get("/v1/audit/checkpoint")).text
        (tmp_path / "kept").write_text(note)
        (tmp_path / "key").write_text(note_verifier("plateline.test/ledger", doors.audit.writer._key.public))
        copy = tmp_path / "copy"
        for command, target in (("verify", pg_database.admin), ("fsck", pg_database.admin)):
            given = [command, target, "--checkpoint", str(tmp_path / "kept"), "--key", str(tmp_path / "key")]
            assert await asyncio.to_thread(verify.main, given) == 0
        assert await asyncio.to_thread(verify.main, ["export", pg_database.admin, str(copy), "--tiles"]) == 0
        given = ["verify", str(copy), "--checkpoint", str(tmp_path / "kept"), "--key", str(tmp_path / "key")]
        assert await asyncio.to_thread(verify.main, given) == 0
        shutil.rmtree(copy / "tile" / "entries")  # a folder of hashes alone
        assert await asyncio.to_thread(verify.main, given) == 0
        (copy / "checkpoint").write_text(note.replace("\n6\n", "\n7\n"))
        assert await asyncio.to_thread(verify.main, given) == 40
        assert timedelta(minutes=15) == doors_of_audit.FOLLOW_UP
