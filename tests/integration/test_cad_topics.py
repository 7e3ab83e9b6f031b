"""What people did on its way to the CAD topics: a dead topic starves nobody, and two replicas keep an incident's order."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from alpr_console.cad.store import CadStore
from alpr_console.doors import Outbox
from alprcore import postgres
from alprcore.errors import Transient

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUT = (
    "INSERT INTO console.cad_events (event_id, agency, incident_id, hit_id, kind, update_no, sent_at, body, to_topic,"
    " expires_at) VALUES ($1, $2, $3, 'h', 'update', $4, $5, 'x', true, $6)"
)


@pytest.fixture
def waiting(pg_database):
    """Lets updates of an agency's incident wait, one a second; answers their ids in order."""

    async def put(agency, number, begin=BEGAN):
        names = [f"{agency}-{n:02}" for n in range(number)]
        connection = await asyncpg.connect(pg_database.admin)
        for n, name in enumerate(names):
            at = begin + timedelta(seconds=n)
            await connection.execute(PUT, name, agency, f"incident of {agency}", n, at, begin + timedelta(days=1))
        await connection.close()
        return names

    return put


@asynccontextmanager
async def replica(database):
    pool = await postgres.connect(database.url("console"))
    try:
        outbox = Outbox(pool, postgres.load_queries("alpr_console"))
        yield CadStore(outbox, None, None, None, "", 15)
    finally:
        pool.terminate()


def test_an_agency_whose_topic_is_dead_starves_no_other(pg_database, waiting):
    async def relayed():
        await waiting("roseville", 60)
        mine = await waiting("demo", 3, BEGAN + timedelta(hours=1))
        tried, sent, others_went = [], [], asyncio.Event()

        async def publish(agency, _incident, name, *_):
            if agency == "roseville":
                tried.append(name)
                await asyncio.wait_for(others_went.wait(), 10)  # nobody waits until it is given up
                raise Transient("the CAD topic does not answer")
            sent.append(name)
            if name == mine[-1]:
                others_went.set()
            return True

        async with replica(pg_database) as store:
            assert await store.relay(publish) == 3
            assert await store.relay(publish) == 0
        return mine, sent, tried

    mine, sent, tried = asyncio.run(relayed())
    assert sent == mine
    assert tried == ["roseville-00", "roseville-00"]  # what follows from it is not sent before it


def test_two_replicas_put_the_updates_of_an_incident_on_its_topic_in_order(pg_database, waiting):
    async def relayed():
        names = await waiting("demo", 6)
        sent, slow, go_on = [], asyncio.Event(), asyncio.Event()

        async def slowly(_agency, _incident, name, *_):
            slow.set()
            await go_on.wait()
            sent.append(name)
            return True

        async def at_once(_agency, _incident, name, *_):
            sent.append(name)
            return True

        async with replica(pg_database) as one, replica(pg_database) as other:
            first = asyncio.create_task(one.relay(slowly, limit=2))
            await asyncio.wait_for(slow.wait(), 10)
            assert await other.relay(at_once) == 0
            go_on.set()
            assert await first == 2
            assert await other.relay(at_once) == 4
        return names, sent

    names, sent = asyncio.run(relayed())
    assert sent == names
