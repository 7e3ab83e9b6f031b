"""What the builder takes from the database and notes there: packages that wait, their reads, the progress."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.errors import Transient
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries, translated

from ...telling import Outbox
from .packages import package_of

_QUERIES: Final = load_queries("alpr_retention.evidence")


@dataclass(slots=True)
class Bench:
    """Packages to be built, of all agencies."""

    pool: asyncpg.Pool
    outbox: Outbox
    profiles: Mapping[str, AgencyProfile]

    async def begin_attempt(self, agency: str, package_id: str) -> dict[str, Any] | None:
        """Count another attempt at building; None when the package is not to be built."""
        async with self.outbox.change(agency) as connection:
            if await connection.fetchval(_QUERIES["begin_attempt"], agency, UUID(package_id)) is None:
                return None
            return package_of(await connection.fetchrow(_QUERIES["package"], agency, UUID(package_id)))

    async def plan(self, agency: str, package_id: str) -> list[dict[str, Any]]:
        """The reads of a package in the order in which they are packed."""
        async with self.outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(_QUERIES["items"], agency, UUID(package_id))]

    async def record(self, agency: str, item: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A read with its hits as stored now. Raises `KeyError` when it is gone."""
        async with self.outbox.change(agency) as connection:
            # asked by itself, so that the day is a constant and one partition is planned, not hundreds
            day = await connection.fetchval(_QUERIES["day_of"], agency, item["read_id"], item["captured_at"])
            row = day and await connection.fetchrow(_QUERIES["record"], agency, item["read_id"], day)
        if row is None:
            raise KeyError(str(item["read_id"]))
        return json.loads(row["read"]), json.loads(row["hits"])

    async def note_packed(self, agency: str, package_id: str, packed: int) -> None:
        """Show how far the building has come."""
        async with self.outbox.change(agency) as connection:
            await connection.execute(_QUERIES["packed"], agency, UUID(package_id), packed)

    async def to_build(self) -> list[tuple[str, str]]:
        """Agency and id of every package that waits to be built."""
        agencies = list(self.profiles)
        async with self.outbox.change(*agencies) as connection:
            rows = await connection.fetch(_QUERIES["building"], agencies)
        return [(row["agency"], str(row["package_id"])) for row in rows]

    @asynccontextmanager
    async def alone(self, package_id: str) -> AsyncIterator[bool]:
        """Be the only one that builds a package, among all workers; False when another one does."""
        with translated():
            connection = await self.pool.acquire()
        try:
            with translated():
                got = bool(await connection.fetchval(_QUERIES["work_lock"], package_id))
            yield got
        finally:
            try:
                with translated():
                    await self.pool.release(connection)  # a connection given back holds no locks
            except Transient:
                connection.terminate()
