"""The command `alpr`: finds the subcommand and hands over. Only the chosen one is imported."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Final

from alprcore.errors import Misconfigured, Transient

COMMANDS: Final = {
    "read": ("alpr_cli.read", "read the plates of pictures, videos or a live camera, on this machine alone"),
    "run": ("alpr_cli.run", "the whole product on this machine, playing a drive"),
    "smoke": ("alpr_cli.smoke", "the same without a person: does a frame become a notification"),
    "prepare": ("alpr_cli.prepare", "keys, topics and settings of an installation"),
    "keys": ("alpr_cli.keys", "draw the keys and passwords of a cluster's Secrets"),
    "simulate": ("alpr_cli.simulate", "cameras that play photographs, a video or a rendered drive"),
    "simulate-list": ("alpr_cli.list_source", "write the file that a list's source would send"),
    "simulate-cad": ("alpr_cli.cad", "a simulated CAD system that answers hits; nobody is sent anywhere"),
    "simulate-rms": ("alpr_cli.rms", "a simulated records system that knows case files; no real case is in it"),
    "simulate-repository": ("alpr_cli.repository", "a simulated standing repository that takes and gives back reads"),
    "hotlist": ("alpr_cli.hotlist", "load a list, show the state of lists"),
    "device": ("alpr_cli.device", "copies of lists on a device: pull, check, compare plates with them"),
    "doctor": ("alpr_cli.doctor", "look at a deployment: what is wrong with it, and what to do"),
    "backup": ("alpr_cli.backup", "sealed copies of database, images and keys"),
    "restore": ("alpr_cli.restore", "bring a backup back"),
    "settle": ("alpr_cli.settle", "take what was deleted out of the database's files too"),
    "topics": ("alpr_cli.topics", "create and list the topics"),
    "dlq": ("alpr_cli.dlq", "list, show and replay dead letters"),
    "registration": (
        "alpr_cli.registration",
        "a simulated vehicle registration source, for tests and demonstrations",
    ),
    "confirmation": ("alpr_cli.confirmation", "check an agency's switch, or simulate one"),
    "learn": ("alpr_cli.learn", "a simulated external LEARN tenant, for tests and demonstrations"),
    "audit": ("alpr_cli.verify", "verify a copy of the ledger offline"),
    "evidence": ("alpr_cli.evidence", "verify an evidence or release package offline"),
}
"""Subcommands: module with `add_arguments(parser)` and `run(options) -> int`, and what it is for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit status (78: a setting is wrong, 69: something needed is away)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(prog="alpr", description="Runs and tends a Plateline installation.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, purpose) in COMMANDS.items():
        if importlib.util.find_spec(module) is None:
            continue
        sub = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        if name == chosen:
            importlib.import_module(module).add_arguments(sub)
    options = parser.parse_args(arguments)
    command = importlib.import_module(COMMANDS[options.command][0])
    try:
        return int(command.run(options))
    except Misconfigured as error:
        print(f"alpr {options.command}: {error}", file=sys.stderr)
        return os.EX_CONFIG
    except Transient as error:
        print(f"alpr {options.command}: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except KeyboardInterrupt:
        return 130
