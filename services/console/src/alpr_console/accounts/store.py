"""People and sessions in PostgreSQL; what happens to them goes to the ledger in the same transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import argon2

from alprcore.model import Decision, Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import translated

from .. import metrics
from ..doors import Outbox
from ..web import SignedIn, csrf_of, new_token, token_hash
from . import rules

_HASHER = argon2.PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)  # OWASP's second set: 19 MiB a check
_NOBODY = _HASHER.hash("nobody has this password")
"""Checked for unknown usernames, so that they take as long to refuse as known ones."""
_CHECKS = asyncio.Semaphore(2)  # password checks at a time: 38 MiB at most, whatever storm of sign-ins comes
TOUCH_EVERY = timedelta(seconds=30)
"""A session's last call is written this often at most; far finer than the idle limit needs."""


class AccountStore:
    """Finds, makes and ends accounts and sessions."""

    def __init__(
        self, pool: Any, queries: Mapping[str, str], outbox: Outbox, profiles: Mapping[str, AgencyProfile]
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._outbox = outbox
        self._profiles = profiles

    async def find_session(self, token: str, now: datetime) -> SignedIn | None:
        """Find the living session of a token; an account disabled a moment ago has none."""
        with translated():
            row = await self._pool.fetchrow(self._queries["find_session"], token_hash(token))
            if row is None or row["agency"] not in self._profiles:
                return None
            if not rules.session_alive(row["started_at"], row["last_seen_at"], now):
                await self._pool.execute(self._queries["end_session"], row["session_id"], now, "idle")
                return None
        return SignedIn(
            person=_person(row, row["session_id"], row["source_ip"]),
            profile=self._profiles[row["agency"]],
            csrf=csrf_of(token),
            sound_armed=row["sound_armed_at"] is not None,
            muted_until=row["muted_until"],
        )

    async def touch(self, session_id: str, now: datetime) -> None:
        """Note that the session was used."""
        with translated():
            await self._pool.execute(self._queries["touch_session"], session_id, now)

    async def sign_in(
        self,
        username: str,
        password: str,
        code: str,
        *,
        source_ip: str,
        loopback: bool,
        now: datetime,
    ) -> tuple[Decision, str]:
        """Check a sign-in; answers the decision and the new session's token ('' when refused).

        Every attempt on a known account is a ledger entry, and every wrong one counts towards the lock.
        """
        username = username.strip()
        with translated():
            row = await self._pool.fetchrow(self._queries["find_login"], username)
        password_ok = await _check(row["password_hash"] if row else _NOBODY, password) and row is not None
        if row is None:
            login = rules.Login(False, False, 0, None, False, False)
            return _counted(rules.may_sign_in(login, None, loopback=loopback, now=now)), ""
        step = rules.totp_step(row["totp_secret"], code, row["totp_last_step"], now) if row["totp_secret"] else None
        login = rules.Login(
            password_ok=password_ok,
            disabled=row["disabled_at"] is not None,
            failures=row["failures"],
            last_failure_at=row["last_failure_at"],
            second_factor_enrolled=bool(row["totp_secret"]),
            second_factor_ok=step is not None,
        )
        profile = self._profiles.get(row["agency"])
        decision = rules.may_sign_in(login, profile, loopback=loopback, now=now)
        refused = decision.reason_code if isinstance(decision, Refused) else ""
        token, hashed = new_token()
        session_id = make_id("session", hashed.hex())
        person = _person(row, "" if refused else session_id, source_ip)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if refused in ("CREDENTIALS_WRONG", "SECOND_FACTOR_WRONG"):
                    window = rules.FAILURE_WINDOW
                    await connection.execute(self._queries["count_failure"], row["person_id"], now, window)
                if not refused:
                    if step is not None and not await connection.fetchval(
                        self._queries["use_totp_step"], row["person_id"], step
                    ):  # two sign-ins raced with one code: the second is a repeat (RFC 6238 5.2)
                        late = replace(login, second_factor_ok=False)
                        return _counted(rules.may_sign_in(late, profile, loopback=loopback, now=now)), ""
                    await connection.execute(self._queries["clear_failures"], row["person_id"])
                    await connection.execute(
                        self._queries["start_session"], session_id, hashed, row["person_id"], source_ip, now
                    )
                await self._outbox.record(
                    connection,
                    person,
                    "sign_in",
                    row["person_id"],
                    now.isoformat(),
                    now,
                    outcome="refused" if refused else "ok",
                    reason_code=refused,
                )
        return _counted(decision), "" if refused else token

    async def sign_out(self, person: Person, now: datetime) -> None:
        """End the session."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(self._queries["end_session"], person.session_id, now, "signed_out"):
                    await self._outbox.record(connection, person, "sign_out", person.session_id, "1", now)

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
        now: datetime,
    ) -> bool:
        """Make an account, or give an existing one a new password and roles; False when the name is another agency's."""
        hashed = await asyncio.to_thread(_HASHER.hash, password)
        person_id = make_id("person", agency, username)
        person = Person(person_id, username, full_name, organization, agency, tuple(roles), "", "")
        values = (person_id, username, full_name, organization, agency, list(roles), hashed, totp_secret, now)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(self._queries["put_person"], *values):
                    return False
                await self._outbox.record(connection, person, "account_saved", person_id, now.isoformat(), now)
                return True

    async def set_disabled(self, by: Person, username: str, *, disabled: bool, now: datetime) -> bool:
        """Disable or open an account of the administrator's agency; disabling ends its sessions at once (ACC-11)."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                person_id = await connection.fetchval(
                    self._queries["set_person_state"], username, by.agency, now if disabled else None
                )
                if person_id is None:
                    return False
                if disabled:
                    await connection.execute(self._queries["end_sessions_of"], person_id, now, "disabled")
                kind = "account_disabled" if disabled else "account_opened"
                await self._outbox.record(connection, by, kind, person_id, now.isoformat(), now)
                return True

    async def forget_sessions(self, before: datetime) -> None:
        """Remove sessions last used before this time; the ledger keeps who signed in when."""
        with translated():
            await self._pool.execute(self._queries["forget_sessions"], before)


def _counted(decision: Decision) -> Decision:
    metrics.SIGN_INS.labels(decision.reason_code if isinstance(decision, Refused) else "ok").inc()
    return decision


def _person(row: Any, session_id: str, source_ip: str) -> Person:
    return Person(
        person_id=row["person_id"],
        username=row["username"],
        full_name=row["full_name"],
        organization=row["organization"],
        agency=row["agency"],
        roles=tuple(row["roles"]),
        session_id=session_id,
        source_ip=source_ip,
    )


async def _check(hashed: str, password: str) -> bool:
    async with _CHECKS:
        try:
            return await asyncio.to_thread(_HASHER.verify, hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
