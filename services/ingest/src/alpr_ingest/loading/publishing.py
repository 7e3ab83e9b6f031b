"""Publishes the buckets of a staged version and switches to it; takes closed entries off their buckets later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from alpr_ingest.app import SOURCE, Relay
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Changing, Load, Outgoing, Store
from alprcore.kafka import Publisher
from alprcore.model import Entry, ListVersion
from alprcore.topics import Topic
from alprcore.wire import encode_bucket, encode_list_version, headers_for

logger = logging.getLogger(__name__)

PAGE: Final = 2_000
"""Buckets published under one hold of the lock of pages: about 0.2 s, which is what a hot plate may have to wait."""


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
        while page := await changing.touched(load, after, PAGE):
            done, after = done + len(page), page[-1]
            async with changing.page(page) as buckets:
                for partition, end in (await self.publish(buckets)).items():
                    ends[partition] = max(ends.get(partition, 0), end)
                await changing.set_progress(load, total, done)
        now = self._clock()
        await changing.activate(load, ends, now, [_announcement(load, target, ends, now)])
        self._relay.kick()
        logger.info(
            "list_switched",
            extra={"list": load.code, "version": load.version, "entries": load.entries, "buckets": total},
        )

    async def clean(self, before: datetime) -> bool:
        """Take a page of entries that no version in force has had since `before` off their buckets.

        Answers whether there may be more. They stay in the database while a rollback could bring them back.
        """
        async with self._store.spending(before, PAGE) as (buckets, more):
            await self.publish(buckets)
        forgotten = await self._store.forget_spent(PAGE)
        return more or forgotten == PAGE

    async def publish(self, buckets: Mapping[str, Sequence[Entry]]) -> dict[int, int]:
        """Publish whole buckets, an empty one as a tombstone; answers the end offset of each partition."""
        headers = headers_for(Topic.HOTLIST, id="", source=SOURCE, time=self._clock())
        shared = [one for one in headers if one[0] != "ce_id"]  # made once a page: they cost as much as the bucket
        return await self._publisher.publish_all(
            Topic.HOTLIST,
            (
                (name, encode_bucket(tuple(entries)) if entries else None, [("ce_id", name.encode()), *shared])
                for name, entries in buckets.items()
            ),
        )


def _announcement(load: Load, target: ActiveList, ends: Mapping[int, int], now: datetime) -> Outgoing:
    key = f"{load.agency}/{load.code}"
    message = ListVersion(
        agency=load.agency,
        list_code=load.code,
        version=load.version,
        name=target.name,
        source=target.source,
        source_time=load.source_time,
        loaded_at=now,
        max_age_s=target.max_age_s,
        advisory_class=target.advisory_class,
        default_reason=target.default_reason,
        list_type=target.list_type,
        entries=load.entries,
        end_offsets=ends,
    )
    return Outgoing(Topic.HOTLIST_VERSIONS, key, encode_list_version(message), f"{key}/{load.version}", now)
