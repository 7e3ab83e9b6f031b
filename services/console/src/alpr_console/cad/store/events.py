"""What happened, for the CAD; and what the CAD said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from alprcore import wire
from alprcore.errors import Transient
from alprcore.links import image_links
from alprcore.model import (
    Before,
    CadSaid,
    CadStatus,
    CapType,
    Hit,
    ImageLink,
    Notification,
    NotificationStatus,
    Person,
    make_id,
)
from alprcore.postgres import changed, load_queries
from alprcore.seal import ListKeys

from ... import metrics
from ...doors import SOURCE, Outbox
from .. import rules

HitOf = Callable[[Any, str, str], Awaitable[Hit | None]]
"""Gives a stored hit, in the caller's transaction: (connection, agency, hit_id)."""
Tell = Callable[[Any, str, str, datetime], Awaitable[None]]
"""Has every screen redraw a hit: (connection, agency, hit_id, now)."""
Publish = Callable[[str, str, str, bytes, datetime], Awaitable[bool]]
"""Puts a message on an agency's CAD topic: (agency, incident, id, value, time); False where it has none."""
CHAIN: Final = 20
NEWEST: Final = 50
RELAYED_AT_ONCE: Final = 4
"""Agencies whose messages go out at once: each keeps a connection for as long as its topic takes."""
_SOURCE: Final = f"alpr-{SOURCE}"


