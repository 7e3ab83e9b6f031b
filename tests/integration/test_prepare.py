"""`alpr prepare`: containers and clusters get everything the services need, each its own secrets only."""

import argparse
import asyncio
import importlib
import stat
from pathlib import Path

import asyncpg
import pytest
import yaml

from alpr_cli import prepare
from alprcore.errors import Misconfigured
from alprcore.runtime import ServiceSettings
from tests.fixtures.postgres import SECRET


@pytest.fixture
def prepared(pg_admin_dsn, kafka_bootstrap, pg_empty, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", pg_empty.admin)
    monkeypatch.setenv("ALPR_KAFKA", kafka_bootstrap)
    # roles belong to the server: their passwords stay what the other tests' databases expect
    (tmp_path / "authority").mkdir(mode=0o700)
    secret = tmp_path / "authority/database.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    options = argparse.Namespace(out=tmp_path, mount=Path("/run/plateline"), objects="file:///data/images", uid=None)
    assert prepare.run(options) == 0
    return options


@pytest.mark.parametrize("service", prepare.SERVICES)
def test_every_service_accepts_its_settings(prepared, service, monkeypatch):
    module = importlib.import_module(f"alpr_{service}.settings")
    [settings] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind.__module__ == module.__name__
    ]
    monkeypatch.setenv(f"ALPR_{service.upper()}_CONFIG", str(prepared.out / service / "settings.yaml"))
    assert settings.load().port == prepare.PORT


def test_each_service_gets_its_own_secrets_only(prepared):
    keys = {path.parent.name: set() for path in prepared.out.glob("*/settings.yaml")}
    for name in keys:
        keys[name] = {path.name for path in (prepared.out / name).iterdir()} - {"settings.yaml"}
    assert keys == {
        "audit": {"ledger.key", "events.key"},
        "ingest": {"list.keys", "package.key"},
        "matcher": {"list.keys"},
        "recognizer": set(),
        "retention": {"images"},
        "console": {"list.keys", "person.key"},
    }
    for path in prepared.out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_repetition_keeps_keys_and_logins(prepared):
    before = {path: path.read_bytes() for path in prepared.out.rglob("*") if path.is_file()}
    assert prepare.run(prepared) == 0
    assert {path: path.read_bytes() for path in prepared.out.rglob("*") if path.is_file()} == before

    async def login(service):
        url = yaml.safe_load((prepared.out / service / "settings.yaml").read_text())["database_url"]
        connection = await asyncpg.connect(url)
        role = await connection.fetchval("SELECT current_user")
        await connection.close()
        return role

    for service in ("audit", "ingest", "retention", "console"):
        assert asyncio.run(login(service)) == f"alpr_{service}"


def test_a_missing_address_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert prepare.run(argparse.Namespace(out=tmp_path)) == 78
    assert "DATABASE_URL" in capsys.readouterr().err


def test_a_broker_that_is_badly_described_is_refused_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ALPR_KAFKA", "broker.example:9093")
    monkeypatch.setenv("ALPR_KAFKA_SECURITY", '{"kind": "sasl", "username": "admin"}')
    with pytest.raises(Misconfigured, match="--security"):
        prepare.run(argparse.Namespace(out=tmp_path))
    assert list(tmp_path.iterdir()) == []
