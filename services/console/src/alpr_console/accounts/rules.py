"""Who may sign in, what a password must be, and how long a session lives.

Source: FBI CJIS Security Policy AC-7, AC-8, AC-11, AC-12, IA-2, IA-5.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import pairwise
from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import AgencyProfile, second_factor_needed

MAX_FAILURES: Final = 5
"""Wrong attempts in a row that lock an account (CJIS AC-7)."""
FAILURE_WINDOW: Final = timedelta(minutes=15)
"""Wrong attempts further apart than this are not a row (CJIS AC-7)."""
LONGEST_SESSION: Final = timedelta(hours=12)
"""Everybody proves again who it is after one shift (CJIS IA-5); a session unused for as long is over."""
FIRST_PASSWORD_LIVES: Final = timedelta(hours=72)
"""A first password that was not used by then opens nothing (CJIS AC-2(2))."""
FRESH: Final = timedelta(minutes=15)
"""What opens the account is changed only by somebody who proved within this time who it is (OWASP ASVS 7.5.1)."""
STEP_LIVES: Final = timedelta(minutes=5)
"""Time between the password and the second factor, or to the identity provider and back."""
LONGEST_PASSWORD: Final = 1000
MAX_KEYS: Final = 10
TOTP_STEP_S: Final = 30
ALERTED: Final = frozenset({"alpr_admin"})
"""To whom alerts about accounts go, besides those who manage them (USE-04)."""
DISPATCH: Final = "dispatcher"
DEMO_PEOPLE: Final = (
    ("dispatcher", "Dana Dispatcher", "", ("dispatcher",)),
    ("investigator", "Ira Investigator", "", ("investigator",)),
    ("officer", "Olive Officer", "", ("officer",)),
    ("supervisor", "Sam Supervisor", "", ("supervisor",)),
    ("manager", "Morgan Manager", "", ("program_manager",)),
    ("contractor", "Casey Contractor", "Example Maintenance LLC", ("contractor",)),
    ("administrator", "Alex Administrator", "", ("alpr_admin",)),
    ("auditor", "Audrey Auditor", "", ("auditor",)),
    ("retention", "Robin Records", "", ("retention_officer", "custodian")),
)
"""Username, name, organization (empty: the agency itself) and roles of the demonstration's people."""
DEMO_GRANTS: Final = dict.fromkeys(("dispatcher", "investigator", "officer", "supervisor"), ("clets",))
"""Sources opened to those of them who work on hits: they type what CLETS or NCIC answered (ACC-07)."""
_GUESSED: Final = frozenset(
    [
        "password",
        "passwort",
        "passw0rd",
        "passphrase",
        "secret",
        "secure",
        "letmein",
        "welcome",
        "changeme",
        "default",
        "admin",
        "administrator",
        "root",
        "user",
        "guest",
        "test",
        "temp",
        "login",
        "signin",
        "access",
        "police",
        "policedepartment",
        "sheriff",
        "officer",
        "deputy",
        "dispatch",
        "dispatcher",
        "detective",
        "sergeant",
        "lieutenant",
        "captain",
        "chief",
        "badge",
        "patrol",
        "cruiser",
        "county",
        "city",
        "department",
        "dept",
        "law",
        "enforcement",
        "justice",
        "plate",
        "plates",
        "plateline",
        "alpr",
        "lpr",
        "camera",
        "hotlist",
        "clets",
        "ncic",
        "doj",
        "fbi",
        "cjis",
        "qwerty",
        "qwertyuiop",
        "asdfgh",
        "asdfghjkl",
        "zxcvbn",
        "zxcvbnm",
        "azerty",
        "qazwsx",
        "iloveyou",
        "dragon",
        "monkey",
        "football",
        "baseball",
        "basketball",
        "sunshine",
        "princess",
        "superman",
        "batman",
        "trustno",
        "starwars",
        "whatever",
        "freedom",
        "shadow",
        "master",
        "summer",
        "winter",
        "spring",
        "autumn",
        "fall",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "america",
        "american",
        "california",
        "losangeles",
        "sanfrancisco",
        "google",
        "microsoft",
        "apple",
        "company",
        "one",
        "two",
        "three",
        "hello",
        "abc",
        "abcd",
        "abcdef",
        "aaaaaa",
        "my",
        "the",
        "is",
        "for",
        "and",
        "to",
        "our",
        "this",
        "that",
    ]
)
"""Words that guessing begins with; a password made of nothing else is refused (CJIS IA-5(1)(a))."""


