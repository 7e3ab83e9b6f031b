"""The CAD topics of every agency that has them: answers come in, what people did goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from alprcore import kafka, wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic, physical

from .events import CadStore

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 30.0
PUBLISH_S: Final = 5.0
UNKNOWN_FOR: Final = timedelta(seconds=30)
"""How long an answer waits for its incident: a CAD may be faster than our own copy of the notification."""
IN_VAIN_FOR: Final = timedelta(minutes=5)


class CadFeed:
    """Follows `cad.<agency>.status` and writes to `cad.<agency>.notifications`."""

    def __init__(
        self,
        store: CadStore,
        settings: kafka.KafkaSettings,
        publisher: kafka.Publisher,
        agencies: Callable[[], list[str]],
        clock: Callable[[], datetime],
        service: str,
        metrics: ConsumerMetrics,
    ) -> None:
        self._store = store
        self._settings = settings
        self._publisher = publisher
        self._agencies = agencies
        self._clock = clock
        self._service = service
        self._metrics = metrics
        self._topics: frozenset[str] | None = None
        self._unknown: dict[str, datetime] = {}
        self._waited: dict[str, datetime] = {}

    async def follow(self, stop: asyncio.Event) -> None:
        """Read the answers of every agency with a status topic until `stop`, also of those that get one later."""
        while not stop.is_set():
            await self._look()
            agencies = self._with(Topic.CAD_STATUS)
            changed = asyncio.Event()
            watching = asyncio.create_task(self._watch(agencies, changed, stop))
            try:
                if agencies:
                    await kafka.run_consumer(
                        self._settings,
                        [Topic.CAD_STATUS],
                        group=f"alpr-{self._service}-cad",
                        handle=self.handle,
                        dead_letters=kafka.DeadLetters(self._publisher, self._service),
                        stop=changed,
                        metrics=self._metrics,
                        outsiders=True,
                        agencies=agencies,
                    )
                else:
                    await changed.wait()
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

    async def handle(self, message: kafka.Message) -> None:
        """Keep one answer. Raises `InvalidMessage`: it is none, or about nothing; `Transient`: perhaps later."""
        said = wire.decode_cad_status(message.value or b"")
        start, end = physical(Topic.CAD_STATUS, prefix=self._settings.topic_prefix, agency="|").split("|")
        agency = message.topic.removeprefix(start).removesuffix(end)
        now, place = self._clock(), f"{message.topic} {message.partition} {message.offset}"
        if await self._store.put_status(agency, said, now):
            self._unknown.pop(place, None)
            return
        if self._may_wait(message, now, now - self._unknown.setdefault(place, now)):
            raise Transient("the incident is not known yet")
        if now - self._unknown.pop(place) >= UNKNOWN_FOR:
            self._waited[message.topic] = now
        raise InvalidMessage("INCIDENT_UNKNOWN", "incident_id")

    def _may_wait(self, message: kafka.Message, now: datetime, waited: timedelta) -> bool:
        """Decide whether an answer about nothing waits: what stands behind it waits with it.

        A fresh one always does. One that is old by its time, which another clock may have given, does unless one of its
        topic has just waited in vain: many of them together hold a topic up no longer than one.
        """
        if waited >= UNKNOWN_FOR:
            return False
        fresh = abs(now.timestamp() - message.timestamp_ms / 1000) < UNKNOWN_FOR.total_seconds()
        before = self._waited.get(message.topic)
        return fresh or before is None or now - before > IN_VAIN_FOR

    async def publish(self, agency: str, incident_id: str, name: str, body: bytes, sent_at: datetime) -> bool:
        """Put a message on the agency's topic; False where it has none. Raises `Transient`."""
        if self._topics is None:
            await self._look()
        if agency not in self._with(Topic.CAD_NOTIFICATIONS):
            return False
        headers = wire.headers_for(Topic.CAD_NOTIFICATIONS, id=name, source=f"alpr-{self._service}", time=sent_at)
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self._publisher.publish(
                    Topic.CAD_NOTIFICATIONS, key=incident_id, value=body, headers=headers, agency=agency
                )
        except TimeoutError as error:
            raise Transient("the CAD topic does not answer") from error
        return True

    async def _watch(self, agencies: list[str], changed: asyncio.Event, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
            with suppress(Transient):
                await self._look()
            if self._with(Topic.CAD_STATUS) != agencies:
                break
        changed.set()

    async def _look(self) -> None:
        self._topics = await kafka.existing_topics(self._settings)

    def _with(self, topic: Topic) -> list[str]:
        prefix, known = self._settings.topic_prefix, self._topics or frozenset()
        return sorted(a for a in self._agencies() if physical(topic, prefix=prefix, agency=a) in known)
