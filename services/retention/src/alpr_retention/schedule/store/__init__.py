"""Rules of keeping as they change, moved due days, figures and reports in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from alprcore.errors import Misconfigured
from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile
from alprcore.postgres import translated

from ...store import Images, Records
from ...telling import Outbox
from .. import rules
from .changes import QUERIES, Changes, seen
from .moving import Mover
from .reports import Finished, Reports
from .stock import Figures, Stock, shown
from .sweeping import Sweeper

__all__ = ["Figures", "Reports", "Schedule", "declare_statute"]


async def declare_statute(pool: Any, statute: str) -> None:
    """Bind this deployment to a law for less than a year, or to none; once records are stored that never changes.

    Raises `Misconfigured` when the database says otherwise, `Transient` when it is away.
    """
    with translated():
        if not await pool.fetchval(QUERIES["declare_statute"], statute):
            raise Misconfigured(
                "ALPR_RETENTION_STATUTORY_RETENTION: records are stored under another rule; a statute for less than a "
                "year takes a deployment of its own from its first day"
            )


class Schedule:
    """How long records are kept: what changed, what moves, what is stored, who was told."""

    def __init__(
        self,
        outbox: Outbox,
        records: Records,
        images: Images,
        profiles: Mapping[str, AgencyProfile],
        finished: Finished,
        now: Any,
    ) -> None:
        self._profiles, self._now = profiles, now
        self.changes = Changes(outbox)
        self.mover = Mover(outbox, records, images, self.changes)
        self.stock = Stock(outbox, images)
        self.sweeper = Sweeper(outbox, images)
        self.reports = Reports(outbox, profiles, finished)

    async def may_purge(self, agency: str) -> Refused | None:
        """Say why due records of an agency may not go now, or None; what a change takes out of past days has moved then.

        Raises `Transient`.
        """
        profile = self._profiles.get(agency)
        if profile is None:
            return rules.UNKNOWN
        now = self._now()
        change = await self._noticed(agency, profile, now)
        refused = rules.may_purge(profile, seen(change) if change else None)
        if refused is not None:
            return refused
        if change is not None and await self.mover.move(change, profile, now, now.astimezone(UTC).date()):
            await self.changes.done(change, now)
        await self.mover.settle(agency, now)
        return None

    async def _noticed(self, agency: str, profile: AgencyProfile, now: datetime) -> Mapping[str, Any] | None:
        """The open change of an agency, counted."""
        change = await self.changes.notice(agency, profile, now)
        if change is None or change["state"] != "counting":
            return change
        return {**change, "state": await self.changes.count(change, profile, now)}

    async def work(self) -> None:
        """Notice, count and move for every agency, once. Raises `Transient`."""
        for agency, profile in list(self._profiles.items()):
            now = self._now()
            change = await self._noticed(agency, profile, now)
            for preview in await self.changes.to_count(agency):
                await self.changes.count(preview, profile, now)
            if change is not None and change["state"] == "approved" and await self.mover.move(change, profile, now):
                await self.changes.done(change, now)
            await self.mover.settle(agency, now)
            await self.mover.sweep(agency)
            if profile.retention.statute:
                await self.sweeper.sweep(agency, profile, now)

    async def measure(self) -> None:
        """Count and compare for every agency of which anything is stored, once. Raises `Transient`."""
        for agency in sorted({*self._profiles, *await self.stock.agencies()}):
            await self.stock.measure(agency, self._profiles.get(agency), self._now())

    async def report(self) -> None:
        """Write the destruction reports that are missing. Raises `Transient`."""
        await self.reports.make(self._now())

    async def open_change(self, agency: str) -> rules.Change | None:
        """The change of an agency that is open."""
        listed = await self.changes.listed(agency)
        return next((seen(row) for row in listed if row["kind"] == "change" and row["state"] in rules.OPEN), None)

    async def stored(self, agency: str, profile: AgencyProfile) -> dict[str, Any]:
        """What is stored of an agency, as screens show it."""
        now = self._now()
        return shown(
            agency, profile, await self.stock.figures(agency), now,
            held=await self.stock.held(agency), binding=await self.stock.binding(agency), late=await self.stock.overdue(agency, profile, now),
            findings=await self.stock.premature(agency), change=await self.open_change(agency),
        )  # fmt: skip

    async def approve(self, person: Person, profile: AgencyProfile, change_id: str, note: str) -> Refused | None:
        """Approve a counted change. Raises `LookupError` when there is no such change of the agency."""
        return await self.changes.approve(person, profile, change_id, note, self._now())

    async def acknowledge(self, person: Person, role: str, report_id: str, profile_version: str) -> None:
        """Keep that somebody has seen a report that is addressed to them."""
        await self.reports.acknowledge(person, role, report_id, profile_version, self._now())

    async def settle_finding(self, person: Person, finding: tuple[date, str], note: str, profile_version: str) -> bool:
        """Write that somebody looked into missing records; False when there is no such open finding."""
        return await self.stock.settle(person, finding, note, profile_version, self._now())

    async def preview(self, person: Person, profile: AgencyProfile, asked: AgencyProfile) -> str:
        """Begin to count what other rules would move; answers the id."""
        return await self.changes.ask(person, profile, asked, self._now())
