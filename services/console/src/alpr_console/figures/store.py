"""Outcomes of hits in PostgreSQL, without plates: they outlive the hits, for the figures of a quarter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alprcore.model import Person, machine, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ..doors import Outbox
from ..timers import each
from . import rules


class FigureStore:
    """Sums up what became of hits, and keeps the reviews of stops of a wrong vehicle."""

    def __init__(self, outbox: Outbox, profiles: Mapping[str, AgencyProfile]) -> None:
        self._queries = load_queries("alpr_console.figures")
        self._outbox = outbox
        self._profiles = profiles

    async def precision(self, agency: str, period: rules.Period, now: datetime) -> list[dict[str, Any]]:
        """List the outcomes of a period, as they stand now."""
        async with self._outbox.change(agency) as connection:
            await connection.execute(self._queries["sum_up"], agency, now - rules.SUMMED_WITHIN)
            rows = await connection.fetch(self._queries["outcomes"], agency, period.starts_at, period.ends_at)
        return [dict(row) for row in rows]

    async def times(self, agency: str, period: rules.Period, now: datetime) -> tuple[list[dict[str, Any]], int]:
        """Answer count and quantiles of each stage in a period, and how many broadcasts were late."""
        async with self._outbox.change(agency) as connection:
            await connection.execute(self._queries["sum_up"], agency, now - rules.SUMMED_WITHIN)
            rows = await connection.fetch(self._queries["times"], agency, period.starts_at, period.ends_at)
            late = await connection.fetchval(self._queries["overdue_count"], agency, period.starts_at, period.ends_at)
        return [dict(row) for row in rows], late

    async def on_timer(self, now: datetime) -> int:
        """Sum up the outcomes of every agency before their hits are purged; answers how many agencies."""

        async def sum_up(agency: str) -> int:
            async with self._outbox.change(agency) as connection:
                await connection.execute(self._queries["sum_up"], agency, now - rules.SUMMED_WITHIN)
            return 1

        return await each("figures", self._profiles, sum_up)

    async def open_reviews(self, now: datetime) -> int:
        """Open a review of each stop whose disposition says that it was the wrong vehicle; answers how many."""
        return await each("reviews", self._profiles, lambda agency: self._open_reviews(agency, now))

    async def _open_reviews(self, agency: str, now: datetime) -> int:
        opened = 0
        async with self._outbox.change(agency) as connection:
            for row in await connection.fetch(self._queries["wrong_stops"], agency):
                name = make_id("stop_review", agency, row["work_id"])
                new = await connection.fetchval(
                    self._queries["open_review"], name, agency, row["work_id"], row["device_id"], row["list_code"],
                    row["grade"], now,
                )  # fmt: skip
                if new:
                    facts = {"hit_id": row["work_id"], "device_id": row["device_id"], "grade": row["grade"]}
                    await self._outbox.record(
                        connection, machine(agency), "stop_review_opened", name, "1", now, facts=facts,
                        profile_version=self._profiles[agency].version,
                    )  # fmt: skip
                    opened += 1
        return opened

    async def reviews(self, agency: str) -> list[dict[str, Any]]:
        """List reviews, open ones first."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries["reviews"], agency)]

    async def close_review(
        self, person: Person, profile: AgencyProfile, review_id: str, finding: str, now: datetime
    ) -> bool:
        """Close a review with what was found; False when none of this name is open."""
        async with self._outbox.change(person.agency) as connection:
            hit_id = await connection.fetchval(
                self._queries["close_review"], person.agency, review_id, now, person.person_id, person.full_name,
                finding,
            )  # fmt: skip
            if hit_id:
                await self._outbox.record(
                    connection, person, "stop_review_closed", review_id, "1", now, facts={"hit_id": hit_id},
                    personal={"finding": finding}, profile_version=profile.version,
                )  # fmt: skip
        return hit_id is not None
