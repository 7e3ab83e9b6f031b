"""Publishes the buckets of a staged version and switches to it; takes closed entries off their buckets later."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from alpr_ingest.app import SOURCE, Relay
from alpr_ingest.hotlists import ActiveList, version_of
from alpr_ingest.store import Buckets, Changing, Load, Outgoing, Store
from alprcore.kafka import Publisher
from alprcore.topics import Topic
from alprcore.wire import encode_bucket_rows, encode_list_version, headers_for, rfc3339

logger = logging.getLogger(__name__)

PAGE: Final = 1_000
"""Buckets read and published at a time."""
HELD_PAGES: Final = 4
HELD_S: Final = 0.15
"""A load lets go of the lock of pages after so many pages, or so long: what a hot plate may have to wait."""
_NAMED: Final = 20 * PAGE
"""Skeletons asked for at a time: each question looks at what is new and at what is closed."""


class Publication:
    """Writes `hotlist`: whole buckets, page by page."""

    def __init__(self, store: Store, publisher: Publisher, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._publisher = publisher
        self._relay = relay
        self._clock = clock

    async def switch(self, changing: Changing, load: Load, target: ActiveList) -> None:
        """Publish the buckets of a staged version with both spans, then put it in force."""
        total, done, after = await changing.count_touched(load), 0, ""
        ends = await changing.end_offsets()
        await changing.set_progress(load, total, 0)
        while named := await changing.touched(load, after, _NAMED):
            after = named[-1]
            pages = deque(named[at : at + PAGE] for at in range(0, len(named), PAGE))
            while pages:
                left = sum(map(len, pages))
                async with changing.hold():
                    await self._publish_held(changing, pages, ends)
                    done += left - sum(map(len, pages))
                    await changing.set_progress(load, total, done)
        now = self._clock()
        await changing.activate(load, ends, now, [_announcement(load, target, ends, now)])
        self._relay.kick()
        logger.info(
            "list_switched",
            extra={"list": load.code, "version": load.version, "entries": load.entries, "buckets": total},
        )

    async def republish(self, changing: Changing, target: ActiveList, said: Callable[[int], Outgoing]) -> int:
        """Publish every bucket of a list again as the database has it; answers how many.

        Its version is announced anew with the ends that these buckets have: those of a topic that was lost do not come
        again. `said` makes the ledger's event of the number.
        """
        after, count, ends = "", 0, dict[int, int]()
        while named := await changing.skeletons(after, _NAMED):
            after, count = named[-1], count + len(named)
            pages = deque(named[at : at + PAGE] for at in range(0, len(named), PAGE))
            while pages:
                async with changing.hold():
                    await self._publish_held(changing, pages, ends)
        now, key = self._clock(), f"{target.agency}/{target.code}"
        loaded = (target.source_time or now, target.loaded_at or now)
        message = version_of(target, target.version, target.entries, *loaded, ends)
        name = f"{key}/{target.version}/{rfc3339(now)}"
        value = encode_list_version(message)
        await changing.reannounce(ends, [Outgoing(Topic.HOTLIST_VERSIONS, key, value, name, now), said(count)])
        self._relay.kick()
        logger.info("list_republished", extra={"list": target.code, "version": target.version, "buckets": count})
        return count

    async def _publish_held(self, changing: Changing, pages: deque[list[str]], ends: dict[int, int]) -> None:
        """Publish the next pages under the lock of pages: while one is laid out and sent, the next one is read.

        All are acknowledged, or have failed, when this returns: then the lock may go. `ends` moves on with them.
        """
        begun = time.monotonic()
        sending: list[asyncio.Task[dict[int, int]]] = []
        try:
            while pages and len(sending) < HELD_PAGES and time.monotonic() - begun < HELD_S:
                buckets = await changing.buckets(pages.popleft())
                sending.append(asyncio.create_task(self.publish(buckets)))
        finally:
            answers = await asyncio.gather(*sending, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            for partition, end in answer.items():
                ends[partition] = max(ends.get(partition, 0), end)

    async def clean(self, before: datetime) -> bool:
        """Take a page of entries that no version in force has had since `before` off their buckets.

        Answers whether there may be more. They stay in the database while a rollback could bring them back.
        """
        async with self._store.spending(before, PAGE) as (buckets, more):
            await self.publish(buckets)
        forgotten = await self._store.forget_spent(PAGE)
        return more or forgotten == PAGE

    async def publish(self, buckets: Buckets) -> dict[int, int]:
        """Publish whole buckets, an empty one as a tombstone; answers the end offset of each partition."""
        headers = headers_for(Topic.HOTLIST, id="", source=SOURCE, time=self._clock())
        shared = [one for one in headers if one[0] != "ce_id"]  # made once a page: they cost as much as the bucket
        return await self._publisher.publish_all(
            Topic.HOTLIST,
            (
                (name, encode_bucket_rows(rows) if rows else None, [("ce_id", name.encode()), *shared])
                for name, rows in buckets.items()
            ),
        )


def _announcement(load: Load, target: ActiveList, ends: Mapping[int, int], now: datetime) -> Outgoing:
    key = f"{load.agency}/{load.code}"
    message = version_of(target, load.version, load.entries, load.source_time, now, ends)
    return Outgoing(Topic.HOTLIST_VERSIONS, key, encode_list_version(message), f"{key}/{load.version}", now)
