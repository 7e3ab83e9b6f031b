"""What an agency tells of a vehicle is found in no store: a byte search over the database's files, topics and logs."""

import asyncio
import base64
import contextlib
import logging
import time
from datetime import timedelta

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from alpr_cli.device import Unit
from alpr_cli.device_copy import DeviceCopy
from alprcore import wire
from alprcore.copies import SIGNER
from alprcore.profiles import load_profiles
from alprcore.seal import ListKeys, note_verifier
from alprcore.wire import rfc3339
from tests.fixtures import postgres
from tests.integration import matcher_world
from tests.integration.ingest_world import World, serving

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
SHIPPED = load_profiles()
USE = "2721(b)(1)"
FIELDS = (
    "notes", "case_number", "basis", "registered_owner", "vehicle_make", "vehicle_model", "originating_agency",
    "source_key",
)  # fmt: skip
NEW_KEY = b"\x07" * 32
every_agency = pytest.mark.parametrize("agency", AGENCIES)


def planted(agency, door, field):
    return f"TEST-PII-{agency}-{door}-{field}"


def plate(agency, door):
    return f"3{'LHQ'[('list', 'hot', 'partial').index(door)]}{'KMNPT'[AGENCIES.index(agency)]}W47"


def list_file(agency):
    values = ",".join(planted(agency, "list", name) for name in FIELDS)
    return f"plate,state,reason,{','.join(FIELDS)}\n{plate(agency, 'list')},US-CA,stolen_vehicle,{values}\n"


