"""`alpr topics`: topics, access rules and accounts of the brokers, as the contract declares them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import yaml

from alpr_cli.broker import add_broker, broker
from alprcore.access import Principal, access_table, as_commands, as_data
from alprcore.errors import Misconfigured
from alprcore.kafka import (
    KafkaSettings,
    create_topics,
    load_topic_specs,
    settle_accounts,
    settle_rules,
    settle_topics,
)
from alprcore.profiles import load_profiles
from alprcore.topics import TopicSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr topics`."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="create|apply|table|commands|list")
    create = commands.add_parser("create", help="create what does not exist yet; safe to repeat")
    apply = commands.add_parser("apply", help="create, and settle settings, access rules and accounts; safe to repeat")
    for sub in (create, apply):
        add_broker(sub)
        sub.add_argument("--agency", action="append", help="whose cad topics to create (default: all shipped profiles)")
        sub.add_argument("--replication", type=int, default=1, help="copies of each partition (3 in production)")
        sub.add_argument("--min-insync", type=int, help="copies that a write waits for (2 of 3; default: the broker's)")
    apply.add_argument(
        "--passwords",
        type=Path,
        help="folder with <account> or <account>/password for each: SCRAM accounts are made, or get a new password",
    )
    apply.add_argument(
        "--prune",
        action="store_true",
        help="these agencies, fleets and witnesses are all: take away our accounts' other rules, and accounts of none",
    )
    table = commands.add_parser("table", help="print topics and access rules as JSON, for charts and other tools")
    lines = commands.add_parser("commands", help="print the access rules as arguments of Kafka's own kafka-acls.sh")
    for sub in (table, lines):
        sub.add_argument("--prefix", default=os.environ.get("ALPR_TOPIC_PREFIX", ""))
        sub.add_argument("--agency", action="append", help="whose CAD (table, none named: <agency> stays in the names)")
    for sub in (apply, table, lines):
        sub.add_argument("--fleet", action="append", help="a camera fleet that publishes frames itself")
        sub.add_argument("--witness", action="append", help="a witness of the ledger that reads its tree heads")
    commands.add_parser("list", help="show every topic of the contract")


def run(options: argparse.Namespace) -> int:
    """Carry the action out; returns the exit status, 65 when a topic has another number of partitions than declared."""
    match options.action:
        case "list":
            return _list()
        case "table":
            specs = _of_agencies(load_topic_specs(), options.agency)
            table = _table(options, options.agency, options.fleet, options.witness)
            print(json.dumps(as_data(specs, table, options.prefix), indent=1))
            return 0
        case "commands":
            for line in as_commands(_table(options, options.agency or [], options.fleet or [], options.witness or [])):
                print(line)
            return 0
        case "create":
            created = asyncio.run(_create(broker(options), options))
            print(f"{len(created)} topics created")
            return 0
        case _:
            return asyncio.run(_apply(options))


def _list() -> int:
    for file in sorted((resources.files("alpr") / "topics").iterdir(), key=lambda item: item.name):
        spec = yaml.safe_load(file.read_text("utf-8"))
        print(f"{spec['topic']}\n    {spec['purpose']}\n    key {spec['key']}, {spec['partitions']} partitions")
    return 0


def _table(
    options: argparse.Namespace,
    agencies: Sequence[str] | None,
    fleets: Sequence[str] | None,
    witnesses: Sequence[str] | None,
) -> tuple[Principal, ...]:
    try:
        return access_table(
            load_topic_specs(), agencies=agencies, fleets=fleets, witnesses=witnesses, prefix=options.prefix
        )
    except ValueError as error:
        raise Misconfigured(str(error)) from error


def _of_agencies(specs: Sequence[TopicSpec], agencies: Sequence[str] | None) -> list[TopicSpec]:
    """Repeat the agencies' topics; None leaves the placeholder."""
    if agencies is None:
        return list(specs)
    return [
        replace(spec, name=name)
        for spec in specs
        for name in (
            [spec.name.replace("<agency>", agency) for agency in agencies] if "<agency>" in spec.name else [spec.name]
        )
    ]


async def _apply(options: argparse.Namespace) -> int:
    settings = broker(options)
    agencies = sorted(load_profiles()) if options.agency is None else options.agency
    table = _table(options, agencies, options.fleet or [], options.witness or [])
    passwords = {} if options.passwords is None else _passwords(options.passwords, table)
    created = await _create(settings, options)
    topics = await settle_topics(settings, _of_agencies(_specs(options.min_insync), agencies))
    rules = await settle_rules(settings, table, prune=options.prune)
    if passwords or rules.gone:
        await settle_accounts(settings, passwords, rules.gone)
    for name in rules.gone:
        print(f"{name}: named no longer; its rules and its password are taken away")
    for name in topics.settings:
        print(f"{name}: settings changed")
    for name in topics.differ:
        print(f"{name}: has another number of partitions than declared; left as it is, its keys would move")
    print(
        f"{len(created)} topics created, {len(topics.settings)} changed; {rules.added} access rules added, "
        f"{rules.removed} taken away; {len(passwords)} passwords set"
    )
    return os.EX_DATAERR if topics.differ else 0


def _passwords(folder: Path, table: Sequence[Principal]) -> dict[str, str]:
    """Read the password of every principal that has a file. Raises `Misconfigured`: a file of nobody, or empty."""
    names = {principal.name for principal in table}
    try:
        places = {place.name: place / "password" if place.is_dir() else place for place in folder.iterdir()}
        found = {name: file.read_text("utf-8").strip() for name, file in places.items() if file.is_file()}
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"--passwords: {type(error).__name__}") from error
    if unknown := sorted(found.keys() - names):
        raise Misconfigured(f"--passwords: no account is called {', '.join(unknown)}")
    if empty := sorted(name for name, password in found.items() if not password):
        raise Misconfigured(f"--passwords: {', '.join(empty)}: empty")
    return found


def _specs(min_insync: int | None) -> list[TopicSpec]:
    more = {} if min_insync is None else {"min.insync.replicas": str(min_insync)}
    return [replace(spec, config={**spec.config, **more}) for spec in load_topic_specs()]


async def _create(settings: KafkaSettings, options: argparse.Namespace) -> list[str]:
    return await create_all(
        settings, agencies=options.agency, replication=options.replication, min_insync=options.min_insync
    )


async def create_all(
    settings: KafkaSettings,
    *,
    agencies: Sequence[str] | None = None,
    replication: int = 1,
    min_insync: int | None = None,
) -> list[str]:
    """Create every topic of the contract that does not exist; `agencies` None: all whose profiles ship.

    Answers the names created; raises `Transient` when no broker answers.
    """
    wanted = sorted(load_profiles()) if agencies is None else agencies
    return await create_topics(settings, _specs(min_insync), agencies=wanted, replication=replication)
