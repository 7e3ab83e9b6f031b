"""A run of the purge: move what is held, judge and drop, destroy the key, delete the images."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from alprcore.errors import Transient
from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile

from ... import metrics
from ...expiry import LIVE, UNATTRIBUTED, held_prefix, image_prefixes, purge_before, refused_as_of
from ...store import HOLD, Images, Records
from ..rules import Item, day_of, totals_of
from .accounts import Accounts
from .damages import Damages, Noted, nowhere
from .keeping import Keeping
from .rows import Rows
from .shapes import Run

logger = logging.getLogger(__name__)

_USED_KEPT: Final = timedelta(days=1)
_TRIES: Final = 3
"""How often a day is judged again in one run because a hold came in between; then the next run has it."""


async def _nothing_due(_before: date, _now: datetime) -> Sequence[Mapping[str, str]]:
    return ()


async def _nobody_objects(_agency: str) -> Refused | None:
    return None


@dataclass(frozen=True, slots=True)
class Ways:
    """What the purge asks of others.

    `end_due` ends holds that are over; `local` removes what other features of this service keep of an agency up to a
    due day and answers how much of what; `doors` are the services that must answer an order; `patience`: how long
    their answers are waited for before the certificate says `missing`; `noted` tells holds of their images' damages.
    """

    end_due: Callable[[date, datetime], Awaitable[Sequence[Mapping[str, str]]]] = _nothing_due
    local: Mapping[str, Callable[[str, date, datetime], Awaitable[Mapping[str, int]]]] = field(default_factory=dict)
    doors: tuple[str, ...] = ()
    patience: timedelta = timedelta(minutes=10)
    noted: Noted = nowhere


class Purges:
    """Removes what is due from every store, and says with proof what it removed."""

    def __init__(
        self,
        rows: Rows,
        records: Records,
        images: Images,
        profiles: Mapping[str, AgencyProfile],
        ways: Ways,
        clock: Callable[[], datetime],
    ) -> None:
        self.rows, self.ways = rows, ways
        self.damages = Damages(rows.outbox, ways.noted)
        self.accounts = Accounts(rows, self.damages, profiles, ways.doors, clock)
        self.keeping = Keeping(rows, images, self.damages, clock)
        self.may_purge: Callable[[str], Awaitable[Refused | None]] = _nobody_objects
        """Says why an agency's own policy keeps its records from going (RET-05, RET-14); set by whoever knows it."""
        self.begun = ""
        """The id of the newest run of this process."""
        self._records, self._images, self._profiles, self._clock = records, images, profiles, clock

    async def purge(self, as_of: date | None = None, asked: Person | None = None) -> str:
        """Purge every due day before `as_of` (default: all that have ended) and answer the run's id.

        What an earlier run left undone is done first. Raises `PermissionError` RETENTION_FLOOR for a date that would take
        records early, PURGE_RUNNING for a second run, PURGE_PENDING before `vouch`, and `Transient` when the database is away. What fails for one day or
        one agency stops no other: its items stay as they are, the certificate says so, and the next run goes on there.
        """
        now = self._clock()
        if as_of is not None and refused_as_of(as_of, now):
            raise PermissionError("RETENTION_FLOOR")
        if not await self.rows.vouched():
            raise PermissionError("PURGE_PENDING")  # first what was purged before goes again
        await self._images.require_store()
        before = as_of or purge_before(now)
        await self._records.forget(list(self._profiles), now - LIVE, now - _USED_KEPT)
        async with self._only():
            agencies = await self.rows.agencies(self._profiles)
            await self._take_up(agencies, now)
            await self.ways.end_due(before, now)
            run = await self._begin(before, now, asked)
            for day in await self.rows.due_days(before):
                await _alone(self._day(run.run_id, day, now), "day")
            for agency in agencies:
                for day in await self.rows.released_days(agency, before):
                    await _alone(self._released(run.run_id, agency, day, now), "released")
                await _alone(self._end_seals(run.run_id, agency), "seals")
            await _alone(self._lone_keys(before, now), "lone_keys")
            await self.rows.end(run.run_id, self._clock(), "running")
        metrics.OVERDUE.set(len(await self.rows.due_days(before)))
        for agency in agencies:
            await self.damages.measure(agency)
        await self.accounts.settle()
        return run.run_id

    async def vouch(self) -> None:
        """Let this database answer; one that came back from a backup only after its purges are done again (RET-10).

        The folder of keys outlives a backup: a day whose key was destroyed was purged, so whatever the database holds of
        it goes again, before the first search, and so do reads that went after a hold had kept them beyond their day. Raises `Transient` and PURGE_RUNNING as `purge` does.
        """
        if await self.rows.vouched():
            return
        now, keys = self._clock(), self._images.keys
        gone = set(await asyncio.to_thread(keys.destroyed_days))
        async with self._only():
            known = await self.rows.agencies(self._profiles)
            await self._take_up(known, now)
            again = [
                (day, agencies)
                for day in await self.rows.due_days(purge_before(now))
                if (agencies := [agency for agency in await self.rows.day_agencies(day) if (agency, day) in gone])
            ]
            moved = {agency: ids for agency in known if (ids := await self._unknown_here(agency))}
            if again or moved:
                await self._images.require_store()
                logger.warning("database_began_anew", extra={"days": len(again), "agencies": len(moved)})
                run = await self._begin(purge_before(now), now, None)
                for day, agencies in again:
                    await self._restore_holds(day, agencies, now)
                    await self._day(run.run_id, day, now, only=agencies)
                for agency, ids in moved.items():
                    await self._moved_again(run.run_id, agency, ids, now)
                await self.rows.end(run.run_id, self._clock(), "running")
            for day, agencies in again:
                if set(agencies) & set(await self.rows.day_agencies(day)):
                    raise PermissionError("PURGE_PENDING")  # tried again, and nothing is answered until then
        await self.rows.vouch()

    @asynccontextmanager
    async def _only(self) -> AsyncIterator[None]:
        """Be the only run; whatever it started to seal images ends with it. Raises `PermissionError` PURGE_RUNNING."""
        async with self.rows.alone() as alone:
            if not alone:
                raise PermissionError("PURGE_RUNNING")
            try:
                yield
            finally:
                await self.keeping.sealers.close()

    async def _begin(self, before: date, now: datetime, asked: Person | None) -> Run:
        run = Run(
            run_id=make_id("purge", now.isoformat()),
            as_of=before,
            started_at=now,
            finished_at=None,
            outcome="running",
            asked_by=asked.person_id if asked else "",
            asked_name=asked.full_name if asked else "",
            asked_agency=asked.agency if asked else "",
            settle_by=now + self.ways.patience,
        )
        await self.rows.start(run)
        self.begun = run.run_id
        return run

    async def _take_up(self, agencies: Sequence[str], now: datetime) -> None:
        """Finish what a run began that is no more: records gone, their keys or images not yet."""
        await self.rows.break_off(agencies, now)
        for run_id, item in await self.rows.open_items(agencies):
            await _alone(self._clear(run_id, item), "clear")

    async def _day(self, run_id: str, day: date, now: datetime, only: Sequence[str] | None = None) -> None:
        """Purge a due day; `only`: of these agencies, which were purged of it before and are not asked again."""
        refused: dict[str, str] = {}
        if only is None:
            for agency in await self.rows.day_agencies(day):
                if refusal := await self._may(agency):
                    refused[agency] = refusal.reason_code
        here = await self.rows.day_agencies(day)
        going = [agency for agency in here if agency not in refused and (only is None or agency in only)]
        items = {agency: self._item(agency, day, "day") for agency in going}
        barred = [
            replace(self._item(agency, day, "day"), state="refused", reason_code=code)
            for agency, code in refused.items()
        ]
        await self.rows.plan(run_id, [*items.values(), *barred], now)
        if here and not going:
            return
        for agency in going:
            items[agency] = replace(items[agency], holds=await self.rows.ended_holds(agency, day))
            try:
                await self.keeping.move(run_id, agency, day)
            except PermissionError as error:  # what is held cannot be kept in another way: the agency's day stays whole
                await self.rows.refuse(run_id, items.pop(agency), str(error), self._clock())
        if here and not items:
            return
        for item in (await self._cut(run_id, day, items, whole=len(items) == len(here))).values():
            metrics.PURGED.labels("reads").inc(item.reads)
            metrics.PURGED.labels("hits").inc(item.hits)
            await _alone(self._clear(run_id, item), "clear")
        self._records.forget_day(day)

    async def _cut(self, run_id: str, day: date, items: Mapping[str, Item], *, whole: bool) -> dict[str, Item]:
        """Remove a day's records; nothing when floor or holds forbid it, and the items say so."""
        code = ""
        for _ in range(_TRIES):
            try:
                return await self.rows.cut(run_id, day, items, whole=whole, now=self._clock())
            except PermissionError as error:
                code = str(error)
                if code != "RECORD_HELD":
                    break
            try:
                for agency in items:  # a hold came in between: what it covers is moved first
                    await self.keeping.move(run_id, agency, day)
            except PermissionError as error:
                code = str(error)
                break
        for item in items.values():
            await self.rows.refuse(run_id, item, code, self._clock())
        return {}

    def knows(self, agency: str) -> bool:
        """Whether an agency's policy is known; shortly after a start none is."""
        return agency in self._profiles

    async def _may(self, agency: str) -> Refused | None:
        """Ask an agency's own policy; dead letters that belong to nobody have none."""
        return None if agency == UNATTRIBUTED else await self.may_purge(agency)

    def _item(self, agency: str, day: date, kind: str) -> Item:
        profile = self._profiles.get(agency)
        return Item(agency, day, kind, "planned", profile_version=profile.version if profile else "")

    async def _clear(self, run_id: str, item: Item) -> None:
        """Destroy the key of records that are gone, then delete their images and the copies in this service."""
        keys, objects, now = self._images.keys, self._images.objects, self._clock()
        if item.state == "cut":
            gone = item.kind == "day"
            if gone and await asyncio.to_thread(keys.destroy, item.agency, item.due_day.isoformat()):
                metrics.PURGED.labels("keys").inc()
                metrics.KEYS.dec()
            await self.rows.forget_key(run_id, item, gone=gone, now=now)
        folders = image_prefixes(item.agency, item.due_day) if item.kind == "day" else ()
        total = len(item.strays) + sum([await objects.count(folder) for folder in folders])
        await self.rows.step("count_images", run_id, item, total)  # before they go: a second try finds fewer
        await objects.delete_all(item.strays)
        for folder in folders:
            await objects.delete_prefix(folder)
        metrics.PURGED.labels("images").inc(total)
        stores = {name: dict(await local(item.agency, item.due_day, now)) for name, local in self.ways.local.items()}
        await self.rows.step("clear_item", run_id, item, json.dumps(stores))

    async def _released(self, run_id: str, agency: str, day: date, now: datetime) -> None:
        """Remove what a hold kept beyond its due day and none keeps any more (RET-08, RET-09)."""
        item = self._item(agency, day, "held")
        reads = [row[0] for row in await self.rows.fetch(agency, "released_reads", day)]
        reads += [row["read_id"] for row in await self.rows.fetch(agency, "released_hits", day)]
        if refusal := await self._may(agency):
            await self.rows.plan(run_id, [replace(item, state="refused", reason_code=refusal.reason_code)], now)
            return
        await self.rows.plan(run_id, [item], now)
        await asyncio.to_thread(self._images.keys.note_released, agency, UUID(run_id), set(reads))
        try:
            await self.rows.cut_released(run_id, item, self._clock())
        except PermissionError as error:
            await self.rows.refuse(run_id, item, str(error), self._clock())
            return
        for run, cut in await self.rows.open_items([agency]):
            if (run, cut.kind, cut.due_day) == (run_id, "held", day):
                await _alone(self._clear(run_id, cut), "clear")

    async def _unknown_here(self, agency: str) -> set[UUID]:
        """Reads that runs took after their hold of which this database knows nothing: it is older than they are."""
        noted = await asyncio.to_thread(self._images.keys.released, agency)
        known = await self.rows.runs_known(noted)
        return {read for run, reads in noted.items() if run not in known for read in reads}

    async def _moved_again(self, run_id: str, agency: str, noted: set[UUID], now: datetime) -> None:
        """Remove reads that went after their hold and that a backup brought back; not those whose images are held."""
        kept = {read for reads in (await self.keeping.copies(agency)).values() for read in reads}
        for row in await self.rows.fetch(agency, "moved_again", list(noted - kept)):
            item = self._item(agency, row["was_due"], "held")
            await self.rows.plan(run_id, [item], now)
            await self._clear(run_id, await self.rows.cut_again(run_id, item, row["ids"], now))

    async def _end_seals(self, run_id: str, agency: str) -> None:
        """Destroy the keys of holds that are over; what another hold still keeps is sealed to that one first."""
        names = await asyncio.to_thread(self._images.keys.names, agency, f"{HOLD}-")
        if not names:
            return
        force = {str(row[0]) for row in await self.rows.fetch(agency, "holds_in_force")}
        for name in names:
            hold = name.removeprefix(f"{HOLD}-")[:36]
            if hold in force:
                continue
            await self.keeping.elsewhere(run_id, agency, name)
            if name not in {row[0] for row in await self.rows.fetch(agency, "seals_in_use")}:
                await self._images.objects.delete_prefix(held_prefix(agency, hold))
                await asyncio.to_thread(self._images.keys.destroy, agency, name)

    async def _lone_keys(self, before: date, now: datetime) -> None:
        """Destroy keys of days that nothing is stored under, with whatever lies in their folders."""
        still = {
            (agency, day) for day in await self.rows.due_days(before) for agency in await self.rows.day_agencies(day)
        }
        for agency, day in await asyncio.to_thread(self._images.keys.days):
            if day < before and (agency, day) not in still:
                await asyncio.to_thread(self._images.keys.destroy, agency, day.isoformat())
                async with self.rows.scoped([agency]) as connection:
                    await self.rows.unpublish(connection, agency, day, now)
                for folder in image_prefixes(agency, day):
                    await self._images.objects.delete_prefix(folder)

    async def _restore_holds(self, day: date, agencies: Sequence[str], now: datetime) -> None:
        """Place holds again that a database from a backup has lost: their images lie in the store, sealed to them."""
        for agency in agencies:
            kept = await self.keeping.copies(agency)
            force = {str(row[0]) for row in await self.rows.fetch(agency, "holds_in_force")}
            for hold, reads in kept.items():
                here = [row[0] for row in await self.rows.fetch(agency, "day_reads", day, list(reads))]
                if here and hold not in force:
                    await self.rows.restore_hold(agency, hold, here, now)

    async def preview(self, agency: str, as_of: date | None = None) -> dict[str, Any]:
        """Count what a purge would take of an agency now; nothing is changed. Raises `PermissionError` RETENTION_FLOOR."""
        now = self._clock()
        if as_of is not None and refused_as_of(as_of, now):
            raise PermissionError("RETENTION_FLOOR")
        before = as_of or purge_before(now)
        refusal = await self._may(agency)
        code = refusal.reason_code if refusal else ""
        days = []
        for day in await self.rows.due_days(before):
            if agency in await self.rows.day_agencies(day):
                (row,) = await self.rows.fetch(agency, "count_day", day)
                images = sum([await self._images.objects.count(folder) for folder in image_prefixes(agency, day)])
                item = replace(self._item(agency, day, "day"), held=row["held"], images=images, reason_code=code)
                days.append(replace(item, reads=row["reads"] - row["held"], hits=row["hits"]))
        for day in await self.rows.released_days(agency, before):
            (row,) = await self.rows.fetch(agency, "count_released", day)
            days.append(
                replace(self._item(agency, day, "held"), reads=row["reads"], hits=row["hits"], reason_code=code)
            )
        return {
            "as_of": before.isoformat(),
            "days": [day_of(item) for item in days],
            "totals": totals_of(days),
            "doors": ["database", "image_keys", "objects", *self.ways.local, *self.ways.doors],
            "blocked_by": [code] if code else [],
        }


async def _alone(step: Coroutine[Any, Any, None], what: str) -> None:
    """Do what may fail by itself: one day or agency that cannot go now holds up no other."""
    try:
        await step
    except (Transient, PermissionError) as error:
        logger.error("purge_step_failed", extra={"step": what, "reason": str(error)})
