"""What the rim does when things go wrong: repeat in place, put aside, never let go of what is not done."""

import asyncio
from dataclasses import fields
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from prometheus_client import REGISTRY

from alpr_matcher import app
from alpr_matcher.alerts.storms import Limits, Storms
from alpr_matcher.settings import Settings
from alpr_matcher.streams.offsets import Offsets
from alprcore import wire
from alprcore.errors import Transient
from alprcore.kafka import Message
from alprcore.matching import reader_name
from alprcore.model import DeviceChecks, EntryDetails, ProfileRecord, StormRelease
from alprcore.ops import Health
from alprcore.plates import skeleton
from alprcore.profiles import shipped_documents
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from tests.unit.matcher.build import NOW, PROFILE, make_entry, make_read, make_version

HEADERS = dict(wire.headers_for(Topic.READS, id="t", source="test", time=NOW))


class Memory:
    """Publisher and dead letters that keep what they get and fail as often as they are told."""

    def __init__(self, failures=0, error=None):
        self.sent, self.aside, self.failures, self.error = [], [], failures, error or Transient("broker: away")

    def _maybe_fail(self):
        if self.failures:
            self.failures -= 1
            raise self.error

    async def publish(self, topic, *, key, value, headers, agency=""):
        self._maybe_fail()
        self.sent.append((topic, key, value, dict(headers)))

    async def put(self, message, error):
        self._maybe_fail()
        self.aside.append((message, error.code))


@pytest.fixture
def make_matcher(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "_FIRST_DELAY_S", 0.001)
    keys = ListKeys({"k1": b"k" * 32}, "k1")

    def make(out):
        settings = Settings(list_keys_file=tmp_path / "none")
        matcher = app.Matcher(
            settings,
            publisher=out,
            dead_letters=out,
            keys=keys,
            health=Health("matcher"),
            now=lambda: datetime.now(UTC),
        )
        entry = make_entry()
        sealed, key_id = keys.seal(wire.encode_entry_details(EntryDetails(state="US-CA")), entry_id=entry.entry_id)
        entry = type(entry)(
            **{name: getattr(entry, name) for name in entry.__slots__} | {"sealed": sealed, "key_id": key_id}
        )
        assert not matcher.view.take(0, [(skeleton(entry.plate).encode(), wire.encode_bucket((entry,)))])
        matcher.versions.announce(make_version())
        record = ProfileRecord(PROFILE.agency, PROFILE.version, shipped_documents()[PROFILE.agency], NOW)
        profile_headers = dict(wire.headers_for(Topic.PROFILES, id="t", source="test", time=NOW))
        matcher.take_profile(PROFILE.agency, wire.encode_profile(record), profile_headers)
        matcher.versions_read.set()
        matcher.partials_read.set()
        matcher.profiles_read.set()
        matcher.follower = SimpleNamespace(caught_up=lambda _n: True, position=lambda _n: 1)
        return matcher

    return make


def message(value=None, key=None):
    read = make_read()
    found = wire.encode_read(read) if value is None else value
    return Message("reads", 0, 7, key or skeleton(read.plate).encode(), found, HEADERS, 1_700_000_000_000)


async def now_due():
    return True


def run(make_matcher, out, found):
    async def go():
        matcher = make_matcher(out)
        assert await matcher.settle(found, matcher.judge, now_due)

    asyncio.run(go())
    return out


@pytest.mark.parametrize("error", [Transient("away"), RuntimeError("a fault"), KeyError("x")])
def test_what_fails_for_now_is_repeated_in_place_until_it_is_done(make_matcher, error):
    out = run(make_matcher, Memory(failures=3, error=error), message())
    ((topic, key, value, headers),) = out.sent
    assert (topic, key) == (Topic.HITS, skeleton("7ABC123"))
    assert wire.decode_hit(value, headers).read.plate == "7ABC123"
    assert out.aside == []


def test_what_no_retry_can_save_is_put_aside_even_if_that_fails_at_first(make_matcher):
    out = run(make_matcher, Memory(failures=2), message(b"\xff garbage"))
    assert [(found.offset, code) for found, code in out.aside] == [(7, "MALFORMED")]
    assert out.sent == []


def test_a_read_under_another_key_is_put_aside_for_its_entries_lie_elsewhere(make_matcher):
    out = run(make_matcher, Memory(), message(key=b"OTHER"))
    assert [code for _, code in out.aside] == ["FIELD_INVALID"]


