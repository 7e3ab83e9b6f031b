"""What the query door looks up in the committed ledger: approvals, protected events, open case numbers, past answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from alprcore.policy import Approval, Area, Criteria, ProtectedEvent
from alprcore.postgres import load_queries, translated

_QUERIES: Final = load_queries("alpr_audit")


@dataclass(frozen=True, slots=True)
class HandedOut:
    """Reads of an answer with the times of their capture, and, of an answer about hits, the hits."""

    reads: Mapping[str, str]
    hits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What another agency lets this one search: for which purposes, its hits and images too or not, until when.

    `party_kind` and `party_state` say what kind of agency this one is to the other.
    """

    agreement_id: str
    giver: str
    purposes: tuple[str, ...]
    device_ids: tuple[str, ...]
    max_age_days: int | None
    with_images: bool
    with_hits: bool
    expires_at: datetime
    party_kind: str
    party_state: str


@dataclass(frozen=True, slots=True)
class Custody:
    """An entry about reads: its number, bytes, time and kind, who acted, and which of the reads it is about."""

    index: int
    leaf: bytes
    at: str
    kind: str
    username: str
    full_name: str
    read_ids: tuple[str, ...]


class Questions:
    """Look-ups of the query door. An approval, an event and a promise are entries: there is no second truth."""

    def __init__(self, pool: asyncpg.Pool, reader: asyncpg.Pool) -> None:
        self._pool, self._reader = pool, reader

    async def search_hits(self, index: int) -> list[dict[str, Any]]:
        """Let PostgreSQL answer a committed intent about past hits, as the role that may do nothing else."""
        with translated():
            rows = await self._reader.fetch(_QUERIES["search_hits"], index)
        return [json.loads(row[0]) for row in rows]

    async def subject_answer(self, index: int) -> list[dict[str, Any]]:
        """Let PostgreSQL count what a committed intent asks about a person's vehicle: one row of counts and days."""
        with translated():
            rows = await self._reader.fetch(_QUERIES["subject_answer"], index)
        return [json.loads(row[0]) for row in rows]

    async def agreements(self, agency: str) -> tuple[Agreement, ...]:
        """The agreements in force under which an agency may search others' reads."""
        with translated():
            rows = await self._reader.fetch(_QUERIES["agreements_of"], agency)
        return tuple(
            Agreement(
                agreement_id=str(row["agreement_id"]),
                giver=row["giver"],
                purposes=tuple(row["purposes"]),
                device_ids=tuple(row["device_ids"]),
                max_age_days=row["max_age_days"],
                with_images=row["with_images"],
                with_hits=row["with_hits"],
                expires_at=row["expires_at"],
                party_kind=row["party_kind"],
                party_state=row["party_state"],
            )
            for row in rows
        )

    async def handed_out(self, index: int) -> HandedOut:
        """What the committed result of a query handed out; nothing where there is no such result."""
        with translated():
            found = await self._pool.fetchval(_QUERIES["handed_out"], index)
        content = json.loads(found) if found else {}
        return HandedOut(content.get("reads", {}), frozenset(content.get("hits", ())))

    async def custody(self, agency: str, read_ids: Sequence[str], hits: Mapping[str, str], each: int) -> list[Custody]:
        """Entries that opened, answered or are about these reads and hits (hit: read), in order; the newest of each."""
        with translated():
            rows = await self._pool.fetch(
                _QUERIES["custody"], agency, list(read_ids), list(hits), list(hits.values()), each
            )
        return [_custody(row, tuple(row["read_ids"])) for row in rows]

    async def custody_of(self, agency: str, index: int, read_ids: Sequence[str]) -> Custody:
        """The entry under which a package is made, as one about all its reads."""
        with translated():
            row = await self._pool.fetchrow(_QUERIES["custody_of"], agency, index)
        return _custody(row, tuple(read_ids))

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
        return next(iter(await self.approvals_named((index,), agency)), None)

    async def approvals_named(self, numbers: Sequence[int], agency: str) -> tuple[Approval, ...]:
        """The approvals with these numbers; a number of something else is left out."""
        rows = await self._declared("use_approval", agency, numbers) if numbers else []
        return tuple(_approval(row) for row in rows)

    async def event(self, index: int, agency: str) -> ProtectedEvent | None:
        """The protected event with this number, whether or not it was ended."""
        rows = await self._declared("protected_event", agency, (index,))
        return _event(rows[0]) if rows else None

    async def events(self, agency: str, criteria: Criteria) -> tuple[ProtectedEvent, ...]:
        """Protected events of an agency that this search may touch, as far as their places and times tell."""
        begins, ends, area = criteria.captured_from, criteria.captured_to, criteria.bounds()
        rows = await self._declared(
            "protected_event",
            agency,
            begins=begins.astimezone(UTC).isoformat() if begins else None,
            ends=ends.astimezone(UTC).isoformat() if ends else None,
            area=json.dumps(asdict(area)) if area else None,
        )
        return tuple(_event(row) for row in rows)

    async def declared(self, kind: str, agency: str, limit: int) -> list[dict[str, Any]]:
        """Approvals or protected events of an agency, newest first: as they were declared, by whom, whether ended."""
        rows = await self._declared(kind, agency, limit=limit)
        for row in rows:
            row["ended"] = row.pop("ended_at") is not None
            del row["ended_by"]
        return rows

    async def _declared(
        self,
        kind: str,
        agency: str,
        numbers: Sequence[int] | None = None,
        *,
        limit: int | None = None,
        begins: str | None = None,
        ends: str | None = None,
        area: str | None = None,
    ) -> list[dict[str, Any]]:
        with translated():
            rows = await self._pool.fetch(_QUERIES["declared"], kind, agency, numbers, limit, begins, ends, area)
        return [
            {
                **json.loads(row["declared"]),
                "index": row["idx"],
                "at": row["committed_at"].isoformat(),
                "by": json.loads(row["by"]),
                "agency": agency,
                "ended_at": row["ended_at"],
                "ended_by": row["ended_by"] or "",
            }
            for row in rows
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
        revoked=row["ended_at"] is not None,
        case_number=row["case_number"],
        for_username=row["for_username"],
    )


def _event(row: dict[str, Any]) -> ProtectedEvent:
    return ProtectedEvent(
        event_id=row["index"],
        area=Area(**row["area"]),
        begins_at=datetime.fromisoformat(row["begins_at"]),
        ends_at=datetime.fromisoformat(row["ends_at"]),
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
    )


def _custody(row: Any, read_ids: tuple[str, ...]) -> Custody:
    entry = json.loads(row["leaf"])
    content = json.loads(row["content"]) if row["content"] else {}
    person = content.get("person", content)
    return Custody(
        row["idx"],
        bytes(row["leaf"]),
        entry["facts"].get("occurred_at") or entry["time"],
        entry["kind"],
        person.get("username", ""),
        person.get("full_name", ""),
        read_ids,
    )
