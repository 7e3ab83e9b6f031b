"""What a CAD system's answers come to, how messages to it are signed, and when they are tried again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from alprcore.hooks import SECRET_PREFIX
from alprcore.model import (
    ADMITTED,
    CadSaid,
    CadStatus,
    CapType,
    Decision,
    Notification,
    NotificationKind,
    Person,
    Refused,
)

ADMIN_ROLES: Final = frozenset({"alpr_admin"})
IMAGE_ROLES: Final = frozenset({"dispatcher", "supervisor"})
"""Who opens a link with a session of their own."""
READ_ROLES: Final = frozenset({"alpr_admin", "supervisor", "dispatcher"})
_FOLLOWS: Final[Mapping[str, frozenset[CadSaid]]] = {
    "": frozenset({CadSaid.ACCEPTED, CadSaid.REJECTED}),
    CadSaid.REJECTED: frozenset({CadSaid.ACCEPTED}),
    CadSaid.ACCEPTED: frozenset({CadSaid.DISPATCHED, CadSaid.CLOSED}),
    CadSaid.DISPATCHED: frozenset({CadSaid.DISPATCHED, CadSaid.ON_SCENE, CadSaid.CLOSED}),
    CadSaid.ON_SCENE: frozenset({CadSaid.DISPATCHED, CadSaid.ON_SCENE, CadSaid.CLOSED}),
    CadSaid.CLOSED: frozenset(),
}
"""What a CAD may say next. A second unit is dispatched, or arrives, while the first is there; what is closed stays so."""
_WORDS: Final[Mapping[str, str]] = {
    "": "CAD has not answered in order",
    CadSaid.ACCEPTED: "CAD has taken the call",
    CadSaid.REJECTED: "CAD has rejected it: nobody is being sent",
    CadSaid.DISPATCHED: "A unit is on its way",
    CadSaid.ON_SCENE: "A unit is on scene",
    CadSaid.CLOSED: "CAD has closed the call",
}
_CANCELS: Final[frozenset[str | None]] = frozenset({"misread", "wrong_state"})
CHANGES: Final = frozenset(
    {"read_check", "verification", "broadcast", "nature_review", "action", "disposition", "closure", "call_state"}
)
"""What people do with a hit that a CAD is told of: in codes, but for what a call says of the vehicle."""

SECRET_BYTES: Final = 32
TOLERANCE_S: Final = 300
OLD_SECRET_FOR: Final = timedelta(hours=24)
"""How long messages carry a second signature with the secret before."""
KEPT_TRYING: Final = timedelta(hours=24)
"""How long a message is tried; the endpoint itself is never switched off."""
FIRST_DELAY_S: Final = 2.0
LONGEST_DELAY_S: Final = 300.0
LONGEST_WISH_S: Final = 3600.0
_LONGEST_URL: Final = 500
_NEVER: Final = tuple(
    ip_network(text)
    for text in ("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
)
"""Addresses that are no server: this host, link-local (where clouds answer for credentials), multicast, reserved."""
_EMBEDDING: Final = (ip_network("64:ff9b::/96"), ip_network("2002::/16"), ip_network("2001::/32"))
"""IPv6 addresses that carry an IPv4 one inside (RFC 6052, 3056, 4380): where they lead is not seen from outside."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that does not follow from those before it: shown, not applied."""

    said: CadStatus
    reason_code: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What all answers about an incident come to."""

    last: CadStatus | None
    call_number: str
    unit: str
    problems: tuple[Problem, ...]


def standing(said: Iterable[CadStatus]) -> Standing:
    """Work out where an incident stands in the CAD.

    The answers are taken in the order in which they were said, not in which they came; of one id the first counts. So
    repeats and late arrivals change nothing, and every replica comes to the same.
    """
    unique: dict[str, CadStatus] = {}
    for item in said:
        unique.setdefault(item.event_id, item)
    last: CadStatus | None = None
    call_number = unit = ""
    problems = []
    for item in sorted(unique.values(), key=lambda one: (one.said_at, _RANK[one.status], one.event_id)):
        if item.status in _FOLLOWS[last.status if last else ""]:
            last = item
            call_number, unit = item.call_number or call_number, item.unit or unit
        elif last is None or item.status is not last.status:
            problems.append(Problem(item, "CAD_CLOSED" if last and last.status == "closed" else "CAD_OUT_OF_ORDER"))
    return Standing(last, call_number, unit, tuple(problems))


_RANK: Final = {status: number for number, status in enumerate(CadSaid)}
"""Two answers of the same moment are taken in the order in which they make sense."""


def fact(now_stands: Standing) -> dict[str, Any]:
    """Lay out for the card what the CAD says."""
    last = now_stands.last
    return {
        "status": last.status.value if last else "",
        "words": _WORDS[last.status if last else ""],
        "reason": last.reason if last else "",
        "call_number": now_stands.call_number,
        "unit": now_stands.unit,
        "at": last.said_at.isoformat() if last else None,
        "simulated": bool(last and last.simulated),
        "problems": [
            {
                "status": problem.said.status.value,
                "reason_code": problem.reason_code,
                "words": f"CAD said {problem.said.status.value.replace('_', ' ')}, which does not follow: not applied",
                "at": problem.said.said_at.isoformat(),
            }
            for problem in now_stands.problems
        ],
    }


def cap_type(change: str, facts: Mapping[str, str]) -> CapType:
    """Decide what a message does: a misread takes everything back, all else brings the CAD up to date."""
    cancels = change == "read_check" and not _CANCELS.isdisjoint((facts.get("result"), facts.get("state")))
    return CapType.CANCEL if cancels else CapType.UPDATE


def for_cad(notification: Notification) -> bool:
    """Tell whether a CAD gets this notification: the dispatcher's, made by the matcher."""
    kinds = (NotificationKind.HIT, NotificationKind.UPDATE, NotificationKind.RECALL, NotificationKind.STORM)
    return notification.kind in kinds and notification.client_kind == "dispatch_console"


