"""Delivers messages to endpoints: each endpoint by itself, again and again, until it takes them or they are over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore.errors import Transient
from alprcore.hooks import signatures
from alprcore.postgres import load_queries
from alprcore.seal import ListKeys

from ... import metrics
from ...doors import Outbox
from ...webhooks import Answered
from .. import rules
from .endpoints import opened

log = logging.getLogger(__name__)
AT_ONCE: Final = 8
CLAIMED_FOR: Final = timedelta(seconds=60)
"""Longer than any attempt: two replicas never try the same message at once."""
UNSIGNED: Final = "not sent: the key of its secret was taken away; give it a new secret"

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answered]]
"""Sends one message: (address, headers, body)."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    endpoint_id: str
    url: str
    secrets: tuple[str, ...]


class Deliveries:
    """Sends what waits. An endpoint that is slow or away keeps no other waiting, and is never switched off."""

    def __init__(self, outbox: Outbox, keys: ListKeys | None, post: Post, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._queries = load_queries("alpr_console.cad")
        self._keys = keys
        self._post = post
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def begin(self) -> None:
        """Begin to serve every endpoint with something due that is not being served. Raises `Transient`."""
        for name, task in list(self._running.items()):
            if task.done():
                del self._running[name]
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.error("cad_delivery_broken", extra={"endpoint": name, "reason": type(error).__name__})
        async with self._outbox.change("*") as connection:
            rows = await connection.fetch(self._queries["due_endpoints"], self._clock())
        for name in (row["endpoint_id"] for row in rows):
            if name not in self._running:
                self._running[name] = asyncio.create_task(self._serve(name))
        metrics.CAD_WAITING.set(len(self._running))

    async def end(self) -> None:
        """Stop what is under way; what was not answered is tried again after the next start."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, name: str) -> None:
        try:
            while True:
                now = self._clock()
                async with self._outbox.change("*") as connection:
                    secrets = await connection.fetchrow(self._queries["endpoint_secrets"], name)
                    if secrets is None:
                        return
                    rows = await connection.fetch(
                        self._queries["claim_deliveries"], name, now, now + CLAIMED_FOR, AT_ONCE
                    )
                if not rows:
                    return
                usable = opened(self._keys, name, secrets, now) if self._keys is not None else ()
                endpoint = _Endpoint(name, secrets["url"], usable)
                await asyncio.gather(*(self._deliver(endpoint, row) for row in rows))
        except Transient as error:
            log.warning("cad_delivery_waits", extra={"endpoint": name, "reason": type(error).__name__})

    async def _deliver(self, endpoint: _Endpoint, row: Mapping[str, Any]) -> None:
        answered = await self._attempt(endpoint, row) if endpoint.secrets else Answered(False, UNSIGNED)
        now = self._clock()
        async with self._outbox.change("*") as connection:
            if answered.taken:
                await connection.execute(self._queries["set_delivered"], endpoint.endpoint_id, row["event_id"], now)
                await connection.execute(self._queries["count_success"], endpoint.endpoint_id, now)
            else:
                wish = rules.retry_after(answered.retry_after, now) if answered.retry_after else None
                # spreads the attempts of many messages; nothing secret depends on it
                again = rules.next_try(row["attempts"], random.random(), wish, now)
                await connection.execute(self._queries["set_next_try"], endpoint.endpoint_id, row["event_id"], again)
                await connection.execute(self._queries["count_failure"], endpoint.endpoint_id, now, answered.reason)
        metrics.CAD_SENT.labels("webhook", "sent" if answered.taken else "failed").inc()
        if answered.taken:
            metrics.CAD_DELAY.observe(max(0.0, (now - row["sent_at"]).total_seconds()))

    async def _attempt(self, endpoint: _Endpoint, row: Mapping[str, Any]) -> Answered:
        timestamp = int(self._clock().timestamp())
        headers = {
            "content-type": "application/cloudevents+json; charset=UTF-8",
            "webhook-id": row["event_id"],
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures(endpoint.secrets, row["event_id"], timestamp, row["body"]),
        }
        return await self._post(endpoint.url, headers, row["body"])
