"""Messages that belong to a change: kept with it, relayed until Kafka has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from alprcore.postgres import load_queries, translated
from alprcore.topics import Topic

QUERIES: Final = load_queries("alpr_ingest.store", "outbox.sql")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message that belongs to a change: kept until Kafka has acknowledged it. None is a tombstone."""

    topic: Topic
    key: str
    value: bytes | None
    ce_id: str
    created_at: datetime
    number: int = 0


class Taken(Exception):
    """A device, camera or list of this id exists already."""


class Outbox:
    """The outbox: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def put_out(self, outgoing: Sequence[Outgoing]) -> None:
        """Keep messages for the relay that belong to no other change."""
        with translated():
            await put_out(self._pool, outgoing)

    async def relay(self, send: Any, limit: int) -> int:
        """Hand the oldest messages of the outbox to `send` and forget them afterwards; answers how many.

        One process at a time relays, so that messages of one key stay in order.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(QUERIES["lock_relay"]):
                    return 0
                rows = await connection.fetch(QUERIES["outbox"], limit)
                messages = [
                    Outgoing(Topic(r["topic"]), r["key"], r["value"], r["ce_id"], r["created_at"], r["id"])
                    for r in rows
                ]
                if messages:
                    await send(messages)
                    await connection.execute(QUERIES["forget_outbox"], [message.number for message in messages])
                return len(messages)

    async def waiting(self) -> tuple[int, float]:
        """Count the messages in the outbox, and the seconds that the oldest of them has waited."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["count_outbox"])
        return row["waiting"], row["oldest_s"]


async def put_out(connection: Any, outgoing: Sequence[Outgoing]) -> None:
    """Keep messages in the transaction of the change they belong to."""
    await connection.executemany(
        QUERIES["put_outbox"], [(o.topic.value, o.key, o.value, o.ce_id, o.created_at) for o in outgoing]
    )
