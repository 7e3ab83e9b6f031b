"""`alpr keys`: draws the keys and passwords of an installation on a cluster, for its Secrets; nothing is connected to.

Below the folder: `keys/` (Secret of the services' keys), `database/` (a password per role), `kafka/<principal>/password`.
Repeating it keeps what is there and draws what is missing, so that a new agency's CAD system gets its password. What is
printed is public: it goes into the chart's values.
"""

from __future__ import annotations

import argparse
import base64
import secrets
from pathlib import Path

import yaml

from alpr_cli.wiring import make_keys
from alprcore.access import access_table
from alprcore.kafka import load_topic_specs
from alprcore.migrate import ROLES
from alprcore.seal import SigningKey, TextsKey, note_verifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr keys`."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of all of them; empty it once the Secrets exist"
    )
    parser.add_argument("--origin", required=True, help="name of the ledger (audit.ledgerOrigin)")
    parser.add_argument("--prefix", default="", help="what stands before the names of topics (kafka.topicPrefix)")
    for place in ("agency", "fleet", "witness"):
        parser.add_argument(f"--{place}", action="append", default=[], help=f"a password for this {place}'s principal")


def run(options: argparse.Namespace) -> int:
    """Draw what is missing and print the public part; returns the exit status."""
    out: Path = options.out
    make_keys(out / "keys")
    for role in ROLES:
        _password(out / "database" / role)
    principals = access_table(
        load_topic_specs(),
        agencies=options.agency,
        fleets=options.fleet,
        witnesses=options.witness,
        prefix=options.prefix,
    )
    for principal in principals:
        _password(out / "kafka" / principal.name / "password")
    person, ledger = (SigningKey.load(out / "keys" / name).public for name in ("person.key", "ledger.key"))
    public = {
        "personPublicKey": base64.b64encode(person).decode(),
        "eventsPublicKey": TextsKey.load(out / "keys" / "events.key").public,
        "audit": {"ledgerOrigin": options.origin, "verify": {"key": note_verifier(options.origin, ledger)}},
    }
    print(yaml.safe_dump(public, sort_keys=False), end="")
    return 0


def _password(file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(
            secrets.token_urlsafe(32)
        )  # 256 bits of letters, digits, - and _: it stands in addresses as it is
