"""`alpr doctor` on a real deployment: sound, and then broken in each way that it must find."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from alpr_cli import doctor
from alpr_cli.doctor import rules
from alpr_cli.doctor.found import look
from alpr_cli.doctor.rules import CHECKS, Finding, Level
from alpr_cli.main import main
from alpr_cli.wiring import KEY_FILES, SERVICES, make_keys
from alprcore.kafka import KafkaSettings, create_topics, load_topic_specs
from alprcore.seal import SigningKey, TextsKey
from tests.fixtures.certificates import Certificates
from tests.fixtures.doors import Doors, make_read
from tests.fixtures.postgres import run_sql

DAY_MS = 86_400_000


class Ready(BaseHTTPRequestHandler):
    """The doors of six services in one."""

    words = ""

    def do_GET(self):
        body = json.dumps({"checks": {"database": Ready.words or "ok"}}).encode()
        self.send_response(503 if Ready.words else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Deployment:
    """Settings, keys, a ledger with an entry, topics with a prefix and doors that are ready."""

    def __init__(self, database, bootstrap, prefix, folder, port):
        self.database, self.folder, self.prefix = database, folder, prefix
        self.kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
        self.addresses = dict.fromkeys(SERVICES, f"http://127.0.0.1:{port}")

    async def begin(self):
        make_keys(self.folder / "keys")
        async with Doors(self.database, self.folder) as doors:
            await doors.keep(make_read())
            await doors.ask({"plate": "8TST001"})
            await doors.purge()
            for day in range(10):
                doors.parts.images.keys.ensure("demo", (datetime.now(UTC).date() + timedelta(days=day)).isoformat())
            person = doors.audit_settings().person_public_key
        await create_topics(self.kafka, load_topic_specs(), agencies=["demo"])
        kafka = {"kafka_bootstrap": self.kafka.bootstrap, "topic_prefix": self.prefix}
        own = {
            "audit": {"ledger_key_file": self.folder / "keys/ledger.key", "checkpoint_file": self.folder / "checkpoint",
                      "reader_database_url": self.database.url("reader")},
            "retention": {"image_keys_dir": self.folder / "image-keys"},
            "matcher": {"state_dir": self.folder},
        }  # fmt: skip
        for service in SERVICES:
            values = {**kafka, **own.get(service, {})}
            if service in {"audit", "ingest", "retention", "console"}:
                values["database_url"] = self.database.url(service)
            if service in {"ingest", "recognizer", "retention"}:
                values["objects_url"] = (self.folder / "images").as_uri()
            if service in {"audit", "ingest", "retention"}:
                values["person_public_key"] = person
            if service in {"ingest", "retention", "console"}:
                values["events_public_key"] = TextsKey.load(self.folder / "keys/events.key").public
            names = {
                "list.keys": "list_keys_file",
                "package.key": "package_key_file",
                "person.key": "person_key_file",
                "events.key": "events_key_file",
            }
            for name in KEY_FILES.get(service, ()):
                if name in names:
                    values[names[name]] = self.folder / "keys" / name
            self.write(service, values)

    def file(self, service):
        return self.folder / "settings" / service / "settings.yaml"

    def write(self, service, values):
        self.file(service).parent.mkdir(parents=True, exist_ok=True)
        plain = {
            name: value if isinstance(value, str | int | bool | dict) else str(value) for name, value in values.items()
        }
        self.file(service).write_text(yaml.safe_dump(plain))

    def change(self, service, **values):
        """Change settings; answers a function that puts them back."""
        before = self.file(service).read_text()
        self.write(service, yaml.safe_load(before) | values)
        return lambda: self.file(service).write_text(before)

    async def findings(self, *groups):
        """What every check finds, or those of some groups."""
        skip = frozenset(doctor.GROUPS) - set(groups) if groups else frozenset()
        found = look(self.folder / "settings", SERVICES, {})
        return await doctor.examine(found, {}, datetime.now(UTC), self.addresses, ["demo"], skip)

    async def sql(self, *statements):
        await run_sql(self.database.admin, *statements)

    async def topic(self, name, **config):
        admin = AIOKafkaAdminClient(**self.kafka.client_params())
        await admin.start()
        try:
            configs = {key.replace("_", "."): str(value) for key, value in config.items()}
            resource = ConfigResource(ConfigResourceType.TOPIC, self.prefix + name, configs=configs)
            await admin.alter_configs([resource])
        finally:
            await admin.close()


@pytest.fixture
def deployment(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Deployment(pg_database, kafka_bootstrap, topics_prefix, tmp_path, server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def faults(findings):
    return {finding.check for finding in findings if finding.level in {Level.WARN, Level.FAIL}}


async def _breakages(world):
    """Each check with a way to break the deployment, awaited or called to mend it again."""

    async def bad_topic():
        await world.topic("reads", cleanup_policy="delete", retention_ms=30 * DAY_MS, segment_ms=DAY_MS)

    async def good_topic():
        await world.topic("reads", cleanup_policy="delete", retention_ms=DAY_MS, segment_ms=DAY_MS // 4)

    async def stopped_doors():
        Ready.words = "not asked yet"

    async def started_doors():
        Ready.words = ""

    def setting(service, **values):
        async def broken():
            broken.mend = world.change(service, **values)

        async def mended():
            broken.mend()

        return broken, mended

    def statement(worse, better):
        return (lambda: world.sql(worse)), (lambda: world.sql(better))

    def mode(path, bits, before):
        async def broken():
            path.chmod(bits)

        async def mended():
            path.chmod(before)

        return broken, mended

    def moved(path):
        async def broken():
            path.rename(world.folder / f"away-{path.name}")

        async def mended():
            (world.folder / f"away-{path.name}").rename(path)

        return broken, mended

    name = world.database.admin.rpartition("/")[2]
    revision = (await _value(world, "SELECT version_num FROM ingest.alembic_version"))[0]
    certificates = Certificates(world.folder)
    return {
        "settings": setting("retention", objects_url="s3://another/place"),
        "demonstration": setting("console", seed_demo=True),
        "broker": setting("matcher", kafka_bootstrap="127.0.0.1:1"),
        "topics": (bad_topic, good_topic),
        "topics.retention": (bad_topic, good_topic),
        "database": setting("console", database_url="postgresql://alpr_console:wrong@127.0.0.1:1/x"),
        "database.rights": setting("ingest", database_url=world.database.admin),
        "database.log": statement(
            f"ALTER DATABASE {name} SET log_parameter_max_length_on_error = -1",
            f"ALTER DATABASE {name} RESET log_parameter_max_length_on_error",
        ),
        "schema": statement(
            "UPDATE ingest.alembic_version SET version_num = '0001_pre_x'",
            f"UPDATE ingest.alembic_version SET version_num = '{revision}'",
        ),
        "keys": mode(world.folder / "keys/ledger.key", 0o644, 0o600),
        "keys.days": moved(world.folder / "image-keys/demo"),
        "objects": setting("ingest", objects_url="ftp://nowhere"),
        "ledger": moved(world.folder / "checkpoint"),
        "ledger.rights": statement("GRANT UPDATE ON audit.entries TO alpr_audit", "REVOKE UPDATE ON audit.entries FROM alpr_audit"),
        "purges": statement(
            "UPDATE retention.vouchers SET started_at = started_at - interval '1 day'",
            "UPDATE retention.vouchers SET started_at = pg_postmaster_start_time()",
        ),
        "certificates": setting("console", webhook_authorities_file=str(certificates.ca)),  # an hour is left
        "doors": (stopped_doors, started_doors),
    }  # fmt: skip


async def _value(world, statement):
    connection = await asyncpg.connect(world.database.admin)
    try:
        return await connection.fetchrow(statement)
    finally:
        await connection.close()


GROUP_OF = {
    "topics": "broker",
    "schema": "database",
    "ledger": "database",
    "purges": "database",
    "demonstration": "settings",
}
ELSEWHERE = {
    "broker.tls": rules.judge_encryption(
        "broker.tls", "x", encrypted=False, local=rules.is_local("broker.example:9092")
    ),
    "database.tls": rules.judge_encryption(
        "database.tls", "x", encrypted=False, local=rules.is_local("db.example:5432")
    ),
    "database.durable": rules.judge_server({"fsync": "off"}, 170000)[0],
    "topics.copies": rules.judge_copies("reads", 1, 1, 0, 3),
    "clock": rules.judge_clock("database", 0.5, 0.0),
    "disk": rules.judge_disk("x", 10, 100),
}
"""What cannot be broken on one machine without breaking it for others: judged as it would be found there."""


def test_every_check_of_the_register_finds_what_is_wrong(deployment):
    asyncio.run(_each(deployment))


async def _each(world):
    await world.begin()
    machine = {
        "database.durable",
        "clock",
        "disk",
    }  # a test's server waits for no disk, its host may have no time service
    sound = await world.findings()
    assert faults(sound) <= machine, [one for one in sound if one.check in faults(sound) - machine]
    breakages = await _breakages(world)
    assert set(breakages) | set(ELSEWHERE) == set(CHECKS)
    for check, (broken, mended) in breakages.items():
        await broken()
        family = check.partition(".")[0]
        found = await world.findings(GROUP_OF.get(family, family))
        await mended()
        assert check in faults(found), check
        assert all(one.remedy for one in found if one.check == check and one.level is Level.FAIL), check
    for check, finding in ELSEWHERE.items():
        assert isinstance(finding, Finding)
        assert finding.check == check
        assert finding.level in {Level.WARN, Level.FAIL}
    assert faults(await world.findings()) <= machine, "mended"


@pytest.mark.requirement("SEC-03", partial="the register itself is in tests/contract/test_controls")
def test_the_profile_tells_how_each_control_stands_and_the_status_says_it_too(deployment, capsys):
    asyncio.run(deployment.begin())
    words = ["doctor", "--settings", str(deployment.folder / "settings"), "--agency", "demo", "--skip", "doors"]
    capsys.readouterr()
    assert main([*words, "--profile", "cjis", "--json"]) in {0, 10, 30}
    told = json.loads(capsys.readouterr().out)
    states = {one["id"]: one["state"] for one in told["controls"]}
    assert len(states) > 60
    assert states["AC-7"] == "met"
    assert states["PE-3"] == "procedure"
    assert states["SC-19"] == "not applicable"
    assert states["IA-2"] == "met"
    mend = deployment.change("console", seed_demo=True)
    assert main([*words, "--profile", "cjis", "--quiet"]) == 30
    assert "OPEN  IA-2" in capsys.readouterr().out
    mend()
    text = capsys.readouterr().out
    for secret in (deployment.database.admin, SigningKey.load(deployment.folder / "keys/ledger.key").public.hex()):
        assert secret not in text
    assert main(["doctor", "--settings", str(deployment.folder / "nowhere")]) == 78
