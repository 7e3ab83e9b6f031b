"""The ways out of the console: HTTP to the doors of audit, ingest and retention, and the outbox to Kafka."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from alprcore import seal, wire
from alprcore.kafka import Publisher
from alprcore.model import AuditEvent, Person, event_id, personal_of
from alprcore.policy import RECORDED, AgencyProfile
from alprcore.postgres import translated
from alprcore.refusals import RefusalLog
from alprcore.topics import Topic

from . import metrics

log = logging.getLogger(__name__)
SOURCE: Final = "console"
ENTERED: Final[ContextVar[bool]] = ContextVar("refusal_entered", default=False)
"""Whether this call's refusal is in the ledger's queue: written here, with the refused act, or behind another door."""
RELAY_BATCH: Final = 100
_PASSED_ON: Final = ("content-type", "content-length", "content-disposition", "retry-after", "etag")
_REQUEST_HEADERS: Final = ("content-type", "content-length", "accept", "traceparent", "x-document-name")


class DoorAway(Exception):
    """The service behind a door does not answer; `door` says which, `status` is 502 or 503."""

    def __init__(self, door: str, status: int) -> None:
        super().__init__(door)
        self.door = door
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door answered, its body still flowing; whoever takes it drains `body` or calls `close`."""

    status: int
    headers: dict[str, str]
    response: httpx.Response

    async def body(self) -> AsyncIterator[bytes]:
        """Pass the body on as it comes."""
        try:
            async for chunk in self.response.aiter_bytes():
                yield chunk
        finally:
            await self.response.aclose()

    async def json(self) -> Any:
        """Read the whole body as JSON; None when it is none."""
        try:
            return json.loads(await self.response.aread())
        except ValueError:
            return None
        finally:
            await self.response.aclose()


