"""Living sessions: found, kept awake, locked, proved again, listed and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from alprcore.model import ClientKind, Decision, Person, Refused
from alprcore.postgres import translated

from ...proofs import SecurityKeys
from ...web import LOCKED, SignedIn, csrf_of, new_token, token_hash
from .. import rules
from .coming import Came
from .ground import Ground, counted, person_of
from .sign_in import TOO_MANY, step_id

_LOCKED = Refused("SEC-03", LOCKED, "this session is locked: prove who you are to go on")


class SessionStore:
    """Finds sessions and judges, at every call, what they still open."""

    def __init__(self, ground: Ground) -> None:
        self._on = ground

    async def find(self, token: str, now: datetime) -> SignedIn | None:
        """Find the session of a token; an account disabled a moment ago has none (ACC-11).

        The person's papers are read anew at every call, so that one that expired or was taken back limits the session
        at once (ACC-03, ACC-05, ACC-06). A version of the policy that came into force since the session began does not:
        nobody loses alerts in the middle of a shift, and it is read at the next sign-in, 12 hours later at the latest.
        """
        on = self._on
        with translated():
            row = await on.pool.fetchrow(
                on.queries["find_session"], token_hash(token), list(rules.ALERTED), on.keys_only
            )
        profile = on.profiles.get(row["agency"]) if row is not None else None
        if row is None or profile is None:
            return None
        times = (row["authenticated_at"], row["last_seen_at"], on.idle)
        state = rules.session_state(*times, now, exempt=row["lock_exempt"])
        person = replace(
            person_of(row, row["session_id"], row["source_ip"]),
            authenticated_at=row["authenticated_at"].isoformat(),
            authenticated_by=tuple(row["authenticated_by"]),
        )
        if state is rules.SessionState.OVER:
            await self._end(person, row["session_id"], "unused", now)
            return None
        limit: Decision = _LOCKED
        review_due: datetime | None = None
        policy_changed = False
        if state is rules.SessionState.OPEN:
            since = max(row["started_at"], now - rules.LONGEST_SESSION)
            papers = await on.papers(person.person_id, profile, now, since)
            person = replace(
                person,
                category=papers.category,
                training=papers.training,
                grants=papers.grants,
                devices=papers.devices,
            )
            missing = rules.left_to_set_up(
                password_first=row["password_first"], enrolled=row["enrolled"], waived=row["factor_waived"]
            )
            limit, review_due = missing or papers.decision, papers.review_due
            policy_changed = papers.policy_changed
        return SignedIn(
            person=person,
            profile=profile,
            csrf=csrf_of(token),
            sound_armed=row["sound_armed_at"] is not None,
            muted_until=row["muted_until"],
            limit=limit if isinstance(limit, Refused) else None,
            locks_at=rules.locks_at(*times, exempt=row["lock_exempt"]),
            lock_exempt=row["lock_exempt"],
            alerts=row["alerts"],
            review_due=review_due,
            policy_changed=policy_changed,
            client_kind=ClientKind(row["client_kind"] or ClientKind.DISPATCH_CONSOLE),
            unit=row["unit"] or "",
            client_id=row["client_id"] or "",
            unit_device=row["unit_device"] or "",
            signed_on_at=row["signed_on_at"],
        )

    async def touch(self, session_id: str, now: datetime) -> None:
        """Note that the session was used."""
        with translated():
            await self._on.pool.execute(self._on.queries["touch_session"], session_id, now)

    async def ask_key(self, session: SignedIn, keys: SecurityKeys, now: datetime) -> dict[str, Any] | None:
        """Ask for a signature of one of the person's keys, to prove the session again; None when there is no key."""
        on = self._on
        with translated():
            known = await on.pool.fetch(on.queries["keys_of"], session.person.person_id)
            if not known:
                return None
            options, challenge = keys.ask_assertion([key["credential_id"] for key in known])
            step, until = step_id(f"prove {session.person.session_id}"), now + rules.STEP_LIVES
            await on.pool.execute(on.queries["put_step"], step, session.person.person_id, "{}", challenge, until)
        return options

    async def prove(
        self,
        session: SignedIn,
        password: str,
        code: str,
        answer: Mapping[str, Any] | None,
        came: Came,
        now: datetime,
        keys: SecurityKeys | None,
    ) -> Refused | str:
        """Open a locked session again, or refresh an open one; answers the session's new token.

        A security key that verified its person is enough; otherwise the password, and the code where one is set up.
        """
        on, person = self._on, session.person
        if on.attempts.waits(came.source_ip, now):
            return counted(TOO_MANY)
        with translated():
            found = await on.pool.fetchrow(on.queries["find_login"], person.username)
        right = answer is None and await on.passwords.check(found["password_hash"], password)
        async with on.outbox.change(person.agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], person.person_id)
            challenge = b""
            if answer is not None:
                step = await connection.fetchrow(on.queries["take_step"], step_id(f"prove {person.session_id}"), now)
                challenge = step["challenge"] if step else b""
            open_ = not rules.locked(row["locked_at"], on.opens_after, now)
            ways: tuple[str, ...] = ()
            if open_ and (right or challenge):
                ways = await on.proven(connection, row, code, answer, challenge, keys, now)
            login = replace(
                on.login_of(row, code, now, password_ok=right or bool(ways), second_factor_ok=bool(ways)),
                password_at=now,
            )
            decision = rules.may_sign_in(
                login, session.profile, loopback=came.loopback, opens_after=on.opens_after, now=now
            )
            if isinstance(decision, Refused):
                on.attempts.failed(came.source_ip, now)
                return await on.refused(connection, row, decision, came, now)
            token, hashed = new_token()
            proofs = [*(("pwd",) if right else ()), *ways, *(("mfa",) if ways else ())]
            if not await connection.fetchval(
                on.queries["prove_session"], person.session_id, hashed, now, proofs, came.source_ip
            ):
                return _LOCKED
            await connection.execute(on.queries["signed_in"], person.person_id, now)
            locked = session.limit is not None and session.limit.reason_code == LOCKED
            await on.outbox.record(
                connection,
                replace(person, source_ip=came.source_ip),
                "session_unlocked" if locked else "session_proved",
                person.session_id,
                now.isoformat(),
                now,
                facts={"authenticated_by": " ".join(proofs)},
                profile_version=session.profile.version,
            )
        return token

    async def sign_out(self, person: Person, now: datetime) -> None:
        """End the session."""
        async with self._on.outbox.change(person.agency) as connection:
            if await connection.fetchval(self._on.queries["end_session"], person.session_id, now, "signed_out"):
                await self._on.outbox.record(connection, person, "sign_out", person.session_id, "1", now)

    async def of(self, person: Person, now: datetime) -> list[dict[str, Any]]:
        """List a person's living sessions, the last used first."""
        with translated():
            rows = await self._on.pool.fetch(
                self._on.queries["sessions_of"], person.person_id, now - rules.LONGEST_SESSION
            )
        return [{**dict(row), "this": row["session_id"] == person.session_id} for row in rows]

    async def end_own(self, person: Person, session_id: str, now: datetime) -> bool:
        """End another session of one's own; False when it is none, or over."""
        on = self._on
        async with on.outbox.change(person.agency) as connection:
            if not await connection.fetchval(on.queries["end_own_session"], person.person_id, session_id, now):
                return False
            facts = {"reason": "ended_by_person"}
            await on.outbox.record(connection, person, "session_ended", session_id, "1", now, facts=facts)
            return True

    async def end_by_provider(self, issuer: str, subject: str, session: str, now: datetime) -> int:
        """End the sessions that the provider says are over there; answers how many."""
        on = self._on
        async with on.outbox.change("*") as connection:  # of whichever agency the person is
            rows = await connection.fetch(on.queries["end_provider_sessions"], issuer, subject, session, now)
            for row in rows:
                person, facts = person_of(row, row["session_id"], row["source_ip"]), {"reason": "provider"}
                await on.outbox.record(connection, person, "session_ended", row["session_id"], "1", now, facts=facts)
        return len(rows)

    async def forget(self, before: datetime, now: datetime) -> None:
        """Remove sessions last used before this time, and steps that are over; the ledger keeps who signed in when."""
        with translated():
            await self._on.pool.execute(self._on.queries["forget_sessions"], before)
            await self._on.pool.execute(self._on.queries["forget_steps"], now)

    async def _end(self, person: Person, session_id: str, reason: str, now: datetime) -> None:
        on = self._on
        async with on.outbox.change(person.agency) as connection:
            if await connection.fetchval(on.queries["end_session"], session_id, now, reason):
                facts = {"reason": reason}
                await on.outbox.record(connection, person, "session_ended", session_id, "1", now, facts=facts)
