"""Sign-ons and deliveries in PostgreSQL; each change with its ledger entry in one transaction."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from alprcore.model import Notification, Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import changed, load_queries

from ..doors import Outbox
from ..web import SignedIn
from . import rules
from .rules import Client

SHOWN_FOR: Final = timedelta(hours=24)
AT_ONCE: Final = 100
INCIDENTS_SHOWN: Final = 50
UNUSED_AFTER: Final = timedelta(hours=12)
"""A session that nobody used for so long is over, and its client with it."""
KEPT: Final = timedelta(days=30)
"""Who was signed on as what stays this long here, as sessions do; the ledger keeps it."""
_EVERY: Final = "*"
_MESSAGES: Final = list(rules.MESSAGES)

Cards = Callable[[Any, str, list[str]], Awaitable[Mapping[str, dict[str, Any]]]]
"""Lays out an agency's incidents by id in the caller's transaction (hits/)."""
Tell = Callable[[Any, str, str, datetime], Awaitable[None]]
"""Lets every screen redraw a hit (hits/)."""


class DeviceSessions(Protocol):
    """Notes who began and stopped to work with a device, in the caller's transaction (training/)."""

    async def begin_device_session(
        self, connection: Any, by: Person, device_id: str, now: datetime, unit: str = "", shift: str = ""
    ) -> str:
        """Note that a person began to work with a device; answers the session's id."""

    async def finish_device_session(self, connection: Any, by: Person, session_id: str, now: datetime) -> bool:
        """Note that a person stopped; False when it is not theirs or had ended."""


