"""What opens an account, changed by its own person: password, authenticator codes, security keys."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from alprcore.model import ADMITTED, Decision, Refused
from alprcore.policy import second_factor_needed
from alprcore.postgres import translated

from ...proofs import KeyRefused, SecurityKeys
from ...web import SignedIn, new_second_factor
from .. import rules
from .coming import Came
from .ground import Ground
from .sign_in import step_id

_NOT_PROVEN = Refused("SEC-03", "SECOND_FACTOR_WRONG", "that code is not the current one: look again")
_KEY_REFUSED = Refused("SEC-03", "SECURITY_KEY_REFUSED", "the security key's answer does not count: try again")
_NO_SEAL = Refused("SEC-03", "SEAL_NOT_AVAILABLE", "there is no key to seal the secret with: ask the operator")
_KEYS_ONLY = Refused("SEC-03", "SECURITY_KEY_NEEDED", "codes are no second factor here: set up a security key")
_LAST = Refused("SEC-03", "LAST_SECOND_FACTOR", "this is your only second factor: add another one first")


class FactorStore:
    """Changes what opens an account; each change is a ledger entry and asks for a proof that is fresh."""

    def __init__(self, ground: Ground) -> None:
        self._on = ground

    async def set_password(self, session: SignedIn, current: str, new: str, now: datetime) -> Refused | None:
        """Take a new password: the current one is asked for, but where a first password was just used.

        The person's other sessions end (OWASP ASVS 7.4.3). Answers what stands against it, or None.
        """
        on, person = self._on, session.person
        first = session.limit is not None and session.limit.reason_code == "PASSWORD_FIRST"
        with translated():
            found = await on.pool.fetchrow(on.queries["find_login"], person.username)
        proof: Decision = rules.fresh(person, now) if first else ADMITTED
        if not first and not await on.passwords.check(found["password_hash"], current):
            async with on.outbox.change(person.agency) as connection:
                row = await connection.fetchrow(on.queries["login_for_update"], person.person_id)
                wrong = Refused("SEC-03", "CREDENTIALS_WRONG", "your current password is wrong")
                if rules.locked(row["locked_at"], on.opens_after, now):
                    wrong = rules.locked_refusal(on.opens_after)
                return await on.refused(connection, row, wrong, Came(person.source_ip, False), now)
        if isinstance(proof, Refused):
            return proof
        fault = rules.password_fault(new, person, on.shortest_password)
        if fault is None and await on.passwords.check(found["password_hash"], new):
            fault = Refused("SEC-03", "PASSWORD_SAME", "this is the password you have: take another")
        if fault is not None:
            return fault
        hashed = await on.passwords.hash(new)
        async with on.outbox.change(person.agency) as connection:
            if not await connection.fetchval(
                on.queries["set_password"], person.person_id, hashed, now, found["password_hash"]
            ):  # another session, or an administrator, was faster
                return Refused(
                    "SEC-03", "CREDENTIALS_WRONG", "your password was just changed: sign in with the new one"
                )
            await connection.fetch(
                on.queries["end_sessions_of"], person.person_id, now, "password_changed", person.session_id
            )
            await self._record(connection, session, "password_changed", {"first": str(first).lower()}, now)
        return None

    async def offer_totp(self, session: SignedIn, now: datetime) -> Refused | tuple[str, str]:
        """Draw an authenticator's secret; it counts once a code of it was shown. Answers the secret and its address."""
        proof = rules.fresh(session.person, now)
        if isinstance(proof, Refused):
            return proof
        on, person_id, secret = self._on, session.person.person_id, new_second_factor()
        if on.keys_only:
            return _KEYS_ONLY
        if on.keys is None:
            return _NO_SEAL
        with translated():
            await on.pool.execute(on.queries["offer_totp"], person_id, on.sealed(secret, person_id))
        label = quote(f"Plateline:{session.person.username}")
        return secret, f"otpauth://totp/{label}?secret={secret}&issuer=Plateline"

    async def take_totp(self, session: SignedIn, code: str, now: datetime) -> Refused | None:
        """Take the offered secret, when the code shows that the person's authenticator has it."""
        on, person = self._on, session.person
        proof = rules.fresh(person, now)
        if isinstance(proof, Refused):
            return proof
        async with on.outbox.change(person.agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], person.person_id)
            offered = on.opened(row["totp_offered"], person.person_id)
            step = rules.totp_step(offered, code, 0, now) if offered else None
            if step is None:
                return _NOT_PROVEN
            await connection.execute(on.queries["take_totp"], person.person_id, step)
            await connection.execute(on.queries["add_proof"], person.session_id, ["otp", "mfa"])
            await self._record(connection, session, "second_factor_added", {"factor": "totp"}, now)
        return None

    async def seal_secrets(self) -> int:
        """Seal every authenticator's secret that is not sealed with the current key; answers how many were.

        Done at each start: it takes secrets from before they were sealed, and those under a key that was replaced.
        """
        on = self._on
        if on.keys is None:
            return 0
        with translated():
            rows = await on.pool.fetch(on.queries["unsealed_secrets"], f"{on.keys.current} ")
            for row in rows:
                kept = (row["totp_secret"], row["totp_offered"])
                anew = [on.sealed(found, row["person_id"]) if (found := on.opened(one, row["person_id"])) else one
                        for one in kept]  # fmt: skip
                await on.pool.execute(on.queries["seal_secrets"], row["person_id"], *anew, *kept)
        return len(rows)

    async def drop_totp(self, session: SignedIn, now: datetime) -> Refused | None:
        """Give up authenticator codes, where a security key stays."""
        on, person = self._on, session.person
        proof = rules.fresh(person, now)
        if isinstance(proof, Refused):
            return proof
        async with on.outbox.change(person.agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], person.person_id)
            if not row["has_key"] and second_factor_needed(session.profile, loopback=True):
                return _LAST
            await connection.execute(on.queries["drop_totp"], person.person_id)
            await self._record(connection, session, "second_factor_removed", {"factor": "totp"}, now)
        return None

    async def keys(self, session: SignedIn) -> list[dict[str, Any]]:
        """List the person's security keys, the oldest first."""
        with translated():
            rows = await self._on.pool.fetch(self._on.queries["keys_of"], session.person.person_id)
        return [
            {
                "key_id": base64.urlsafe_b64encode(row["credential_id"]).decode().rstrip("="),
                "label": row["label"],
                "added_at": row["added_at"],
                "used_at": row["used_at"],
            }
            for row in rows
        ]

    async def has_totp(self, session: SignedIn) -> bool:
        """Tell whether the person's authenticator is set up."""
        with translated():
            return bool(await self._on.pool.fetchval(self._on.queries["has_totp"], session.person.person_id))

    async def offer_key(self, session: SignedIn, keys: SecurityKeys, now: datetime) -> Refused | dict[str, Any]:
        """Ask the browser for a new key; answers the options."""
        on, person = self._on, session.person
        proof = rules.fresh(person, now)
        if isinstance(proof, Refused):
            return proof
        with translated():
            known = await on.pool.fetch(on.queries["keys_of"], person.person_id)
            if len(known) >= rules.MAX_KEYS:
                return Refused("SEC-03", "TOO_MANY_KEYS", f"{rules.MAX_KEYS} keys are the most: remove one first")
            options, challenge = keys.ask_registration(
                person.person_id, person.username, person.full_name, [key["credential_id"] for key in known]
            )
            step, until = step_id(f"register {person.session_id}"), now + rules.STEP_LIVES
            await on.pool.execute(on.queries["put_step"], step, person.person_id, "{}", challenge, until)
        return options

    async def take_key(
        self, session: SignedIn, label: str, answer: Mapping[str, Any], keys: SecurityKeys, now: datetime
    ) -> Refused | None:
        """Take a new key, when it answers the challenge that was put to this session."""
        on, person = self._on, session.person
        proof = rules.fresh(person, now)
        if isinstance(proof, Refused):
            return proof
        async with on.outbox.change(person.agency) as connection:
            step = await connection.fetchrow(on.queries["take_step"], step_id(f"register {person.session_id}"), now)
            if step is None:
                return _KEY_REFUSED
            try:
                key = keys.registered(answer, step["challenge"])
            except KeyRefused:
                return _KEY_REFUSED
            values = (key.credential_id, person.person_id, key.public_key, key.sign_count, label, now)
            if not await connection.fetchval(on.queries["put_key"], *values):
                return _KEY_REFUSED
            await connection.execute(on.queries["add_proof"], person.session_id, ["hwk", "user", "mfa"])
            await self._record(connection, session, "second_factor_added", {"factor": "security_key"}, now)
        return None

    async def drop_key(self, session: SignedIn, key_id: str, now: datetime) -> Refused | None:
        """Give up a security key, where a second factor stays."""
        on, person = self._on, session.person
        proof = rules.fresh(person, now)
        if isinstance(proof, Refused):
            return proof
        unknown = Refused("SEC-03", "KEY_UNKNOWN", "you have no such security key")
        try:
            credential = base64.urlsafe_b64decode(key_id + "=" * (-len(key_id) % 4))
        except ValueError:
            return unknown
        async with on.outbox.change(person.agency) as connection:
            row = await connection.fetchrow(on.queries["login_for_update"], person.person_id)
            left = [
                key["credential_id"]
                for key in await connection.fetch(on.queries["keys_of"], person.person_id)
                if key["credential_id"] != credential
            ]
            stays = left or (row["totp_secret"] and not on.keys_only)
            if not stays and second_factor_needed(session.profile, loopback=True):
                return _LAST
            if await connection.fetchval(on.queries["drop_key"], person.person_id, credential, now) is None:
                return unknown
            await self._record(connection, session, "second_factor_removed", {"factor": "security_key"}, now)
        return None

    async def _record(
        self, connection: Any, session: SignedIn, kind: str, facts: Mapping[str, str], now: datetime
    ) -> None:
        person = session.person
        await self._on.outbox.record(
            connection,
            person,
            kind,
            person.person_id,
            now.isoformat(),
            now,
            facts=facts,
            profile_version=session.profile.version,
        )
