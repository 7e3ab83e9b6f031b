"""After a purge the bytes of a purged plate are nowhere: not in the database's files, the object store or the logs."""

import asyncio
import io
import logging
import re
import secrets
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.local import LocalKafka, LocalPostgres
from alpr_cli.settle import settle
from alprcore import wire
from alprcore.kafka import KafkaSettings, Message, Publisher, create_topics, load_topic_specs
from alprcore.model import to_us
from alprcore.ops import _JsonLines
from alprcore.topics import Topic
from tests.fixtures.console import make_notification
from tests.fixtures.desk import desk
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read, utc_now
from tests.fixtures.hit_work import HitWork
from tests.fixtures.postgres import _database, run_sql
from tests.fixtures.purges import answers_in
from tests.fixtures.state import state_folder

LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
_FORGETFUL = (  # what an operator's log archive keeps is the operator's; here every old segment goes at a checkpoint
    "ALTER SYSTEM SET wal_recycle = off",
    "ALTER SYSTEM SET min_wal_size = '32MB'",
    "SELECT pg_reload_conf()",
)


def planted(number):
    """A plate of as many characters as a plate may have, and not likely to stand anywhere by chance."""
    return f"8T{secrets.token_hex(3).upper()}{number}".replace("E", "X")


def found(folder, *plates):
    """Which of the plates stand in any file below a folder, with the first such file."""
    any_of, where = re.compile(b"|".join(plate.encode() for plate in plates)), {}
    for path in sorted(folder.rglob("*")):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # a log segment that went meanwhile
            continue
        for plate in {plate.decode() for plate in any_of.findall(data)}:
            where.setdefault(plate, str(path.relative_to(folder)))
    return where


def plates_of(read):
    return read.plate.reveal()


class _Sent:
    """Takes what the console's outbox holds."""

    def __init__(self):
        self.rows = []

    async def send_raw(self, topic, *, key, value, headers):
        return self._done()

    async def send(self, topic, *, key, value, headers, **_):
        return self._done()

    async def publish(self, topic, *, key, value, headers, **_):
        return None

    async def _done(self):
        return None


@pytest.mark.requirement("RET-06", partial="a hold's own row names what it holds; see test_retention for the counts")
@pytest.mark.requirement("RET-10", partial="every live store; a restore is in the tests of purges")
@pytest.mark.requirement("SEC-07", partial="searches and pages are in their own tests")
def test_no_byte_of_a_purged_plate_is_left_in_files_objects_or_logs(tmp_path):
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(_JsonLines("test"))
    logging.getLogger().addHandler(handler)
    try:
        with state_folder() as folder, LocalPostgres(folder, durable=False) as dsn:
            asyncio.run(run_sql(dsn, *_FORGETFUL))
            with _database(dsn, "trace") as (_, database):
                database.prepare()
                database.migrate()
                asyncio.run(_purged(database, folder, tmp_path, log))
    finally:
        logging.getLogger().removeHandler(handler)


