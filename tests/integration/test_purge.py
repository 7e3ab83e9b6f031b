"""What a purge takes and leaves, how it goes on after a break, what its certificate says, and what a restore brings back."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from alprcore.errors import Transient
from alprcore.kafka import Message
from alprcore.model import DeviceKind, PurgeAnswer
from alprcore.topics import Topic
from alprcore.wire import decode_purge_order, encode_purge_answer, headers_for
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read, utc_now
from tests.fixtures.keeping import scheduled

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
FIVE = ("irvine", "westminster", "roseville", "claremont", "escondido")


def kept_for(agencies, database, folder, **settings):
    """Both services, with a records schedule where these agencies' policy asks for one."""
    doors = Doors(database, folder, **settings)
    doors.profiles.update({agency: scheduled(doors.profiles[agency]) for agency in agencies})
    return doors


def old_read(plate="8TST001", *, number=1, days=0, **changes):
    return make_read(plate, number=number, captured_at=LONG_AGO + timedelta(days=days), **changes)


async def count(doors, table="reads"):
    return (await doors.sql(f"SELECT count(*) FROM retention.{table}"))[0][0]


async def hold(doors, *read_ids, agency="demo", **query):
    """Place a hold on these reads or on what fits; answers its id."""
    ground = doors.profiles[agency].retention.hold_grounds[0]
    body = {"ground": ground, "case_number": "26-77", **({"read_ids": read_ids} if read_ids else {"query": query})}
    if doors.profiles[agency].retention.dvd_question:
        body["dvd"] = {"considered": True, "reason": "kept here for the time being"}
    answer = await doors.shelf.post("/v1/holds", json=body, headers=doors.auth(agency=agency))
    assert answer.status_code == 201, answer.text
    return answer.json()["hold_id"]


async def end(doors, *holds):
    """End holds as two people would have."""
    for one in holds:
        await doors.sql("UPDATE retention.holds SET released_at = now(), state = 'ended' WHERE hold_id = $1", one)


def orders(doors):
    """The purge orders handed over so far."""
    return [decode_purge_order(v, h) for topic, _, v, h in doors.heard.messages if topic is Topic.PURGES]


async def certified(doors, agency="demo"):
    """What the ledger was told of the runs that concern an agency; every other agency is told that nothing was due."""
    return [event for event in await doors.told("purge") if event.agency == agency]


