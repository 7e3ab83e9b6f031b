"""The ledger: entries a second and how long each waits, beside two ways that it is not done.

`make bench-ledger` starts one PostgreSQL with durable commits (or takes `ARGS="--dsn postgresql://…"`) and lets 1,
16, 64 and 256 clients append in a closed loop: through the writer (group commit, contiguous index, tree and signed
head, head file outside), by sequencing in each transaction under an advisory lock, by inserting in any order without
index or tree, and last through the door of the running service over HTTP, where a search stands between two entries.
Writes bench/results/ledger.md.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import uvicorn

import alpr_audit.main
from alpr_audit import ledger
from alpr_audit.settings import AuditSettings
from alpr_audit.store import Writer
from alpr_cli.local import LocalPostgres
from alpr_cli.roles import Database
from alprcore.model import Person
from alprcore.profiles import Profiles, load_profiles
from alprcore.seal import SigningKey, sign_person
from bench.report import Report

CLIENTS = (1, 16, 64, 256)
TARGET_RATE, TARGET_P99_S = 5_000, 0.050
"""Entries a second, and the 99th percentile at 64 clients."""
ORIGIN = "plateline.bench/ledger"
PERSON = Person(
    person_id="p-1", username="jdoe", full_name="Jane Doe", organization="Example PD", agency="demo",
    roles=("investigator",), session_id="s-1", source_ip="192.0.2.7", authenticated_at="2026-01-02T03:04:05Z",
    authenticated_by=("pwd", "otp", "mfa"), category="sworn", training=("alpr", "alpr_data"),
)  # fmt: skip
ASKED = {
    "purpose_code": "criminal_investigation",
    "justification": "vehicle seen at a burglary",
    "case_number": "26-000123",
    "reasonable_suspicion": {"basis": "named by a witness"},
    "need_to_know": {"basis": "assigned investigator"},
    "attest_no_first_amendment": True,
}


def draft() -> ledger.Draft:
    """An intent as the query door writes it: everything that the policy demands, and a personal part."""
    person = {name: getattr(PERSON, name) for name in PERSON.__slots__}
    return ledger.Draft(
        kind="query",
        agency="demo",
        profile_version="demo@000000000000",
        facts={
            "purpose_code": ASKED["purpose_code"], "offense_code": "", "source_system": "local",
            "cameras": ledger.camera_scope(()), "sharing_agreement_id": "",
        },
        personal={
            "person": {name: list(value) if isinstance(value, tuple) else value for name, value in person.items()},
            "ip": PERSON.source_ip, "criteria": {"plate": "8TST001"}, "reasons": ASKED, "on_behalf_of": "",
            "supervisor_id": "",
        },
        intent=ledger.Intent("p-1", ("demo",), {"act": "search", "search": {"plate": "8TST001", "limit": 100}}),
    )  # fmt: skip


async def closed_loop(clients: int, seconds: float, act: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    """Let that many clients act one after the other; answers acts a second, median and 99th percentile in seconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (begun := time.perf_counter()) < end:
            await act()
            times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    spent = time.perf_counter() - begun
    times.sort()
    return len(times) / spent, statistics.median(times), times[int(len(times) * 0.99)]


@contextlib.asynccontextmanager
async def writing(database: Database, folder: Path):  # type: ignore[no-untyped-def]
    """A writer that leads."""
    key = folder / "bench.key"
    signing = SigningKey.load(key) if key.exists() else SigningKey.generate(key)
    writer = Writer(
        database.url("audit"), signing, ORIGIN, folder / "checkpoint", lambda: datetime.now(UTC), software="0" * 64
    )
    stop = asyncio.Event()
    task = asyncio.create_task(writer.run(stop))
    try:
        while not writer.leading:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        yield writer
    finally:
        stop.set()
        await task


NAIVE = """
    CREATE SCHEMA bench;
    CREATE TABLE bench.sequenced (idx bigint PRIMARY KEY, previous bytea NOT NULL, hash bytea NOT NULL,
                                  leaf bytea NOT NULL, content jsonb NOT NULL);
    CREATE TABLE bench.unordered (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), leaf bytea NOT NULL,
                                  content jsonb NOT NULL);
"""


def naive(pool: asyncpg.Pool) -> dict[str, Callable[[], Awaitable[object]]]:
    """The two comparisons: an index and a hash chain inside each transaction, and plain inserts without either."""

    def encoded() -> tuple[bytes, str]:
        entry = ledger.encode_draft(draft(), secrets.token_bytes(32), datetime.now(UTC), software="0" * 64)
        return entry.leaf, entry.personal.decode()

    async def sequenced() -> None:
        leaf, content = encoded()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1)")
            last = await connection.fetchrow("SELECT idx, hash FROM bench.sequenced ORDER BY idx DESC LIMIT 1")
            index, previous = (last["idx"] + 1, last["hash"]) if last else (0, b"")
            digest = hashlib.sha256(previous + leaf).digest()
            await connection.execute(
                "INSERT INTO bench.sequenced VALUES ($1, $2, $3, $4, $5::jsonb)", index, previous, digest, leaf, content
            )

    async def unordered() -> None:
        leaf, content = encoded()
        await pool.execute("INSERT INTO bench.unordered (leaf, content) VALUES ($1, $2::jsonb)", leaf, content)

    return {"a sequence in each transaction": sequenced, "unordered inserts, no tree": unordered}


