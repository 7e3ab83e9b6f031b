"""Pursuits and deployments in PostgreSQL; each change is on the ledger."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from alprcore.model import ClientKind, Person, Refused, make_id
from alprcore.policy import OTHER_APPROVED, AgencyProfile
from alprcore.postgres import load_queries

from ..doors import Doors, Outbox
from . import rules

PromptUnit = Callable[[Any, str, str, str, str, Mapping[str, Any], datetime, datetime], Awaitable[int]]
"""Tells every client under a call sign: connection, agency, unit, subject, words, content, now, expiry (units/)."""
DISPATCH_TARGET: Final = "dispatch"


class OperationStore:
    """Keeps pursuits until somebody says how they ended for the unit, and deployments with their purpose."""

    def __init__(self, outbox: Outbox, prompt_unit: PromptUnit) -> None:
        self._queries = load_queries("alpr_console.operations")
        self._outbox = outbox
        self._prompt_unit = prompt_unit

    async def open(self, person: Person, profile: AgencyProfile, unit: str, device_id: str, now: datetime) -> str:
        """Open the record of a pursuit with an ALPR unit; answers its id."""
        name = make_id("pursuit", person.agency, person.session_id, unit, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                self._queries["open_pursuit"], name, person.agency, unit, device_id, person.person_id,
                person.full_name, now,
            )  # fmt: skip
            facts = {"unit": unit, "device_id": device_id}
            await self._record(connection, person, profile, "pursuit_opened", name, "1", now, facts)
        return name

    async def log(
        self, person: Person, profile: AgencyProfile, pursuit_id: str, kind: rules.EventKind, now: datetime
    ) -> rules.Prompted | None:
        """Log what happened in a pursuit; unit and dispatcher are prompted where the policy says so.

        Answers who was prompted, None when no pursuit of this id is open. The same event logged twice prompts once.
        """
        reached = 0
        agency = person.agency
        async with self._outbox.change(agency) as connection:
            row = await connection.fetchrow(self._queries["lock_pursuit"], agency, pursuit_id)
            if row is None:
                return None
            new = await connection.fetchval(
                self._queries["put_event"], pursuit_id, agency, kind.value, person.full_name, now
            )
            if new is None or not profile.hits.pursuit_prompt:
                targets: list[tuple[str, ClientKind]] = []
            else:
                targets = [(row["unit"], ClientKind.VEHICLE), (DISPATCH_TARGET, ClientKind.DISPATCH_CONSOLE)]
            words = rules.prompt(kind)
            for target, client in targets:
                prompt_id = make_id("prompt", pursuit_id, kind.value, client.value)
                await connection.execute(
                    self._queries["put_prompt"], prompt_id, agency, pursuit_id, target, client.value, kind.value, words,
                    now,
                )  # fmt: skip
            if targets:
                content = {"pursuit_id": pursuit_id, "event": kind.value}
                reached = await self._prompt_unit(
                    connection, agency, row["unit"], pursuit_id, words, content, now, now + rules.PROMPTED_FOR
                )
            if new is not None:
                facts = {"event": kind.value, "prompted": " ".join(client.value for _, client in targets)}
                await self._record(connection, person, profile, "pursuit_event", pursuit_id, kind.value, now, facts)
        return rules.Prompted(row["unit"], tuple(target for target, _ in targets), reached)

    async def close(
        self, person: Person, profile: AgencyProfile, pursuit_id: str, outcome: rules.PursuitOutcome, reason: str,
        now: datetime,
    ) -> bool:  # fmt: skip
        """Record what the unit did and why; False when no pursuit of this id is open."""
        async with self._outbox.change(person.agency) as connection:
            closed = await connection.fetchval(
                self._queries["close_pursuit"], person.agency, pursuit_id, outcome.value, reason, person.person_id,
                person.full_name, now,
            )  # fmt: skip
            if closed:
                await self._record(
                    connection, person, profile, "pursuit_closed", pursuit_id, "1", now, {"outcome": outcome.value},
                    {"reason": reason},
                )  # fmt: skip
        return closed is not None

    async def pursuits(self, agency: str) -> list[dict[str, Any]]:
        """List pursuits with events and prompts, open ones first."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["pursuits"], agency)
        return [
            {**dict(row), "events": json.loads(row["events"]), "prompts": json.loads(row["prompts"])} for row in rows
        ]

    async def judge(
        self, asked: rules.Deployment, person: Person, profile: AgencyProfile, case_number: str, doors: Doors,
        now: datetime,
    ) -> rules.Deployment | Refused:  # fmt: skip
        """Judge a deployment, with the approvals of the ledger where one is needed (USE-11). Raises `DoorAway`."""
        approvals: list[dict[str, Any]] = []
        if asked.purpose_code == OTHER_APPROVED:
            answer = await doors.call("audit", "GET", "/v1/use-approvals", person)
            content = await answer.json()
            approvals = content["rows"] if answer.status == 200 and isinstance(content, dict) else []
        return rules.deployment(asked, person, profile, approvals, case_number, now)

    async def deploy(self, person: Person, profile: AgencyProfile, made: rules.Deployment, now: datetime) -> str:
        """Keep a deployment; answers its id."""
        name = make_id("deployment", person.agency, person.session_id, made.kind, made.place, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                self._queries["put_deployment"], name, person.agency, made.kind.value, made.device_id, made.place,
                made.purpose_code, made.approval_id, made.starts_at, made.ends_at, person.person_id, person.full_name,
                now,
            )  # fmt: skip
            facts = {
                "kind": made.kind.value, "device_id": made.device_id, "purpose_code": made.purpose_code,
                "approval_id": made.approval_id,
            }  # fmt: skip
            await self._record(connection, person, profile, "deployment_made", name, "1", now, facts)
        return name

    async def end(self, person: Person, profile: AgencyProfile, deployment_id: str, now: datetime) -> bool:
        """End a deployment; False when none of this id goes on."""
        async with self._outbox.change(person.agency) as connection:
            ended = await connection.fetchval(
                self._queries["end_deployment"], person.agency, deployment_id, now, person.full_name
            )
            if ended:
                await self._record(connection, person, profile, "deployment_ended", deployment_id, "1", now, {})
        return ended is not None

    async def deployments(self, agency: str) -> list[dict[str, Any]]:
        """List deployments, those that go on first."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries["deployments"], agency)]

    async def _record(
        self, connection: Any, person: Person, profile: AgencyProfile, kind: str, subject: str, version: str,
        now: datetime, facts: Mapping[str, str], personal: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, person, kind, subject, version, now, facts=facts, personal=personal,
            profile_version=profile.version,
        )  # fmt: skip
