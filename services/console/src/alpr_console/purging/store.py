"""Applies the purges that retention orders, each once for each state of the database."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore import postgres, wire
from alprcore.kafka import Message
from alprcore.topics import Topic

from .. import metrics
from ..doors import SOURCE, Outbox
from . import rules

Remove = Callable[[Any, str, Sequence[str]], Awaitable[Mapping[str, int]]]
"""Removes all that a feature keeps about an agency's hits, in the caller's transaction; answers rows by table."""
_EVERY: Final = "*"
_KEPT: Final = timedelta(days=60)  # orders lie on their topic for 41


class PurgeStore:
    """The console's purge door (RET-06).

    How far orders are applied is kept in this database, beside what they removed: a database brought back from a
    backup brings its old position with it and applies again what was ordered since (RET-10). An order that comes
    twice removes what it still finds, and its answer counts both times together.
    """

    def __init__(self, outbox: Outbox, removers: Sequence[Remove], clock: Callable[[], datetime]) -> None:
        self._outbox, self._removers, self._clock = outbox, removers, clock
        self._queries = postgres.load_queries(__package__ or "")

    async def position(self) -> dict[int, int]:
        """The next order to apply by partition; empty before the first. Raises `Transient`."""
        async with self._outbox.change(_EVERY) as connection:
            rows = await connection.fetch(self._queries["position"])
        return {row["partition"]: row["next_offset"] for row in rows}

    async def take(self, message: Message) -> None:
        """Remove what one order names, and answer: one transaction.

        Raises `Transient`, and `InvalidMessage` for what is no order.
        """
        order, now = wire.decode_purge_order(message.value or b"", message.headers), self._clock()
        async with self._outbox.change(_EVERY) as connection:
            await connection.fetchval(self._queries["lock_orders"])
            before = await connection.fetchval(self._queries["applied"], order.order_id, order.part)
            removers = self._removers if order.hit_ids else ()
            gone = rules.together([await remove(connection, order.agency, order.hit_ids) for remove in removers])
            answer = rules.answer(order, rules.together([json.loads(before or "{}"), gone]), now)
            await connection.execute(
                self._queries["put_applied"], order.order_id, order.part, json.dumps(dict(answer.gone)), now
            )
            await connection.execute(self._queries["forget_applied"], now - _KEPT)
            headers = wire.headers_for(
                Topic.PURGE_ANSWERS, id=f"{order.order_id}/{rules.SERVICE}", source=SOURCE, time=now
            )
            await self._outbox.put(
                connection, Topic.PURGE_ANSWERS, key=order.order_id, value=wire.encode_purge_answer(answer),
                headers=headers, now=now,
            )  # fmt: skip
            await connection.execute(self._queries["put_position"], message.partition, message.offset + 1)
        for table, number in gone.items():
            metrics.PURGED.labels(table).inc(number)
