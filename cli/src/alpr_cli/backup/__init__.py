"""`alpr backup`: copies of everything that cannot be made anew, sealed so that only the holder of one key opens them.

`new-key` makes that key; its private half belongs neither on this machine nor beside the backup. `run` makes a backup and
forgets those that are older than the window; `keys` brings the mirror of the images and the copy of the keys up to date and is
quick enough for every hour; `check` compares backups with what they say of themselves, and opens them where it is given the key.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alpr_cli.doctor.found import Found, known, look
from alprcore.errors import InvalidMessage, Misconfigured

from . import rules, sealing, taking


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr backup`."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="action", required=True, metavar="new-key|run|keys|check")
    key = commands.add_parser("new-key", help="make the key pair that backups are sealed to")
    key.add_argument("file", type=Path, help="the private half; FILE.pub is the public one")
    run_ = commands.add_parser("run", help="database and images, and keys where --keys-to names their place")
    run_.add_argument("--keys-to", type=Path, help="folder of the copy of the keys, on another disk")
    run_.add_argument(
        "--keep-days", type=int, default=rules.WINDOW_DAYS, help=f"1 to {rules.WINDOW_DAYS}, the default (RET-10)"
    )
    keys = commands.add_parser("keys", help="images and keys, without the database")
    keys.add_argument("--keys-to", type=Path, required=True, help="folder of the copy, on another disk than backups")
    for one in (run_, keys):
        one.add_argument("--to", type=Path, required=True, help="folder of the backups and of the mirrored images")
        one.add_argument(
            "--images", help="the image store, else that of retention's settings; `none`: others mirror it"
        )
        one.add_argument("--recipient", required=True, help="the public key, or a file that holds it")
        one.add_argument(
            "--settings", type=Path, metavar="DIR", help="DIR/<service>/settings.yaml; else as services do"
        )
        one.add_argument("--prune", action="store_true", help="let more images or keys go than a purge takes")
        one.add_argument("--same-disk", action="store_true", help="let keys lie on the disk of the backup, for trying")
    check = commands.add_parser("check", help="are the backups what they say; exit 0 sound, 30 damaged")
    check.add_argument("--to", type=Path, required=True, help="folder of the backups")
    check.add_argument("--key", type=Path, help="the private key: open everything, too")


def run(options: argparse.Namespace) -> int:
    """Do it; raises `Misconfigured` and `Transient`."""
    match options.action:
        case "new-key":
            try:
                print(sealing.new_key(options.file))
            except FileExistsError:
                raise Misconfigured(f"{options.file} is there: a key is never overwritten") from None
            return 0
        case "check":
            return _check(options)
        case "keys":
            return _keys(options, look(options.settings, known(None), os.environ))
        case _:
            return _run(options)


def _run(options: argparse.Namespace) -> int:
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise Misconfigured("DATABASE_URL is not set (an administrator's)")
    if not 1 <= options.keep_days <= rules.WINDOW_DAYS:
        raise Misconfigured(f"--keep-days: 1 to {rules.WINDOW_DAYS}: what is purged must go from backups too (RET-10)")
    found = look(options.settings, known(None), os.environ)
    images = _images(options, found)
    if options.keys_to:
        _refuse(options)
    began, now = time.monotonic(), datetime.now(UTC)
    recipient = sealing.read_key(options.recipient)
    for name in taking.forget(options.to, now, timedelta(days=options.keep_days)):  # first: it makes room
        print(f"{name} is removed: older than {options.keep_days} days, or broken off")
    taken = asyncio.run(taking.take(url, images, options.to, recipient, now, prune=options.prune))
    told = taken.manifest
    print(
        f"{taken.folder}: {told.bytes / 1e6:.1f} MB, {told.facts.reads} reads, {told.facts.entries} entries of the ledger; "
        f"{told.images} images ({taken.images.copied} copied, {taken.images.gone} gone); {time.monotonic() - began:.1f} s"
    )
    if options.keys_to:
        _keys(options, found)
    return 0


def _images(options: argparse.Namespace, found: Found) -> str:
    """The image store to mirror; empty when others do."""
    images = options.images or str(found.settings.get("retention", {}).get("objects_url", ""))
    if not images:
        raise Misconfigured("the image store is not known: --settings, or --images URL, or --images none")
    return "" if images == "none" else images


def _keys(options: argparse.Namespace, found: Found) -> int:
    _refuse(options)
    recipient, now = sealing.read_key(options.recipient), datetime.now(UTC)
    job = taking.take_images_and_keys(
        found, _images(options, found), options.to, options.keys_to, recipient, now, prune=options.prune
    )
    print(f"{options.keys_to / taking.KEYS}: {asyncio.run(job)} files")
    return 0


def _refuse(options: argparse.Namespace) -> None:
    one_disk = taking.same_device(options.to, options.keys_to) and not options.same_disk
    if words := rules.refuse_places(str(options.to.resolve()), str(options.keys_to.resolve()), one_disk):
        raise Misconfigured(words)


def _check(options: argparse.Namespace) -> int:
    private = sealing.read_private(options.key) if options.key else None
    names = taking.sets_in(options.to)
    if not names:
        raise Misconfigured(f"no backup lies in {options.to}")
    damaged = 0
    for name in names:
        fault = taking.fault_of(options.to, name)
        if not fault and private is not None:
            fault = _opened(options.to / taking.SETS / name / taking.DATABASE, private, name)
        facts = taking.manifest_of(options.to, name).facts
        print(f"{name}: {fault or 'sound'}; {facts.reads} reads, {facts.entries} entries")
        damaged += bool(fault)
    return 30 if damaged else 0


def _opened(path: Path, private: bytes, name: str) -> str:
    try:
        with path.open("rb") as file:
            bound, _, pieces = sealing.open_sealed(file, private)
            for _ in pieces:
                continue
    except (OSError, InvalidMessage) as error:
        return f"it does not open: {error}"
    return "" if bound == name else "it is another backup's copy"
