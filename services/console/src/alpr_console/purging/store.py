"""Applies the purges that retention orders, each once for each state of the database."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore import postgres, wire
from alprcore.errors import Misconfigured
from alprcore.kafka import Message
from alprcore.model import PurgeOrder
from alprcore.profiles import profile_from_json
from alprcore.topics import Topic

from .. import metrics
from ..doors import SOURCE, Outbox
from . import rules

log = logging.getLogger(__name__)
Remove = Callable[[Any, str, Sequence[str]], Awaitable[Mapping[str, int]]]
"""Removes all that a feature keeps about an agency's hits, in the caller's transaction; answers rows by table."""
_EVERY: Final = "*"
_UNNAMED_AT_ONCE: Final = 5_000
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

    async def _unnamed(self, connection: Any, order: PurgeOrder) -> list[str]:
        """Find hits that were due by the order's day and that no order will name; what a hold keeps is not among them."""
        if not order.held_complete or order.part + 1 < order.parts:
            return []
        rows = await connection.fetch(self._queries["policies"], order.agency)
        try:
            before = rules.over_before(order.due_day, [profile_from_json(row["document"]) for row in rows])
        except Misconfigured:
            log.warning(
                "purge_by_day_left_out", extra={"agency": order.agency}
            )  # a policy that nobody can read any more
            return []
        if before is None:
            return []
        found = await connection.fetch(
            self._queries["unnamed"], order.agency, before, order.held_read_ids, _UNNAMED_AT_ONCE
        )
        return [row["hit_id"] for row in found]

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
            hit_ids = [*order.hit_ids, *await self._unnamed(connection, order)]
            removers = self._removers if hit_ids else ()
            gone = rules.together([await remove(connection, order.agency, hit_ids) for remove in removers])
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
