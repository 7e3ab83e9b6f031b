"""The newest test plate of each canary camera in PostgreSQL, and the alarm when one does not come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from alprcore.model import ClientKind, Notification, machine, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from .. import metrics
from ..doors import Outbox
from ..settings import Settings
from ..timers import each
from . import rules


class ChainStore:
    """Notes each test plate that came through every service, and tells when one is missing."""

    def __init__(self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], settings: Settings) -> None:
        self._queries = load_queries("alpr_console.chain")
        self._outbox = outbox
        self._profiles = profiles
        self._cameras = settings.canary_cameras
        self._limit = timedelta(seconds=settings.canary_limit_s)

    async def arrived(self, notification: Notification, now: datetime) -> None:
        """Note a test plate that came the whole way; it is no hit, and no queue shows it."""
        read = notification.hit.read
        if notification.client_kind is not ClientKind.DISPATCH_CONSOLE:
            return
        async with self._outbox.change(read.agency) as connection:
            await connection.execute(
                self._queries["canary_arrived"], read.agency, read.camera_id, read.device_id, read.captured_at,
                notification.notified_at, now,
            )  # fmt: skip

    async def chain(self, agency: str, now: datetime) -> dict[str, Any]:
        """Tell whether the chain is armed, camera by camera."""
        async with self._outbox.change(agency) as connection:
            rows = await self._rows(connection, agency)
        return rules.chain(rows, self._limit, now)

    async def on_timer(self, now: datetime) -> int:
        """Alarm what is missing in every agency, once for each gap; answers how many cameras were alarmed now."""
        return await each("chain", self._profiles, lambda agency: self._look(agency, now))

    async def _look(self, agency: str, now: datetime) -> int:
        alarmed = 0
        async with self._outbox.change(agency) as connection:
            for camera_id in self._cameras.get(agency, ()):
                await connection.execute(self._queries["expect_canary"], agency, camera_id, now)
            for row in await self._rows(connection, agency):
                since = row["captured_at"] or row["known_at"]
                metrics.CANARY_AGE.labels(row["camera_id"]).set((now - since).total_seconds())
                gone = rules.missing(row, self._limit, now)
                if gone == (row["missing_since"] is not None):
                    continue
                values = (now,) if gone else ()
                query = self._queries["canary_missing" if gone else "canary_back"]
                if await connection.fetchval(query, agency, row["camera_id"], *values):
                    await self._tell(connection, agency, row["camera_id"], since, gone, now)
                    alarmed += gone
        return alarmed

    async def _tell(
        self, connection: Any, agency: str, camera_id: str, since: datetime, gone: bool, now: datetime
    ) -> None:
        facts = {"camera_id": camera_id, "since": since.isoformat()}
        await self._outbox.record(
            connection, machine(agency), "chain_broken" if gone else "chain_armed", camera_id, now.isoformat(), now, facts=facts,
            profile_version=self._profiles[agency].version,
        )  # fmt: skip
        if gone:
            alert_id = make_id("alert", agency, camera_id, since.isoformat())
            await self._outbox.alert(connection, alert_id, agency, "chain_broken", facts, now)

    async def _rows(self, connection: Any, agency: str) -> list[dict[str, Any]]:
        """List the cameras that count: those of the setting, or, without one, those whose plates ever arrived."""
        wanted = self._cameras.get(agency)
        rows = await connection.fetch(self._queries["canaries"], agency)
        return [dict(row) for row in rows if wanted is None or row["camera_id"] in wanted]
