"""What is committed: the offsets of messages that were really settled, in order, and nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

logger = logging.getLogger(__name__)

_IDLE_S: Final = 2.0  # a message that waits this long beside an idle stream was skipped


class Offsets:
    """Which offset of each partition is due, by what was really settled; faust commits this and nothing else.

    faust 0.15.3 takes a message it skips around a rebalance for done, and commits past a single one missing at the
    head of its list (`min(acked) - committed > 1`): one read in a thousand was lost when a worker died right after.
    """

    def __init__(self, app: Any, topics: Collection[str]) -> None:
        self._app = app
        self._topics = topics
        self._due: dict[Any, int] = {}
        self._holes: set[Any] = set()
        self._active: dict[str, float] = {}

    def start(self) -> None:
        """Forget what was due: partitions have changed hands, the committed offsets count."""
        self._due.clear()
        self._holes.clear()
        self._active = dict.fromkeys(self._topics, time.monotonic())
        consumer = self._app.consumer
        original = type(consumer)._new_offset  # noqa: SLF001 - no hook is offered

        def new_offset(tp: Any) -> Any:
            if tp.topic in self._topics:
                return self._due.get(tp)
            return original(consumer, tp)

        consumer._new_offset = new_offset  # noqa: SLF001

    async def _next(self, tp: Any) -> int:
        due = self._due.get(tp, self._app.consumer._committed_offset.get(tp))  # noqa: SLF001
        return due if due is not None else (await self._app.consumer.earliest_offsets(tp)).get(tp) or 0

    async def is_due(self, message: Any) -> bool:
        """Whether this message comes next. One settled before is passed over; a missing one is fetched again."""
        tp, due = message.tp, await self._next(message.tp)
        self._active[tp.topic] = time.monotonic()
        if message.offset > due:
            due = max(due, (await self._app.consumer.earliest_offsets(tp)).get(tp) or 0)  # the rest has expired
        if message.offset > due:
            self._holes.add(tp)
        return bool(message.offset == due)

    def settled(self, message: Any) -> None:
        """Count a message as done, unless its partition has changed hands meanwhile."""
        self._active[message.tp.topic] = time.monotonic()
        if message.generation_id == self._app.consumer_generation_id:
            self._due[message.tp] = message.offset + 1

    async def fetch_missing(self, busy: Mapping[str, int]) -> None:
        """Seek back where a message is missing, or where one waits though its stream has been idle for 2 s."""
        consumer = self._app.consumer
        for tp in [tp for tp in consumer.assignment() if tp.topic in self._topics]:
            idle = not busy.get(tp.topic) and time.monotonic() - self._active[tp.topic] > _IDLE_S
            due = await self._next(tp)
            if (tp in self._holes or idle) and (consumer.highwater(tp) or 0) > due and not self._app.rebalancing:
                logger.warning("offset_sought", extra={"topic": tp.topic, "partition": tp.partition, "offset": due})
                await consumer.seek(tp, due)
                self._holes.discard(tp)
                self._active[tp.topic] = time.monotonic()
