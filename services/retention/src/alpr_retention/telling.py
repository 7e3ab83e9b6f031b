"""What the ledger and the other services are told, written with the change it tells of, relayed until acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from typing_extensions import override

from alprcore import outbox
from alprcore.model import Person
from alprcore.postgres import load_queries
from alprcore.topics import Topic

from . import metrics

SOURCE: Final = "/alpr/retention"
_QUERIES: Final = load_queries("alpr_retention", "telling.sql")


class Outbox(outbox.Outbox):
    """Retention's messages, in the transactions of its changes."""

    service = "retention"
    source = SOURCE

    def __init__(self, pool: Any) -> None:
        super().__init__(pool, _QUERIES)

    @asynccontextmanager
    async def change(self, *agencies: str) -> AsyncIterator[Any]:
        """Open the transaction in which a change and its ledger entry are written; it sees the rows of these agencies.

        Raises `Transient`.
        """
        async with self.transaction() as connection:
            await connection.fetchval(_QUERIES["scope"], ",".join(sorted(set(agencies))))
            yield connection

    async def tell(
        self,
        person: Person,
        kind: str,
        subject: str,
        now: datetime,
        facts: Mapping[str, str],
        profile_version: str = "",
    ) -> None:
        """Write a ledger entry that belongs to no other change: something was shown. Raises `Transient`."""
        async with self.change() as connection:
            await self.record(
                connection, person, kind, subject, outbox.once(now), now, profile_version=profile_version, facts=facts
            )

    @override
    def relayed(self, topic: Topic) -> None:
        metrics.TOLD.inc()