def answered(order, service="console", **left):
    answer = PurgeAnswer(
        order.order_id, order.run_id, order.agency, order.due_day, order.part, service,
        {"hits": len(order.hit_ids)}, left, utc_now(),
    )  # fmt: skip
    headers = headers_for(Topic.PURGE_ANSWERS, id=order.order_id, source="/test", time=utc_now())
    return Message("purge.answers", 0, 0, b"", encode_purge_answer(answer), dict(headers), 0)


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.requirement("RET-06")
@pytest.mark.requirement("RET-15")
async def test_ten_are_due_two_are_held_eight_go_and_the_run_says_so(pg_database, tmp_path, agency):
    async with kept_for([agency], pg_database, tmp_path, retention={"purge_doors": "console"}) as doors:
        due = [
            await doors.with_images(old_read(f"8TST0{n:02}", number=n, agency=agency, device_kind=DeviceKind(kind)))
            for n, kind in enumerate(["fixed", "mobile"] * 5)
        ]
        fresh = await doors.with_images(make_read("9NEW001", number=99, agency=agency))
        hits = [make_hit(read) for read in (*due[:3], fresh)]
        await doors.keep(*due, fresh, hits=hits)
        held = [await hold(doors, due[0].read_id, agency=agency), await hold(doors, due[1].read_id, agency=agency)]
        officer = {"roles": ("retention_officer",), "agency": agency}
        plan = (await doors.shelf.post("/v1/purges/previews", headers=doors.auth(**officer))).json()
        assert (plan["totals"]["reads"], plan["totals"]["held"], plan["blocked_by"]) == (8, 2, [])
        assert await count(doors) == 11
        answer = await doors.shelf.post("/v1/purges", headers=doors.auth(**officer))
        assert answer.status_code == 201, answer.text
        run_id = answer.json()["run_id"]
        assert answer.json()["state"] == "settling"  # the console has not answered yet

        # the console is told which hits go and which reads stay; what it answers completes the certificate
        assert await certified(doors, agency) == []
        told = [order for order in orders(doors) if order.agency == agency]
        assert sum((order.hit_ids for order in told), ()) == (hits[2].hit_id,)
        assert {read for order in told for read in order.held_read_ids} == {due[0].read_id, due[1].read_id}
        for order in told:
            await doors.purges.accounts.take_answer(answered(order))
        await doors.purges.accounts.settle()
        path = f"/v1/retention/runs/{run_id}"
        run = (await doors.shelf.get(path, headers=doors.auth(roles=("auditor",), agency=agency))).json()
        totals = {"reads": 8, "hits": 1, "held": 2, "images": 16, "keys": len(run["days"])}
        assert (run["outcome"], run["totals"], run["errors"]) == ("complete", totals, [])
        assert run["holds"] == [{"hold_id": one, "reads": 1} for one in sorted(held)]
        assert {store["store"]: store["state"] for store in run["stores"]}["console"] == "done"
        assert run["as_of"] == plan["as_of"]

        # 8 rows and their image objects are gone, 2 remain, and these open by their holds' keys
        assert {row[0] for row in await doors.sql("SELECT plate FROM retention.reads")} == {
            "8TST000", "8TST001", "9NEW001",
        }  # fmt: skip
        objects = doors.parts.images.objects
        assert len(await objects.list("closeup") + await objects.list("context")) == 2  # of the fresh one
        rows = await doors.sql("SELECT images FROM retention.reads WHERE due_day = 'infinity'")
        for image in (image for row in rows for image in json.loads(row[0])):
            assert image["sealed_to"].startswith("hold-")
            assert await doors.parts.images.open(agency, image) == JPEG
        assert not [key for key in doors.parts.images.keys.days() if key == (agency, doors.due(due[5]))]

        # the ledger has the certificate: the same figures, its hash, and no plate
        (entry,) = await certified(doors, agency)
        assert (entry.facts["reads"], entry.facts["held"], entry.facts["outcome"]) == ("8", "2", "complete")
        assert entry.facts["certificate_sha256"] == run["certificate_sha256"]
        assert entry.profile_version == doors.profiles[agency].version
        assert "8TST" not in f"{entry}{json.dumps(run)}"
        other = doors.auth(roles=("auditor",), agency="demo")
        assert (await doors.shelf.get(path, headers=other)).json()["days"] == []  # nobody sees another agency's

        # a second run finds nothing more, and a repeat of a held read still finds its place
        assert (await doors.purge(agency=agency))["days"] == []
        await doors.keep(due[0])
        assert await count(doors) == 3


async def test_a_silent_door_makes_the_certificate_incomplete_until_it_answers(pg_database, tmp_path):
    moment = [utc_now()]
    doors = Doors(pg_database, tmp_path, clock=lambda: moment[0], retention={"purge_doors": "console,ingest"})
    async with doors:
        read = old_read()
        await doors.keep(read, hits=[make_hit(read)])
        run = await doors.purge()
        assert (run["state"], run["certificate"]) == ("settling", None)
        moment[0] += timedelta(minutes=11)
        await doors.purges.accounts.settle()
        (run,) = await doors.purges.accounts.runs("demo", run["run_id"])
        assert (run["outcome"], run["errors"]) == (
            "incomplete",
            ["PURGE_UNANSWERED console", "PURGE_UNANSWERED ingest"],
        )
        assert {one["store"]: one["state"] for one in run["certificate"]["stores"]}["ingest"] == "missing"
        await doors.told()
        (order,) = orders(doors)
        for _ in range(2):  # a repeat counts once
            await doors.purges.accounts.take_answer(answered(order))
        await doors.purges.accounts.take_answer(answered(order, "ingest", working_copies=1))
        await doors.purges.accounts.settle()
        (run,) = await doors.purges.accounts.runs("demo", run["run_id"])
        assert (run["outcome"], run["errors"]) == ("incomplete", ["PURGE_LEFT ingest"])
        assert [event.facts["outcome"] for event in await certified(doors)] == ["incomplete", "incomplete"]
        assert {one["store"]: one["gone"] for one in run["stores"]}["console"] == {"hits": 1}


