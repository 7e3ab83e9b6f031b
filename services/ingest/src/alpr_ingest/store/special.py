"""Approvals of special lists, and lists that go to other agencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.model import Entry, Plate
from alprcore.policy import ShareAuthorization
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "special.sql")
_AT_ONCE: Final = 200
"""Entries fetched and opened at once: some 10 ms in which nothing else of the process runs."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Somebody's dated word on a list: an approval, or an authorization to share it with one agency.

    `delegation_id` is the delegation under which a designee gave it; '' for one's own right (ACC-10).
    """

    paper_id: str
    agency: str
    code: str
    given_by: str
    giver_name: str
    delegation_id: str
    note: str
    given_at: datetime
    recipient: str = ""
    recipient_class: str = ""
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A list that goes to another agency, and what for."""

    share_id: str
    agency: str
    code: str
    recipient: str
    recipient_class: str
    purpose: str
    shared_by: str
    shared_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A version of a list that is handed over under a share."""

    delivery_id: str
    share_id: str
    agency: str
    code: str
    delivered_by: str
    delivered_at: datetime


class SpecialLists:
    """Approvals, authorizations and shares: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def made_by(self, agency: str, code: str) -> str:
        """Name who made a list."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["list_paper"], agency, code)
        return "" if row is None else str(row["created_by"])

    async def paper_of(self, agency: str, code: str) -> dict[str, Any]:
        """Tell why a list was made and by whom, and its approval, None without one (HOT-02, HOT-06)."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["list_paper"], agency, code)
        if row is None:
            return {}
        given = ("approver_name", "delegation_id", "note", "approved_at")
        approval = None if row["approved_by"] is None else {name: row[name] for name in given}
        return {
            "legitimate_interest": row["legitimate_interest"],
            "created_by": row["created_by"],
            "approval": approval,
        }

    async def approve_list(self, paper: Paper, outgoing: Sequence[Outgoing]) -> bool:
        """Keep an approval together with the message that says so; answers False when there is one already."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(QUERIES["approve_list"], paper.agency, paper.code) is None:
                    return False
                await connection.execute(
                    QUERIES["add_approval"], UUID(paper.paper_id), paper.agency, paper.code, paper.given_by,
                    paper.giver_name, paper.delegation_id, paper.note, paper.given_at,
                )  # fmt: skip
                await put_out(connection, outgoing)
        return True

    async def authorize_share(self, paper: Paper, outgoing: Sequence[Outgoing]) -> None:
        """Keep an authorization together with the message that says so."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["add_authorization"], UUID(paper.paper_id), paper.agency, paper.code, paper.recipient,
                    paper.recipient_class, paper.given_by, paper.giver_name, paper.delegation_id, paper.note,
                    paper.given_at, paper.valid_to,
                )  # fmt: skip
                await put_out(connection, outgoing)

    async def authorizations(self, agency: str, code: str) -> list[ShareAuthorization]:
        """List who may be given a list, oldest first."""
        with translated():
            rows = await self._pool.fetch(QUERIES["authorizations"], agency, code)
        return [
            ShareAuthorization(str(r["authorization_id"]), r["recipient"], r["authorized_at"], r["valid_to"])
            for r in rows
        ]

    async def sharing(self, agency: str, code: str) -> dict[str, list[dict[str, Any]]]:
        """Give authorizations, shares and deliveries of a list as rows."""
        with translated():
            return {
                name: [dict(row) for row in await self._pool.fetch(QUERIES[name], agency, code)]
                for name in ("authorizations", "shares", "deliveries")
            }

    async def share(self, one: Share, outgoing: Sequence[Outgoing]) -> None:
        """Keep a share together with the message that says so."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["add_share"], UUID(one.share_id), one.agency, one.code, one.recipient,
                    one.recipient_class, one.purpose, one.shared_by, one.shared_at,
                )  # fmt: skip
                await put_out(connection, outgoing)

    async def deliver(
        self,
        one: Delivery,
        put: Callable[[Entry], bool],
        outgoing: Callable[[int, int], Sequence[Outgoing]],
    ) -> None:
        """Hand the entries of the version in force to `put` and keep that they were handed over, in one transaction.

        `put` says whether an entry leaves; what it raises undoes all. `outgoing` makes the messages that say which
        version left with how many entries.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
                version = await connection.fetchval(QUERIES["version_in_force"], one.agency, one.code)
                entries, rows = 0, connection.cursor(
                    QUERIES["entries_in_force"], one.agency, one.code, version, prefetch=_AT_ONCE
                )  # fmt: skip
                async for r in rows:
                    entry = Entry(
                        str(r["entry_id"]), Plate(r["plate"]), one.agency, one.code, 0, 0, r["sealed"], r["key_id"]
                    )
                    entries += put(entry)
                await connection.execute(
                    QUERIES["add_delivery"], UUID(one.delivery_id), UUID(one.share_id), version, entries,
                    one.delivered_by, one.delivered_at,
                )  # fmt: skip
                await put_out(connection, outgoing(version, entries))
