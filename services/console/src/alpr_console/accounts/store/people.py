"""Accounts as administrators see them: made, given first passwords, released, linked; and the alerts about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alprcore.model import ListAlarm, Person, make_id
from alprcore.postgres import translated

from ...web import new_password
from .ground import Ground

_ALERTS_SHOWN = 100


class PeopleStore:
    """Makes accounts and gives them what opens them first; whoever else may do it is the caller's to decide."""

    def __init__(self, ground: Ground) -> None:
        self._on = ground

    async def put_person(
        self,
        *,
        username: str,
        full_name: str,
        organization: str,
        agency: str,
        roles: Sequence[str],
        password: str,
        totp_secret: str = "",
        first: bool = False,
        now: datetime,
    ) -> bool:
        """Make an account, or give an existing one a new password and roles; False when the name is another agency's.

        `first`: the password is a first one, which its person has to change.
        """
        on = self._on
        hashed = await on.passwords.hash(password)
        person_id = make_id("person", agency, username)
        person = Person(person_id, username, full_name, organization, agency, tuple(roles), "", "")
        sealed = on.sealed(totp_secret, person_id) if totp_secret else ""
        values = (person_id, username, full_name, organization, agency, list(roles), hashed, sealed, now, first)
        async with on.outbox.change(agency) as connection:
            if not await connection.fetchval(on.queries["put_person"], *values):
                return False
            await on.outbox.record(connection, person, "account_saved", person_id, now.isoformat(), now)
            return True

    async def issue_first_password(self, connection: Any, person_id: str, now: datetime) -> str:
        """Give an account a first password, in the caller's transaction; answers it, to be handed over once.

        Whatever opened the account before opens it no longer: its second factors and sessions end. So this is also how
        somebody who lost password or second factor comes in again.
        """
        on, password = self._on, new_password()
        hashed = await on.passwords.hash(password)
        row = await connection.fetchrow(on.queries["login_for_update"], person_id)
        if (
            row["password_hash"] or row["by_provider"]
        ):  # somebody came in before: an administrator's eyes on it (USE-04)
            await on.alert(connection, row, "credentials_issued", {}, now)
        await connection.fetchval(on.queries["set_first_password"], person_id, hashed, now)
        await connection.execute(on.queries["drop_keys"], person_id, now)
        await connection.fetch(on.queries["end_sessions_of"], person_id, now, "credentials_issued", "")
        return password

    async def release(self, by: Person, username: str, now: datetime) -> bool:
        """Release an account that wrong attempts locked (CJIS AC-7); False when the agency has no such account."""
        on = self._on
        async with on.outbox.change(by.agency) as connection:
            person_id = await connection.fetchval(on.queries["release_account"], username, by.agency)
            if person_id is None:
                return False
            await on.outbox.record(connection, by, "account_released", person_id, now.isoformat(), now)
            return True

    async def link(self, by: Person, username: str, issuer: str, subject: str, now: datetime) -> str:
        """Link an account to a subject of the identity provider; answers `linked`, `taken` or `unknown`.

        What opened the account before is gone for good: from then on only the provider opens it. An alert says so.
        """
        on = self._on
        async with on.outbox.change(by.agency) as connection:
            row = await connection.fetchrow(on.queries["person_named"], username, by.agency)
            if row is None:
                return "unknown"
            if not await connection.fetchval(
                on.queries["link_person"], issuer, subject, username, by.person_id, now, by.agency
            ):
                return "taken"
            await connection.execute(on.queries["close_local"], row["person_id"])
            await self._changed(connection, by, row, "provider_linked", now)
            return "linked"

    async def unlink(self, by: Person, username: str, now: datetime) -> bool:
        """Undo a link; the account then waits for new first credentials. False when there was none."""
        on = self._on
        async with on.outbox.change(by.agency) as connection:
            row = await connection.fetchrow(on.queries["person_named"], username, by.agency)
            if row is None or not await connection.fetchval(on.queries["unlink_person"], username, by.agency):
                return False
            await self._changed(connection, by, row, "provider_unlinked", now)
            return True

    async def _changed(self, connection: Any, by: Person, row: Any, kind: str, now: datetime) -> None:
        on, person_id = self._on, row["person_id"]
        await connection.execute(on.queries["drop_keys"], person_id, now)
        await connection.fetch(on.queries["end_sessions_of"], person_id, now, kind, "")
        await on.outbox.record(connection, by, kind, person_id, now.isoformat(), now)
        await on.alert(connection, row, kind, {"by": by.username}, now)

    async def put_alarm(self, alarm: ListAlarm) -> None:
        """Put an alarm of a list before the agency's ALPR administrators, once however often it arrives (HOT-03)."""
        facts = {**alarm.facts, "reason_code": alarm.reason_code, "list": alarm.list_code}
        about, kind = ("", alarm.list_code, alarm.list_name), f"list_{alarm.kind}"
        with translated():
            async with self._on.pool.acquire() as connection:
                await self._on.outbox.alert(
                    connection, alarm.alarm_id, alarm.agency, kind, facts, alarm.raised_at, about
                )

    async def alerts(self, agency: str) -> list[dict[str, Any]]:
        """List the newest alerts about an agency's accounts and lists, unseen ones first.

        `username` and `full_name` say who or which list it is about.
        """
        with translated():
            rows = await self._on.pool.fetch(self._on.queries["alerts_of"], agency, _ALERTS_SHOWN)
        return [{**dict(row), "facts": json.loads(row["facts"])} for row in rows]

    async def see_alert(self, by: Person, alert_id: str, now: datetime) -> bool:
        """Note that an administrator has seen an alert; False when it is none, or was seen."""
        on = self._on
        async with on.outbox.change(by.agency) as connection:
            if not await connection.fetchval(on.queries["see_alert"], by.agency, alert_id, now, by.person_id):
                return False
            await on.outbox.record(connection, by, "alert_seen", alert_id, "1", now)
            return True
