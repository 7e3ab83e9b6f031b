"""Lists, their loads and their entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store.outbox import Outgoing, Taken, put_out
from alprcore.model import Entry, Plate
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "lists.sql")


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback that somebody has asked for; done once another person has approved it."""

    rollback_id: str
    agency: str
    code: str
    from_version: int
    to_version: int
    note: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    version: int | None = None


class Lists:
    """Lists of all agencies: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def seed_hotlists(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Make the lists that the profiles name (DEF-07, HOT-01); what is there already keeps its state.

        Name, class and reason of one that a policy made follow the policy; its next version takes them along.
        """
        with translated():
            await self._pool.executemany(QUERIES["seed_hotlist"], rows)
            named = [(agency, code, name, advisory, reason) for agency, code, name, _, advisory, reason, *_ in rows]
            await self._pool.executemany(QUERIES["follow_policy"], named)

    async def add_hotlist(self, fields: Sequence[Any], outgoing: Sequence[Outgoing]) -> None:
        """Make a list. Raises `Taken`."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(QUERIES["add_hotlist"], *fields) is None:
                    raise Taken("list")
                await put_out(connection, outgoing)

    async def set_permissible_use(self, agency: str, code: str, use: str, outgoing: Sequence[Outgoing]) -> None:
        """Say under which permissible use a list takes registration data (HOT-09)."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["set_permissible_use"], agency, code, use)
                await put_out(connection, outgoing)

    async def hotlists(self, agency: str) -> list[tuple[ActiveList, tuple[int, int] | None]]:
        """List an agency's lists, and for one that is being loaded how many of how many buckets are published."""
        with translated():
            rows = await self._pool.fetch(QUERIES["hotlists"], agency)
        return [
            (list_of(r), None if r["loading_buckets"] is None else (r["loading_published"], r["loading_buckets"]))
            for r in rows
        ]

    async def hotlist(self, agency: str, code: str) -> ActiveList | None:
        """Find a list."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["hotlist"], agency, code)
        return None if row is None else list_of(row)

    async def loads(self, agency: str, code: str, limit: int) -> list[dict[str, Any]]:
        """List the newest loads of a list."""
        with translated():
            return [dict(row) for row in await self._pool.fetch(QUERIES["loads"], agency, code, limit)]

    async def publishing(self) -> list[tuple[str, str]]:
        """Name the lists with a load that was staged but not switched to, oldest first."""
        with translated():
            return [(r["agency"], r["code"]) for r in await self._pool.fetch(QUERIES["publishing_lists"])]

    async def rejects(self, agency: str, code: str, version: int, after: int, limit: int) -> list[tuple[int, str]]:
        """List numbers and codes of lines that a load left out, in order, behind line `after`."""
        with translated():
            rows = await self._pool.fetch(QUERIES["rejects"], agency, code, version, after, limit)
        return [(row["line"], row["reason_code"]) for row in rows]

    async def reject_codes(self, agency: str, code: str, version: int) -> dict[str, int]:
        """Count the lines that a load left out by reason, most frequent first."""
        with translated():
            rows = await self._pool.fetch(QUERIES["reject_codes"], agency, code, version)
        return {row["reason_code"]: row["lines"] for row in rows}

    async def confirm_list(
        self, active: ActiveList, person_id: str, now: datetime, outgoing: Sequence[Outgoing]
    ) -> None:
        """Keep that a person brought what is in force already: the list is as fresh as after a load (HOT-03)."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["confirm_list"], active.agency, active.code, now, active.version, person_id
                )
                await put_out(connection, outgoing)

    async def load_of(self, agency: str, code: str, version: int) -> dict[str, Any] | None:
        """Find the load that made a version."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["load"], agency, code, version)
        return None if row is None else dict(row)

    async def ask_rollback(self, asked: Rollback, outgoing: Sequence[Outgoing]) -> None:
        """Keep that somebody asks for a rollback, together with the messages that say so."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["ask_rollback"],
                    *(UUID(asked.rollback_id), asked.agency, asked.code, asked.from_version, asked.to_version),
                    *(asked.note, asked.asked_by, asked.asked_at),
                )
                await put_out(connection, outgoing)

    async def rollbacks(self, agency: str, code: str, limit: int) -> list[Rollback]:
        """List what was asked of a list's rollbacks, newest first."""
        with translated():
            rows = await self._pool.fetch(QUERIES["rollbacks"], agency, code, limit)
        names = [name for name in Rollback.__dataclass_fields__ if name != "rollback_id"]
        return [Rollback(str(row["rollback_id"]), **{name: row[name] for name in names}) for row in rows]


def list_of(row: Mapping[str, Any]) -> ActiveList:
    """Make a list of its row."""
    return ActiveList(
        agency=row["agency"],
        code=row["code"],
        name=row["name"],
        list_type=row["list_type"],
        advisory_class=row["advisory_class"],
        default_reason=row["default_reason"],
        source=row["source"],
        loads_per_day=row["loads_per_day"],
        approved=row["approved"],
        version=row["version"],
        entries=row["entries"],
        source_time=row["source_time"],
        loaded_at=row["loaded_at"],
        rollback_to=row["rollback_to"],
        categories_off=frozenset(row["categories_off"]),
        permissible_use=row["permissible_use"],
    )


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Make an entry of its row."""
    return Entry(
        entry_id=str(row["entry_id"]),
        plate=Plate(row["plate"]),
        agency=row["agency"],
        list_code=row["code"],
        from_version=row["from_version"],
        until_version=row["until_version"],
        sealed=row["sealed"],
        key_id=row["key_id"],
    )
