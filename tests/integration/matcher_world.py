"""A matcher's surroundings on a real broker: topics, lists, reads going in, workers as processes, what comes out."""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition

from alprcore import model, wire
from alprcore.kafka import KafkaSettings, Message, Publisher, create_topics, load_topic_specs
from alprcore.plates import skeleton
from alprcore.profiles import load_profiles, shipped_documents
from alprcore.seal import ListKeys
from alprcore.topics import Topic, physical
from tests.unit.matcher.build import make_read, make_version

AGENCY = "demo"
TOPICS = {
    "reads", "hotlist", "hotlist.versions", "hotlist.partials", "profiles", "hits", "notifications",
    "storm.releases", "devices.checks",
    "cad.<agency>.hits", "cad.<agency>.notifications", "alpr-matcher-last_sent-changelog",
}  # fmt: skip
GARBAGE = b"\xff\xff garbage"
LETTERS = "ACEFHJKMNPRTUVWXY3479"  # no look-alikes: every plate has a skeleton of its own


def plate(number):
    """A synthetic plate of its own skeleton for every number below four million."""
    text = ""
    for _ in range(5):
        number, digit = divmod(number, len(LETTERS))
        text = LETTERS[digit] + text
    return "3T" + text


def now():
    return datetime.now(UTC)


class _Memory:
    value = "alpr-matcher-last_sent-changelog"


