"""What the ledger and the other services are told, written with the change it tells of, relayed until acknowledged."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Protocol

from alprcore import wire
from alprcore.model import AuditEvent, Person, event_id, personal_of
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries, translated
from alprcore.refusals import RefusalLog
from alprcore.topics import Topic

from . import metrics

SOURCE: Final = "/alpr/retention"
SERVICE: Final = "retention"
RELAY_BATCH: Final = 100
_QUERIES: Final = load_queries("alpr_retention", "telling.sql")


class Publishes(Protocol):
    """Hands a message to a topic and waits until it is there; `Transient` when it cannot be."""

    async def publish(self, topic: Topic, *, key: str, value: bytes | None, headers: list[tuple[str, bytes]]) -> Any:
        """Publish one message; no value: what its key held before is gone."""


class Outbox:
    """Messages that belong to a database change: written in its transaction, relayed, kept until acknowledged."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def change(self, *agencies: str) -> AsyncIterator[Any]:
        """Open the transaction in which a change and its ledger entry are written; it sees the rows of these agencies.

        Raises `Transient`.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(_QUERIES["scope"], ",".join(sorted(set(agencies))))
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
        await connection.execute(_QUERIES["put_outbox"], topic.value, key, value, packed, now)

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
        plates, texts that a person wrote, names of others.
        """
        event = AuditEvent(
            event_id=event_id(subject, kind, version),
            occurred_at=now,
            agency=person.agency if person else agency,
            kind=kind,
            service=SERVICE,
            outcome=outcome,
            reason_code=reason_code,
            profile_version=profile_version,
            facts={**(facts or {}), "subject": subject},
            personal={**(personal_of(person) if person else {}), **(personal or {})},
        )
        headers = wire.headers_for(Topic.AUDIT, id=event.event_id, source=SOURCE, time=event.occurred_at)
        value = wire.encode_audit_event(event)
        await self.put(connection, Topic.AUDIT, key=event.event_id, value=value, headers=headers, now=now)
        return event.event_id

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
            version = f"{now.isoformat()} {secrets.token_hex(8)}"
            await self.record(
                connection, person, kind, subject, version, now, profile_version=profile_version, facts=facts
            )

    async def refuse(
        self,
        person: Person | None,
        address: str,
        reason_code: str,
        now: datetime,
        facts: Mapping[str, str],
        profile_version: str = "",
    ) -> None:
        """Write the ledger entry of a refusal in a transaction of its own: nothing else was done (AUD-09)."""
        async with self.change() as connection:
            await self.record(
                connection,
                person,
                "refused",
                str(facts.get("route", "")),
                f"{now.isoformat()} {secrets.token_hex(8)}",
                now,
                outcome="refused",
                reason_code=reason_code,
                profile_version=profile_version,
                facts=facts,
                personal=None if person else {"source_ip": address},
            )

    async def relay(self, publisher: Publishes) -> int:
        """Publish the oldest waiting messages in order and forget them; answers how many.

        One process relays at a time, so that a key's messages keep their order. Raises `Transient`.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(_QUERIES["lock_relay"]):
                    return 0
                rows = await connection.fetch(_QUERIES["next_outbox"], RELAY_BATCH)
                for row in rows:
                    headers = [(name, base64.b64decode(content)) for name, content in json.loads(row["headers"])]
                    await publisher.publish(Topic(row["topic"]), key=row["key"], value=row["value"], headers=headers)
                await connection.execute(_QUERIES["delete_outbox"], [row["outbox_id"] for row in rows])
        metrics.TOLD.inc(len(rows))
        return len(rows)


def refusal_log(outbox: Outbox, profiles: Mapping[str, AgencyProfile], clock: Callable[[], datetime]) -> RefusalLog:
    """Enter this service's refusals through its outbox: one event each, floods counted by address and minute."""

    async def enter(person: Person | None, address: str, reason_code: str, facts: Mapping[str, str]) -> None:
        profile = profiles.get(person.agency) if person else None
        await outbox.refuse(person, address, reason_code, clock(), facts, profile.version if profile else "")

    return RefusalLog(enter, clock)
