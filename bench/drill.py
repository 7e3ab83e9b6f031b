"""Backup, loss of everything, restore into a fresh stack, with real services: how long it takes, and what holds.

`make drill` fills an installation (a drive through the cameras, old reads with images, a hold, questions on the ledger),
makes a backup, lets it live on (a purge, more questions), deletes it whole, and brings it back into a fresh broker, database
and image store by the commands of docs/operations/backup.md alone. It ends with an error when anything of this fails: the
ledger verifies under its new epoch, purged days stay purged, what was held is held, and a frame becomes a verified hit again.
Writes bench/results/drill.md.
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg

from alpr_cli import local, smoke
from alpr_cli.stack import Stack
from alpr_retention.store import ImageKeys
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import ImageRef, ImageRole, View
from alprcore.objects import ImageStore
from alprcore.policy import due_day
from alprcore.profiles import load_profiles
from alprcore.seal import SigningKey, note_verifier, seal_image
from alprcore.topics import Topic
from alprcore.wire import encode_read, headers_for
from bench.report import Report
from tests.fixtures.doors import make_read

LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
JPEG = b"\xff\xd8 a drawn picture of a vehicle that nobody has " * 200 + b"\xff\xd9"
PEOPLE = ("ann.ops", "bob.records")
ORIGIN = "plateline.example/demo"
PATIENCE_S = 120.0
GOAL_RTO_S, GOAL_HOURS = 1800, 24
"""Half an hour is ours; within 24 hours essential functions are back (CJIS CP-2(3))."""


class DrillError(RuntimeError):
    """Something did not come back as it must."""


def alpr(*words: str | Path, database: str = "", expect: int = 0) -> str:
    """Run the command `alpr` as an operator does; answers what it printed. Raises `DrillError`."""
    environment = {**os.environ, **({"DATABASE_URL": database} if database else {})}
    command = [sys.executable, "-m", "alpr_cli", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != expect:
        raise DrillError(f"alpr {words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def until(what: str, question: object, patience_s: float = PATIENCE_S) -> None:
    """Ask until the answer is true. Raises `DrillError` naming what was waited for."""
    deadline = time.monotonic() + patience_s
    while not question():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise DrillError(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.5)


def value(stack: Stack, statement: str) -> object:
    """One value from the database, asked as its administrator."""

    async def ask() -> object:
        connection = await asyncpg.connect(stack.database.admin)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


async def publish_old(stack: Stack, count: int) -> list[str]:
    """Publish reads of two days of 2023 with images sealed to their due days; answers their ids."""
    keys, store = ImageKeys(stack.keys / "images"), ImageStore(f"file://{stack.state / 'images'}")
    profile, ids = load_profiles()["demo"], []
    async with Publisher(KafkaSettings(bootstrap=stack.bootstrap)) as publisher:
        for number in range(count):
            read = make_read(
                f"8OLD{number:03d}", number=number, captured_at=LONG_AGO + timedelta(days=number % 2, seconds=number)
            )
            day = due_day(read.captured_at, read.received_at, read.device_kind, profile)
            public, refs = keys.ensure("demo", day.isoformat()), {}
            for role, view in ((ImageRole.CLOSEUP, View.UNKNOWN), (ImageRole.CONTEXT, View.REAR)):
                key = f"{role.value}/demo/{day}/{read.read_id}.jpg"
                await store.put(key, seal_image(public, JPEG, aad=key.encode()))
                refs[role.value] = ImageRef(key, hashlib.sha256(JPEG).digest(), role, view, day)
            read = replace(read, **refs)
            headers = headers_for(Topic.READS, id=read.read_id, source="/drill", time=read.read_at)
            await publisher.publish(Topic.READS, key=str(read.plate), value=encode_read(read), headers=headers)
            ids.append(read.read_id)
    return ids


def fill(stack: Stack, count: int, tell: object) -> str:
    """Let the installation live: a drive, old reads, a hold; answers the id of the read that is held."""
    options = argparse.Namespace(source="drive", list=None, patience=180.0)
    if smoke.play(stack, options, tell) != 0:
        raise DrillError("the installation did not work before the drill")
    held, *_ = asyncio.run(publish_old(stack, count))
    until("old reads in the database", lambda: value(stack, "SELECT count(*) FROM retention.reads") >= count)  # type: ignore[operator]
    ground = load_profiles()["demo"].retention.hold_grounds[0]
    with stack.sign_in("retention") as person:
        person.call("POST", "/v1/holds", json={"ground": ground, "case_number": "26-000077", "read_ids": [held]})
    return held


def live_on(stack: Stack, entries: int) -> None:
    """What happens after the backup: the next purge takes what is due, and somebody asks a question."""
    stack.stop_service("retention")
    stack.start_service("retention")  # a purge follows every start
    stack.wait_ready("retention")
    try:
        until("the purge", lambda: value(stack, "SELECT count(*) FROM retention.reads WHERE plate LIKE '8OLD%'") == 1)
    except DrillError as error:
        raise DrillError(f"{error}; retention says:\n{stack.services['retention'].last_words()}") from None
    with stack.sign_in("investigator") as person:
        question = {
            "purpose_code": "criminal_investigation",
            "justification": "asked after the backup was made",
            "attest_no_first_amendment": True,
            "criteria": {"plate": "8OLD000"},
        }
        person.call("POST", "/v1/queries", json=question)
    until("the ledger", lambda: value(stack, "SELECT max(size) FROM audit.head") > entries)  # type: ignore[operator]


def bring_back(state: Path, safe: Path) -> str:
    """Restore by the commands of the operator's page into a state folder that has never been used; answers their words."""
    for name in ("keys", "keys/images", "data"):
        (state / name).mkdir(parents=True, mode=0o700)
    node = local.LocalPostgres(state)
    url = node.start()
    try:
        words = alpr(
            "restore", "--keys-from", safe / "b", "--key", safe / "backup.key", "--authority", state / "keys",
            "--image-keys", state / "keys/images", "--ledger", state / "data", "--from", safe / "a",
            "--images", f"file://{state / 'images'}", database=url,
        )  # fmt: skip
        order = state / "data/checkpoint.rollover"
        alpr(
            "audit", "rollover", url, order, "--origin", ORIGIN, "--checkpoint", state / "data/checkpoint",
            "--reason", "drill: the machine was lost",
        )  # fmt: skip
        for name in PEOPLE:
            alpr("audit", "sign-rollover", order, "--name", name, "--secret", safe / f"{name}.key")
    finally:
        node.stop()
    return words


