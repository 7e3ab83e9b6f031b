"""How many messages wait in an outbox, and for how long, is known while the broker is away and by every process."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from alpr_ingest import metrics
from alpr_ingest.app import Relay
from alprcore.errors import Transient
from alprcore.outbox import OLDEST, WAITING, Outbox
from alprcore.topics import Topic

QUERIES = {name: name for name in ("put_outbox", "lock_relay", "next_outbox", "delete_outbox", "count_outbox")}


class Table:
    """An outbox's rows as its statements see them; `free`: nobody else relays."""

    def __init__(self, ages_s, *, free=True):
        self.rows, self.free = list(enumerate(ages_s)), free

    @asynccontextmanager
    async def acquire(self):
        yield self

    @asynccontextmanager
    async def transaction(self):
        yield

    async def fetchval(self, _):
        return self.free

    async def fetchrow(self, _):
        return {"waiting": len(self.rows), "oldest_s": max((age for _, age in self.rows), default=0.0)}

    async def fetch(self, _, limit):
        return [
            {"outbox_id": number, "topic": Topic.AUDIT.value, "key": "k", "value": b"v", "headers": json.dumps([])}
            for number, _ in self.rows[:limit]
        ]

    async def execute(self, _, numbers):
        self.rows = [row for row in self.rows if row[0] not in numbers]


class Broker:
    def __init__(self, *, away):
        self.away = away

    async def publish(self, *_, **__):
        if self.away:
            raise Transient("the broker is away")


class Told(Outbox):
    service, source = "console", "/alpr/console"


@pytest.fixture(autouse=True)
def nothing_known():
    for gauge in (WAITING, OLDEST, metrics.OUTBOX):
        gauge.set(0)
    yield
    for gauge in (WAITING, OLDEST, metrics.OUTBOX):
        gauge.set(0)


def known():
    return WAITING._value.get(), OLDEST._value.get()


@pytest.mark.asyncio
async def test_what_waits_is_known_while_the_broker_is_away():
    table = Table([900.0, 3.0])
    with pytest.raises(Transient):
        await Told(table, QUERIES).relay(Broker(away=True))
    assert known() == (2, 900.0)


@pytest.mark.asyncio
async def test_a_process_that_may_not_relay_knows_what_waits_too():
    assert await Told(Table([900.0, 3.0], free=False), QUERIES).relay(Broker(away=True)) == 0
    assert known() == (2, 900.0)


@pytest.mark.asyncio
async def test_nothing_waits_after_it_was_relayed():
    assert await Told(Table([900.0] * 3), QUERIES).relay(Broker(away=False)) == 3
    assert known() == (0, 0.0)
    assert await Told(Table([900.0] * 101), QUERIES).relay(Broker(away=False)) == 100
    assert known() == (1, 900.0)


@pytest.mark.asyncio
async def test_ingest_knows_what_waits_while_the_broker_is_away():
    class Store:
        async def waiting(self):
            return 2, timedelta(minutes=15).total_seconds()

        async def relay(self, *_):
            stop.set()
            raise Transient("the broker is away")

    stop = asyncio.Event()
    await Relay(Store(), Broker(away=True)).run(stop, lambda: None)
    assert (metrics.OUTBOX._value.get(), OLDEST._value.get()) == (2, 900.0)
