"""What is kept, under which day, what is purged and what is not, and who sees an image."""

import asyncio
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from alprcore.errors import InvalidMessage, Transient
from alprcore.model import DeviceKind, Plate, StateScore, Vehicle
from alprcore.topics import Topic
from alprcore.wire import decode_image_key
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read, utc_now
from tests.fixtures.keeping import keeping, scheduled

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)


async def count(doors, table="reads"):
    return (await doors.sql(f"SELECT count(*) FROM retention.{table}"))[0][0]


async def found(doors, plate):
    return (await doors.ask({"plate": plate})).json()["rows"]


def old_read(plate="8TST001", *, number=1, days=0, **changes):
    return make_read(plate, number=number, captured_at=LONG_AGO + timedelta(days=days), **changes)


async def test_a_repeated_read_is_stored_once_and_the_highest_revision_stays(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        first = make_read()
        better = replace(first, revision=3, confidence=0.5)
        between = replace(first, revision=2, confidence=0.1)
        for read in (first, first, better, between, first):
            await doors.keep(read, hits=[make_hit(read)])
        (row,) = await found(doors, "8TST001")
        assert (row["revision"], row["confidence"], await count(doors), await count(doors, "hits")) == (3, 0.5, 1, 1)


async def test_a_hit_said_again_as_withdrawn_stays_withdrawn_in_any_order(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        hit = make_hit(read)
        gone = replace(hit, revision=1, withdrawn_at=read.captured_at, withdrawn_reason="not_listed")
        for said in (hit, gone, hit):
            await doors.keep(read, hits=[said])
        rows = await doors.sql("SELECT details ->> 'withdrawn_reason' FROM retention.hits")
        assert [row[0] for row in rows] == ["not_listed"]


async def test_a_correction_that_moves_the_key_keeps_its_text_in_any_order(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for number, order in enumerate(((0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1))):
            first = make_read("8TST001", number=number)
            corrected = replace(first, revision=2, plate=Plate("9TST001"))
            retracted = replace(first, revision=2, retracted=True)
            for step in order:
                await doors.keep((first, corrected, retracted)[step])
        assert [row["revision"] for row in await found(doors, "9TST001")] == [2] * 4
        assert await found(doors, "8TST001") == []
        gone = make_read("7GONE00", number=9)
        await doors.keep(replace(gone, revision=2, retracted=True))
        await doors.keep(gone)
        assert await found(doors, "7GONE00") == []


async def test_the_due_day_is_fixed_when_a_read_is_first_stored(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = make_read()
        await doors.keep(read)
        due = doors.due(read)
        doors.profiles["demo"] = keeping(doors.profiles["demo"], fixed="3 years")
        later = replace(read, revision=2, captured_at=read.captured_at + timedelta(hours=20))
        assert doors.due(later) > due + timedelta(days=700)
        await doors.keep(later, hits=[make_hit(later)])
        rows = await doors.sql("SELECT due_day FROM retention.reads UNION ALL SELECT due_day FROM retention.hits")
        assert [row[0] for row in rows] == [due, due]


async def test_many_new_days_at_once_from_two_keepers(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = [old_read(number=n, days=n % 20) for n in range(60)]
        await asyncio.gather(*(doors.keep(read) for read in reads), *(doors.keep(read) for read in reversed(reads)))
        assert await count(doors) == 60


async def test_records_that_no_column_takes_are_named_and_nothing_else_is_lost(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        odd = replace(make_read(number=2), device_name="a\x00b")
        with pytest.raises(InvalidMessage):
            await doors.keep(make_read(), odd)
        with pytest.raises(InvalidMessage):
            await doors.keep(replace(make_read(), read_id="not-an-id"))
        await doors.keep(make_read())
        assert await count(doors) == 1


@pytest.mark.requirement("RET-03")
async def test_mobile_and_fixed_reads_fall_due_by_their_own_periods(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        profile = keeping(doors.profiles["escondido"], fixed="2 years", mobile="3 years")
        doors.profiles["escondido"] = profile
        captured = utc_now() - timedelta(days=2 * 365 + 5)
        fixed = make_read(number=1, agency="escondido", captured_at=captured)
        mobile = make_read(number=2, agency="escondido", captured_at=captured, device_kind=DeviceKind.MOBILE)
        await doors.keep(fixed, mobile)
        run = await doors.purge()
        assert run["outcome"] == "complete"
        rows = await doors.sql("SELECT device_kind FROM retention.reads")
        assert [row[0] for row in rows] == ["mobile"]


@pytest.mark.requirement("RET-01")
async def test_nothing_goes_before_a_year_whoever_asks_and_whatever_the_day_says(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        doors.profiles["irvine"] = doors.parts.profiles["irvine"] = scheduled(doors.profiles["irvine"])
        read = make_read(agency="irvine", captured_at=utc_now() - timedelta(days=364))
        await doors.keep(read)
        assert (await doors.purge(agency="irvine"))["days"] == []
        officer = doors.auth(roles=("retention_officer",))
        early = (utc_now() + timedelta(days=3)).date().isoformat()
        answer = await doors.shelf.post("/v1/purges", json={"as_of": early}, headers=officer)
        assert (answer.status_code, answer.json()["reason_code"]) == (403, "RETENTION_FLOOR")
        # a day that was computed wrongly is refused by the database itself, and its images stay
        young = await doors.with_images(
            make_read(number=2, agency="irvine", captured_at=utc_now() - timedelta(days=300))
        )
        wrong = utc_now().date() - timedelta(days=3)
        await doors.records.keep([(young, wrong)], [])
        with pytest.raises(asyncpg.CheckViolationError, match="RETENTION_FLOOR"):
            await doors.drop_day(wrong)
        run = await doors.purge(agency="irvine")
        assert (run["outcome"], run["errors"]) == ("incomplete", ["RETENTION_FLOOR"])
        assert await count(doors) == 2
        assert await doors.house.images.objects.get(young.closeup.key)


async def test_an_image_opens_once_for_the_entry_that_names_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = await doors.with_images(make_read())
        await doors.keep(read)
        sealed = await doors.house.images.objects.get(read.closeup.key)
        assert JPEG not in sealed
        query = (await doors.ask({"plate": "8TST001"})).json()["query_id"]

        async def view(role="closeup", **changes):
            wish = {"read_id": read.read_id, "role": role, "query_id": query}
            entry = (await doors.http.post("/v1/image-views", json=wish, headers=doors.auth())).json()["entry"]
            return await doors.shelf.get(f"/v1/images/{entry}", headers=doors.auth(**changes)), entry

        answer, entry = await view()
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, JPEG, "image/jpeg")
        again = await doors.shelf.get(f"/v1/images/{entry}", headers=doors.auth())
        assert (again.status_code, again.json()["reason_code"]) == (403, "LEDGER_ENTRY_USED")
        for wrong in (query, entry + 500):
            refused = await doors.shelf.get(f"/v1/images/{wrong}", headers=doors.auth())
            assert (refused.status_code, refused.json()["reason_code"]) == (403, "LEDGER_ENTRY_MISSING")
        stranger, _ = await view(person_id="p-2")
        assert (stranger.status_code, stranger.json()["reason_code"]) == (403, "LEDGER_ENTRY_MISSING")
        assert (await doors.shelf.get(f"/v1/images/{entry}")).status_code == 401
        frame, _ = await view("frame")
        assert (frame.status_code, frame.json()["reason_code"]) == (404, "IMAGE_UNKNOWN")
        await doors.house.images.objects.put(read.context.key, sealed)  # another image under this name
        damaged, _ = await view("context")
        assert (damaged.status_code, damaged.json()["reason_code"]) == (500, "SEAL_BROKEN")
        doors.house.images.keys.destroy("demo", doors.due(read).isoformat())
        gone, _ = await view()
        assert (gone.status_code, gone.json()["reason_code"]) == (410, "IMAGE_GONE")


async def test_images_of_live_hits_show_without_a_ledger_and_only_live_and_only_to_their_agency(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        live, old = await doors.with_images(make_read(number=1)), await doors.with_images(make_read(number=2))
        hit, stale = make_hit(live), make_hit(old, matched_at=utc_now() - timedelta(hours=25))
        await doors.keep(live, old, hits=[hit, stale])
        doors.stop.set()
        await doors.writing

        async def look(which, role="closeup", **changes):
            url = f"/v1/live-hits/{which.hit_id}/images/{role}"
            answer = await doors.shelf.get(url, headers=doors.auth(**changes))
            return answer.status_code, answer.content

        assert await look(hit) == (200, JPEG)
        assert await look(hit, "context") == (200, JPEG)
        assert (await look(stale))[0] == 404
        assert (await look(hit, agency="irvine"))[0] == 404
        assert (await look(hit, "frame"))[0] == 404
        shown = await doors.told("live_image_shown")
        assert len(shown) == 2
        assert shown[0].personal["username"] == "jdoe"
        doors.heard.away = Transient("broker away")
        assert await look(hit) == (200, JPEG)


async def test_keys_lie_ready_for_every_day_that_images_can_fall_due(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.house.prepare_days()
        published = {
            (key.agency, key.due_day): key.public_key
            for topic, _, value, headers in doors.heard.messages
            if topic is Topic.IMAGE_KEYS
            for key in [decode_image_key(value, headers)]
        }
        for agency in doors.profiles:
            for kind in DeviceKind:
                for days in (-31, -10, 0, 2):
                    captured = utc_now() + timedelta(days=days)
                    read = make_read(agency=agency, captured_at=captured, device_kind=kind)
                    assert (agency, doors.due(read)) in published
        folder = tmp_path / "image-keys"
        files = list(folder.glob("*/*"))
        assert len(files) == len(published)
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        before = len(doors.heard.messages)
        await doors.house.prepare_days()
        assert len(doors.heard.messages) == before
        day = doors.due(make_read())
        assert published["demo", day] == doors.house.images.keys.ensure("demo", day.isoformat())


async def test_a_camera_whose_clock_was_reset_finds_key_and_day(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.house.prepare_days()
        for agency in doors.profiles:
            for number, captured in enumerate((datetime(2000, 1, 1, tzinfo=UTC), utc_now() - timedelta(days=200))):
                read = make_read(agency=agency, number=number, captured_at=captured, received_at=utc_now())
                assert doors.house.images.keys.private(agency, doors.due(read).isoformat())
                await doors.keep(read)
        assert await count(doors) == 2 * len(doors.profiles)
        # rare days get their partitions when a record comes, not hundreds ahead
        parts = await doors.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'retention.reads'::regclass")
        assert parts[0][0] < 150


async def test_only_the_due_roles_purge_hold_and_read_runs(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        calls = [
            doors.shelf.post("/v1/purges", headers=doors.auth()),
            doors.shelf.post("/v1/holds", json={"ground": "x", "case": "y"}, headers=doors.auth(roles=("officer",))),
            doors.shelf.get("/v1/retention/runs", headers=doors.auth()),
        ]
        for call in calls:
            answer = await call
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        empty = await doors.shelf.post("/v1/holds", json={"ground": "x", "case": "y"}, headers=doors.auth())
        assert (empty.status_code, empty.json()["reason_code"]) == (422, "FIELD_INVALID")
        refusals = await doors.told("refused")
        assert [event.reason_code for event in refusals] == ["ROLE_NOT_AUTHORISED"] * 3 + ["FIELD_INVALID"]


async def test_the_keeper_sees_only_the_agencies_it_names(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read(number=1), make_read(number=2, agency="irvine"))
        connection = await asyncpg.connect(pg_database.url("retention"))
        try:
            for scope, expected in (("", 0), ("demo", 1), ("demo,irvine", 2), ("nobody", 0)):
                await connection.execute("SELECT set_config('alpr.agencies', $1, false)", scope)
                assert await connection.fetchval("SELECT count(*) FROM retention.reads") == expected
            await connection.execute("SELECT set_config('alpr.agencies', 'irvine', false)")
            assert (
                await connection.execute("UPDATE retention.reads SET plate = 'X' WHERE agency = 'demo'") == "UPDATE 0"
            )
            partition = await connection.fetchval(
                "SELECT tablename FROM pg_tables WHERE tablename LIKE 'reads\\_2%' LIMIT 1"
            )
            for statement in (f"SELECT * FROM retention.{partition}", f"DROP TABLE retention.{partition}",
                              "DELETE FROM retention.reads", "SELECT retention.search_reads(0)"):  # fmt: skip
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_search_in_a_time_range_does_not_even_open_other_days(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(*(old_read(number=n, days=n * 10) for n in range(5)))
        locked = doors.due(old_read(days=40)).strftime("retention.reads_%Y%m%d")
        other = await asyncpg.connect(pg_database.admin)
        try:
            async with other.transaction():
                await other.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
                day = LONG_AGO + timedelta(days=10)
                criteria = {"captured_from": (day - timedelta(hours=1)).isoformat(), "captured_to": day.isoformat()}
                assert len((await asyncio.wait_for(doors.ask(criteria), 5)).json()["rows"]) == 1
                whole = asyncio.create_task(doors.ask({"plate": "8TST001"}))
                await asyncio.wait({whole}, timeout=0.5)
                assert not whole.done()  # without a time range every day is opened, also the locked one
        finally:
            await other.close()
        assert len((await whole).json()["rows"]) == 5


async def test_unreadable_plates_are_counted_by_camera_with_their_reasons(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        unreadable = {"plate_raw": "8T5T", "state": "unknown"}
        one, two = {"camera_id": "demo-cam-1"}, {"camera_id": "demo-cam-2"}
        reads = [
            make_read(number=1, **one),
            *(make_read("", number=n, **unreadable, unreadable_reason="BLURRED", **one) for n in (2, 3)),
            make_read("", number=4, **unreadable, unreadable_reason="TOO_SMALL", **one),
            make_read("", number=5, **unreadable, **one),
            make_read(number=6, **two),
            make_read(number=7, **two, captured_at=utc_now() - timedelta(days=9)),
            make_read(number=8, **two, device_id="other"),
            make_read(number=9, **two, retracted=True),
            make_read(number=10, agency="irvine", device_id="demo-device"),
        ]
        await doors.keep(*reads)
        answer = await doors.shelf.get("/v1/read-statistics?device_id=demo-device&days=7", headers=doors.auth())
        assert answer.status_code == 200, answer.text
        assert answer.json()["cameras"] == [
            {"camera_id": "demo-cam-1", "reads": 5, "unreadable": 4, "reasons": {"BLURRED": 2, "TOO_SMALL": 1, "": 1}},
            {"camera_id": "demo-cam-2", "reads": 1, "unreadable": 0, "reasons": {}},
        ]
        assert "8T5T" not in answer.text
        for query in ("device_id=demo-device&days=0", "days=7"):
            assert (await doors.shelf.get(f"/v1/read-statistics?{query}", headers=doors.auth())).status_code == 422
        assert (await doors.shelf.get("/v1/read-statistics?device_id=demo-device")).status_code == 401


async def test_what_the_models_estimated_is_kept_as_an_estimate(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        corners = ((1.0, 2.0), (4.0, 2.5), (4.0, 6.0), (1.0, 5.5))
        origins = (StateScore("US-CA", 0.9), StateScore("unknown", 0.1))
        await doors.keep(make_read(origins=origins, corners=corners, vehicle=Vehicle("WHI", 0.75)))
        (row,) = await found(doors, "8TST001")
        assert row["origins"] == [["US-CA", 0.9], ["unknown", 0.1]]
        assert row["corners"] == [list(corner) for corner in corners]
        assert (row["vehicle"], row["unreadable_reason"]) == ({"color": "WHI", "color_probability": 0.75}, "")
