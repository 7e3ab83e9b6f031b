"""Settings say what is wrong and never its value; a service ends with the exit code that tells why."""

import asyncio
import json
import os
import signal
import urllib.request
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore import runtime
from alprcore.errors import Misconfigured, Transient
from alprcore.ops import Health, ops_routes


class Settings(runtime.ServiceSettings):
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="ALPR_PROBE_")
    port: int = 0
    token: SecretStr = Field(description="what opens the door")
    limit: int = Field(3, gt=0, description="how many")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in [name for name in os.environ if name.startswith("ALPR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ALPR_PROBE_TOKEN", "hush")


async def nothing(settings, stop):
    stop.set()


def test_service_beats_shared_beats_file_beats_default(monkeypatch, tmp_path):
    (tmp_path / "probe.yaml").write_text("topic_prefix: file.\nlimit: 5\nkafka_bootstrap: file:1\n")
    monkeypatch.setenv("ALPR_PROBE_CONFIG", str(tmp_path / "probe.yaml"))
    monkeypatch.setenv("ALPR_TOPIC_PREFIX", "shared.")
    monkeypatch.setenv("ALPR_KAFKA_BOOTSTRAP", "shared:1")
    monkeypatch.setenv("ALPR_PROBE_KAFKA_BOOTSTRAP", "own:1")
    settings = Settings.load()
    assert (settings.kafka_bootstrap, settings.topic_prefix, settings.limit) == ("own:1", "shared.", 5)
    assert settings.kafka.client_params()["bootstrap_servers"] == "own:1"
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALPR_PROBE_LIMIT", "-77", "ALPR_PROBE_LIMIT"),
        ("ALPR_PROBE_LIMT", "5", "ALPR_PROBE_LIMT"),
        ("ALPR_PROBE_PORT", "ninety", "ALPR_PROBE_PORT"),
        ("ALPR_PROBE_KAFKA_SECURITY", "{odd", "ALPR_PROBE_KAFKA_SECURITY"),
        ("ALPR_PROBE_CONFIG", "/nowhere/probe.yaml", "/nowhere/probe.yaml"),
    ],
)
def test_a_wrong_setting_is_named_and_the_exit_code_is_78(monkeypatch, capsys, name, value, said):
    monkeypatch.setenv(name, value)
    assert runtime.run("probe", Settings, nothing, []) == 78
    told = capsys.readouterr().err
    assert said in told
    assert "hush" not in told
    assert value not in told or name == "ALPR_PROBE_CONFIG"


def test_a_missing_setting_and_an_unknown_one_in_the_file(monkeypatch, tmp_path):
    monkeypatch.delenv("ALPR_PROBE_TOKEN")
    with pytest.raises(Misconfigured, match="ALPR_PROBE_TOKEN"):
        Settings.load()
    monkeypatch.setenv("ALPR_PROBE_TOKEN", "hush")
    (tmp_path / "probe.yaml").write_text("limt: 5\n")
    monkeypatch.setenv("ALPR_PROBE_CONFIG", str(tmp_path / "probe.yaml"))
    with pytest.raises(Misconfigured, match="LIMT"):
        Settings.load()


def test_help_lists_every_setting(capsys):
    assert runtime.run("probe", Settings, nothing, ["--help"]) == 0
    told = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"ALPR_PROBE_{name.upper()}" in told
    assert runtime.run("probe", Settings, nothing, ["--odd"]) == os.EX_USAGE


@pytest.mark.parametrize(
    ("error", "status"), [(Misconfigured("schema"), 78), (Transient("broker"), 69), (RuntimeError("x"), 70)]
)
def test_exit_codes_say_what_happened(error, status):
    async def fails(settings, stop):
        async def wait():
            await stop.wait()

        async def fail():
            raise error

        await runtime.together(wait(), fail())

    assert runtime.run("probe", Settings, fails, []) == status


@pytest.mark.parametrize("public", [False, True], ids=["inside", "where browsers come"])
def test_a_signal_stops_the_service_and_its_door(capfd, public):
    seen = {}

    async def serve(settings, stop):
        health = Health("probe")
        health.check("lists", lambda: "" if seen else "not read yet")
        health.say("backend", "cpu")

        async def look():
            while '"http_listening"' not in (err := capfd.readouterr().err):
                await asyncio.sleep(0.01)
            port = json.loads(next(line for line in err.splitlines() if "http_listening" in line))["port"]
            for path in ("/livez", "/readyz", "/metrics", "/other"):
                seen[path] = await asyncio.to_thread(fetch, port, path)
            os.kill(os.getpid(), signal.SIGTERM)

        await runtime.together(runtime.serve_http(ops_routes(health, public=public), settings, stop), look())

    assert runtime.run("probe", Settings, serve, []) == 0
    assert seen["/livez"][0] == 200
    assert seen["/readyz"][0] == 200
    assert json.loads(seen["/readyz"][1])["details"] == {"backend": "cpu"}
    assert (seen["/metrics"][0], seen["/other"][0]) == (404 if public else 200, 404)


def fetch(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_readiness_says_what_is_missing_and_a_hanging_loop_is_not_live():
    health = Health("probe")
    health.check("lists", lambda: "2 partitions behind")
    assert health.report()["checks"] == {"lists": "2 partitions behind"}
    assert not health.report()["ready"]
    beat = health.progress("loop", limit_s=-1)
    assert health.hanging() == ["loop"]
    beat()
    health.progress("loop", limit_s=60)
    assert health.hanging() == []
