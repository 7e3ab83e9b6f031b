"""What is stored, by age and by the month in which it falls due, and whether anything is overdue or went too early."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from alprcore.model import Person
from alprcore.policy import AgencyProfile, unscheduled

from ... import metrics
from ...expiry import purge_before
from ...store import Images
from ...telling import Outbox
from .. import rules
from .changes import QUERIES

log = logging.getLogger(__name__)
_OPEN_DAYS: Final = 10
"""Days that are counted while somebody waits: those that are written today, 20 ms each with 68,000 reads."""
_COUNTED_AT_ONCE: Final = 20
"""Days counted in one turn for each agency for the first time, 50 ms each with 68,000 reads."""
_COUNTED_AGAIN: Final = 6
"""Days counted again in one turn: all of two years come round within two hours."""
_NEXT: Final = timedelta(days=30)


@dataclass(slots=True)
class Figures:
    """What was counted of an agency's records."""

    total: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)
    days: dict[date, Counter[str]] = field(default_factory=dict)
    uncounted: int = 0

    def add(self, day: date, counts: Mapping[str, Any]) -> None:
        """Take in a due day."""
        numbers = Counter({kind: int(counts[kind]) for kind in ("reads", "hits", "images")})
        self.total.update(numbers)
        self.months.update({month: int(number) for month, number in counts["months"].items()})
        self.days[day] = numbers


class Stock:
    """Counts due days once they have ended and again and again after, and compares."""

    def __init__(self, outbox: Outbox, images: Images) -> None:
        self._outbox, self._images = outbox, images
        self._next: dict[str, date] = {}
        self._said: set[tuple[str, str]] = set()

    async def figures(self, agency: str) -> Figures:
        """What is stored of an agency; days that nobody has counted yet are counted now, some of them."""
        found = Figures()
        async with self._outbox.change(agency) as connection:
            for row in await connection.fetch(QUERIES["stock"], agency):
                if row["counts"] is not None:
                    found.add(row["due_day"], json.loads(row["counts"]))
                elif not row["stands"]:
                    continue
                elif row["noted"] or found.uncounted >= _OPEN_DAYS:
                    found.uncounted += 1
                else:
                    counted = await connection.fetchrow(QUERIES["count_open_day"], agency, row["due_day"])
                    found.add(row["due_day"], {**dict(counted), "months": json.loads(counted["months"])})
        return found

    async def agencies(self) -> list[str]:
        """Agencies of which anything was ever stored, whether or not their policy is known."""
        async with self._outbox.change() as connection:
            return [row["agency"] for row in await connection.fetch(QUERIES["agencies"])]

    async def overdue(self, agency: str, profile: AgencyProfile | None, now: datetime) -> tuple[int, date | None]:
        """Count the reads past their day and under no hold; the oldest such day beside it.

        Where the records schedule has no entry yet, nothing is: the days stand for the policy's minimum alone (RET-05).
        """
        before, number, oldest = purge_before(now), 0, None
        if profile is not None and unscheduled(profile.retention):
            return number, oldest
        async with self._outbox.change(agency) as connection:
            for row in await connection.fetch(QUERIES["stock"], agency):
                if row["due_day"] < before and row["stands"]:
                    late = await connection.fetchval(QUERIES["overdue"], agency, row["due_day"])
                    if late and oldest is None:
                        oldest = row["due_day"]
                    number += late
            released = await connection.fetchrow(QUERIES["overdue_released"], agency, before)
            number += released["reads"]
            oldest = min((day for day in (oldest, released["oldest"]) if day is not None), default=None)
        return number, oldest

    async def premature(self, agency: str) -> list[dict[str, Any]]:
        """Findings of records that were missed before their time."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(QUERIES["premature"], agency)]

    async def settle(
        self, person: Person, finding: tuple[date, str], note: str, profile_version: str, now: datetime
    ) -> bool:
        """Write that somebody looked into a finding, and what they found; False when there is no such open one."""
        day, what = finding
        async with self._outbox.change(person.agency) as connection:
            number = await connection.fetchval(
                QUERIES["settle_finding"], person.agency, day, what, now, person.person_id, person.full_name, note
            )
            if number is None:
                return False
            facts = {"due_day": str(day), "what": what, "reads": str(number)}
            await self._outbox.record(
                connection, person, "records_missing_settled", f"{person.agency} {day} {what}", now.isoformat(), now,
                profile_version=profile_version, facts=facts, personal={"note": note},
            )  # fmt: skip
        return True

    async def held(self, agency: str) -> dict[str, int]:
        """Count what was moved out of its due day because a hold keeps it."""
        async with self._outbox.change(agency) as connection:
            return dict(await connection.fetchrow(QUERIES["held"], agency))

    async def binding(self, agency: str) -> list[dict[str, Any]]:
        """Sum up the holds in force by ground: how many, what they cover, and how many nobody has counted yet."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(QUERIES["binding"], agency)]

    async def measure(self, agency: str, profile: AgencyProfile | None, now: datetime) -> None:
        """Look once more: count days, compare with what stood there, set the figures of the alarms, tell findings."""
        today = now.astimezone(UTC).date()
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["stock"], agency)
        missing = [(row["due_day"], "partition") for row in rows if row["due_day"] >= today and not row["stands"]]
        standing = [row for row in rows if row["noted"] and row["stands"]]
        new = [row["due_day"] for row in standing if row["counts"] is None]
        after = self._next.get(agency, date.min)
        again = [row["due_day"] for row in standing if row["due_day"] > after] or [row["due_day"] for row in standing]
        for day in (*new[:_COUNTED_AT_ONCE], *again[:_COUNTED_AGAIN]):
            async with self._outbox.change(agency) as connection:
                await connection.fetchval(QUERIES["count_day"], agency, day)
                sealed = await connection.fetchval(QUERIES["sealed_day"], agency, day, day.isoformat())
            if sealed and day >= today:
                key = await asyncio.to_thread(self._images.keys.private, agency, day.isoformat())
                if key is None:
                    missing.append((day, "key"))
        self._next[agency] = again[:_COUNTED_AGAIN][-1] if again else date.min
        async with self._outbox.change(agency) as connection:
            for day, what in missing:
                await connection.execute(QUERIES["note_premature"], agency, day, what, 1)
        await self._say(agency, profile, now)

    async def _say(self, agency: str, profile: AgencyProfile | None, now: datetime) -> None:
        late, oldest = await self.overdue(agency, profile, now)
        findings = await self.premature(agency)
        early = rules.open_findings(findings)
        metrics.OVERDUE_RECORDS.labels(agency).set(late)
        metrics.PREMATURE.labels(agency).set(early)
        events = [("records_missing", f"{f['due_day']} {f['what']} {f['number']}", f) for f in findings]
        told = [
            (kind, subject, {"due_day": str(f["due_day"]), "what": f["what"], "reads": str(f["number"])})
            for kind, subject, f in events
        ]
        if late and oldest is not None:
            told.append(("records_overdue", str(oldest), {"due_day": str(oldest), "reads": str(late)}))
        for kind, subject, facts in told:
            if (kind, f"{agency} {subject}") in self._said:
                continue
            log.error(kind, extra={"agency": agency, "due_day": facts["due_day"], "reads": facts["reads"]})
            async with self._outbox.change(agency) as connection:
                await self._outbox.record(
                    connection, None, kind, f"{agency} {subject}", facts["due_day"], now, agency=agency,
                    profile_version=profile.version if profile else "", facts=facts,
                )  # fmt: skip
            self._said.add((kind, f"{agency} {subject}"))