def test_an_empty_message_is_put_aside(make_matcher):
    out = run(make_matcher, Memory(), message(b""))
    assert [code for _, code in out.aside] == ["FIELD_MISSING"]


def test_an_agency_without_a_profile_is_put_aside_by_name(make_matcher):
    async def go():
        matcher = make_matcher(out)
        matcher.take_profile(PROFILE.agency, None, {})
        await matcher.settle(message(), matcher.judge, now_due)

    out = Memory()
    asyncio.run(go())
    assert [code for _, code in out.aside] == ["PROFILE_MISSING"]


class Consumer:
    """What the offsets ask of faust's consumer."""

    def __init__(self, committed, first=0, end=20):
        self._committed_offset, self.first, self.end, self.sought = {TP: committed}, first, end, []

    def _new_offset(self, tp):
        return 99

    async def earliest_offsets(self, tp):
        return {tp: self.first}

    def assignment(self):
        return {TP}

    def highwater(self, tp):
        return self.end

    async def seek(self, tp, offset):
        self.sought.append(offset)


class Partition(NamedTuple):
    topic: str
    partition: int


TP = Partition("reads", 0)


def given(offset, generation=1):
    return SimpleNamespace(tp=TP, offset=offset, generation_id=generation)


def offsets_over(consumer):
    made = Offsets(SimpleNamespace(consumer=consumer, consumer_generation_id=1, rebalancing=False), {"reads"})
    made.start()
    return made


def test_only_what_was_settled_in_order_is_committed():
    async def go():
        consumer = Consumer(committed=5)
        offsets = offsets_over(consumer)
        assert consumer._new_offset(TP) is None
        assert not await offsets.is_due(given(4))  # settled before
        assert await offsets.is_due(given(5))
        offsets.settled(given(5))
        assert consumer._new_offset(TP) == 6
        assert not await offsets.is_due(given(7))  # 6 is missing: skipped around a rebalance
        assert consumer._new_offset(TP) == 6
        await offsets.fetch_missing({})
        assert consumer.sought == [6]
        assert await offsets.is_due(given(6))
        offsets.settled(given(6, generation=0))  # its partition has changed hands meanwhile
        assert consumer._new_offset(TP) == 6

    asyncio.run(go())


def test_a_waiting_message_beside_an_idle_stream_is_fetched_again_and_a_busy_stream_is_left_alone(monkeypatch):
    monkeypatch.setattr("alpr_matcher.streams.offsets._IDLE_S", -1)

    async def go():
        consumer = Consumer(committed=None, first=3, end=4)
        offsets = offsets_over(consumer)
        await offsets.fetch_missing({"reads": 1})
        assert consumer.sought == []
        await offsets.fetch_missing({"reads": 0})
        assert consumer.sought == [3]
        assert await offsets.is_due(given(3))
        offsets.settled(given(3))
        await offsets.fetch_missing({})
        assert consumer.sought == [3]

    asyncio.run(go())


def test_messages_that_have_expired_are_not_waited_for():
    async def go():
        offsets = offsets_over(Consumer(committed=5, first=9))
        assert await offsets.is_due(given(9))
        assert not await offsets.is_due(given(11))

    asyncio.run(go())


def test_what_is_canceled_in_hand_is_not_counted_as_settled(make_matcher):
    async def forever(_message):
        await asyncio.Event().wait()

    async def go():
        consumer = Consumer(committed=7)
        offsets = offsets_over(consumer)
        found = given(7)
        found.topic, found.partition, found.key, found.value, found.headers, found.timestamp = (
            "reads",
            0,
            b"K",
            b"",
            None,
            1.0,
        )
        task = asyncio.create_task(app._settle(found, offsets, make_matcher(Memory()), forever))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert consumer._new_offset(TP) is None

    asyncio.run(go())


def handled():
    labels = {"topic": "reads", "outcome": "handled"}
    return REGISTRY.get_sample_value("alpr_matcher_messages_total", labels) or 0.0


def test_a_message_that_is_passed_over_is_not_counted_and_whether_it_is_due_is_asked_once(make_matcher):
    async def go():
        matcher, answers, before = make_matcher(out), [Transient("broker: away"), False, True], handled()

        async def is_due():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert not await matcher.settle(message(), matcher.judge, is_due)
        assert (out.sent, handled() - before, matcher.in_hand["reads"]) == ([], 0, 0)
        out.failures = 1  # the work is repeated, the question is not: `answers` would be empty
        assert await matcher.settle(message(), matcher.judge, is_due)
        assert (len(out.sent), handled() - before, answers) == (1, 1, [])

    out = Memory()
    asyncio.run(go())