class UnitStore:
    """Keeps which sessions are vehicles and desktops, and what each was told, was shown and acknowledged."""

    def __init__(
        self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], devices: DeviceSessions, cards: Cards, tell: Tell
    ) -> None:
        self._queries = load_queries("alpr_console.units")
        self._outbox = outbox
        self._profiles = profiles
        self._devices = devices
        self._cards = cards
        self._tell = tell

    async def sign_on(self, session: SignedIn, wish: rules.Wish, now: datetime) -> str:
        """Make a session the client it asks to be, in the place of what it was; answers the new client's id."""
        person = session.person
        name = make_id("client", person.session_id, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await self._sign_off(connection, person, "signed_on_again", now)
            device_session = ""
            if wish.device_id:
                device_session = await self._devices.begin_device_session(
                    connection, person, wish.device_id, now, wish.unit, wish.shift
                )
            await connection.execute(
                self._queries["sign_on"], name, person.agency, person.session_id, person.person_id,
                wish.client_kind.value, wish.unit, wish.shift, wish.device_id, device_session, now,
            )  # fmt: skip
            facts = {"client_kind": wish.client_kind.value, "unit": wish.unit, "shift": wish.shift}
            if wish.device_id:
                facts["device_id"] = wish.device_id
            await self._record(connection, person, "client_signed_on", name, now, facts)
        return name

    async def sign_off(self, session: SignedIn, now: datetime) -> bool:
        """Make a session a dispatch console again; False when it was one."""
        async with self._outbox.change(session.person.agency) as connection:
            return await self._sign_off(connection, session.person, "signed_off", now)

    async def sweep(self, now: datetime) -> int:
        """Sign off clients whose session ended with a sign-out, a disablement or its time; answers how many.

        They are told nothing from the moment the session ended: this closes the record, with that moment.
        """
        async with self._outbox.change(_EVERY) as connection:
            rows = await connection.fetch(self._queries["left_behind"], now, now - UNUSED_AFTER)
            for row in rows:
                person = Person(
                    row["person_id"], row["username"], row["full_name"], row["organization"], row["agency"],
                    tuple(row["roles"]), row["session_id"], row["source_ip"],
                )  # fmt: skip
                await self._sign_off(connection, person, row["reason"], row["ended_at"])
        return len(rows)

    async def signed_on(self, connection: Any, agency: str) -> tuple[Client, ...]:
        """List the vehicles and desktops of an agency that are signed on, in the caller's transaction (HIT-04)."""
        rows = await connection.fetch(self._queries["signed_on"], agency)
        return tuple(rules.client(row) for row in rows)

    async def fan_out(self, connection: Any, notification: Notification, now: datetime, expires_at: datetime) -> None:
        """Make one row for each signed-on client that a notification is for, in the transaction that stores it (HIT-03)."""
        told = rules.recipients(notification, await self.signed_on(connection, notification.agency))
        for client in told:
            await self._deliver(
                connection, notification.agency, client, notification.notification_id, notification.kind.value,
                notification.incident_id, notification.hit.hit_id, notification.screen_text,
                rules.content(notification),
                notification.notified_at, now, expires_at, notification.revision, audible=notification.audible,
            )  # fmt: skip
        if told:
            await connection.execute(self._queries["wake"], notification.agency)

    async def prompt(
        self,
        connection: Any,
        agency: str,
        unit: str,
        subject_id: str,
        text: str,
        content: Mapping[str, Any],
        now: datetime,
        expires_at: datetime,
        kind: str = rules.PURSUIT,
    ) -> int:
        """Tell every client that is signed on under a call sign, in the caller's transaction; answers how many.

        `subject_id` names what it is about; the same words about it sent again change nothing.
        """
        rows = await connection.fetch(self._queries["clients_of_unit"], agency, rules.call_sign(unit))
        source = make_id("prompt", kind, subject_id, text)
        for row in rows:
            await self._deliver(
                connection, agency, rules.client(row), source, kind, subject_id, "", text, content, now, now,
                expires_at, 1, audible=True,
            )  # fmt: skip
        if rows:
            await connection.execute(self._queries["wake"], agency)
        return len(rows)

    async def live(self, session: SignedIn, now: datetime) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        """Give what a client was told as it stands, incidents and messages, and the number it is at least as new as."""
        agency, on = session.person.agency, session.person.session_id
        async with self._outbox.change(agency) as connection:
            number = await connection.fetchval(self._queries["last_number"], agency) or 0
            since = now - SHOWN_FOR
            rows = await connection.fetch(self._queries["incidents_for"], agency, on, _MESSAGES, since, INCIDENTS_SHOWN)
            cards = await self._incidents(connection, agency, on, [row["incident_id"] for row in rows])
            messages = await connection.fetch(
                self._queries["messages_for"], agency, on, _MESSAGES, since, None, AT_ONCE
            )
        return number, list(cards.values()), [rules.message(row) for row in messages]

    async def after(self, session: SignedIn, number: int, now: datetime) -> list[tuple[int, str, dict[str, Any]]]:
        """Give what changed for a client after an event number, as it is now: (number, `incident` or `message`, it)."""
        agency, on = session.person.agency, session.person.session_id
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["changed_for"], agency, on, number, _MESSAGES, AT_ONCE)
            if not rows:
                return []
            cards = await self._incidents(
                connection, agency, on, [row["incident_id"] for row in rows if row["incident_id"]]
            )
            wanted = [row["delivery_id"] for row in rows if row["delivery_id"]]
            found = await connection.fetch(
                self._queries["messages_for"], agency, on, _MESSAGES, now - SHOWN_FOR, wanted, AT_ONCE
            )
        messages = {row["delivery_id"]: rules.message(row) for row in found}
        changed: list[tuple[int, str, dict[str, Any]]] = []
        for row in rows:
            if card := cards.get(row["incident_id"]):
                changed.append((row["event_no"], "incident", card))
            elif message := messages.get(row["delivery_id"]):
                changed.append((row["event_no"], "message", message))
        return changed

    async def missed(self, agency: str, number: int) -> bool:
        """Tell whether something that happened after an event number is no longer kept: then only a snapshot tells all."""
        async with self._outbox.change(agency) as connection:
            return bool(await connection.fetchval(self._queries["missed"], agency, number))

    async def sent(
        self, session: SignedIn, incident_ids: Sequence[str], delivery_ids: Sequence[str], now: datetime
    ) -> None:
        """Note that this went out to a screen; the first time stays (HIT-03)."""
        agency = session.person.agency
        if not (incident_ids or delivery_ids):
            return
        async with self._outbox.change(agency) as connection:
            if session.client_id:
                await connection.execute(
                    self._queries["set_delivered"], agency, session.person.session_id, list(incident_ids), now,
                    _MESSAGES, list(delivery_ids),
                )  # fmt: skip
            else:
                await connection.execute(self._queries["set_dispatched"], agency, list(incident_ids), now)

    async def presented(self, session: SignedIn, delivery_id: str, *, sound: bool, screen: bool, now: datetime) -> bool:
        """Note that a client's screen has shown a message, and whether it was heard (HIT-02); False: it got none such.

        The first receipt counts; a repeat changes nothing.
        """
        person = session.person
        async with self._outbox.change(person.agency) as connection:
            row = await connection.fetchrow(
                self._queries["set_presented"], person.agency, person.session_id, delivery_id, now, sound, screen
            )
            if row is None:
                return bool(
                    await connection.fetchval(
                        self._queries["has_delivery"], person.agency, person.session_id, delivery_id
                    )
                )
            facts = {
                "hit_id": row["hit_id"], "kind": row["kind"], "client_kind": session.client_kind.value,
                "unit": session.unit, "sound": str(sound).lower(), "screen": str(screen).lower(),
            }  # fmt: skip
            await self._record(connection, person, "delivery_presented", delivery_id, now, facts)
            if row["hit_id"]:
                await self._tell(connection, person.agency, row["hit_id"], now)
        return True

    async def acknowledge(self, session: SignedIn, delivery_id: str, now: datetime) -> bool:
        """Note that a client's person took notice; False when this session got no such message."""
        person = session.person
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(
                self._queries["set_acknowledged"], person.agency, person.session_id, delivery_id, now, _MESSAGES
            )
            for row in rows:
                facts = {
                    "hit_id": row["hit_id"], "kind": row["kind"], "client_kind": session.client_kind.value,
                    "unit": session.unit,
                }  # fmt: skip
                await self._record(connection, person, "delivery_acknowledged", row["delivery_id"], now, facts)
            for hit_id in sorted({row["hit_id"] for row in rows if row["hit_id"]}):
                await self._tell(connection, person.agency, hit_id, now)
            if rows:
                return True
            return bool(
                await connection.fetchval(self._queries["has_delivery"], person.agency, person.session_id, delivery_id)
            )

    async def notifications(self, agency: str, hit_id: str) -> list[dict[str, Any]]:
        """List who was told of a hit: the dispatch console, and each client, with what became of it (HIT-03)."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["notifications_of"], agency, hit_id)
        return [dict(row) for row in rows]

    async def told(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Sum up for each hit how many clients it was sent to, how many showed it, and which units took notice."""
        rows = await connection.fetch(self._queries["told"], agency, list(hit_ids), _MESSAGES)
        return {
            row["hit_id"]: {
                "told": {"sent": row["sent"], "presented": row["presented"], "acknowledged": row["acknowledged"] or []}
            }
            for row in rows
        }

    async def tidy(self, now: datetime) -> int:
        """Forget sign-offs older than 30 days to which nothing was delivered; answers how many."""
        async with self._outbox.change(_EVERY) as connection:
            return changed(await connection.execute(self._queries["forget_clients"], now - KEPT))

    async def remove(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, int]:
        """Remove what was delivered about hits, in a purge's transaction."""
        return {"deliveries": changed(await connection.execute(self._queries["remove_deliveries"], agency, hit_ids))}

    async def _incidents(
        self, connection: Any, agency: str, session_id: str, incident_ids: list[str]
    ) -> dict[str, dict[str, Any]]:
        cards = await self._cards(connection, agency, incident_ids)
        rows = await connection.fetch(self._queries["of_incidents"], agency, session_id, incident_ids, _MESSAGES)
        mine: dict[str, list[Any]] = {}
        for row in rows:
            mine.setdefault(row["incident_id"], []).append(row)
        return {name: rules.with_deliveries(cards[name], mine.get(name, ())) for name in incident_ids if name in cards}

    async def _deliver(
        self,
        connection: Any,
        agency: str,
        client: Client,
        notification_id: str,
        kind: str,
        incident_id: str,
        hit_id: str,
        text: str,
        content: Mapping[str, Any],
        notified_at: datetime,
        now: datetime,
        expires_at: datetime,
        revision: int,
        *,
        audible: bool,
    ) -> None:
        # the number is given under the agency's lock: a screen that has seen number n has seen every lower one
        await self._outbox.lock_events(connection, agency)
        number = await connection.fetchval(self._queries["next_number"], agency)
        await connection.execute(
            self._queries["put_delivery"], make_id("delivery", notification_id, client.client_id), agency, number,
            client.client_id, client.session_id, client.client_kind.value, client.unit, notification_id, revision, kind,
            incident_id, hit_id, audible, text, json.dumps(content), notified_at, now, expires_at,
        )  # fmt: skip

    async def _sign_off(self, connection: Any, person: Person, reason: str, now: datetime) -> bool:
        row = await connection.fetchrow(self._queries["sign_off"], person.session_id, person.agency, now, reason)
        if row is None:
            return False
        if row["device_session_id"]:
            await self._devices.finish_device_session(connection, person, row["device_session_id"], now)
        facts = {"client_kind": row["client_kind"], "unit": row["unit"], "reason": reason}
        await self._record(connection, person, "client_signed_off", row["client_id"], now, facts)
        return True

    async def _record(
        self, connection: Any, person: Person, kind: str, subject: str, now: datetime, facts: Mapping[str, str]
    ) -> None:
        await self._outbox.record(
            connection, person, kind, subject, "1", now, facts=facts, profile_version=self._version(person.agency)
        )

    def _version(self, agency: str) -> str:
        profile = self._profiles.get(agency)
        return profile.version if profile else ""
