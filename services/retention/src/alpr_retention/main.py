"""Puts the keeper of reads, hits and images together and runs it."""

from __future__ import annotations

import asyncio
import base64
import sys
from datetime import UTC, datetime

from alprcore.errors import Misconfigured
from alprcore.kafka import DeadLetters, Publisher, follow_whole, run_batches
from alprcore.objects import ImageStore
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.postgres import connect, require_schema
from alprcore.runtime import run, serve_http, together
from alprcore.topics import Topic

from .api import create_app
from .app import House, Images, Keeper, Profiles, every
from .settings import RetentionSettings
from .store import ImageKeys, Records


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


async def build(settings: RetentionSettings, profiles: Profiles, publisher: Publisher) -> tuple[House, bytes]:
    """Put the parts together; raises `Misconfigured` for a setting or schema that does not do."""
    try:
        person_key = base64.b64decode(settings.person_public_key, validate=True)
    except ValueError as error:
        raise Misconfigured("ALPR_RETENTION_PERSON_PUBLIC_KEY: not base64") from error
    pool = await connect(settings.database_url.get_secret_value())
    await require_schema(pool, "retention", "alpr_retention")
    images = Images(ImageStore(settings.objects_url), ImageKeys(settings.image_keys_dir))
    return House(Records(pool), images, profiles, publisher, utc_now), person_key


async def serve(settings: RetentionSettings, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    profiles, followed = Profiles(), asyncio.Event()
    health = Health("retention")
    health.check("profiles", lambda: "" if followed.is_set() else "profiles are not read yet")
    async with Publisher(settings.kafka) as publisher:
        house, person_key = await build(settings, profiles, publisher)

        async def housekeeping() -> None:
            while not (followed.is_set() or stop.is_set()):
                await asyncio.sleep(0.1)
            await asyncio.gather(
                every(settings.keys_every_seconds, stop, house.prepare_days),
                every(settings.purge_every_hours * 3600, stop, house.purge),
                every(settings.notes_every_seconds, stop, house.note_days),
                every(60.0, stop, house.tell_counted_refusals),
            )

        await together(
            serve_http(ops_routes(health, create_app(house, person_key, utc_now)), settings, stop),
            follow_whole(settings.kafka, Topic.PROFILES, profiles.apply, ready=followed, stop=stop),
            run_batches(
                settings.kafka,
                [Topic.READS, Topic.HITS],
                group="alpr-retention",
                handler=Keeper(house.records, profiles, settings.topic_prefix),
                dead_letters=DeadLetters(publisher, "retention"),
                stop=stop,
                metrics=ConsumerMetrics("retention"),
                max_records=200,
            ),
            housekeeping(),
        )


def main() -> int:
    """Run the retention service."""
    return run("retention", RetentionSettings, serve, sys.argv[1:])
