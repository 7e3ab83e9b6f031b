"""What the stores of accounts stand on, and the small steps that they share."""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.model import ADMITTED, Decision, Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.seal import ListKeys

from ... import metrics
from ...doors import Outbox
from ...proofs import KeyRefused, Passwords, SecurityKeys, credential_of
from .. import rules
from .coming import Came

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Papers:
    """What is on file about a person, as far as a session carries it, and whether it lets the person in.

    `review_due` stands from 30 days before the yearly review of the policy falls due (TRN-06).
    `policy_changed`: what the person read is an older version than the one in force (CFG-02).
    """

    decision: Decision = ADMITTED
    category: str = ""
    training: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    review_due: datetime | None = None
    policy_changed: bool = False


FindPapers = Callable[[str, AgencyProfile, datetime, datetime | None], Awaitable[Papers]]
"""Person, profile, now, and since when a living session goes on under the policy that it began with; None at sign-in."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the stores stand on; `opens_after` None: only an administrator releases a locked account."""

    pool: Any
    queries: Mapping[str, str]
    outbox: Outbox
    profiles: Mapping[str, AgencyProfile]
    papers: FindPapers
    passwords: Passwords
    keys: ListKeys | None
    attempts: rules.Attempts
    departures: rules.Attempts
    strangers: rules.Attempts
    idle: timedelta = timedelta(minutes=30)
    opens_after: timedelta | None = None
    shortest_password: int = 15
    dispatch_rooms: tuple[IPv4Network | IPv6Network, ...] = ()
    provider_agencies: Mapping[str, str] = field(default_factory=dict)
    provider_claim: str = ""
    keys_only: bool = False
    """Whether a code is no second factor for who has a security key, and leads others to setting one up only."""

    async def refused(self, connection: Any, row: Any, refusal: Refused, came: Came, now: datetime) -> Refused:
        """Write down a refused sign-in; a wrong password or second factor counts towards the lock."""
        if refusal.reason_code in ("CREDENTIALS_WRONG", "SECOND_FACTOR_WRONG"):
            window = rules.FAILURE_WINDOW
            failures = await connection.fetchval(self.queries["count_failure"], row["person_id"], now, window)
            if rules.locks(failures) and not rules.locked(row["locked_at"], self.opens_after, now):
                await connection.execute(self.queries["lock_account"], row["person_id"], now)
                person = person_of(row, "", came.source_ip)
                await self.outbox.record(
                    connection,
                    person,
                    "account_locked",
                    row["person_id"],
                    now.isoformat(),
                    now,
                    facts={"after": str(failures)},
                )
                await self.alert(connection, row, "account_locked", {"source_ip": came.source_ip}, now)
        await self.outbox.record(
            connection,
            person_of(row, "", came.source_ip),
            "sign_in",
            row["person_id"],
            now.isoformat(),
            now,
            outcome="refused",
            reason_code=refusal.reason_code,
            profile_version=self.version(row["agency"]),
        )
        return counted(refusal)

    async def proven(
        self,
        connection: Any,
        row: Any,
        code: str,
        answer: Mapping[str, Any] | None,
        challenge: bytes,
        keys: SecurityKeys | None,
        now: datetime,
    ) -> tuple[str, ...]:
        """Check a second factor, and use it up; answers what proved it (RFC 8176), nothing when it proved nothing."""
        if answer is not None and keys is not None and challenge:
            return ("hwk", "user") if await self._key(connection, row, answer, challenge, keys, now) else ()
        if self.keys_only and row["has_key"]:
            return ()
        secret = self.opened(row["totp_secret"], row["person_id"])
        step = rules.totp_step(secret, code, row["totp_last_step"], now) if secret else None
        if step is None:
            return ()
        await connection.execute(self.queries["use_totp_step"], row["person_id"], step)
        return ("otp",)

    async def _key(
        self, connection: Any, row: Any, answer: Mapping[str, Any], challenge: bytes, keys: SecurityKeys, now: datetime
    ) -> bool:
        known = {key["credential_id"]: key for key in await connection.fetch(self.queries["keys_of"], row["person_id"])}
        try:
            key = known.get(credential_of(answer))
            count = keys.asserted(answer, challenge, key["public_key"]) if key else None
        except KeyRefused:
            return False
        if key is None or count is None:
            return False
        if not rules.counter_moved(key["sign_count"], count):  # two keys with one secret: somebody copied it
            await self.alert(connection, row, "security_key_copied", {"label": key["label"]}, now)
            return False
        await connection.execute(self.queries["use_key"], key["credential_id"], count, now)
        return True

    async def alert(self, connection: Any, row: Any, kind: str, facts: Mapping[str, str], now: datetime) -> None:
        """Put an alert before the ALPR administrators of the person's agency."""
        about = (row["person_id"], row["username"], row["full_name"])
        alert_id = make_id("alert", kind, row["person_id"], now.isoformat())
        await self.outbox.alert(connection, alert_id, row["agency"], kind, facts, now, about)

    def sealed(self, secret: str, person_id: str) -> str:
        """Seal an authenticator's secret for its row: `<key id> <base64>`. Raises `Misconfigured` without keys."""
        if self.keys is None:
            raise Misconfigured("list_keys_file: an authenticator's secret is sealed with these keys")
        blob, key_id = self.keys.seal(secret.encode(), entry_id=f"totp {person_id}")
        return f"{key_id} {base64.b64encode(blob).decode()}"

    def opened(self, kept: str, person_id: str) -> str:
        """Open what a row holds; a secret from before they were sealed is taken as it is, one that cannot be opened
        opens nothing.
        """
        key_id, apart, text = kept.partition(" ")
        if not apart:
            return kept
        try:
            blob = base64.b64decode(text)
            return self.keys.open(blob, key_id, entry_id=f"totp {person_id}").decode() if self.keys else ""
        except InvalidMessage:
            log.error("second_factor_not_opened", extra={"key_id": key_id})
            return ""

    def login_of(self, row: Any, code: str, now: datetime, *, password_ok: bool, second_factor_ok: bool) -> rules.Login:
        """Say what is known of an account that someone tries to open."""
        secret, last = self.opened(row["totp_secret"], row["person_id"]), row["totp_last_step"]
        return rules.Login(
            password_ok=password_ok,
            disabled=row["disabled_at"] is not None,
            locked_at=row["locked_at"],
            second_factor_enrolled=bool(row["totp_secret"]) or row["has_key"],
            second_factor_ok=second_factor_ok,
            password_first=row["password_first"],
            password_at=row["password_at"],
            by_provider=row["by_provider"],
            code_used=bool(code and secret) and rules.totp_used(secret, code, last, now),
        )

    def version(self, agency: str) -> str:
        """The version of an agency's profile, for the ledger; '' for one that has none."""
        profile = self.profiles.get(agency)
        return profile.version if profile else ""


def counted(refusal: Refused) -> Refused:
    """Count a refused sign-in."""
    metrics.SIGN_INS.labels(refusal.reason_code).inc()
    return refusal


def person_of(row: Any, session_id: str, source_ip: str) -> Person:
    """Make the person of a row."""
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
