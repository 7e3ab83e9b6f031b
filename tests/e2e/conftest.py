"""The whole product as six processes, started once for all end-to-end tests."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from alpr_cli import demo, local
from alpr_cli.stack import Stack
from alpr_cli.wiring import SERVICES
from tests.fixtures.collector import spans_at
from tests.fixtures.secured import SecuredKafka
from tests.fixtures.state import state_folder

CAMERAS = 10
CANARIES = {"https": 9, "kafka": 10}
"""Numbers of the cameras that show nothing but a test plate, one for each way in."""
_TESTING = [f"demo-pole-{number}-a" for number in CANARIES.values()]
OPS_PORT = local.free_port()
"""Of the console's figures, which its public port does not show."""
SETTINGS = {
    "ALPR_AUDIT_QUERIES_PER_MINUTE": "0",
    "ALPR_CONSOLE_OPS_PORT": str(OPS_PORT),
    "ALPR_RECOGNIZER_CANARY_CAMERAS": json.dumps(_TESTING),
    "ALPR_CONSOLE_CANARY_CAMERAS": json.dumps({"demo": _TESTING}),
}

BY_CERTIFICATE = ("audit", "recognizer", "matcher")
"""These services go to the broker with a certificate (mTLS), the others with a password (SCRAM)."""


def wait_for(what, question, timeout_s=60.0):
    """Ask until the answer is true and give it back; fail naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.2)
    pytest.fail(f"waited {timeout_s:.0f} s for {what}")


@pytest.fixture(scope="session")
def collector():
    """Where the services tell their traces, and what they told."""
    with spans_at() as told:
        yield told


@pytest.fixture(scope="session")
def stack(collector):
    heavy = Path(__file__).parents[2] / ".venv-recognizer/bin/python"
    if not heavy.exists():
        pytest.skip("the recognizer's environment .venv-recognizer is missing: make setup-models")
    traced = {f"ALPR_{service.upper()}_TRACES_URL": collector[0] for service in SERVICES}
    traced |= {f"ALPR_{service.upper()}_TRACES_SHARE": "1" for service in SERVICES}
    with state_folder() as folder:
        broker = Broker(folder)
        with Stack(folder, settings={**SETTINGS, **traced, **broker.ways_in()}, kafka=broker) as running:
            running.secured = broker
            demo.prepare(running, cameras=CAMERAS, plates=None)
            yield running


class Broker(SecuredKafka):
    """The six services go in by TLS with an account each, the rights of which end where the table does; tests by a side door."""

    def __init__(self, folder):
        super().__init__(folder, tools=True)

    def start(self):
        address = super().start()
        self.set_up(agencies=["demo"], fleets=["poles"], witnesses=[])
        return address

    def ways_in(self):
        settings = {}
        for service in SERVICES:
            by = self.by_certificate if service in BY_CERTIFICATE else self.by_password
            way = by(f"alpr-{service}")
            settings[f"ALPR_{service.upper()}_KAFKA_BOOTSTRAP"] = way.bootstrap
            settings[f"ALPR_{service.upper()}_KAFKA_SECURITY"] = way.security.model_dump_json()
        return settings


@pytest.fixture
def investigator(stack):
    with demo.Session(stack.console, "investigator", stack.demo_password) as session:
        yield session


@pytest.fixture
def dispatcher(stack):
    with demo.Session(stack.console, "dispatcher", stack.demo_password) as session:
        yield session


class Player:
    """`alpr simulate` as a process, playing given plates once through given cameras."""

    def __init__(self, stack, plates, *, cameras=(1,), fps=4.0, door="kafka", seed=1, source="drive", extra=()):
        devices = demo.device_ids(CAMERAS)
        self.command = demo.player(
            stack,
            source=source,
            fps=fps,
            devices=[devices[number - 1] for number in cameras],
            door=door,
            extra=("--plates", ",".join(plates), "--seed", str(seed), *extra),
        )
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def finish(self, timeout_s=180):
        assert self.process.wait(timeout_s) == 0, "the player did not send every frame"