class Doors:
    """Calls the other services for a person: each call carries a token that says who asks and lives 5 s."""

    def __init__(
        self, urls: Mapping[str, str], key: seal.SigningKey, clock: Callable[[], datetime], timeout_s: float
    ) -> None:
        self._urls = {door: url.rstrip("/") for door, url in urls.items()}
        self._key = key
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=3.0),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20),
            trust_env=False,  # a proxy from the environment has no business between our services
        )

    async def call(
        self,
        door: str,
        method: str,
        path: str,
        person: Person,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: AsyncIterable[bytes] | bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Ask a door on a person's behalf. Raises `DoorAway` when it does not answer, within `timeout_s` if given."""
        sent = {name: value for name, value in (headers or {}).items() if name.lower() in _REQUEST_HEADERS}
        sent["authorization"] = f"Person {seal.sign_person(self._key, person, self._clock())}"
        url = self._urls[door] + path + (f"?{query}" if query else "")
        try:
            patience = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=3.0)
            response = await self._client.send(
                self._client.build_request(method, url, headers=sent, content=content, timeout=patience), stream=True
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ReadTimeout) as error:
            metrics.DOOR_CALLS.labels(door, "away").inc()
            raise DoorAway(door, 503) from error
        except httpx.HTTPError as error:
            metrics.DOOR_CALLS.labels(door, "broken").inc()
            raise DoorAway(door, 502) from error
        metrics.DOOR_CALLS.labels(door, f"{response.status_code // 100}xx").inc()
        if response.status_code in RECORDED:
            ENTERED.set(True)  # the other service has entered it
        passed = {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
        if "content-encoding" in response.headers:  # the body is passed on decoded
            passed.pop("content-length", None)
        return Answer(response.status_code, passed, response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Outbox:
    """Messages that belong to a database change: written in its transaction, relayed, kept until acknowledged."""

    def __init__(self, pool: Any, queries: Mapping[str, str]) -> None:
        self._pool = pool
        self._queries = queries

    @asynccontextmanager
    async def change(self, agency: str) -> AsyncIterator[Any]:
        """Open the transaction in which a change and its ledger entry are written; it speaks for one agency ('*': all).

        Raises `Transient`.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["speak_for"], agency)
                yield connection

    async def put(
        self, connection: Any, topic: Topic, *, key: str, value: bytes, headers: list[tuple[str, bytes]], now: datetime
    ) -> None:
        """Add a message to the caller's open transaction."""
        packed = json.dumps([[name, base64.b64encode(content).decode()] for name, content in headers])
        await connection.execute(self._queries["put_outbox"], topic.value, key, value, packed, now)

    async def lock_events(self, connection: Any, agency: str) -> None:
        """Give out an agency's event numbers in the order in which they are committed, until the transaction ends.

        A stream that resumes after a number would else miss an event with a lower one that is committed later.
        """
        await connection.execute(self._queries["lock_events"], agency)

    async def alert(
        self,
        connection: Any,
        alert_id: str,
        agency: str,
        kind: str,
        facts: Mapping[str, str],
        now: datetime,
        about: tuple[str, str, str] = ("", "", ""),
    ) -> None:
        """Put an alert before an agency's administrators in the caller's transaction, once for each id.

        `about`: id, short and full name of the person or thing that it is about.
        """
        await connection.execute(self._queries["raise_alert"], alert_id, agency, kind, *about, json.dumps(facts), now)

    async def record(
        self,
        connection: Any,
        person: Person,
        kind: str,
        subject: str,
        version: str,
        now: datetime,
        *,
        outcome: str = "ok",
        reason_code: str = "",
        profile_version: str = "",
        facts: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> None:
        """Add a ledger entry about what a person did to the caller's transaction; repeats carry the same id.

        `personal` holds what must be erasable: criteria, texts that a person wrote, names of others.
        """
        event = AuditEvent(
            event_id=event_id(subject, kind, version),
            occurred_at=now,
            agency=person.agency,
            kind=kind,
            service=SOURCE,
            outcome=outcome,
            reason_code=reason_code,
            profile_version=profile_version,
            facts={**(facts or {}), "subject": subject},
            personal={**personal_of(person), **(personal or {})},
        )
        await self._put_event(connection, event)
        if outcome == "refused":
            ENTERED.set(True)

    async def _put_event(self, connection: Any, event: AuditEvent) -> None:
        headers = wire.headers_for(Topic.AUDIT, id=event.event_id, source=SOURCE, time=event.occurred_at)
        value = wire.encode_audit_event(event)
        await self.put(connection, Topic.AUDIT, key=event.event_id, value=value, headers=headers, now=event.occurred_at)

    async def refuse(
        self,
        person: Person | None,
        address: str,
        reason_code: str,
        now: datetime,
        facts: Mapping[str, str],
        profile_version: str = "",
    ) -> None:
        """Add the ledger entry of a refusal in a transaction of its own: nothing else was done (AUD-09).

        Raises `Transient` when the database is away; then the call must not be answered as refused either.
        """
        personal = {**(personal_of(person) if person else {}), "source_ip": address}
        event = AuditEvent(
            event_id=event_id(reason_code, "refused", f"{now.isoformat()} {secrets.token_hex(8)}"),
            occurred_at=now,
            agency=person.agency if person else "",
            kind="refused",
            service=SOURCE,
            outcome="refused",
            reason_code=reason_code,
            profile_version=profile_version,
            facts=facts,
            personal=personal,
        )
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await self._put_event(connection, event)

    async def relay(self, publisher: Publisher) -> int:
        """Publish the oldest waiting messages in order and forget them; answers how many.

        One replica relays at a time, so that a key's messages keep their order. Raises `Transient`.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(self._queries["lock_relay"]):
                    return 0
                rows = await connection.fetch(self._queries["next_outbox"], RELAY_BATCH)
                for row in rows:
                    headers = [(name, base64.b64decode(content)) for name, content in json.loads(row["headers"])]
                    topic = Topic(row["topic"])
                    await publisher.publish(topic, key=row["key"], value=row["value"], headers=headers)
                    metrics.OUTBOX_PUBLISHED.labels(topic.value).inc()
                await connection.execute(self._queries["delete_outbox"], [row["outbox_id"] for row in rows])
                return len(rows)


def refusal_log(outbox: Outbox, profiles: Mapping[str, AgencyProfile], clock: Callable[[], datetime]) -> RefusalLog:
    """Enter the console's refusals through its outbox, each in a transaction of its own."""

    async def enter(person: Person | None, address: str, reason_code: str, facts: Mapping[str, str]) -> None:
        profile = profiles.get(person.agency) if person else None
        await outbox.refuse(person, address, reason_code, clock(), facts, profile.version if profile else "")

    return RefusalLog(enter, clock)
