"""Ingest is killed while it loads a list: what was staged comes into force, what was not leaves nothing."""

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from alprcore import wire
from tests.integration.ingest_world import World
from tests.integration.test_ingest_killed import Process

PAGES = "SELECT pg_advisory_lock(hashtext('ingest.pages'), 0)"
RELEASED = "SELECT pg_advisory_unlock(hashtext('ingest.pages'), 0)"
FEW = 1_500
PLATES = [f"1K{number:05}" for number in range(4_500)]


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


class Database:
    """An administrator's connection of its own, used from the test's thread."""

    def __init__(self, url):
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(asyncpg.connect(url))

    def ask(self, sql):
        return self._loop.run_until_complete(self._connection.fetch(sql))

    def close(self):
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


@contextmanager
def connected(world):
    database = Database(world.database.admin)
    try:
        yield database
    finally:
        database.close()


def until(look, seconds=40):
    ends = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < ends:
        time.sleep(0.05)
    assert found
    return found


def send(world, service, plates, note):
    """Load a file; answers the response, or None when the service died of it."""
    text = "plate,state,notes\n" + "".join(f"{plate},CA,{note}\n" for plate in plates)
    try:
        return httpx.post(
            f"http://127.0.0.1:{service.port}/v1/hotlists/SVS/loads", headers=world.person(), trust_env=False, timeout=60,
            files={"file": ("list", text.encode(), "text/csv")},
            data={"layout": "generic_csv", "source_time": datetime.now(UTC).isoformat()},
        )  # fmt: skip
    except httpx.TransportError:
        return None


def shown(world, service):
    url = f"http://127.0.0.1:{service.port}/v1/hotlists/SVS"
    return httpx.get(url, headers=world.person(), trust_env=False, timeout=20).json()


@contextmanager
def killed_in_the_middle(world, service, plates, note):
    """Send a file, run the block, kill the service while the load goes on."""
    sending = threading.Thread(target=send, args=(world, service, plates, note))
    sending.start()
    yield
    service.kill()
    sending.join(60)
    assert not sending.is_alive()


def in_force(world, version):
    newest = {}
    for _, _, key, value, headers in asyncio.run(world.lying("hotlist")):
        newest[key] = wire.decode_bucket(value, headers) if value is not None else ()
    details = {
        entry.plate.reveal(): world.list_keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id)
        for bucket in newest.values()
        for entry in bucket
        if entry.in_version(version)
    }
    return {plate: wire.decode_entry_details(sealed).notes for plate, sealed in details.items()}


@pytest.fixture
def service(world):
    started = Process(world)
    started.start()
    yield started
    started.kill()


def test_a_load_that_is_killed_comes_into_force_whole_or_leaves_nothing(world, service):
    assert send(world, service, PLATES[:FEW], "first").status_code == 201
    publishing = "SELECT published, buckets FROM ingest.loads WHERE state = 'publishing'"
    with connected(world) as database, connected(world) as other:
        # while it reads: it waits for the table that the test holds
        database.ask("BEGIN")
        database.ask("LOCK TABLE ingest.entries IN ACCESS EXCLUSIVE MODE")
        with killed_in_the_middle(world, service, PLATES, "second"):
            until(lambda: other.ask("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'"))
        database.ask("COMMIT")
        service.start()
        assert (shown(world, service)["version"], shown(world, service)["loading"]) == (1, None)
        assert database.ask("SELECT count(*) FROM ingest.loads")[0][0] == 1

        # staged, nothing published: it waits for the lock of pages that the test holds
        database.ask(PAGES)
        with killed_in_the_middle(world, service, PLATES, "second"):
            until(lambda: any(row["buckets"] for row in other.ask(publishing)))
        assert [row["published"] for row in other.ask(publishing)] == [0]
        assert set(in_force(world, 1)) == set(PLATES[:FEW])
        database.ask(RELEASED)
        service.start()
        until(lambda: shown(world, service)["version"] == 2)
        assert in_force(world, 2) == dict.fromkeys(PLATES, "second")

        # after the first of three pages: the test asks for the lock again as soon as it lets go of it
        database.ask(PAGES)
        with killed_in_the_middle(world, service, PLATES, "third"):
            until(lambda: any(row["buckets"] for row in other.ask(publishing)))
            until(lambda: other.ask("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"))
            database.ask(RELEASED)
            database.ask(PAGES)
        [row] = other.ask(publishing)
        assert 0 < row["published"] < row["buckets"] == len(PLATES)
        assert in_force(world, 2) == dict.fromkeys(PLATES, "second")
        database.ask(RELEASED)
        service.start()
        until(lambda: shown(world, service)["version"] == 3)
    assert in_force(world, 3) == dict.fromkeys(PLATES, "third")
    assert in_force(world, 2) == dict.fromkeys(PLATES, "second")  # of use until every worker has switched
    events = [wire.decode_audit_event(v, h) for *_, v, h in asyncio.run(world.eventually("audit", 3))]
    loaded = {event.event_id: event.facts["version"] for event in events if event.kind == "list_loaded"}
    assert sorted(loaded.values()) == ["1", "2", "3"]  # one may be told twice, and is one entry: it has one id
