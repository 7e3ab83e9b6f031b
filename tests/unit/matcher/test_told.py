"""Which hits of the last day are withdrawn when the lists move on, and that none is given up halfway."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from alpr_matcher.alerts.storms import Limits, Storms
from alpr_matcher.alerts.told import ToldHits, to_look_for, withdrawal
from alpr_matcher.streams import recalls
from alpr_matcher.streams.recalls import Lists, Recalls
from alprcore import wire
from alprcore.errors import Transient
from alprcore.kafka import KafkaSettings, Message
from alprcore.model import EntryDetails, WithdrawnReason
from alprcore.topics import Topic
from tests.unit.matcher.build import NOW, make_entry, make_version, versions_of
from tests.unit.matcher.test_notify import after, make_hit

HIT = make_hit()
OTHER = after(5, 2)


def opened(**changes):
    return lambda _entry: EntryDetails(state="US-CA", **changes)


@pytest.mark.parametrize(
    ("entries", "version", "details", "reason"),
    [
        ((), make_version(version=2), opened(), WithdrawnReason.NOT_LISTED),
        ((make_entry(until=2),), make_version(version=2), opened(), WithdrawnReason.NOT_LISTED),
        ((), None, opened(), WithdrawnReason.LIST_WITHDRAWN),
        ((), make_version(version=2), opened(expires_at=NOW), None),
        ((), make_version(version=2), opened(expires_at=NOW + timedelta(seconds=30)), None),  # another clock is ahead
        ((), make_version(version=2), opened(expires_at=NOW + timedelta(hours=1)), WithdrawnReason.NOT_LISTED),
        ((make_entry(key="2", since=2),), make_version(version=2), opened(), None),  # entered anew
        ((make_entry(key="2", since=3),), make_version(version=2), opened(), WithdrawnReason.NOT_LISTED),
        ((make_entry(key="2", code="BOLO"),), make_version(version=2), opened(), WithdrawnReason.NOT_LISTED),
        ((make_entry("7A8C123", key="2"),), make_version(version=2), opened(), WithdrawnReason.NOT_LISTED),
        ((), make_version(version=2), lambda _entry: None, WithdrawnReason.NOT_LISTED),
    ],
)
def test_why_a_hit_no_longer_stands(entries, version, details, reason):
    assert withdrawal(HIT, entries, version, details, NOW) is reason


def test_an_entry_of_the_same_plate_in_another_state_does_not_stand_for_it():
    entry = make_entry(state="US-NV", key="2", since=2)
    details = lambda found: EntryDetails(state="US-NV" if found.entry_id == entry.entry_id else "US-CA")  # noqa: E731
    assert withdrawal(HIT, (entry,), make_version(version=2), details, NOW) is WithdrawnReason.NOT_LISTED


def test_an_entry_is_looked_for_when_its_list_moved_on_and_after_a_hit_of_another_version():
    told = ToldHits()
    told.take(0, "K", 1, HIT)
    (entry,) = told.of(0)
    assert not to_look_for(entry, versions_of(make_version()))
    assert to_look_for(entry, versions_of(make_version(version=2)))
    assert to_look_for(entry, {})
    entry.stood_in = 2
    told.take(0, "K", 2, OTHER)  # judged before the list moved on, published after
    assert to_look_for(entry, versions_of(make_version(version=2)))


def test_what_was_said_last_of_a_hit_holds_and_a_day_later_it_is_forgotten():
    told = ToldHits()
    told.take(0, "K", 1, HIT)
    told.take(0, "K", 7, replace(HIT, revision=1, withdrawn_at=NOW, withdrawn_reason="not_listed"))
    told.take(0, "K", 9, HIT)  # the hit itself once more, after a restart
    (entry,) = told.of(0)
    assert entry.open_hits(NOW - timedelta(days=1)) == {}
    told.prune(NOW + timedelta(hours=25))
    assert (told.of(0), len(told)) == ((), 0)


class World:
    """Lists that change, a topic of hits, and a broker that fails as often as it is told."""

    def __init__(self, monkeypatch):
        self.versions, self.entries, self.failures = versions_of(make_version()), (make_entry(),), 0
        self.lying, self.published = {}, []
        monkeypatch.setattr(recalls, "read_at", self.read_at)
        self.start()

    def start(self):
        """A worker begins: all it knows is what lies on the topic."""
        lists = Lists(lambda _p: self.versions, lambda _p, _told: self.entries, opened())
        self.recalls = Recalls(
            KafkaSettings(bootstrap="none:9"), lists, Storms(Limits(least_device=2)), self.publish, lambda: NOW
        )
        self.recalls.read.set()
        for message in self.lying.values():
            self.recalls._take(message)

    def say(self, hit):
        headers = dict(wire.headers_for(Topic.HITS, id=hit.hit_id, source="test", time=NOW))
        offset = len(self.lying)
        self.lying[offset] = Message("hits", 0, offset, b"7A8C123", wire.encode_hit(hit), headers, 1_700_000_000_000)
        self.recalls._take(self.lying[offset])

    async def read_at(self, _settings, _topic, _partition, offsets):
        return {offset: self.lying[offset] for offset in offsets}

    async def publish(self, hit, key, _trace):
        if self.failures:
            self.failures -= 1
            raise Transient("broker: away")
        assert key == "7A8C123"
        self.published.append(hit)
        self.say(hit)

    async def look(self, turns=3):
        for _ in range(turns):
            try:
                await self.recalls._look(0)
                await self.recalls._release(0)
            except Transient:
                continue


def test_a_worker_that_dies_halfway_leaves_the_rest_to_the_next_and_nothing_is_said_twice(monkeypatch):
    async def go():
        made = World(monkeypatch)
        made.say(HIT)
        made.say(OTHER)
        await made.look()
        assert made.published == []
        made.versions, made.entries = versions_of(make_version(version=2)), (make_entry(until=2),)
        publish, made.publish = made.publish, None

        async def once(*said):
            if made.published:
                raise asyncio.CancelledError  # killed after the first
            await publish(*said)

        made.recalls._publish = once
        with pytest.raises(asyncio.CancelledError):
            await made.look()
        made.publish = publish
        made.start()
        made.failures = 1
        await made.look()
        made.start()
        await made.look()
        assert [(hit.hit_id, hit.revision) for hit in made.published] == [(HIT.hit_id, 1), (OTHER.hit_id, 1)]

    asyncio.run(go())


def test_nothing_is_withdrawn_while_the_lists_are_not_known(monkeypatch):
    async def go():
        made = World(monkeypatch)
        made.say(HIT)
        made.versions, made.entries = None, ()
        await made.look()
        assert made.published == []
        made.versions = versions_of(make_version(version=2))
        await made.look()
        assert [hit.withdrawn_reason for hit in made.published] == ["not_listed"]

    asyncio.run(go())


def test_the_hits_of_a_storm_are_released_once_it_is_over_and_a_withdrawn_one_is_not(monkeypatch):
    async def go():
        made = World(monkeypatch)
        storms = made.recalls._storms
        held = [storms.hold(hit) for hit in (HIT, OTHER, after(6, 3))]
        assert [hit.held for hit in held] == [False, True, True]
        for hit in held:
            made.say(hit)
        made.say(replace(held[2], revision=1, withdrawn_at=NOW, withdrawn_reason="not_listed"))
        await made.look()
        assert made.published == []
        storms.end(held[1].storm_id, NOW)
        made.failures = 1
        await made.look()
        made.start()
        await made.look()
        (released,) = made.published
        assert (released.hit_id, released.revision, released.held) == (OTHER.hit_id, 1, False)
        assert released.storm_id == held[1].storm_id

    asyncio.run(go())
