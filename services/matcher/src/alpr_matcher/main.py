"""Puts the matcher together and runs it."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime
from typing import Final

from alpr_matcher.app import Matcher, create_app, run_streams
from alpr_matcher.settings import Settings
from alprcore.kafka import DeadLetters, Publisher, follow_whole, watch_streams
from alprcore.ops import Health, ops_routes
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys
from alprcore.topics import Topic

_COLLECT: Final = (50_000, 20, 50)
"""A page of 5,000 messages makes 45,000 objects that die young: with Python's own thresholds, which look through them
sixty times, the collector took two fifths of the processor time of reading them."""
_STOP_SHARE: Final = 0.6  # of the shutdown time goes to the streams, the rest to publisher and followers


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run the matcher until `stop`."""
    gc.freeze()
    gc.set_threshold(*_COLLECT)
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

        whole = (
            (Topic.HOTLIST_VERSIONS, matcher.take_version, matcher.versions_read),
            (Topic.HOTLIST_PARTIALS, matcher.take_partial, matcher.partials_read),
            (Topic.DEVICES_CHECKS, matcher.take_checks, asyncio.Event()),
            (Topic.STORM_RELEASES, matcher.take_release, asyncio.Event()),
            (Topic.PROFILES, matcher.take_profile, matcher.profiles_read),
        )
        await together(
            serve_http(ops_routes(health), settings, done),
            *(follow_whole(settings.kafka, topic, take, ready=ready, stop=done) for topic, take, ready in whole),
            matcher.follower.run(done),
            matcher.recalls.follow(done),
            matcher.recalls.run(lambda: matcher.assigned or frozenset(), done),
            matcher.watch(done),
            watch_streams(settings.kafka, health, matcher.profiles, done),
            streams(),
        )


def main() -> int:
    """Run the service; answers the exit status."""
    return run("matcher", Settings, serve)
