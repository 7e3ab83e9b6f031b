"""`alpr restore`: brings a backup of `alpr backup` back into an empty database, an image store and a folder of keys.

The services must be stopped. Purges of before are done again before the first answer (RET-10), and the ledger goes on only
as its signed head allows: `docs/operations/backup.md` has the whole procedure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from datetime import datetime
from pathlib import Path

from alpr_cli.backup import returning, rules, sealing, taking
from alpr_cli.doctor.found import operator
from alpr_cli.roles import Database
from alpr_cli.wiring import secret
from alprcore.errors import Misconfigured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr restore`."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--from", dest="source", type=Path, help="folder of the backups; with it the database comes back"
    )
    parser.add_argument("--set", help="which backup (default: the newest)")
    parser.add_argument("--key", type=Path, help="the private key that backups are sealed to")
    parser.add_argument(
        "--authority", type=Path, help="folder of keys that `alpr prepare` keeps (OUT/authority): keys and passwords"
    )
    parser.add_argument("--images", help="image store to which the mirrored images go; without: others bring them")
    parser.add_argument("--keys-from", type=Path, help="folder of the copy of the keys")
    parser.add_argument("--image-keys", type=Path, help="where retention keeps keys of images (image_keys_dir)")
    parser.add_argument(
        "--ledger", type=Path, help="folder of the ledger's head outside the database (checkpoint_file)"
    )
    parser.add_argument(
        "--rewind", metavar="TIME", help="set consumers of a broker that survived back to this moment (RFC 3339)"
    )


def run(options: argparse.Namespace) -> int:
    """Bring back what is named; raises `Misconfigured` and `Transient`."""
    if not (options.source or options.keys_from or options.rewind):
        raise Misconfigured("nothing to do: --from, --keys-from or --rewind")
    if (options.source or options.keys_from) and not options.key:
        raise Misconfigured("--key: the private key that backups are sealed to")
    began = time.monotonic()
    if options.keys_from:
        _bring_keys(options)
    if options.source:
        _bring_data(options)
    if options.rewind:
        _rewind(options.rewind)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def _bring_keys(options: argparse.Namespace) -> None:
    places = {
        name: place
        for name, place in (
            ("keys", options.authority),
            ("image-keys", options.image_keys),
            ("ledger", options.ledger),
        )
        if place is not None
    }
    if not places:
        raise Misconfigured("--keys-from wants the places: --authority, --image-keys, --ledger")
    written, kept = returning.bring_keys(options.keys_from, sealing.read_private(options.key), places)
    print(f"keys: {written} files brought back")
    for name in kept:
        print(f"keys: {name} is there with another content and stays as it is")


def _bring_data(options: argparse.Namespace) -> None:
    url = os.environ.get("DATABASE_URL", "")
    if not url or not options.authority:
        raise Misconfigured("DATABASE_URL (an administrator's, of an empty database) and --authority are needed")
    names = taking.sets_in(options.source)
    name = options.set or (names[-1] if names else "")
    if name not in names:
        raise Misconfigured(f"no backup {name or 'lies'} in {options.source}; there are: {', '.join(names) or 'none'}")
    options.authority.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(url, secret(options.authority, "database"))
    private = sealing.read_private(options.key)
    facts = asyncio.run(returning.bring_database(database, options.source, name, private))
    print(f"database: {name}, {facts.reads} reads, {facts.entries} entries of the ledger")
    if options.images:
        print(f"images: {asyncio.run(returning.bring_images(options.source, options.images))} copied")
    kept = options.ledger / "checkpoint" if options.ledger else None
    note = kept.read_text("utf-8") if kept is not None and kept.is_file() else ""
    state, words = rules.judge_head(facts, note)
    print(f"ledger: {words}")
    if state != "same":
        print("        alpr audit rollover …, two signatures, then start audit: docs/operations/backup.md")


def _rewind(moment: str) -> None:
    try:
        to: datetime | None = datetime.fromisoformat(moment)
    except ValueError:
        to = None
    if to is None or to.tzinfo is None:
        raise Misconfigured("--rewind: a time as 2026-11-22T20:15:00Z")
    settings = operator(os.environ)
    if settings is None:
        raise Misconfigured("--rewind: ALPR_KAFKA_BOOTSTRAP is not set (and ALPR_KAFKA_SECURITY)")
    for group, count in asyncio.run(returning.rewind(settings, to)).items():
        print(f"{group}: {count} messages come again")
