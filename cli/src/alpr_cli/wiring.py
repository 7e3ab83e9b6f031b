"""Which service needs which setting, key and address: told once, for processes on one machine and for containers."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alpr_cli.roles import Database
from alprcore.seal import ListKeys, SigningKey, TextsKey

SERVICES: Final = ("audit", "ingest", "retention", "matcher", "recognizer", "console")
"""In the order of starting: the doors first, the console last, so that its first page has everything."""
KEY_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "audit": ("ledger.key", "events.key"),
    "ingest": ("list.keys", "package.key"),
    "matcher": ("list.keys",),
    "console": ("person.key", "list.keys"),
}
"""Which keys a service is given; recognizer seals with public keys only, retention makes its own."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where one service finds things: its keys and its data as it sees them, and the others' doors."""

    keys: Path
    data: Path
    objects: str
    bootstrap: str
    doors: Mapping[str, str]


def make_keys(authority: Path) -> None:
    """Make the keys that are not there yet."""
    authority.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("person.key", "ledger.key", "package.key"):
        if not (authority / name).exists():
            SigningKey.generate(authority / name)
    if not (authority / "events.key").exists():
        TextsKey.generate(authority / "events.key")
    if not (authority / "list.keys").exists():
        ListKeys.generate(authority / "list.keys", "list-1")


def secret(authority: Path, name: str) -> str:
    """Give a password of this installation, drawn at its first use."""
    file = authority / f"{name}.secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(16))
    return file.read_text()


def settings(service: str, database: Database, authority: Path, places: Places) -> dict[str, str | int | bool]:
    """Give the settings of one service, by field name, without the address it listens on."""
    values: dict[str, str | int | bool] = {"kafka_bootstrap": places.bootstrap}
    if service in {"audit", "ingest", "retention", "console"}:
        values["database_url"] = database.url(service)
    if service in {"ingest", "recognizer", "retention"}:
        values["objects_url"] = places.objects
    if service in {"audit", "ingest", "retention"}:
        values["person_public_key"] = base64.b64encode(SigningKey.load(authority / "person.key").public).decode()
    if service in {"ingest", "retention", "console"}:
        values["events_public_key"] = TextsKey.load(authority / "events.key").public
    if service in {"ingest", "matcher", "console"}:
        values["list_keys_file"] = str(places.keys / "list.keys")
    match service:
        case "audit":
            values |= {
                "reader_database_url": database.url("reader"),
                "ledger_key_file": str(places.keys / "ledger.key"),
                "events_key_file": str(places.keys / "events.key"),
                "ledger_origin": "plateline.example/demo",
                "checkpoint_file": str(places.data / "checkpoint"),
                "public_folder": str(places.data / "public-ledger"),
            }
        case "ingest":
            values["package_key_file"] = str(places.keys / "package.key")
        case "matcher":
            values["state_dir"] = str(places.data / "matcher")
        case "retention":
            values["image_keys_dir"] = str(places.keys / "images")
        case "console":
            values |= {"person_key_file": str(places.keys / "person.key"), "seed_demo": True}
            values |= {"demo_password": secret(authority, "demo"), "dispatch_networks": '["127.0.0.0/8", "::1/128"]'}
            values |= {f"{door}_url": places.doors[door] for door in ("audit", "ingest", "retention")}
        case _:
            pass
    return values
