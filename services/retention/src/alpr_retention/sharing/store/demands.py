"""Demands for records: discovery, subpoenas, court orders, and people who ask what is kept about their vehicle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ...telling import Outbox
from .. import rules

_QUERIES: Final = load_queries("alpr_retention.sharing")
PAGE: Final = 50


class Demands:
    """Keeps demands, what was answered to them, and the hold and the release that serve them; and counts records."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def put(
        self, person: Person, profile: AgencyProfile, draft: rules.DemandDraft, now: datetime
    ) -> str | Refused:
        """Keep a demand; answers its id, or why there is none."""
        refused = rules.refused_demand(draft, person, now)
        if refused is not None:
            return refused
        name = make_id("demand", person.agency, draft.kind, draft.reference, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await connection.fetchval(
                _QUERIES["put_demand"], UUID(name), person.agency, draft.kind, draft.reference, draft.requester,
                draft.wanted, draft.received_at, draft.due_at, person.person_id, person.full_name, now, profile.version,
                draft.hold_id, draft.request_id,
            )  # fmt: skip
            await self._outbox.record(
                connection, person, "demand_recorded", name, "1", now, profile_version=profile.version,
                facts={"kind": draft.kind, "hold_id": draft.hold_id, "release_id": draft.request_id},
                personal={"requester": draft.requester, "reference": draft.reference},
            )  # fmt: skip
        return name

    async def demands(
        self, person: Person, now: datetime, name: str = "", before: datetime | None = None, limit: int = PAGE
    ) -> list[dict[str, Any]]:
        """List the agency's demands, the latest recorded first, or the one named; that they were looked at is recorded."""
        async with self._outbox.change(person.agency) as connection:
            found = await self._found(connection, person.agency, name, before, limit)
            version = f"{person.session_id} {now.isoformat()}"
            facts = {"demands": str(len(found))}
            await self._outbox.record(connection, person, "demand_read", name or "list", version, now, facts=facts)
        return found

    async def answer(
        self, person: Person, profile: AgencyProfile, name: str, outcome: str, words: str, verified: str,
        found: Mapping[str, Any], hold_id: str, request_id: str, now: datetime,
    ) -> Refused | None:  # fmt: skip
        """Record what was answered; `found` is what the answer told of records. Raises `KeyError`: none such."""
        async with self._outbox.change(person.agency) as connection:
            if not await connection.fetchval(_QUERIES["lock_demand"], person.agency, UUID(name)):
                raise KeyError(name)
            demand = (await self._found(connection, person.agency, name, None, 1))[0]
            hold_id, request_id = hold_id or demand["hold_id"], request_id or demand["request_id"]
            refused = rules.answers(demand, outcome, words, verified, hold_id, person)
            if refused is not None:
                return refused
            await connection.execute(
                _QUERIES["answer_demand"], UUID(name), outcome, words, json.dumps({**found, "verified": verified}),
                person.person_id, person.full_name, now, hold_id, request_id,
            )  # fmt: skip
            await self._outbox.record(
                connection, person, "demand_answered", name, "1", now, profile_version=profile.version,
                facts={"kind": demand["kind"], "outcome": outcome, "hold_id": hold_id, "release_id": request_id},
                personal={"words": words, "verified": verified},
            )  # fmt: skip
        return None

    async def affected(
        self, agency: str, captured_from: datetime, captured_to: datetime, device_ids: Sequence[str]
    ) -> dict[str, Any]:
        """Count the records in a window, for whoever must judge how far a breach reaches; nothing of any one of them."""
        days = (captured_from.astimezone(UTC).date(), captured_to.astimezone(UTC).date())
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(
                _QUERIES["affected"], agency, captured_from, captured_to, list(device_ids), *days
            )
            hits = await connection.fetchval(_QUERIES["affected_hits"], agency, captured_from, captured_to, *days)
        return {
            "reads": sum(row["reads"] for row in rows),
            "images": sum(row["images"] for row in rows),
            "hits": hits,
            "devices": [{"device_id": row["device_id"], "reads": row["reads"]} for row in rows],
        }

    async def _found(
        self, connection: Any, agency: str, name: str, before: datetime | None, limit: int
    ) -> list[dict[str, Any]]:
        rows = await connection.fetch(_QUERIES["demands"], agency, UUID(name) if name else None, before, limit)
        return [{**dict(row), "demand_id": str(row["demand_id"]), "answer": json.loads(row["answer"])} for row in rows]
