"""Audit and retention as processes on a real broker: from the topics to the answer, the ledger and its checkpoints."""

import asyncio
import base64
import contextlib
import os
import signal
import socket
import sys
import time
from dataclasses import replace

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from alprcore import wire
from alprcore.kafka import KafkaSettings, Publisher, create_topics, load_topic_specs
from alprcore.model import AuditEvent, DeviceKind, Person, ProfileRecord, event_id
from alprcore.plates import skeleton
from alprcore.profiles import load_profiles, shipped_documents
from alprcore.seal import SigningKey, note_verifier, sign_person, verify_note
from alprcore.topics import Topic, physical
from tests.fixtures.doors import QUERY, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio
NEEDED = {"reads", "hits", "profiles", "image.keys", "audit", "audit.checkpoints"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stream:
    """Both services as processes, and what goes in and comes out."""

    def __init__(self, bootstrap, prefix, database, folder):
        self.kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
        self.database, self.folder = database, folder
        self.person_key = SigningKey.generate(folder / "person.key")
        self.ledger_key = SigningKey.generate(folder / "ledger.key")
        self.ports = {"audit": free_port(), "retention": free_port()}
        self.running = {}

    def environment(self, service):
        name = f"ALPR_{service.upper()}_"
        settings = {
            "PORT": str(self.ports[service]),
            "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "TOPIC_PREFIX": self.kafka.topic_prefix,
            "DATABASE_URL": self.database.url(service),
            "PERSON_PUBLIC_KEY": base64.b64encode(self.person_key.public).decode(),
        }
        own = {
            "audit": {
                "READER_DATABASE_URL": self.database.url("reader"),
                "LEDGER_KEY_FILE": str(self.folder / "ledger.key"),
                "LEDGER_ORIGIN": "plateline.test/ledger",
                "CHECKPOINT_FILE": str(self.folder / "checkpoint"),
            },
            "retention": {
                "OBJECTS_URL": (self.folder / "images").as_uri(),
                "IMAGE_KEYS_DIR": str(self.folder / "image-keys"),
                "KEYS_EVERY_SECONDS": "0.5",
            },
        }
        rest = {key: value for key, value in os.environ.items() if not key.startswith("ALPR_")}
        return rest | {name + key: value for key, value in (settings | own[service]).items()}

    async def start(self, service):
        self.running[service] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"alpr_{service}", env=self.environment(service),
            stderr=(self.folder / f"{service}.log").open("ab"),
        )  # fmt: skip

    async def ready(self, service):
        async with httpx.AsyncClient() as http:
            for _ in range(600):
                assert self.running[service].returncode is None, (self.folder / f"{service}.log").read_text()[-3000:]
                with contextlib.suppress(httpx.TransportError):
                    answer = await http.get(f"http://127.0.0.1:{self.ports[service]}/readyz")
                    if answer.status_code == 200:
                        return
                await asyncio.sleep(0.1)
        raise AssertionError(f"{service} is not ready: {(self.folder / f'{service}.log').read_text()[-3000:]}")

    async def stop(self, service, number=signal.SIGTERM):
        process = self.running.pop(service)
        process.send_signal(number)
        return await asyncio.wait_for(process.wait(), 40)

    async def put(self, topic, key, value, name):
        headers = wire.headers_for(topic, id=name, source="/test", time=utc_now())
        await self.publisher.publish(topic, key=key, value=value, headers=headers)

    async def put_read(self, read):
        await self.put(Topic.READS, skeleton(read.plate), wire.encode_read(read), read.read_id)

    async def ask(self, criteria):
        person = Person("p-1", "jdoe", "Jane Doe", "Example PD", "demo", ("investigator",), "s-1", "192.0.2.7",
                        training=("alpr",))  # fmt: skip
        headers = {"authorization": f"Person {sign_person(self.person_key, person, utc_now())}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.ports['audit']}", timeout=30) as http:
            return await http.post("/v1/queries", json={**QUERY, "criteria": criteria}, headers=headers)

    async def rows(self, criteria, expected, seconds=60):
        """Ask until there are as many rows."""
        end = time.monotonic() + seconds
        while True:
            answer = await self.ask(criteria)
            if (answer.status_code == 200 and len(answer.json()["rows"]) >= expected) or time.monotonic() > end:
                assert answer.status_code == 200, answer.text
                return answer.json()["rows"]
            await asyncio.sleep(1.5)  # a person may ask 60 times in a minute, and what is refused counts too

    async def all_of(self, topic, enough, seconds=60):
        """Everything on a topic, once `enough(messages)` holds."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            name = physical(topic, prefix=self.kafka.topic_prefix)
            partitions = await consumer._client.fetch_all_metadata()
            places = [TopicPartition(name, number) for number in partitions.partitions_for_topic(name)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            messages, end = [], time.monotonic() + seconds
            while not enough(messages) and time.monotonic() < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    messages.extend(records)
            return messages
        finally:
            await consumer.stop()


@contextlib.asynccontextmanager
async def stream(bootstrap, prefix, database, folder):
    it = Stream(bootstrap, prefix, database, folder)
    await create_topics(it.kafka, [spec for spec in load_topic_specs() if spec.name.removesuffix(".dlq") in NEEDED])
    async with Publisher(it.kafka) as it.publisher:
        await it.start("audit")
        await it.start("retention")
        try:
            profiles, documents = load_profiles(), shipped_documents()
            for agency, document in documents.items():
                record = ProfileRecord(agency, profiles[agency].version, document, utc_now())
                await it.put(Topic.PROFILES, agency, wire.encode_profile(record), agency)
            await it.ready("audit")
            await it.ready("retention")
            yield it
        finally:
            for service in list(it.running):
                await it.stop(service)


@pytest.mark.requirement("DEF-02", partial="from the read on; the frame's way to the read is carried out in tests/e2e")
async def test_a_read_on_the_topic_is_answered_by_its_plate(kafka_bootstrap, topics_prefix, pg_database, tmp_path):
    async with stream(kafka_bootstrap, topics_prefix, pg_database, tmp_path) as it:
        read = make_read("8TST001", number=1)
        mobile = make_read("9TST002", number=2, device_kind=DeviceKind.MOBILE)
        for _ in range(2):
            await it.put_read(read)
        await it.put_read(mobile)
        hit = make_hit(mobile)
        await it.put(Topic.HITS, skeleton(mobile.plate), wire.encode_hit(hit), hit.hit_id)
        (row,) = await it.rows({"plate": "8TST001"}, 1)
        assert (row["read_id"], row["plate"]) == (read.read_id, "8TST001")
        (row,) = await it.rows({"list_code": "SVS"}, 1)
        assert row["read_id"] == mobile.read_id

        # killed without a chance to commit: everything comes again, nothing is stored twice or lost
        await it.stop("retention", signal.SIGKILL)
        await it.put_read(replace(read, revision=2, confidence=0.5))
        await it.start("retention")
        for number in range(10, 60):
            await it.put_read(make_read("7TST003", number=number))
        assert len(await it.rows({"plate": "7TST003"}, 50)) == 50
        (row,) = await it.rows({"plate": "8TST001"}, 1)
        assert row["revision"] == 2

        keys = await it.all_of(Topic.IMAGE_KEYS, lambda seen: len(seen) > 100)
        assert len({message.key for message in keys}) > 100

        # what needs no answer comes by topic, once each, and checkpoints are published
        events = [
            AuditEvent(event_id(str(n), "login", "1"), utc_now(), "demo", "login", "console", personal={"name": "Jane"})
            for n in range(40)
        ]
        for event in (*events, *events[:20]):
            await it.put(Topic.AUDIT, event.event_id, wire.encode_audit_event(event), event.event_id)
        await it.put(Topic.AUDIT, "broken", b"\xff\xff", "broken")
        end = time.monotonic() + 60
        logins = []
        while len(logins) < 40 and time.monotonic() < end:
            logins = await _kinds(pg_database, "login")
            await asyncio.sleep(0.2)
        assert len(logins) == 40
        assert await it.stop("audit") == 0, (tmp_path / "audit.log").read_text()[-3000:]

        verifier = note_verifier("plateline.test/ledger", it.ledger_key.public)
        last = (tmp_path / "checkpoint").read_text()
        size = int(verify_note(last, verifier).split("\n")[1])
        assert size >= 45
        notes = await it.all_of(Topic.AUDIT_CHECKPOINTS, bool)
        assert notes
        for message in notes:
            checkpoint = wire.decode_checkpoint(message.value, dict(message.headers))
            assert verify_note(checkpoint.note, verifier).split("\n")[1] == str(checkpoint.size)
        assert "plateline.test/ledger" in (tmp_path / "checkpoint.log").read_text()

        from alpr_cli import verify

        finding = verify.verify_copy(await verify.export(pg_database.admin), last, verifier)
        assert (finding.code, finding.words.split(" ")[0]) == (verify.SOUND, str(size))
        logs = (tmp_path / "audit.log").read_text() + (tmp_path / "retention.log").read_text()
        assert "TST00" not in logs


async def _kinds(database, kind):
    import asyncpg

    connection = await asyncpg.connect(database.admin)
    try:
        return await connection.fetch("SELECT idx FROM audit.entries WHERE kind = $1", kind)
    finally:
        await connection.close()
