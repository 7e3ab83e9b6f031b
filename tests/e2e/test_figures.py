"""What the running services show to Prometheus: every figure that dashboards and alerts ask for, and no contents."""

import re
import shutil
import subprocess
import urllib.request

import pytest

from alpr_cli import demo
from tests.e2e.conftest import OPS_PORT, Player, wait_for
from tests.monitoring.test_rules import FOREIGN, expressions, names_in, rules

PLATES = ["6FGR801", "6FGR802"]


def shown(stack):
    """Each service's exposition, as Prometheus gets it."""
    ports = {name: service.port for name, service in stack.services.items()} | {"console": OPS_PORT}
    found = {}
    for name, port in ports.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found[name] = answer.read().decode()
    return found


def value(text, name, **labels):
    pattern = re.compile(rf"^{name}{{([^}}]*)}} (\S+)$", re.MULTILINE)
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    return sum(float(number) for held, number in pattern.findall(text) if wanted <= set(held.split(",")))


@pytest.fixture(scope="module")
def expositions(stack):
    demo.load_list(stack, PLATES)
    with Player(stack, PLATES, cameras=(8,), fps=5.0, door="https", seed=41) as player:
        player.finish()
        wait_for(
            "a notification that was counted",
            lambda: value(
                shown(stack)["matcher"], "alpr_pipeline_captured_to_notification_seconds_count", device_kind="fixed"
            ),
        )
    return shown(stack)


def test_everything_that_dashboards_and_alerts_ask_for_is_shown(expositions):
    types = {name for text in expositions.values() for name in re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)}
    recorded = {rule["record"] for rule in rules("record")}
    asked = {name for _, expression in expressions() for name in names_in(expression)} - recorded - FOREIGN
    assert {
        name for name in asked if name not in types and re.sub(r"_(bucket|sum|count)$", "", name) not in types
    } == set()


@pytest.mark.requirement("CAP-10", partial="the way to the hit is measured in test_stream")
def test_the_time_from_capture_to_notification_is_kept_by_device_kind(expositions):
    name, labels = "alpr_pipeline_captured_to_notification_seconds", {"device_kind": "fixed"}
    assert value(expositions["matcher"], f"{name}_count", **labels) >= 1
    assert value(expositions["matcher"], f"{name}_bucket", **labels, le="5.0") >= 0


def test_cameras_are_seen_and_in_service(expositions):
    camera = {"agency": "demo", "camera": "demo-pole-8-a"}
    assert value(expositions["recognizer"], "alpr_recognizer_camera_in_service", **camera, kind="fixed") == 1
    assert value(expositions["recognizer"], "alpr_recognizer_camera_seen_timestamp_seconds", **camera) > 1_700_000_000


@pytest.mark.requirement("SEC-07", partial="figures; logs and addresses are in other tests")
def test_no_figure_carries_a_plate(expositions):
    for name, text in expositions.items():
        assert not re.search(r"(?<![0-9A-Za-z])[0-9][A-Z]{3}[0-9]{3}(?![0-9A-Za-z])", text), name


def test_the_public_port_of_the_console_shows_none(stack):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{stack.console}/metrics", timeout=10)
    assert refused.value.code == 404


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is missing")
def test_prometheus_finds_nothing_odd_in_them(expositions):
    for name, text in expositions.items():
        found = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        said = [line for line in found.stderr.splitlines() if line.startswith("alpr_")]
        odd = [line for line in said if not line.endswith('instead of "days"')]  # policies speak of days
        assert not odd, f"{name}: {odd}"