def shown(
    agency: str, profile: AgencyProfile, figures: Figures, now: datetime, *,
    held: Mapping[str, int], binding: list[dict[str, Any]], late: tuple[int, date | None],
    findings: list[dict[str, Any]], change: rules.Change | None,
) -> dict[str, Any]:  # fmt: skip
    """Write the figures as screens show them: totals, by age, by month and by the next days on which records go."""
    today, (overdue, oldest) = now.astimezone(UTC).date(), late
    by_month: dict[str, Counter[str]] = {}
    for day, numbers in figures.days.items():
        by_month.setdefault(day.isoformat()[:7], Counter()).update(numbers)
    early = rules.open_findings(findings)
    kinds = ("reads", "hits", "images")
    return {
        "agency": agency,
        "as_of": now.isoformat(),
        "total": {kind: figures.total[kind] + held[kind] for kind in kinds},
        "ages": rules.by_age(figures.months, today),
        "due": [{"month": month, **{kind: by_month[month][kind] for kind in kinds}} for month in sorted(by_month)],
        "next_days": [
            {"day": day.isoformat(), **{kind: numbers[kind] for kind in kinds}}
            for day, numbers in sorted(figures.days.items())
            if today <= day <= today + _NEXT
        ],
        "held": dict(held),
        "holds": binding,
        "overdue": {"reads": overdue, "oldest_day": oldest and oldest.isoformat()},
        "premature": early,
        "findings": [
            {
                **{key: finding[key] for key in ("what", "number", "settled_by", "settled_name", "note")},
                "due_day": finding["due_day"].isoformat(),
                "found_at": finding["found_at"].isoformat(),
                "settled_at": finding["settled_at"].isoformat() if finding["settled_at"] else None,
            }
            for finding in findings
        ],
        "uncounted_days": figures.uncounted,
        "warnings": rules.warnings(profile, change, overdue=overdue, premature=early, uncounted=figures.uncounted),
    }
