"""Live hits in PostgreSQL: stored once, numbered per agency, kept until retention purges them; every screen is fed from here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore import wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.model import Hit, Notification, NotificationKind, Person, StormRelease, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import changed, translated
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from alprcore.workflow import DISPATCH, LIVE_FOR

from .. import metrics
from ..doors import SOURCE, Outbox
from . import rules

log = logging.getLogger(__name__)
CHANNEL: Final = "console_events"
EVERY_AGENCY: Final = "*"
QUEUE_LENGTH: Final = 200
EVENTS_AT_ONCE: Final = 100
_TABLES: Final = ("presented", "incidents", "notifications", "hits")
"""Tables of what is kept about a hit, in the order in which it goes."""

More = Callable[[Any, str, Sequence[str]], Awaitable[Mapping[str, Mapping[str, Any]]]]
"""Finds facts of other features about an agency's hits, by hit_id, in the caller's transaction: they join each card."""

Also = Callable[[Any, Notification, datetime, datetime], Awaitable[None]]
"""What else is done with a new notification, in its transaction: (connection, it, now, when its rows expire)."""


class HitStore:
    """Keeps hits and notifications, and tells what happened since an event number."""

    def __init__(
        self,
        pool: Any,
        queries: Mapping[str, str],
        outbox: Outbox,
        profiles: Mapping[str, AgencyProfile],
        keep: timedelta,
        keys: ListKeys | None,
        more: Sequence[More] = (),
        also: Sequence[Also] = (),
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._outbox = outbox
        self._profiles = profiles
        self._keep = keep
        self._keys = keys
        self._more = more
        self._also = also

    async def tell(self, connection: Any, agency: str, hit_id: str, now: datetime) -> None:
        """Give a hit's incidents a new event number in the caller's transaction, so that every screen redraws them.

        Takes the agency's lock of event numbers: whoever locks a hit besides locks it first. A hit that no screen shows
        changes nothing.
        """
        await self._tell_lock(connection, agency)
        for row in await connection.fetch(self._queries["incidents_of_hit"], agency, hit_id):
            await self._tell(connection, agency, row["incident_id"], now, row["expires_at"])

    async def put_hit(self, hit: Hit, now: datetime) -> None:
        """Store a hit; a repeat changes nothing, a higher revision of its read replaces it."""
        async with self._speaking_for(hit.read.agency) as connection:
            await self._put_hit(connection, hit, now)
        metrics.HITS_STORED.labels("hits", "stored").inc()

    async def put_notification(self, notification: Notification, now: datetime) -> None:
        """Store a notification with its hit; the incident moves on, gets an event number, and the screens wake.

        Everything is one transaction, and the number is given under the agency's lock: a screen that has seen number
        n has seen every lower one.
        """
        hit, agency = notification.hit, notification.agency
        async with self._speaking_for(agency) as connection:
            expires_at = await self._put_hit(connection, hit, now)
            new = await connection.fetchval(
                self._queries["put_notification"],
                notification.notification_id,
                notification.incident_id,
                agency,
                notification.revision,
                notification.kind.value,
                notification.status.value,
                notification.target,
                notification.client_kind.value,
                notification.audible,
                notification.screen_text,
                hit.hit_id,
                rules.place(hit),
                hit.read.captured_at,
                notification.notified_at,
                notification.profile_version,
                now,
                expires_at,
            )
            for deed in self._also if new else ():
                await deed(connection, notification, now, expires_at)
            if new and rules.shown_on_console(notification):
                await self._tell_lock(connection, agency)
                await connection.execute(
                    self._queries["put_incident"],
                    notification.incident_id,
                    agency,
                    notification.notification_id,
                    notification.revision,
                    hit.hit_id,
                    notification.notified_at,
                    expires_at,
                )
                await self._tell(connection, agency, notification.incident_id, now, expires_at)
        metrics.HITS_STORED.labels("notifications", "stored" if new else "repeated").inc()
        # an escalation waits on people: no leg of the pipeline
        first = notification.kind is NotificationKind.HIT and notification.revision == 1
        if new and first and rules.shown_on_console(notification):
            read = hit.read
            _observe(
                captured=read.captured_at, received=read.received_at, read=read.read_at, matched=hit.matched_at,
                notified=notification.notified_at, stored=now,
            )  # fmt: skip

    async def live(self, agency: str, now: datetime) -> tuple[int, list[dict[str, Any]]]:
        """Give the queue as it stands and the event number it is at least as new as."""
        async with self._speaking_for(agency) as connection:
            number = await connection.fetchval(self._queries["last_event"], agency) or 0
            rows = await connection.fetch(self._queries["newest_incidents"], agency, now, now - LIVE_FOR, QUEUE_LENGTH)
            cards = await self.cards(connection, agency, [row["incident_id"] for row in rows])
        return number, [cards[row["incident_id"]] for row in rows if row["incident_id"] in cards]

    async def events_after(self, agency: str, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Give the incidents that changed after an event, oldest change first, each once and as it is now."""
        async with self._speaking_for(agency) as connection:
            rows = await connection.fetch(self._queries["events_after"], agency, number, EVENTS_AT_ONCE)
            if not rows:
                return []
            cards = await self.cards(connection, agency, [row["incident_id"] for row in rows])
        return [(row["event_no"], cards[row["incident_id"]]) for row in rows if row["incident_id"] in cards]

    async def hits(self, agency: str, before: datetime, limit: int, now: datetime) -> list[dict[str, Any]]:
        """List live hits, newest first."""
        async with self._speaking_for(agency) as connection:
            rows = await connection.fetch(self._queries["newest_hits"], agency, now - LIVE_FOR, before, limit)
            found = [json.loads(row["card"]) for row in rows]
            more = await self._facts(connection, agency, [card["hit_id"] for card in found])
        return [card | more[card["hit_id"]] for card in found]

    async def hit(self, agency: str, hit_id: str, now: datetime) -> dict[str, Any] | None:
        """Find a live hit with its incident and its presentations."""
        async with self._speaking_for(agency) as connection:
            card = await connection.fetchval(self._queries["one_hit"], agency, hit_id, now - LIVE_FOR)
            if card is None:
                return None
            incident_id = await connection.fetchval(self._queries["incident_of_hit"], agency, hit_id)
            incidents = await self.cards(connection, agency, [incident_id] if incident_id else [])
            presented = await connection.fetch(self._queries["presentations"], agency, hit_id)
            more = await self._facts(connection, agency, [hit_id])
        return {
            **json.loads(card),
            **more[hit_id],
            "incident": {k: v for k, v in incidents.get(incident_id, {}).items() if k in _OF_INCIDENT} or None,
            "presented": [{**dict(row), "presented_at": row["presented_at"].isoformat()} for row in presented],
        }

    async def hit_of(self, connection: Any, agency: str, hit_id: str) -> Hit | None:
        """Give a hit as it was sent, for what is told of it later; None when there is none, or none was kept."""
        sent = await connection.fetchval(self._queries["wire_of_hit"], agency, hit_id)
        return wire.decode_hit(sent, {"ce_type": wire.CE_TYPE[Topic.HITS].encode()}) if sent else None

    async def viewed(self, person: Person, cards: Sequence[Mapping[str, Any]], how: str, now: datetime) -> None:
        """Record that hits were shown to a person, before they are; with which of them a list's own words came open.

        `how` says where: one hit, the list, the live queue (AUD-01: hit view, list entry decrypt).
        """
        hit_ids = [card["hit_id"] for card in cards]
        if not hit_ids:
            return
        facts = {"how": how, "hits": str(len(hit_ids)), "entries_opened": str(sum(map(_opened, cards)))}
        subject = hit_ids[0] if len(hit_ids) == 1 else how
        plates = sorted({card["plate"] for card in cards if card["plate"]})
        criteria = {"hit_id": hit_ids} | ({"plate": plates[0]} if len(plates) == 1 else {"plates": plates})
        async with self._speaking_for(person.agency) as connection:
            await self._outbox.record(
                connection, person, "hit_view", subject, f"{person.session_id} {now.isoformat()} {hit_ids[0]}", now,
                facts=facts, personal={"criteria": json.dumps(criteria)},
                profile_version=self._profile_version(person.agency),
            )  # fmt: skip

    async def presented(self, person: Person, hit_id: str, *, sound: bool, screen: bool, now: datetime) -> bool:
        """Record that a screen had a hit, whether it was heard, and whether it could be seen (HIT-02): the first that was
        either counts as shown. False when there is no such hit.
        """
        async with self._speaking_for(person.agency) as connection:
            new = await connection.fetchval(
                self._queries["put_presented"], hit_id, person.session_id, person.agency, person.person_id, sound,
                screen, now,
            )  # fmt: skip
            if new is None:
                return bool(await connection.fetchval(self._queries["has_hit"], person.agency, hit_id))
            incident_id = await connection.fetchval(self._queries["incident_of_hit"], person.agency, hit_id)
            facts = {"sound": str(sound).lower(), "screen": str(screen).lower()}
            await self._outbox.record(
                connection, person, "hit_presented", hit_id, person.session_id, now, facts=facts,
                profile_version=self._profile_version(person.agency),
            )  # fmt: skip
            if incident_id and (sound or screen):
                await self._tell_lock(connection, person.agency)
                row = await connection.fetchrow(self._queries["set_shown"], person.agency, incident_id, hit_id, now)
                if row:  # the first screen that shows this hit: the others learn when
                    metrics.NOTIFICATION_TO_SHOWN.observe(max(0.0, (now - row["notified_at"]).total_seconds()))
                    _observe(
                        "stored_to_shown",
                        "captured_to_shown",
                        captured=row["captured_at"],
                        stored=row["stored_at"],
                        shown=now,
                    )
                    await self._tell(connection, person.agency, incident_id, now, row["expires_at"])
        metrics.PRESENTED.labels(str(sound).lower()).inc()
        return True

    async def acknowledge(self, person: Person, hit_id: str, now: datetime) -> bool:
        """Record who took an incident; the first one stays. False when there is no such incident."""
        async with self._speaking_for(person.agency) as connection:
            rows = await connection.fetch(self._queries["incidents_of_hit"], person.agency, hit_id)
            if not rows:
                return False
            owner = "" if DISPATCH.isdisjoint(person.roles) else person.person_id
            await self._tell_lock(connection, person.agency)
            for incident_id in (row["incident_id"] for row in rows):  # its own, and a storm announced with it
                row = await connection.fetchrow(
                    self._queries["acknowledge"], person.agency, incident_id, person.full_name, now, owner
                )
                if row is not None:
                    if row["acknowledged_at"] == now:  # not one that only found its owner
                        _observe(shown=row["shown_at"], acknowledged=now)
                    await self._outbox.record(
                        connection, person, "hit_acknowledged", incident_id, person.person_id, now, facts={"hit_id": hit_id},
                        profile_version=self._profile_version(person.agency),
                    )  # fmt: skip
                    await self._tell(connection, person.agency, incident_id, now, row["expires_at"])
        return True

    async def release(self, person: Person, storm_id: str, now: datetime) -> bool:
        """Let the hits of an alert storm be announced; False when the agency has no such storm.

        The ledger's entry and the message to the matcher are one transaction; a repeat changes nothing.
        """
        async with self._speaking_for(person.agency) as connection:
            hits = await connection.fetchval(self._queries["storm_hits"], person.agency, storm_id, now - LIVE_FOR)
            if not hits:
                return False
            await self._outbox.record(
                connection, person, "storm_released", storm_id, "1", now, facts={"hits": str(hits)},
                profile_version=self._profile_version(person.agency),
            )  # fmt: skip
            release = StormRelease(storm_id, person.agency, person.person_id, now)
            headers = wire.headers_for(
                Topic.STORM_RELEASES, id=make_id("storm_release", storm_id), source=SOURCE, time=now
            )
            await self._outbox.put(
                connection, Topic.STORM_RELEASES, key=storm_id, value=wire.encode_storm_release(release),
                headers=headers, now=now,
            )  # fmt: skip
        return True

    async def _facts(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Gather what the other features say of these hits; one of which none says anything has an empty mapping."""
        found: dict[str, dict[str, Any]] = {hit_id: {} for hit_id in hit_ids}
        for more in self._more if hit_ids else ():
            for hit_id, facts in (await more(connection, agency, hit_ids)).items():
                found[hit_id] |= facts
        return found

    async def sound(self, person: Person, *, muted_until: datetime | None, armed: bool, now: datetime) -> None:
        """Record that a session's sound was armed, muted until a time, or switched on again (HIT-02)."""
        kind = "sound_armed" if armed else "sound_muted" if muted_until else "sound_unmuted"
        facts = {"until": muted_until.isoformat()} if muted_until else {}
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if armed:
                    await connection.execute(self._queries["arm_sound"], person.session_id, now)
                await connection.execute(self._queries["mute_sound"], person.session_id, muted_until)
                await self._outbox.record(
                    connection, person, kind, person.session_id, now.isoformat(), now, facts=facts,
                    profile_version=self._profile_version(person.agency),
                )  # fmt: skip

    async def watched(self, session_id: str, now: datetime) -> None:
        """Note that a session's screen shows the queue (HIT-15)."""
        with translated():
            await self._pool.execute(self._queries["watched"], session_id, now)

    async def tidy(self, now: datetime) -> dict[str, int]:
        """Forget what only screens need once a hit has left them: event numbers and registrations, which name persons."""
        counts = {}
        async with self._speaking_for(EVERY_AGENCY) as connection:
            for table in ("events", "registrations"):
                counts[table] = changed(await connection.execute(self._queries[f"tidy_{table}"], now))
        return counts

    async def remove(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, int]:
        """Remove hits with their notifications and incidents, in a purge's transaction; answers rows by table."""
        return {
            table: changed(await connection.execute(self._queries[f"remove_{table}"], agency, hit_ids))
            for table in _TABLES
        }

    @asynccontextmanager
    async def _speaking_for(self, agency: str) -> AsyncIterator[Any]:
        """Open a transaction that row-level security lets see this agency's rows only."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["speak_for"], agency)
                yield connection

    async def _put_hit(self, connection: Any, hit: Hit, now: datetime) -> datetime:
        expires_at = rules.expires_at(hit, self._profiles.get(hit.read.agency), now, self._keep)
        text = json.dumps(rules.card(hit), separators=(",", ":"))
        await connection.execute(
            self._queries["put_hit"], hit.hit_id, hit.read.agency, hit.read.revision, hit.matched_at, text, now,
            expires_at, hit.entry_id, hit.entry_sealed, hit.entry_key_id, wire.encode_hit(hit),
        )  # fmt: skip
        return expires_at

    async def _tell_lock(self, connection: Any, agency: str) -> None:
        # before the incident's row is locked: two transactions that take both in the same order never deadlock
        await self._outbox.lock_events(connection, agency)

    async def _tell(self, connection: Any, agency: str, incident_id: str, now: datetime, expires_at: datetime) -> None:
        await self._tell_lock(connection, agency)
        await connection.fetchval(self._queries["next_event"], agency, incident_id, now, expires_at)
        await connection.execute(self._queries["wake"], agency)

    async def cards(self, connection: Any, agency: str, incident_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Lay out incidents by id as the screens show them, in the caller's transaction."""
        rows = await connection.fetch(self._queries["incidents_by_id"], agency, incident_ids)
        more = await self._facts(connection, agency, [row["hit_id"] for row in rows])
        return {
            row["incident_id"]: {
                **_incident(row),
                **more[row["hit_id"]],
                "entry": self._details(row),
            }
            for row in rows
        }

    def _details(self, row: Any) -> dict[str, str] | None:
        """Open what the list says of the vehicle; sealed until it is displayed to a person (HOT-12)."""
        if self._keys is None or not row["entry_sealed"]:
            return None
        try:
            plain = self._keys.open(row["entry_sealed"], row["entry_key_id"], entry_id=row["entry_id"])
            return rules.details(wire.decode_entry_details(plain))
        except InvalidMessage as error:
            log.warning("entry_details_closed", extra={"code": error.code, "entry_id": row["entry_id"]})
            return None

    def _profile_version(self, agency: str) -> str:
        profile = self._profiles.get(agency)
        return profile.version if profile else ""


def _observe(*legs: str, **stamps: datetime | None) -> None:
    """Count the legs of a time trail that these stamps bound; with names, those alone."""
    for leg, seconds in rules.legs(**stamps).items():
        if not legs or leg in legs:
            metrics.LEGS.labels(leg).observe(seconds)


def _opened(card: Mapping[str, Any]) -> bool:
    return bool(card.get("entry") or (card.get("incident") or {}).get("entry"))


_OF_INCIDENT: Final = frozenset(
    {
        "incident_id", "revision", "kind", "status", "audible", "screen_text", "opened_at", "notified_at", "stored_at", "shown_at",
        "acknowledged_at", "acknowledged_by", "sightings", "entry", "owner", "escalated_at", "overdue_at",
    }
)  # fmt: skip


def _incident(row: Any) -> dict[str, Any]:
    return {
        **json.loads(row["card"]),
        "incident_id": row["incident_id"],
        "revision": row["revision"],
        "kind": row["kind"],
        "status": row["status"],
        "audible": row["audible"],
        "screen_text": row["screen_text"],
        "opened_at": row["opened_at"].isoformat(),
        "notified_at": row["notified_at"].isoformat(),
        "stored_at": row["stored_at"].isoformat(),
        "shown_at": row["shown_at"].isoformat() if row["shown_at"] else None,
        "hit_shown_at": row["hit_shown_at"].isoformat() if row["hit_shown_at"] else None,
        "acknowledged_at": row["acknowledged_at"].isoformat() if row["acknowledged_at"] else None,
        "acknowledged_by": row["acknowledged_by"],
        "owner": {"name": row["owner_name"], "since": row["owned_since"].isoformat()} if row["owned_since"] else None,
        "escalated_at": row["escalated_at"].isoformat() if row["escalated_at"] else None,
        "overdue_at": row["overdue_at"].isoformat() if row["overdue_at"] else None,
        "sightings": json.loads(row["sightings"]) if row["sightings"] else [],
    }


class Wakeups:
    """Hears PostgreSQL's NOTIFY and wakes the streams of that agency; who hears nothing polls every 2 s."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._waiting: dict[str, asyncio.Event] = {}

    def next(self, agency: str) -> asyncio.Event:
        """Give what is set when something happens for the agency; take it before looking, or a change is missed."""
        return self._waiting.setdefault(agency, asyncio.Event())

    def wake(self, agencies: Iterable[str]) -> None:
        """Wake the streams of these agencies."""
        for agency in agencies:
            if waiting := self._waiting.pop(agency, None):
                waiting.set()

    async def listen(self, stop: asyncio.Event) -> None:
        """Hold a connection that listens; a lost one is opened again, and polling covers the gap."""
        while not stop.is_set():
            with suppress(Transient), translated():
                async with self._pool.acquire() as connection:
                    await connection.add_listener(CHANNEL, self._heard)
                    while not stop.is_set() and not connection.is_closed():
                        with suppress(TimeoutError):
                            await asyncio.wait_for(stop.wait(), 1.0)
                    if not connection.is_closed():
                        await connection.remove_listener(CHANNEL, self._heard)
            if not stop.is_set():
                log.warning("event_listener_lost")
                await asyncio.sleep(1.0)

    def _heard(self, _connection: Any, _pid: int, _channel: str, agency: Any) -> None:
        self.wake([str(agency)])
