"""Retention's purge orders: what ingest keeps about a time that is over, and how far orders are applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.postgres import changed, load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "purges.sql")
_KEPT: Final = timedelta(days=60)  # orders lie on their topic for 41

Ended = tuple[Any, Any, datetime | None]
"""An entered plate: its id, the one it extends, and when it ended (None: it has not)."""


class Purges:
    """Orders of retention, each applied in one transaction with its answer. Raises `Transient`."""

    _pool: asyncpg.Pool

    async def purge_positions(self) -> dict[int, int]:
        """The next order by partition; a database from a backup brings its old ones back, and applies again (RET-10)."""
        with translated():
            rows = await self._pool.fetch(QUERIES["purge_positions"])
        return {row["partition"]: row["next_offset"] for row in rows}

    async def apply_purge(
        self,
        agency: str,
        order: tuple[str, int],
        place: tuple[int, int],
        chosen: Callable[[Sequence[Ended]], Collection[Any]],
        answer: Callable[[Mapping[str, int]], Outgoing],
        now: datetime,
    ) -> dict[str, int]:
        """Remove the entered plates of an agency that `chosen` names, answer, and note the place.

        `order` is its id and part, `place` partition and offset. An order that comes twice removes what it still finds;
        its answer counts both times together. Answers what went now.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(QUERIES["lock_purges"])
                before = json.loads(await connection.fetchval(QUERIES["applied"], *order) or "{}")
                rows = await connection.fetch(QUERIES["ended_entries"], agency)
                ids = list(chosen([(row["entry_id"], row["extends"], row["ended_at"]) for row in rows]))
                gone = {"entered": changed(await connection.execute(QUERIES["forget_entered"], agency, ids))}
                total = {"entered": before.get("entered", 0) + gone["entered"]}
                await put_out(connection, [answer(total)])
                await connection.execute(QUERIES["put_applied"], *order, json.dumps(total), now)
                await connection.execute(QUERIES["forget_applied"], now - _KEPT)
                await connection.execute(QUERIES["put_position"], place[0], place[1] + 1)
        return gone
