"""A broker as operators should run it: TLS, SCRAM and certificates, and each principal with what the table grants.

Every cell of principal x topic or group x operation is asked of the broker by a request that does it.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ClusterAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from alpr_cli.main import main
from alpr_recognizer.settings import Settings as RecognizerSettings
from alprcore.access import On, Operation, access_table
from alprcore.errors import Transient
from alprcore.kafka import (
    KafkaSettings,
    Plaintext,
    Publisher,
    Sasl,
    Tls,
    existing_topics,
    load_topic_specs,
    rules_of,
    settle_accounts,
    settle_rules,
    settle_topics,
)
from alprcore.kafka import admin as kafka_admin
from alprcore.topics import Topic
from tests.fixtures.secured import ADMIN, SecuredKafka
from tests.fixtures.state import state_folder

NAMES = {"agencies": ["alder", "birch"], "fleets": ["north", "south"], "witnesses": ["court"]}
TABLE = access_table(load_topic_specs(), **NAMES)
FOREIGN = "payroll"
"""A topic of somebody else on the same cluster."""
STRANGER = "stranger"
"""An account that is in no table."""
UNKNOWN_MEMBER = 25
DENIED_TOPIC, DENIED_GROUP, DENIED_TRANSACTION = 29, 30, 53


@pytest.fixture(scope="module")
def broker():
    with state_folder() as folder:
        kafka = SecuredKafka(folder)
        with kafka:
            assert kafka.set_up(**NAMES) == 0
            asyncio.run(furnish(kafka))
            yield kafka


async def furnish(kafka):
    """Somebody else's topic, and an account without any rule."""
    admin = kafka.by_certificate(ADMIN)
    async with client(admin) as asked:
        await asked.create_topics([NewTopic(FOREIGN, 1, 1)])
        _, groups = everything()
        async with asyncio.timeout(60):  # the first question makes the topic in which groups are kept
            while not await answered(asked, groups):
                await asyncio.sleep(0.2)
    passwords = kafka.folder.parent / "strangers"
    passwords.write_text("no rule for this one")
    await settle_accounts(admin, {STRANGER: passwords.read_text()})


async def answered(admin, groups):
    for name in groups:
        told = await admin._send_request(FindCoordinatorRequest(name, 0))
        beat = await admin._send_request(HeartbeatRequest(name, 1, "nobody"))
        if told.error_code or beat.error_code != UNKNOWN_MEMBER:
            return False
    return True


@asynccontextmanager
async def client(settings):
    admin = AIOKafkaAdminClient(**settings.client_params())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def stranger(kafka):
    password = (kafka.folder.parent / "strangers").read_text()
    security = Sasl(ca_file=kafka.certificates.ca, username=STRANGER, password=password)
    return KafkaSettings(bootstrap=f"127.0.0.1:{kafka.scram}", security=security)


def batch():
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1000,
    )  # fmt: skip
    builder.append(0, int(time.time() * 1000), b"key", b"made by a test", [])
    return bytes(builder.build())


async def attempted(settings, topics, groups):
    """Do everything with every topic and group; answers the (on, name, operation) that the broker let pass."""
    done = set()

    def note(on, operation, codes, denied):
        done.update((on, name, operation) for name, code in codes.items() if code != denied)
        return {name: code for name, code in codes.items() if code not in (0, denied)}

    async with client(settings) as admin:
        seen = await admin._send_request(MetadataRequest(topics, allow_auto_topic_creation=False))
        codes = {topic[1]: topic[0] for topic in seen.topics}
        assert note(On.TOPIC, Operation.DESCRIBE, codes, DENIED_TOPIC) == {}

        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])
        codes = {one[3]: one[0] for answer in answers for one in answer.resources}
        assert note(On.TOPIC, Operation.DESCRIBE_CONFIGS, codes, DENIED_TOPIC) == {}

        wanted = ProduceRequest(None, -1, 20_000, [(name, [(0, batch())]) for name in topics])
        written = await admin._send_request(wanted)
        codes = {name: parts[0][1] for name, parts in written.topics}
        assert note(On.TOPIC, Operation.WRITE, codes, DENIED_TOPIC) == {}

        wanted = FetchRequest(0, 1, 1_000, 0, [(name, [(0, 0, 1_000)]) for name in topics])
        read = await admin._send_request(wanted)
        codes = {name: parts[0][1] for name, parts in read.topics}
        assert note(On.TOPIC, Operation.READ, codes, DENIED_TOPIC) == {}

        for name in groups:
            told = await admin._send_request(FindCoordinatorRequest(name, 0))
            assert note(On.GROUP, Operation.DESCRIBE, {name: told.error_code}, DENIED_GROUP) == {}
            beat = await admin._send_request(HeartbeatRequest(name, 1, "nobody"))
            unknown = note(On.GROUP, Operation.READ, {name: beat.error_code}, DENIED_GROUP)
            assert set(unknown.values()) <= {UNKNOWN_MEMBER}, "let in, and told that it is no member"
    return done


