"""What an agency's CAD system gets with an alert: its own topics, where it has them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from alpr_matcher import metrics
from alpr_matcher.alerts.notify import Alert
from alpr_matcher.settings import Settings
from alprcore import wire
from alprcore.kafka import existing_topics
from alprcore.links import image_links
from alprcore.model import Before, Hit, ImageLink, Notification, notification_id
from alprcore.seal import ListKeys
from alprcore.topics import Topic, physical

_REFRESH_S: Final = 30.0

Out = tuple[Topic, str, bytes, str]
"""Topic, the message's id, its value, and the agency whose topic it is."""


class CadTopics:
    """Which agencies have a CAD, and what it is told."""

    def __init__(self, settings: Settings, keys: ListKeys, source: str, now: Callable[[], datetime]) -> None:
        self._kafka = settings.kafka
        self._public_url, self._minutes = settings.public_url, settings.link_minutes
        self._keys = keys
        self._source = source
        self._now = now
        self._known: frozenset[str] = frozenset()
        self._checked = -_REFRESH_S

    async def messages(self, hit: Hit, alert: Alert) -> list[Out]:
        """Make the messages for the agency's CAD: of the hit, and of each of its notifications."""
        agency, out = hit.read.agency, list[Out]()
        images: tuple[ImageLink, ...] = ()
        if self._public_url:
            images = image_links(self._keys, self._public_url, agency, hit.hit_id, self._now(), self._minutes)
        if await self._has(Topic.CAD_HITS, agency):
            event = wire.cad_event("hit", hit, source=self._source, images=images)
            out.append((Topic.CAD_HITS, wire.name_of(hit), event, agency))
        if await self._has(Topic.CAD_NOTIFICATIONS, agency):
            for note in alert.notifications:
                before = _before(note, alert)
                event = wire.cad_event("notification", note, source=self._source, before=before, images=images)
                out.append((Topic.CAD_NOTIFICATIONS, note.notification_id, event, agency))
        return out

    async def _has(self, topic: Topic, agency: str) -> bool:
        """Whether the agency has this CAD topic: an agency without CAD must not hold up the others."""
        name = physical(topic, prefix=self._kafka.topic_prefix, agency=agency)
        if name not in self._known and time.monotonic() - self._checked >= _REFRESH_S:
            self._known = await existing_topics(self._kafka)
            self._checked = time.monotonic()
        if name not in self._known:
            metrics.CAD_MISSING.labels(agency, topic.value).inc()
        return name in self._known


def _before(note: Notification, alert: Alert) -> list[Before]:
    if alert.before is None:
        return []
    revision, told = alert.before
    return [Before(notification_id(note.incident_id, note.target, revision), told)]
