"""What a service tells the ledger and the other services: written with the change it tells of, relayed until acknowledged."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol

from prometheus_client import Gauge

from alprcore import wire
from alprcore.model import AuditEvent, Person, event_id, personal_of
from alprcore.policy import AgencyProfile
from alprcore.postgres import translated
from alprcore.refusals import RefusalLog
from alprcore.topics import Topic

RELAY_BATCH: Final = 100
WAITING: Final = Gauge("alpr_outbox_waiting_messages", "Messages of the outbox that Kafka has not taken yet")
OLDEST: Final = Gauge(
    "alpr_outbox_oldest_seconds", "Age of the oldest message of the outbox that Kafka has not taken yet"
)
# Minutes: Kafka is away, and nothing that people do reaches the ledger or the other services. Both are found before
# every attempt and by every process, also by one that may not relay or cannot.


class Publishes(Protocol):
    """Hands a message to a topic and waits until it is there; `Transient` when it cannot be."""

    async def publish(self, topic: Topic, *, key: str, value: bytes | None, headers: list[tuple[str, bytes]]) -> Any:
        """Publish one message; no value: what its key held before is gone."""


class Outbox:
    """Messages that belong to a database change: written in its transaction, relayed, kept until acknowledged.

    A service names itself and the source of its messages, and gives the statements `put_outbox`, `lock_relay`,
    `next_outbox`, `delete_outbox` and `count_outbox` over its own table.
    """

    service: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, pool: Any, queries: Mapping[str, str]) -> None:
        self._pool, self._queries = pool, queries

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Open a transaction that speaks for no agency yet. Raises `Transient`."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection

    async def put(
        self,
        connection: Any,
        topic: Topic,
        *,
        key: str,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        now: datetime,
    ) -> None:
        """Add a message to the caller's open transaction."""
        packed = json.dumps([[name, base64.b64encode(content).decode()] for name, content in headers])
        await connection.execute(self._queries["put_outbox"], topic.value, key, value, packed, now)

    async def record(
        self,
        connection: Any,
        person: Person | None,
        kind: str,
        subject: str,
        version: str,
        now: datetime,
        *,
        agency: str = "",
        outcome: str = "ok",
        reason_code: str = "",
        profile_version: str = "",
        facts: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> str:
        """Add a ledger entry to the caller's transaction and answer its event id; repeats carry the same id.

        `person` is who did it; None: this service by itself, for `agency`. `personal` holds what must be erasable:
        plates, criteria, texts that a person wrote, names of others.
        """
        event = AuditEvent(
            event_id=event_id(subject, kind, version),
            occurred_at=now,
            agency=person.agency if person else agency,
            kind=kind,
            service=self.service,
            outcome=outcome,
            reason_code=reason_code,
            profile_version=profile_version,
            facts={**(facts or {}), "subject": subject},
            personal={**(personal_of(person) if person else {}), **(personal or {})},
        )
        await self._put_event(connection, event)
        self.recorded(outcome)
        return event.event_id

    async def refuse(
        self,
        person: Person | None,
        address: str,
        reason_code: str,
        now: datetime,
        facts: Mapping[str, str],
        profile_version: str = "",
    ) -> None:
        """Write the ledger entry of a refusal in a transaction of its own: nothing else was done (AUD-09).

        Raises `Transient` when the database is away; then the call must not be answered as refused either.
        """
        event = refusal_event(self.service, person, address, reason_code, now, facts, profile_version)
        async with self.transaction() as connection:
            await self._put_event(connection, event)

    async def _put_event(self, connection: Any, event: AuditEvent) -> None:
        headers = wire.headers_for(Topic.AUDIT, id=event.event_id, source=self.source, time=event.occurred_at)
        value = wire.encode_audit_event(event)
        await self.put(connection, Topic.AUDIT, key=event.event_id, value=value, headers=headers, now=event.occurred_at)

    async def relay(self, publisher: Publishes) -> int:
        """Publish the oldest waiting messages in order and forget them; answers how many.

        One process relays at a time, so that a key's messages keep their order. Raises `Transient`.
        """
        async with self.transaction() as connection:
            await self._look(connection)
            if not await connection.fetchval(self._queries["lock_relay"]):
                return 0
            rows = await connection.fetch(self._queries["next_outbox"], RELAY_BATCH)
            for row in rows:
                topic = Topic(row["topic"])
                headers = [(name, base64.b64decode(content)) for name, content in json.loads(row["headers"])]
                await publisher.publish(topic, key=row["key"], value=row["value"], headers=headers)
                self.relayed(topic)
            await connection.execute(self._queries["delete_outbox"], [row["outbox_id"] for row in rows])
            if rows:
                await self._look(connection)
        return len(rows)

    async def _look(self, connection: Any) -> None:
        row = await connection.fetchrow(self._queries["count_outbox"])
        WAITING.set(row["waiting"])
        OLDEST.set(row["oldest_s"])

    def recorded(self, outcome: str) -> None:
        """Note that an act with this outcome is entered by the call in hand."""

    def relayed(self, topic: Topic) -> None:
        """Count a message that the broker has acknowledged."""


def once(now: datetime) -> str:
    """Name one act that will never come again: what is told of it is no repeat of anything."""
    return f"{now.isoformat()} {secrets.token_hex(8)}"


def refusal_event(
    service: str,
    person: Person | None,
    address: str,
    reason_code: str,
    now: datetime,
    facts: Mapping[str, str],
    profile_version: str = "",
) -> AuditEvent:
    """Make the ledger's entry of one refused call: of a person, or of whoever called from an address (AUD-09)."""
    return AuditEvent(
        event_id=event_id(reason_code, "refused", once(now)),
        occurred_at=now,
        agency=person.agency if person else "",
        kind="refused",
        service=service,
        outcome="refused",
        reason_code=reason_code,
        profile_version=profile_version,
        facts=facts,
        personal=personal_of(person) if person else {"source_ip": address},
    )


def refusal_log(outbox: Outbox, profiles: Mapping[str, AgencyProfile], clock: Callable[[], datetime]) -> RefusalLog:
    """Enter a service's refusals through its outbox: one event each, floods counted by address and minute."""

    async def enter(person: Person | None, address: str, reason_code: str, facts: Mapping[str, str]) -> None:
        profile = profiles.get(person.agency) if person else None
        await outbox.refuse(person, address, reason_code, clock(), facts, profile.version if profile else "")

    return RefusalLog(enter, clock)
