"""One due day of millions of reads purged, beside searches that go on.

`make bench-purge` starts a PostgreSQL of its own, fills one due day that is over (`ARGS="--reads 5000000"`) and sixty
days that are not, holds some thousand of the old reads (`--held`, with real images sealed to the day's key), puts image
objects into the day's folders (`--images`), and purges with the service's own code. Another process asks the search
function for whole plates in 30 days all the time: before, during and after. Loading does not wait for the disk, the
purge does as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from alpr_cli.local import LocalPostgres
from alpr_cli.roles import Database
from alpr_retention.purging.store import Purges, Rows, Ways
from alpr_retention.store import ImageKeys, Images, Records
from alpr_retention.telling import Outbox
from alprcore.migrate import migrate
from alprcore.objects import ImageStore
from alprcore.postgres import connect
from alprcore.seal import seal_image
from bench.report import Report
from bench.search import AGENCY, Asker

TARGET_S = 30.0
"""design: a day of five million reads; searches meanwhile within twice their p99."""
YOUNG_DAYS = 60
LISTED_EVERY = 100
JPEG = b"\xff\xd8" + os.urandom(20_000) + b"\xff\xd9"
_PLATE = "substr(upper(md5((n % 400000)::text)), 1, 7)"
_FILL = f"""
    INSERT INTO retention.reads_{{part}} (read_id, due_day, agency, revision, retracted, plate, skeleton, state,
        confidence, captured_at, received_at, read_at, device_id, device_kind, device_name, camera_id, direction,
        latitude, longitude, images, details)
    SELECT md5('{{part}}-' || n)::uuid, $1, '{AGENCY}', 1, false, {_PLATE}, {_PLATE}, 'US-CA', 0.97,
        $2::timestamptz + n * $4::interval, $2::timestamptz + n * $4::interval, $2::timestamptz + n * $4::interval,
        'device-' || n % 40, 'fixed', 'Main and 1st', 'camera-' || n % 40, 'N', 33.6 + (n % 1000) / 10000.0, -117.8,
        jsonb_build_array(
            jsonb_build_object('role', 'closeup', 'view', 'unknown', 'sealed_to', $1::date, 'sha256', $5::text,
                'key', 'closeup/{AGENCY}/' || $1::date || '/' || md5('{{part}}-' || n)::uuid || '.jpg'),
            jsonb_build_object('role', 'context', 'view', 'rear', 'sealed_to', $1::date, 'sha256', $5::text,
                'key', 'context/{AGENCY}/' || $1::date || '/' || md5('{{part}}-' || n)::uuid || '.jpg')),
        jsonb_build_object('plate_raw', {_PLATE}, 'state_confidence', 0.9, 'characters',
            '[["7",0.99,"Z",0.01],["A",0.99,"4",0.01],["B",0.99,"8",0.01],["C",0.99,"G",0.01],["1",0.99,"I",0.01]]'::jsonb,
            'box', '[100,200,300,80]'::jsonb, 'location_quality', 'registered', 'frame_ids', jsonb_build_array(md5(n::text)),
            'detector', jsonb_build_object('name', 'yolo', 'sha256', $5::text),
            'reader', jsonb_build_object('name', 'ctc', 'sha256', $5::text), 'profile_version', 'bench@000000000000',
            'vehicle', '{{{{"color":"white","color_probability":0.8}}}}'::jsonb)
    FROM generate_series(1, $3::bigint) AS n"""  # noqa: S608  # our own names


async def fill_day(admin: Any, day: date, reads: int) -> None:
    """Make a due day with so many reads and their hits; indexes are made afterwards, which is faster."""
    part, begins = f"{day:%Y%m%d}", datetime.combine(day - timedelta(days=730), datetime.min.time(), UTC)
    step = timedelta(days=1) / (reads + 1)
    await admin.execute(
        f"CREATE TABLE retention.reads_{part} (LIKE retention.reads INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        " INCLUDING GENERATED INCLUDING STORAGE)"
    )
    await admin.execute(_FILL.format(part=part), day, begins, reads, step, hashlib.sha256(JPEG).hexdigest())
    await admin.execute(
        f"ALTER TABLE retention.reads ATTACH PARTITION retention.reads_{part}"
        f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )
    await admin.execute(f"ALTER TABLE retention.reads_{part} OWNER TO alpr_retention_owner")
    await admin.execute("SELECT retention.ensure_day($1)", day)
    await admin.execute(
        "INSERT INTO retention.captured_days (agency, captured_on, due_day) VALUES ($1, $2, $3)",
        AGENCY, day - timedelta(days=730), day,
    )  # fmt: skip
    await admin.execute(
        f"""INSERT INTO retention.hits_{part} (hit_id, due_day, read_id, agency, revision, list_code, list_version,
            entry_id, grade, state_match, reason, advisory_class, captured_at, received_at, matched_at, details)
        SELECT gen_random_uuid(), due_day, read_id, agency, 1, 'SVS', 1, gen_random_uuid(), 'exact', 'match',
            'stolen_vehicle', 'stop', captured_at, received_at, read_at, '{{}}'
        FROM retention.reads_{part} WHERE hashtext(read_id::text) % {LISTED_EVERY} = 0"""  # noqa: S608  # our own name
    )
    await admin.execute(f"VACUUM (ANALYZE) retention.reads_{part}, retention.hits_{part}")


async def hold_some(admin: Any, images: Images, day: date, held: int, objects: int) -> None:
    """Hold so many reads of a day, with images that open; and put other image objects beside theirs."""
    rows = await admin.fetch(f"SELECT read_id FROM retention.reads_{day:%Y%m%d} LIMIT $1", held + objects // 2)  # noqa: S608
    public = images.keys.ensure(AGENCY, day.isoformat())
    for number, row in enumerate(rows):
        for role in ("closeup", "context"):
            key = f"{role}/{AGENCY}/{day}/{row['read_id']}.jpg"
            data = seal_image(public, JPEG, aad=key.encode()) if number < held else b"sealed"
            await images.objects.put(key, data)
    if held:
        ids: list[UUID] = [row["read_id"] for row in rows[:held]]
        await admin.execute(
            "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids,"
            " by_query) VALUES (gen_random_uuid(), $1, 'evidence', '26-1', 'bench', now(), $2, false)",
            AGENCY, ids,
        )  # fmt: skip


def ask_on(database: Database, path: Path, until: Any) -> None:
    """Search for whole plates in 30 days until told to stop; writes when each began and how many ms it took."""

    async def asking() -> None:
        admin, reader = await asyncpg.connect(database.admin), await asyncpg.connect(database.url("reader"))
        asker, dice = Asker(admin, reader), random.Random(5)
        begins = datetime.now(UTC) - timedelta(days=730)
        with path.open("w", buffering=1) as file:
            while not until.is_set():
                start = begins + timedelta(days=dice.uniform(1, 20))
                plate = (
                    hashlib.md5(str(dice.randrange(400_000)).encode(), usedforsecurity=False).hexdigest()[:7].upper()
                )
                span = {"captured_from": start.isoformat(), "captured_to": (start + timedelta(days=30)).isoformat()}
                at, (spent, _, _) = time.time(), await asker.ask({"plate": plate, **span})
                file.write(f"{at} {spent}\n")
        await reader.close()
        await admin.close()

    asyncio.run(asking())


def _figure(spent: list[float]) -> str:
    cuts = statistics.quantiles(spent, n=100, method="inclusive")
    return f"{cuts[49]:.1f} / {cuts[98]:.1f} ms"


def old_day() -> date:
    """The due day that is purged: over for three days."""
    return datetime.now(UTC).date() - timedelta(days=3)


def images_in(folder: Path) -> Images:
    """The image store and the keys of this bench."""
    return Images(ImageStore((folder / "images").as_uri()), ImageKeys(folder / "keys"))


async def load(database: Database, folder: Path, given: argparse.Namespace) -> None:
    """Fill the young days and the old one."""
    admin = await asyncpg.connect(database.admin, timeout=60)
    await admin.execute("SET session_replication_role = replica; SET alpr.agencies = 'bench'")
    await admin.execute("SET maintenance_work_mem = '1GB'; SET synchronous_commit = off")
    for number in range(YOUNG_DAYS):
        await fill_day(admin, datetime.now(UTC).date() + timedelta(days=1 + number), given.young)
    await fill_day(admin, old_day(), given.reads)
    await hold_some(admin, images_in(folder), old_day(), given.held, given.images)
    await admin.close()


async def measure(database: Database, folder: Path, report: Report, given: argparse.Namespace) -> None:
    """Ask, purge, ask on."""
    admin = await asyncpg.connect(database.admin, timeout=60)
    size = await admin.fetchval(f"SELECT pg_total_relation_size('retention.reads_{old_day():%Y%m%d}')")
    await admin.execute("SELECT retention.vouch()")  # another server process than the one that was filled
    await admin.close()
    pool, images = await connect(database.url("retention")), images_in(folder)
    outbox = Outbox(pool)
    rows = Rows(pool, outbox)
    purges = Purges(rows, Records(pool), images, {}, Ways(), lambda: datetime.now(UTC))
    spent: dict[str, float] = {}
    for name in ("move_held", "held_reads", "ended_holds", "cut", "forget_key", "step", "released_days", "agencies"):
        _timed(rows, name, spent)
    for name in ("delete_prefix", "count"):
        _timed(images.objects, name, spent)
    _timed(purges.keeping, "move", spent)
    _timed(purges.keeping.sealers, "seal", spent)
    _timed(purges.accounts, "settle", spent)
    context = multiprocessing.get_context("spawn")
    until, path = context.Event(), folder / "asked"
    asking = context.Process(target=ask_on, args=(database, path, until))
    asking.start()
    try:
        while not path.exists() or len(path.read_text().splitlines()) < 20:  # connected, plans and caches settled
            await asyncio.sleep(0.2)
        await asyncio.sleep(given.seconds)
        begun = time.time()
        run_id = await purges.purge()
        ended = time.time()
        await asyncio.sleep(given.seconds)
    finally:
        until.set()
        await asyncio.to_thread(asking.join)
    (run,) = await purges.accounts.runs(AGENCY, run_id)
    totals = run["totals"]
    if (totals["reads"], totals["held"], run["outcome"]) != (given.reads - given.held, given.held, "complete"):
        raise AssertionError(f"{run['outcome']} {totals} {run['errors']}")
    asked = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    before = [ms for at, ms in asked if begun - given.seconds < at < begun]
    during = [ms for at, ms in asked if begun <= at <= ended]
    after = [ms for at, ms in asked if at > ended]
    million = f"{given.reads / 1e6:g} M reads, {size / 1e9:.1f} GB"
    report.row(f"purge of a day of {million}, {given.held} held", f"{ended - begun:.1f} s", f"target {TARGET_S:.0f} s")
    for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        report.row(f"of that: {name}", f"{seconds:.2f} s", f"{totals['hits']} hits, {totals['images']} images went")
    for when, asks in (("before", before), ("during", during), ("after", after)):
        report.row(
            f"search {when} the purge, p50 / p99", _figure(asks), f"{len(asks)} searches; p99 at most twice that before"
        )
    await pool.close()


def _timed(owner: Any, name: str, spent: dict[str, float]) -> None:
    inner = getattr(owner, name)

    async def timed(*args: Any, **more: Any) -> Any:
        begun = time.perf_counter()
        try:
            return await inner(*args, **more)
        finally:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

    setattr(owner, name, timed)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=5_000_000)
    parser.add_argument("--held", type=int, default=5_000)
    parser.add_argument("--images", type=int, default=40_000, help="image objects in the day's folders")
    parser.add_argument("--young", type=int, default=20_000, help="reads of each of the sixty days that stay")
    parser.add_argument("--seconds", type=int, default=30, help="of searching before and after")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalPostgres(folder / "postgres", durable=False) as dsn:
            asyncio.run(_made(dsn))
            database = _database(dsn)
            database.prepare()
            for schema in ("audit", "retention"):
                migrate(database.url(f"{schema}_owner"), f"alpr_{schema}", schema, "head")
            asyncio.run(load(database, folder, given))
        report = Report("purge", "A day is purged while searches go on")
        with LocalPostgres(folder / "postgres") as dsn:
            asyncio.run(measure(_database(dsn), folder, report, given))
        loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        report.row("load of the machine, 1/5/15 min", loads, f"{os.cpu_count()} cores")
        report.write()


async def _made(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    await admin.execute("CREATE DATABASE bench")
    await admin.close()


def _database(dsn: str) -> Database:
    return Database(urlunsplit(urlsplit(dsn)._replace(path="/bench")), "bench")


if __name__ == "__main__":
    main()
