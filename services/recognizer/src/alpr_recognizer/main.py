"""Composition of the recognizer: frames in, one read per vehicle passage out, nothing lost and nothing read twice."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from alpr_recognizer.app import Recognizer, Registry
from alpr_recognizer.models import ModelProcess, Reader
from alpr_recognizer.models.fake import FakeReader
from alpr_recognizer.settings import Settings
from alprcore.errors import Misconfigured
from alprcore.kafka import DeadLetters, Publisher, follow_whole, run_batches, watch_streams
from alprcore.objects import ImageStore
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.runtime import run, serve_http, together
from alprcore.topics import Topic

logger = logging.getLogger(__name__)

GROUP: Final = "alpr-recognizer"


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run the service until `stop`."""
    if settings.reader == "fake" and not settings.load_test:
        raise Misconfigured("ALPR_RECOGNIZER_READER: fake is for load tests, which set ALPR_RECOGNIZER_LOAD_TEST=true")
    health, registry = Health("recognizer"), Registry()
    store = ImageStore(settings.objects_url)
    ready = {topic: asyncio.Event() for topic in (Topic.DEVICES, Topic.PROFILES, Topic.IMAGE_KEYS)}
    for topic, event in ready.items():
        health.check(topic.value, lambda event=event: "" if event.is_set() else "not read yet")  # type: ignore[misc]
    models_ready = asyncio.Event()
    health.check("models", lambda: "" if models_ready.is_set() else "loading")

    async def recognize() -> None:
        loading = asyncio.create_task(asyncio.to_thread(_load, settings))
        reader = await loading
        try:
            logger.info("backend", extra={"backend": reader.info.backend})
            for name, model in (("detector", reader.info.detector), ("reader", reader.info.reader)):
                logger.info("model", extra={"role": name, "name_": model.name, "sha256": model.sha256})
                health.say(name, f"{model.name} sha256:{model.sha256}")
            health.say("backend", reader.info.backend)
            models_ready.set()
            for event in ready.values():
                await _either(event, stop)
            async with Publisher(settings.kafka) as publisher:
                dead_letters = DeadLetters(publisher, "recognizer")
                handler = Recognizer(
                    registry=registry,
                    reader=reader,
                    publisher=publisher,
                    dead_letters=dead_letters,
                    store=store,
                    settings=settings,
                    clock=utc_now,
                )
                await run_batches(
                    settings.kafka,
                    [Topic.FRAMES],
                    group=GROUP,
                    handler=handler,
                    dead_letters=dead_letters,
                    stop=stop,
                    metrics=ConsumerMetrics("recognizer"),
                    max_records=settings.batch,
                    idle=0.1,
                    outsiders=True,
                )
        finally:
            await asyncio.to_thread(reader.close)

    await together(
        serve_http(ops_routes(health), settings, stop),
        follow_whole(settings.kafka, Topic.DEVICES, registry.take_device, ready=ready[Topic.DEVICES], stop=stop),
        follow_whole(settings.kafka, Topic.PROFILES, registry.take_profile, ready=ready[Topic.PROFILES], stop=stop),
        follow_whole(settings.kafka, Topic.IMAGE_KEYS, registry.take_key, ready=ready[Topic.IMAGE_KEYS], stop=stop),
        watch_streams(settings.kafka, health, registry.profiles, stop),
        recognize(),
    )


def _load(settings: Settings) -> Reader:
    if settings.reader == "fake":
        return FakeReader()
    return ModelProcess(settings.weights, threads=settings.threads, wide=settings.wide, backend=settings.backend)


async def _either(event: asyncio.Event, stop: asyncio.Event) -> None:
    waiting = {asyncio.create_task(event.wait()), asyncio.create_task(stop.wait())}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def main() -> int:
    """Run from the command line; answers the exit status."""
    return run("recognizer", Settings, serve)
