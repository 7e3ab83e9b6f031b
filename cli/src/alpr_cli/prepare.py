"""`alpr prepare`: makes everything the services need before they start, for containers and clusters.

Roles, tables and topics in the database and the broker named by DATABASE_URL and ALPR_KAFKA (let in by
ALPR_KAFKA_SECURITY, the JSON of the services' kafka_security, else in the clear); keys, and one
settings file per service, below a folder of its own for each: a service sees its own secrets only. Repeating
it keeps keys and data, and writes the settings again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import yaml

from alpr_cli.broker import broker
from alpr_cli.roles import Database
from alpr_cli.topics import create_all
from alpr_cli.wiring import KEY_FILES, SERVICES, Places, make_keys, secret, settings
from alprcore.errors import AlprError

PORT: Final = 8080
OPS_PORT: Final = 9090
"""Every service's port inside its container."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr prepare`."""
    parser.add_argument("--out", type=Path, required=True, help="below it: authority/ and one folder per service")
    parser.add_argument("--mount", type=Path, default=Path("/run/plateline"), help="where a service sees its folder")
    parser.add_argument("--objects", default="file:///data/images", help="where images go")
    parser.add_argument("--uid", type=int, help="owner of the services' folders (only root can)")


def run(options: argparse.Namespace) -> int:
    """Prepare everything; returns the exit status, 78 when an address is missing. Raises `Misconfigured`."""
    try:
        admin, bootstrap = os.environ["DATABASE_URL"], os.environ["ALPR_KAFKA"]
    except KeyError as missing:
        print(f"alpr prepare: {missing.args[0]} is not set", file=sys.stderr)
        return os.EX_CONFIG
    security = os.environ.get("ALPR_KAFKA_SECURITY", "")
    brokers = broker(argparse.Namespace(bootstrap=bootstrap, prefix="", security=security))
    authority = options.out / "authority"
    make_keys(authority)
    database = Database(admin, secret(authority, "database"))
    try:
        database.prepare()
        database.migrate()
        asyncio.run(create_all(brokers))
    except AlprError as error:
        print(f"alpr prepare: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    places = Places(
        keys=options.mount,
        data=Path("/data"),
        objects=options.objects,
        bootstrap=bootstrap,
        doors={door: f"http://{door}:{PORT}" for door in SERVICES},
    )
    for service in SERVICES:
        folder = options.out / service
        folder.mkdir(parents=True, exist_ok=True)
        values = settings(service, database, authority, places) | {"host": "0.0.0.0", "port": PORT}
        if service == "console":  # browsers reach the other port
            values |= {"ops_host": "0.0.0.0", "ops_port": OPS_PORT}
        lists = {name: json.loads(str(value)) for name, value in values.items() if str(value).startswith("[")}
        (folder / "settings.yaml").write_text(yaml.safe_dump({**values, **lists}))
        for name in KEY_FILES.get(service, ()):
            shutil.copyfile(authority / name, folder / name)
        _hand_over(folder, options.uid)
    print(f"prepared; keys and settings are below {options.out}")
    return 0


def _hand_over(folder: Path, uid: int | None) -> None:
    """Close the folder to everyone but its service."""
    if folder.name == "retention":
        (folder / "images").mkdir(exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if uid is not None:
            os.chown(path, uid, uid)
