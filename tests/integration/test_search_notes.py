"""What is noted of ended due days speeds a search up and never changes its answer; with the day the notes go."""

import asyncio
import json
import random
from datetime import timedelta

import asyncpg
import pytest

from tests.fixtures.doors import Doors, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio

LETTERS = "ABCDEF0123468OIZSQ"


async def found(doors, search, call="search_reads", act="search", reader=None):
    act = {"act": act, "search": {"limit": 500, **search}}
    index = (await doors.audit.door.record("tested", doors.person(), facts={}, personal={}, act=act)).index
    statement = f"SELECT retention.{call}($1)"
    rows = await (reader.fetch(statement, index) if reader else doors.sql(statement, index, login="reader"))
    return [json.loads(row[0]) for row in rows]


async def note_all(doors):
    """Note every day whose captures have ended, as the service does every minute."""
    await doors.house.note_days()
    return {row["due_day"] for row in await doors.sql("SELECT due_day FROM retention.day_marks WHERE agency = 'demo'")}


def many_reads(days, of_each):
    draw, base = random.Random(4), utc_now() - timedelta(days=days, hours=3)
    plates = ["".join(draw.choices(LETTERS, k=draw.choice((5, 6, 7)))) for _ in range(40)]
    return [
        make_read(draw.choice(plates), number=100 * day + n, captured_at=base + timedelta(days=day, minutes=7 * n),
                  device_id=draw.choice(("car-1", "car-2")), state=draw.choice(("CA", "NV")))
        for day in range(days) for n in range(of_each)
    ]  # fmt: skip


def searches(reads):
    draw = random.Random(5)
    for _ in range(5):
        read = draw.choice(reads)
        text, when = read.plate.reveal(), read.captured_at
        span = {"captured_from": (when - timedelta(days=2)).isoformat(), "captured_to": when.isoformat()}
        yield {"plate": text}
        yield {"plate": text, **span}
        yield {"partial": f"*{text[-2:]}"}
        yield {"partial": f"?{text[1]}?{text[3:]}", **span}
        yield {"partial": f"{text[0]}*{text[-1]}", "state": "CA"}
        yield {"partial": f"{text[:3]}*", "device_ids": ["car-1"]}
        yield {"partial": "?" * len(text), "limit": 7}
    yield {"plate": "NOSUCH1"}
    yield {"partial": "*WWW"}
    yield {"captured_from": "2020-01-01T00:00:00Z", "limit": 9}
    yield {"area": {"south": 33.5, "west": -118, "north": 33.75, "east": -117.5}, "limit": 11}
    yield {"device_ids": ["car-2"], "limit": 3}


