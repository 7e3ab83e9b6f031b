"""List files read in a child process: the same as in a thread, nothing lost, and a child that dies is said so."""

import asyncio
import os
import signal
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.reading import Batch, Task, reading
from alprcore.errors import Transient
from alprcore.layouts import shipped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGET = ActiveList(
    "demo", "SVS", "n", "core", "a", "r", "s", 2, approved=True, version=0, entries=0, source_time=None, loaded_at=None,
)  # fmt: skip
TASK = Task(TARGET, shipped()["generic_csv"], NOW, None, "UTC", incremental=False, permissible_use="")


def file_of(lines):
    """A file on disk with good lines, and every hundredth one bad."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the test lets go of it
    file.write(b"plate,state,source_key\n")
    file.write(b"".join(b"1R%05d,%s,V%07d\n" % (n, b"XX" if n % 100 == 7 else b"CA", n) for n in range(lines)))
    return file


async def taken(task, source):
    found = []
    async with reading(task, source) as read:
        while isinstance(batch := await read(), Batch):
            found.append(batch)
    return found, batch


@pytest.fixture
def children(monkeypatch):
    """Every file has a child of its own; gives those that were started."""
    monkeypatch.setattr("alpr_ingest.reading.process.CHILD_FROM", 1)
    started, start = [], asyncio.create_subprocess_exec

    async def starting(*arguments, **more):
        started.append(await start(*arguments, **more))
        return started[-1]

    monkeypatch.setattr("asyncio.create_subprocess_exec", starting)
    return started


def test_a_child_reads_what_a_thread_reads(monkeypatch, children):
    file = file_of(12_000)
    task = replace(TASK, target=replace(TARGET, categories_off=frozenset({"A"})), permissible_use="2721(b)(1)")
    in_child = asyncio.run(taken(task, file))
    assert len(children) == 1
    monkeypatch.setattr("alpr_ingest.reading.process.CHILD_FROM", 2**40)
    assert asyncio.run(taken(task, file)) == in_child
    assert len(children) == 1
    batches, end = in_child
    assert [batch.lines for batch in batches] == [5_000, 5_000, 2_000]
    assert sum(len(batch.accepted) for batch in batches) == 11_880
    assert {one.reason_code for batch in batches for one in batch.rejects} == {"STATE_UNKNOWN"}
    assert (end.body, end.rejected, end.refused) == (12_000, 120, None)


def test_nothing_is_lost_when_a_child_is_stopped_and_goes_on(monkeypatch, children):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # as in the images, where a write cut short would not be gone on with
    file, stops = file_of(30_000), 0

    async def disturbed():
        nonlocal stops
        reads = asyncio.create_task(taken(TASK, file))
        while not reads.done():
            await asyncio.sleep(0.002)
            for child in children:
                if child.returncode is None:
                    child.send_signal(signal.SIGSTOP)
                    time.sleep(0.001)
                    child.send_signal(signal.SIGCONT)
                    stops += 1
        return await reads

    batches, end = asyncio.run(disturbed())
    assert stops > 10
    assert sum(len(batch.accepted) for batch in batches) == end.accepted == 29_700


def test_a_child_that_is_killed_is_said_so(children):
    async def killed():
        async with reading(TASK, file_of(200_000)) as read:
            assert isinstance(await read(), Batch)
            children[0].kill()
            while isinstance(await read(), Batch):
                pass

    with pytest.raises(Transient, match="died"):
        asyncio.run(killed())


def test_no_child_is_left_when_nobody_reads_on(children):
    async def left():
        async with reading(TASK, file_of(200_000)) as read:
            await read()

    asyncio.run(left())
    with pytest.raises(ProcessLookupError):
        os.kill(children[0].pid, 0)


class Stumbled(Exception):
    """Whoever takes the batches has broken."""


@pytest.mark.parametrize("ahead", [False, True], ids=["nothing asked", "next batch asked"])
def test_a_taker_that_breaks_lets_go_of_a_child_that_is_far_ahead(children, ahead):
    async def broken():
        async with reading(TASK, file_of(200_000)) as read:
            await read()
            ends = time.monotonic() + 20
            while not children[0].stdout._paused and time.monotonic() < ends:
                await asyncio.sleep(0.01)
            assert children[0].stdout._paused  # more waits than the parent takes into memory
            if ahead:
                asyncio.create_task(read()).cancel()
            raise Stumbled

    async def within():
        async with asyncio.timeout(30):
            await broken()

    with pytest.raises(Stumbled):
        asyncio.run(within())
    assert children[0].returncode == -signal.SIGKILL


def test_a_taker_that_breaks_while_it_waits_for_its_child_lets_go_of_it(children):
    async def broken():
        async with asyncio.timeout(30), reading(TASK, file_of(200_000)) as read:
            await read()
            children[0].send_signal(signal.SIGSTOP)
            for _ in range(100):  # until nothing more comes
                coming = asyncio.create_task(read())
                done, _ = await asyncio.wait([coming], timeout=0.5)
                if not done:
                    break
            coming.cancel()
            raise Stumbled

    with pytest.raises(Stumbled):
        asyncio.run(broken())
    assert children[0].returncode == -signal.SIGKILL


def test_a_child_gets_no_password_of_anybody(monkeypatch, children):
    for name in ("ALPR_INGEST_DATABASE_URL", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "KAFKA_PASSWORD", "MYLANG"):
        monkeypatch.setenv(name, "not for the child")
    monkeypatch.setenv("PYTHONHASHSEED", "7")

    async def told():
        async with reading(TASK, file_of(200_000)) as read:
            await read()
            return Path(f"/proc/{children[0].pid}/environ").read_text().split("\0")

    names = {one.partition("=")[0] for one in asyncio.run(told()) if one}
    assert "PYTHONHASHSEED" in names
    assert {one for one in names if not one.startswith(("PYTHON", "LC_"))} <= {"PATH", "LANG", "TMPDIR"}
