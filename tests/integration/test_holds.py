"""What holds keep, by every kind of scope; on which grounds, for how long, and by whom they end (RET-07, 08, 09, 13)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alprcore.model import GeoPoint, Location, LocationQuality, Plate
from tests.fixtures.doors import QUERY, Doors, make_hit, make_read
from tests.fixtures.holds import AGENCIES, NAMED, HoldDesk, code

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)


def old_read(plate="8TST001", *, number=1, minutes=0, **changes):
    return make_read(plate, number=number, captured_at=LONG_AGO + timedelta(minutes=minutes), **changes)


async def test_every_kind_of_scope_keeps_what_it_says_and_nothing_else(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)
        far = Location(GeoPoint(34.5, -118.5), LocationQuality.REGISTERED)
        reads = [
            old_read("8TST001"),  # 0
            old_read("BTST0O1", number=2, minutes=10),  # 1: looks like the first
            old_read("9ABC123", number=3, minutes=20, device_id="other"),  # 2
            old_read("9XYZ123", number=4, minutes=30, location=far),  # 3
            old_read("7QQQ777", number=5, minutes=40),  # 4: misread, its hit is on 8TST001
            old_read("", number=6, minutes=50),  # 5: nobody could read it
        ]
        hit = replace(make_hit(reads[4]), entry_plate=Plate("8TST001"))
        await doors.keep(*reads, hits=[hit, make_hit(reads[2])])
        begins, ends = (LONG_AGO + timedelta(minutes=at) for at in (15, 35))
        box = {"south": 34.4, "west": -118.6, "north": 34.6, "east": -118.4}
        scopes = {
            "ids": ({"read_ids": [reads[3].read_id]}, {3}),
            "plate": ({"query": {"plate": "8 tst-001"}}, {0, 4}),
            "look-alikes": ({"query": {"plate": "8TST001", "lookalikes": True}}, {0, 1}),
            "partial": ({"query": {"partial": "9*123"}}, {2, 3}),
            "partial look-alikes": ({"query": {"partial": "BT?T*", "lookalikes": True}}, {0, 1}),
            "device": ({"query": {"device_ids": ["other", "nobody"]}}, {2}),
            "time": ({"query": {"captured_from": begins.isoformat(), "captured_to": ends.isoformat()}}, {2, 3}),
            "area": ({"query": {"area": box}}, {3}),
            "plate and device": ({"query": {"partial": "9*123", "device_ids": ["other"]}}, {2}),
        }
        for name, (body, kept) in scopes.items():
            hold_id = await desk.placed(**body)
            found = await desk.held(*reads)
            assert (set(found), {one for holds in found.values() for one in holds}) == (kept, {hold_id}), name
            words = (await desk.look(hold_id))["scope"]["words"]
            assert words, name
            assert not any(plate in words for plate in ("TST", "ABC", "123")), name
            await desk.released(hold_id)
            assert await desk.held(*reads) == {}, name
        both = [await desk.placed(read_ids=[reads[0].read_id]), await desk.placed(query={"plate": "8TST001"})]
        assert await desk.held(reads[0]) == {0: both}
        await desk.released(both[0])
        assert await desk.held(reads[0]) == {0: both[1:]}
        other = HoldDesk(doors, "irvine")
        assert code(await other.call("GET", f"/v1/holds/{both[1]}")) == (404, "HOLD_UNKNOWN")
        assert await other.held(reads[0]) == {}
        await other.close()
        await desk.close()


async def test_a_hold_by_the_number_of_a_search_keeps_what_it_could_find(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)
        first = old_read("8TST001")
        await doors.keep(first, old_read("9ABC123", number=2), hits=[make_hit(first)])
        one = doors.person(person_id="p-one")
        entry = (await doors.ask({"partial": "8T*", "list_code": "SVS"}, person=one)).json()["query_id"]
        placed = await desk.place(entry=entry)
        assert placed.json()["scope"] | {"words": ""} == {
            "kind": "search", "words": "", "reads_named": 0, "entry": entry, "forward": False,
        }  # fmt: skip
        ahead = await desk.placed(entry=entry, forward=True)
        later = make_read("8TST777", number=3, captured_at=datetime.now(UTC) + timedelta(seconds=1))
        await doors.keep(later, hits=[make_hit(later)])
        assert await desk.held(first, later) == {0: [placed.json()["hold_id"], ahead], 1: [ahead]}
        assert code(await desk.place(entry=entry, name="two")) == (403, "LEDGER_ENTRY_MISSING")
        assert code(await desk.place(entry=entry + 1)) == (403, "LEDGER_ENTRY_MISSING")
        (told, _) = await desk.told("hold_placed")
        assert (told.facts["query_id"], told.personal["case_number"]) == (str(entry), "26-000123")
        await desk.close()


async def test_a_hold_of_past_hits_keeps_no_other_vehicle_of_that_time(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)
        reads = [old_read("8TST001"), old_read("9ABC123", number=2, minutes=1)]
        await doors.keep(*reads, hits=[make_hit(reads[0])])
        span = {
            "captured_from": (LONG_AGO - timedelta(days=1)).isoformat(),
            "captured_to": (LONG_AGO + timedelta(days=1)).isoformat(),
        }
        asked = {**QUERY, "criteria": span}
        answer = await doors.http.post(
            "/v1/hit-queries", json=asked, headers=doors.auth(doors.person(person_id="p-one"))
        )
        assert [row["plate"] for row in answer.json()["rows"]] == ["8TST001"]
        hold_id = await desk.placed(entry=answer.json()["query_id"])
        assert await desk.held(*reads) == {0: [hold_id]}
        assert ", hits, " in (await desk.look(hold_id))["scope"]["words"]
        await desk.close()


@pytest.mark.requirement("RET-07")
async def test_each_profile_names_its_grounds_and_every_hold_binds_at_once(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, read = HoldDesk(doors, agency), old_read(agency=agency)
            await doors.keep(read)
            own = set(doors.profiles[agency].retention.hold_grounds)
            grounds = (await desk.call("GET", "/v1/holds/grounds")).json()["grounds"]
            assert {ground["code"] for ground in grounds if ground["in_profile"]} == own
            for ground in grounds:
                answer = await desk.place(ground=ground["code"], read_ids=[read.read_id])
                held = answer.json()
                expected = (201, "active", "") if ground["in_profile"] else (
                    202, "provisional", "HOLD_GROUND_NOT_IN_PROFILE",
                )  # fmt: skip
                assert (answer.status_code, held["state"], held["flag"]) == expected, (agency, ground)
                assert await desk.held(read) == {0: [held["hold_id"]]}
                if held["state"] == "provisional":
                    assert code(await desk.step(held["hold_id"], "lifts")) == (403, "ROLE_NOT_AUTHORISED")
                    own_lift = await desk.step(held["hold_id"], "lifts", "program_manager")
                    assert code(own_lift) == (403, "SECOND_PERSON_REQUIRED")
                    lifted = await desk.step(held["hold_id"], "lifts", "program_manager", "two", note="no such order")
                    assert (lifted.json()["state"], lifted.json()["end"]["reason"]) == ("ended", "lifted")
                else:
                    await desk.released(held["hold_id"])
                assert await desk.held(read) == {}
            assert ("discovery_request" in own) == (agency in NAMED)
            confirmed = await desk.placed(ground="writ_from_abroad", query={"plate": "8TST001"})
            answer = await desk.step(confirmed, "confirmations", "program_manager", note="served on the chief")
            assert (answer.json()["state"], answer.json()["flag"]) == ("active", "HOLD_GROUND_NOT_IN_PROFILE")
            # what is still in the pipeline is kept from the moment it is stored
            coming = old_read(agency=agency, number=77, minutes=9)
            await doors.keep(coming)
            assert await desk.held(read, coming) == {0: [confirmed], 1: [confirmed]}
            await desk.close()


@pytest.mark.requirement("ADM-04", partial="holds; pages, runs and queries are tested elsewhere")
async def test_who_may_not_search_learns_from_no_hold_whether_a_plate_was_seen(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, read = HoldDesk(doors, agency), old_read(agency=agency)
            await doors.keep(read)
            around = {"captured_from": LONG_AGO.isoformat(), "captured_to": LONG_AGO.isoformat()}
            for role in ("custodian", "retention_officer"):
                person = doors.person(agency=agency, roles=(role,), person_id=f"p-{role}")
                assert (await doors.ask({"plate": "8TST001"}, person=person)).status_code == 403
                for query in ({"plate": "8TST001"}, {"plate": "BTST001", "lookalikes": True}, {"partial": "8T*"},
                              {"plate": "8TST001", **around}):  # fmt: skip
                    answer = await desk.place(role=role, query=query)
                    assert code(answer) == (403, "ROLE_NOT_AUTHORISED"), (agency, role, query)
                assert "plate" not in (await desk.call("GET", "/v1/holds/grounds", role)).json()["scopes"]
                for body in ({"read_ids": [read.read_id]}, {"query": around}):
                    assert (await desk.place(role=role, **body)).status_code == 201
            assert (await desk.place(query={"plate": "8TST001"}, note="drives a 8TST001")).status_code == 201
            listed = await desk.call("GET", "/v1/holds", "auditor")
            assert (len(listed.json()["holds"]), "8TST001" in listed.text) == (5, False)  # nor does the list
            await desk.close()


@pytest.mark.requirement("RET-13")
async def test_claremont_says_whether_a_dvd_was_considered(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = HoldDesk(doors, agency)
            ground = "linked_investigation" if agency == "escondido" else "evidence"
            body = {"ground": ground, "case_number": "26-1", "query": {"plate": "8TST001"}}
            answer = await desk.call("POST", "/v1/holds", **body)
            if agency != "claremont":
                assert answer.status_code == 201
            else:
                assert code(answer) == (422, "DVD_ANSWER_MISSING")
                for dvd in (
                    {"considered": True},
                    {"considered": True, "reason": ""},
                    {"considered": "yes", "reason": "x"},
                ):
                    assert code(await desk.call("POST", "/v1/holds", **body, dvd=dvd)) == (422, "FIELD_INVALID")
                for considered in (True, False):
                    dvd = {"considered": considered, "reason": "the case goes to trial in May"}
                    answer = await desk.call("POST", "/v1/holds", **body, dvd=dvd)
                    assert (answer.status_code, (await desk.look(answer.json()["hold_id"]))["dvd"]) == (201, dvd)
                asks = (await desk.call("GET", "/v1/holds/grounds")).json()["grounds"]
                assert [one["code"] for one in asks if "dvd" in one["asks"]] == ["evidence", "reasonable_likelihood"]
            await desk.close()


async def test_frames_that_nobody_could_read_are_held_by_place_and_time_not_by_a_plate(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)

        async def held(device="cam", minutes=0, latitude=33.68):
            async with desk.outbox.change("demo") as connection:
                at = LONG_AGO + timedelta(minutes=minutes)
                ask = "SELECT retention.frame_held('demo', $1, $2, $3, -117.83)"
                return await connection.fetchval(ask, device, at, latitude)

        await desk.placed(query={"plate": "8TST001"})
        assert not await held()
        window = {"captured_from": LONG_AGO.isoformat(), "captured_to": (LONG_AGO + timedelta(minutes=5)).isoformat()}
        timed = await desk.placed(query={"plate": "8TST001", "device_ids": ["cam"], **window})
        assert await held()
        assert not any([await held(device="other"), await held(minutes=6), await held(minutes=-1)])
        await desk.released(timed)
        await desk.placed(query={"area": {"south": 33.6, "west": -118.0, "north": 33.7, "east": -117.0}})
        assert await held("other", 600)
        assert not await held("other", 600, latitude=33.8)
        await desk.close()


async def test_two_persons_end_a_hold_and_every_step_stands_in_ledger_and_history(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk, read = HoldDesk(doors), old_read()
        await doors.keep(read)
        hold_id = await desk.placed(read_ids=[read.read_id], note="for the trial")
        assert code(await desk.step(hold_id, "releases", "program_manager", decision="release")) == (409, "HOLD_STATE")
        assert code(await desk.step(hold_id, "confirmations", "program_manager")) == (409, "HOLD_STATE")
        assert code(await desk.step(hold_id, "release-requests", "officer", reason="booked")) == (
            403,
            "ROLE_NOT_AUTHORISED",
        )
        ended = await desk.step(hold_id, "reviews", "program_manager", action="ended", note="acquitted")
        assert (ended.json()["state"], ended.json()["may"]) == ("release_requested", ["review"])
        again = await desk.step(hold_id, "releases", "program_manager", decision="release")
        assert code(again) == (403, "SECOND_PERSON_REQUIRED")
        assert await desk.held(read) == {0: [hold_id]}
        kept = await desk.step(hold_id, "releases", "custodian", "two", decision="keep", note="appeal pending")
        assert kept.json()["state"] == "active"
        await desk.released(hold_id)
        assert code(await desk.step(hold_id, "reviews", action="goes_on")) == (409, "HOLD_STATE")
        look = await desk.look(hold_id)
        acts = ["placed", "reviewed", "kept", "release_requested", "released"]
        assert [act["act"] for act in look["history"]] == acts
        assert (look["end"]["reason"], look["end"]["name"], look["may"]) == ("action_ended", "Person two", [])
        for kind in ("placed", "reviewed", "kept", "release_requested", "released", "read"):
            assert len(await desk.told(f"hold_{kind}")) == 1, kind
        unknown = "00000000-0000-5000-8000-000000000000"
        assert code(await desk.step(unknown, "reviews", action="goes_on")) == (404, "HOLD_UNKNOWN")
        await desk.close()


@pytest.mark.requirement("RET-08")
async def test_a_hold_is_looked_at_again_within_90_days(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = HoldDesk(doors, agency)
            today = datetime.now(UTC).date()
            for days in (-1, 91):
                day = (today + timedelta(days=days)).isoformat()
                answer = await desk.place(query={"plate": "8TST001"}, review_on=day)
                assert code(answer) == (422, "REVIEW_DATE_INVALID")
            soon = await desk.placed(query={"plate": "8TST001"}, review_on=(today + timedelta(days=5)).isoformat())
            hold_id = await desk.placed(query={"plate": "8TST001"})
            due = datetime.fromisoformat((await desk.look(hold_id))["review_due"])
            assert abs(due - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)
            desk.clock.ahead = timedelta(days=6)
            for _ in range(2):
                await desk.watch.look()
            mine = [one for one in await desk.told("hold_review_overdue") if one.agency == agency]
            assert [one.facts["hold_id"] for one in mine] == [soon]  # told once
            await doors.sql(
                "UPDATE retention.holds SET review_due = now() - interval '1 hour' WHERE hold_id = $1", soon
            )
            late = (await desk.call("GET", "/v1/holds", state="overdue")).json()["holds"]
            assert [(one["hold_id"], one["overdue"]) for one in late] == [(soon, True)]
            goes_on = await desk.step(soon, "reviews", action="goes_on", note="trial in May")
            assert (goes_on.json()["overdue"], goes_on.json()["state"]) == (False, "active")
            await desk.close()


async def test_lists_go_on_page_by_page_and_show_no_plate_to_whom_may_not_search(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)
        reads = [old_read(number=at) for at in range(3)]
        await doors.keep(*reads, hits=[make_hit(reads[0])])
        placed = [await desk.placed(query={"plate": "8TST001"}) for _ in range(53)]
        page = (await desk.call("GET", "/v1/holds", "auditor")).json()
        rest = (await desk.call("GET", "/v1/holds", "auditor", after=page["next"])).json()
        assert [one["hold_id"] for one in (*page["holds"], *rest["holds"])] == placed[::-1]
        assert (len(page["holds"]), rest["next"], "8TST" in str(page)) == (50, None, False)
        for wrong in ({"state": "any"}, {"after": "then"}, {"after": f"2026-01-01/{placed[0]}"}):
            assert code(await desk.call("GET", "/v1/holds", **wrong)) == (422, "FIELD_INVALID")
        assert (await desk.look(placed[0]))["scope"]["criteria"] == {"plate": "8TST001"}
        assert (await desk.look(placed[0], "custodian"))["scope"]["criteria"] == {}
        assert code(await desk.call("GET", "/v1/holds", "officer")) == (403, "ROLE_NOT_AUTHORISED")
        assert page["holds"][0]["counted_at"] is None
        for _ in range(3):  # twenty a turn
            await desk.watch.look()
        counted = await desk.look(placed[0])
        assert (counted["reads"], counted["hits"]) == (3, 1)
        for body in (
            {},
            {"read_ids": ["x"]},
            {"query": {}},
            {"query": {"partial": "*"}},
            {"entry": 1, "query": {"plate": "X1"}},
        ):
            assert code(await desk.place(**body)) == (422, "FIELD_INVALID"), body
        missing = await desk.place(query={"plate": "8TST001"}, case_number="")
        assert code(missing) == (422, "CASE_REFERENCE_MISSING")
        assert (await desk.place(query={"plate": "8TST001"}, case_number="", court_reference="CR-9")).status_code == 201
        await desk.close()