@contextlib.asynccontextmanager
async def serving(database: Database, folder: Path):  # type: ignore[no-untyped-def]
    """The audit service's door over HTTP, without a broker."""
    person_key = SigningKey.generate(folder / "person.key")
    ledger_key = folder / "ledger.key"
    SigningKey.generate(ledger_key)
    settings = AuditSettings(
        database_url=database.url("audit"),
        reader_database_url=database.url("reader"),
        person_public_key=base64.b64encode(person_key.public).decode(),
        ledger_key_file=ledger_key,
        ledger_origin=ORIGIN,
        checkpoint_file=folder / "door.checkpoint",
        queries_per_minute=0,
        agency_queries_per_minute=0,
        looks_per_minute=0,
    )
    app = await alpr_audit.main.build(settings, Profiles(load_profiles()))
    stop = asyncio.Event()
    task = asyncio.create_task(app.writer.run(stop))
    server = uvicorn.Server(uvicorn.Config(app.http, port=0, log_level="error", lifespan="off"))
    serving_task = asyncio.create_task(server.serve())
    while not (server.started and app.writer.leading):
        await asyncio.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving_task
    stop.set()
    await task


async def ask(url: str, key_file: Path, clients: int, seconds: float) -> tuple[tuple[float, float, float], int]:
    """Ask the door as so many clients do; answers what was measured, and how often a question was asked again."""
    key = SigningKey.load(key_file)
    body = {**ASKED, "criteria": {"plate": "8TST001"}}
    late = 0
    limits = httpx.Limits(max_connections=300)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as http:

        async def one() -> None:
            nonlocal late
            while True:
                token = sign_person(key, PERSON, datetime.now(UTC))
                try:
                    answer = await http.post("/v1/queries", json=body, headers={"authorization": f"Person {token}"})
                except httpx.TransportError:
                    late += 1
                    continue
                if answer.status_code == httpx.codes.OK:
                    return
                if answer.status_code not in (httpx.codes.UNAUTHORIZED, httpx.codes.SERVICE_UNAVAILABLE):
                    raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
                late += 1  # on a crowded machine the 5 s of a token or of an entry can pass in the queue

        await closed_loop(clients, 0.5, one)
        return await closed_loop(clients, seconds, one), late


async def asked(url: str, key_file: Path, clients: int, seconds: float) -> tuple[tuple[float, float, float], int]:
    """Ask from another process, as the console does: what a client computes is not the door's time."""
    command = [sys.executable, "-m", "bench.ledger", "--ask", url, str(key_file), str(clients), str(seconds)]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("the asking process failed")
    measured, late = json.loads(told)
    return tuple(measured), late


def figure(measured: tuple[float, float, float]) -> str:
    """Write one measurement."""
    rate, median, slow = measured
    return f"{rate:,.0f}/s, p50 {median * 1e3:.1f} ms, p99 {slow * 1e3:.1f} ms"


async def measure(admin: str, seconds: float, report: Report, *, http: bool) -> None:
    """Measure everything on one server, one way after the other at each number of clients."""
    database = Database(admin, "bench")
    pool = await asyncpg.create_pool(admin, min_size=1, max_size=32)
    await pool.execute(NAIVE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with writing(database, Path(folder)) as writer:
            others = naive(pool)
            for clients in CLIENTS:
                await closed_loop(clients, 0.5, lambda: writer.append(draft()))  # warm
                ours = await closed_loop(clients, seconds, lambda: writer.append(draft()))
                goal = f"goal {TARGET_RATE:,}/s, p99 {TARGET_P99_S * 1e3:.0f} ms; " if clients == 64 else ""
                beside = [f"{name}: {figure(await closed_loop(clients, seconds, act))}" for name, act in others.items()]
                report.row(f"append, {clients} clients", figure(ours), goal + "; ".join(beside))
        emptied = ("head", "nodes", "entries", "personal", "intents", "access_events")
        await pool.execute(f"TRUNCATE {', '.join(f'audit.{name}' for name in emptied)} CASCADE")
        if http:
            async with serving(database, Path(folder)) as url:
                for clients in CLIENTS[:2]:
                    measured, late = await asked(url, Path(folder) / "person.key", clients, seconds)
                    report.row(
                        f"POST /v1/queries, {clients} clients", figure(measured),
                        "two entries, one search and one proof each; clients are another process of this machine"
                        f"; {late} asked again",
                    )  # fmt: skip
    await pool.close()


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description="Ledger: entries a second and waiting time.")
    parser.add_argument("--dsn", help="superuser URL of a server to use; none: a local one with durable commits")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--no-http", action="store_true")
    parser.add_argument("--ask", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        url, key_file, clients, seconds = arguments.ask
        print(json.dumps(asyncio.run(ask(url, Path(key_file), int(clients), float(seconds)))))
        return
    report = Report("ledger", "Ledger")
    alpr_audit.main.settle()  # as the service does when it starts
    with contextlib.ExitStack() as stack:
        admin = arguments.dsn
        if admin is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            admin = stack.enter_context(LocalPostgres(folder, durable=True))
        database = Database(admin, "bench")
        database.prepare()
        database.migrate()
        asyncio.run(measure(admin, arguments.seconds, report, http=not arguments.no_http))
    report.write()


if __name__ == "__main__":
    main()