def granted(principal):
    """What the table lets a principal do: reading or writing shows that a thing is there."""
    return {(grant.on, grant.name, operation) for grant in principal.grants for operation in grant.operations}


def everything():
    grants = [grant for principal in TABLE for grant in principal.grants]
    topics = sorted({grant.name for grant in grants if grant.on is On.TOPIC})
    groups = sorted({grant.name for grant in grants if grant.on is On.GROUP})
    return [*topics, FOREIGN], [*groups, "another-group"]


@pytest.mark.requirement("SEC-01", partial="what the broker lets each account do; the database is in test_wire_tls")
def test_every_granted_cell_works_and_every_other_fails(broker):
    topics, groups = everything()

    async def ask():
        found = {one.name: await attempted(broker.by_password(one.name), topics, groups) for one in TABLE}
        return found, await attempted(stranger(broker), topics, groups)

    found, nobody = asyncio.run(ask())
    wrong = {
        one.name: {"table alone": granted(one) - found[one.name], "broker alone": found[one.name] - granted(one)}
        for one in TABLE
        if granted(one) != found[one.name]
    }
    assert wrong == {}
    assert nobody == set()
    assert len(TABLE) * (4 * len(topics) + 2 * len(groups)) > 2000, "cells that were asked"
    assert not {cell for cell in found["alpr-recognizer"] if cell[1].startswith(("notifications", "hotlist"))}


@pytest.mark.requirement("SEC-01")
def test_the_recognizer_s_account_reads_neither_lists_nor_notifications(broker, pg_database):
    """On the broker it is refused; in the database it has no account, and it is told no way there."""
    asked = ["frames", "notifications", "hits", "hotlist", "hotlist.partials"]
    for way in (broker.by_password("alpr-recognizer"), broker.by_certificate("alpr-recognizer")):
        done = asyncio.run(attempted(way, asked, []))
        assert (On.TOPIC, "frames", Operation.READ) in done, "what is its own it reads"
        assert {name for _, name, _ in done} == {"frames"}
    assert not [name for name in RecognizerSettings.model_fields if "database" in name]
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        asyncio.run(read_entries(pg_database.url("recognizer")))
    asyncio.run(read_entries(pg_database.url("ingest")))  # whose table it is


