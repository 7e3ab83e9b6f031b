"""Files of requests whose time is over: their papers destroyed, their rows gone, the ledger told (RET-16)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final
from uuid import UUID

from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile

from ...telling import Outbox
from .. import rules
from .rows import QUERIES, local_day

logger = logging.getLogger(__name__)
_AT_ONCE: Final = 50


class Disposal:
    """Ends files that were kept as long as the policy asks; where it names no years, none ends by itself."""

    def __init__(self, outbox: Outbox, objects: ImageStore) -> None:
        self._outbox, self._objects = outbox, objects

    async def turn(self, profiles: Mapping[str, AgencyProfile], now: datetime) -> int:
        """Dispose of every file that is over; answers how many.

        The paper goes before the row that names it, so that a turn that breaks is ended by the next. A file that waits for
        its keeper, or whose package still lies here, stays. Raises `Transient`.
        """
        gone = 0
        for agency, profile in list(profiles.items()):
            before = rules.closed_before(local_day(now, profile), profile)
            if before is not None:
                gone += await self._agency(agency, profile, before, now)
        return gone

    async def _agency(self, agency: str, profile: AgencyProfile, before: date, now: datetime) -> int:
        gone = 0
        while True:
            async with self._outbox.change(agency) as connection:
                rows = await connection.fetch(QUERIES["over"], agency, before, _AT_ONCE)
            ended = 0
            for row in rows:
                await self._objects.delete_prefix(f"release/{agency}/{row['request_id']}")
                ended += await self._end(agency, profile, row["request_id"], row["closed_on"], before, now)
            gone += ended
            if len(rows) < _AT_ONCE or not ended:
                return gone

    async def _end(
        self, agency: str, profile: AgencyProfile, request_id: UUID, closed_on: date, before: date, now: datetime
    ) -> int:
        async with self._outbox.change(agency) as connection:
            if not await connection.fetchval(QUERIES["dispose"], agency, request_id, before):
                return 0
            facts = {
                "release_id": str(request_id),
                "closed_on": closed_on.isoformat(),
                "kept_until": before.isoformat(),
            }
            await self._outbox.record(
                connection, None, "release_file_disposed", str(request_id), "1", now, agency=agency,
                profile_version=profile.version, facts=facts,
            )  # fmt: skip
        logger.info("release_file_disposed", extra={"request_id": str(request_id)})
        return 1