def test_offsets_of_other_topics_are_left_to_faust():
    consumer = Consumer(committed=5)
    offsets_over(consumer)
    assert consumer._new_offset(Partition("last_sent", 0)) == 99


@pytest.mark.requirement("USE-12", partial="the counts of a drained matcher are in the integration test")
def test_no_setting_and_no_profile_exempts_a_plate():
    names = {*Settings.model_fields, *(field.name for field in fields(PROFILE))}
    words = ("exempt", "exclude", "whitelist", "allowlist", "ignore", "skip")
    assert not [name for name in names for word in words if word in name]


def test_a_person_ends_a_storm_and_a_devices_findings_are_kept_until_they_are_taken_back(make_matcher):
    async def go():
        matcher = make_matcher(Memory())
        read = make_read()
        matcher.storms = Storms(Limits(least_device=1))
        await matcher.judge(message(wire.encode_read(read)))
        held = wire.decode_hit(matcher._publisher.sent[0][2], matcher._publisher.sent[0][3])
        assert held.held
        release = StormRelease(held.storm_id, "demo", "p", NOW)
        of = lambda topic: dict(wire.headers_for(topic, id="t", source="test", time=NOW))  # noqa: E731
        matcher.take_release(held.storm_id, wire.encode_storm_release(release), of(Topic.STORM_RELEASES))
        assert matcher.storms.is_over(held.storm_id)
        checks = DeviceChecks(read.device_id, "demo", reader_name(read.reader), 40, 20, {}, {}, NOW)
        matcher.take_checks(read.device_id, wire.encode_device_checks(checks), of(Topic.DEVICES_CHECKS))
        await matcher.judge(message(wire.encode_read(read)))
        later = wire.decode_hit(matcher._publisher.sent[1][2], matcher._publisher.sent[1][3])
        assert later.probability == pytest.approx(held.probability * 40 / 60)
        matcher.take_checks(read.device_id, None, {})
        assert matcher.checks == {}

    asyncio.run(go())


def test_a_message_whose_partition_has_changed_hands_is_left_to_its_new_worker(make_matcher):
    async def go():
        matcher = make_matcher(out := Memory())
        matcher.assigned, matcher.follower.caught_up = frozenset({1, 2}), lambda _n: False
        assert not await asyncio.wait_for(matcher.settle(message(), matcher.judge, now_due), 5)
        assert (out.sent, out.aside) == ([], [])

    asyncio.run(go())


def test_a_fault_of_our_own_is_repeated_and_is_no_sign_of_life(make_matcher):
    async def go():
        matcher = make_matcher(Memory(failures=3, error=RuntimeError("a fault")))
        beats = []
        matcher._beat = lambda: beats.append(1)
        assert await matcher.settle(message(), matcher.judge, now_due)
        faults, beats[:] = len(beats), []
        matcher._publisher.failures, matcher._publisher.error = 3, Transient("broker: away")
        assert await matcher.settle(message(), matcher.judge, now_due)
        assert (faults, len(beats)) == (1, 4)

    asyncio.run(go())


def test_reads_go_on_without_a_list_that_its_topic_does_not_bring(make_matcher, monkeypatch):
    """After a while, so that one agency's lost list keeps nobody else's reads; its hits are not recalled meanwhile."""
    monkeypatch.setattr(app, "_CATCH_UP_POLL_S", 0.001)

    async def story():
        out = Memory()
        matcher = make_matcher(out)
        matcher.versions.announce(make_version("BOLO", ends={0: 900_000}))
        matcher.assigned, matcher._patience_s = frozenset({0}), 3_600
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(matcher.judge(message()), 0.2)
        assert out.sent == []
        matcher._patience_s = 0.05
        labels = {"agency": "demo", "list_code": "BOLO"}
        before = REGISTRY.get_sample_value("alpr_matcher_lists_left_out_total", labels) or 0
        await asyncio.wait_for(matcher.judge(message()), 10)
        assert [topic for topic, *_ in out.sent] == [Topic.HITS]  # of the list that is there
        assert REGISTRY.get_sample_value("alpr_matcher_lists_left_out_total", labels) == before + 1
        assert "BOLO" in matcher.not_ready()
        assert matcher._in_force(0, whole=True) is None  # what recalls look at

    asyncio.run(story())
