"""A list of a million entries: from the file to the switch, stage by stage, and the memory that ingest needs for it.

`make bench-lists` starts a PostgreSQL with durable commits, a broker and ingest as an installation runs it, and sends
it a CSV file of `--entries` lines three times: into an empty list, again a day later with one line in a hundred
changed, and the same file once more. A hot plate is entered every two seconds meanwhile into another list. Writes
bench/results/lists.md.
"""

import argparse
import asyncio
import base64
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from alpr_cli.local import LocalKafka, LocalPostgres, free_port
from alpr_cli.roles import Database
from alprcore.kafka import KafkaSettings, create_topics, load_topic_specs
from alprcore.model import Person
from alprcore.seal import ListKeys, SigningKey, sign_person
from bench.report import Report

TARGET_S = 60.0
TARGET_HOT_S = 5.0
"""One million entries from file to active; a hot plate from its entry to active (design limits)."""
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_COLUMNS = "plate,state,reason,source_key,vehicle_year,vehicle_make,vehicle_color,originating_agency,effective_at"


def lines(entries: int, *, changed: int = 0) -> bytes:
    """A file of invented plates, like a state's extract of stolen vehicles; every `changed`-th line has another year."""
    rng = random.Random(20260301)
    out = io.StringIO()
    out.write(_COLUMNS + "\n")
    for number in range(entries):
        letters = "".join(rng.choices(_LETTERS, k=3))
        plate = f"{rng.randrange(1, 10)}{letters}{rng.randrange(1000):03}"
        year = 2016 if changed and number % changed == 0 else 2015
        out.write(f"{plate},CA,stolen_vehicle,V{number:09},{year},TOYT,BLK,CA0310000,2026-01-05T10:00:00Z\n")
    return out.getvalue().encode()