def written(text):
    """The ways in which bytes may hold a text: plain, UTF-16, hexadecimal, and base64 at each of its three offsets."""
    raw = text.encode()
    base = [base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [
        raw,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        *base,
    ]


class Log(logging.Handler):
    """Keeps what a service writes down, with everything that a log line would carry beside its words."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.kept = []

    def emit(self, record):
        self.kept.append(f"{record.getMessage()} {record.__dict__!r}")


class Scene:
    """Ingest and a matcher that can be started again with other keys; `stores` gives every byte they have kept."""

    def __init__(self, database, made, folder):
        self.database, self.made, self.folder = database, made, folder
        self.world = World(database, made.kafka.bootstrap, made.kafka.topic_prefix, folder)
        asyncio.run(self.world.make_topics())
        self.log, self._stack, self.ingest = Log(), contextlib.ExitStack(), None
        logging.getLogger().addHandler(self.log)

    def start(self):
        self.world.list_keys = ListKeys.load(self.folder / "list.keys")
        self.made.worker()
        self.ingest = self._stack.enter_context(serving(self.world))
        self.made.workers[-1].wait_ready()

    def stop(self):
        self._stack.close()
        self._stack = contextlib.ExitStack()
        if self.made.workers and self.made.workers[-1].process.poll() is None:
            self.made.workers[-1].stop()

    def close(self):
        logging.getLogger().removeHandler(self.log)
        self.stop()

    def post(self, path, body, agency):
        answer = self.ingest.call("POST", path, json=body, **officer(agency))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def load(self, agency, text, **fields):
        code = SHIPPED[agency].lists[0].code
        answer = self.ingest.run(self.world.load(code, text, agency=agency, **fields))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def replace_key(self):
        """Make a new key the current one, the older one still opens, and start everything again."""
        self.stop()
        with (self.folder / "list.keys").open("a") as keys:
            keys.write("k2 " + base64.b64encode(NEW_KEY).decode() + "\n")
        self.start()

    def entries(self):
        """Every entry of the newest buckets and partial plates, by id and first version, as the matchers have them."""
        newest = {}
        for topic, decode in (
            ("hotlist", wire.decode_bucket),
            ("hotlist.partials", lambda *m: (wire.decode_partial(*m),)),
        ):
            for _, _, key, value, headers in self.ingest.lying(topic):
                newest[topic, key] = decode(value, headers) if value is not None else ()
        return {(one.entry_id, one.from_version): one for found in newest.values() for one in found}

    def hit_of(self, agency, text):
        ends, reads = time.monotonic() + 30, {}
        while time.monotonic() < ends:
            read = self.made.make_read(text, agency=agency)
            reads[read.read_id] = read
            self.made.send_reads(read)
            found = self.made.wait(lambda: [h for h in self.made.hits() if h.read.read_id in reads], timeout=0.5)
            if found:
                return found[0]
        raise AssertionError("no hit")

    def stores(self):
        return asyncio.run(self._files()) | asyncio.run(self._topics()) | self._logs()

    async def _files(self):
        """The files of every table as they lie on the disk: rows that were deleted are in them still."""
        connection = await asyncpg.connect(self.database.admin)
        try:
            await connection.execute("CHECKPOINT")
            rows = await connection.fetch(
                """SELECT n.nspname || '.' || c.relname AS name, pg_read_binary_file(pg_relation_filepath(c.oid)) AS held
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 't', 'i') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                    AND pg_relation_size(c.oid) > 0"""
            )
            found = {f"file of {row['name']}": row["held"] for row in rows}
            for row in await connection.fetch(  # and as they are read: a long value lies compressed on the disk
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
                " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            ):
                held = bytearray()

                async def keep(data, held=held):
                    held.extend(data)

                table = f"{row['table_schema']}.{row['table_name']}"
                await connection.copy_from_query(f"SELECT * FROM {table}", output=keep, format="binary")
                found[f"table {table}"] = bytes(held)
        finally:
            await connection.close()
        return found

    async def _topics(self):
        consumer = AIOKafkaConsumer(
            **self.world.kafka.client_params(), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            prefix = self.world.kafka.topic_prefix
            parts = [
                TopicPartition(topic["topic"], part["partition"])
                for topic in await self._described(prefix)
                for part in topic["partitions"]
            ]
            names = {part.topic for part in parts}
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            found = {f"topic {name.removeprefix(prefix)}": b"" for name in names}
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for part, records in (await consumer.getmany(timeout_ms=200)).items():
                    kept = [(r.key or b"") + b"\0" + (r.value or b"") + repr(r.headers).encode() for r in records]
                    found[f"topic {part.topic.removeprefix(prefix)}"] += b"\n".join(kept)
            return found
        finally:
            await consumer.stop()

    async def _described(self, prefix):
        admin = AIOKafkaAdminClient(**self.world.kafka.client_params())
        await admin.start()
        try:
            return await admin.describe_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
        finally:
            await admin.close()

    def _logs(self):
        found = {"log of ingest": "\n".join(self.log.kept).encode()}
        for path in self.folder.rglob("*"):
            if path.is_file():
                found[f"file {path.relative_to(self.folder)}"] = path.read_bytes()
        return found


def officer(agency):
    needs = SHIPPED[agency].access.training
    tags = {f"{need.tag}@{need.context}" if need.context else need.tag for need in needs}
    return {"agency": agency, "roles": ("officer",), "who": {"category": "sworn", "training": tuple(tags)}}


@pytest.fixture(scope="module")
def scene(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    with (
        matcher_world.world(kafka_bootstrap, folder, agencies=AGENCIES) as made,
        postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database),
    ):
        one = Scene(database, made, folder)
        try:
            one.start()
            yield one
        finally:
            one.close()


@pytest.fixture(scope="module")
def entered(scene):
    """A list, a hot plate and a partial plate of every agency, each with what must not be read; answers their hits."""
    hits = {}
    for agency in AGENCIES:
        scene.load(agency, list_file(agency), permissible_use=USE)
        ends = rfc3339(scene.ingest.now() + timedelta(hours=2))
        told = {name: planted(agency, "hot", name) for name in ("case_number", "synopsis", "registered_owner")}
        told |= {"contact_phone": f"TEST-PII-{agency}-phone", "permissible_use": USE, "also_entered_in": []}
        hot = {"plate": plate(agency, "hot"), "state": "US-CA", "expires_at": ends} | told
        scene.post("/v1/hot-plates", hot, agency)
        part = {
            "pattern": plate(agency, "partial")[:-2] + "?7", "expires_at": ends, "crime_type": "homicide",
            "case_number": planted(agency, "partial", "case_number"), "reason": planted(agency, "partial", "synopsis"),
            "purpose_code": SHIPPED[agency].purposes[0].code,
        }  # fmt: skip
        scene.post("/v1/partial-plates", part, agency)
    for agency in AGENCIES:
        for door in ("list", "hot", "partial"):
            hits[agency, door] = scene.hit_of(agency, plate(agency, door))
            scene.made.notifications_of(hits[agency, door], count=1)
        shown = scene.ingest.call("GET", "/v1/hot-plates", **officer(agency)).json()["hot_plates"]
        assert [one["synopsis"] for one in shown] == [planted(agency, "hot", "synopsis")]
    assert scene.made.settled()
    scene.ingest.until(lambda: scene.ingest.rows("SELECT count(*) FROM ingest.outbox")[0][0] == 0)
    return hits


@pytest.fixture(scope="module")
def carried(scene, entered):
    """A mobile unit of every agency that has pulled its lists into a file."""
    verifier = note_verifier(SIGNER, scene.world.package_key.public)
    for agency in AGENCIES:
        device = scene.world.device(f"{agency}-car", kind="mobile", position=None)
        assert scene.ingest.call("POST", "/v1/devices", agency=agency, json=device).status_code == 201
        url = str(scene.world.http.base_url)
        with httpx.Client(timeout=60) as http, DeviceCopy.open(scene.folder / f"copy-{agency}") as copy:
            Unit(http, url, f"{agency}-car", scene.world.device_key, verifier).pull(copy)
            assert sum(one.entries for one in copy.lists()) == 2
    return verifier


@pytest.fixture(scope="module")
def kept(scene, entered, carried):
    return scene.stores()


@pytest.mark.requirement("HOT-12")
@every_agency
def test_no_store_topic_or_log_holds_what_is_told_of_a_vehicle(scene, entered, kept, agency):
    for door in ("list", "hot", "partial"):
        hit = entered[agency, door]
        opened = scene.world.list_keys.open(hit.entry_sealed, hit.entry_key_id, entry_id=hit.entry_id)
        assert planted(agency, door, "case_number").encode() in opened  # who has the key reads it
    for door, name, store in (
        ("list", "list", "table ingest.entries"), ("list", "list", "topic hotlist"), ("hot", "hot", "topic hits"),
        ("hot", "hot", "file of ingest.entered"), ("hot", "hot", "topic notifications"),
        ("list", "list", f"file copy-{agency}"), ("hot", "hot", f"file copy-{agency}"),
    ):  # fmt: skip
        assert plate(agency, name).encode() in kept[store], (door, store)
    for needle in written(f"TEST-PII-{agency}"):
        assert [name for name, held in kept.items() if needle in held] == []


def test_the_search_finds_what_stands_in_the_open():
    text = "TEST-PII-irvine"
    ways = written(text)
    for number, held in enumerate((
        text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode().hex().encode(),
        base64.b64encode(b"ab" + text.encode() + b"c"), base64.b64encode(b"a" + text.encode()),
        base64.b64encode(text.encode() + b"xyz"),
    )):  # fmt: skip
        assert any(way in held for way in ways), number
    assert all(len(way) >= 12 for way in ways)


@pytest.mark.requirement("HOT-12")
def test_a_replaced_key_seals_everything_anew_and_no_hit_changes(scene, entered, kept):
    """The older key can be destroyed then: same entries, same versions, same hits, and nobody is told again."""
    before, hits = scene.entries(), {hit.hit_id for hit in scene.made.hits()}
    told = {note.notification_id for note in scene.made.notifications()}
    in_force = "SELECT agency, code, version FROM ingest.hotlists ORDER BY 1, 2"
    versions = scene.ingest.rows(in_force)
    scene.replace_key()
    sealed = "SELECT entry_id, sealed, key_id FROM ingest."
    rows = lambda: scene.ingest.rows(f"{sealed}entries UNION ALL {sealed}entered")  # noqa: E731
    scene.ingest.until(lambda: {row["key_id"] for row in rows()} == {"k2"})
    scene.ingest.until(lambda: {one.key_id for one in scene.entries().values()} == {"k2"})
    after, alone = scene.entries(), ListKeys({"k2": NEW_KEY}, "k2")
    spans = {name: one.until_version for name, one in before.items()}
    assert {name: one.until_version for name, one in after.items()} == spans
    assert len(after) == 3 * len(AGENCIES)
    assert scene.ingest.rows(in_force) == versions
    kept_and_sent = [(str(row["entry_id"]), row["sealed"]) for row in rows()]
    kept_and_sent += [(one.entry_id, one.sealed) for one in after.values()]
    for entry_id, held in kept_and_sent:  # who has only the new key opens everything
        assert b"TEST-PII" in alone.open(held, "k2", entry_id=entry_id)
    scene.made.send_reads(*(hit.read for hit in entered.values()))  # the very same reads, judged once more
    assert scene.made.settled()
    again = scene.made.hits()
    assert {hit.hit_id for hit in again} == hits
    assert not [hit for hit in again if hit.withdrawn_at is not None]
    assert {note.notification_id for note in scene.made.notifications()} == told
    assert scene.hit_of("irvine", plate("irvine", "list")).entry_key_id == "k2"
    report = scene.load("irvine", list_file("irvine"), permissible_use=USE)
    assert (report["unchanged"], report["changed"], report["added"]) == (1, 0, 0)
