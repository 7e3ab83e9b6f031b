"""Sign-in: the password, the second factor or the identity provider's word, then the person's papers, then a session."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alprcore.model import Refused, make_id
from alprcore.policy import second_factor_needed
from alprcore.postgres import translated

from ... import metrics
from ...proofs import Identity, SecurityKeys
from ...web import LIMITS, new_token
from .. import rules
from .coming import Came
from .ground import Ground, Papers, counted, person_of

_WRONG = Refused("ACC-01", "CREDENTIALS_WRONG", "username or password is wrong")
TOO_MANY = Refused("SEC-03", "TOO_MANY_ATTEMPTS", "too many wrong attempts from this address: wait a minute")
_LATE = Refused("SEC-03", "STEP_EXPIRED", "too much time went by: begin again with your password")
_UNLINKED = Refused(
    "ACC-02", "PERSON_NOT_LINKED", "no account here belongs to this sign-in: ask the ALPR administrator"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step: a refusal (`recorded` in the ledger or not), a session's token, or a second step.

    `ways` are those in which the second step can be taken, `options` what the browser asks a security key for.
    """

    refusal: Refused | None = None
    recorded: bool = True
    token: str = ""
    step: str = ""
    ways: tuple[str, ...] = ()
    options: Mapping[str, Any] | None = None


