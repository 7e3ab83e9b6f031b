"""Runs the keeper of reads, hits and images."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from alprcore.kafka import DeadLetters, Publisher, follow_whole, run_batches, run_consumer, run_letters, watch_streams
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.runtime import run, serve_http, together
from alprcore.told import sealing
from alprcore.topics import Topic

from .app import Keeper, Profiles, every
from .building import Parts, build
from .settings import RetentionSettings

_RELAY_S: Final = 0.3
_VOUCH_S: Final = 2.0
"""How often a database that began anew is looked at: searches wait that long after its restart."""


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


async def serve(settings: RetentionSettings, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    profiles, followed, vouched = Profiles(), asyncio.Event(), asyncio.Event()
    profiles.statute = settings.statutory_retention
    health = Health("retention")
    health.check("profiles", lambda: "" if followed.is_set() else "profiles are not read yet")
    health.check("purges", lambda: "" if vouched.is_set() else "purges of before are not done again yet")
    async with Publisher(settings.kafka, sealing(settings.events_public_key)) as publisher:
        parts = await build(settings, profiles, publisher, utc_now)

        async def vouch() -> None:
            await parts.purges.vouch()
            vouched.set()

        async def housekeeping() -> None:
            while not (followed.is_set() or stop.is_set()):
                await asyncio.sleep(0.1)
            looking = asyncio.create_task(every(_VOUCH_S, stop, vouch))
            while not (vouched.is_set() or stop.is_set() or looking.done()):
                await asyncio.sleep(0.1)
            await asyncio.gather(looking, *_by_itself(parts, settings, stop))

        async def put_aside() -> None:
            while not (followed.is_set() or stop.is_set()):  # whose a letter is, the policies say
                await asyncio.sleep(0.1)
            if not stop.is_set():
                await run_letters(
                    settings.kafka,
                    [Topic.FRAMES, Topic.READS, Topic.HITS],
                    group="alpr-retention-letters",
                    handle=parts.quarantine.take,
                    dead_letters=letters,
                    stop=stop,
                    metrics=ConsumerMetrics("retention_letters"),
                )

        async def relay() -> None:
            while await parts.outbox.relay(publisher):
                continue

        letters = DeadLetters(publisher, "retention")
        await together(
            serve_http(ops_routes(health, parts.app), settings, stop),
            follow_whole(settings.kafka, Topic.PROFILES, profiles.apply, ready=followed, stop=stop),
            run_batches(
                settings.kafka,
                [Topic.READS, Topic.HITS],
                group="alpr-retention",
                handler=Keeper(parts.records, profiles, settings.topic_prefix),
                dead_letters=letters,
                stop=stop,
                metrics=ConsumerMetrics("retention"),
                max_records=200,
            ),
            run_consumer(
                settings.kafka,
                [Topic.PURGE_ANSWERS],
                group="alpr-retention-answers",
                handle=parts.purges.accounts.take_answer,
                dead_letters=letters,
                stop=stop,
                metrics=ConsumerMetrics("retention_answers"),
            ),
            put_aside(),
            watch_streams(settings.kafka, health, profiles, stop),
            every(_RELAY_S, stop, relay),
            housekeeping(),
        )
        await parts.close()


def _by_itself(parts: Parts, settings: RetentionSettings, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
    """What every feature does without being asked, and how often."""

    async def send() -> None:
        await parts.repositories.turn(parts.clock())

    async def agree() -> None:
        await parts.agreements.turn(parts.profiles, parts.clock())

    async def dispose() -> None:
        await parts.disposal.turn(parts.profiles, parts.clock())

    async def tidy() -> None:
        await parts.packages.tidy(parts.clock())

    return [
        every(settings.keys_every_seconds, stop, parts.house.prepare_days),
        every(settings.purge_every_hours * 3600, stop, parts.purges.purge),
        every(5.0, stop, parts.purges.accounts.settle),
        every(settings.notes_every_seconds, stop, parts.house.note_days),
        every(60.0, stop, parts.refusals.flush),
        every(5.0, stop, parts.schedule.work),
        every(60.0, stop, parts.schedule.measure),
        every(60.0, stop, parts.schedule.report),
        every(60.0, stop, parts.watch.look),
        every(settings.case_files_every_seconds, stop, parts.watch.ask_case_files),
        every(settings.repositories_every_seconds, stop, send),
        every(5.0, stop, agree),
        every(2.0, stop, parts.builder.work),
        every(60.0, stop, tidy),
        every(3600.0, stop, dispose),
        every(3600.0, stop, parts.quarantine.sweep_frames),
    ]


def main() -> int:
    """Run the retention service."""
    return run("retention", RetentionSettings, serve, sys.argv[1:])
