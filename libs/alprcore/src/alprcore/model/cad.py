"""What passes between us and an agency's dispatch system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CapType(StrEnum):
    """What a message does to those before it (OASIS CAP 1.2, `msgType`)."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"


class CadSaid(StrEnum):
    """What a CAD system says of an incident (after APCO ASAP, ANS 2.101)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DISPATCHED = "dispatched"
    ON_SCENE = "on_scene"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Before:
    """A message that was sent before: its id and when."""

    identifier: str
    sent: datetime


@dataclass(frozen=True, slots=True)
class ImageLink:
    """Where one of a hit's two images can be fetched, and until when."""

    role: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CadStatus:
    """One answer of a CAD system. `simulated`: a simulator said it, nobody was sent."""

    event_id: str
    incident_id: str
    status: CadSaid
    said_at: datetime
    reason: str = ""
    call_number: str = ""
    unit: str = ""
    simulated: bool = False
