"""How long records are kept: changed rules are noticed, counted, approved and worked through; what is stored is counted."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from alpr_retention.schedule.store import declare_statute
from alprcore.errors import Misconfigured
from alprcore.model import DeviceKind, make_id
from alprcore.profiles import load_profiles
from tests.fixtures.doors import JPEG, make_hit, make_read
from tests.fixtures.keeping import keeping, scheduled
from tests.fixtures.shelf import NOW, Shelf, read_of

pytestmark = pytest.mark.asyncio
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
CUSTODIANS = ("westminster", "roseville")


async def changed(shelf, agency):
    assert await shelf.schedule.may_purge(agency) is None  # the rules that the records lie under are known now
    reads = [await shelf.with_images(read_of(agency, number, days=30 * number)) for number in range(6)]
    hit = make_hit(reads[0])
    await shelf.keep(*reads, hits=[hit])
    before = {read.read_id: shelf.due(read) for read in reads}

    shelf.profiles[agency] = keeping(
        shelf.profiles[agency],
        mobile="3 years",
        fixed="30 months",
        mode="minimum",
        schedule_required=False,
        schedule=(),
    )
    asks_custodian = agency in CUSTODIANS
    refused = await shelf.schedule.may_purge(agency)
    code = "CUSTODIAN_APPROVAL_REQUIRED" if asks_custodian else "RETENTION_CHANGE_PENDING"
    assert (refused.rule_id, refused.reason_code) == ("RET-14", code)
    schedule = await shelf.get("/v1/retention/schedule", "custodian", agency=agency)
    assert schedule["purge"] == {"runs": False, "reason_code": code, "words": refused.detail}
    (change,) = schedule["changes"]
    assert change["state"] == "awaiting"
    one = await shelf.get(f"/v1/retention/changes/{change['change_id']}", "auditor", agency=agency)
    assert one["preview"]["moved"] == one["preview"]["later"] == 6
    assert {row["day"]: row["reads"] for row in one["preview"]["per_day"]} == {
        day.isoformat(): 1 for day in before.values()
    }
    assert {day for day, _ in (await shelf.rows(agency=agency)).values()} == set(
        before.values()
    )  # nothing moves before

    path, body = f"/v1/retention/changes/{change['change_id']}/approvals", {"note": "as the City Clerk filed it"}
    for role in ("officer", "retention_officer", "alpr_admin", *(("program_manager",) if asks_custodian else ())):
        answer = await shelf.post(path, body, role, agency=agency, status=403)
        assert answer["reason_code"] == "ROLE_NOT_AUTHORISED"
    assert one["may"] == []
    (seen,) = (await shelf.get("/v1/retention/changes", "custodian", agency=agency))["changes"]
    assert seen["may"] == ["approve"]
    approver = "custodian" if asks_custodian else "program_manager"
    approved = await shelf.post(path, body, approver, agency=agency)
    assert (approved["state"], approved["approvals"][0]["role"]) == ("moving", approver)
    assert (await shelf.post(path, body, approver, agency=agency, status=409))["reason_code"] == "CHANGE_NOT_AWAITING"
    assert await shelf.schedule.may_purge(agency) is None

    await shelf.schedule.work()
    rows, new = await shelf.rows(agency=agency), {read.read_id: shelf.due(read) for read in reads}
    assert {read_id: day for read_id, (day, _) in rows.items()} == new
    assert all(new[read_id] > before[read_id] for read_id in new)
    for read_id, (day, images) in rows.items():
        for image in images:
            assert image["sealed_to"] == day.isoformat()
            assert image["key"] == f"{image['role']}/{agency}/{day}/{read_id}.jpg"
            assert await shelf.images.open(agency, image) == JPEG
    for read in reads:  # the old objects are gone
        for ref in (read.closeup, read.context):
            with pytest.raises(KeyError):
                await shelf.images.objects.get(ref.key)
    assert (await shelf.rows("hits", agency))[hit.hit_id][0] == new[reads[0].read_id]
    done = await shelf.get(f"/v1/retention/changes/{change['change_id']}", "program_manager", agency=agency)
    assert (done["state"], done["progress"]) == ("done", {"done": 6, "of": 6})
    kinds = ("noticed", "counted", "approved", "done")
    told = [(await shelf.events(f"retention_change_{kind}", agency))[0] for kind in kinds]
    assert {event.agency for event in told} == {agency}
    assert told[2].personal["person_id"] == f"p-{approver}"
    assert told[3].facts["reads"] == "6"

    # a late revision finds its read where it lies now
    await shelf.records.keep([(replace(reads[0], revision=2), before[reads[0].read_id])], [])
    assert len(await shelf.rows(agency=agency)) == 6


@pytest.mark.requirement("RET-14", partial="the purge that stops is tested with purges")
@pytest.mark.requirement("ADM-04", partial="the query that is refused is tested with queries")
async def test_a_change_of_the_period_is_counted_approved_and_worked_through(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        shelf.profiles |= {agency: scheduled(shelf.profiles[agency]) for agency in FIVE}
        for agency in FIVE:
            await changed(shelf, agency)


async def test_a_shorter_period_takes_what_is_past_to_today_and_keeps_held_reads_held(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        await shelf.schedule.work()
        old, young, held = [
            await shelf.with_images(read_of("escondido", number, days=days))
            for number, days in enumerate((700, 30, 710))
        ]
        await shelf.keep(old, young, held)
        was = shelf.due(held)
        await shelf.admin.execute(
            "UPDATE retention.reads SET due_day = 'infinity', was_due = due_day WHERE read_id = $1", held.read_id
        )
        await shelf.admin.execute(
            "INSERT INTO retention.captured_days VALUES ('escondido', $1, 'infinity')", held.captured_at.date()
        )
        shelf.profiles["escondido"] = keeping(shelf.profiles["escondido"], mobile="1 year", fixed="1 year")
        shelf.images.keys.destroy("escondido", shelf.due(old).isoformat())  # that day went with a purge long ago
        await shelf.schedule.work()
        (change,) = (await shelf.get("/v1/retention/changes", "custodian", agency="escondido"))["changes"]
        path = f"/v1/retention/changes/{change['change_id']}/approvals"
        await shelf.post(path, {}, "program_manager", agency="escondido")
        await shelf.schedule.work()
        rows = await shelf.rows()
        assert rows[old.read_id][0] == NOW.date()
        assert rows[young.read_id][0] == shelf.due(young)
        assert rows[held.read_id][0] == date.max
        was_due = await shelf.admin.fetchval("SELECT was_due FROM retention.reads WHERE read_id = $1", held.read_id)
        assert was_due == min(was, NOW.date())
        for image in rows[old.read_id][1]:
            assert await shelf.images.open("escondido", image) == JPEG
        shelf.now += timedelta(days=1)  # and it does not flee from the purge day by day
        await shelf.schedule.work()
        assert (await shelf.rows())[old.read_id][0] == NOW.date()


async def unscheduled(shelf, agency):
    asked = agency in ("irvine", "westminster", "roseville")
    refused = await shelf.schedule.may_purge(agency)
    stock = await shelf.get("/v1/retention/stock", "program_manager", agency=agency)
    in_force = (await shelf.get("/v1/retention/schedule", "custodian", agency=agency))["in_force"]
    assert in_force["schedule_required"] is asked
    if not asked:
        assert refused is None
        assert stock["warnings"] == []
        return
    assert (refused.rule_id, refused.reason_code) == ("RET-05", "RETENTION_SCHEDULE_MISSING")
    assert [row["code"] for row in stock["warnings"]] == ["RETENTION_SCHEDULE_MISSING"]
    assert in_force["missing"] == ["mobile", "fixed", "trailer"]
    # an entry for one kind of device is not enough; one for all is
    shelf.profiles[agency] = scheduled(load_profiles()[agency], "18 months", devices=("mobile",))
    assert (await shelf.schedule.may_purge(agency)).reason_code == "RETENTION_SCHEDULE_MISSING"
    shelf.profiles[agency] = scheduled(load_profiles()[agency], "18 months")
    for change in (await shelf.get("/v1/retention/changes", "custodian", agency=agency))["changes"]:
        if change["state"] == "awaiting":
            path = f"/v1/retention/changes/{change['change_id']}/approvals"
            await shelf.post(path, {}, "custodian", agency=agency)
    await shelf.schedule.work()
    for change in (await shelf.get("/v1/retention/changes", "custodian", agency=agency))["changes"]:
        if change["may"]:
            path = f"/v1/retention/changes/{change['change_id']}/approvals"
            await shelf.post(path, {}, "custodian", agency=agency)
    assert await shelf.schedule.may_purge(agency) is None
    assert (await shelf.get("/v1/retention/schedule", "custodian", agency=agency))["in_force"][
        "period_fixed"
    ] == "18 months"


@pytest.mark.requirement("RET-05", partial="the purge that does not run is tested with purges")
async def test_without_an_entry_of_the_schedule_nothing_may_go_and_a_warning_shows(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        for agency in FIVE:
            await unscheduled(shelf, agency)


async def test_reads_that_hit_and_images_sealed_to_another_day_are_settled(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        shelf.profiles["claremont"] = keeping(shelf.profiles["claremont"], hits="4 years")
        await shelf.schedule.work()
        plain, hitting, early = [await shelf.with_images(read_of("claremont", number)) for number in range(3)]
        strange = await shelf.with_images(read_of("claremont", 3), day=shelf.due(plain) - timedelta(days=60))
        hits = [make_hit(hitting), make_hit(early)]
        longer = {hit.read.read_id: shelf.due(hit.read, hit=True) for hit in hits}
        await shelf.keep(plain, strange, hitting, hits=[hits[0]], longer=longer)
        await shelf.keep(hits=[hits[1]], longer=longer)  # its read is still on the way
        assert await shelf.schedule.may_purge("claremont") is None
        rows, marks = await shelf.rows(), await shelf.rows("hits")
        assert rows[plain.read_id][0] == rows[strange.read_id][0] == shelf.due(plain)
        assert (
            rows[hitting.read_id][0] == marks[hits[0].hit_id][0] == marks[hits[1].hit_id][0] == longer[hitting.read_id]
        )
        await shelf.keep(early)
        assert (await shelf.rows())[early.read_id][0] == shelf.due(early)
        shelf.now += timedelta(minutes=2)
        await shelf.schedule.work()
        rows = await shelf.rows()
        assert rows[early.read_id][0] == longer[early.read_id]
        assert await shelf.admin.fetchval("SELECT count(*) FROM retention.resettle") == 0
        for read_id, (day, images) in rows.items():
            for image in images:
                assert image["sealed_to"] == day.isoformat(), read_id
                assert await shelf.images.open("claremont", image) == JPEG
        live = await shelf.admin.fetchval(
            "SELECT images::text FROM retention.live_hits WHERE hit_id = $1", hits[0].hit_id
        )
        assert json.loads(live) == rows[hitting.read_id][1]


async def test_what_other_rules_would_move_is_counted_and_nothing_comes_of_it(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        await shelf.schedule.work()
        reads = [
            read_of("escondido", number, device_kind=kind)
            for number, kind in enumerate((DeviceKind.FIXED, DeviceKind.MOBILE, DeviceKind.TRAILER))
        ]
        await shelf.keep(*reads)
        path = "/v1/retention/changes/previews"
        asked = await shelf.post(path, {"mobile": "30 months"}, "retention_officer", agency="escondido", status=202)
        await shelf.schedule.work()
        found = await shelf.get(f"/v1/retention/changes/{asked['change_id']}", "custodian", agency="escondido")
        assert (found["kind"], found["state"], found["keys"], found["may"]) == ("what_if", "previewed", ["mobile"], [])
        assert found["preview"]["moved"] == 1
        assert await shelf.schedule.may_purge("escondido") is None
        for body in ({"mobile": "11 months"}, {"fixed": "6 years"}, {"fixed": "soon"}, {"clock": "whenever"}):
            refused = await shelf.post(path, body, "custodian", agency="escondido", status=422)
            assert refused["reason_code"] == "FIELD_INVALID"
        assert (await shelf.post(path, {}, "officer", agency="escondido", status=403))[
            "reason_code"
        ] == "ROLE_NOT_AUTHORISED"
        assert (await shelf.events("retention_change_previewed"))[0].facts["keys"] == "mobile"


async def test_a_change_taken_back_before_its_approval_leaves_no_trace_on_records(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        first = shelf.profiles["escondido"]
        await shelf.schedule.work()
        await shelf.keep(read_of("escondido", 1))
        shelf.profiles["escondido"] = keeping(first, fixed="3 years")
        await shelf.schedule.work()
        assert (await shelf.schedule.may_purge("escondido")).reason_code == "RETENTION_CHANGE_PENDING"
        shelf.profiles["escondido"] = first
        assert await shelf.schedule.may_purge("escondido") is None
        await shelf.schedule.work()
        assert (await shelf.schedule.may_purge("unheard-of")).reason_code == "PROFILE_UNKNOWN"
        back, change = (await shelf.get("/v1/retention/changes", "auditor", agency="escondido"))["changes"]
        assert (change["state"], back["state"], back["keys"]) == ("superseded", "done", [])

        # what was stored under the other rules meanwhile comes back under these, by a decision
        shelf.profiles["escondido"] = keeping(first, fixed="3 years")
        await shelf.schedule.work()
        read = read_of("escondido", 2)
        await shelf.keep(read)
        shelf.now += timedelta(minutes=1)
        shelf.profiles["escondido"] = first
        await shelf.schedule.work()
        listed = (await shelf.get("/v1/retention/changes", "custodian", agency="escondido"))["changes"]
        assert (listed[0]["state"], listed[0]["preview"]["moved"]) == ("awaiting", 1)
        path = f"/v1/retention/changes/{listed[0]['change_id']}/approvals"
        await shelf.post(path, {}, "program_manager", agency="escondido")
        await shelf.schedule.work()
        assert (await shelf.rows())[read.read_id][0] == shelf.due(read)


async def test_stored_records_are_counted_and_what_is_missing_or_late_raises_the_alarm(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        shelf.now = datetime.now(UTC)  # the database asks its own clock whether a day is past
        reads = [
            make_read(number=n, agency="escondido", captured_at=shelf.now - timedelta(days=d))
            for n, d in enumerate((1, 40, 40, 300))
        ]
        reads = [await shelf.with_images(read) for read in reads]
        await shelf.keep(*reads, hits=[make_hit(reads[1])])
        late = make_read(number=9, agency="escondido", captured_at=shelf.now - timedelta(days=740))
        await shelf.keep(late)
        for day in {shelf.due(read) for read in reads}:
            await shelf.records.note_day("escondido", day)
        for number, (state, counted) in enumerate(
            (("provisional", 3), ("release_requested", None))
        ):  # all of them bind
            await shelf.admin.execute(
                "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids,"
                " by_query, state, reads_now, hits_now)"
                " VALUES ($1, 'escondido', 'evidence', '26-1', 'p', now(), $2, false, $3, $4, $4)",
                make_id("hold", str(number)), [reads[1].read_id], state, counted,
            )  # fmt: skip
        await shelf.schedule.measure()
        stock = await shelf.get("/v1/retention/stock", "custodian", agency="escondido")
        assert stock["held"] == {"reads": 0, "hits": 0, "images": 0}
        assert stock["holds"] == [{"ground": "evidence", "holds": 2, "reads": 3, "hits": 3, "uncounted": 1}]
        assert stock["total"] == {"reads": 5, "hits": 1, "images": 10}
        ages = {row["words"]: row["reads"] for row in stock["ages"] if row["reads"]}
        assert sum(ages.values()) == 5
        assert ages["2 to 5 years"] == 1
        assert sum(row["reads"] for row in stock["due"]) == 5
        assert stock["overdue"] == {"reads": 1, "oldest_day": shelf.due(late).isoformat()}
        assert stock["premature"] == 0
        assert [row["code"] for row in stock["warnings"]] == ["RECORDS_OVERDUE"]
        (event,) = await shelf.events("records_overdue")
        assert event.facts["reads"] == "1"

        # a held read whose hold has ended is late as well, and so is one of an agency whose policy is not known
        released = make_read(number=10, agency="claremont", captured_at=shelf.now - timedelta(days=750))
        await shelf.keep(released)
        day = shelf.due(released)
        await shelf.admin.execute(
            "UPDATE retention.reads SET due_day = 'infinity', was_due = due_day WHERE read_id = $1", released.read_id
        )
        del shelf.profiles["claremont"]
        await shelf.schedule.measure()
        events = [event for event in await shelf.events("records_overdue") if event.agency == "claremont"]
        assert [event.facts for event in events] == [{"due_day": str(day), "reads": "1", "subject": f"claremont {day}"}]

        # a row deleted by hand, a row taken out of its partition past every trigger, a day dropped, a key lost
        part = f"retention.reads_{shelf.due(reads[1]):%Y%m%d}"
        await shelf.admin.execute("DELETE FROM retention.reads WHERE read_id = $1", reads[0].read_id)
        await shelf.admin.execute(f"DELETE FROM {part} WHERE read_id = $1", reads[1].read_id)
        gone = shelf.due(reads[3])
        for table in ("day_plates", "hits", "reads"):
            await shelf.admin.execute(f"DROP TABLE retention.{table}_{gone:%Y%m%d}")
        key = tmp_path / "image-keys" / "escondido" / f"{shelf.due(reads[1])}.key"
        key.unlink()
        await shelf.schedule.measure()
        await shelf.schedule.measure()
        stock = await shelf.get("/v1/retention/stock", "custodian", agency="escondido")
        found = {(row["due_day"], row["what"]): row["number"] for row in stock["findings"]}
        assert found == {
            (shelf.due(reads[0]).isoformat(), "rows"): 1,
            (shelf.due(reads[1]).isoformat(), "rows"): 1,
            (shelf.due(reads[1]).isoformat(), "key"): 1,
            (gone.isoformat(), "partition"): 1,
        }
        assert stock["premature"] == 4
        assert "RECORDS_MISSING" in [row["code"] for row in stock["warnings"]]
        assert len(await shelf.events("records_missing")) == 4

        # somebody looks into one of them and says so; the others stay
        settled = {"due_day": gone.isoformat(), "what": "partition", "note": "dropped by hand in a drill, ticket 12"}
        path = "/v1/retention/findings/settlements"
        await shelf.post(path, settled, "auditor", agency="escondido", status=403)
        answer = await shelf.post(path, settled, "custodian", agency="escondido")
        assert answer["premature"] == 3
        await shelf.post(path, settled, "custodian", agency="escondido", status=404)
        await shelf.schedule.measure()
        assert (await shelf.get("/v1/retention/stock", "custodian", agency="escondido"))["premature"] == 3
        (event,) = await shelf.events("records_missing_settled")
        assert event.personal["note"] == settled["note"]


async def reported(shelf, agency):
    run = {
        "run_id": make_id("purge", agency), "agency": agency, "as_of": "2026-11-20",
        "started_at": NOW.isoformat(), "finished_at": NOW.isoformat(), "outcome": "complete", "reason_code": "",
        "certificate": {"totals": {"reads": 8, "held": 2}, "days": [{"day": "2026-11-19"}], "errors": []},
    }  # fmt: skip
    shelf.runs.append(run)
    await shelf.schedule.report()
    await shelf.schedule.report()
    (told,) = await shelf.events("destruction_report_sent", agency)
    assert (told.agency, told.facts["to"]) == (agency, "program_manager custodian")
    (report,) = (await shelf.get("/v1/retention/reports", "program_manager", agency=agency))["reports"]
    assert (report["outcome"], report["certificate"]) == ("complete", run["certificate"])
    assert [to["role"] for to in report["to"]] == ["program_manager", "custodian"]
    assert report["to"][0]["title"] == shelf.profiles[agency].governance.program_manager
    path = f"/v1/retention/reports/{report['report_id']}/acknowledgments"
    assert (await shelf.post(path, {}, "auditor", agency=agency, status=403))["reason_code"] == "ROLE_NOT_AUTHORISED"
    for role in ("custodian", "program_manager"):
        seen = await shelf.post(path, {}, role, agency=agency)
        assert seen["may"] == []
    await shelf.post(path, {}, "custodian", agency=agency)
    assert [receipt["role"] for receipt in seen["seen"]] == ["custodian", "program_manager"]
    assert len(await shelf.events("destruction_report_seen", agency)) == 2
    await shelf.get("/v1/retention/reports", "officer", agency=agency, status=403)
    # a service answered late: the certificate is made anew, and reported anew
    shelf.runs[-1] = {**run, "certificate": {**run["certificate"], "totals": {"reads": 8, "held": 1}}}
    shelf.now += timedelta(minutes=1)
    await shelf.schedule.report()
    newer, older = (await shelf.get("/v1/retention/reports", "program_manager", agency=agency))["reports"]
    assert (newer["superseded"], newer["may"], older["superseded"]) == (False, ["acknowledge"], True)
    assert newer["certificate"] == shelf.runs[-1]["certificate"]
    assert (await shelf.get("/v1/retention/reports", "custodian", agency="demo"))["reports"] == []
    await shelf.post(path, {}, "custodian", agency="demo", status=404)


@pytest.mark.requirement("RET-14")
async def test_a_destruction_report_goes_to_manager_and_custodian(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        for agency in FIVE:
            await reported(shelf, agency)


@pytest.mark.requirement("RET-01", partial="the purge and the call that are refused are tested with purges")
async def test_a_statute_for_less_than_a_year_is_declared_before_the_first_record_or_never(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        statute = "Va. Code 2.2-5517"
        await declare_statute(shelf.pool, "")
        await declare_statute(shelf.pool, statute)  # nothing is stored yet
        assert (await shelf.admin.fetchval("SELECT retention.floor()")) == timedelta(0)
        await shelf.keep(read_of("claremont", 1))
        with pytest.raises(Misconfigured, match="its own"):
            await declare_statute(shelf.pool, "")
        with pytest.raises(Misconfigured, match="its own"):
            await declare_statute(shelf.pool, "RSA 261:75-b")
        await declare_statute(shelf.pool, statute)


async def test_two_workers_move_every_read_once(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path) as shelf:
        await shelf.schedule.work()
        reads = [await shelf.with_images(read_of("escondido", number, days=number % 5)) for number in range(40)]
        await shelf.keep(*reads)
        shelf.profiles["escondido"] = keeping(shelf.profiles["escondido"], fixed="3 years")
        await shelf.schedule.work()
        (change,) = (await shelf.get("/v1/retention/changes", "custodian", agency="escondido"))["changes"]
        await shelf.post(f"/v1/retention/changes/{change['change_id']}/approvals", {}, "custodian", agency="escondido")

        async def revise(read):
            await shelf.records.keep([(replace(read, revision=2), shelf.due(read))], [])

        await asyncio.gather(shelf.schedule.work(), shelf.schedule.work(), *(revise(read) for read in reads))
        shelf.now += timedelta(minutes=2)
        await shelf.schedule.work()
        rows = await shelf.rows()
        assert await shelf.admin.fetchval("SELECT count(*) FROM retention.reads") == 40
        assert {read_id: day for read_id, (day, _) in rows.items()} == {read.read_id: shelf.due(read) for read in reads}
        for day, images in rows.values():
            for image in images:
                assert image["sealed_to"] == day.isoformat()
                assert await shelf.images.open("escondido", image) == JPEG


async def test_under_a_statute_records_go_within_minutes_or_days_and_hits_and_holds_stay(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path, agencies=("demo",)) as shelf:
        shelf.now, law = datetime.now(UTC), "RSA 261:75-b"
        await declare_statute(shelf.pool, law)
        rules = {"statute": law, "mobile": "21 days", "fixed": "3 minutes", "hits": "21 days", "clock": "captured"}
        shelf.profiles["demo"] = keeping(shelf.profiles["demo"], schedule_required=False, schedule=(), **rules)
        await shelf.schedule.work()

        async def stored(number, seconds, **changes):
            when = shelf.now - timedelta(seconds=seconds)
            read = await shelf.with_images(
                replace(make_read(number=number, captured_at=when, **changes), received_at=when)
            )
            await shelf.keep(read)
            return read

        plain, young = await stored(1, 240), await stored(2, 60)
        hitting, held = await stored(3, 240), await stored(4, 240)
        mobile = await stored(5, 240, device_kind=DeviceKind.MOBILE)
        late = replace(make_read(number=6, captured_at=shelf.now - timedelta(days=3)), received_at=shelf.now)
        await shelf.keep(late)
        hit = make_hit(hitting)
        await shelf.keep(hits=[hit], longer={hitting.read_id: shelf.due(hitting, hit=True)})
        await shelf.admin.execute(
            "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query)"
            " VALUES ($1, 'demo', 'evidence', '26-1', 'p', now(), $2, false)",
            make_id("hold", "x"), [held.read_id],
        )  # fmt: skip
        await shelf.schedule.work()
        rows = await shelf.rows()
        # past its period when it came: gone with the turn after its receipt
        assert rows.keys() == {young.read_id, hitting.read_id, held.read_id, mobile.read_id}
        assert rows[mobile.read_id][0] == shelf.due(mobile)
        assert rows[hitting.read_id][0] == shelf.due(hitting, hit=True)
        for ref in (plain.closeup, plain.context):
            with pytest.raises(KeyError):
                await shelf.images.objects.get(ref.key)
        assert await shelf.images.objects.get(held.closeup.key)
        assert await shelf.events("purge_swept") == []
        shelf.now += timedelta(hours=1)
        await shelf.schedule.work()
        assert (await shelf.rows()).keys() == {hitting.read_id, held.read_id, mobile.read_id}
        (event,) = (await shelf.events("purge_swept"))[:1]
        assert event.facts["reads"] == "2"
        assert await shelf.admin.fetchval("SELECT count(*) FROM retention.premature") == 0


async def test_rows_go_within_minutes_in_no_deployment_but_a_declared_one(pg_database, tmp_path):
    async with Shelf(pg_database, tmp_path, agencies=("demo",)) as shelf:
        read = read_of("demo", 1)
        await shelf.keep(read)
        with pytest.raises(asyncpg.CheckViolationError, match="RETENTION_FLOOR"):
            await shelf.pool.fetch("SELECT retention.sweep('demo', $1, $2)", shelf.due(read), [read.read_id])
        assert len(await shelf.rows()) == 1


@pytest.mark.requirement("RET-14", partial="the run that stops is tested with purges")
@pytest.mark.parametrize("agency", ["westminster", "roseville"])
async def test_a_change_that_takes_the_custodians_say_away_does_not_carry_itself(pg_database, tmp_path, agency):
    async with Shelf(pg_database, tmp_path, agencies=(agency,)) as shelf:
        shelf.profiles[agency] = scheduled(shelf.profiles[agency])
        await shelf.schedule.work()
        shelf.profiles[agency] = keeping(shelf.profiles[agency], custodian_approval=False)
        await shelf.schedule.work()
        assert (await shelf.schedule.may_purge(agency)).reason_code == "CUSTODIAN_APPROVAL_REQUIRED"
        (change,) = (await shelf.get("/v1/retention/changes", "program_manager", agency=agency))["changes"]
        assert (change["state"], change["custodian"], change["may"]) == ("awaiting", True, [])
        path = f"/v1/retention/changes/{change['change_id']}/approvals"
        await shelf.post(path, {}, "program_manager", agency=agency, status=403)
        await shelf.post(path, {}, "custodian", agency=agency)
        assert await shelf.schedule.may_purge(agency) is None