class Ingest:
    """The service in a process of its own, and what it needed."""

    def __init__(self, folder: Path, database: Database, bootstrap: str) -> None:
        self._key = SigningKey(bytes([1]) * 32)
        ListKeys.generate(folder / "list.keys", "bench-1")
        port = free_port()
        settings = {
            "PORT": port, "KAFKA_BOOTSTRAP": bootstrap, "DATABASE_URL": database.url("ingest"),
            "OBJECTS_URL": f"file://{folder / 'images'}", "LIST_KEYS_FILE": folder / "list.keys",
            "PERSON_PUBLIC_KEY": base64.b64encode(self._key.public).decode(),
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPR_")}
        self._environment = kept | {f"ALPR_INGEST_{name}": str(value) for name, value in settings.items()}
        self.url = f"http://127.0.0.1:{port}"
        self.peak = 0

    def person(self) -> dict[str, str]:
        """The header by which an administrator asks; it lives 5 s."""
        person = Person(
            "p-1", "admin1", "Test Administrator", "Test", "demo", ("alpr_admin",), "s-1", "127.0.0.1",
            training=("alpr", "alpr_data"),
        )  # fmt: skip
        return {"authorization": "Person " + sign_person(self._key, person, datetime.now(UTC))}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-m", "alpr_ingest"]
        process = subprocess.Popen(command, env=self._environment)  # noqa: ASYNC220 - nothing else runs yet
        watching = asyncio.create_task(self._watch(psutil.Process(process.pid)))
        async with httpx.AsyncClient(base_url=self.url, timeout=600, trust_env=False) as client:
            try:
                while True:
                    await asyncio.sleep(0.2)
                    try:
                        if (await client.get("/readyz")).status_code == 200:
                            break
                    except httpx.TransportError:
                        continue
                yield client
            finally:
                watching.cancel()
                process.terminate()
                process.wait(60)

    async def _watch(self, process: psutil.Process) -> None:
        while True:
            with suppress(psutil.NoSuchProcess):  # a child that reads a file may end at any moment
                self.peak = max(self.peak, sum(one.memory_info().rss for one in (process, *process.children())))
            await asyncio.sleep(0.1)


async def load(ingest: Ingest, client: httpx.AsyncClient, data: bytes, when: datetime) -> tuple[dict, dict[str, float]]:
    """Send a file; answers the report and how long each stage took."""
    stages: dict[str, float] = {}
    sending = asyncio.create_task(
        client.post(
            "/v1/hotlists/SVS/loads",
            headers=ingest.person(),
            files={"file": ("list.csv", data, "text/csv")},
            data={"layout": "generic_csv", "source_time": when.isoformat()},
        )
    )
    last = time.monotonic()
    while not sending.done():
        await asyncio.wait([sending], timeout=0.5)
        shown = (await client.get("/v1/hotlists/SVS", headers=ingest.person())).json()
        now = time.monotonic()
        stage = (shown["loading"] or {"stage": "sending, hashing"})["stage"]
        stages[stage] = stages.get(stage, 0.0) + now - last
        last = now
    answer = sending.result()
    assert answer.status_code == 201, answer.text
    return answer.json(), stages


async def enter(ingest: Ingest, client: httpx.AsyncClient, waits: list[float]) -> None:
    """Enter a hot plate every two seconds and wait until it is active."""
    for number in range(10_000):
        begun = time.monotonic()
        body = {
            "plate": f"8HPL{number:03}", "state": "US-CA", "reason": "hot_plate", "also_entered_in": [],
            "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "distribution": {"kind": "one", "usernames": ["admin1"]},
        }  # fmt: skip
        answer = await client.post("/v1/hot-plates", headers=ingest.person(), json=body)
        assert answer.status_code == 201, answer.text
        name = answer.json()["entry_id"]
        while True:
            shown = (await client.get(f"/v1/hot-plates/{name}", headers=ingest.person())).json()
            if shown["entry_state"] == "active":
                break
            await asyncio.sleep(0.1)
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(2.0)


def processor_s() -> dict[str, float]:
    """Processor seconds so far of everything that this run started, by program."""
    spent: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            times, name = process.cpu_times(), process.name()
        except psutil.NoSuchProcess:
            continue
        kind = "postgres" if "postgres" in name else "broker" if "java" in name else "ingest"
        spent[kind] = spent.get(kind, 0.0) + sum(times[:4])  # with its children that have ended: one reads the file
    return spent


async def measure(ingest: Ingest, entries: int, report: Report, *, hot_plates: bool) -> None:
    """Load three times."""
    share = entries / 1_000_000
    waits: list[float] = []
    first, second = lines(entries), lines(entries, changed=100)
    async with ingest.running() as client:
        idle = ingest.peak
        entering = asyncio.create_task(enter(ingest, client, waits) if hot_plates else asyncio.sleep(0))
        when = datetime.now(UTC) - timedelta(days=1)
        for what, data, moment in (
            ("empty list", first, when),
            ("one line in a hundred changed", second, when + timedelta(hours=12)),
            ("the same lines again", second, when + timedelta(hours=18)),
        ):
            before = processor_s()
            answer, stages = await load(ingest, client, data, moment)
            spent = {kind: seconds - before.get(kind, 0.0) for kind, seconds in processor_s().items()}
            counts = f"{answer['added']:,} added, {answer['changed']:,} changed, {answer['unchanged']:,} unchanged"
            report.row(f"{entries:,} lines, {what}", f"{answer['seconds']:.1f} s", f"target {TARGET_S * share:.0f} s")
            for stage, seconds in stages.items():
                report.row(f"of these {stage}", f"{seconds:.1f} s", counts if stage == "reading" else "")
            parts = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in sorted(spent.items()))
            report.row("processor time of all", f"{sum(spent.values()):.1f} s", parts)
        if entering.done():
            entering.result()
        entering.cancel()
    report.row("resident memory of ingest, idle", f"{idle / 1e6:.0f} MB", "")
    report.row(
        "the same at its highest",
        f"{ingest.peak / 1e6:.0f} MB",
        f"with the child that reads; the file has {len(first) / 1e6:.0f} MB",
    )
    if waits:
        report.row("hot plate meanwhile, entry to active, p50", f"{statistics.median(waits) * 1e3:.0f} ms", "")
        report.row("the same at its highest", f"{max(waits) * 1e3:.0f} ms", f"target {TARGET_HOT_S * 1e3:.0f} ms")
    load_average = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    report.row("load of the machine, 1/5/15 min", load_average, f"{os.cpu_count()} cores")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--no-hot-plates", action="store_true", help="leave out the hot plates in between")
    options = parser.parse_args()
    report = Report("lists", "Lists: a file of a million lines into force")
    with (
        tempfile.TemporaryDirectory() as text,
        LocalPostgres(Path(text) / "postgres") as admin,
        LocalKafka(Path(text) / "kafka") as bootstrap,
    ):
        database = Database(admin, "bench")
        database.prepare()
        database.migrate()
        asyncio.run(create_topics(KafkaSettings(bootstrap=bootstrap), load_topic_specs()))
        ingest = Ingest(Path(text), database, bootstrap)
        asyncio.run(measure(ingest, options.entries, report, hot_plates=not options.no_hot_plates))
    report.write()


if __name__ == "__main__":
    main()
