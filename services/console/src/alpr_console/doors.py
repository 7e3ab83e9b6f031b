"""The ways out of the console: HTTP to the doors of audit, ingest and retention, and the outbox to Kafka."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
from typing_extensions import override

from alprcore import outbox, seal
from alprcore.model import Person
from alprcore.policy import RECORDED
from alprcore.tls import client_context
from alprcore.topics import Topic

from . import metrics

log = logging.getLogger(__name__)
SOURCE: Final = "console"
ENTERED: Final[ContextVar[bool]] = ContextVar("refusal_entered", default=False)
"""Whether this call's refusal is in the ledger's queue: written here, with the refused act, or behind another door."""
_PASSED_ON: Final = ("content-type", "content-length", "content-disposition", "retry-after", "etag")
_TOLD_S: Final = 2.0
"""How long a public page waits for what it can do without."""
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
        self,
        urls: Mapping[str, str],
        key: seal.SigningKey,
        clock: Callable[[], datetime],
        timeout_s: float,
        authorities: Path | None = None,
    ) -> None:
        """`authorities`: who signs the certificates of the doors. Raises `Misconfigured` when that file cannot be used."""
        self._urls = {door: url.rstrip("/") for door, url in urls.items()}
        self._key = key
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=3.0),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20),
            trust_env=False,  # a proxy from the environment has no business between our services
            verify=client_context(authorities),
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

    async def told(self, door: str, path: str) -> dict[str, Any] | None:
        """Ask a door for what it tells anyone, as nobody; None when it does not answer."""
        try:
            answer = await self._client.get(self._urls[door] + path, timeout=_TOLD_S)
            found = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Outbox(outbox.Outbox):
    """The console's messages, in the transactions of its changes."""

    service = SOURCE
    source = SOURCE

    @asynccontextmanager
    async def change(self, agency: str) -> AsyncIterator[Any]:
        """Open the transaction in which a change and its ledger entry are written; it speaks for one agency ('*': all).

        Raises `Transient`.
        """
        async with self.transaction() as connection:
            await connection.execute(self._queries["speak_for"], agency)
            yield connection

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

    @override
    def recorded(self, outcome: str) -> None:
        if outcome == "refused":
            ENTERED.set(True)

    @override
    def relayed(self, topic: Topic) -> None:
        metrics.OUTBOX_PUBLISHED.labels(topic.value).inc()
