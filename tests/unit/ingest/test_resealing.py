"""Entries of an older key are sealed anew page by page; those whose key is lost are left as they are, and counted."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from alpr_ingest import metrics
from alpr_ingest.loading import Resealing
from alprcore.errors import Transient
from alprcore.seal import ListKeys

OLD, BOTH = ListKeys({"k1": bytes(32)}, "k1"), ListKeys({"k1": bytes(32), "k2": b"k" * 32}, "k2")
LOST = ListKeys({"k0": b"l" * 32}, "k0")


class Rows:
    """A table of entries, one of each skeleton; `fails` times the broker is away when a page is published."""

    def __init__(self, stop, rows, fails=0):
        self.stop, self.rows, self.fails, self.pages = stop, rows, fails, []

    async def sealed_otherwise(self, key_id):
        left = sum(row[1] != key_id for row in self.rows.values())
        if self.pages and not self.fails:
            self.stop.set()
        return left

    async def reseal_entered(self, key_id, after, limit, again, message):
        return None

    async def skeletons_sealed_otherwise(self, key_id, after, limit):
        return sorted(name for name, row in self.rows.items() if name > after and row[1] != key_id)[:2]

    @asynccontextmanager
    async def resealing(self, key_id, skeletons, again):
        made = {name: again(name, *self.rows[name]) for name in skeletons}
        yield {name: [] for name in skeletons}
        self.pages.append(skeletons)
        self.rows |= {name: (found[0], key_id) for name, found in made.items() if found is not None}


class Broker:
    def __init__(self, store):
        self.store = store

    async def publish_all(self, topic, messages):
        if self.store.fails:
            self.store.fails -= 1
            raise Transient("the broker is away")
        return {}


def run(rows, monkeypatch, fails=0):
    monkeypatch.setattr("alpr_ingest.loading.resealing._AGAIN_S", 0.0)

    async def go():
        stop = asyncio.Event()
        store = Rows(stop, rows, fails)
        async with asyncio.timeout(10):
            await Resealing(store, Broker(store), BOTH, None, lambda: datetime.now(UTC)).run(stop)
        return store

    return asyncio.run(go())


def rows(keys, *names):
    return {name: keys.seal(b"details of " + name.encode(), entry_id=name) for name in names}


def test_every_page_is_sealed_anew_and_a_lost_key_stops_none(monkeypatch):
    store = run(rows(OLD, "a", "c", "d", "e") | rows(LOST, "b") | rows(BOTH, "f"), monkeypatch)
    assert store.pages == [["a", "b"], ["c", "d"], ["e"]]
    assert {name for name, (_, key_id) in store.rows.items() if key_id != "k2"} == {"b"}
    for name in "acdef":
        assert BOTH.open(*store.rows[name], entry_id=name) == b"details of " + name.encode()
    assert metrics.OLD_SEALS._value.get() == 1


def test_a_page_that_was_not_published_is_taken_again(monkeypatch):
    store = run(rows(OLD, "a", "b", "c"), monkeypatch, fails=1)
    assert store.pages == [["a", "b"], ["c"]]
    assert metrics.OLD_SEALS._value.get() == 0