class CadStore:
    """Keeps the messages to an agency's CAD and its answers."""

    def __init__(
        self,
        outbox: Outbox,
        hit_of: HitOf,
        tell: Tell,
        keys: ListKeys | None,
        public_url: str,
        link_minutes: int,
    ) -> None:
        self._outbox = outbox
        self._queries = load_queries("alpr_console.cad")
        self._hit_of = hit_of
        self._tell = tell
        self._links = partial(image_links, keys, public_url) if keys is not None and public_url else None
        self._minutes = link_minutes
        self._relaying = asyncio.Semaphore(RELAYED_AT_ONCE)

    async def notified(self, connection: Any, notification: Notification, now: datetime, expires_at: datetime) -> None:
        """Keep a new notification for the agency's endpoints, in its transaction; the topic has it from the matcher.

        Where there is no endpoint, only that it was told is kept: what follows refers to it.
        """
        if not rules.for_cad(notification):
            return
        agency, name, body = notification.agency, notification.notification_id, b""
        if await connection.fetchval(self._queries["has_endpoint"], agency):
            before, _ = await self._chain(connection, agency, notification.incident_id, name)
            images = self._images(agency, notification.hit.hit_id, now)
            body = wire.cad_event("notification", notification, source=_SOURCE, before=before, images=images)
        await self._put(
            connection, name, agency, notification.incident_id, notification.hit.hit_id, "notification", 0,
            notification.notified_at, body, False, expires_at, now,
        )  # fmt: skip

    async def call_opened(
        self, connection: Any, person: Person, hit_id: str, call: Mapping[str, str], now: datetime
    ) -> None:
        """Send a call for service that a person entered to the agency's CAD, in the caller's transaction (HIT-20).

        `call`: call_id, call_type, vehicle_description, direction_of_travel.
        """
        await self._work(connection, person, hit_id, "call", {"change": "call", **call}, CapType.UPDATE, now)

    async def work_changed(
        self, connection: Any, person: Person, hit_id: str, change: str, facts: Mapping[str, str], now: datetime
    ) -> None:
        """Tell the agency's CAD what a person did with a hit, in the caller's transaction.

        A misread takes back what was told (CAP Cancel). `facts` hold codes; of a call, also how the dispatcher described
        the vehicle and where it goes, which no CAD can do without (HIT-20). No person's name and no other text is among
        them. A new call is told by `call_opened` and by nothing else.
        """
        if change == "call":
            return
        if change not in rules.CHANGES:
            raise ValueError(f"no such change: {change}")
        await self._work(
            connection, person, hit_id, "update", {"change": change, **facts}, rules.cap_type(change, facts), now
        )

    async def put_status(self, agency: str, said: CadStatus, now: datetime) -> bool:
        """Keep what the agency's CAD said, with its ledger entry, and have the screens show it; a repeat changes nothing.

        Answers False when no incident of this agency has this id: it may be younger than our own copy of it.
        """
        async with self._outbox.change(agency) as connection:
            incident = await connection.fetchrow(self._queries["hit_of_incident"], agency, said.incident_id)
            if incident is None:
                return False
            new = await connection.fetchval(
                self._queries["put_status"], agency, said.event_id, said.incident_id, incident["hit_id"],
                said.status.value, said.reason, said.call_number, said.unit, said.simulated, said.said_at, now,
                incident["expires_at"],
            )  # fmt: skip
            if new is None:
                metrics.CAD_STATUSES.labels("repeated").inc()
                return True
            rows = await connection.fetch(self._queries["statuses_of_incident"], agency, said.incident_id)
            problem = next(
                (p for p in rules.standing(map(_said, rows)).problems if p.said.event_id == said.event_id), None
            )
            facts = {
                "hit_id": incident["hit_id"], "status": said.status.value, "simulated": str(said.simulated).lower(),
                "applied": str(problem is None).lower(),
            }  # fmt: skip
            await self._outbox.record(
                connection, _system(agency), "cad_status", said.incident_id, said.event_id, now, facts=facts,
                reason_code=problem.reason_code if problem else "",
                personal={"text": said.reason} if said.reason else None,
            )  # fmt: skip
            await self._tell(connection, agency, incident["hit_id"], now)
        metrics.CAD_STATUSES.labels("not_applied" if problem else said.status.value).inc()
        return True

    async def facts(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Give each hit's card what the CAD says of it."""
        said: dict[str, list[CadStatus]] = {}
        for row in await connection.fetch(self._queries["statuses_of_hits"], agency, list(hit_ids)):
            said.setdefault(row["hit_id"], []).append(_said(row))
        return {
            hit_id: {"cad": rules.fact(rules.standing(said[hit_id])) if hit_id in said else None} for hit_id in hit_ids
        }

    async def newest(self, agency: str) -> list[dict[str, Any]]:
        """List what the CAD said last, newest first, each with where and when its hit was seen and whether it was applied."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["newest_statuses"], agency, NEWEST)
            problems = {
                problem.said.event_id: problem.reason_code
                for incident_id in {row["incident_id"] for row in rows}
                for problem in rules.standing(
                    map(_said, await connection.fetch(self._queries["statuses_of_incident"], agency, incident_id))
                ).problems
            }
        return [
            {
                **{name: row[name] for name in _SHOWN}, "said_at": row["said_at"].isoformat(),
                "stored_at": row["stored_at"].isoformat(), "reason_code": problems.get(row["event_id"], ""),
                "place": row["place"] or "", "captured_at": row["captured_at"] and row["captured_at"].isoformat(),
            }
            for row in rows
        ]  # fmt: skip

    async def image_open(self, agency: str, hit_id: str) -> bool:
        """Tell whether the agency's CAD was told of this hit: images of no other are behind a link."""
        async with self._outbox.change(agency) as connection:
            return await connection.fetchrow(self._queries["incident"], agency, hit_id) is not None

    async def relay(self, publish: Publish, limit: int = 50) -> int:
        """Put what waits on the CAD topics, of each agency its `limit` oldest; answers how many went.

        An agency's messages go in order, from one replica at a time. One whose topic does not answer keeps its own
        messages and holds up no other's. Raises `Transient` when the database is away.
        """
        async with self._outbox.change("*") as connection:
            waiting = [row["agency"] for row in await connection.fetch(self._queries["agencies_waiting"])]
        ended = await asyncio.gather(
            *(self._relay_of(agency, publish, limit) for agency in waiting), return_exceptions=True
        )
        sent = 0
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            sent += one
        return sent

    async def _relay_of(self, agency: str, publish: Publish, limit: int) -> int:
        done: list[str] = []
        async with self._relaying, self._outbox.change(agency) as connection:
            if not await connection.fetchval(self._queries["lock_relay"], agency):
                return 0  # another replica is at it
            for row in await connection.fetch(self._queries["waiting_for_topic"], agency, limit):
                try:
                    sent = await publish(agency, row["incident_id"], row["event_id"], row["body"], row["sent_at"])
                except Transient:
                    metrics.CAD_SENT.labels("topic", "failed").inc()
                    break  # what stands behind it may follow from it
                metrics.CAD_SENT.labels("topic", "sent" if sent else "no_topic").inc()
                done.append(row["event_id"])
            if done:
                await connection.execute(self._queries["set_on_topic"], done)
        return len(done)

    async def tidy(self, now: datetime) -> int:
        """Forget messages that were tried for long enough; those that nobody took are counted as given up."""
        async with self._outbox.change("*") as connection:
            for row in await connection.fetch(self._queries["count_given_up"], now):
                metrics.CAD_SENT.labels("webhook", "given_up").inc(row["number"])
            return changed(await connection.execute(self._queries["forget_events"], now))

    async def remove(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, int]:
        """Remove what CAD systems were told of hits and what they said, in a purge's transaction."""
        return {
            f"cad_{what}": changed(await connection.execute(self._queries[f"remove_{what}"], agency, hit_ids))
            for what in ("events", "statuses")
        }

    async def _work(
        self,
        connection: Any,
        person: Person,
        hit_id: str,
        kind: Any,
        work: Mapping[str, str],
        cap_type: CapType,
        now: datetime,
    ) -> None:
        agency = person.agency
        incident = await connection.fetchrow(self._queries["incident"], agency, hit_id)
        hit = await self._hit_of(connection, agency, hit_id) if incident else None
        if hit is None:
            return  # no CAD was told of it
        # the lock of the agency's event numbers: whoever tells screens takes the same one, so nobody waits crosswise
        await self._outbox.lock_events(connection, agency)
        incident_id = incident["incident_id"]
        before, last = await self._chain(connection, agency, incident_id, "")
        name = make_id("cad_event", incident_id, str(last + 1))
        body = wire.cad_work(
            kind, hit, event_id=name, incident_id=incident_id, revision=incident["revision"], update_no=last + 1,
            cap_type=cap_type, status=NotificationStatus(incident["status"]), work=work, source=_SOURCE, now=now,
            before=before, images=self._images(agency, hit_id, now),
        )  # fmt: skip
        await self._put(
            connection, name, agency, incident_id, hit_id, kind, last + 1, now, body, True, incident["expires_at"], now
        )

    async def _chain(self, connection: Any, agency: str, incident_id: str, name: str) -> tuple[list[Before], int]:
        rows = await connection.fetch(self._queries["told_before"], agency, incident_id, name, CHAIN)
        last: int = await connection.fetchval(self._queries["last_update"], agency, incident_id)
        return [Before(row["event_id"], row["sent_at"]) for row in reversed(rows)], last

    async def _put(
        self,
        connection: Any,
        name: str,
        agency: str,
        incident_id: str,
        hit_id: str,
        kind: str,
        update_no: int,
        sent_at: datetime,
        body: bytes,
        to_topic: bool,
        expires_at: datetime,
        now: datetime,
    ) -> None:
        new = await connection.fetchval(
            self._queries["put_event"], name, agency, incident_id, hit_id, kind, update_no, sent_at, body, to_topic,
            min(expires_at, now + rules.KEPT_TRYING),
        )  # fmt: skip
        if new and body:
            await connection.execute(self._queries["put_deliveries"], name, agency, now)

    def _images(self, agency: str, hit_id: str, now: datetime) -> Sequence[ImageLink]:
        return self._links(agency, hit_id, now, self._minutes) if self._links else ()


_SHOWN: Final = ("event_id", "incident_id", "hit_id", "status", "reason", "call_number", "unit", "simulated")


def _said(row: Mapping[str, Any]) -> CadStatus:
    return CadStatus(
        row["event_id"], row["incident_id"], CadSaid(row["status"]), row["said_at"], row["reason"],
        row["call_number"], row["unit"], row["simulated"],
    )  # fmt: skip


def _system(agency: str) -> Person:
    return Person("", "cad", "CAD system", "", agency, (), "", "")