def examine(stack: Stack, held: str, before: int) -> None:
    """Check what must hold of a restored installation. Raises `DrillError`."""
    rows = value(stack, "SELECT count(*) FROM retention.reads WHERE plate LIKE '8OLD%'")
    if rows != 1:
        raise DrillError(f"{rows} old reads are there: purged days must stay purged, and the held one be held")
    if str(value(stack, "SELECT read_id FROM retention.reads WHERE plate LIKE '8OLD%'")) != held:
        raise DrillError("another read than the held one came back")
    gone = [
        path for path in (stack.keys / "images/demo").glob("2*.key") if date.fromisoformat(path.stem) < date(2025, 1, 1)
    ]
    if gone:
        raise DrillError(f"keys of purged days are there: {[path.name for path in gone]}")
    fresh = value(stack, "SELECT count(*) FROM retention.reads WHERE plate NOT LIKE '8OLD%'")
    if fresh != before:
        raise DrillError(f"{fresh} of {before} reads of the drive came back")
    public = SigningKey.load(stack.keys / "ledger.key").public
    key = note_verifier(f"{ORIGIN}/epoch-2", public)
    alpr("audit", "verify", stack.database.admin, "--key", key, "--checkpoint", stack.state / "data/checkpoint")


def main() -> int:
    """Run the drill; ends with 1 and its reason when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=2000, help="old reads, each with two images")
    count = parser.parse_args().reads
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    report = Report("drill", "Backup, loss and restore: the drill")
    with tempfile.TemporaryDirectory(prefix="plateline-drill-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        safe = root / "safe"
        safe.mkdir()
        recipient = alpr("backup", "new-key", safe / "backup.key").strip()
        custodians = [alpr("audit", "custodian-key", name, safe / f"{name}.key").strip() for name in PEOPLE]
        settings = {"ALPR_AUDIT_CUSTODIANS": json.dumps(custodians)}
        try:
            _drill(root, safe, recipient, settings, count, report, tell)
        except DrillError as error:
            print(f"the drill failed: {error}", file=sys.stderr)
            return 1
    report.write()
    return 0


def _drill(
    root: Path, safe: Path, recipient: str, settings: dict[str, str], count: int, report: Report, tell: object
) -> None:
    first, second = root / "first", root / "second"
    with Stack(first, settings=settings, tell=tell) as stack:  # type: ignore[arg-type]
        held = fill(stack, count, tell)
        fresh = int(str(value(stack, "SELECT count(*) FROM retention.reads WHERE plate NOT LIKE '8OLD%'")))
        entries = int(str(value(stack, "SELECT max(size) FROM audit.head")))
        started = time.monotonic()
        words = alpr(
            "backup", "run", "--to", safe / "a", "--recipient", recipient, "--settings", first / "settings",
            database=stack.database.admin,
        )  # fmt: skip
        report.row(
            "backup: database and images", f"{time.monotonic() - started:.1f} s", words.strip().partition(": ")[2]
        )
        taken = datetime.now(UTC)
        live_on(stack, entries)
        started = time.monotonic()
        alpr("backup", "keys", "--to", safe / "a", "--keys-to", safe / "b", "--same-disk", "--recipient", recipient,
             "--settings", first / "settings")  # fmt: skip
        report.row("copy of the keys", f"{time.monotonic() - started:.1f} s", "every hour")
        alpr("backup", "check", "--to", safe / "a", "--key", safe / "backup.key")
        shutil.copytree(stack.keys / "devices", safe / "devices")  # they are the cameras' own
    lost = datetime.now(UTC)
    shutil.rmtree(first)
    started = time.monotonic()
    words = bring_back(second, safe)
    if "custodians" not in words:
        raise DrillError("the restored ledger was not told from the one that was signed")
    report.row("restore: database, images, keys, order", f"{time.monotonic() - started:.1f} s", words.splitlines()[1])
    shutil.copytree(safe / "devices", second / "keys/devices")
    with Stack(second, settings=settings, tell=tell) as stack:  # type: ignore[arg-type]
        ready = time.monotonic() - started
        report.row("RTO: from empty disks to ready", f"{ready:.1f} s", f"goal {GOAL_RTO_S} s; CJIS {GOAL_HOURS} h")
        examine(stack, held, fresh)
        report.row("purged days, held reads, ledger", "hold", f"epoch 2 verifies; {count - 1} purged reads stay away")
        options = argparse.Namespace(source="drive", list=None, patience=180.0)
        if smoke.play(stack, options, tell) != 0:
            raise DrillError("the restored installation does not work")
        report.row(
            "from empty disks to a verified hit", f"{time.monotonic() - started:.1f} s", "devices and lists told anew"
        )
        told = alpr_doctor(stack)
        report.row("alpr doctor", told, "a local broker and database without TLS or copies")
    report.row(
        "RPO of this drill", f"{(lost - taken).total_seconds():.0f} s", "time from backup to loss; nightly: a day"
    )


def alpr_doctor(stack: Stack) -> str:
    """Look at the restored installation as an operator does; answers the verdict. Raises `DrillError` when it fails."""
    command = [sys.executable, "-m", "alpr_cli", "doctor", "--settings", str(stack.state / "settings"), "--json"]
    done = subprocess.run([*command, "--agency", "demo"], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    failing = [one for one in told["checks"] if one["level"] == "fail"]
    if failing:
        raise DrillError(f"doctor: {failing}")
    counts = told["summary"]
    return f"{told['verdict']}: {counts['ok']} well, {counts['warn']} warnings"


if __name__ == "__main__":
    sys.exit(main())
