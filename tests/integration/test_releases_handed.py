"""What is handed over on an approved request: the package, its delivery, what stays on file when the reads are gone."""

from datetime import datetime, timedelta

import asyncpg
import pytest

from alprcore.model import ImageRole
from tests.fixtures.doors import JPEG, make_hit, make_read, utc_now
from tests.fixtures.keeping import scheduled
from tests.fixtures.packing import WHY, Packing, small
from tests.fixtures.releases import AGENCIES, PROFILES, sha256, told
from tests.fixtures.releases_killed import HANDING, LONG_AGO, Counter

pytestmark = pytest.mark.asyncio


def packing(pg_database, tmp_path):
    """All services with a records schedule for every agency, so that a purge runs."""
    doors = Packing(pg_database, tmp_path)
    doors.profiles = {name: scheduled(profile) for name, profile in doors.profiles.items()}
    return doors


async def stored(doors, agency, *numbers):
    """Reads of long ago with images, stored; each due."""
    reads = [
        await doors.with_images(make_read(f"8TST{n:03}", number=n, agency=agency, captured_at=LONG_AGO))
        for n in numbers
    ]
    await doors.keep(*reads, hits=[make_hit(read) for read in reads])
    return reads


@pytest.mark.requirement("SHR-09", "SHR-12", "RET-16", "SHR-03")
async def test_what_was_handed_over_is_found_again_when_the_reads_are_gone(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = Counter(doors, agency)
            given, kept, asked = await stored(doors, agency, 1, 2, 3)
            request_id = await desk.submitted(given, kept, asked, query_id=41)
            scope = [given.read_id, kept.read_id]
            assert (await desk.decide(request_id, read_ids=scope)).status_code == 200
            package_id = await desk.built(request_id)
            (ready,) = await desk.disclosed(given)  # before anything was taken
            assert (ready["state"], ready["delivered_at"]) == ("ready", None)
            folders = await doors.unpacked(package_id, tmp_path / agency, agency=agency)
            cover = (folders[0] / "COVER.txt").read_text()
            profile = PROFILES[agency]
            for words in (request_id, "series of vehicle thefts", profile.name, "Ada Elm", "Purpose limit"):
                assert words in cover, (agency, words)
            assert profile.sharing.confidentiality in " ".join(cover.split())
            packed = " ".join(str(path) for path in folders[0].rglob("*"))
            everything = b"".join(path.read_bytes() for path in folders[0].rglob("*") if path.is_file())
            assert given.read_id.encode() in everything
            assert asked.read_id.encode() not in everything, packed  # asked for, not approved
            found = await desk.look(request_id)
            assert (found["state"], found["package"]["state"]) == ("fulfilled", "given")
            (delivery,) = found["deliveries"]
            custody = (await desk.call("GET", "/v1/custodians", "program_manager")).json()
            assert [(one["kind"], one["reads"]) for one in custody["copies"] if one["kind"] == "release"] == [
                ("release", len(scope))
            ]
            assert {item["read_id"] for item in delivery["items"]} == set(scope)
            images = [i for i in delivery["items"] if i["kind"] in (ImageRole.CLOSEUP.value, ImageRole.CONTEXT.value)]
            assert {item["sha256"] for item in images} == {sha256(JPEG)}
            assert (delivery["recipient_person"], delivery["acknowledged_at"]) == ("Ada Elm", None)
            receipt = await desk.post(request_id, "acknowledgment", recipient_person="Ada Elm", note="by letter")
            assert receipt.json()["deliveries"][0]["acknowledged_by"] == "Ada Elm"
            again = await desk.post(request_id, "acknowledgment", recipient_person="Ada Elm")
            assert told(again) == (409, "STEP_OUT_OF_ORDER")
            second = await desk.approved(given, agency_name="Oak Police")
            await desk.take(await desk.built(second))
            assert [one["request_id"] for one in await desk.disclosed(given)] == [request_id, second]
            assert await desk.disclosed(asked) == []
        await doors.purge()
        assert (await doors.sql("SELECT count(*) FROM retention.reads"))[0][0] == 0
        for agency in AGENCIES:
            desk = Counter(doors, agency)
            given, *_ = [make_read(number=n, agency=agency, captured_at=LONG_AGO) for n in (1, 2, 3)]
            listed = (await desk.call("GET", "/v1/release-requests?state=fulfilled", desk.keeper)).json()
            assert len(listed["release_requests"]) == 2
            for row in listed["release_requests"]:
                found = await desk.look(row["request_id"])
                assert found["deliveries"][0]["items"]
                assert all(len(item["sha256"]) == 64 for item in found["deliveries"][0]["items"])
                paper = await desk.call("GET", f"/v1/release-requests/{row['request_id']}/document")
                assert sha256(paper.content) == found["document"]["sha256"]
            assert len(await desk.disclosed(given)) == 2


@pytest.mark.requirement("AUD-04")
async def test_a_release_stands_in_the_trail_of_its_reads(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "irvine")
        given, other = await stored(doors, "irvine", 1, 2)
        request_id = await desk.approved(given, query_id=41)
        await desk.take(await desk.built(request_id))
        events = [one for one in await doors.told("release_delivered") if one.facts.get("read_id")]
        assert [(one.facts["read_id"], one.facts["release_id"], one.facts["query_id"]) for one in events] == [
            (given.read_id, request_id, "41")
        ]
        kinds = [one.kind for one in await doors.told() if one.facts.get("release_id") == request_id]
        order = ["release_requested", "release_document_added", "release_submitted", "release_approved",
                 "release_packing", "release_ready", "release_fulfilled"]  # fmt: skip
        assert [kind for kind in kinds if kind in order] == order
        told_of = [text for one in await doors.told() for text in one.facts.values()]
        assert not any(word in text for text in told_of for word in ("Ada Elm", "8TST", "vehicle thefts"))
        assert other.read_id not in told_of


async def test_a_package_that_ended_untaken_leaves_the_request_approved(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "roseville")
        (read,) = await stored(doors, "roseville", 1)
        request_id = await desk.approved(read)
        package_id = await desk.built(request_id)
        status, content = await desk.hand(request_id)
        assert (status, content["reason_code"]) == (409, "STEP_OUT_OF_ORDER")  # one package at a time
        assert told(await desk.post(request_id, "withdrawal", note="late")) == (409, "STEP_OUT_OF_ORDER")
        cancel = await doors.shelf.post(
            f"/v1/evidence-exports/{package_id}/cancellations", json={"reason": "wrong medium"},
            headers=doors.auth(agency="roseville"),
        )  # fmt: skip
        assert cancel.status_code == 200, cancel.text
        found = await desk.look(request_id)
        assert (found["state"], found["package"]["state"]) == ("approved", "broken")
        assert [one["state"] for one in found["deliveries"]] == ["voided"]
        await desk.take(await desk.built(request_id))
        found = await desk.look(request_id)
        assert (found["state"], [one["state"] for one in found["deliveries"]]) == ("fulfilled", ["voided", "delivered"])
        status, content = await desk.hand(request_id)
        assert (status, content["reason_code"]) == (409, "STEP_OUT_OF_ORDER")


@pytest.mark.requirement("SHR-12")
async def test_volumes_that_went_are_disclosed_whatever_becomes_of_the_rest(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        doors.builder.capacities = small()
        desk = Counter(doors, "roseville")
        reads = [
            await doors.with_images(
                make_read(f"8TST{n:03}", number=n, agency="roseville", captured_at=LONG_AGO), JPEG + bytes(9000)
            )
            for n in range(4)
        ]
        reads.sort(key=lambda read: read.read_id)  # as they are packed, all of the same moment
        await doors.keep(*reads)
        person = doors.person(agency="roseville", person_id="two", full_name="Person Two")
        for ends in ("cancelled", "expired", "purged"):
            request_id = await desk.approved(*reads, query_id=41)
            package_id = await desk.built(request_id)
            assert len((await doors.state(package_id, agency="roseville"))["volumes"]) == 4
            assert (await doors.take(package_id, 1, agency="roseville")).status_code == 200
            # a hand-out that broke off may have broken off at its last byte
            await doors.packages.begin_taking(person, package_id, 2, began := utc_now())
            await doors.packages.stop_taking(person, package_id, 2, began)
            before = utc_now()
            if ends == "cancelled":
                answer = await doors.do(package_id, "cancellations", agency="roseville", reason="wrong medium")
                assert answer.status_code == 200, answer.text
            elif ends == "expired":
                await doors.packages.tidy(utc_now() + timedelta(days=8))
            else:
                await doors.purge()
            states = [one for read in reads for one in await desk.disclosed(read) if one["package_id"] == package_id]
            assert [one["state"] for one in states] == ["delivered", "delivered", "voided", "voided"], ends
            assert all(datetime.fromisoformat(one["delivered_at"]) <= before for one in states[:2])
            assert [one["delivered_at"] for one in states[2:]] == [None, None]
            assert all(one["items"] for one in states)
            told_of = [one for one in await doors.told("release_delivered") if one.facts["release_id"] == request_id]
            assert sorted(one.facts["read_id"] for one in told_of if one.facts.get("read_id")) == sorted(
                read.read_id for read in reads[:2]
            )
            assert {one.personal["person_id"] for one in told_of if one.facts.get("read_id")} == {"p-1"}
            found = await desk.look(request_id)
            assert (found["state"], found["package"]["state"]) == ("approved", "broken")
            (delivery,) = found["deliveries"]
            assert {item["read_id"] for item in delivery["items"]} == {read.read_id for read in reads[:2]}
            custody = (await desk.call("GET", "/v1/custodians", "program_manager")).json()
            assert [one["reads"] for one in custody["copies"] if one["kind"] == "release"] == [2]
            # what went has a receipt of its own, and the file cannot be changed to say that it did not go
            assert (await desk.post(request_id, "acknowledgment", recipient_person="Ada Elm")).status_code == 200
            assert told(await desk.post(request_id, "acknowledgment", recipient_person="Ada Elm"))[0] == 409
            with pytest.raises(asyncpg.CheckViolationError):
                await doors.sql("UPDATE retention.share_deliveries SET handed_ids = NULL, delivered_at = NULL")


async def test_what_is_no_longer_kept_is_noted_and_the_rest_handed_over(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "escondido")
        (gone,) = await stored(doors, "escondido", 1)
        fresh = await doors.with_images(make_read("9NEW001", number=2, agency="escondido"))
        await doors.keep(fresh)
        both, lost = await desk.approved(gone, fresh), await desk.approved(gone)
        await doors.purge()
        await desk.take(await desk.built(both))
        found = await desk.look(both)
        assert {item["read_id"] for item in found["deliveries"][0]["items"]} == {fresh.read_id}
        (packing_act,) = [act for act in found["history"] if act["act"] == "packing"]
        assert packing_act["facts"]["no_longer_kept"] == [gone.read_id]
        status, content = await desk.hand(lost)
        assert (status, content["reason_code"]) == (410, "RECORDS_GONE")


@pytest.mark.requirement("SEC-06", partial="the decision; what the package leaves out is tested with the packages")
async def test_clets_text_goes_along_only_where_the_decision_says_so(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "irvine")
        (read,) = await stored(doors, "irvine", 1)
        cleared = doors.person(agency="irvine", person_id="cleared", grants=("clets",))
        without = await desk.approved(read)
        status, content = await desk.hand(without, who=cleared, clets=True)
        assert (status, content["reason_code"]) == (403, "CLETS_NOT_AUTHORISED")
        request_id = await desk.submitted(read)
        assert (await desk.decide(request_id, clets_authorized=True)).status_code == 200
        decider = doors.person(
            agency="irvine", person_id="irvine-program_manager", roles=("program_manager",), grants=("clets",)
        )
        for who in (doors.person(agency="irvine"), decider):
            status, content = await desk.hand(request_id, who=who, clets=True)
            assert (status, content["reason_code"]) == (403, "CLETS_NOT_AUTHORISED")
        status, content = await desk.hand(request_id, who=cleared, clets=True)
        assert status == 202, content


async def test_an_intent_about_another_request_makes_nothing(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "irvine")
        (read,) = await stored(doors, "irvine", 1)
        one, other = await desk.approved(read), await desk.approved(read)
        intent = {"kind": "release", "subject": other, "clets": False, "justification": WHY}
        answer = await doors.http.post("/v1/package-intents", json=intent, headers=doors.auth(agency="irvine"))
        assert answer.status_code == 201, answer.text
        handing = {**HANDING, "entry": answer.json()["entry"]}
        assert told(await desk.post(one, "fulfilments", **handing))[0] == 403
        assert told(await desk.post(one, "fulfilments", **{**HANDING, "entry": 2**40}))[0] == 403
        assert (await desk.look(one))["package"] is None


async def test_nothing_is_written_while_the_agencys_policy_is_unknown(pg_database, tmp_path):
    async with packing(pg_database, tmp_path) as doors:
        desk = Counter(doors, "irvine")
        (read,) = await stored(doors, "irvine", 1)
        request_id = await desk.approved(read)
        status, _ = await desk.hand(request_id)
        assert status == 202
        profile = doors.parts.profiles.pop("irvine")
        assert await doors.builder.work() == 0
        assert (await doors.sql("SELECT count(*) FROM retention.share_deliveries"))[0][0] == 0
        doors.parts.profiles["irvine"] = profile
        assert await doors.builder.work() == 1
        found = await desk.look(request_id)
        assert (found["package"]["state"], [one["state"] for one in found["deliveries"]]) == ("ready", ["ready"])