class SessionState(StrEnum):
    """What a session still opens."""

    OPEN = "open"
    LOCKED = "locked"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of the account that someone tries to open; `password_ok` is the hash's verdict.

    `code_used`: the code given is right, and was taken before.
    """

    password_ok: bool
    disabled: bool
    locked_at: datetime | None
    second_factor_enrolled: bool
    second_factor_ok: bool
    password_first: bool = False
    password_at: datetime | None = None
    by_provider: bool = False
    code_used: bool = False


def locked(locked_at: datetime | None, opens_after: timedelta | None, now: datetime) -> bool:
    """Tell whether an account takes no attempt, not even the right one.

    `opens_after` None: until an administrator releases it, as CJIS AC-7 asks.
    """
    return locked_at is not None and (opens_after is None or now - locked_at < opens_after)


def locks(failures: int) -> bool:
    """Tell whether this many wrong attempts in a row lock the account."""
    return failures >= MAX_FAILURES


def may_sign_in(
    login: Login, profile: AgencyProfile | None, *, loopback: bool, opens_after: timedelta | None, now: datetime
) -> Decision:
    """Decide a sign-in with a password. Until the password is right, nothing is told about the account (CJIS IA-6).

    A lock is told before the password is looked at; a name that is no account's is locked in the same way, so it does
    not tell which names exist.

    A first password opens a session without second factor, in which nothing can be done but to set one up.
    """
    if locked(login.locked_at, opens_after, now):
        return locked_refusal(opens_after)
    if not login.password_ok or login.disabled or profile is None:
        return Refused("ACC-01", "CREDENTIALS_WRONG", "username or password is wrong")
    if login.by_provider:
        return Refused("ACC-01", "PROVIDER_SIGN_IN_REQUIRED", "this account signs in with the agency's own sign-in")
    if login.password_first and (login.password_at is None or now - login.password_at >= FIRST_PASSWORD_LIVES):
        return Refused("ACC-01", "FIRST_PASSWORD_EXPIRED", "this first password is too old: ask for a new one")
    if login.second_factor_enrolled:
        if not login.second_factor_ok and login.code_used:
            return Refused("SEC-03", "SECOND_FACTOR_WRONG", "this code was used already: wait for the next one")
        if not login.second_factor_ok:
            return Refused("SEC-03", "SECOND_FACTOR_WRONG", "enter the current 6-digit code of your authenticator")
    elif not login.password_first and second_factor_needed(profile, loopback=loopback):
        return Refused(
            "SEC-03", "SECOND_FACTOR_NOT_ENROLLED", "this account needs a second factor: ask an administrator"
        )
    return ADMITTED


def locked_refusal(opens_after: timedelta | None) -> Refused:
    """Say that an account is locked, and what opens it."""
    words = "this account is locked until an ALPR administrator releases it"
    if opens_after is not None:
        words = f"wait {opens_after // timedelta(minutes=1)} minutes or ask an administrator"
    return Refused("ACC-01", "ACCOUNT_LOCKED", f"too many wrong attempts: {words}")


def left_to_set_up(*, password_first: bool, enrolled: bool, waived: bool) -> Refused | None:
    """Say what a person still has to set up before the session opens anything (CJIS IA-2, IA-5)."""
    if password_first:
        return Refused("SEC-03", "PASSWORD_FIRST", "choose your own password first")
    if not enrolled and not waived:
        return Refused("SEC-03", "SECOND_FACTOR_NOT_ENROLLED", "set up a second factor first")
    return None


def session_state(
    authenticated_at: datetime, last_seen_at: datetime, idle: timedelta, now: datetime, *, exempt: bool
) -> SessionState:
    """Tell what a session opens: all, nothing until its person proves again who it is, or nothing any more.

    `exempt` holds for terminals in a staffed dispatch room: they are not locked for being idle (CJIS AC-11).
    """
    if now - last_seen_at >= LONGEST_SESSION:
        return SessionState.OVER
    if now - authenticated_at >= LONGEST_SESSION or (not exempt and now - last_seen_at >= idle):
        return SessionState.LOCKED
    return SessionState.OPEN


def locks_at(authenticated_at: datetime, last_seen_at: datetime, idle: timedelta, *, exempt: bool) -> datetime:
    """Tell when a session that nobody uses any more locks."""
    longest = authenticated_at + LONGEST_SESSION
    return longest if exempt else min(longest, last_seen_at + idle)


def lock_exempt(roles: Sequence[str], source_ip: str, rooms: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether this is a dispatcher at a terminal of a staffed dispatch room, which the operator named."""
    try:
        address = ip_address(source_ip)
    except ValueError:
        return False
    return DISPATCH in roles and any(address in room for room in rooms)


