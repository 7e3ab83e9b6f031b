"""Puts the matcher together and runs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from alpr_matcher.app import Matcher, create_app, run_streams
from alpr_matcher.settings import Settings
from alprcore.kafka import DeadLetters, Publisher, follow_whole
from alprcore.ops import Health, ops_routes
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys
from alprcore.topics import Topic

_STOP_SHARE: Final = 0.6  # of the shutdown time goes to the streams, the rest to publisher and followers


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run the matcher until `stop`."""
    keys = ListKeys.load(settings.list_keys_file)
    health = Health("matcher")
    done = asyncio.Event()  # the lists and the publisher outlive the streams: a read in hand still needs them
    async with Publisher(settings.kafka) as publisher:
        dead_letters = DeadLetters(publisher, "matcher")
        matcher = Matcher(
            settings, publisher=publisher, dead_letters=dead_letters, keys=keys, health=health, now=utc_now
        )
        app = create_app(settings, matcher)

        async def streams() -> None:
            try:
                await run_streams(app, matcher, stop, stop_timeout=settings.shutdown_seconds * _STOP_SHARE)
            finally:
                done.set()

        versions, profiles = (
            (matcher.take_version, matcher.versions_read),
            (matcher.take_profile, matcher.profiles_read),
        )
        await together(
            serve_http(ops_routes(health), settings, done),
            follow_whole(settings.kafka, Topic.HOTLIST_VERSIONS, versions[0], ready=versions[1], stop=done),
            follow_whole(settings.kafka, Topic.PROFILES, profiles[0], ready=profiles[1], stop=done),
            matcher.follower.run(done),
            matcher.watch(done),
            streams(),
        )


def main() -> int:
    """Run the service; answers the exit status."""
    return run("matcher", Settings, serve)