class Worker:
    def __init__(self, world, settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALPR_")}
        environment |= {
            "ALPR_MATCHER_KAFKA_BOOTSTRAP": world.kafka.bootstrap,
            "ALPR_MATCHER_TOPIC_PREFIX": world.kafka.topic_prefix,
            "ALPR_MATCHER_LIST_KEYS_FILE": str(world.folder / "list.keys"),
            "ALPR_MATCHER_STATE_DIR": str(world.folder / f"state-{self.port}"),
            "ALPR_MATCHER_PORT": str(self.port),
        } | {f"ALPR_MATCHER_{name.upper()}": value for name, value in settings.items()}
        self.log = world.folder / f"worker-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alpr_matcher"], env=environment, stdout=log, stderr=log
            )

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.get("/readyz")[0] == 200:
                return self
            time.sleep(0.1)
        raise AssertionError(f"matcher not ready: {self.get('/readyz')}\n{self.log.read_text()[-3000:]}")

    def metric(self, name, **labels):
        """Sum of the samples of a metric that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith((name + "{", name + " ")) and all(text in line for text in wanted):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def log_lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class World:
    """Everything is synchronous outside: each call runs the loop until its effect is acknowledged."""

    def __init__(self, bootstrap, folder, settings, agencies=(AGENCY,)):
        self.folder = folder
        self.settings = settings
        self.kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=f"m{secrets.token_hex(4)}.")
        self.keys = ListKeys.generate(folder / "list.keys", "k1")
        self.workers = []
        self._reading = {}
        self._known = {}
        self._buckets = defaultdict(dict)
        self._versions = defaultdict(int)
        self._sequence = 0
        self._runner = asyncio.Runner()
        self._publisher = Publisher(self.kafka)
        specs = [spec for spec in load_topic_specs() if spec.name.removesuffix(".dlq") in TOPICS]
        self._partitions = {spec.name: spec.partitions for spec in specs}
        self._runner.run(create_topics(self.kafka, specs, agencies=agencies))
        self._runner.run(self._publisher.start())
        self.profile = load_profiles()[AGENCY]
        for agency in agencies:
            version = load_profiles()[agency].version
            record = model.ProfileRecord(agency, version, shipped_documents()[agency], now())
            self.publish(Topic.PROFILES, [(agency, wire.encode_profile(record))])

    def close(self):
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        for consumer, _ in self._reading.values():
            self._runner.run(consumer.stop())
        self._runner.run(self._publisher.stop())
        self._runner.close()

    def worker(self, **settings):
        self.workers.append(Worker(self, self.settings | settings))
        return self.workers[-1]

    def name(self, topic, agency=""):
        if isinstance(topic, _Memory):
            return self.kafka.topic_prefix + topic.value
        return physical(topic, prefix=self.kafka.topic_prefix, agency=agency)

    def _tps(self, topic, agency="", suffix=""):
        name = self.name(topic, agency) + suffix
        return [TopicPartition(name, number) for number in range(self._partitions[topic.value + suffix])]

    def publish(self, topic, items, *, headers=None):
        """Publish (key, value) pairs; answers their acknowledgments."""
        ce = headers if headers is not None else wire.headers_for(topic, id="t", source="test", time=now())

        async def all_of_them():
            sends = [await self._publisher.send(topic, key=key, value=value, headers=ce) for key, value in items]
            return [await sending for sending in sends]

        return self._runner.run(all_of_them())

    # lists

    def load(self, *entries, code="SVS", announce=True, agency=AGENCY, **version):
        """Make (plate, details) pairs the whole content of the list's next version, as ingest does."""
        number = self._versions[agency, code] + 1
        self._versions[agency, code] = number
        wanted = {}
        for index, (text, details) in enumerate(entries):
            name = model.entry_id(agency, code, text, details.state, details.source_key or str(index))
            wanted[name] = (text, details)
        touched = set()
        for key, bucket in self._buckets.items():
            for name, entry in list(bucket.items()):
                if (entry.agency, entry.list_code) != (agency, code):
                    continue
                if entry.until_version == 0 and name not in wanted:
                    bucket[name] = model.Entry(**{**_fields(entry), "until_version": number})
                    touched.add(key)
        for name, (text, details) in wanted.items():
            key = skeleton(text)
            if name not in self._buckets[key] or self._buckets[key][name].until_version:
                sealed, key_id = self.keys.seal(wire.encode_entry_details(details), entry_id=name)
                self._buckets[key][name] = model.Entry(name, model.Plate(text), agency, code, number, 0, sealed, key_id)
                touched.add(key)
        self.publish(Topic.HOTLIST, [(key, wire.encode_bucket(tuple(self._buckets[key].values()))) for key in touched])
        values = {"age": timedelta(0), "source_time": now(), "loaded_at": now(), "entries": len(wanted)} | version
        found = make_version(code, version=number, agency=agency, ends=self.ends(Topic.HOTLIST), **values)
        if announce:
            self.announce(found)
        return found

    def partial(self, pattern, details):
        """Make a partial plate live; answers its entry."""
        name = model.entry_id(AGENCY, "PARTIAL", pattern, details.state, details.case_number)
        sealed, key_id = self.keys.seal(wire.encode_entry_details(details), entry_id=name)
        entry = model.Entry(name, model.Plate(pattern), AGENCY, "PARTIAL", 1, 0, sealed, key_id)
        self.publish(Topic.HOTLIST_PARTIALS, [(name, wire.encode_partial(entry))])
        return entry

    def announce(self, version):
        self.publish(
            Topic.HOTLIST_VERSIONS, [(f"{version.agency}/{version.list_code}", wire.encode_list_version(version))]
        )

    def publish_everywhere(self, topic, partitions):
        """A tombstone of a skeleton nobody has, in each of these partitions: their ends move on by one."""
        ce = wire.headers_for(topic, id="t", source="test", time=now())

        async def all_of_them():
            for number in partitions:
                await self._publisher.publish(topic, key="0", value=None, headers=ce, partition=number)

        self._runner.run(all_of_them())

    def all_of_memory(self):
        """What the workers' memory of alerts looks like on its topic."""
        return self.all(_Memory())

    def lose_memory(self):
        """Delete the topic of the workers' memory of alerts and make it anew, empty."""

        async def go():
            name, admin = self.name(_Memory()), _admin(self.kafka)
            await admin.start()
            try:
                await admin.delete_topics([name])
                while name in await admin.list_topics():
                    await asyncio.sleep(0.2)
            finally:
                await admin.close()
            specs = [spec for spec in load_topic_specs() if spec.name == _Memory.value]
            for _ in range(50):
                with contextlib.suppress(Exception):  # the broker is still deleting
                    await create_topics(self.kafka, specs, agencies=[])
                    return
                await asyncio.sleep(0.2)
            await create_topics(self.kafka, specs, agencies=[])

        self._runner.run(go())

    def ends(self, topic):
        async def ask(consumer):
            tps = self._tps(topic)
            return {tp.partition: offset for tp, offset in (await consumer.end_offsets(tps)).items()}

        return self._with_consumer(ask)

    # reads in, everything else out

    def make_read(self, text, **changes):
        self._sequence += 1
        return make_read(text, **({"captured_at": now(), "sequence": self._sequence} | changes))

    def send_reads(self, *reads):
        return self.publish(Topic.READS, [(skeleton(read.plate), wire.encode_read(read)) for read in reads])

    def all(self, topic, *, agency="", dlq=False):
        """Everything that lies on a topic now, in order by partition; what was read before is kept."""
        return self._runner.run(self._read_on(topic, agency, ".dlq" if dlq else ""))

    async def _read_on(self, topic, agency, suffix):
        tps = self._tps(topic, agency, suffix)
        if tps[0].topic not in self._reading:
            consumer = AIOKafkaConsumer(**self.kafka.client_params(), group_id=None, auto_offset_reset="earliest")
            await consumer.start()
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            self._reading[tps[0].topic] = consumer, []
        consumer, found = self._reading[tps[0].topic]
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [Message.of(record) for record in records]
        return found

    def _decoded(self, topic, decode):
        known = self._known.setdefault(topic, [])
        found = self.all(topic)
        known += [None if m.value == GARBAGE else decode(m.value, m.headers) for m in found[len(known) :]]
        return [item for item in known if item is not None]

    def _with_consumer(self, work):
        async def go():
            consumer = AIOKafkaConsumer(**self.kafka.client_params(), group_id=None, auto_offset_reset="earliest")
            await consumer.start()
            try:
                return await work(consumer)
            finally:
                await consumer.stop()

        return self._runner.run(go())

    def hits(self):
        return self._decoded(Topic.HITS, wire.decode_hit)

    def notifications(self):
        return self._decoded(Topic.NOTIFICATIONS, wire.decode_notification)

    def wait(self, look, *, timeout=40, every=0.3):
        """Look again until there is something; answers the last look in any case."""
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if found or time.monotonic() > deadline:
                return found
            time.sleep(every)

    def hits_of(self, *reads, count, timeout=40):
        wanted = {read.read_id for read in reads}

        def look():
            found = [hit for hit in self.hits() if hit.read.read_id in wanted]
            return found if len({hit.hit_id for hit in found}) >= count else None

        found = self.wait(look, timeout=timeout)
        assert found is not None, f"{count} hits expected: {[w.log.read_text()[-1500:] for w in self.workers]}"
        return found

    def notifications_of(self, *hits, count):
        wanted = {hit.hit_id for hit in hits}

        def look():
            found = [note for note in self.notifications() if note.hit.hit_id in wanted]
            return found if len({note.notification_id for note in found}) >= count else None

        found = self.wait(look)
        assert found is not None, f"{count} notifications expected"
        return found

    def settled(self, timeout=40):
        """Wait until the group has committed every read and every hit."""

        async def behind(consumer):
            admin = _admin(self.kafka)
            await admin.start()
            try:
                group = await admin.list_consumer_group_offsets(self.kafka.topic_prefix + "alpr-matcher")
            finally:
                await admin.close()
            count = 0
            for topic in (Topic.READS, Topic.HITS):
                for tp, end in (await consumer.end_offsets(self._tps(topic))).items():
                    count += end - (group[tp].offset if tp in group else 0)
            return count

        return self.wait(lambda: self._with_consumer(behind) == 0, timeout=timeout)


def _admin(kafka):
    from aiokafka.admin import AIOKafkaAdminClient

    return AIOKafkaAdminClient(**kafka.client_params())


def _fields(entry):
    return {name: getattr(entry, name) for name in entry.__slots__}


@contextlib.contextmanager
def world(bootstrap, folder, agencies=(AGENCY,), **settings):
    """`settings` go to every worker. Hundreds of hits in seconds are the tests' own: no alert storm unless one says so."""
    made = World(bootstrap, folder, {"storm_least_device": "100000", "storm_least_list": "100000"} | settings, agencies)
    try:
        yield made
    finally:
        made.close()


def details(state="US-CA", **changes):
    return model.EntryDetails(**({"state": state, "reason": "stolen_vehicle"} | changes))


def digest(values):
    return hashlib.sha256("".join(sorted(values)).encode()).hexdigest()