def fresh(person: Person, now: datetime) -> Decision:
    """Demand that a person proved a moment ago who it is, before what opens the account is changed."""
    proved = datetime.fromisoformat(person.authenticated_at) if person.authenticated_at else None
    if proved is None or now - proved >= FRESH:
        return Refused("SEC-03", "PROVE_AGAIN", "prove again who you are: lock the screen and unlock it")
    return ADMITTED


def password_fault(password: str, person: Person, shortest: int) -> Refused | None:
    """Say what is wrong with a new password, or None (CJIS IA-5(1)(a), NIST SP 800-63B 3.1.1.2).

    Length counts; nothing is cut off and no kinds of characters are demanded. Refused are passwords made only of words
    that guessing begins with, of the person's own names, of one character, or of a keyboard's or alphabet's order.
    """
    if len(password) < shortest:
        return Refused("SEC-03", "PASSWORD_TOO_SHORT", f"a password has at least {shortest} characters")
    if len(password) > LONGEST_PASSWORD:
        return Refused("SEC-03", "PASSWORD_TOO_LONG", f"a password has at most {LONGEST_PASSWORD} characters")
    names = {part for text in (person.username, person.full_name, person.agency, person.organization)
             for part in re.findall(r"[a-z]{2,}", text.lower())}  # fmt: skip
    spellings = (password.lower(), password.lower().translate(_LEET))
    letters = [re.sub(r"[^a-z]", "", spelling) for spelling in spellings]
    guessed = any(len(text) * 2 >= len(password) and _made_of(text, _GUESSED | names) for text in letters)
    if len(set(password)) < 5 or guessed or _in_order(password):
        return Refused("SEC-03", "PASSWORD_EASY", "this password is among the first that are guessed: take another")
    return None


_LEET: Final = str.maketrans("013457@$!", "oleastasi")
_ORDERS: Final = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn")
_NEIGHBORS: Final = frozenset(
    pair for order in _ORDERS for line in (order, order[::-1]) for pair in map("".join, pairwise(line))
)


def _made_of(text: str, words: frozenset[str] | set[str]) -> bool:
    reached = [True] + [False] * len(text)
    for end in range(1, len(text) + 1):
        reached[end] = any(
            len(word) <= end and reached[end - len(word)] and text.endswith(word, 0, end) for word in words
        )
    return bool(text) and reached[-1]


def _in_order(password: str) -> bool:
    pairs = ["".join(pair) for pair in pairwise(password.lower())]
    return sum(pair in _NEIGHBORS for pair in pairs) * 4 >= len(pairs) * 3


def watches(person: Person, profile: AgencyProfile) -> bool:
    """Tell to whom alerts about accounts go, and who releases locked ones (USE-04, CJIS AC-7)."""
    return not ALERTED.union(profile.governance.access_managers).isdisjoint(person.roles)


def counter_moved(known: int, found: int) -> bool:
    """Tell whether a security key's counter says that it is the only one (WebAuthn 6.1.1); keys without one stay at 0."""
    return found > known or found == known == 0


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


def totp_used(secret: str, code: str, last_step: int, now: datetime) -> bool:
    """Tell whether a code would be right, had it or a later one not been used already."""
    return totp_step(secret, code, last_step, now) is None and totp_step(secret, code, 0, now) is not None


class Attempts:
    """Attempts by address within the last minute: past the limit an address waits (OWASP API4).

    Counted by each replica for itself, for at most `most` addresses; the account's own lock does not depend on it.
    Also counts wrong attempts on names that are no account's, which then seem locked as any account would (CJIS IA-6).
    """

    def __init__(self, limit: int, most: int = 10_000, window: timedelta = timedelta(minutes=1)) -> None:
        self._limit = limit
        self._most = most
        self._window = window
        self._seen: dict[str, list[datetime]] = {}

    def waits(self, address: str, now: datetime) -> bool:
        """Tell whether an address has to wait."""
        return len(self._recent(address, now)) >= self._limit

    def failed(self, address: str, now: datetime) -> None:
        """Count a wrong attempt."""
        recent = self._recent(address, now)
        self._seen.pop(address, None)
        self._seen[address] = [*recent, now][-self._limit :]
        while len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]  # whoever failed longest ago

    def _recent(self, address: str, now: datetime) -> list[datetime]:
        return [moment for moment in self._seen.get(address, ()) if now - moment < self._window]
