"""Who signs on as what, and which signed-on clients a message goes to (HIT-03, HIT-04, DEF-12)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, ClientKind, Decision, Notification, NotificationKind, Person, Refused
from alprcore.policy import AgencyProfile

FIELD_ROLES: Final[Mapping[ClientKind, frozenset[str]]] = {
    ClientKind.VEHICLE: frozenset({"officer", "supervisor"}),
    ClientKind.DESKTOP: frozenset({"officer", "investigator", "supervisor", "alpr_admin", "program_manager"}),
}
"""Who works in a vehicle, and who is told at a desk (DEF-12)."""
PURSUIT: Final = "pursuit"
MESSAGES: Final = (NotificationKind.BROADCAST.value, NotificationKind.ESCALATION.value, PURSUIT)
"""What is shown as a message of its own; every other kind moves the card of its incident."""
ESCALATED_TO: Final = "supervisor"
WORDS: Final = {ClientKind.VEHICLE: "Vehicle", ClientKind.DESKTOP: "Desktop"}
_CALL_SIGN: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9 -]{0,10}[A-Z0-9])?")


@dataclass(frozen=True, slots=True)
class Client:
    """A living sign-on: the session that is a vehicle or a desktop now, its call sign, and its person's roles."""

    client_id: str
    session_id: str
    client_kind: ClientKind
    unit: str
    person_id: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session asks to be: the kind, the call sign, the shift in the agency's words, an ALPR device or none."""

    client_kind: ClientKind
    unit: str
    shift: str = ""
    device_id: str = ""


def call_sign(text: str) -> str:
    """Write a call sign in one way: capitals, single spaces."""
    return " ".join(text.upper().split())


def kinds_open(person: Person, profile: AgencyProfile) -> tuple[ClientKind, ...]:
    """Name what this person may sign on as: by role, and only what the agency's hits are displayed on (HIT-03)."""
    shown = {kind for _, kind in profile.display_targets}
    return tuple(kind for kind, roles in FIELD_ROLES.items() if kind in shown and not roles.isdisjoint(person.roles))


def may_sign_on(person: Person, profile: AgencyProfile, wish: Wish) -> Decision:
    """Decide whether a session becomes a vehicle's or a desktop's client.

    A device is worked with only by who is assigned to it (ACC-14); the training that takes is decided beside this.
    """
    if wish.client_kind not in {kind for _, kind in profile.display_targets} - {ClientKind.DISPATCH_CONSOLE}:
        return Refused("HIT-03", "CLIENT_NOT_SHOWN", "the agency's hits are not displayed on clients of this kind")
    if wish.client_kind not in kinds_open(person, profile):
        named = ", ".join(profile.role_title(role) for role in sorted(FIELD_ROLES[wish.client_kind]))
        return Refused("HIT-04", "ROLE_NOT_AUTHORISED", f"this is open to: {named}")
    if not _CALL_SIGN.fullmatch(wish.unit):
        return Refused("HIT-03", "FIELD_INVALID", "a call sign has 1 to 12 letters, digits, spaces or hyphens")
    if wish.device_id and wish.client_kind is not ClientKind.VEHICLE:
        return Refused("ACC-14", "FIELD_INVALID", "only a vehicle works with a device")
    if wish.device_id and wish.device_id not in person.devices:
        return Refused("ACC-14", "DEVICE_NOT_ASSIGNED", "this device is not assigned to you")
    return ADMITTED


def recipients(notification: Notification, clients: Sequence[Client]) -> tuple[Client, ...]:
    """Choose the signed-on clients that a notification is for (HIT-03).

    A broadcast names one client; an escalation is for every signed-on supervisor; everything else goes to all clients
    of its kind. What is meant for dispatch consoles goes to no client: their sessions are told by the queue.
    """
    if notification.kind is NotificationKind.BROADCAST:
        return tuple(one for one in clients if one.client_id == notification.target)
    if notification.kind is NotificationKind.ESCALATION:
        return tuple(one for one in clients if ESCALATED_TO in one.roles)
    return tuple(one for one in clients if one.client_kind is notification.client_kind)


def content(notification: Notification) -> dict[str, Any]:
    """Give what a broadcast says, field by field, and who said it when; nothing where there is none (HIT-27)."""
    said = notification.broadcast
    if said is None:
        return {}
    return {
        "broadcast_id": said.broadcast_id, "kind": said.kind, "fields": dict(said.content),
        "channels": list(said.channels), "audience": list(said.audience), "by": said.by, "at": said.at.isoformat(),
        "plate": notification.hit.read.plate.reveal(),
    }  # fmt: skip


def client(row: Mapping[str, Any]) -> Client:
    """Make a client of its row."""
    return Client(
        row["client_id"], row["session_id"], ClientKind(row["client_kind"]), row["unit"], row["person_id"],
        tuple(row["roles"]),
    )  # fmt: skip


def message(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a message for the screen."""
    return {
        "delivery_id": row["delivery_id"],
        "kind": row["kind"],
        "revision": row["revision"],
        "incident_id": row["incident_id"],
        "hit_id": row["hit_id"],
        "audible": row["audible"],
        "screen_text": row["screen_text"],
        "content": json.loads(row["content"]),
        **{name: _text(row[name]) for name in ("notified_at", "presented_at", "acknowledged_at")},
    }


def with_deliveries(card: Mapping[str, Any], rows: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Put beside a card what this client was sent about its incident, oldest first."""
    sent = [
        {
            "delivery_id": row["delivery_id"],
            "kind": row["kind"],
            "revision": row["revision"],
            "audible": row["audible"],
            **{name: _text(row[name]) for name in ("delivered_at", "presented_at", "acknowledged_at")},
        }
        for row in rows
    ]
    return {**card, "deliveries": sent}


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
