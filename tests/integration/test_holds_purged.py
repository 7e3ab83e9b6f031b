"""What a purge leaves under a hold, what it takes when the hold has ended, and what it says of both (RET-07, 08, 09)."""

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.rms import RecordsSystem
from alpr_cli.switch import server
from alpr_retention.holding.store import booked, covered, hold_facts
from alprcore.calling import AskedSystem
from tests.fixtures.doors import Doors, make_hit, make_read, utc_now
from tests.fixtures.holds import AGENCIES, NAMED, HoldDesk
from tests.fixtures.keeping import scheduled

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


def old_read(plate="8TST001", *, number=1, days=0, **changes):
    return make_read(plate, number=number, captured_at=LONG_AGO + timedelta(days=days), **changes)


async def kept(doors, *reads):
    """Which of these reads the database still has."""
    rows = await doors.sql(
        "SELECT read_id::text FROM retention.reads WHERE read_id::text = ANY ($1)", [r.read_id for r in reads]
    )
    there = {row[0] for row in rows}
    return [at for at, read in enumerate(reads) if read.read_id in there]


def objects_of(doors):
    """Every stored image, by its path."""
    folder = doors.folder / "images"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def named(run):
    """Which holds a run names, and for how many reads."""
    return {hold["hold_id"]: hold["reads"] for hold in run["holds"]}