async def test_an_answer_is_the_same_with_notes_and_without(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = many_reads(9, 12)
        await doors.keep(*reads, hits=[make_hit(read) for read in reads[::5]])
        asked = list(searches(reads))
        reader = await asyncpg.connect(pg_database.url("reader"))

        async def answers():
            reads = [await found(doors, search, reader=reader) for search in asked]
            return reads, [await found(doors, search, "search_hits", "hits", reader) for search in asked]

        before, hits = await answers()
        assert sum(map(len, before)) > 120
        assert sum(map(len, hits)) > 25
        for search, rows in zip(asked, before, strict=True):
            order = [(row["captured_at"], row["read_id"]) for row in rows]
            assert order == sorted(order, reverse=True), search
            if "plate" in search and "captured_to" not in search:
                same = [read for read in reads if read.plate.reveal() == search["plate"]]
                assert {row["read_id"] for row in rows} == {read.read_id for read in same}
        noted = await note_all(doors)
        assert len(noted) >= 8
        assert await answers() == (before, hits)
        await reader.close()


async def test_a_noted_day_that_cannot_hold_the_plate_is_not_opened(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = many_reads(9, 12)
        await doors.keep(*reads)
        days = (
            """SELECT coalesce(cardinality((retention.search_days($1, '{demo}', '-infinity', 'infinity')).days), 0)"""
        )
        absent, present = ({"plate": plate} for plate in ("NOSUCH1", reads[0].plate.reveal()))
        setting = "SELECT set_config('alpr.agencies', 'demo', false)"
        connection = await asyncpg.connect(pg_database.admin)
        try:
            await connection.execute(setting)
            assert await connection.fetchval(days, json.dumps(absent)) >= 9
            noted = await note_all(doors)
            assert await connection.fetchval(days, json.dumps(absent)) <= 9 - len(noted) + 2
            holding = {doors.due(read) for read in reads if read.plate.reveal() == present["plate"]}
            assert await connection.fetchval(days, json.dumps(present)) >= len(holding)
        finally:
            await connection.close()


async def test_a_record_that_comes_late_takes_the_notes_of_its_day_away(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        base = utc_now() - timedelta(days=4)
        await doors.keep(make_read("8TST001", number=1, captured_at=base))
        day = doors.due(make_read(captured_at=base))
        assert day in await note_all(doors)
        late = make_read("9LATE77", number=2, captured_at=base + timedelta(seconds=5))
        await doors.keep(late)
        marked = await doors.sql("SELECT 1 FROM retention.day_marks WHERE due_day = $1", day)
        assert marked == []
        for search in ({"plate": "9LATE77"}, {"partial": "*77"}, {"partial": "?LATE??"}):
            assert [row["read_id"] for row in await found(doors, search)] == [late.read_id], search
        assert day in await note_all(doors)
        for search in ({"plate": "9LATE77"}, {"partial": "*77"}, {"partial_skeleton": "?1ATE??"}):
            assert [row["read_id"] for row in await found(doors, search)] == [late.read_id], search


async def test_whoever_notes_a_day_waits_for_those_who_write_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        base = utc_now() - timedelta(days=4)
        await doors.keep(make_read("8TST001", number=1, captured_at=base))
        day = doors.due(make_read(captured_at=base))
        writer = await asyncpg.connect(pg_database.url("retention"))
        try:
            writing = writer.transaction()
            await writing.start()
            await writer.execute("SELECT set_config('alpr.agencies', 'demo', true)")
            await writer.execute(
                "UPDATE retention.reads SET plate = '9NEW123', skeleton = '9NEW123' WHERE due_day = $1", day
            )
            noting = asyncio.create_task(doors.records.note_day("demo", day))
            await asyncio.sleep(0.3)
            assert not noting.done()
            await writing.commit()
            await noting
        finally:
            await writer.close()
        assert len(await found(doors, {"plate": "9NEW123"})) == 1
        assert len(await found(doors, {"partial": "*123"})) == 1
        assert await found(doors, {"plate": "8TST001"}) == []


async def test_with_a_day_everything_that_was_noted_of_it_is_gone(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        old = utc_now() - timedelta(days=3 * 366)
        read = make_read("8TST001", number=1, captured_at=old, received_at=old)
        other = make_read("9XYZ222", number=2, captured_at=utc_now() - timedelta(days=3))
        await doors.keep(read, other)
        gone = doors.due(read)
        assert {gone, doors.due(other)} <= await note_all(doors)
        part = f"retention.day_plates_{gone:%Y%m%d}"
        assert await doors.sql(f"SELECT 1 FROM {part} WHERE plates = '8TST001' AND skeletons = '8T5T001'")
        assert (await doors.drop_day(gone))["reads"] == 1
        assert (await doors.sql("SELECT to_regclass($1)", part))[0][0] is None
        assert {row[0] for row in await doors.sql("SELECT due_day FROM retention.day_marks")} == {doors.due(other)}
        assert await found(doors, {"plate": "8TST001"}) == []
        assert len(await found(doors, {"plate": "9XYZ222"})) == 1


async def test_a_purge_waits_for_a_search_that_goes_on_to_the_same_day(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        old = utc_now() - timedelta(days=3 * 366)
        read = make_read("8TST001", number=1, captured_at=old, received_at=old)
        other = make_read("9XYZ222", number=2, captured_at=utc_now() - timedelta(days=3))
        await doors.keep(read, other, hits=[make_hit(read)])
        searching = await asyncpg.connect(pg_database.admin)
        try:
            search = searching.transaction()
            await search.start()
            count = "SELECT count(*) FROM retention.{} WHERE due_day = $1"
            assert await searching.fetchval(count.format("reads"), doors.due(other)) == 1
            dropping = asyncio.create_task(doors.drop_day(doors.due(read)))
            await asyncio.sleep(0.4)
            for table in ("reads", "hits"):  # would be a deadlock if the day were closed before the whole
                assert await searching.fetchval(count.format(table), doors.due(read)) == 1
            assert len(await found(doors, {"plate": "9XYZ222"})) == 1  # others go on meanwhile
            assert not dropping.done()
            await search.commit()
        finally:
            await searching.close()
        assert {name: (await dropping)[name] for name in ("reads", "hits")} == {"reads": 1, "hits": 1}
