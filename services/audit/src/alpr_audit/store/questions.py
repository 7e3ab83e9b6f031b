"""What the query door looks up in the committed ledger: approvals, protected events, open case numbers, past answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from alprcore.policy import Approval, Area, ProtectedEvent
from alprcore.postgres import load_queries, translated

_QUERIES: Final = load_queries("alpr_audit")


@dataclass(frozen=True, slots=True)
class HandedOut:
    """Reads of an answer with the times of their capture, and, of an answer about hits, the hits."""

    reads: Mapping[str, str]
    hits: frozenset[str]


class Questions:
    """Look-ups of the query door. An approval, an event and a promise are entries: there is no second truth."""

    def __init__(self, pool: asyncpg.Pool, reader: asyncpg.Pool) -> None:
        self._pool, self._reader = pool, reader

    async def search_hits(self, index: int) -> list[dict[str, Any]]:
        """Let PostgreSQL answer a committed intent about past hits, as the role that may do nothing else."""
        with translated():
            rows = await self._reader.fetch(_QUERIES["search_hits"], index)
        return [json.loads(row[0]) for row in rows]

    async def handed_out(self, index: int) -> HandedOut:
        """What the committed result of a query handed out; nothing where there is no such result."""
        with translated():
            found = await self._pool.fetchval(_QUERIES["handed_out"], index)
        content = json.loads(found) if found else {}
        return HandedOut(content.get("reads", {}), frozenset(content.get("hits", ())))

    async def cases_due(self, agency: str, person_id: str, limit: int) -> list[dict[str, Any]]:
        """Queries whose case number is still to come, newest first; of one person, or of the agency where empty."""
        with translated():
            rows = await self._pool.fetch(_QUERIES["cases_due"], agency, person_id, limit)
        return [
            {"query_id": row["idx"], "asked_at": row["committed_at"].isoformat(), **json.loads(row["content"])}
            for row in rows
        ]

    async def case_due(self, index: int, agency: str) -> str | None:
        """Who asked the query whose case number was promised; None when there is no such query."""
        with translated():
            found: str | None = await self._pool.fetchval(_QUERIES["case_due"], index, agency)
        return found

    async def approval(self, index: int, agency: str) -> Approval | None:
        """The approval with this number; None when the agency has none such."""
        found = await self._declared("use_approval", agency, index)
        return _approval(found[0]) if found else None

    async def approvals(self, agency: str) -> list[dict[str, Any]]:
        """Approvals of an agency, newest first, with what they say and whether they were revoked."""
        return await self._declared("use_approval", agency, None)

    async def event(self, index: int, agency: str) -> ProtectedEvent | None:
        """The protected event with this number, unless it was ended."""
        found = await self._declared("protected_event", agency, index)
        return _event(found[0]) if found and not found[0]["ended"] else None

    async def events(self, agency: str) -> list[ProtectedEvent]:
        """Protected events of an agency that were not ended."""
        return [_event(row) for row in await self._declared("protected_event", agency, None) if not row["ended"]]

    async def declared_events(self, agency: str) -> list[dict[str, Any]]:
        """Protected events of an agency, newest first, as they were declared."""
        return await self._declared("protected_event", agency, None)

    async def _declared(self, kind: str, agency: str, index: int | None) -> list[dict[str, Any]]:
        with translated():
            rows = await self._pool.fetch(_QUERIES["declared"], kind, agency, index)
        return [
            {
                **json.loads(row["content"])["declared"],
                "index": row["idx"],
                "at": row["committed_at"].isoformat(),
                "by": json.loads(row["content"])["person"],
                "agency": agency,
                "ended": row["ended"],
            }
            for row in rows
            if row["content"]
        ]


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(
        approval_id=row["index"],
        agency=row["agency"],
        kind=row["kind"],
        approved_by=row["by"]["person_id"],
        valid_from=datetime.fromisoformat(row["valid_from"]),
        valid_to=datetime.fromisoformat(row["valid_to"]),
        event_id=row.get("event_id"),
        revoked=row["ended"],
    )


def _event(row: dict[str, Any]) -> ProtectedEvent:
    return ProtectedEvent(
        event_id=row["index"],
        area=Area(**row["area"]),
        begins_at=datetime.fromisoformat(row["begins_at"]),
        ends_at=datetime.fromisoformat(row["ends_at"]),
    )