@pytest.mark.requirement("RET-07", "RET-08")
async def test_held_data_stays_and_goes_on_the_first_run_after_its_release(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            doors.profiles[agency] = doors.parts.profiles[agency] = scheduled(doors.profiles[agency])
            desk = HoldDesk(doors, agency)
            reads = [await doors.with_images(old_read(agency=agency, number=n, days=n)) for n in range(4)]
            await doors.keep(*reads, hits=[make_hit(read) for read in reads])
            first = await desk.placed(read_ids=[reads[0].read_id])
            # a ground that the policy does not name binds as well
            foreign = "linked_investigation" if agency != "escondido" else "discovery_request"
            answer = await desk.place(ground="discovery_request", read_ids=[reads[1].read_id], role="custodian")
            assert (answer.status_code, answer.json()["state"]) == (
                (201, "active") if agency in NAMED else (202, "provisional")
            )
            strange = await desk.placed(ground=foreign, query={"captured_from": reads[2].captured_at.isoformat(),
                                                               "captured_to": reads[2].captured_at.isoformat()})  # fmt: skip
            before_any_run = await desk.placed(read_ids=[reads[3].read_id])
            await desk.released(before_any_run)
            run = await doors.purge(agency=agency)
            assert await kept(doors, *reads) == [0, 1, 2], run
            assert named(run) == dict.fromkeys((first, answer.json()["hold_id"], strange, before_any_run), 1)
            assert (await doors.purge(agency=agency))["totals"]["reads"] == 0  # and they stay
            held = [path for path in objects_of(doors) if path.startswith(f"held/{agency}/")]
            assert len(held) == 6
            await desk.released(first)
            run = await doors.purge(agency=agency)
            assert (await kept(doors, *reads), named(run)) == ([1, 2], {first: 1})
            left = await doors.sql("SELECT count(*) FROM retention.hits WHERE agency = $1", agency)
            assert left[0][0] == 2
            # neither its images nor the key that opens them are left, for a backup either
            assert not [path for path in objects_of(doors) if first in path or reads[0].read_id in path]
            assert doors.house.images.keys.private(agency, f"hold-{first}") is None
            assert doors.house.images.keys.private(agency, f"hold-{strange}") is not None
            (told,) = [event for event in await doors.told("hold_released") if event.facts["hold_id"] == first]
            assert told.agency == agency
            await desk.close()


async def test_a_read_under_two_holds_goes_with_the_second(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk, read = HoldDesk(doors), await doors.with_images(old_read())
        await doors.keep(read)
        one, two = await desk.placed(read_ids=[read.read_id]), await desk.placed(query={"plate": "8TST001"})
        await doors.purge()
        await desk.released(one)
        await doors.purge()
        assert await kept(doors, read) == [0]
        images = await doors.sql("SELECT images::text FROM retention.reads")
        assert f"hold-{two}" in images[0][0]
        assert f"hold-{one}" not in images[0][0]
        assert doors.house.images.keys.private("demo", f"hold-{one}") is None
        await desk.released(two)
        run = await doors.purge()
        assert await kept(doors, read) == []
        assert two in named(run)
        await desk.close()


@pytest.mark.requirement("RET-09")
async def test_a_case_file_takes_its_reads_along_on_its_purge_day(pg_database, tmp_path):
    today = utc_now()
    day = (today + timedelta(days=10)).date()
    cases, secret = tmp_path / "cases.csv", tmp_path / "secret"
    secret.write_text(SECRET)
    cases.write_text("case_number,status,purge_on\nCASE-7,open,\n")

    ahead = [timedelta(0)]

    def clock():
        return utc_now() + ahead[0]

    system = server(0, RecordsSystem((SECRET,), cases), clock)
    threading.Thread(target=system.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{system.server_port}"
    asked = AskedSystem(adapter="http", url=url, secret_file=secret, allow_test=True, timeout_s=5)
    case_files = {"escondido": asked}
    try:
        async with Doors(pg_database, tmp_path, clock=clock, retention={"case_files": case_files}) as doors:
            desk = HoldDesk(doors, "escondido", case_files=case_files)
            linked, other = old_read(agency="escondido"), old_read("9ABC123", agency="escondido", number=2)
            await doors.keep(linked, other)
            hold_id = await desk.placed(read_ids=[linked.read_id], case_number="CASE-7")
            by_order = await desk.placed(ground="discovery_request", read_ids=[other.read_id], case_number="CASE-7")
            await doors.purge(agency="escondido")
            assert await kept(doors, linked, other) == [0, 1]
            assert (await desk.look(hold_id))["case_file"]["status"] == "open"
            cases.write_text(f"case_number,status,purge_on\nCASE-7,closed,{day}\n")
            await doors.parts.watch.ask_case_files()
            assert (await desk.look(hold_id))["case_file"]["purge_on"] == day.isoformat()
            ahead[0] = timedelta(days=10)  # its day, not yet over
            await doors.purge(agency="escondido")
            assert await kept(doors, linked, other) == [0, 1]
            ahead[0] = timedelta(days=12)
            cases.write_text("nothing to see\n")  # the records system is broken: nobody says that it is still so
            await doors.purge(agency="escondido")
            assert await kept(doors, linked, other) == [0, 1]
            assert (await desk.look(hold_id))["case_file"]["problem"]
            cases.write_text(f"case_number,status,purge_on\nCASE-7,open,{day}\n")  # opened again
            await doors.purge(agency="escondido")
            assert await kept(doors, linked, other) == [0, 1]
            cases.write_text(f"case_number,status,purge_on\nCASE-7,closed,{day}\n")
            run = await doors.purge(agency="escondido")
            assert (await kept(doors, linked, other), named(run)) == ([1], {hold_id: 1})
            look = await desk.look(hold_id)
            assert (look["state"], look["end"]["reason"]) == ("ended", "case_file")
            assert (await desk.look(by_order))["state"] == "provisional"  # an order binds whatever the case file says
            (told,) = await doors.told("hold_ended")
            assert (told.facts["purge_on"], "CASE-7" in str(told.facts)) == (day.isoformat(), False)
            await desk.close()
    finally:
        system.shutdown()
        system.server_close()


@pytest.mark.requirement("RET-09")
async def test_without_a_records_system_two_persons_say_what_the_case_file_says(pg_database, tmp_path):
    ahead = [timedelta(0)]
    async with Doors(pg_database, tmp_path, clock=lambda: utc_now() + ahead[0]) as doors:
        desk, read = HoldDesk(doors, "escondido"), old_read(agency="escondido")
        other = old_read("9ABC123", agency="escondido", number=2)
        await doors.keep(read, other)
        hold_id = await desk.placed(read_ids=[read.read_id])
        ordered = await desk.placed(read_ids=[other.read_id], court_reference="CR-9")
        day = (utc_now() + timedelta(days=3)).date().isoformat()
        refused = await desk.step(ordered, "case-file", status="closed", purge_on=day)
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "NO_CASE_FILE")
        for name, confirmed in (("one", False), ("one", False), ("two", True)):
            answer = await desk.step(hold_id, "case-file", name=name, status="closed", purge_on=day)
            assert answer.json()["case_file"]["confirmed"] is confirmed
            if not confirmed:
                ahead[0] = timedelta(days=5)
                await doors.purge(agency="escondido")
                ahead[0] = timedelta(0)
        await doors.purge(agency="escondido")
        assert await kept(doors, read) == [0]
        ahead[0] = timedelta(days=5)
        run = await doors.purge(agency="escondido")
        assert (await kept(doors, read, other), named(run)) == ([1], {hold_id: 1})  # a court's reference binds on
        await desk.close()


@pytest.mark.requirement("RET-12")
async def test_what_is_booked_into_evidence_is_kept_here_no_longer(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = HoldDesk(doors)
        reads = [old_read(number=n) for n in range(3)]
        await doors.keep(*reads[:2])
        named, ahead = (
            await desk.placed(read_ids=[reads[0].read_id, reads[1].read_id]),
            await desk.placed(query={"plate": "8TST001"}),
        )
        person = doors.person()

        async def book(hold_id, *going):
            ids = [read.read_id for read in going]
            async with desk.outbox.change("demo") as connection:
                there = {read for read, _ in await covered(connection, "demo", hold_id, 10)}
                assert set(ids) <= there
                facts = await hold_facts(connection, "demo", hold_id)
                assert (facts["case_number"], facts["placed_by_name"]) == ("26-000123", "Person one")
                return await booked(desk.outbox, connection, "demo", hold_id, ids, "p-1", "EV-26-9", person, utc_now())

        assert await book(named, reads[0]) is False  # the other one is not in the evidence room
        assert await desk.held(*reads) == {0: [ahead], 1: [named, ahead]}
        assert await book(named, reads[1]) is True
        assert (await desk.look(named))["end"]["reason"] == "booked"
        assert await book(ahead, *reads[:2]) is False  # more may come under it
        look = await desk.look(ahead)
        assert (look["state"], [(e["booking_number"], e["reads"]) for e in look["exports"]]) == (
            "active",
            [("EV-26-9", 2)],
        )
        await doors.keep(reads[2])
        assert await desk.held(*reads) == {2: [ahead]}
        await doors.purge()
        assert await kept(doors, *reads) == [2]
        async with desk.outbox.change("demo") as connection:
            with pytest.raises(LookupError):
                await covered(connection, "demo", named, 10)
        await desk.close()


async def test_holds_placed_while_a_purge_runs_never_lose_what_was_there_when_they_were_taken(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk, dice = HoldDesk(doors), random.Random(7)
        reads = [old_read(f"8TST{n:03}", number=n, days=n % 8) for n in range(48)]
        await doors.keep(*reads)
        there = {}

        async def hold(read):
            await asyncio.sleep(dice.random() * 0.6)
            scope = {"read_ids": [read.read_id]} if dice.random() < 0.5 else {"query": {"plate": read.plate.reveal()}}
            await desk.placed(**scope)
            there[read.read_id] = bool(await kept(doors, read))

        chosen = dice.sample(reads, 12)
        await asyncio.gather(doors.purge(), *(hold(read) for read in chosen))
        await doors.purge()
        for read in chosen:
            assert not there[read.read_id] or await kept(doors, read) == [0]
        assert len(await kept(doors, *reads)) == sum(there.values())  # and nothing else was left over
        await desk.close()
