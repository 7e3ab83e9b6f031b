"""Reads that a law gives minutes: they go when these have ended, not with their day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Final

from alprcore.model import DeviceKind
from alprcore.policy import AgencyProfile, period_of

from ... import metrics
from ...store import Images
from ...telling import Outbox
from .changes import QUERIES

BATCH: Final = 500
_DAY: Final = timedelta(days=1)


class Sweeper:
    """Deletes reads without a hit as soon as their period of minutes has ended: images first, then rows.

    Their day's key is destroyed with the day. Reads that hit are kept for the profile's longer period and go with a
    purge, so no other service holds anything of what goes here.
    """

    def __init__(self, outbox: Outbox, images: Images) -> None:
        self._outbox, self._images = outbox, images

    async def sweep(self, agency: str, profile: AgencyProfile, now: datetime) -> int:
        """Delete what has ended by now; answers how many reads went. Raises `Transient`."""
        gone, today = 0, now.astimezone(UTC).date()
        for kind in DeviceKind:
            period = period_of(profile.retention, kind)
            if period.unit != "minute":
                continue
            kept = timedelta(minutes=period.count)
            for day in (today - _DAY, today, today + _DAY):  # the agency's day may be another than that of UTC
                while taken := await self._batch(agency, profile, kind, day, kept, now):
                    gone += taken
        await self._tell(agency, profile, now)
        return gone

    async def _batch(
        self, agency: str, profile: AgencyProfile, kind: DeviceKind, day: date, kept: timedelta, now: datetime
    ) -> int:
        by_capture = profile.retention.clock == "captured"
        async with self._outbox.change(agency) as connection:
            await connection.fetchval(QUERIES["hold_lock"])
            rows = await connection.fetch(
                QUERIES["ended"], agency, day, kind.value, by_capture, now - kept, kept, BATCH
            )
            keys = [image["key"] for row in rows for image in json.loads(row["images"]) if image["key"]]
            for key in keys:
                await self._images.objects.delete(key)
            ids = [row["read_id"] for row in rows]
            taken = len(await connection.fetch(QUERIES["sweep"], agency, day, ids)) if ids else 0
            if taken:
                await connection.execute(QUERIES["count_swept"], agency, now, taken, len(keys))
        metrics.PURGED.labels("reads").inc(taken)
        metrics.PURGED.labels("images").inc(len(keys))
        return taken

    async def _tell(self, agency: str, profile: AgencyProfile, now: datetime) -> None:
        """Tell the ledger what went in each hour that has passed."""
        async with self._outbox.change(agency) as connection:
            for row in await connection.fetch(QUERIES["untold_sweeps"], agency, now):
                await self._outbox.record(
                    connection, None, "purge_swept", f"{agency} {row['hour'].isoformat()}", str(row["reads"]), now,
                    agency=agency, profile_version=profile.version,
                    facts={"hour": row["hour"].isoformat(), "reads": str(row["reads"]), "images": str(row["images"])},
                )  # fmt: skip
