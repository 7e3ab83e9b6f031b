"""The programs in proto/samples and the simulated CAD against a real broker, and the console's own end of the topics."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import httpx
import pytest

from alpr_cli import cad as simulated
from alpr_cli.local import resolve_jars
from alpr_console.cad.store import CadFeed
from alprcore import wire
from alprcore.errors import Transient
from alprcore.hooks import signatures
from alprcore.kafka import KafkaSettings, Publisher, create_topics, load_topic_specs
from alprcore.model import CadSaid, CadStatus, Person
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic
from tests.contract.contract import PROTO
from tests.fixtures.console import make_hit, make_notification, read_all, wait_for
from tests.fixtures.postgres import _database
from tests.fixtures.served import served

SAMPLES = PROTO / "samples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def agency(kafka_bootstrap):
    """An agency with CAD topics of its own; the samples know no prefix."""
    name = f"cad{os.urandom(3).hex()}"
    make_topics(kafka_bootstrap, "", name)
    return name


def make_topics(bootstrap, prefix, agency):
    specs = [spec for spec in load_topic_specs() if spec.name.startswith("cad.")]
    asyncio.run(create_topics(KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix), specs, agencies=[agency]))


def tell(bootstrap, agency, *notes):
    """Put notifications on the agency's CAD topic, each twice, as a restart may."""

    async def publish():
        async with Publisher(KafkaSettings(bootstrap=bootstrap)) as publisher:
            for note in notes:
                event = wire.cad_event("notification", note, source="alpr-matcher")
                headers = wire.headers_for(
                    Topic.CAD_NOTIFICATIONS, id=note.notification_id, source="x", time=note.notified_at
                )
                for _ in range(2):
                    await publisher.publish(
                        Topic.CAD_NOTIFICATIONS, key=note.incident_id, value=event, headers=headers, agency=agency
                    )

    asyncio.run(publish())


def answers(bootstrap, agency):
    """What was said on the agency's status topic, each read as the console reads it."""
    return [wire.decode_cad_status(message.value) for message in read_all(bootstrap, f"cad.{agency}.status")]


class Program:
    """A program that runs until the block ends; its lines as they come."""

    def __init__(self, *command, **options):
        self.lines = []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._reader.join(5)