async def test_a_purge_that_broke_after_the_rows_went_is_finished_by_the_next(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = await doors.with_images(old_read())
        await doors.keep(read)
        objects, kept = doors.parts.images.objects, doors.parts.images.objects.delete_prefix

        async def away(_folder):
            raise Transient("store away")

        objects.delete_prefix = away
        other = await doors.with_images(old_read("8TST002", number=2, days=3))
        await doors.keep(other)
        broken = (await doors.purge())["run_id"]
        assert await count(doors) == 0  # one day's trouble holds up no other
        assert doors.parts.images.keys.private("demo", doors.due(read).isoformat()) is None  # unreadable already
        assert await certified(doors) == []  # nothing is certified that has not happened
        objects.delete_prefix = kept
        await doors.purge()
        (run,) = await doors.purges.accounts.runs("demo", broken)
        assert (run["outcome"], run["totals"]["reads"], run["totals"]["images"]) == ("complete", 2, 4)
        assert await objects.list("closeup") == []
        told = {event.facts["run_id"]: event.facts for event in await certified(doors)}
        assert {facts["outcome"] for facts in told.values()} == {"complete"}
        assert (told.pop(broken)["reads"], [facts["reads"] for facts in told.values()]) == ("2", ["0"])


async def test_a_broker_that_is_away_delays_what_is_told_and_nothing_else(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(await doors.with_images(old_read()))
        doors.heard.away = Transient("broker away")
        assert (await doors.purge())["outcome"] == "complete"
        with pytest.raises(Transient):
            await doors.told()
        doors.heard.away = None
        assert len(await certified(doors)) == 1
        gone = [key for topic, key, value, _ in doors.heard.messages if topic is Topic.IMAGE_KEYS and value is None]
        assert gone == [f"demo/{doors.due(old_read())}"]


async def test_a_hold_that_comes_between_moving_and_judging_keeps_its_reads(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = await doors.with_images(old_read())
        await doors.keep(read, old_read("8TST002", number=2))
        cut, placed = doors.purges.rows.cut, []

        async def with_a_hold(*args, **more):
            if not placed:
                placed.append(await asyncio.wait_for(hold(doors, read.read_id), 5))
            return await cut(*args, **more)

        doors.purges.rows.cut = with_a_hold
        run = await doors.purge()
        assert (run["outcome"], run["totals"]["reads"], run["totals"]["held"]) == ("complete", 1, 1)
        assert [row[0] for row in await doors.sql("SELECT plate FROM retention.reads")] == ["8TST001"]


async def test_a_hold_waits_while_a_day_is_judged_and_finds_it_gone(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        first, second = old_read(), old_read("8TST002", number=2, days=3)
        await doors.keep(first, second)
        judging = await asyncpg.connect(pg_database.url("retention"))
        try:
            async with judging.transaction():
                await judging.fetchval("SELECT retention.drop_day($1)", doors.due(first))
                placing = asyncio.create_task(hold(doors, first.read_id, second.read_id))
                await asyncio.sleep(0.3)
                assert not placing.done()
            await asyncio.wait_for(placing, 5)
        finally:
            await judging.close()
        run = await doors.purge()
        assert (run["totals"]["reads"], run["totals"]["held"]) == (0, 1)


async def test_two_purges_at_once_are_one(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        async with doors.purges.rows.alone() as alone:
            assert alone
            officer = doors.auth(roles=("retention_officer",))
            answer = await doors.shelf.post("/v1/purges", headers=officer)
            assert (answer.status_code, answer.json()["reason_code"]) == (409, "PURGE_RUNNING")
            await asyncio.wait_for(hold(doors, device_id="demo-device"), 5)
        assert (await doors.purge())["outcome"] == "complete"


async def test_the_database_itself_drops_no_held_day(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = old_read()
        await doors.keep(read)
        await hold(doors, captured_to=utc_now().isoformat())
        with pytest.raises(asyncpg.CheckViolationError, match="RECORD_HELD"):
            await doors.drop_day(doors.due(read))
        assert await count(doors) == 1


async def test_what_a_hold_kept_goes_when_none_keeps_it_any_more(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = [await doors.with_images(old_read(f"8TST00{n}", number=n)) for n in range(2)]
        await doors.keep(*reads, hits=[make_hit(reads[0])])
        first = await hold(doors, reads[0].read_id)
        both = await hold(doors, *(read.read_id for read in reads))
        await doors.purge()
        keys = doors.parts.images.keys
        assert keys.private("demo", f"hold-{first}")
        await end(doors, first)
        assert (await doors.purge())["totals"]["reads"] == 0
        # the second hold still keeps it: its images are sealed to that one, and the first one's key is gone
        rows = await doors.sql("SELECT images FROM retention.reads WHERE due_day = 'infinity' ORDER BY plate")
        images = [image for row in rows for image in json.loads(row[0])]
        assert {image["sealed_to"] for image in images} == {f"hold-{both}"}
        assert [await doors.parts.images.open("demo", image) for image in images] == [JPEG] * 4
        assert keys.private("demo", f"hold-{first}") is None
        await end(doors, both)
        run = await doors.purge()
        (item,) = run["days"]
        assert (item["kind"], item["reads"], item["hits"], item["images"]) == ("held", 2, 1, 4)
        assert item["day"] == doors.due(reads[0]).isoformat()
        assert set(item["holds"]) == {first, both}
        assert await doors.parts.images.objects.list("held") == []
        assert (await count(doors), await count(doors, "hits")) == (0, 0)
        assert keys.private("demo", f"hold-{both}") is None


async def test_an_agency_whose_policy_bars_the_purge_keeps_its_records_and_no_other(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:  # irvine's department has given no records schedule yet
        mine, theirs = await doors.with_images(old_read()), None
        theirs = await doors.with_images(old_read(number=2, agency="irvine"))
        day = doors.due(mine)
        await doors.records.keep([(mine, day), (theirs, day)], [])
        run = await doors.purge()
        assert (run["outcome"], run["totals"]["reads"]) == ("complete", 1)
        assert [row[0] for row in await doors.sql("SELECT agency FROM retention.reads")] == ["irvine"]
        (barred,) = await doors.purges.accounts.runs("irvine", run["run_id"])
        assert (barred["outcome"], barred["errors"]) == ("stopped", ["RETENTION_SCHEDULE_MISSING"])
        assert await doors.parts.images.objects.list("closeup/irvine")
        assert await doors.parts.images.objects.list("closeup/demo") == []
        (told,) = [event for event in await doors.told("purge") if event.agency == "irvine"]
        assert (told.reason_code, told.facts["reads"]) == ("RETENTION_SCHEDULE_MISSING", "0")


@pytest.mark.parametrize("agency", ["escondido", "irvine"])
@pytest.mark.requirement("RET-10")
async def test_a_database_from_a_backup_is_purged_again_before_it_answers(pg_database, tmp_path, agency):
    async with kept_for([agency], pg_database, tmp_path) as doors:
        gone = await doors.with_images(old_read("8TST001", agency=agency))
        kept = await doors.with_images(old_read("8TST002", number=2, agency=agency))
        fresh = make_read("9NEW001", number=3, agency=agency)
        await doors.keep(gone, kept, fresh)
        sealed = await doors.parts.images.objects.get(gone.closeup.key)
        backup = await doors.sql("SELECT * FROM retention.reads WHERE due_day < 'infinity'")
        one = await hold(doors, kept.read_id, agency=agency)  # placed after the backup was taken
        assert (await doors.purge(agency=agency))["totals"]["reads"] == 1

        # the backup comes back: yesterday's rows, no hold, another server process
        await doors.sql("DELETE FROM retention.reads")
        await doors.sql("TRUNCATE retention.holds CASCADE")
        await doors.keep(gone, kept, fresh)
        assert await count(doors) == len(backup) == 3
        await doors.parts.images.objects.put(gone.closeup.key, sealed)
        await doors.parts.images.objects.put(f"held/{agency}/of-an-earlier-release.jpg", sealed)
        await doors.sql("UPDATE retention.vouchers SET started_at = started_at - interval '1 day'")
        person = doors.person(agency=agency)
        refused = await doors.ask({"plate": "9NEW001"}, person=person)
        assert refused.status_code == 503, refused.text  # no query is allowed before the purges are done again
        image = json.loads((await doors.sql("SELECT images FROM retention.reads WHERE plate = '8TST001'"))[0][0])[0]
        with pytest.raises(KeyError):  # and its images are ciphertext whose key is destroyed
            await doors.parts.images.open(agency, image)

        await doors.purges.vouch()
        rows = (await doors.ask({"partial": "*"}, person=person)).json()
        plates = {row[0] for row in await doors.sql("SELECT plate FROM retention.reads")}
        assert plates == {"8TST002", "9NEW001"}, rows
        assert (await doors.ask({"plate": "9NEW001"}, person=person)).status_code == 200
        # what was held at the purge is held again, and its images open
        (row,) = await doors.sql("SELECT hold_id, ground FROM retention.holds WHERE released_at IS NULL")
        assert (str(row["hold_id"]), row["ground"]) == (one, "restored")
        (row,) = await doors.sql("SELECT images FROM retention.reads WHERE plate = '8TST002'")
        assert [await doors.parts.images.open(agency, image) for image in json.loads(row[0])] == [JPEG, JPEG]
        run = (await doors.purges.accounts.runs(agency))[0]
        assert (run["totals"]["reads"], run["totals"]["held"]) == (1, 1)


@pytest.mark.requirement("RET-10")
async def test_what_went_after_its_hold_goes_again_when_a_backup_brings_both_back(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read, other = await doors.with_images(old_read()), await doors.with_images(old_read("8TST002", number=2))
        await doors.keep(read, other, hits=[make_hit(read)])
        one, two = await hold(doors, read.read_id), await hold(doors, other.read_id)
        await doors.purge()
        tables = ("reads", "hits")
        for table in tables:
            await doors.sql(
                f"CREATE TABLE public.{table} AS SELECT * FROM retention.{table} WHERE due_day = 'infinity'"
            )
        await end(doors, one)
        assert (await doors.purge())["totals"]["reads"] == 1

        # the backup knows nothing of the hold's end, nor of the run that took the read
        await doors.sql("DELETE FROM retention.purge_certificates")
        await doors.sql("DELETE FROM retention.purge_items WHERE kind = 'held'")
        await doors.sql("DELETE FROM retention.purge_runs AS r WHERE NOT EXISTS"
                        " (SELECT FROM retention.purge_items AS i WHERE i.run_id = r.run_id)")  # fmt: skip
        await doors.sql("UPDATE retention.holds SET released_at = NULL, state = 'active' WHERE hold_id = $1", one)
        for table in tables:
            names = await doors.sql(
                "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0"
                " AND attgenerated = '' AND NOT attisdropped", f"retention.{table}",
            )  # fmt: skip
            await doors.sql(f"DELETE FROM retention.{table}")
            await doors.sql(f"INSERT INTO retention.{table} ({names[0][0]}) SELECT {names[0][0]} FROM public.{table}")
        with pytest.raises(asyncpg.CheckViolationError, match="RECORD_HELD"):  # no way past a hold in a running one
            await doors.sql("SELECT retention.drop_again('demo', $1)", [read.read_id], login="retention")
        await doors.sql("UPDATE retention.vouchers SET started_at = started_at - interval '1 day'")
        await doors.purges.vouch()
        assert (await doors.ask({"plate": "8TST001"})).json()["rows"] == []
        assert [row[0] for row in await doors.sql("SELECT plate FROM retention.reads")] == ["8TST002"]
        assert await count(doors, "hits") == 0
        assert two != one


async def test_a_hold_whose_key_is_destroyed_seals_under_another_and_stops_no_purge(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        first = await doors.with_images(old_read())
        await doors.keep(first)
        one = await hold(doors, plate="8TST001")
        await doors.purge()
        await end(doors, one)
        await doors.purge()
        await doors.sql("UPDATE retention.holds SET released_at = NULL, state = 'active' WHERE hold_id = $1", one)
        again = await doors.with_images(old_read(number=3, days=3))
        await doors.keep(again, await doors.with_images(old_read("8TST009", number=9, days=40)))
        run = await doors.purge()
        assert (run["outcome"], run["totals"]["reads"], run["totals"]["held"]) == ("complete", 1, 1)
        (row,) = await doors.sql("SELECT images FROM retention.reads")
        images = json.loads(row[0])
        assert {image["sealed_to"] for image in images} == {f"hold-{one}-2"}
        assert [await doors.parts.images.open("demo", image) for image in images] == [JPEG, JPEG]
        await end(doors, one)
        assert (await doors.purge())["totals"]["reads"] == 1
        assert doors.parts.images.keys.private("demo", f"hold-{one}-2") is None


async def test_a_held_image_that_does_not_open_keeps_its_day_until_it_does(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read, other = (
            await doors.with_images(old_read()),
            await doors.with_images(old_read("8TST002", number=2, days=9)),
        )
        await doors.keep(read, other)
        await hold(doors, read.read_id)
        objects = doors.parts.images.objects
        sealed = await objects.get(read.context.key)
        await objects.put(read.context.key, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        run = await doors.purge()
        assert (run["outcome"], run["errors"], run["totals"]["reads"]) == ("incomplete", ["HELD_IMAGE_DAMAGED"], 1)
        assert await objects.get(read.context.key)
        assert doors.parts.images.keys.private("demo", doors.due(read).isoformat())
        await objects.put(read.context.key, sealed)  # brought back from another copy
        run = await doors.purge()
        assert (run["outcome"], run["totals"]["held"]) == ("complete", 1)


async def test_answers_count_for_the_order_they_were_given_to(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, retention={"purge_doors": "console"}) as doors:
        held, gone = old_read(), old_read("8TST002", number=2)
        await doors.keep(held, hits=[make_hit(held)])
        one = await hold(doors, held.read_id)
        await doors.purge()
        await doors.told()
        doors.heard.messages.clear()
        await doors.keep(gone, hits=[make_hit(gone)])  # late, for the day that is gone; and the hold ends
        await end(doors, one)
        run = await doors.purge()
        assert [item["kind"] for item in run["days"]] == ["day", "held"]
        await doors.told()
        both = orders(doors)
        assert not any(set(order.read_ids) & set(order.held_read_ids) for order in both)  # what goes is not called held
        assert sorted(order.hit_ids for order in both) == sorted([(make_hit(held).hit_id,), (make_hit(gone).hit_id,)])
        for order, state in zip(both, ("settling", "complete"), strict=True):
            await doors.purges.accounts.take_answer(answered(order))
            await doors.purges.accounts.settle()
            (run,) = await doors.purges.accounts.runs("demo", run["run_id"])
            assert run["state"] == state
        assert {store["store"]: store["gone"] for store in run["stores"]}["console"] == {"hits": 2}


async def test_a_key_that_was_destroyed_is_never_made_again(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        keys, day = doors.parts.images.keys, "2024-01-01"
        keys.ensure("demo", day)
        assert keys.destroy("demo", day)
        assert not keys.destroy("demo", day)
        with pytest.raises(PermissionError, match="KEY_DESTROYED"):
            keys.ensure("demo", day)
        # a destruction that broke off between mark and removal counts, and is finished
        half = keys.ensure("demo", "2024-01-02")
        (tmp_path / "image-keys/demo/2024-01-02.gone").touch()
        assert half
        assert keys.private("demo", "2024-01-02") is None
        await doors.purge()
        assert not list((tmp_path / "image-keys/demo").glob("2024-*.key"))


async def test_images_under_another_days_name_go_with_their_read(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = await doors.with_images(old_read())
        odd = f"closeup/demo/elsewhere/{read.read_id}.jpg"
        await doors.parts.images.objects.put(odd, b"sealed otherwise")
        await doors.keep(replace(read, closeup=replace(read.closeup, key=odd)))
        run = await doors.purge()
        assert run["totals"]["images"] == 3
        assert await doors.parts.images.objects.list("closeup") == []


async def test_an_agency_whose_policy_nobody_knows_keeps_its_records(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(old_read())
        doors.parts.profiles.pop("demo")
        run = await doors.purge()
        assert (run["outcome"], run["errors"], await count(doors)) == ("incomplete", ["PROFILE_UNKNOWN"], 1)


async def test_a_restart_of_the_database_takes_nothing_that_a_hold_saved(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = old_read()  # without images, so that only the hold speaks for it
        await doors.keep(read, hits=[make_hit(read)])
        one = await hold(doors, read.read_id)
        await doors.purge()
        await end(doors, one)
        cut, placed = doors.purges.rows.cut_released, []

        async def with_a_hold(*args):
            placed.append(await hold(doors, read.read_id))
            return await cut(*args)

        doors.purges.rows.cut_released = with_a_hold
        await doors.purge()
        assert placed
        await doors.sql("UPDATE retention.vouchers SET started_at = started_at - interval '1 day'")
        await doors.purges.vouch()
        assert (await count(doors), await count(doors, "hits")) == (1, 1)


async def test_an_order_names_all_that_is_held_only_when_no_earlier_day_stands(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, retention={"purge_doors": "console"}) as doors:
        held, other = await doors.with_images(old_read()), old_read("8TST002", number=2, days=5)
        await doors.keep(held, other, hits=[make_hit(held), make_hit(other)])
        await hold(doors, held.read_id)
        objects = doors.parts.images.objects
        sealed = await objects.get(held.closeup.key)
        await objects.put(held.closeup.key, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        await doors.purge()
        await doors.told()
        assert [(order.held_complete, order.held_read_ids) for order in orders(doors)] == [(False, ())]
        await objects.put(held.closeup.key, sealed)
        await doors.purge()
        await doors.told()
        assert [(order.held_complete, order.held_read_ids) for order in orders(doors)[1:]] == [(True, (held.read_id,))]