def administers(person: Person) -> bool:
    """Tell whether this person connects CAD systems."""
    return not ADMIN_ROLES.isdisjoint(person.roles)


def may_connect(person: Person) -> Decision:
    """Decide whether this person may connect a CAD: whoever answers for the system at the agency."""
    if not administers(person):
        return Refused("CAD", "ROLE_NOT_AUTHORISED", "CAD systems are connected by: alpr_admin")
    return ADMITTED


def may_look(person: Person) -> Decision:
    """Decide whether this person sees what the CAD said and how deliveries stand."""
    if READ_ROLES.isdisjoint(person.roles):
        return Refused("CAD", "ROLE_NOT_AUTHORISED", "the CAD page is open to dispatchers, supervisors and alpr_admin")
    return ADMITTED


def endpoint_url(text: str, *, plain: bool, networks: Sequence[IPv4Network | IPv6Network]) -> str | Refused:
    """Judge the address of an endpoint; an empty one is for fetching images alone. HTTPS (`plain`: HTTP too), a host, no name or password in it, no fragment.

    An address given in figures is judged here as well; one given by name, whenever it is called.
    """
    if not text:
        return text
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Refused("CAD", "URL_INVALID", "this is no address")
    if not host or len(text) > _LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text:
        return Refused("CAD", "URL_INVALID", "an address has a host, is plain ASCII and at most 500 characters long")
    if parts.scheme != "https" and not (plain and parts.scheme == "http"):
        return Refused("CAD", "URL_NOT_HTTPS", "messages hold plates: they go by HTTPS only")
    if parts.username or parts.password or parts.fragment or "@" in parts.netloc:
        return Refused("CAD", "URL_INVALID", "no name, password or fragment belongs in the address")
    try:
        address = ip_address(host)
    except ValueError:
        return text
    if not address_open(address, networks):
        barred = "it is link-local, multicast or reserved and is never called"
        closed = "whoever runs Plateline adds its network to ALPR_CONSOLE_WEBHOOK_NETWORKS, a JSON list"
        detail = f"this address is not on the open internet: {barred if _barred(address) else closed}"
        return Refused("CAD", "ADDRESS_NOT_ALLOWED", detail)
    return text


def host_of(url: str) -> str:
    """Name the host of an endpoint's address; empty for one without."""
    return urlsplit(url).hostname or ""


def address_open(address: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Decide whether a message may be sent to this address: on the open internet, or in a network that was allowed.

    CAD systems often stand inside: the operator names their networks. Link-local and multicast addresses are never
    called, whatever was allowed.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if _barred(address):
        return False
    return any(address in network for network in networks) or address.is_global


def _barred(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in (*_NEVER, *_EMBEDDING))


def fresh(timestamp: str, now: datetime) -> int | None:
    """Read the time of a signed request: within five minutes of now, or None (Standard Webhooks 1.0)."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return None
    sent = int(timestamp)
    return sent if abs(now.timestamp() - sent) <= TOLERANCE_S else None


def new_secret(random: bytes) -> str:
    """Write 256 random bits as a secret."""
    return SECRET_PREFIX + b64encode(random).decode()


def next_try(attempts: int, jitter: float, wish_s: float | None, now: datetime) -> datetime:
    """Say when a message that failed `attempts` times is tried again.

    After 2 s, then twice as long each time, up to 5 minutes, spread over the upper half (`jitter` 0 to 1). The
    receiver's Retry-After is honored, up to an hour.
    """
    delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 16)) * (0.5 + 0.5 * jitter)
    return now + timedelta(seconds=max(delay, min(wish_s or 0.0, LONGEST_WISH_S)))


def retry_after(header: str, now: datetime) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3) in seconds: a number, or a date; None for anything else."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
