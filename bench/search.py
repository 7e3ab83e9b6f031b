"""Searches through the door's own function, beside plain `pg_trgm` on the same rows.

`make bench-search` starts a PostgreSQL of its own, makes synthetic reads of one agency over 730 due days (seeded;
`ARGS="--reads 1,10,50"` millions, one database each), notes every ended day as the running service does, and asks
each kind of search as `alpr_reader` through `retention.search_reads` with a committed intent. Beside it the same
questions to one plain table of the same rows (trigram index on the plate, B-tree on the time), up to `--plain` millions.
`--folder` keeps the data for the next run; 50 million reads take about 38 GB, and 14 GB more as a plain table.
Loading does not wait for the disk, asking does as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import numpy as np

from alpr_audit.ledger import canonical, commitment
from alpr_cli.local import LocalPostgres
from alpr_cli.roles import Database
from alprcore.migrate import migrate
from alprcore.plates import skeleton
from bench.report import Report

AGENCY = "bench"
DAYS = 730
KEPT = timedelta(days=730)
"""The period of all reads here: each due day holds the captures of one day."""
EXACT_MS, PARTIAL_MS = 50.0, 250.0
"""design: p95 over 50 million reads, with a time range."""
OURS_MS, PLAIN_MS = 30_000.0, 15_000.0
"""How long one kind of search is asked at most."""
SPAN = timedelta(days=30)
DEVICES = 40
LISTED_EVERY = 500
SEARCHED = "read_id, agency, retracted, plate, skeleton, state, captured_at, device_id, latitude, longitude, cell"
PLAIN = "read_id, agency, plate, skeleton, state, captured_at, device_id, latitude, longitude, images, details"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
STATES = np.array(["CA", "NV", "AZ", "OR", "TX"])
_FIELDS: tuple[tuple[str, str, int], ...] = (
    ("read_id", "V16", 16), ("due_day", ">i4", 4), ("agency", "S5", 5), ("revision", ">i4", 4),
    ("retracted", "V1", 1), ("plate", "S7", 7), ("skeleton", "S7", 7), ("state", "S2", 2), ("confidence", ">f8", 8),
    ("captured_at", ">i8", 8), ("received_at", ">i8", 8), ("read_at", ">i8", 8), ("device_id", "S9", 9),
    ("device_kind", "S5", 5), ("device_name", "S9", 9), ("camera_id", "S9", 9), ("direction", "S1", 1),
    ("latitude", ">f8", 8), ("longitude", ">f8", 8), ("images", "S48", 48), ("details", "S3", 3),
)  # fmt: skip
_IMAGES = b"\x01" + json.dumps([{"role": "closeup", "key": "closeup/bench/0"}]).ljust(47)[:47].encode()
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype="S1")
_DIGITS = np.frombuffer(b"0123456789", dtype="S1")


def plates_of(vehicles: np.ndarray) -> np.ndarray:
    """The plate of each vehicle number, like California's: digit, three letters, three digits."""
    scattered = (vehicles.astype(np.uint64) * np.uint64(2654435761) + np.uint64(97)) % np.uint64(158_184_000)
    parts = [_DIGITS[1 + scattered // 17_576_000]]
    parts += [_LETTERS[scattered // 1000 // 26**power % 26] for power in (2, 1, 0)]
    parts += [_DIGITS[scattered // 10**power % 10] for power in (2, 1, 0)]
    return np.stack(parts, axis=1).view("S7").ravel()


_FOLD = np.arange(256, dtype=np.uint8)
for _letter in range(48, 91):
    _FOLD[_letter] = ord(skeleton(chr(_letter)))


def day_of_reads(number: int, count: int, total: int) -> np.ndarray:
    """The reads of one day: 7 in 10 of vehicles at home here, some of them daily, the others passing through."""
    rng = np.random.default_rng([5, number])
    rows = np.zeros(
        count, dtype=[("n", ">i2")] + [(f"{n}{s}", t) for n, d, w in _FIELDS for s, t in (("_", ">i4"), ("", d))]
    )
    rows["n"] = len(_FIELDS)
    for name, _, width in _FIELDS:
        rows[f"{name}_"] = width
    home = rng.random(count) < 0.7
    locals_ = (rng.random(count) ** 3 * (total // 50)).astype(np.int64)
    passing = total // 50 + rng.integers(0, total // 2, count)
    plates = plates_of(np.where(home, locals_, passing))
    first = datetime.combine(due_day(number) - KEPT, datetime.min.time(), UTC)
    captured = int((first - EPOCH).total_seconds()) * 1_000_000 + np.sort(rng.integers(0, 86_400_000_000, count))
    device = rng.integers(0, DEVICES, count)
    spots = np.random.default_rng(7).normal(0, 0.06, (DEVICES, 2))
    drift = np.where(device < 30, 0.0, 0.05)  # 30 stand still, 10 drive about
    names = np.array([f"device-{index:02}" for index in range(DEVICES)], dtype="S9")[device]
    rows["read_id"] = rng.bytes(16 * count) if count == 0 else np.frombuffer(rng.bytes(16 * count), dtype="V16")
    rows["due_day"] = (due_day(number) - EPOCH.date()).days
    rows["agency"], rows["revision"], rows["device_kind"], rows["direction"] = AGENCY, 1, "fixed", "N"
    rows["plate"] = plates
    rows["skeleton"] = _FOLD[plates.view(np.uint8)].view("S7")
    rows["state"] = STATES[rng.choice(5, count, p=[0.86, 0.05, 0.04, 0.03, 0.02])]
    rows["confidence"] = 0.9 + rng.random(count) / 10
    rows["captured_at"], rows["received_at"], rows["read_at"] = captured, captured + 10**6, captured + 2 * 10**6
    for name in ("device_id", "device_name", "camera_id"):
        rows[name] = names
    rows["latitude"] = 33.68 + spots[device, 0] + drift * rng.normal(size=count)
    rows["longitude"] = -117.83 + spots[device, 1] + drift * rng.normal(size=count)
    rows["images"], rows["details"] = _IMAGES, b"\x01{}"
    return rows


def due_day(number: int) -> date:
    """The due days run from tomorrow on."""
    return datetime.now(UTC).date() + timedelta(days=1 + number)


async def load(database: Database, total: int, *, plain: bool) -> None:
    """Fill one database; each due day in one transaction, frozen, as autovacuum would leave it in time."""
    admin = await asyncpg.connect(database.admin)
    await admin.execute("SET session_replication_role = replica; SET alpr.agencies = 'bench'; SET jit = off")
    await admin.execute("SET maintenance_work_mem = '1GB'")
    await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    await _autovacuum(admin, "off")  # what it would do is done here, once
    columns = ", ".join(name for name, _, _ in _FIELDS)
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    begun = time.monotonic()
    for number in range(DAYS):
        count = total * (number + 1) // DAYS - total * number // DAYS
        day, part = due_day(number), f"{due_day(number):%Y%m%d}"
        rows = day_of_reads(number, count, total)
        async with admin.transaction():
            await admin.execute(
                f"CREATE TABLE retention.reads_{part} (LIKE retention.reads INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
                " INCLUDING GENERATED INCLUDING STORAGE)"
            )
            copy = f"COPY retention.reads_{part} ({columns}) FROM STDIN (FORMAT binary, FREEZE)"
            await admin._copy_in(copy, _chunks(header, rows), None)  # noqa: SLF001  # copy_to_table knows no FREEZE
            await admin.execute(  # indexes of what lies there are made much faster than row by row
                f"ALTER TABLE retention.reads ATTACH PARTITION retention.reads_{part}"
                f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
            await admin.execute(f"ALTER TABLE retention.reads_{part} OWNER TO alpr_retention_owner")
            await admin.execute("SELECT retention.ensure_day($1)", day)
            await admin.execute("INSERT INTO retention.captured_days VALUES ($1, $2, $3)", AGENCY, day - KEPT, day)
            await admin.execute(
                f"""INSERT INTO retention.hits_{part} (hit_id, due_day, read_id, agency, revision, list_code,
                    list_version, entry_id, grade, state_match, reason, advisory_class, captured_at, received_at,
                    matched_at, details)
                SELECT gen_random_uuid(), due_day, read_id, agency, 1,
                    CASE WHEN hashtext(read_id::text) % 5 = 0 THEN 'AMBER' ELSE 'SVS' END,
                    1, gen_random_uuid(), 'exact', 'match', 'stolen_vehicle', 'stop', captured_at, received_at,
                    read_at, '{{}}'
                FROM retention.reads_{part} WHERE hashtext(plate) % {LISTED_EVERY} = 0"""  # noqa: S608  # our own name
            )
        await admin.execute(f"ANALYZE retention.reads_{part} ({SEARCHED}); ANALYZE retention.hits_{part}")
        await admin.fetchval("SELECT retention.note_day($1, $2)", AGENCY, day)
        await admin.execute("SET alpr.agencies = 'bench'")
        if number % 73 == 72:
            print(f"({number + 1} days, {time.monotonic() - begun:.0f} s)", flush=True)
    await admin.execute("CREATE SCHEMA plain")
    await admin.execute(f"CREATE TABLE plain.reads AS SELECT {PLAIN} FROM retention.reads WHERE {plain}")  # noqa: S608
    await admin.execute("CREATE INDEX ON plain.reads USING gin (plate gin_trgm_ops)")
    await admin.execute("CREATE INDEX ON plain.reads (captured_at)")
    await admin.execute("VACUUM (ANALYZE) plain.reads")
    await admin.execute("VACUUM (ANALYZE) retention.day_marks")
    await admin.execute("ANALYZE retention.captured_days")
    await admin.execute("CREATE TABLE plain.loaded (seconds float8)")
    await admin.execute("INSERT INTO plain.loaded VALUES ($1)", time.monotonic() - begun)
    await _autovacuum(admin, "on")
    await admin.close()


async def _autovacuum(admin: Any, state: str) -> None:
    await admin.execute(f"ALTER SYSTEM SET autovacuum = {state}")
    await admin.execute("SELECT pg_reload_conf()")


async def _chunks(header: bytes, rows: np.ndarray) -> Any:
    yield header
    for start in range(0, len(rows), 4096):
        yield rows[start : start + 4096].tobytes()
    yield b"\xff\xff"


class Questions:
    """Draws searches: 4 in 5 of plates that were read, the others of plates nobody saw."""

    def __init__(self, total: int) -> None:
        self._random, self._total = random.Random(11), total
        self._begins = datetime.combine(due_day(0) - KEPT, datetime.min.time(), UTC)

    def plate(self) -> str:
        """A whole plate."""
        draw = self._random
        home = draw.random() < 0.7
        number = (
            int(draw.random() ** 3 * (self._total // 50))
            if home
            else self._total // 50 + draw.randrange(self._total // 2)
        )
        seen = str(plates_of(np.array([number]))[0].decode())
        return seen if draw.random() < 0.8 else f"0{seen[1:]}"

    def span(self, length: timedelta = SPAN) -> dict[str, str]:
        """A range of capture times somewhere in the two years."""
        begin = self._begins + self._random.random() * (timedelta(days=DAYS) - length)
        return {"captured_from": begin.isoformat(), "captured_to": (begin + length).isoformat()}

    def pattern(self) -> str:
        """What a witness remembers of a plate: its beginning, its end, its middle, every other character."""
        plate, draw = self.plate(), self._random
        shapes = (
            f"{plate[:4]}*", f"{plate[:2]}*", f"*{plate[-3:]}", f"?{plate[1:4]}???", f"{plate[0]}?{plate[2]}?{plate[4]}?{plate[6]}",
            f"{plate[:2]}*{plate[-2:]}", f"{plate[:3]}??{plate[5:]}",
        )  # fmt: skip
        return draw.choice(shapes)

    def area(self) -> dict[str, float]:
        """Two kilometers each way around a fixed camera."""
        spot = np.random.default_rng(7).normal(0, 0.06, (DEVICES, 2))[self._random.randrange(30)]
        lat, lon = 33.68 + float(spot[0]), -117.83 + float(spot[1])
        return {"south": lat - 0.01, "west": lon - 0.01, "north": lat + 0.01, "east": lon + 0.01}

    def device(self) -> list[str]:
        """One device."""
        return [f"device-{self._random.randrange(DEVICES):02}"]


KINDS: tuple[tuple[str, Callable[[Questions], dict[str, Any]], float | None], ...] = (
    ("exact, 30 days", lambda q: {"plate": q.plate(), **q.span()}, EXACT_MS),
    ("exact, no time range", lambda q: {"plate": q.plate()}, None),
    ("look-alike, no time range", lambda q: {"skeleton": skeleton(q.plate())}, None),
    ("partial, 30 days", lambda q: {"partial": q.pattern(), **q.span()}, PARTIAL_MS),
    ("partial, no time range", lambda q: {"partial": q.pattern()}, None),
    ("area of 2 km, 30 days", lambda q: {"area": q.area(), **q.span()}, None),
    ("exact in an area of 2 km", lambda q: {"plate": q.plate(), "area": q.area()}, None),
    ("area of 2 km, 10 minutes", lambda q: {"area": q.area(), **q.span(timedelta(minutes=10))}, None),
    ("own detections, 1 day", lambda q: {"device_ids": q.device(), **q.span(timedelta(days=1))}, None),
    ("own detections, no time range", lambda q: {"device_ids": q.device()}, None),
    ("time range of 1 hour", lambda q: q.span(timedelta(hours=1)), None),
    ("list, 30 days", lambda q: {"list_code": "AMBER", **q.span()}, None),
)


def plain_sql(search: dict[str, Any]) -> tuple[str, list[Any]] | None:
    """The same question to the plain table; None for lists, which it does not have."""
    if "list_code" in search:
        return None
    terms, values = ["agency = $1"], [AGENCY]

    def term(text: str, value: Any) -> None:
        values.append(value)
        terms.append(text.format(f"${len(values)}"))

    if "plate" in search:
        term("plate = {}", search["plate"])
    if "skeleton" in search:
        term("skeleton = {}", search["skeleton"])
    if "partial" in search:
        term("plate LIKE {}", search["partial"].translate({ord("?"): "_", ord("*"): "%"}))
    if "captured_from" in search:
        term("captured_at >= {}", datetime.fromisoformat(search["captured_from"]))
        term("captured_at <= {}", datetime.fromisoformat(search["captured_to"]))
    if "device_ids" in search:
        term("device_id = ANY ({})", search["device_ids"])
    for name, text in {
        "south": "latitude >= {}", "north": "latitude <= {}", "west": "longitude >= {}", "east": "longitude <= {}",
    }.items():  # fmt: skip
        if "area" in search:
            term(text, search["area"][name])
    wanted = "jsonb_build_object('read_id', read_id, 'plate', plate, 'captured_at', captured_at, 'images', images)"
    where = " AND ".join(terms)  # terms are ours, values travel beside them
    return (
        f"SELECT {wanted} FROM plain.reads WHERE {where} ORDER BY captured_at DESC, read_id DESC LIMIT 100",  # noqa: S608
        values,
    )


class Asker:
    """Commits intents as the ledger does and asks as the query door's role does."""

    def __init__(self, admin: Any, reader: Any) -> None:
        self._admin, self._reader, self._pid = admin, reader, reader.get_server_pid()
        self._entry = random.randrange(1, 2**40)

    async def ask(self, search: dict[str, Any]) -> tuple[float, float, int]:
        """Milliseconds, those of them on a processor, and rows; the intent is committed before the clock runs."""
        self._entry += 1
        act = {"act": "search", "search": {**search, "limit": 100}}
        salt = self._entry.to_bytes(32, "big")
        leaf = canonical({"scope": [AGENCY], "permits": commitment(salt, act), "n": self._entry})
        async with self._admin.transaction():
            for statement, *values in (
                ("INSERT INTO audit.entries (idx, leaf, leaf_hash, kind, agency) VALUES ($1, $2, $3, 'bench', $4)",
                 leaf, hashlib.sha256(b"\0" + leaf).digest(), AGENCY),
                ("INSERT INTO audit.personal (idx, salt, content) VALUES ($1, $2, $3)", salt,
                 json.dumps({"person": {"person_id": "p"}})),
                ("INSERT INTO audit.intents (idx, person_id, agency_scope, query) VALUES ($1, 'p', $2, $3)", [AGENCY],
                 canonical(act).decode()),
                ("INSERT INTO audit.head (size, root, note) VALUES ($1::bigint + 1, $2, 'bench')", bytes(32)),
            ):  # fmt: skip
                await self._admin.execute(statement, self._entry, *values)
        used, begun = _processor_ms(self._pid), time.perf_counter()
        try:
            rows = await self._reader.fetch("SELECT retention.search_reads($1)", self._entry)
        except asyncpg.QueryCanceledError:  # the door's role waits 10 s, no longer
            return float("inf"), float("inf"), -1
        spent = (time.perf_counter() - begun) * 1000
        return spent, _processor_ms(self._pid) - used, len(rows)

    async def ask_plain(self, search: dict[str, Any]) -> tuple[float, int] | None:
        """The same of the plain table; None for a question it cannot be asked, infinity when it takes over 10 s."""
        made = plain_sql(search)
        if made is None:
            return None
        begun = time.perf_counter()
        try:
            rows = await self._admin.fetch(made[0], *made[1])
        except asyncpg.QueryCanceledError:
            return float("inf"), -1
        return (time.perf_counter() - begun) * 1000, len(rows)


def _processor_ms(pid: int) -> float:
    """Processor time of a process, fine-grained: comparable also on a busy machine."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _figure(spent: list[float]) -> str:
    if not spent:
        return "-"
    cuts = statistics.quantiles(spent * 2 if len(spent) == 1 else spent, n=100, method="inclusive")
    return " / ".join(f"{cut:.1f}" if cut < 10_000 else "> 10 s" for cut in (cuts[49], cuts[94])) + " ms"


async def measure(database: Database, report: Report, total: int, queries: int) -> None:
    """Ask every kind of search, ours and the plain one in turn, and check that both found as many."""
    admin = await asyncpg.connect(database.admin, server_settings={"jit": "off", "statement_timeout": "10s"})
    reader = await asyncpg.connect(database.url("reader"))
    asker, questions = Asker(admin, reader), Questions(total)
    filled = await admin.fetchval("SELECT EXISTS (SELECT FROM plain.reads)")
    size = f"{total // 1_000_000} M"
    # what PostgreSQL knows of each partition is read once a connection; the door's connections live for hours
    first, again = [(await asker.ask({"device_ids": ["nobody"]}))[:2] for _ in "ab"]
    report.row(
        f"{size} reads: all {DAYS} days opened in vain, first on a connection / again",
        f"{first[0]:.0f} / {again[0]:.0f} ms", f"on a processor {first[1]:.0f} / {again[1]:.0f} ms",
    )  # fmt: skip
    for what, draw, target in KINDS:
        ours: list[float] = []
        busy: list[float] = []
        plain: list[float] = []
        found = unlike = 0
        for number in range(queries + 10):
            search = draw(questions)
            spent, used, rows = await asker.ask(search)
            other = await asker.ask_plain(search) if filled and 8 <= number < 60 and sum(plain) < PLAIN_MS else None
            if number < 10:  # plans and caches settle
                continue
            if sum(ours) > OURS_MS:
                break
            ours.append(min(spent, 10_000.0))
            busy.append(min(used, 10_000.0))
            found += max(rows, 0)
            if other is not None:
                plain.append(min(other[0], 10_000.0))
                unlike += -1 not in {rows, other[1]} and rows != other[1]
        if unlike:
            raise AssertionError(f"{what}: {unlike} answers differ from the plain table's")
        beside = f"on a processor {_figure(busy)}; plain pg_trgm {_figure(plain)}" + (
            f"; target p95 {target:.0f} ms" if target and total >= 5e7 else ""
        )
        report.row(f"{size} reads: {what}, p50 / p95", _figure(ours), f"{beside}; {found / len(ours):.0f} rows")
    sizes = await admin.fetchrow(
        """SELECT (SELECT sum(pg_table_size(i.inhrelid)) FROM pg_inherits AS i
                WHERE i.inhparent = 'retention.reads'::regclass) AS heap,
            (SELECT sum(pg_indexes_size(i.inhrelid)) FROM pg_inherits AS i
                WHERE i.inhparent = 'retention.reads'::regclass) AS indexes,
            (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits AS i
                WHERE i.inhparent = 'retention.day_plates'::regclass) AS plates,
            pg_total_relation_size('retention.day_marks') AS marks, pg_table_size('plain.reads') AS plain,
            pg_indexes_size('plain.reads') AS plain_indexes"""
    )
    gigabytes = {name: f"{int(value) / 1e9:.2f} GB" for name, value in sizes.items()}
    report.row(
        f"{size} reads: rows, indexes, notes of days", f"{gigabytes['heap']}, {gigabytes['indexes']}",
        f"plates {gigabytes['plates']}, marks {gigabytes['marks']}; plain {gigabytes['plain']}, {gigabytes['plain_indexes']}",
    )  # fmt: skip
    await reader.close()
    await admin.close()


async def _exists(dsn: str, name: str) -> bool:
    """Whether this database is loaded; one that was broken off is dropped and made anew."""
    admin = await asyncpg.connect(dsn)
    try:
        if await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            inside = await asyncpg.connect(urlunsplit(urlsplit(dsn)._replace(path=f"/{name}")))
            loaded = await inside.fetchval("SELECT to_regclass('plain.loaded') IS NOT NULL")
            await inside.close()
            if loaded:
                return True
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        return False
    finally:
        await admin.close()


def _database(dsn: str, name: str) -> Database:
    return Database(urlunsplit(urlsplit(dsn)._replace(path=f"/{name}")), "bench")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", default="1", help="millions, several with commas")
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    parser.add_argument("--folder", type=Path, help="keep the data here")
    parser.add_argument("--plain", type=float, default=10, help="most millions that also lie in a plain table")
    parser.add_argument("--load-only", action="store_true")
    options = parser.parse_args()
    sizes = [int(float(part) * 1_000_000) for part in options.reads.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with LocalPostgres(folder, durable=False) as dsn:
            for total in sizes:
                name = f"search_{total // 1_000_000}m"
                if not asyncio.run(_exists(dsn, name)):
                    database = _database(dsn, name)
                    database.prepare()
                    for schema in ("audit", "retention"):
                        migrate(database.url(f"{schema}_owner"), f"alpr_{schema}", schema, "head")
                    asyncio.run(load(database, total, plain=total <= options.plain * 1e6))
        if options.load_only:
            return
        report = Report("search", "Searches over 730 due days, through the ledger's gate")
        with LocalPostgres(folder) as dsn:
            for total in sizes:
                asyncio.run(measure(_database(dsn, f"search_{total // 1_000_000}m"), report, total, options.queries))
        loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        report.row("load of the machine, 1/5/15 min", loads, f"{os.cpu_count()} cores")
        report.write()


if __name__ == "__main__":
    main()
