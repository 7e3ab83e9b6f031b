"""The consumer loops against a real broker: order, back-off, dead letters, and commits after the effect only."""

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from alprcore import kafka
from alprcore.errors import InvalidMessage, Transient
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic

HEADERS = [("ce_id", b"1"), ("traceparent", b"00-aa-bb-01")]
_services = itertools.count()


@pytest.fixture
def broker(kafka_bootstrap, topics_prefix):
    settings = kafka.KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topics_prefix)
    specs = [
        spec for spec in kafka.load_topic_specs() if spec.name.removesuffix(".dlq") in {"frames", "devices", "hotlist"}
    ]
    asyncio.run(kafka.create_topics(settings, specs))
    assert asyncio.run(kafka.create_topics(settings, specs)) == []
    return settings


def new_metrics():
    return ConsumerMetrics(f"test{next(_services)}", CollectorRegistry())


async def until(condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(make):
    """A consumer that is stopped as a service stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(make(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


async def committed(settings, group, partition, topic=Topic.FRAMES):
    consumer = AIOKafkaConsumer(
        **settings.client_params(), group_id=settings.topic_prefix + group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(settings.topic_prefix + topic.value, partition))
    finally:
        await consumer.stop()


async def read_all(settings, name, count):
    consumer = AIOKafkaConsumer(settings.topic_prefix + name, **settings.client_params(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def fill(publisher, values, partition=0):
    return [
        await publisher.publish(Topic.FRAMES, key="c1", value=value, headers=HEADERS, partition=partition)
        for value in values
    ]


def test_poison_becomes_a_dead_letter_and_the_next_is_handled(broker):
    async def story():
        seen, metrics = [], new_metrics()

        async def handle(message):
            if message.value == b"poison":
                raise InvalidMessage("MALFORMED", "no such message")
            seen.append((message.value, message.key, message.headers["ce_id"]))

        async with kafka.Publisher(broker) as publisher:
            acks = await fill(publisher, [b"a", b"poison", b"b"])
            letters = kafka.DeadLetters(publisher, "test")
            async with running(
                lambda stop: kafka.run_consumer(
                    broker,
                    [Topic.FRAMES],
                    group="poison",
                    handle=handle,
                    dead_letters=letters,
                    stop=stop,
                    metrics=metrics,
                )
            ):
                await until(lambda: len(seen) == 2)
        assert seen == [(b"a", b"c1", b"1"), (b"b", b"c1", b"1")]
        (letter,) = await read_all(broker, "frames.dlq", 1)
        headers = dict(letter.headers)
        assert (letter.value, letter.key) == (b"poison", b"c1")
        assert {name: headers[name] for name, _ in HEADERS} == dict(HEADERS)
        assert headers["dlq-topic"].decode() == broker.topic_prefix + "frames"
        assert (headers["dlq-partition"], headers["dlq-offset"]) == (b"0", str(acks[1].offset).encode())
        assert (headers["dlq-code"], headers["dlq-message"]) == (b"MALFORMED", b"no such message")
        assert (headers["dlq-service"], bool(headers["dlq-version"])) == (b"test", True)
        assert int(headers["dlq-timestamp"]) > 1_600_000_000_000
        assert await committed(broker, "poison", 0) == acks[2].offset + 1
        assert metrics.dead_letters.labels("frames", "MALFORMED")._value.get() == 1
        assert metrics.messages.labels("frames", "handled")._value.get() == 2

    asyncio.run(story())


def test_transient_is_waited_for_in_place_while_other_partitions_go_on(broker):
    async def story():
        calls, away = [], True

        async def handle(message):
            calls.append((message.partition, message.value))
            if message.value == b"needs" and away:
                raise Transient("database")

        async with kafka.Publisher(broker) as publisher:
            await fill(publisher, [b"first", b"needs", b"last"], partition=0)
            await fill(publisher, [b"x", b"y"], partition=1)
            letters = kafka.DeadLetters(publisher, "test")
            async with running(
                lambda stop: kafka.run_consumer(
                    broker,
                    [Topic.FRAMES],
                    group="away",
                    handle=handle,
                    dead_letters=letters,
                    stop=stop,
                    metrics=new_metrics(),
                )
            ):
                await until(lambda: calls.count((0, b"needs")) >= 3 and (1, b"y") in calls)
                assert (0, b"last") not in calls
                away = False
                await until(lambda: (0, b"last") in calls)
        assert calls.count((0, b"first")) == 1
        assert calls.index((0, b"last")) > max(i for i, call in enumerate(calls) if call == (0, b"needs"))

    asyncio.run(story())


def test_commit_follows_the_effect(broker):
    """A handler that dies with a message in hand has not committed it; the next process gets it again."""

    async def story():
        async def dies(message):
            if message.value == b"deadly":
                raise RuntimeError("a fault of ours")

        again = []

        async def handle(message):
            again.append(message.value)

        async with kafka.Publisher(broker) as publisher:
            acks = await fill(publisher, [b"a", b"b", b"deadly", b"c"])
            letters = kafka.DeadLetters(publisher, "test")

            def consume(handler):
                return lambda stop: kafka.run_consumer(
                    broker,
                    [Topic.FRAMES],
                    group="effect",
                    handle=handler,
                    dead_letters=letters,
                    stop=stop,
                    metrics=new_metrics(),
                )

            with pytest.raises(RuntimeError, match="a fault of ours"):
                await consume(dies)(asyncio.Event())
            assert (await committed(broker, "effect", 0) or 0) <= acks[2].offset
            async with running(consume(handle)):
                await until(lambda: b"c" in again)
            assert again[-2:] == [b"deadly", b"c"]
            assert await committed(broker, "effect", 0) == acks[3].offset + 1

    asyncio.run(story())


def test_a_rebalance_loses_nothing_and_commits_what_was_done(broker):
    async def story():
        seen = []

        async def handle(message):
            await asyncio.sleep(0.02)
            seen.append(message.value)

        async with kafka.Publisher(broker) as publisher:
            values = [f"{number}".encode() for number in range(200)]
            for number, value in enumerate(values):
                await publisher.publish(Topic.FRAMES, key="k", value=value, headers=HEADERS, partition=number % 4)
            letters = kafka.DeadLetters(publisher, "test")

            def consume(stop):
                return kafka.run_consumer(
                    broker,
                    [Topic.FRAMES],
                    group="move",
                    handle=handle,
                    dead_letters=letters,
                    stop=stop,
                    metrics=new_metrics(),
                )

            async with running(consume):
                await until(lambda: len(seen) > 20)
                async with running(consume):
                    await until(lambda: set(seen) == set(values), seconds=60)
        assert len(seen) <= len(values) + 2  # a message in hand at the handover may come twice, a batch may not

    asyncio.run(story())


def test_too_many_refusals_stop_the_consumer_but_not_when_outsiders_write(broker):
    async def story():
        refused = []

        async def handle(message):
            refused.append(message.offset)
            raise InvalidMessage("MALFORMED", "odd")

        async with kafka.Publisher(broker) as publisher:
            await fill(publisher, [b"odd"] * 15)
            letters = kafka.DeadLetters(publisher, "test")
            arguments = {"handle": handle, "dead_letters": letters, "metrics": new_metrics()}
            with pytest.raises(kafka.DeadLetterLimit):
                await kafka.run_consumer(broker, [Topic.FRAMES], group="ours", stop=asyncio.Event(), **arguments)
            assert len(refused) == 10
            refused.clear()
            async with running(
                lambda stop: kafka.run_consumer(
                    broker, [Topic.FRAMES], group="theirs", stop=stop, outsiders=True, **arguments
                )
            ):
                await until(lambda: len(refused) == 15)

    asyncio.run(story())


class Passages:
    """A batch handler that holds back its commit and keeps a note with it."""

    def __init__(self, hold=True):
        self.hold, self.notes, self.seen, self.next, self.idle, self.fail = hold, {}, [], {}, 0, 0

    async def assigned(self, positions):
        self.notes = dict(positions)

    async def revoked(self, partitions):
        for partition in partitions:
            self.next.pop(partition, None)

    async def handle(self, messages):
        self.idle += not messages
        if messages and self.fail:
            self.fail -= 1
            raise Transient("away")
        if any(message.value == b"odd" for message in messages):
            raise InvalidMessage("MALFORMED", "odd")
        for message in messages:
            self.seen.append(message.value)
            self.next[message.topic, message.partition] = message.offset + 1

    def position(self, partition):
        after = self.next.get(partition)
        return None if after is None else (after - 1 if self.hold else after, "é" * 1000 if self.hold else "done")


def test_batches_commit_what_the_handler_says_with_its_note(broker):
    async def story():
        async with kafka.Publisher(broker) as publisher:
            acks = await fill(publisher, [b"a", b"b", b"odd", b"c"], partition=2)
            letters = kafka.DeadLetters(publisher, "test")

            def consume(handler):
                return lambda stop: kafka.run_batches(
                    broker,
                    [Topic.FRAMES],
                    group="batch",
                    handler=handler,
                    dead_letters=letters,
                    stop=stop,
                    metrics=new_metrics(),
                )

            first, where = Passages(), (broker.topic_prefix + "frames", 2)
            first.fail = 2
            async with running(consume(first)):
                await until(lambda: first.seen[-1:] == [b"c"] and first.idle > 1)
            assert first.notes[where] == (None, "")
            assert first.seen == [b"a", b"b", b"c"]
            assert await committed(broker, "batch", 2) == acks[3].offset
            (letter,) = await read_all(broker, "frames.dlq", 1)
            assert letter.value == b"odd"

            second = Passages(hold=False)
            async with running(consume(second)):
                await until(lambda: second.idle > 1 and second.seen)
            assert second.notes[where] == (acks[3].offset, "é" * 1000)
            assert second.seen == [b"c"]
            assert await committed(broker, "batch", 2) == acks[3].offset + 1

    asyncio.run(story())


def test_a_topic_is_followed_whole_and_odd_messages_are_passed_over(broker):
    async def story():
        state, ready = {}, asyncio.Event()

        def apply(key, value, headers):
            if value == b"odd":
                raise InvalidMessage("MALFORMED", "odd")
            state[key] = value

        async with kafka.Publisher(broker) as publisher:
            for key, value in (("a", b"1"), ("b", b"odd"), ("c", b"3")):
                await publisher.publish(Topic.DEVICES, key=key, value=value, headers=HEADERS)
            async with running(lambda stop: kafka.follow_whole(broker, Topic.DEVICES, apply, ready=ready, stop=stop)):
                async with asyncio.timeout(30):
                    await ready.wait()
                assert state == {"a": b"1", "c": b"3"}
                await publisher.publish(Topic.DEVICES, key="a", value=None, headers=HEADERS)
                await until(lambda: state["a"] is None)

    asyncio.run(story())


def test_chosen_partitions_are_followed_and_let_go(broker):
    async def story():
        state, dropped = {}, []

        def apply(partition, page):
            state.update({(partition, key.decode()): value for key, value in page if value != b"odd"})
            refused = [index for index, (_, value) in enumerate(page) if value == b"odd"]
            return dict.fromkeys(refused, InvalidMessage("FIELD_INVALID", "value"))

        typed = [("ce_type", b"alpr.v1.hotlist_bucket"), *HEADERS]
        async with kafka.Publisher(broker) as publisher:
            for number in range(4):
                await publisher.publish(Topic.HOTLIST, key=f"k{number}", value=b"1", headers=typed, partition=number)
            await publisher.publish(Topic.HOTLIST, key="k1", value=b"untyped", headers=HEADERS, partition=1)
            await publisher.publish(Topic.HOTLIST, key="k1", value=b"odd", headers=typed, partition=1)
            follower = kafka.AssignedFollower(broker, Topic.HOTLIST, apply=apply, dropped=dropped.append)
            async with running(follower.run):
                await follower.assign({0, 1})
                await until(lambda: follower.caught_up(0) and follower.caught_up(1))
                assert set(state) == {(0, "k0"), (1, "k1")}
                assert not follower.caught_up(2)
                await follower.assign({1, 2})
                await until(lambda: follower.caught_up(2))
                assert (dropped, follower.position(1), follower.position(0)) == ([0], 3, 0)
                assert state[1, "k1"] == b"1"  # what is untyped or refused changes nothing
                await publisher.publish(Topic.HOTLIST, key="k1", value=None, headers=HEADERS, partition=1)
                await until(lambda: state[1, "k1"] is None)
                with suppress(TimeoutError):
                    await follower.assign(set())
                await until(lambda: sorted(dropped) == [0, 1, 2])

    asyncio.run(story())


def test_many_messages_come_to_lie_where_single_ones_would(broker):
    keys = [f"KEY{number % 700}" for number in range(2_100)]

    async def told():
        async with kafka.Publisher(broker) as publisher:
            single = {
                key: (await publisher.publish(Topic.HOTLIST, key=key, value=b"first", headers=HEADERS)).partition
                for key in keys[:40]
            }
            messages = [(key, str(n).encode() * 300 if n % 7 else None, HEADERS) for n, key in enumerate(keys)]
            ends = await publisher.publish_all(Topic.HOTLIST, messages)
            assert await publisher.publish_all(Topic.HOTLIST, []) == {}
            after = {p: await publisher.publish(
                Topic.HOTLIST, key="K", value=b"last", headers=HEADERS, partition=p) for p in ends}  # fmt: skip
            with pytest.raises(InvalidMessage, match="larger"):
                await publisher.publish_all(Topic.HOTLIST, [("K", bytes(5_000_000), HEADERS)])
        assert {p: ack.offset for p, ack in after.items()} == ends
        found = await read_all(broker, "hotlist", 40 + len(keys) + len(ends))
        many = [m for m in found if m.value not in (b"first", b"last")]
        assert {m.key.decode(): m.partition for m in many if m.key.decode() in single} == single
        for key in keys[:700]:
            mine = [(m.value, dict(m.headers)) for m in many if m.key.decode() == key]
            assert mine == [(value, dict(HEADERS)) for name, value, _ in messages if name == key]

    asyncio.run(told())
