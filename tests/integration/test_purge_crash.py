"""A purge that is killed at any of its steps, with a hold placed in between: the next run ends it, and nothing lies."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from alprcore.topics import Topic
from alprcore.wire import decode_purge_order
from tests.fixtures.crashing import purge_killed_at
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read

pytestmark = pytest.mark.asyncio
FIRST = datetime(2022, 1, 10, 12, tzinfo=UTC)
READS = 4


async def a_day(doors, number):
    """Reads of one due day, with images and a hit each."""
    reads = [
        await doors.with_images(
            make_read(f"8T{number:03}{n}", number=number * 100 + n, captured_at=FIRST + timedelta(days=number))
        )
        for n in range(READS)
    ]
    await doors.keep(*reads, hits=[make_hit(read) for read in reads])
    return reads


async def hold(doors, reads):
    body = {"ground": "evidence", "case_number": "26-9", "read_ids": [read.read_id for read in reads]}
    answer = await doors.shelf.post("/v1/holds", json=body, headers=doors.auth())
    assert answer.status_code == 201, answer.text
    return answer.json()["hold_id"]


async def here(doors, reads):
    """Which of these reads are stored."""
    ids = [read.read_id for read in reads]
    rows = await doors.sql("SELECT read_id::text FROM retention.reads WHERE read_id = ANY ($1::uuid[])", ids)
    return {row[0] for row in rows}


async def purged(doors):
    """Purge to the end, once the killed one's database session is noticed to be gone."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await doors.purge()
            except PermissionError as error:
                if str(error) != "PURGE_RUNNING":
                    raise
                await asyncio.sleep(0.05)


async def one_crash(doors, settings, number, points, seed):
    """One day, one hold before, one at any moment of a purge that dies at any of its points; then the next purge."""
    dice = random.Random(seed)
    reads = await a_day(doors, number)
    day = doors.due(reads[0])
    await hold(doors, reads[:1])

    purging = asyncio.create_task(purge_killed_at(settings, dice.randint(1, points)))
    running = "SELECT count(*) FROM retention.purge_runs WHERE outcome = 'running' AND finished_at IS NULL"
    while not purging.done() and not (await doors.sql(running))[0][0]:
        await asyncio.sleep(0.005)
    while seed % 2 and not purging.done() and day in await doors.purges.rows.due_days(datetime.now(UTC).date()):
        await asyncio.sleep(0.005)  # every other hold comes after the judgement, or after the end of the process
    await asyncio.sleep(dice.uniform(0.0, 0.2))
    await hold(doors, reads[1:2])
    held = {reads[0].read_id} | await here(doors, reads[1:2])
    assert await purging is None, seed  # it was killed
    await purged(doors)

    # nothing purged under hold, nothing overdue
    assert await here(doors, reads) == held, seed
    assert day not in await doors.purges.rows.due_days(datetime.now(UTC).date()), seed
    rows = await doors.sql("SELECT images FROM retention.reads WHERE was_due = $1 AND due_day = 'infinity'", day)
    for image in (image for row in rows for image in json.loads(row[0])):
        assert await doors.parts.images.open("demo", image) == JPEG, seed
    assert doors.parts.images.keys.private("demo", day.isoformat()) is None
    for role in ("closeup", "context", "frame"):
        assert await doors.parts.images.objects.list(f"{role}/demo/{day}") == [], seed

    # every certificate together counts each record once, and the doors were told of each hit that went and of no other
    told = await doors.told("purge")
    told = [event for event in told if day.isoformat() in event.facts["days"].split()]
    assert sum(int(event.facts["reads"]) for event in told) == READS - len(held), seed
    assert {event.facts["outcome"] for event in told if event.facts["reads"] != "0"} <= {"complete"}, seed
    found = [decode_purge_order(v, h) for topic, _, v, h in doors.heard.messages if topic is Topic.PURGES]
    mine = [order for order in found if order.due_day == day]
    gone = [read for order in mine for read in order.read_ids]
    assert sorted(gone) == sorted({read.read_id for read in reads} - held), seed
    return len(held)


async def crashes(doors, seeds):
    """Crash once for each seed; answers how many reads were held each time: 2 where the hold came in time."""
    settings = doors.retention_settings().model_dump()
    settings["database_url"] = settings["database_url"].get_secret_value()
    reads = await a_day(doors, 0)
    await hold(doors, reads[:1])
    points = await purge_killed_at(settings, 0)
    assert points > 30
    return [await one_crash(doors, settings, number, points, seed) for number, seed in enumerate(seeds, 1)]


async def test_a_purge_killed_at_any_step_is_ended_by_the_next(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await crashes(doors, [1])


@pytest.mark.long
async def test_a_purge_killed_at_any_step_is_ended_by_the_next_fifty_times(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        assert set(await crashes(doors, range(100, 150))) == {1, 2}
