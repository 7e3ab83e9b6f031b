"""`alpr dlq`: counts, shows and replays dead letters. Contents are never printed: they hold plates."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from alpr_cli.broker import add_broker, broker
from alprcore.kafka import KafkaSettings, Message, Publisher, lying, replay
from alprcore.kafka.topics import existing_topics

_LETTERS = ".dlq"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr dlq`."""
    add_broker(parser)
    commands = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay")
    commands.add_parser("list", help="how many of which code lie on which topic")
    for name, purpose in (
        ("show", "where, when and why, letter by letter"),
        ("replay", "write them back to their topic"),
    ):
        sub = commands.add_parser(name, help=purpose)
        sub.add_argument("topic", help="the topic they were put aside from, e.g. frames")
        sub.add_argument("--code", help="only those with this reason code")
        sub.add_argument("--offset", type=int, action="append", help="only those at these offsets")
        sub.add_argument("--limit", type=int, help="at most so many")


def run(options: argparse.Namespace) -> int:
    """List, show or replay; returns 1 when there was nothing to replay or a letter could not be."""
    settings = broker(options)
    match options.action:
        case "list":
            return asyncio.run(_list(settings))
        case "show":
            return asyncio.run(_show(settings, options))
        case _:
            return asyncio.run(_replay(settings, options))


def _text(letter: Message, name: str) -> str:
    return letter.headers.get(f"dlq-{name}", b"").decode(errors="replace")


def _time(letter: Message) -> str:
    return datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")


async def _list(settings: KafkaSettings) -> int:
    names = sorted(await existing_topics(settings))
    for name in names:
        if not name.startswith(settings.topic_prefix) or not name.endswith(_LETTERS):
            continue
        codes: Counter[str] = Counter()
        newest = ""
        async for letter in lying(settings, name):
            codes[_text(letter, "code")] += 1
            newest = max(newest, _time(letter))
        for code, count in codes.most_common():
            print(f"{name.removeprefix(settings.topic_prefix)}  {code}  {count}  newest {newest}")
    return 0


async def _chosen(settings: KafkaSettings, options: argparse.Namespace) -> AsyncIterator[Message]:
    given = 0
    async for letter in lying(settings, f"{settings.topic_prefix}{options.topic}{_LETTERS}"):
        fits = options.code in {None, _text(letter, "code")} and (not options.offset or letter.offset in options.offset)
        if fits and (options.limit is None or given < options.limit):
            given += 1
            yield letter


async def _show(settings: KafkaSettings, options: argparse.Namespace) -> int:
    async for letter in _chosen(settings, options):
        print(
            f"{letter.offset}  {_time(letter)}  {_text(letter, 'code')}  {_text(letter, 'message')}  by "
            f"{_text(letter, 'service')}, from {_text(letter, 'topic')}/{_text(letter, 'partition')}/"
            f"{_text(letter, 'offset')}, {len(letter.value or b'')} bytes"
        )
    return 0


async def _replay(settings: KafkaSettings, options: argparse.Namespace) -> int:
    replayed = left = 0
    async with Publisher(settings) as publisher:
        async for letter in _chosen(settings, options):
            if "ce_type" not in letter.headers:  # what a device sent over HTTPS that was no frame: nobody could read it
                left += 1
                continue
            await replay(publisher, letter)
            replayed += 1
    print(f"{replayed} replayed, {left} cannot be; whoever has seen one already drops it by its id")
    return 0 if replayed and not left else 1
