"""What becomes of holds by themselves: reviews fall due, case files are purged, what is covered is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from alprcore.casefiles import Question
from alprcore.errors import Transient
from alprcore.model import make_id
from alprcore.policy import AgencyProfile

from ... import metrics
from ...telling import Outbox
from .. import rules
from .holds import keep_case_file
from .records_systems import MANUAL, RecordsSystems
from .rows import QUERIES, standing_of

logger = logging.getLogger(__name__)
COUNTED_AGAIN: Final = timedelta(hours=24)
COUNT_LIMIT: Final = 100_001
"""A hold of more reads is shown as "100,000 and more"."""


class Watch:
    """Timers over the holds of every agency."""

    def __init__(
        self,
        outbox: Outbox,
        systems: RecordsSystems,
        profiles: Mapping[str, AgencyProfile],
        clock: Callable[[], datetime],
    ) -> None:
        self._outbox, self._systems, self._profiles, self._clock = outbox, systems, profiles, clock

    async def look(self) -> None:
        """Count what new holds cover, and tell of reviews that are overdue, once each. Raises `Transient`."""
        now, binding, overdue = self._clock(), 0, 0
        for agency, profile in dict(self._profiles).items():
            async with self._outbox.change(agency) as connection:
                binding += await connection.fetchval(QUERIES["binding_count"], agency)
                overdue += await connection.fetchval(QUERIES["overdue"], agency, now)
                for row in await connection.fetch(QUERIES["overdue_untold"], agency, now):
                    hold_id, due = str(row["hold_id"]), row["review_due"].isoformat()
                    facts = {"hold_id": hold_id, "review_due": due}
                    await self._outbox.record(
                        connection, None, "hold_review_overdue", hold_id, due, now,
                        agency=agency, profile_version=profile.version, facts=facts,
                    )  # fmt: skip
            await self._count(agency, now)
        metrics.HOLDS.set(binding)
        metrics.REVIEWS_OVERDUE.set(overdue)

    async def ask_case_files(self) -> None:
        """Ask every records system about the cases that holds wait for. Raises `Transient`."""
        unanswered = 0
        for agency, profile in dict(self._profiles).items():
            unanswered += await self._ask(agency, profile, None)
        metrics.CASE_FILES_UNANSWERED.set(unanswered)

    async def end_due(self, before: date, now: datetime) -> list[dict[str, str]]:
        """End the holds whose case file is purged by a day before this one; answers which and why (RET-09).

        Asks once more about those of which no answer from after that day is known: a purge calls this at its start.
        """
        ended: list[dict[str, str]] = []
        for agency, profile in dict(self._profiles).items():
            await self._ask(agency, profile, before)
            ended += [
                {"hold_id": hold_id, "agency": agency, "reason": rules.CASE_FILE}
                for hold_id in await self._waiting(agency, profile)
                if await self._end(agency, profile, hold_id, before, now)
            ]
        return ended

    async def _waiting(self, agency: str, profile: AgencyProfile) -> dict[str, Any]:
        """Rows of the holds that end with their case file, by id."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["binding"], agency)
        return {
            str(row["hold_id"]): row for row in rows if rules.ends_with_case_file(profile.retention, standing_of(row))
        }

    async def _ask(self, agency: str, profile: AgencyProfile, before: date | None) -> int:
        """Ask about all waiting cases, or with a day those that a purge up to it may end; answers how many failed."""
        adapter = self._systems.adapter_of(agency)
        if adapter == MANUAL:
            return 0
        failed = 0
        for hold_id, row in (await self._waiting(agency, profile)).items():
            known = standing_of(row).case_file
            if before is not None and known is not None and not _worth_asking(known, before):
                continue
            now = self._clock()
            question = Question(make_id("case file", hold_id, now.isoformat()), agency, row["case_number"], now)
            found, answered_by = await self._systems.ask(profile, question, known)
            async with self._outbox.change(agency) as connection:
                await keep_case_file(connection, agency, hold_id, found, answered_by)
                if known is None or (known.status, known.purge_on) != (found.status, found.purge_on):
                    note = f"case file {found.status or 'not known'}, purged on {found.purge_on or 'no day yet'}"
                    args = (UUID(hold_id), agency, "case_file", now, "", answered_by or adapter, note)
                    await connection.execute(QUERIES["add_act"], *args)
            if found.problem:
                failed += 1
                logger.warning("case_file_unanswered", extra={"hold_id": hold_id, "problem": found.problem})
        return failed

    async def _end(self, agency: str, profile: AgencyProfile, hold_id: str, before: date, now: datetime) -> bool:
        """End one hold if, in the locked row, its case file is still over."""
        async with self._outbox.change(agency) as connection:
            if await connection.fetchval(QUERIES["lock_one"], agency, UUID(hold_id)) is None:
                return False
            row = await connection.fetchrow(QUERIES["one"], agency, UUID(hold_id))
            hold = standing_of(row)
            found = hold.case_file
            if hold.state == rules.ENDED or found is None or not found.over(before):
                return False
            if not rules.ends_with_case_file(profile.retention, hold):
                return False
            await connection.execute(QUERIES["end"], agency, UUID(hold_id), now, rules.CASE_FILE, "", "")
            note = f"the case file was purged on {found.purge_on}"
            await connection.execute(QUERIES["add_act"], UUID(hold_id), agency, "ended", now, "", "", note)
            facts = {"hold_id": hold_id, "reason": rules.CASE_FILE, "purge_on": str(found.purge_on)}
            await self._outbox.record(
                connection, None, "hold_ended", hold_id, "case_file", now,
                agency=agency, profile_version=profile.version, facts=facts,
                personal={"case_number": row["case_number"]},
            )  # fmt: skip
        return True

    async def _count(self, agency: str, now: datetime) -> None:
        """Count what holds cover, each in a transaction of its own: one that covers too much waits a day."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["uncounted"], agency, now - COUNTED_AGAIN)
        for row in rows:
            try:
                async with self._outbox.change(agency) as connection:
                    await connection.execute(QUERIES["count"], agency, row["hold_id"], COUNT_LIMIT, now)
            except Transient as error:
                logger.warning("hold_not_counted", extra={"hold_id": str(row["hold_id"]), "reason": str(error)})
                async with self._outbox.change(agency) as connection:
                    await connection.execute(QUERIES["count_later"], agency, row["hold_id"], now)


def _worth_asking(known: rules.CaseFile, before: date) -> bool:
    """Tell whether an answer may end a hold now: nothing is known yet, or its day has passed without a later answer."""
    if known.asked_at is None or known.purge_on is None:
        return True
    return known.purge_on < before and not known.over(before)