async def _purged(database, folder, tmp_path, log):
    (tmp_path / "desk").mkdir()
    async with (
        Doors(database, tmp_path, retention={"purge_doors": "console"}) as doors,
        desk(database, tmp_path / "desk") as made,
    ):
        reads = [make_read(planted(n), number=n, captured_at=LONG_AGO + timedelta(minutes=n)) for n in range(40)]
        reads = [await doors.with_images(read, JPEG + plates_of(read).encode()) for read in reads]
        hits = [make_hit(read) for read in reads]
        await doors.keep(*reads, hits=hits)
        work = HitWork(made)
        for hit in hits:
            await made.console.hits.put_notification(make_notification(hit), made.now)
        made.now = LONG_AGO + timedelta(minutes=50)
        for hit in hits[:5]:
            dispatcher = work.person("dispatcher", "demo")
            await work.post(hit, "presented", dispatcher, {"sound": True, "screen": True})
            await work.check(hit, dispatcher)
        at = to_us(LONG_AGO) // 1000
        nobodys = Message("frames.dlq", 0, 6, b"", plates_of(reads[3]).encode(), {"dlq-topic": b"frames"}, at)
        for letter in (_letter(reads[1]), nobodys):
            await doors.parts.quarantine.take(letter)
        assert len(await made.sql("SELECT 1 FROM retention.frame_quarantine")) == 2
        told = await doors.shelf.get("/v1/retention/quarantine", headers=doors.auth(roles=("custodian",)))
        assert [(one["topic"], one["reason_code"]) for one in told.json()["letters"]] == [("reads", "FIELD_INVALID")]
        for roles, path, status in (
            (("investigator",), "", 403),
            (("custodian",), "?after=no-id", 404),
            (("custodian",), f"?after={told.json()['letters'][0]['letter_id']}", 200),
        ):
            answer = await doors.shelf.get(f"/v1/retention/quarantine{path}", headers=doors.auth(roles=roles))
            assert answer.status_code == status, answer.text
        held, gone = reads[0], reads[1:]
        body = {"ground": "evidence", "case_number": "26-77", "read_ids": [held.read_id]}
        answer = await doors.shelf.post("/v1/holds", json=body, headers=doors.auth())
        assert answer.status_code in {201, 202}, answer.text
        await doors.house.note_days()

        await run_sql(database.admin, "CHECKPOINT")
        plates = [plates_of(read) for read in gone]
        assert found(folder, *plates).keys() == set(plates)  # before: every one of them
        assert found(tmp_path, *plates) == {}  # images are sealed from the start

        made.now = utc_now()
        run_id = await doors.purges.purge()
        while await doors.parts.outbox.relay(doors.heard):
            pass
        orders = [(value, headers) for topic, _, value, headers in doors.heard.messages if topic is Topic.PURGES]
        for offset, (value, headers) in enumerate(orders):
            await made.console.purges.take(Message("purges", 0, offset, b"demo", value, headers, 0))
        rows = await made.sql("SELECT topic, value, headers FROM console.outbox ORDER BY outbox_id")
        for number, told in enumerate(answers_in(rows)):
            headers = wire.headers_for(Topic.PURGE_ANSWERS, id=str(number), source="console", time=told.answered_at)
            value = wire.encode_purge_answer(told)
            message = Message("purge.answers", 0, number, b"", value, dict(headers), 0)
            await doors.purges.accounts.take_answer(message)
        await doors.purges.accounts.settle()
        (run,) = await doors.purges.accounts.runs("demo", run_id)
        assert run["state"] == "complete", run
        await made.console.outbox.relay(_Sent())
        await made.sql("DELETE FROM console.outbox")  # relayed

        assert await made.sql("SELECT 1 FROM retention.frame_quarantine") == []
        async with made.pool.acquire() as reader, reader.transaction():  # somebody looks at hits meanwhile
            await reader.fetch("SELECT 1 FROM console.hits")
            assert (await settle(database.admin, patience_ms=50))[1] == ["console.hits"]
        done, busy = await settle(database.admin)
        assert {"console.hits", "console.notifications", "retention.reads_held"} <= set(done)
        assert busy == []
        assert found(folder, *plates) == {}
        assert found(tmp_path, *plates) == {}
        assert [plate for plate in plates if plate in log.getvalue()] == []
        # what is held is kept, in the database and on the console: the search does find what is there
        assert found(folder, plates_of(held)).keys() == {plates_of(held)}
        assert len(await made.sql("SELECT 1 FROM console.hits WHERE hit_id = $1", hits[0].hit_id)) == 1


def _letter(read):
    """The read as a dead letter of long ago."""
    headers = dict(wire.headers_for(Topic.READS, id=read.read_id, source="/test", time=read.read_at))
    headers |= {"dlq-topic": b"reads", "dlq-code": b"FIELD_INVALID", "dlq-service": b"matcher"}
    at = to_us(LONG_AGO) // 1000
    return Message("reads.dlq", 0, 5, b"", wire.encode_read(replace(read, revision=2)), headers, at)


@pytest.mark.long
@pytest.mark.requirement("RET-11", partial="what the broker lets go; the check at the start is in test_streams_kept")
def test_no_byte_of_a_plate_is_left_in_the_broker_s_folder_when_its_topics_let_go(monkeypatch, tmp_path):
    from alpr_cli import local

    where = tmp_path / "broker"
    shutil.copytree(local.deploy_dir(), where)
    with (where / "server.properties").open("a") as properties:  # what takes minutes and hours takes seconds here
        properties.write(
            "\nlog.retention.check.interval.ms=500\nlog.initial.task.delay.ms=100\nlog.segment.delete.delay.ms=100\n"
        )
    monkeypatch.setattr(local, "deploy_dir", lambda: where)
    with state_folder() as folder, LocalKafka(folder, durable=False) as bootstrap:
        asyncio.run(_let_go(KafkaSettings(bootstrap=bootstrap), folder))


async def _let_go(settings, folder):
    names = {"reads", "hits", "notifications"}
    specs = [spec for spec in load_topic_specs() if spec.name.removesuffix(".dlq") in names]
    short = {"retention.ms": "4000", "segment.ms": "1000"}
    await create_topics(settings, [replace(spec, config={**spec.config, **short}) for spec in specs])
    read = make_read(planted(1))
    hit = make_hit(read)
    sent = {
        Topic.READS: wire.encode_read(read), Topic.HITS: wire.encode_hit(hit),
        Topic.NOTIFICATIONS: wire.encode_notification(make_notification(hit)),
    }  # fmt: skip
    async with Publisher(settings) as publisher:
        for topic, value in sent.items():
            for name in (topic.value, f"{topic.value}.dlq"):
                await (await publisher.send_raw(name, key=b"k", value=value, headers=[]))
        plate = read.plate.reveal()
        assert found(folder / "kafka", plate)
        async with asyncio.timeout(60):
            while found(folder / "kafka", plate):
                await asyncio.sleep(0.5)
