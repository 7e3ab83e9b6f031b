"""Watches the age of lists: raises HOTLIST_STALE, and judges every local day at its end (HOT-03, HOT-05)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from alpr_ingest import metrics
from alpr_ingest.app import Relay, first_of
from alpr_ingest.feeds import DayCount, closed_days, day_bounds, freshness, missed
from alpr_ingest.pulling.alarms import LOADS_MISSED, STALE, Alarm, alarm_messages, clear_alarm, raise_alarm
from alpr_ingest.store import Store, WatchedList
from alprcore.errors import Transient
from alprcore.policy import AgencyProfile
from alprcore.wire import rfc3339

logger = logging.getLogger(__name__)

_ABANDONED: Final = timedelta(hours=1)
"""A pull that began longer ago belongs to a process that is gone: it no longer puts off an alarm."""
_KEPT: Final = timedelta(days=400)
"""Pulls are kept for the year that a report may look back, and a month."""


class Watch:
    """Looks at every list that is loaded from files, again and again."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        profiles: Mapping[str, AgencyProfile],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._relay = relay
        self._profiles = profiles
        self._clock = clock

    async def run(self, stop: asyncio.Event, beat: Callable[[], None], poll_s: float) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            beat()
            try:
                await self.look()
            except Transient as error:
                logger.warning("list_watch_waits", extra={"reason": str(error)})
            await first_of(stop, timeout_s=poll_s)

    async def look(self) -> None:
        """Judge every list as of now. Raises `Transient`; what was judged by then is not judged twice."""
        now = self._clock()
        for watched in await self._store.watched_lists(now, now - _ABANDONED):
            profile = self._profiles.get(watched.target.agency)
            if profile is None:
                continue
            await self._judge_age(watched, now)
            for day in closed_days(watched.judged_to, watched.watched_from, now, profile.timezone):
                begin, end = day_bounds(day, profile.timezone)
                loads = await self._store.loads_between(watched.target.agency, watched.target.code, begin, end)
                await self._judge_day(watched, DayCount(day, loads, watched.target.loads_per_day), now)
                await self._store.forget_pulls(now - _KEPT)

    async def _judge_age(self, watched: WatchedList, now: datetime) -> None:
        target = watched.target
        found = freshness(
            target, confirmed_at=watched.confirmed_at, watched_from=watched.watched_from, fed=watched.fed, now=now
        )
        labels = (target.agency, target.code)
        metrics.LIST_AGE.labels(*labels).set(found.unconfirmed_s)
        if found.since is None:
            metrics.LIST_STALE.labels(*labels).set(0)
            if watched.alarmed and await clear_alarm(self._store, target, Alarm.STALE, now):
                self._relay.kick()
        elif not watched.running:  # one that is being pulled is judged when the pull has ended
            metrics.LIST_STALE.labels(*labels).set(1)
            facts = {"since": rfc3339(found.since), "unconfirmed_s": str(found.unconfirmed_s)}
            if not watched.alarmed and await raise_alarm(self._store, target, Alarm.STALE, STALE, now, facts):
                logger.warning("hotlist_stale", extra={"list": target.code, "unconfirmed_s": found.unconfirmed_s})
                self._relay.kick()

    async def _judge_day(self, watched: WatchedList, count: DayCount, now: datetime) -> None:
        target = watched.target
        messages = []
        if missed(target, count):
            facts = {"day": count.day.isoformat(), "loads": str(count.loads), "needed": str(count.needed)}
            revision = count.day.isoformat()
            messages = alarm_messages(target, Alarm.LOADS_MISSED, LOADS_MISSED, now, facts, revision=revision)
        if await self._store.judge_day(target, count, messages) and messages:
            logger.warning("list_loads_missed", extra={"list": target.code, "loads": count.loads})
            self._relay.kick()
