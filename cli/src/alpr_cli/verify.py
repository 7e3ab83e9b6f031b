"""`alpr audit`: check a ledger from outside with nothing but its public key, and the witness's where there is one.

The tree is computed here once more, by code of its own: what the ledger's writer gets wrong, this must notice.
Exit codes: 0 sound, 30 diverged (an entry or the tree is not what was signed), 40 invalid (nothing to judge by:
a broken copy, or a checkpoint that the key did not sign).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import asyncpg

from alprcore.errors import Misconfigured
from alprcore.seal import SigningKey

from .audit.copies import export, verify_copy
from .audit.fsck import check_database
from .audit.proofs import (
    DIVERGED,
    INVALID,
    SOUND,
    Finding,
    verify_consistency,
    verify_inclusion,
    verify_receipt,
)
from .audit.rollover import new_key, prepare, sign
from .audit.tiles import export_tiles, verify_tiles

__all__ = [
    "DIVERGED",
    "INVALID",
    "SOUND",
    "Finding",
    "add_arguments",
    "export",
    "main",
    "run",
    "verify_consistency",
    "verify_copy",
    "verify_inclusion",
    "verify_receipt",
    "verify_tiles",
]
_DATABASE = ("postgresql://", "postgres://")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Lay out `alpr audit`."""
    commands = parser.add_subparsers(dest="audit_command", required=True)
    copy = commands.add_parser("export", help="copy a ledger to a file, or with --tiles to a folder of static files")
    copy.add_argument("dsn", help="PostgreSQL address of a role that may read schema audit")
    copy.add_argument("file", type=Path)
    copy.add_argument("--tiles", action="store_true", help="C2SP tlog-tiles: without names, plates and reasons")
    check = commands.add_parser("verify", help="verify a copy offline; exit 0 sound, 30 diverged, 40 invalid")
    check.add_argument("copy", help="file or folder made by export, a published folder, or a PostgreSQL address")
    check.add_argument("--checkpoint", type=Path, help="a signed checkpoint, kept outside the database")
    whole = commands.add_parser("fsck", help="compare a database with everything computed again; same exit statuses")
    whole.add_argument("copy", metavar="dsn")
    whole.add_argument("--checkpoint", type=Path, required=True, help="a signed checkpoint, kept outside the database")
    paper = commands.add_parser("receipt", help="verify the receipt of an answer offline; the same exit statuses")
    paper.add_argument("file", type=Path, help="the answer or its receipt as JSON, or a .tlog-proof file")
    for judging in (check, whole, paper):
        judging.add_argument("--key", required=True, help="verification key name+id+key, or a file that holds it")
        judging.add_argument("--witness", action="append", default=[], help="a witness who must have cosigned too")
    order = commands.add_parser("rollover", help="prepare the order to open a new epoch after a restored backup")
    order.add_argument("dsn")
    order.add_argument("file", type=Path, help="the order, to be signed by two custodians")
    order.add_argument("--origin", required=True, help="name of the ledger")
    order.add_argument("--checkpoint", type=Path, help="the head that was signed last; none: it is lost")
    order.add_argument("--reason", required=True)
    sealing = commands.add_parser("sign-rollover", help="sign such an order as a custodian")
    sealing.add_argument("file", type=Path)
    sealing.add_argument("--name", required=True)
    sealing.add_argument("--secret", type=Path, required=True, help="the custodian's key file")
    key = commands.add_parser("custodian-key", help="make a custodian's key and print its verification key")
    key.add_argument("name")
    key.add_argument("file", type=Path)


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand of `alpr audit`; answers the exit code."""
    try:
        return _run(arguments)
    except (OSError, asyncpg.PostgresError) as error:  # the address, the password or the rights are wrong
        print(f"INVALID: the database does not open the ledger: {type(error).__name__}: {error}", file=sys.stderr)
        return INVALID


def _run(arguments: argparse.Namespace) -> int:
    match arguments.audit_command:
        case "export":
            return _export(arguments)
        case "rollover":
            checkpoint = arguments.checkpoint.read_text("utf-8") if arguments.checkpoint else ""
            order = asyncio.run(prepare(arguments.dsn, arguments.origin, checkpoint, arguments.reason))
            arguments.file.write_text(order, encoding="utf-8")
            print(order, end="")
            return SOUND
        case "sign-rollover":
            signed = sign(arguments.file.read_text("utf-8"), arguments.name, SigningKey.load(arguments.secret))
            arguments.file.write_text(signed, encoding="utf-8")
            return SOUND
        case "custodian-key":
            print(new_key(arguments.name, arguments.file))
            return SOUND
        case _:
            return _say(arguments)


def _say(arguments: argparse.Namespace) -> int:
    try:
        finding = _judge(arguments)
    except (OSError, ValueError, AttributeError, Misconfigured) as error:
        finding = Finding(INVALID, f"cannot be read: {type(error).__name__}")
    verdict = {SOUND: "sound", DIVERGED: "DIVERGED", INVALID: "INVALID"}[finding.code]
    place = "" if finding.first_bad is None else f", first bad index {finding.first_bad}"
    print(f"{verdict}{place}: {finding.words}", file=sys.stdout if finding.code == SOUND else sys.stderr)
    return finding.code


def _export(arguments: argparse.Namespace) -> int:
    if arguments.tiles:
        print(f"{asyncio.run(export_tiles(arguments.dsn, arguments.file))} entries")
        return SOUND
    lines = asyncio.run(export(arguments.dsn))
    arguments.file.touch(mode=0o600)
    arguments.file.chmod(0o600)
    arguments.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines) - 1} lines; the file holds names, plates and reasons (--tiles: a copy without)")
    return SOUND


def _judge(arguments: argparse.Namespace) -> Finding:
    key, witnesses = _key(arguments.key), [_key(witness) for witness in arguments.witness]
    if arguments.audit_command == "receipt":
        text = arguments.file.read_text("utf-8")
        return verify_receipt(json.loads(text) if text.startswith("{") else text, key, witnesses)
    checkpoint = arguments.checkpoint.read_text("utf-8") if arguments.checkpoint else ""
    if Path(arguments.copy).is_dir():
        return verify_tiles(Path(arguments.copy), key, witnesses, checkpoint)
    if not checkpoint:
        return Finding(INVALID, "a copy is judged by a checkpoint kept elsewhere: --checkpoint")
    if arguments.audit_command == "fsck":
        return asyncio.run(check_database(arguments.copy, checkpoint, key, witnesses))
    if arguments.copy.startswith(_DATABASE):
        return verify_copy(asyncio.run(export(arguments.copy)), checkpoint, key, witnesses)
    with Path(arguments.copy).open(encoding="utf-8") as file:
        return verify_copy(file, checkpoint, key, witnesses)


def _key(given: str) -> str:
    return Path(given).read_text("utf-8").strip() if Path(given).is_file() else given


def main(argv: list[str] | None = None) -> int:
    """Run as a command of its own."""
    parser = argparse.ArgumentParser(prog="alpr audit", description="Copies of the ledger, and whether they are sound.")
    add_arguments(parser)
    return run(parser.parse_args(argv))
