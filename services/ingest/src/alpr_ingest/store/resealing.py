"""Entries sealed with another key than the current one, and what takes their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final
from uuid import UUID

import asyncpg

from alpr_ingest.store.changing import BULK_TIMEOUT_S, Buckets, buckets_of
from alpr_ingest.store.changing import QUERIES as CHANGING
from alpr_ingest.store.entered import EnteredPlate, entered_of
from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "resealing.sql")
FIRST: Final = UUID(int=0)

Again = Callable[[str, bytes, str], tuple[bytes, bytes] | None]
"""Seals an entry (id, sealed, key id) with the current key: sealed bytes and digest; None when it cannot be opened."""


class Resealed:
    """Puts seals of the current key in the place of older ones. Raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def sealed_otherwise(self, key_id: str) -> int:
        """Count the entries, of lists and entered one by one, that another key than this one has sealed."""
        with translated():
            return int(await self._pool.fetchval(QUERIES["count_outdated"], key_id, timeout=BULK_TIMEOUT_S))

    async def skeletons_sealed_otherwise(self, key_id: str, after: str, limit: int) -> list[str]:
        """List the next skeletons with such an entry, in order."""
        with translated():
            args = (key_id, after, limit)
            rows = await self._pool.fetch(QUERIES["outdated_skeletons"], *args, timeout=BULK_TIMEOUT_S)
            return [row["skeleton"] for row in rows]

    @asynccontextmanager
    async def resealing(self, key_id: str, skeletons: Sequence[str], again: Again) -> AsyncIterator[Buckets]:
        """Seal the entries of these skeletons anew and give their buckets whole, under the lock of pages.

        What is published inside the block is the state that is kept; when the block fails nothing has changed. An
        entry that a load is changing at this moment is left for the next pass: a page waits for no load.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(CHANGING["hold_pages"])
                rows = await connection.fetch(QUERIES["outdated_entries"], key_id, skeletons)
                made = await asyncio.to_thread(
                    lambda: [again(str(row["entry_id"]), row["sealed"], row["key_id"]) for row in rows]
                )
                kept = [(row, one) for row, one in zip(rows, made, strict=True) if one is not None]
                await connection.execute(
                    QUERIES["reseal_entries"], key_id, [row["entry_id"] for row, _ in kept],
                    [row["from_version"] for row, _ in kept], [one[0] for _, one in kept], [one[1] for _, one in kept],
                )  # fmt: skip
                found = await buckets_of(connection, skeletons)
                yield {name: entries for name, entries in found.items() if entries}

    async def reseal_entered(
        self, key_id: str, after: UUID, limit: int, again: Again, message: Callable[[EnteredPlate], Outgoing]
    ) -> UUID | None:
        """Seal the next plates that were entered one by one anew, with a message of each partial plate that matches.

        Answers the last one's id, to go on after, or None when there was none.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(QUERIES["outdated_entered"], key_id, after, limit)
                kept: list[tuple[UUID, bytes]] = []
                outgoing: list[Outgoing] = []
                for row in rows:
                    if (made := again(str(row["entry_id"]), row["sealed"], row["key_id"])) is None:
                        continue
                    kept.append((row["entry_id"], made[0]))
                    if row["kind"] == "partial" and not row["gone"]:
                        outgoing.append(message(replace(entered_of(row), sealed=made[0], key_id=key_id)))
                await connection.execute(
                    QUERIES["reseal_entered"], key_id, [name for name, _ in kept], [sealed for _, sealed in kept]
                )
                await put_out(connection, outgoing)
        return rows[-1]["entry_id"] if rows else None
