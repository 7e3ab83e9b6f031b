"""The whole product as six processes, started once for all end-to-end tests."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from alpr_cli import demo
from alpr_cli.stack import Stack
from tests.fixtures.state import state_folder

CAMERAS = 10
CANARIES = {"https": 9, "kafka": 10}
"""Numbers of the cameras that show nothing but a test plate, one for each way in."""
_TESTING = [f"demo-pole-{number}-a" for number in CANARIES.values()]
SETTINGS = {
    "ALPR_AUDIT_QUERIES_PER_MINUTE": "0",
    "ALPR_RECOGNIZER_CANARY_CAMERAS": json.dumps(_TESTING),
    "ALPR_CONSOLE_CANARY_CAMERAS": json.dumps({"demo": _TESTING}),
}


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
def stack():
    heavy = Path(__file__).parents[2] / ".venv-recognizer/bin/python"
    if not heavy.exists():
        pytest.skip("the recognizer's environment .venv-recognizer is missing: make setup-models")
    with state_folder() as folder, Stack(folder, settings=SETTINGS) as running:
        demo.prepare(running, cameras=CAMERAS, plates=None)
        yield running


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
