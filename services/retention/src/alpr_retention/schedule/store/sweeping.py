"""Reads that a law gives minutes: they go when these have ended, not with their day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from alprcore.model import DeviceKind
from alprcore.policy import AgencyProfile, period_of

from ... import metrics
from ...store import Images
from ...telling import Outbox
from .changes import QUERIES

BATCH: Final = 500


class Sweeper:
    """Deletes reads without a hit as soon as their period of minutes has ended: images first, then rows.

    Their day's key is destroyed with the day. Reads that hit are kept for the profile's longer period and go with a
    purge, so no other service holds anything of what goes here.
    """

    def __init__(self, outbox: Outbox, images: Images) -> None:
        self._outbox, self._images = outbox, images

    async def sweep(self, agency: str, profile: AgencyProfile, now: datetime) -> int:
        """Delete what has ended by now; answers how many reads went. Raises `Transient`."""
        gone = 0
        for kind in DeviceKind:
            period = period_of(profile.retention, kind)
            if period.unit != "minute":
                continue
            kept = timedelta(minutes=period.count)
            while taken := await self._batch(agency, profile, kind, kept, now):
                gone += taken
        await self._tell(agency, profile, now)
        return gone

    async def _batch(
        self, agency: str, profile: AgencyProfile, kind: DeviceKind, kept: timedelta, now: datetime
    ) -> int:
        today = now.astimezone(UTC).date()
        days = [today + timedelta(days=offset) for offset in (-1, 0, 1)]
        by_capture = profile.retention.clock == "captured"
        async with self._outbox.change(agency) as connection:
            await connection.fetchval(QUERIES["hold_lock"])
            rows = await connection.fetch(
                QUERIES["ended"], agency, days, kind.value, by_capture, now - kept, kept, BATCH
            )
            images = 0
            for row in rows:
                for image in json.loads(row["images"]):
                    if image["key"]:
                        await self._images.objects.delete(image["key"])
                        images += 1
            taken = 0
            for day in sorted({row["due_day"] for row in rows}):
                taken += await self._rows(connection, agency, day, rows)
            if taken:
                await connection.execute(QUERIES["count_swept"], agency, now, taken, images)
        metrics.PURGED.labels("reads").inc(taken)
        metrics.PURGED.labels("images").inc(images)
        return taken

    async def _rows(self, connection: Any, agency: str, day: date, rows: list[Any]) -> int:
        ids = [row["read_id"] for row in rows if row["due_day"] == day]
        return len(await connection.fetch(QUERIES["sweep"], agency, day, ids))

    async def _tell(self, agency: str, profile: AgencyProfile, now: datetime) -> None:
        """Tell the ledger what went in each hour that has passed."""
        async with self._outbox.change(agency) as connection:
            for row in await connection.fetch(QUERIES["untold_sweeps"], agency, now):
                await self._outbox.record(
                    connection, None, "purge_swept", f"{agency} {row['hour'].isoformat()}", str(row["reads"]), now,
                    agency=agency, profile_version=profile.version,
                    facts={"hour": row["hour"].isoformat(), "reads": str(row["reads"]), "images": str(row["images"])},
                )  # fmt: skip
