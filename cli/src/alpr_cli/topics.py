"""`alpr topics`: creates the topics of the contract and shows what they are for."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from importlib import resources

import yaml

from alprcore.kafka import KafkaSettings, create_topics, load_topic_specs
from alprcore.profiles import load_profiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr topics`."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="create|list")
    create = commands.add_parser("create", help="create what does not exist yet; safe to repeat")
    create.add_argument("--bootstrap", default=os.environ.get("ALPR_KAFKA_BOOTSTRAP", "127.0.0.1:9092"))
    create.add_argument("--prefix", default=os.environ.get("ALPR_TOPIC_PREFIX", ""))
    create.add_argument("--agency", action="append", help="whose cad topics to create (default: all shipped profiles)")
    create.add_argument("--replication", type=int, default=1, help="copies of each partition (3 in production)")
    commands.add_parser("list", help="show every topic of the contract")


def run(options: argparse.Namespace) -> int:
    """Create or list; returns the exit status."""
    if options.action == "list":
        for file in sorted((resources.files("alpr") / "topics").iterdir(), key=lambda item: item.name):
            spec = yaml.safe_load(file.read_text("utf-8"))
            print(f"{spec['topic']}\n    {spec['purpose']}\n    key {spec['key']}, {spec['partitions']} partitions")
        return 0
    created = asyncio.run(
        create_all(options.bootstrap, prefix=options.prefix, agencies=options.agency, replication=options.replication)
    )
    print(f"{len(created)} topics created")
    return 0


async def create_all(
    bootstrap: str, *, prefix: str = "", agencies: Sequence[str] | None = None, replication: int = 1
) -> list[str]:
    """Create every topic of the contract that does not exist; `agencies` None: all whose profiles ship.

    Answers the names created; raises `Transient` when no broker answers.
    """
    settings = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
    wanted = sorted(load_profiles()) if agencies is None else agencies
    return await create_topics(settings, load_topic_specs(), agencies=wanted, replication=replication)