async def read_entries(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.fetch("SELECT * FROM ingest.entries LIMIT 1")
    finally:
        await connection.close()


def test_a_certificate_gives_the_same_cells_as_a_password(broker):
    topics, groups = everything()
    for name in ("alpr-recognizer", "fleet-north", "cad-birch"):
        (principal,) = [one for one in TABLE if one.name == name]
        assert asyncio.run(attempted(broker.by_certificate(name), topics, groups)) == granted(principal)


def test_nobody_makes_or_removes_topics_or_groups_or_opens_a_transaction(broker):
    async def tried(settings):
        async with client(settings) as admin:
            made = await admin.create_topics([NewTopic("made.by.a.test", 1, 1)])
            gone = await admin.delete_topics(["frames"])
            left = await admin._send_request(DeleteGroupsRequest(["alpr-matcher"]))
            sure = await admin._send_request(InitProducerIdRequest("a-transaction", 1000))
        return [made.topic_errors[0][1], gone.topic_error_codes[0][1], left.results[0][1], sure.error_code]

    async def all_of_them():
        ways = [broker.by_password(principal.name) for principal in TABLE]
        return await asyncio.gather(*map(tried, ways))

    refused = [DENIED_TOPIC, DENIED_TOPIC, DENIED_GROUP, DENIED_TRANSACTION]
    assert asyncio.run(all_of_them()) == [refused] * len(TABLE)


@pytest.mark.parametrize("name", ["alpr-operator", "alpr-console"])
def test_nobody_changes_settings_rules_or_accounts(broker, name):
    settings = broker.by_password(name)
    (hits,) = [spec for spec in load_topic_specs() if spec.name == "hits"]

    async def tried():
        for work in (settle_rules(settings, TABLE), settle_accounts(settings, {"alpr-ingest": "known to the thief"})):
            with pytest.raises(ClusterAuthorizationFailedError):
                await work
        with pytest.raises(TopicAuthorizationFailedError):
            await settle_topics(settings, [replace(hits, config={"retention.ms": "1000"})])

    asyncio.run(tried())


def test_who_may_write_somewhere_publishes_without_losing_or_doubling_and_who_may_not_does_not(broker):
    """The idempotent producer needs no right of its own beside the right to write."""

    async def publish(name):
        async with Publisher(broker.by_password(name)) as publisher:
            return await publisher.publish(Topic.FRAMES, key="camera", value=b"made by a test", headers=[])

    assert asyncio.run(publish("fleet-north")).offset >= 0
    for name in ("alpr-matcher", "cad-alder"):
        with pytest.raises(TopicAuthorizationFailedError):
            asyncio.run(publish(name))


def ways_in(kafka):
    ca, (cert, key) = kafka.certificates.ca, kafka.certificate("fleet-south")
    other = kafka.folder / "other"
    other.mkdir(exist_ok=True)
    unknown = type(kafka.certificates)(other)
    forged = unknown.issue("fleet-south")
    scram, mtls = f"127.0.0.1:{kafka.scram}", f"127.0.0.1:{kafka.mtls}"
    wrong = Sasl(ca_file=ca, username="fleet-south", password="guessed")
    right = kafka.by_password("fleet-south").security
    return {
        "no TLS to SCRAM": KafkaSettings(bootstrap=scram),
        "no TLS to certificates": KafkaSettings(bootstrap=mtls, security=Plaintext()),
        "no certificate": KafkaSettings(bootstrap=mtls, security=Tls(ca_file=ca)),
        "a certificate of another authority": KafkaSettings(
            bootstrap=mtls, security=Tls(ca_file=ca, cert_file=forged[0], key_file=forged[1])
        ),
        "a broker of another authority": KafkaSettings(
            bootstrap=mtls, security=Tls(ca_file=unknown.ca, cert_file=cert, key_file=key)
        ),
        "a wrong password": KafkaSettings(bootstrap=scram, security=wrong),
        "another mechanism": KafkaSettings(
            bootstrap=scram, security=right.model_copy(update={"mechanism": "SCRAM-SHA-256"})
        ),
    }


@pytest.mark.parametrize("way", [
    "no TLS to SCRAM", "no TLS to certificates", "no certificate", "a certificate of another authority",
    "a broker of another authority", "a wrong password", "another mechanism",
])  # fmt: skip
def test_there_is_no_other_way_in(broker, way):
    async def enter():
        async with asyncio.timeout(20):
            return await existing_topics(ways_in(broker)[way])

    with pytest.raises((Transient, TimeoutError)):
        asyncio.run(enter())


def test_setting_up_again_changes_nothing(broker, capsys):
    assert broker.set_up("--prune", **NAMES) == 0
    assert "0 topics created, 0 changed; 0 access rules added, 0 taken away" in capsys.readouterr().out


def test_what_was_spoiled_is_mended_and_only_who_says_that_this_is_all_takes_rights_away(broker, capsys):
    admin = broker.by_certificate(ADMIN)
    (ingest,) = [one for one in TABLE if one.name == "alpr-ingest"]
    (console,) = [one for one in TABLE if one.name == "alpr-console"]
    (hits,) = [spec for spec in load_topic_specs() if spec.name == "hits"]
    denied = (2, FOREIGN, 3, "User:fleet-south", "*", 4, 2)

    async def spoil():
        await settle_rules(admin, [replace(ingest, grants=(*ingest.grants, *console.grants))])
        await settle_topics(admin, [replace(hits, config={**hits.config, "retention.ms": "31536000000"})])
        async with client(admin) as asked:
            await kafka_admin._ask(asked, kafka_admin._CREATE, [denied])

    async def rules():
        async with client(admin) as asked:
            found = await kafka_admin._ask(asked, kafka_admin._DESCRIBE, 1, None, 1, None, None, 1, 1)
        return {(kind, name, pattern, *rule) for kind, name, pattern, some in found.resources for rule in some}

    def may_ingest_read():
        cells = asyncio.run(attempted(broker.by_password("alpr-ingest"), ["notifications"], []))
        return (On.TOPIC, "notifications", Operation.READ) in cells

    asyncio.run(spoil())
    assert may_ingest_read()
    assert broker.set_up(**{**NAMES, "agencies": ["cedar"]}) == 0
    told = capsys.readouterr().out
    assert "hits: settings changed" in told
    assert " 0 taken away" in told
    whole = {rule.fields() for rule in rules_of(TABLE)}
    assert whole <= asyncio.run(rules()), "a new agency takes nothing from the others"
    assert may_ingest_read()
    cedar = broker.by_password("cad-cedar")
    assert asyncio.run(existing_topics(cedar)) >= {"cad.cedar.hits"}
    assert broker.set_up("--prune", **NAMES) == 0
    assert "cad-cedar: named no longer; its rules and its password are taken away" in capsys.readouterr().out
    assert asyncio.run(rules()) == {*whole, denied}, "what an administrator denied stays denied"
    assert not may_ingest_read()
    broker.password_file("cad-cedar").write_text("any")
    with pytest.raises(Transient):
        asyncio.run(existing_topics(cedar))
    broker.password_file("cad-cedar").unlink()


async def drop(publisher):
    """Cut a publisher's connections, as a broker does that restarts."""
    for connection in list(publisher._producer.client._conns.values()):
        connection.close()


async def said(publisher, fleet):
    return await publisher.publish(Topic.FRAMES, key=fleet, value=b"made by a test", headers=[])


def test_a_password_is_changed_while_its_client_goes_on(broker):
    """Broker and file are changed one after the other; in between, what is open stays open."""
    name = "fleet-north"
    settings = broker.by_password(name)
    before = broker.password_file(name).read_text()

    async def rotate():
        async with Publisher(settings) as publisher:
            first = await said(publisher, name)
            await settle_accounts(broker.by_certificate(ADMIN), {name: "the password of next quarter"})
            second = await said(publisher, name)  # the file is still the old one
            broker.password_file(name).write_text("the password of next quarter\n")
            await drop(publisher)
            third = await said(publisher, name)
        assert first.offset < second.offset < third.offset

    asyncio.run(rotate())
    old = settings.model_copy(update={"security": Sasl(ca_file=broker.certificates.ca, username=name, password=before)})
    with pytest.raises(Transient):
        asyncio.run(existing_topics(old))


def test_a_certificate_is_renewed_while_its_client_goes_on(broker):
    """The renewed file names somebody else here, so that the broker's answer shows which one was used."""
    cert, key = broker.certificates.issue("fleet-south-a")
    files = cert, key
    asked = Tls(ca_file=broker.certificates.ca, cert_file=cert, key_file=key)
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{broker.mtls}", security=asked)

    async def renew():
        async with client(settings) as admin:
            assert await admin.list_topics() == []  # an account without rules sees nothing
            for file, fresh in zip(files, broker.certificate("fleet-south"), strict=True):
                file.write_bytes(fresh.read_bytes())
            for connection in list(admin._client._conns.values()):
                connection.close()
            assert await admin.list_topics() == ["frames"]

    asyncio.run(renew())


def test_the_command_for_dead_letters_goes_in_as_the_operator(broker, capsys):
    operator = broker.by_password("alpr-operator")
    ways = ["--bootstrap", operator.bootstrap, "--security", operator.security.model_dump_json()]
    assert main(["dlq", *ways, "show", "frames"]) == 0
    assert capsys.readouterr().err == ""