class SignInStore:
    """Opens sessions. Every attempt on a known account is a ledger entry, every wrong one counts towards its lock."""

    def __init__(self, ground: Ground) -> None:
        self._on = ground

    async def sign_in(self, username: str, password: str, code: str, came: Came, now: datetime) -> Outcome:
        """Check password and code in one call, as programs do."""
        return await self._password(username, password, code, came, now, None, one_call=True)

    async def begin(
        self, username: str, password: str, came: Came, now: datetime, keys: SecurityKeys | None
    ) -> Outcome:
        """Check the password; where a second factor is set up, answer the step in which it is asked for."""
        return await self._password(username, password, "", came, now, keys, one_call=False)

    async def _password(
        self,
        username: str,
        password: str,
        code: str,
        came: Came,
        now: datetime,
        keys: SecurityKeys | None,
        *,
        one_call: bool,
    ) -> Outcome:
        on = self._on
        if on.attempts.waits(came.source_ip, now):
            return Outcome(counted(TOO_MANY), recorded=False)
        with translated():
            found = await on.pool.fetchrow(on.queries["find_login"], username.strip())
        right = await on.passwords.check(found["password_hash"] if found else "", password)
        if found is None:
            name = hashlib.sha256(username.strip().encode()).hexdigest()
            seems_locked = on.strangers.waits(name, now)
            on.strangers.failed(name, now)
            on.attempts.failed(came.source_ip, now)
            return Outcome(counted(rules.locked_refusal(on.opens_after) if seems_locked else _WRONG), recorded=False)
        if right and on.passwords.outdated(found["password_hash"]):
            hashed = await on.passwords.hash(password)
            with translated():
                await on.pool.execute(on.queries["rehash_password"], found["person_id"], found["password_hash"], hashed)
        profile = on.profiles.get(found["agency"])
        papers = await on.papers(found["person_id"], profile, now, None) if right and profile else Papers()
        async with on.outbox.change(found["agency"]) as connection:
            # what counts is how things stand now: others may have tried while this password was checked
            row = await connection.fetchrow(on.queries["login_for_update"], found["person_id"])
            enrolled = bool(row["totp_secret"]) or row["has_key"]
            open_ = not rules.locked(row["locked_at"], on.opens_after, now)
            ways = await on.proven(connection, row, code, None, b"", None, now) if right and code and open_ else ()
            login = on.login_of(row, code, now, password_ok=right, second_factor_ok=bool(ways) or not one_call)
            decision = rules.may_sign_in(login, profile, loopback=came.loopback, opens_after=on.opens_after, now=now)
            if isinstance(decision, Refused):
                if decision.reason_code in ("CREDENTIALS_WRONG", "SECOND_FACTOR_WRONG"):
                    on.attempts.failed(came.source_ip, now)
                return Outcome(await on.refused(connection, row, decision, came, now))
            if enrolled and not ways:
                return await self._ask(connection, row, came, now, keys)
            return await self._open(connection, row, papers, ("pwd", *ways), came, now)

    async def _ask(
        self, connection: Any, row: Any, came: Came, now: datetime, keys: SecurityKeys | None, step: str = ""
    ) -> Outcome:
        on, token = self._on, step or secrets.token_urlsafe(32)
        options, challenge = None, b""
        if keys is not None and row["has_key"]:
            known = await connection.fetch(on.queries["keys_of"], row["person_id"])
            options, challenge = keys.ask_assertion([key["credential_id"] for key in known])
        facts = json.dumps({"banner": came.banner})
        until = now + rules.STEP_LIVES
        await connection.execute(on.queries["put_step"], step_id(token), row["person_id"], facts, challenge, until)
        by_code = row["totp_secret"] and not (on.keys_only and row["has_key"])
        ways = (*(("totp",) if by_code else ()), *(("security_key",) if options else ()))
        return Outcome(step=token, ways=ways, options=options)

    async def finish(
        self,
        step: str,
        code: str,
        answer: Mapping[str, Any] | None,
        came: Came,
        now: datetime,
        keys: SecurityKeys | None,
    ) -> Outcome:
        """Check the second factor of a step that `begin` answered."""
        on = self._on
        if on.attempts.waits(came.source_ip, now):
            return Outcome(counted(TOO_MANY), recorded=False)
        with translated():
            begun = await on.pool.fetchrow(on.queries["find_step"], step_id(step), now)
        if begun is None or begun["person_id"] is None:
            return Outcome(counted(_LATE), recorded=False)
        with translated():
            agency = await on.pool.fetchval(on.queries["agency_of"], begun["person_id"])
        profile = on.profiles.get(agency)
        papers = await on.papers(begun["person_id"], profile, now, None) if profile else Papers()
        async with on.outbox.change(agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], begun["person_id"])
            begun = await connection.fetchrow(on.queries["find_step"], step_id(step), now)
            if begun is None:  # the same step was taken by another call
                return Outcome(counted(_LATE), recorded=False)
            open_ = not rules.locked(row["locked_at"], on.opens_after, now)
            ways = await on.proven(connection, row, code, answer, begun["challenge"], keys, now) if open_ else ()
            login = on.login_of(row, code, now, password_ok=True, second_factor_ok=bool(ways))
            decision = rules.may_sign_in(login, profile, loopback=came.loopback, opens_after=on.opens_after, now=now)
            if isinstance(decision, Refused):
                refusal = await on.refused(connection, row, decision, came, now)
                if decision.reason_code != "SECOND_FACTOR_WRONG":
                    return Outcome(refusal)
                on.attempts.failed(came.source_ip, now)
                again = Came(came.source_ip, came.loopback, json.loads(begun["facts"])["banner"])
                return replace(await self._ask(connection, row, again, now, keys, step), refusal=refusal)
            await connection.execute(on.queries["take_step"], step_id(step), now)
            banner = json.loads(begun["facts"])["banner"]
            came = Came(came.source_ip, came.loopback, banner)
            return await self._open(connection, row, papers, ("pwd", *ways, "mfa"), came, now)

    async def by_provider(self, identity: Identity, came: Came, now: datetime) -> Outcome:
        """Open a session for whom the provider vouches: a named account that was linked to this subject before."""
        on = self._on
        with translated():
            person_id = await on.pool.fetchval(on.queries["provider_person"], identity.issuer, identity.subject)
            agency = await on.pool.fetchval(on.queries["agency_of"], person_id) if person_id else None
        profile = on.profiles.get(agency) if agency else None
        if profile is None or agency is None:
            return Outcome(counted(_UNLINKED), recorded=False)
        papers = await on.papers(person_id, profile, now, None)
        async with on.outbox.change(agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], person_id)
            refusal: Refused | None = None
            if on.provider_claim:
                told = identity.claims.get(on.provider_claim)
                if not isinstance(told, str) or on.provider_agencies.get(told) != agency:
                    refusal = Refused("ACC-02", "AGENCY_MISMATCH", "this sign-in belongs to another agency")
            if row["disabled_at"] is not None:
                refusal = Refused("ACC-11", "ACCOUNT_DISABLED", "this account is disabled: ask the ALPR administrator")
            elif rules.locked(row["locked_at"], on.opens_after, now):
                refusal = Refused("ACC-01", "ACCOUNT_LOCKED", "this account is locked: ask the ALPR administrator")
            if refusal is not None:
                return Outcome(await on.refused(connection, row, refusal, came, now))
            return await self._open(connection, row, papers, identity.amr, came, now, identity)

    async def _open(
        self,
        connection: Any,
        row: Any,
        papers: Papers,
        ways: tuple[str, ...],
        came: Came,
        now: datetime,
        identity: Identity | None = None,
    ) -> Outcome:
        on, profile = self._on, self._on.profiles[row["agency"]]
        limit = papers.decision if isinstance(papers.decision, Refused) else None
        if limit is not None and limit.reason_code not in LIMITS:  # with those: a session that opens what is missing
            return Outcome(await on.refused(connection, row, limit, came, now))
        token, hashed = new_token()
        session_id = make_id("session", hashed.hex())
        person = person_of(row, session_id, came.source_ip)
        exempt = rules.lock_exempt(person.roles, came.source_ip, on.dispatch_rooms)
        elsewhere = await self._elsewhere(connection, row, came, now)
        await connection.execute(on.queries["signed_in"], row["person_id"], now)
        await connection.execute(
            on.queries["start_session"],
            session_id,
            hashed,
            row["person_id"],
            came.source_ip,
            now,
            identity.authenticated_at if identity else now,
            list(ways),
            not second_factor_needed(profile, loopback=came.loopback),
            exempt,
            came.banner,
            (identity.session or "-") if identity else "",
        )
        facts = {
            "authenticated_by": " ".join(ways),
            "banner": came.banner,
            "idle_lock": "exempt" if exempt else f"{on.idle.total_seconds() / 60:.0f} min",
            "limit": limit.reason_code if limit else "",
        }
        await on.outbox.record(
            connection,
            person,
            "sign_in",
            row["person_id"],
            now.isoformat(),
            now,
            facts=facts,
            profile_version=profile.version,
        )
        if elsewhere:
            await on.outbox.record(
                connection,
                person,
                "concurrent_session",
                session_id,
                "1",
                now,
                facts={"others": str(len(elsewhere))},
                personal={"other_addresses": " ".join(elsewhere)},
                profile_version=profile.version,
            )
            seen = {"source_ip": came.source_ip, "other_addresses": " ".join(elsewhere)}
            await on.alert(connection, row, "concurrent_session", seen, now)
        metrics.SIGN_INS.labels("ok").inc()
        return Outcome(token=token)

    async def _elsewhere(self, connection: Any, row: Any, came: Came, now: datetime) -> list[str]:
        """The other addresses from which this person's sessions are in use (USE-04)."""
        living = await connection.fetch(self._on.queries["sessions_of"], row["person_id"], now - rules.LONGEST_SESSION)
        return sorted(
            {
                session["source_ip"]
                for session in living
                if session["source_ip"] != came.source_ip
                and rules.session_state(
                    session["authenticated_at"],
                    session["last_seen_at"],
                    self._on.idle,
                    now,
                    exempt=session["lock_exempt"],
                )
                is rules.SessionState.OPEN
            }
        )

    async def send_away(self, verifier: str, nonce: str, came: Came, now: datetime, again: bool) -> Refused | str:
        """Keep what must come back with a person who is sent to the provider; answers the state."""
        if self._on.departures.waits(came.source_ip, now):
            return counted(TOO_MANY)
        self._on.departures.failed(came.source_ip, now)
        state = secrets.token_urlsafe(32)
        facts = json.dumps({"nonce": nonce, "verifier": verifier, "banner": came.banner, "again": again})
        with translated():
            await self._on.pool.execute(
                self._on.queries["put_step"], step_id(state), None, facts, b"", now + rules.STEP_LIVES
            )
        return state

    async def came_back(self, state: str, now: datetime) -> dict[str, Any] | None:
        """Take what was kept for a state, once; None when nothing was, or too long ago."""
        with translated():
            row = await self._on.pool.fetchrow(self._on.queries["take_step"], step_id(state), now)
        return json.loads(row["facts"]) if row is not None and row["person_id"] is None else None


def step_id(token: str) -> str:
    """Name a step by a hash: the database never holds what continues a sign-in."""
    return hashlib.sha256(b"plateline step" + token.encode()).hexdigest()
