"""What became of the runs: answers of the services kept, certificates made and told, runs shown (RET-15)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alprcore.kafka import Message
from alprcore.policy import AgencyProfile
from alprcore.wire import decode_purge_answer

from ... import metrics
from ..rules import Item, certificate_of, report_of, settled
from .damages import Damages
from .rows import Rows
from .shapes import Run

logger = logging.getLogger(__name__)


class Accounts:
    """Certifies runs, once for each agency concerned, and again when a late answer completes one."""

    def __init__(
        self,
        rows: Rows,
        damages: Damages,
        profiles: Mapping[str, AgencyProfile],
        doors: tuple[str, ...],
        clock: Callable[[], datetime],
    ) -> None:
        self._rows, self._damages, self._profiles = rows, damages, profiles
        self._doors, self._clock = doors, clock

    async def take_answer(self, message: Message) -> None:
        """Keep what a service answered to an order. Raises `InvalidMessage` and `Transient`."""
        await self._rows.put_answer(decode_purge_answer(message.value or b"", message.headers))

    async def settle(self) -> None:
        """Certify runs whose services have all answered or were waited for long enough."""
        agencies, now = await self._rows.agencies(self._profiles), self._clock()
        runs = await self._rows.unsettled(agencies)
        if not runs:
            return
        ids = [run.run_id for run in runs]
        items, told = await self._rows.items(agencies, ids), await self._rows.certificates(agencies, ids)
        lost = await self._damages.of_runs(agencies, ids)
        for run in runs:
            await self._settle(run, items.get(run.run_id, []), told.get(run.run_id, []), lost, now)

    async def _settle(
        self,
        run: Run,
        items: Sequence[Item],
        told: Sequence[Mapping[str, Any]],
        lost: Mapping[tuple[str, str], Sequence[Mapping[str, str]]],
        now: datetime,
    ) -> None:
        """Certify a run to each agency: also that nothing was due, to those of which it met nothing."""
        waited = run.settle_by is None or now >= run.settle_by
        known = {row["agency"]: row["certificate"] for row in told}
        ends = {agency: str(certificate["outcome"]) for agency, certificate in known.items()}
        concerned = {item.agency for item in items} | (set(self._profiles) if run.outcome == "running" else set())
        for agency in sorted(concerned):
            mine = [item for item in items if item.agency == agency]
            if not waited and not all(settled(item, self._doors) for item in mine):
                continue
            profile, gone = self._profiles.get(agency), lost.get((run.run_id, agency), ())
            report = report_of(run.facts(agency), mine, self._doors, gone, profile.version if profile else "")
            certificate, sha256 = certificate_of(report, agency, now)
            ends[agency] = certificate["outcome"]
            if _said(certificate) != _said(known.get(agency, {})):
                done = [item for item in mine if item.state == "cleared" and settled(item, self._doors)]
                await self._rows.certify(run.run_id, agency, certificate, sha256, done, now)
        if set(ends) >= concerned:
            outcome = "complete" if set(ends.values()) <= {"complete"} else "incomplete"
            if outcome != run.outcome:
                await self._rows.settle_run(run.run_id, now, outcome)
                metrics.RUNS.labels(outcome).inc()
                logger.info("purge_settled", extra={"run_id": run.run_id, "outcome": outcome})

    async def runs(self, agency: str, run_id: str = "") -> list[dict[str, Any]]:
        """The last hundred runs, newest first, or the named one: what each did for this agency."""
        runs = await self._rows.runs(run_id)
        ids = [run.run_id for run in runs]
        items, told = await self._rows.items([agency], ids), await self._rows.certificates([agency], ids)
        lost = await self._damages.of_runs([agency], ids)
        return [
            self._shown(
                run.facts(agency), run, items.get(run.run_id, []), told.get(run.run_id, []),
                lost.get((run.run_id, agency), ()),
            )
            for run in runs
        ]  # fmt: skip

    def _shown(
        self,
        facts: Mapping[str, Any],
        run: Run,
        items: Sequence[Item],
        told: Sequence[Mapping[str, Any]],
        lost: Sequence[Mapping[str, str]],
    ) -> dict[str, Any]:
        report = report_of(facts, items, self._doors, lost)
        certificate = next((row for row in told), None)
        if certificate:
            state = str(certificate["outcome"])
        elif run.outcome == "running":
            state = "settling" if run.finished_at else "running"
        else:
            state = run.outcome
        return {
            **report,
            **facts,
            "state": state,
            "outcome": state,
            "ledger_event": certificate["event_id"] if certificate else "",
            "certificate_sha256": certificate["sha256"] if certificate else "",
            "certificate": certificate["certificate"] if certificate else None,
        }

    async def finished(self) -> list[dict[str, Any]]:
        """The certificates of the last hundred runs, one for each agency concerned, newest first."""
        agencies = await self._rows.agencies(self._profiles)
        runs = {run.run_id: run for run in await self._rows.runs()}
        told = await self._rows.certificates(agencies, list(runs))
        return [
            {
                "run_id": run_id,
                "agency": row["agency"],
                "outcome": row["outcome"],
                "as_of": run.as_of,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "reason_code": next(iter(row["certificate"]["errors"]), ""),
                "certificate": row["certificate"],
            }
            for run_id, run in runs.items()
            for row in told.get(run_id, [])
        ]


def _said(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """A certificate without the moment at which it was made."""
    return {name: value for name, value in certificate.items() if name != "finished_at"}
