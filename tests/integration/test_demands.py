"""Demands of courts and people: recorded, answered from held records, and what a person is told of a vehicle of theirs."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.fixtures.doors import Doors, make_hit, make_read, utc_now
from tests.fixtures.sharing import Sharing

pytestmark = pytest.mark.asyncio


def demand(kind="subject_access", **changes):
    now = utc_now()
    return {
        "kind": kind, "reference": "26-0012", "requester": "Riley Requester", "wanted": "what is kept about a vehicle",
        "received_at": now.isoformat(), "due_at": (now + timedelta(days=10)).isoformat(), **changes,
    }  # fmt: skip


async def test_a_person_is_told_that_and_how_long_and_nothing_else(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        clerk = sharing.manager("irvine")
        made = (await sharing.http.post("/v1/demands", json=demand(), headers=clerk)).json()
        assert [one["code"] for one in made["todo"]] == ["VERIFY_SUBJECT"]
        reads = [
            make_read("8TST001", number=n, agency="irvine", captured_at=utc_now() - timedelta(days=n)) for n in (1, 9)
        ]
        await doors.keep(*reads, make_read("8TST001", number=3, agency="roseville"), hits=[make_hit(reads[0])])
        body = {"demand_id": made["demand_id"], "plate": "8tst 001", "verified": "registration card and license seen"}
        unsure = await doors.http.post("/v1/subject-lookups", json={**body, "verified": " "}, headers=clerk)
        assert (unsure.status_code, unsure.json()["reason_code"]) == (422, "IDENTITY_NOT_VERIFIED")
        for role in ("custodian", "officer"):
            answer = await doors.http.post(
                "/v1/subject-lookups", json=body, headers=sharing.manager("irvine", role=role)
            )
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        # no demand, one of somebody else or of another kind: nothing is said, and the entry stays
        await doors.keep(make_read("8TST001", number=4, agency="westminster"))
        theirs = sharing.manager("westminster")
        discovery = (await sharing.http.post("/v1/demands", json=demand("discovery"), headers=clerk)).json()
        for named, who in ((str(UUID(int=1)), clerk), (discovery["demand_id"], clerk), (made["demand_id"], theirs)):
            answer = await doors.http.post("/v1/subject-lookups", json={**body, "demand_id": named}, headers=who)
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "DEMAND_UNKNOWN")
        (failed,) = await doors.audit.door.store.log("westminster", 2**62, "query_result", 10)
        assert failed["entry"]["outcome"] == "error"
        told = (await doors.http.post("/v1/subject-lookups", json=body, headers=clerk)).json()
        assert set(told) == {"entry", "reads", "first_on", "last_on", "kept_until", "receipt"}
        assert told["reads"] == 2, "of the own agency alone"
        assert (told["first_on"], told["last_on"]) == tuple(str(read.captured_at.date()) for read in reversed(reads))
        assert told["kept_until"] == str(max(doors.due(read) for read in reads))
        row = (await doors.audit.door.store.log("irvine", 2**62, "query", 10))[0]
        assert row["entry"]["facts"]["purpose_code"] == "subject_access"
        assert row["personal"]["criteria"]["plate"] == "8TST001"
        path = f"/v1/demands/{made['demand_id']}/answers"
        answered = {
            "outcome": "answered",
            "words": "Two reads are kept.",
            "verified": "license seen",
            "lookup_entry": told["entry"],
        }
        nothing = await sharing.http.post(path, json={**answered, "verified": ""}, headers=clerk)
        assert (nothing.status_code, nothing.json()["reason_code"]) == (403, "IDENTITY_NOT_VERIFIED")
        done = await sharing.http.post(path, json=answered, headers=clerk)
        assert (done.status_code, done.json()["outcome"], done.json()["answer"]["lookup_entry"]) == (
            201, "answered", told["entry"]
        )  # fmt: skip
        assert (await sharing.http.post(path, json=answered, headers=clerk)).status_code == 409
        late = await doors.http.post("/v1/subject-lookups", json=body, headers=clerk)
        assert (late.status_code, late.json()["reason_code"]) == (403, "DEMAND_UNKNOWN"), "it is answered"
        assert (await sharing.told("demand_answered"))[0].facts["outcome"] == "answered"


async def test_discovery_is_answered_from_records_that_a_hold_keeps(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        clerk = sharing.manager("westminster", role="custodian")
        made = await sharing.http.post(
            "/v1/demands", json=demand("discovery", wanted="reads of the case"), headers=clerk
        )
        assert [one["code"] for one in made.json()["todo"]] == ["PLACE_HOLD"]
        path = f"/v1/demands/{made.json()['demand_id']}/answers"
        body = {"outcome": "answered", "words": "Package handed to counsel."}
        early = await sharing.http.post(path, json=body, headers=clerk)
        assert (early.status_code, early.json()["reason_code"]) == (409, "HOLD_REQUIRED")
        numbers = {"hold_id": made.json()["demand_id"], "request_id": made.json()["demand_id"]}
        done = await sharing.http.post(path, json={**body, **numbers}, headers=clerk)
        assert (done.json()["outcome"], done.json()["hold_id"]) == ("answered", numbers["hold_id"])
        for role, agency in (("officer", "westminster"), ("custodian", "irvine")):
            other = sharing.manager(agency, role=role)
            found = await sharing.http.get(f"/v1/demands/{made.json()['demand_id']}", headers=other)
            assert found.status_code in (403, 404)
        wrong = await sharing.http.post("/v1/demands", json=demand("wish"), headers=clerk)
        assert (wrong.status_code, wrong.json()["reason_code"]) == (422, "FIELD_INVALID")


async def test_counts_of_a_window_tell_how_many_and_nothing_of_any_one(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        reads = [
            make_read("8TST001", number=n, agency="irvine", captured_at=utc_now() - timedelta(days=n)) for n in range(4)
        ]
        await doors.keep(*reads, make_read(number=9, agency="roseville"), hits=[make_hit(reads[1])])
        window = {
            "captured_from": (utc_now() - timedelta(days=2, hours=12)).isoformat(),
            "device_ids": ["irvine-device"],
        }
        counted = await sharing.http.post("/v1/affected-counts", json=window, headers=sharing.manager("irvine"))
        assert counted.json() == {
            "reads": 3, "images": 6, "hits": 1, "devices": [{"device_id": "irvine-device", "reads": 3}]
        }  # fmt: skip
        refused = await sharing.http.post(
            "/v1/affected-counts", json={}, headers=sharing.manager("irvine", role="officer")
        )
        assert refused.status_code == 403
