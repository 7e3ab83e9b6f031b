"""A backup comes back into a fresh stack: the ledger verifies, purged days stay purged, nothing opens without the key."""

import asyncio
import contextlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata

from alpr_cli import verify
from alpr_cli.backup import returning, rules, sealing, taking
from alpr_cli.doctor.found import Found
from alpr_cli.main import main
from alpr_cli.roles import Database
from alpr_retention.store import ImageKeys
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.kafka import KafkaSettings, Publisher, create_topics, load_topic_specs, partitions_of
from alprcore.objects import ImageStore
from alprcore.seal import SigningKey, note_verifier
from alprcore.topics import Topic
from alprcore.wire import headers_for
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read
from tests.fixtures.postgres import SECRET, run_sql

LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
ORIGIN = "plateline.test/ledger"


@pytest.fixture
def empty_database(pg_admin_dsn):
    """The URL of a new, empty database on the same server, and what its roles' passwords are made of."""
    name = "alpr_restored"
    asyncio.run(run_sql(pg_admin_dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}"))
    yield urlunsplit(urlsplit(pg_admin_dsn)._replace(path=f"/{name}"))
    asyncio.run(run_sql(pg_admin_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def settings_of(folder, doors):
    """What `alpr prepare` would have written for audit and retention, below `folder`."""
    for service, values in (
        ("audit", {"ledger_key_file": doors.ledger_key_file, "checkpoint_file": doors.folder / "checkpoint"}),
        ("console", {"person_key_file": doors.folder / "keys" / "person.key"}),
        (
            "retention",
            {"image_keys_dir": doors.folder / "image-keys", "objects_url": (doors.folder / "images").as_uri()},
        ),
    ):
        (folder / service).mkdir(parents=True)
        (folder / service / "settings.yaml").write_text(
            json.dumps({name: str(value) for name, value in values.items()})
        )
    return folder


async def build_up(doors):
    """Reads of several kinds, a hold, and questions on the ledger; answers the reads."""
    gone = await doors.with_images(make_read("8TST001", captured_at=LONG_AGO))
    held = await doors.with_images(make_read("8TST002", number=2, captured_at=LONG_AGO + timedelta(days=3)))
    late = await doors.with_images(make_read("8TST003", number=3, captured_at=LONG_AGO + timedelta(days=9)))
    fresh = await doors.with_images(make_read("9NEW001", number=4))
    await doors.keep(gone, held, late, fresh, hits=[make_hit(fresh)])
    body = {
        "ground": doors.profiles["demo"].retention.hold_grounds[0],
        "case_number": "26-77",
        "read_ids": [held.read_id],
    }
    answer = await doors.shelf.post("/v1/holds", json=body, headers=doors.auth())
    assert answer.status_code == 201, answer.text
    assert (await doors.ask({"plate": "9NEW001"})).status_code == 200
    return gone, held, late, fresh


@pytest.mark.requirement("RET-10")
def test_a_backup_comes_back_into_a_fresh_stack(pg_database, empty_database, tmp_path, monkeypatch, capsys):
    first, second, safe = tmp_path / "first", tmp_path / "second", tmp_path / "safe"
    first.mkdir(), second.mkdir()
    for name in ("alice", "bob"):
        assert verify.main(["custodian-key", name, str(tmp_path / f"{name}.key")]) == 0
    custodians = tuple(
        note_verifier(name, SigningKey.load(tmp_path / f"{name}.key").public) for name in ("alice", "bob")
    )
    recipient = sealing.new_key(safe / "backup.key")
    monkeypatch.setenv("DATABASE_URL", pg_database.admin)
    asyncio.run(_lived(pg_database, first, tmp_path, recipient))

    (second / "keys").mkdir()
    (second / "keys" / "database.secret").write_text(SECRET)  # roles belong to the server, which other tests share
    # the machine is lost: database, images, keys, and with them everything that only it had
    shutil.rmtree(first)
    monkeypatch.setenv("DATABASE_URL", empty_database)
    target = (second / "images").as_uri()
    words = ["restore", "--from", str(tmp_path / "backup"), "--key", str(safe / "backup.key"), "--images", target]
    words += ["--keys-from", str(tmp_path / "escrow"), "--authority", str(second / "keys")]
    words += ["--image-keys", str(second / "image-keys"), "--ledger", str(second)]
    capsys.readouterr()
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "4 reads" in told
    assert "custodians" in told  # entries were signed after the backup: nobody goes on quietly
    assert main(words) == 78  # and nothing is overwritten
    database = Database(empty_database, (second / "keys" / "database.secret").read_text())
    asyncio.run(_came_back(database, second, tmp_path, custodians))


async def _lived(database, folder, tmp_path, recipient):
    """A backup, and what happened after it: a purge, a question, the nightly copy of the keys."""
    async with Doors(database, folder) as doors:
        settings = settings_of(tmp_path / "settings", doors)
        gone, *_ = await build_up(doors)
        taken = await taking.take(
            database.admin, (folder / "images").as_uri(), tmp_path / "backup", sealing.read_key(recipient), doors.now()
        )
        assert (taken.manifest.facts.reads, taken.manifest.facts.hits, taken.manifest.images) == (4, 1, 8)
        assert b"9NEW001" not in (taken.folder / "database.sealed").read_bytes()
        run = await doors.purge()
        assert (run["totals"]["reads"], run["totals"]["held"]) == (2, 1)
        assert doors.parts.images.keys.destroyed("demo", doors.due(gone).isoformat())
        assert (await doors.ask({"plate": "8TST002"})).json()["rows"]
        words = [
            "backup",
            "keys",
            "--settings",
            str(settings),
            "--recipient",
            recipient,
            "--to",
            str(tmp_path / "backup"),
        ]
        assert await asyncio.to_thread(main, [*words, "--keys-to", str(tmp_path / "escrow")]) == 78  # one disk
        assert await asyncio.to_thread(main, [*words, "--keys-to", str(tmp_path / "escrow"), "--same-disk"]) == 0


async def _came_back(database, folder, tmp_path, custodians):
    with contextlib.suppress(Exception):  # the ledger would fork: it refuses to go on
        async with asyncio.timeout(5):
            async with Doors(database, folder, custodians=custodians):
                pytest.fail("a restored ledger went on under its name")
    order = folder / "checkpoint.rollover"
    words = ["rollover", database.admin, str(order), "--origin", ORIGIN, "--reason", "the machine was lost"]
    assert await asyncio.to_thread(verify.main, [*words, "--checkpoint", str(folder / "checkpoint")]) == 0
    for name in ("alice", "bob"):
        words = ["sign-rollover", str(order), "--name", name, "--secret", str(tmp_path / f"{name}.key")]
        assert await asyncio.to_thread(verify.main, words) == 0
    async with Doors(database, folder, custodians=custodians) as doors:
        refused = await doors.ask({"plate": "9NEW001"})
        assert refused.status_code == 503, refused.text  # RET-10: first the purges of before
        await doors.purges.vouch()
        assert (await doors.ask({"plate": "9NEW001"})).json()["rows"], "what is kept is answered"
        assert (await doors.ask({"plate": "8TST001"})).json()["rows"] == []
        plates = {row[0] for row in await doors.sql("SELECT plate FROM retention.reads")}
        assert plates == {"8TST002", "9NEW001"}, "purged days stay purged, what was held is held"
        for row in await doors.sql("SELECT images FROM retention.reads"):
            assert [await doors.parts.images.open("demo", image) for image in json.loads(row[0])] == [JPEG, JPEG]
        keys = doors.parts.images.keys
        due = (LONG_AGO.replace(year=LONG_AGO.year + 1)).date()
        assert [name for name in keys.names("demo", "") if name.startswith(str(due.year))] == []
        assert len(keys.destroyed_days()) >= 2
        assert await doors.parts.images.objects.count(f"closeup/demo/{due}") == 0
    key = note_verifier(f"{ORIGIN}/epoch-2", doors.audit.writer._key.public)
    words = ["verify", database.admin, "--key", key, "--checkpoint", str(folder / "checkpoint")]
    assert await asyncio.to_thread(verify.main, words) == 0


def test_a_backup_opens_with_its_key_only_and_tells_of_every_change(pg_database, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", pg_database.admin)
    recipient = sealing.new_key(tmp_path / "backup.key")
    other = tmp_path / "other.key"
    sealing.new_key(other)
    with pytest.raises(FileExistsError):
        sealing.new_key(other)

    async def kept():
        async with Doors(pg_database, tmp_path) as doors:
            await doors.keep(make_read("8QQQ777"))

    asyncio.run(kept())
    folder = tmp_path / "backup"
    words = ["backup", "run", "--to", str(folder), "--recipient", recipient, "--images", "none"]
    assert main(words) == 0
    (name,) = taking.sets_in(folder)
    file = folder / "sets" / name / "database.sealed"
    assert b"8QQQ777" not in file.read_bytes()
    check = ["backup", "check", "--to", str(folder)]
    assert main(check) == 0
    assert main([*check, "--key", str(tmp_path / "backup.key")]) == 0
    assert main([*check, "--key", str(other)]) == 30
    content = file.read_bytes()
    for at in (10, len(content) // 2, len(content) - 1):  # header, content, last chunk
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert main(check) == 30
        assert not opens(file, tmp_path / "backup.key")
    file.write_bytes(content[:-1])
    assert not opens(file, tmp_path / "backup.key")
    manifest = file.with_name("manifest.json")
    told = manifest.read_text()
    file.write_bytes(content)
    manifest.write_text(told.replace('"reads": 1', '"reads": 2'))
    assert opens(file, tmp_path / "backup.key") == rules.Facts(**json.loads(told)["facts"]), (
        "facts are bound to the copy"
    )
    assert (
        main(["backup", "run", "--to", str(folder), "--recipient", recipient, "--images", "none", "--keep-days", "36"])
        == 78
    )
    assert "RET-10" in capsys.readouterr().err
    near = [
        "backup",
        "run",
        "--to",
        str(folder),
        "--recipient",
        recipient,
        "--images",
        "none",
        "--keys-to",
        str(folder / "k"),
    ]
    assert main(near) == 78


def opens(file, key):
    """The facts of a sealed file when the whole of it opens; None when it does not."""
    try:
        with file.open("rb") as opened:
            _, facts, pieces = sealing.open_sealed(opened, sealing.read_key(key))
            for _ in pieces:
                continue
    except InvalidMessage:
        return None
    return rules.decode_facts(facts)


def test_sealed_files_of_every_length_come_back(tmp_path):
    recipient = sealing.read_key(sealing.new_key(tmp_path / "k"))
    private = sealing.read_key(tmp_path / "k")
    for length in (0, 1, sealing.CHUNK - 1, sealing.CHUNK, sealing.CHUNK + 1, 2 * sealing.CHUNK, 2 * sealing.CHUNK + 5):
        content = bytes([length % 251]) * length
        with sealing.Sealer(tmp_path / "f", "n", b"{}", recipient) as sealer:
            for start in range(0, length, 300_000):
                sealer.write(content[start : start + 300_000])
            digest = sealer.finish()
        assert sealing.digest_of(tmp_path / "f") == (sealer.size, digest)
        with (tmp_path / "f").open("rb") as file:
            name, facts, pieces = sealing.open_sealed(file, private)
            assert (name, facts, b"".join(pieces)) == ("n", b"{}", content)


def test_a_mirror_of_images_follows_what_is_purged(tmp_path):
    async def mirrored():
        source = ImageStore((tmp_path / "a").as_uri())
        target = ImageStore((tmp_path / "b").as_uri())
        await source.put("closeup/demo/2026-01-01/one.jpg", b"1")
        await source.put("closeup/demo/2026-01-02/two.jpg", b"22")
        assert await taking.mirror(source, target) == taking.Mirrored(await source.sizes(), copied=2, gone=0)
        await source.delete("closeup/demo/2026-01-01/one.jpg")
        assert (await taking.mirror(source, target)).gone == 1
        assert await target.sizes() == {"closeup/demo/2026-01-02/two.jpg": 2}
        await source.delete("closeup/demo/2026-01-02/two.jpg")
        with pytest.raises(Misconfigured, match="is it the right one"):  # a disk that was not mounted
            await taking.mirror(source, target)
        assert await target.sizes() == {"closeup/demo/2026-01-02/two.jpg": 2}
        with pytest.raises(Misconfigured, match="not there"):
            await taking.take_images((tmp_path / "nowhere").as_uri(), tmp_path / "c")
        assert not (tmp_path / "nowhere").exists()
        assert (await taking.mirror(source, target, prune=True)).gone == 1

    asyncio.run(mirrored())


def test_a_destroyed_key_never_comes_back(tmp_path):
    live = ImageKeys(tmp_path / "live")
    live.ensure("demo", "2026-01-01"), live.ensure("demo", "2026-01-02")
    recipient = sealing.read_key(sealing.new_key(tmp_path / "k"))
    found = Found({"retention": {"image_keys_dir": str(tmp_path / "live")}}, None)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    taking.take_keys(found, tmp_path / "escrow", recipient, now)
    old = (tmp_path / "escrow" / "keys.sealed").read_bytes()
    live.destroy("demo", "2026-01-01")
    taking.take_keys(found, tmp_path / "escrow", recipient, now)
    private, fresh = sealing.read_key(tmp_path / "k"), ImageKeys(tmp_path / "fresh")
    returning.bring_keys(tmp_path / "escrow", private, {"image-keys": tmp_path / "fresh"})
    assert fresh.private("demo", "2026-01-01") is None
    assert fresh.destroyed("demo", "2026-01-01")
    assert fresh.private("demo", "2026-01-02") == live.private("demo", "2026-01-02")
    (tmp_path / "live").rename(tmp_path / "away")  # the folder of keys is not mounted
    for _ in range(2):
        with pytest.raises(Misconfigured):
            taking.take_keys(Found({**found.settings, "audit": {"ledger_key_file": str(tmp_path / "k")}}, None),
                             tmp_path / "escrow", recipient, now)  # fmt: skip
        (tmp_path / "live").mkdir(exist_ok=True)  # or it is, and empty
    (tmp_path / "escrow" / "keys.sealed").write_bytes(old)  # an older copy of the keys, kept against the rules
    returning.bring_keys(tmp_path / "escrow", private, {"image-keys": tmp_path / "fresh"})
    assert fresh.private("demo", "2026-01-01") is None
    assert list((tmp_path / "fresh" / "demo").glob("2026-01-01.key")) == []


def test_consumers_of_a_broker_that_survived_read_again_from_a_moment(kafka_bootstrap, topics_prefix):
    async def rewound():
        settings = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topics_prefix)
        await create_topics(settings, load_topic_specs(), agencies=["demo", "irvine"])
        async with Publisher(settings) as publisher:
            for number in range(6):
                headers = headers_for(Topic.READS, id=str(number), source="/test", time=datetime.now(UTC))
                await publisher.publish(Topic.READS, key="8TST001", value=b"x", headers=headers)
                if number == 3:
                    await asyncio.sleep(0.02)
                    moment = datetime.now(UTC)
        partitions = await partitions_of(settings, [topics_prefix + "reads"])
        consumer = AIOKafkaConsumer(**settings.client_params(), group_id="alpr-retention", enable_auto_commit=False)
        await consumer.start()
        try:
            never = await returning.rewind(settings, moment)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.commit({one: OffsetAndMetadata(end, "") for one, end in ends.items()})
            told = await returning.rewind(settings, moment)
            kept = [await consumer.committed(one) for one in partitions]
            later = await returning.rewind(settings, datetime.now(UTC) + timedelta(hours=1))
        finally:
            await consumer.stop()
        return never, told, sum(kept), later

    never, told, kept, later = asyncio.run(rewound())
    assert set(never.values()) == {0}, "who never read begins by itself"
    assert {group: count for group, count in told.items() if count} == {"alpr-retention": 2}
    assert kept == 4
    assert set(later.values()) == {0}, "nobody is set forward"
    assert set(told) >= {"alpr-retention", "alpr-retention-letters", "alpr-console", "alpr-console-cad", "alpr-audit"}
    groups = returning.groups_of(load_topic_specs(), ["cad.demo.status", "cad.irvine.status", "reads", "reads.dlq"])
    assert groups["alpr-console-cad"] == ["cad.demo.status", "cad.irvine.status"]
    assert groups["alpr-retention-letters"] == ["reads.dlq"]
    assert "alpr-matcher" not in groups
