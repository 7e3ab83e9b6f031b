"""What auditing does by itself: opens audits, tells of late ones, removes old reports, follows patterns of misuse."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from alprcore.errors import Transient
from alprcore.model import make_id
from alprcore.plates import normalize, skeleton
from alprcore.policy import AgencyProfile, missing_training

from . import ledger, metrics
from .patterns import Act, Signal, Watch
from .reviews import tasks
from .store import Writer
from .store.reviews import NewTask, Reviews, Told

logger = logging.getLogger(__name__)

LOOK_BACK: Final = timedelta(days=100)
"""How much of the ledger the patterns read again after a start: what they remember, and the states of all accounts."""


@dataclass(slots=True)
class Reviewing:
    """The timer's work. Each step may be repeated at any time: what is done once carries a name in the ledger."""

    writer: Writer
    store: Reviews
    profiles: Mapping[str, AgencyProfile]
    clock: Callable[[], datetime]
    registry_key: bytes
    tell_refusals: Callable[[], Awaitable[None]]
    _watches: dict[str, Watch] = field(default_factory=dict)
    _after: int = -1

    def digest(self, plate: str) -> bytes:
        """Hash an employee's plate under a key that is not in the database: a list of all plates tells nothing."""
        return hmac.digest(self.registry_key, skeleton(normalize(plate).reveal()).encode(), hashlib.sha256)

    async def run(self, every_s: float, stop: asyncio.Event) -> None:
        """Work until `stop`, while this process writes the ledger."""
        while not stop.is_set():
            if self.writer.leading:
                try:
                    await self.turn()
                except (Transient, asyncpg.PostgresError, ledger.EntryInvalid) as error:
                    # queries are answered while this is broken; the age of the oldest finding and the log tell of it
                    logger.warning("reviewing_put_off", extra={"reason": type(error).__name__})
            try:
                await asyncio.wait_for(stop.wait(), every_s)
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Do everything that is due."""
        await self.tell_refusals()
        await self.watch()
        now = self.clock()
        for agency, profile in sorted(self.profiles.items()):
            await self.open_task(agency, profile, now)
        await self.tell_overdue(now)
        await self.remove_reports(now)
        metrics.AUDITS_OVERDUE.set(await self.store.count_overdue(now))
        waiting, oldest = await self.store.open_findings()
        metrics.FINDINGS_OPEN.set(waiting)
        metrics.REVIEW_AGE_DAYS.set((now - oldest) / timedelta(days=1) if oldest else 0.0)

    async def _tell(self, kind: str, agency: str, name: str, facts: Mapping[str, Any], **more: Any) -> None:
        profile = self.profiles.get(agency)
        version = profile.version if profile else ""
        draft = ledger.Draft(
            kind=kind, agency=agency, facts=facts, profile_version=version, event_id=make_id(kind, name), **more
        )
        await self.writer.append(draft)

    async def open_task(self, agency: str, profile: AgencyProfile, now: datetime) -> None:
        """Open the audit of the last period if it is not there: scope, role and interval as the policy says."""
        period, rules = tasks.last_period(profile, now), profile.audit
        if await self.store.has_task(agency, period.name, rules.scope):
            return
        if not await self.store.worked_before(agency, period.ends_at):
            return
        accesses, accounts = await self.store.audited(agency, period, rules.scope)
        seed = self.writer.head().root.hex()
        size = tasks.sample_size(len(accesses), period.months)
        drawn = {*tasks.sample(accesses, size, seed)}
        drawn |= {*tasks.sample(accounts, tasks.sample_size(len(accounts), period.months), seed)}
        flags = await self.store.flagged(agency, [*accesses, *accounts])
        task = NewTask(
            task_id=make_id("audit_task", agency, period.name, rules.scope),
            agency=agency,
            scope=rules.scope,
            role=rules.role,
            mode="all" if size == len(accesses) else "sample",
            period=period,
            opened_at=now,
            due_at=tasks.due_at(period, profile),
            seed=seed,
            figures={"accesses": len(accesses), "accounts": len(accounts), "flagged": len(flags)},
            items={index: flags.get(index, []) for index in sorted(drawn | set(flags))},
        )
        facts = {"task_id": task.task_id, "period": period.name, "scope": task.scope, "role": task.role, "seed": seed,
                 "items": len(task.items), **task.figures}  # fmt: skip
        await self._tell("audit_opened", agency, task.task_id, facts)
        await self.store.put_task(task)

    async def tell_overdue(self, now: datetime) -> None:
        """Enter `AUDIT_OVERDUE` once for every audit that is not closed in time (AUD-05)."""
        for late in await self.store.newly_overdue(now):
            facts = {"task_id": late["task_id"], "period": late["period"], "scope": late["scope"]}
            await self._tell("audit_overdue", late["agency"], late["task_id"], facts, reason_code="AUDIT_OVERDUE")
            await self.store.set_overdue(late["task_id"], now)

    async def remove_reports(self, now: datetime) -> None:
        """Remove reports whose two years are over; the ledger says which (AUD-07)."""
        for report in await self.store.expired_reports(now):
            facts = {"report_id": report["report_id"], "sha256": report["sha256"]}
            await self._tell("report_removed", report["agency"], report["report_id"], facts)
            try:
                await self.store.delete_report(report["report_id"])
            except PermissionError:
                logger.warning("report_kept", extra={"reason": "the database says that its time is not over"})

    async def watch(self) -> None:
        """Follow the new entries and keep what the patterns find; after a start, the last year again."""
        registered: dict[str, dict[bytes, frozenset[str]]] = {}
        if self._after < 0:
            first = await self.store.first_since(self.clock() - LOOK_BACK)
            await asyncio.to_thread(self._feed, await self.store.account_acts(first), registered)
            self._after = first - 1
        while told := await self.store.acts(self._after):
            for agency in {one.agency for one in told} - set(registered):
                registered[agency] = await self._registry(agency)
                if agency in self._watches:
                    self._watches[agency].registry = registered[agency]
            for agency, signal in await asyncio.to_thread(self._feed, told, registered):
                await self._keep(agency, signal)
            self._after = told[-1].index

    def _feed(
        self, told: list[Told], registered: Mapping[str, Mapping[bytes, frozenset[str]]]
    ) -> list[tuple[str, Signal]]:
        signals = []
        for one in told:
            profile = self.profiles.get(one.agency)
            if one.agency not in self._watches:
                zone = ZoneInfo(profile.timezone if profile else "UTC")
                self._watches[one.agency] = Watch(zone, registered.get(one.agency, {}), self.digest)
            try:
                act = act_of(one, profile)
            except (AttributeError, KeyError, TypeError, ValueError):
                metrics.ENTRIES_UNREAD.inc()  # another service's words: they stop nobody else's review
                continue
            signals += [(one.agency, signal) for signal in self._watches[one.agency].feed(act)]
        return signals

    async def _registry(self, agency: str) -> dict[bytes, frozenset[str]]:
        owners: dict[bytes, frozenset[str]] = {}
        for row in await self.store.employee_plates(agency):
            digest = bytes(row["digest"])
            owners[digest] = owners.get(digest, frozenset()) | {row["username"]}
        return owners

    async def _keep(self, agency: str, signal: Signal) -> None:
        finding_id = make_id("finding", agency, signal.key)
        facts = {"finding_id": finding_id, "pattern": signal.kind, "level": signal.level.value}
        person = {"person_id": signal.person_id, "username": signal.username, "full_name": signal.full_name}
        await self._tell("misuse_suspected", agency, finding_id, facts, personal={"person": person})
        if await self.store.put_signal(finding_id, agency, signal, self.clock()):
            metrics.FINDINGS.labels(signal.kind).inc()


def act_of(told: Told, profile: AgencyProfile | None) -> Act:
    """Read an entry as the patterns see it; erased content leaves the act without person and plate."""
    entry, content = told.entry, told.content or {}
    facts = entry["facts"]
    person, reasons = content.get("person") or content, content.get("reasons") or {}
    criteria = content.get("criteria") or {}
    category = person.get("category", "")
    lacking: tuple[str, ...] = ()
    if profile and category and entry["kind"] == "query" and entry["profile_version"] == profile.version:
        lacking = missing_training(tuple(person.get("training", ())), category, profile, "query")
    return Act(
        index=told.index,
        at=datetime.fromisoformat(facts.get("occurred_at") or entry["time"]),
        kind=entry["kind"],
        person_id=person.get("person_id", ""),
        username=person.get("username", ""),
        full_name=person.get("full_name", ""),
        plate=skeleton(normalize(criteria.get("plate", "")).reveal()),
        case_number=reasons.get("case_number") or "",
        justification=reasons.get("justification") or "",
        session_id=person.get("session_id", ""),
        ip=content.get("ip") or person.get("source_ip", ""),
        outcome=entry["outcome"],
        reason_code=entry["reason_code"],
        subject=facts.get("subject", ""),
        lacking=", ".join(lacking),
        status=int(facts.get("status") or 0),
        route=facts.get("route", ""),
        follows=facts.get("follows"),
    )
