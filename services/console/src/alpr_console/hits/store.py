"""Live hits in PostgreSQL: stored once, numbered per agency, purged when due; every screen is fed from here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore import wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.matching import reader_name
from alprcore.model import Hit, Notification, Person, Provenance, StormRelease, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import translated
from alprcore.seal import ListKeys
from alprcore.topics import Topic

from .. import metrics
from ..doors import SOURCE, Outbox
from . import rules

log = logging.getLogger(__name__)
CHANNEL: Final = "console_events"
EVERY_AGENCY: Final = "*"
QUEUE_LENGTH: Final = 200
EVENTS_AT_ONCE: Final = 100
_TABLES: Final = ("presented", "events", "incidents", "notifications", "hits", "read_checks")


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
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._outbox = outbox
        self._profiles = profiles
        self._keep = keep
        self._keys = keys

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

    async def live(self, agency: str, now: datetime) -> tuple[int, list[dict[str, Any]]]:
        """Give the queue as it stands and the event number it is at least as new as."""
        async with self._speaking_for(agency) as connection:
            number = await connection.fetchval(self._queries["last_event"], agency) or 0
            rows = await connection.fetch(
                self._queries["newest_incidents"], agency, now, now - rules.LIVE_FOR, QUEUE_LENGTH
            )
            cards = await self._cards(connection, agency, [row["incident_id"] for row in rows])
        return number, [cards[row["incident_id"]] for row in rows if row["incident_id"] in cards]

    async def events_after(self, agency: str, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Give the incidents that changed after an event, oldest change first, each once and as it is now."""
        async with self._speaking_for(agency) as connection:
            rows = await connection.fetch(self._queries["events_after"], agency, number, EVENTS_AT_ONCE)
            if not rows:
                return []
            cards = await self._cards(connection, agency, [row["incident_id"] for row in rows])
        return [(row["event_no"], cards[row["incident_id"]]) for row in rows if row["incident_id"] in cards]

    async def hits(self, agency: str, before: datetime, limit: int, now: datetime) -> list[dict[str, Any]]:
        """List live hits, newest first."""
        async with self._speaking_for(agency) as connection:
            rows = await connection.fetch(self._queries["newest_hits"], agency, now - rules.LIVE_FOR, before, limit)
        return [json.loads(row["card"]) for row in rows]

    async def hit(self, agency: str, hit_id: str, now: datetime) -> dict[str, Any] | None:
        """Find a live hit with its incident and its presentations."""
        async with self._speaking_for(agency) as connection:
            card = await connection.fetchval(self._queries["one_hit"], agency, hit_id, now - rules.LIVE_FOR)
            if card is None:
                return None
            incident_id = await connection.fetchval(self._queries["incident_of_hit"], agency, hit_id)
            incidents = await self._cards(connection, agency, [incident_id] if incident_id else [])
            presented = await connection.fetch(self._queries["presentations"], agency, hit_id)
            checks = await self._checks(connection, agency, [hit_id])
        return {
            **rules.with_check(json.loads(card), checks.get(hit_id)),
            "incident": {k: v for k, v in incidents.get(incident_id, {}).items() if k in _OF_INCIDENT} or None,
            "presented": [{**dict(row), "presented_at": row["presented_at"].isoformat()} for row in presented],
        }

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
        """Record that a screen has shown a hit, and whether it was heard (HIT-02); False when there is no such hit."""
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
            if incident_id:
                await self._tell_lock(connection, person.agency)
                row = await connection.fetchrow(self._queries["set_shown"], person.agency, incident_id, hit_id, now)
                if row:  # the first screen that shows this hit: the others learn when
                    metrics.NOTIFICATION_TO_SHOWN.observe(max(0.0, (now - row["notified_at"]).total_seconds()))
                    await self._tell(connection, person.agency, incident_id, now, row["expires_at"])
        metrics.PRESENTED.labels(str(sound).lower()).inc()
        return True

    async def acknowledge(self, person: Person, hit_id: str, now: datetime) -> bool:
        """Record who took an incident; the first one stays. False when there is no such incident."""
        async with self._speaking_for(person.agency) as connection:
            rows = await connection.fetch(self._queries["incidents_of_hit"], person.agency, hit_id)
            if not rows:
                return False
            await self._tell_lock(connection, person.agency)
            for incident_id in (row["incident_id"] for row in rows):  # its own, and a storm announced with it
                expires_at = await connection.fetchval(
                    self._queries["acknowledge"], person.agency, incident_id, person.full_name, now
                )
                if expires_at is not None:
                    await self._outbox.record(
                        connection, person, "hit_acknowledged", incident_id, "1", now, facts={"hit_id": hit_id},
                        profile_version=self._profile_version(person.agency),
                    )  # fmt: skip
                    await self._tell(connection, person.agency, incident_id, now, expires_at)
        return True

    async def release(self, person: Person, storm_id: str, now: datetime) -> bool:
        """Let the hits of an alert storm be announced; False when the agency has no such storm.

        The ledger's entry and the message to the matcher are one transaction; a repeat changes nothing.
        """
        async with self._speaking_for(person.agency) as connection:
            hits = await connection.fetchval(self._queries["storm_hits"], person.agency, storm_id, now - rules.LIVE_FOR)
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

    async def check(
        self, person: Person, card: Mapping[str, Any], check: rules.ReadCheck, expires_at: datetime, now: datetime
    ) -> None:
        """Record what a person found on comparing a read with its picture; findings are added, none is replaced."""
        agency, hit_id = person.agency, card["hit_id"]
        model = card.get("reader", {"name": "", "sha256": ""})
        reader = reader_name(Provenance(model["name"], model["sha256"]))
        async with self._speaking_for(agency) as connection:
            await self._tell_lock(connection, agency)
            number = await connection.fetchval(
                self._queries["put_read_check"], hit_id, agency, card["read_id"], card["device_id"], card["camera_id"],
                reader, check.result.value, check.method.value,
                check.state_confirmed.value, card["plate"], check.corrected.reveal(), person.person_id,
                person.full_name, now, expires_at,
            )  # fmt: skip
            if number is None:
                return  # the same finding by the same person, sent twice
            facts = {
                "hit_id": hit_id, "read_id": card["read_id"], "result": check.result.value, "method": check.method.value,
            }  # fmt: skip
            await self._outbox.record(
                connection, person, "read_checked", hit_id, str(number), now, facts=facts,
                profile_version=self._profile_version(agency),
            )  # fmt: skip
            await self._sum_up(connection, agency, card["device_id"], reader, now)
            incident_id = await connection.fetchval(self._queries["incident_of_hit"], agency, hit_id)
            if incident_id:
                await self._tell(connection, agency, incident_id, now, min(expires_at, now + self._keep))
        metrics.READ_CHECKS.labels(check.result.value).inc()

    async def _sum_up(self, connection: Any, agency: str, device_id: str, reader: str, now: datetime) -> None:
        """Tell the matcher what has been found about a device's reads so far."""
        rows = await connection.fetch(self._queries["findings_of_device"], agency, device_id, reader)
        if (checks := rules.device_checks(agency, device_id, reader, rows, now)) is None:
            return
        headers = wire.headers_for(
            Topic.DEVICES_CHECKS, id=make_id("device_checks", device_id, now.isoformat()), source=SOURCE, time=now
        )
        value = wire.encode_device_checks(checks)
        await self._outbox.put(connection, Topic.DEVICES_CHECKS, key=device_id, value=value, headers=headers, now=now)

    async def _checks(self, connection: Any, agency: str, hit_ids: list[str]) -> dict[str, dict[str, Any]]:
        rows = await connection.fetch(self._queries["read_checks_of"], agency, hit_ids)
        return {
            row["hit_id"]: {**{k: v for k, v in dict(row).items() if k != "hit_id"}, "at": row["at"].isoformat()}
            for row in rows
        }

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

    async def purge(self, now: datetime) -> dict[str, int]:
        """Remove every row whose time has come; answers how many by table."""
        counts = {}
        async with self._speaking_for(EVERY_AGENCY) as connection:
            for table in _TABLES:
                status: str = await connection.execute(self._queries[f"purge_{table}"], now)
                counts[table] = int(status.rpartition(" ")[2])
                metrics.PURGED.labels(table).inc(counts[table])
        return counts

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
            expires_at, hit.entry_id, hit.entry_sealed, hit.entry_key_id,
        )  # fmt: skip
        return expires_at

    async def _tell_lock(self, connection: Any, agency: str) -> None:
        # before the incident's row is locked: two transactions that take both in the same order never deadlock
        await connection.execute(self._queries["lock_events"], agency)

    async def _tell(self, connection: Any, agency: str, incident_id: str, now: datetime, expires_at: datetime) -> None:
        await self._tell_lock(connection, agency)
        await connection.fetchval(self._queries["next_event"], agency, incident_id, now, expires_at)
        await connection.execute(self._queries["wake"], agency)

    async def _cards(self, connection: Any, agency: str, incident_ids: list[str]) -> dict[str, dict[str, Any]]:
        rows = await connection.fetch(self._queries["incidents_by_id"], agency, incident_ids)
        checks = await self._checks(connection, agency, [row["hit_id"] for row in rows])
        return {
            row["incident_id"]: {
                **rules.with_check(_incident(row), checks.get(row["hit_id"])),
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


def _opened(card: Mapping[str, Any]) -> bool:
    return bool(card.get("entry") or (card.get("incident") or {}).get("entry"))


_OF_INCIDENT: Final = frozenset(
    {
        "incident_id", "revision", "kind", "status", "audible", "screen_text", "opened_at", "notified_at", "shown_at",
        "acknowledged_at", "acknowledged_by", "sightings", "entry",
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
        "shown_at": row["shown_at"].isoformat() if row["shown_at"] else None,
        "hit_shown_at": row["hit_shown_at"].isoformat() if row["hit_shown_at"] else None,
        "acknowledged_at": row["acknowledged_at"].isoformat() if row["acknowledged_at"] else None,
        "acknowledged_by": row["acknowledged_by"],
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
