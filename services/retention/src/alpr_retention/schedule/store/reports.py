"""Destruction reports: one for each finished purge and agency, and who has seen it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from alprcore.model import Person
from alprcore.policy import AgencyProfile

from ...telling import Outbox
from .. import rules
from .changes import QUERIES

Finished = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""The certificates of the last purges that have ended, one for each agency, given by the feature that runs them: run_id,
agency, as_of, started_at, finished_at, outcome, reason_code, certificate."""


class Reports:
    """Makes the report of each certificate once, told to the ledger, and keeps who has seen it."""

    def __init__(self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], finished: Finished) -> None:
        self._outbox, self._profiles, self._finished = outbox, profiles, finished

    async def make(self, now: datetime) -> int:
        """Write the reports of purges that have ended and have none; answers how many."""
        made = 0
        runs = await self._finished()
        async with self._outbox.change(*{run["agency"] for run in runs}) as connection:
            ids = {run["run_id"] for run in runs}
            known = {row[0] for row in await connection.fetch(QUERIES["reported"], [UUID(str(run)) for run in ids])}
        for run in runs:
            agency = run["agency"]
            report = rules.report_of(run, self._profiles.get(agency), now)
            if UUID(report["report_id"]) in known:
                continue
            async with self._outbox.change(agency) as connection:
                fresh = await connection.fetchval(
                    QUERIES["put_report"], UUID(report["report_id"]), agency, UUID(report["run_id"]), now,
                    list(rules.REPORTED_TO), json.dumps(report),
                )  # fmt: skip
                if fresh is None:
                    continue
                made += 1
                facts = {"run_id": report["run_id"], "to": " ".join(rules.REPORTED_TO), "outcome": report["outcome"]}
                await self._outbox.record(
                    connection, None, "destruction_report_sent", report["report_id"], "made", now, agency=agency,
                    profile_version=report["profile_version"], facts=facts,
                )  # fmt: skip
        return made

    async def listed(self, agency: str, report_id: str = "") -> list[dict[str, Any]]:
        """The last hundred reports of an agency, the newest first, with who has seen each; or the named one.

        Of several about one run the newest counts; the others say `superseded`.
        """
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["reports"], agency, UUID(report_id) if report_id else None)
        return [
            {
                **json.loads(row["report"]),
                "roles": list(row["roles"]),
                "seen": json.loads(row["seen"]),
                "superseded": row["superseded"],
            }
            for row in rows
        ]

    async def acknowledge(self, person: Person, role: str, report_id: str, profile_version: str, now: datetime) -> bool:
        """Keep that somebody to whom a report is addressed has seen it; False when they had before."""
        async with self._outbox.change(person.agency) as connection:
            fresh = await connection.fetchval(
                QUERIES["put_receipt"], UUID(report_id), person.agency, person.person_id, person.full_name, role, now
            )
            if fresh is not None:
                await self._outbox.record(
                    connection, person, "destruction_report_seen", report_id, person.person_id, now,
                    profile_version=profile_version, facts={"role": role},
                )  # fmt: skip
        return fresh is not None