def java(tmp_path):
    """Compile the Java sample with the jars of the local broker; skip where the machine has none."""
    if not (shutil.which("javac") and shutil.which("java")):
        pytest.skip("no JDK on this machine")
    try:
        jars = resolve_jars()
    except (Transient, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the broker's jars cannot be had here: {error}")
    path = f"{jars}/*{os.pathsep}{tmp_path}"
    subprocess.run(["javac", "-d", tmp_path, "-cp", path, SAMPLES / "CadSubscriber.java"], check=True, timeout=120)
    return ["java", "-Xmx128m", "-cp", path, "CadSubscriber"]


@pytest.mark.parametrize("language", ["python", "java"])
def test_a_subscriber_takes_each_message_once_and_answers(language, kafka_bootstrap, agency, tmp_path):
    command = [sys.executable, SAMPLES / "cad_subscriber.py"] if language == "python" else java(tmp_path)
    hit = make_hit("7SUB001", agency=agency)
    first, second = make_notification(hit), make_notification(hit, revision=2)
    tell(kafka_bootstrap, agency, first, second)
    with Program(*command, kafka_bootstrap, agency, f"{agency}-{language}", cwd=tmp_path) as program:
        wait_for("both messages", lambda: len(program.lines) >= 2)
        wait_for("the answer", lambda: answers(kafka_bootstrap, agency))
        time.sleep(0.5)
    incident = first.incident_id
    assert program.lines == [f"Alert {incident} 1 0 hit", f"Update {incident} 2 0 update"]
    (said,) = answers(kafka_bootstrap, agency)
    assert (said.incident_id, said.status, said.call_number) == (incident, CadSaid.ACCEPTED, "26-000777")


def test_the_simulated_cad_answers_in_order_and_says_what_it_is(kafka_bootstrap, agency):
    made = [make_notification(make_hit(f"7SIM00{number}", agency=agency)) for number in (1, 2)]
    tell(kafka_bootstrap, agency, *made, make_notification(made[0].hit, revision=2))
    command = [sys.executable, "-m", "alpr_cli", "simulate-cad", "--bootstrap", kafka_bootstrap, "--prefix", ""]
    with Program(*command, "--agency", agency, "--pace", "0.05", "--reject-every", "2") as program:
        wait_for("the answers", lambda: len(program.lines) >= 6)
    said = answers(kafka_bootstrap, agency)
    assert all(one.simulated for one in said)
    by_incident = {note.incident_id: [o.status for o in said if o.incident_id == note.incident_id] for note in made}
    assert by_incident == {made[0].incident_id: list(simulated.STEPS), made[1].incident_id: [CadSaid.REJECTED]}


def test_the_webhook_sample_takes_what_is_signed_and_nothing_else(tmp_path):
    port = 20_000 + os.getpid() % 20_000
    note = make_notification(make_hit("7HOK001"))
    body = wire.cad_event("notification", note, source="alpr-matcher")
    url, environment = f"http://127.0.0.1:{port}/hits", {**os.environ, "WEBHOOK_SECRET": SECRET}

    def post(secret, sent, changed=b""):
        signed = {
            "webhook-id": note.notification_id, "webhook-timestamp": str(sent),
            "webhook-signature": signatures([secret], note.notification_id, sent, body),
        }  # fmt: skip
        return httpx.post(url, content=body + changed, headers=signed).status_code

    def up():
        try:
            return httpx.post(url, content=b"{}").status_code == 401
        except httpx.HTTPError:
            return False

    with Program(sys.executable, SAMPLES / "webhook_receiver.py", str(port), env=environment) as program:
        wait_for("the receiver", up)
        now = int(time.time())
        assert post("whsec_" + "A" * 43 + "=", now) == 401
        assert post(SECRET, now - 301) == 401
        assert post(SECRET, now, b" ") == 401
        assert [post(SECRET, now), post(SECRET, now)] == [204, 204]
        wait_for("its line", lambda: program.lines)
    assert program.lines == [f"Alert {note.incident_id} 1 0"]


def test_the_console_reads_answers_from_the_topic_and_writes_calls_to_it(
    pg_admin_dsn, pg_template, kafka_bootstrap, topics_prefix, tmp_path
):
    make_topics(kafka_bootstrap, topics_prefix, "demo")  # roseville gets none: it has no CAD on Kafka
    settings = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topics_prefix)
    status, out = f"{topics_prefix}cad.demo.status", f"{topics_prefix}cad.demo.notifications"
    with (
        _database(pg_admin_dsn, "cadfeed", f"TEMPLATE {pg_template}") as (_, database),
        served(database, tmp_path) as console,
    ):
        note, away = make_notification(make_hit("7TOP001")), make_notification(make_hit("7TOP002", agency="roseville"))
        console.put(note, away)
        stop, store = asyncio.Event(), console.console.cad
        held = {}

        async def begin():
            publisher = Publisher(settings)
            await publisher.start()
            feed = CadFeed(
                store, settings, publisher, lambda: ["demo", "roseville"], lambda: datetime.now(UTC), "console",
                ConsumerMetrics("cad_feed_test"),
            )  # fmt: skip
            held.update(publisher=publisher, feed=feed, task=asyncio.create_task(feed.follow(stop)))
            said = CadStatus("t-1", note.incident_id, CadSaid.ACCEPTED, datetime.now(UTC), call_number="26-9")
            for value in (b"garbage", wire.encode_cad_status(said, source="cad"), b'{"data": {}}'):
                await publisher.publish(Topic.CAD_STATUS, key="k", value=value, headers=[], agency="demo")
            for one in (note, away):
                person = Person("p", "p", "P", "", one.agency, ("dispatcher",), "", "")
                async with console.console.outbox.change(one.agency) as connection:
                    call = {"call_id": "c-1", "call_type": "stolen_vehicle"}
                    await store.call_opened(connection, person, one.hit.hit_id, call, datetime.now(UTC))

        async def end():
            stop.set()
            await held["task"]
            await held["publisher"].stop()

        console.run(begin())
        try:
            wait_for("the answer", lambda: console.sql("SELECT 1 FROM console.cad_statuses WHERE call_number = '26-9'"))
            wait_for("what is no answer", lambda: len(read_all(kafka_bootstrap, f"{status}.dlq")) == 2)
            assert console.run(store.relay(held["feed"].publish)) == 2
        finally:
            console.run(end())
        (message,) = read_all(kafka_bootstrap, out)
        event = json.loads(message.value)
        assert (event["type"], message.key) == ("alpr.v1.cad.call", note.incident_id.encode())
        assert event["data"]["work"]["call_type"] == "stolen_vehicle"
        assert console.sql("SELECT 1 FROM console.cad_events WHERE to_topic") == []
