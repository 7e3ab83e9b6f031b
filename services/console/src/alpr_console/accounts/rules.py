"""Who may sign in, and how long a session lives. Source: FBI CJIS Security Policy AC-7, AC-11, IA-5."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alprcore.model import ADMITTED, Decision, Refused
from alprcore.policy import AgencyProfile, second_factor_needed

MAX_FAILURES: Final = 5
"""Wrong attempts in a row that lock an account (CJIS AC-7)."""
FAILURE_WINDOW: Final = timedelta(minutes=15)
"""A locked account opens again this long after its last wrong attempt, or when an administrator opens it."""
IDLE_LIMIT: Final = timedelta(minutes=30)
"""A session ends after this long without a call (CJIS AC-11). A dispatcher's live feed counts as calls."""
LONGEST_SESSION: Final = timedelta(hours=12)
"""Everybody signs in again after one shift (CJIS IA-5)."""
MIN_PASSWORD: Final = 12
"""Characters. CJIS asks for 8; length is what slows guessing down."""
TOTP_STEP_S: Final = 30
DEMO_PEOPLE: Final = (
    ("dispatcher", "Dana Dispatcher", "", ("dispatcher",)),
    ("investigator", "Ira Investigator", "", ("investigator",)),
    ("contractor", "Casey Contractor", "Example Maintenance LLC", ("contractor",)),
    ("administrator", "Alex Administrator", "", ("alpr_admin",)),
    ("auditor", "Audrey Auditor", "", ("auditor",)),
    ("retention", "Robin Records", "", ("retention_officer",)),
)
"""Username, name, organization (empty: the agency itself) and roles of the demonstration's people."""


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of the account that someone tries to open; `password_ok` is the hash's verdict."""

    password_ok: bool
    disabled: bool
    failures: int
    last_failure_at: datetime | None
    second_factor_enrolled: bool
    second_factor_ok: bool


def locked(failures: int, last_failure_at: datetime | None, now: datetime) -> bool:
    """Tell whether an account takes no attempt at the moment, not even the right one."""
    return failures >= MAX_FAILURES and last_failure_at is not None and now - last_failure_at < FAILURE_WINDOW


def may_sign_in(login: Login, profile: AgencyProfile | None, *, loopback: bool, now: datetime) -> Decision:
    """Decide a sign-in. Until the password is right, nothing is told about the account (CJIS IA-6)."""
    if locked(login.failures, login.last_failure_at, now):
        return Refused("ACC-01", "ACCOUNT_LOCKED", "too many wrong attempts: wait 15 minutes or ask an administrator")
    if not login.password_ok or login.disabled or profile is None:
        return Refused("ACC-01", "CREDENTIALS_WRONG", "username or password is wrong")
    if login.second_factor_enrolled:
        if not login.second_factor_ok:
            return Refused("SEC-03", "SECOND_FACTOR_WRONG", "enter the current 6-digit code of your authenticator")
    elif second_factor_needed(profile, loopback=loopback):
        return Refused(
            "SEC-03", "SECOND_FACTOR_NOT_ENROLLED", "this account needs a second factor: ask an administrator"
        )
    return ADMITTED


def session_alive(started_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
    """Tell whether a session is within its idle and its total limit."""
    return now - last_seen_at < IDLE_LIMIT and now - started_at < LONGEST_SESSION


def totp(secret: str, step: int) -> str:
    """Compute the 6-digit code of a base32 secret for a 30-second step (RFC 6238 with SHA-1, RFC 4226 5.3)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    digest = hmac.digest(key, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def totp_step(secret: str, code: str, last_step: int, now: datetime) -> int | None:
    """Find the step that a code belongs to: this one or a neighbor, and later than the last one used (RFC 6238 5.2)."""
    current = int(now.timestamp()) // TOTP_STEP_S
    for step in (current, current - 1, current + 1):
        if step > last_step and hmac.compare_digest(totp(secret, step).encode(), code.strip().encode()):
            return step
    return None
