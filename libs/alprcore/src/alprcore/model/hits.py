"""Hits and notifications: what a match says, and whom it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alprcore.model.reads import Plate, Read


class StateMatch(StrEnum):
    """Comparison of the read's state with the entry's (CAP-06, HIT-08)."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class MatchKind(StrEnum):
    """How the texts compare."""

    EXACT = "exact"
    LOOKALIKE = "lookalike"
    PARTIAL = "partial"


class Grade(StrEnum):
    """How far a hit is to be believed, best first."""

    EXACT = "exact"
    EXACT_STATE_UNKNOWN = "exact_state_unknown"
    STATE_MISMATCH = "state_mismatch"
    LOOKALIKE = "lookalike"
    PARTIAL = "partial"


class NotificationKind(StrEnum):
    """Why a notification is sent."""

    HIT = "hit"
    UPDATE = "update"
    RECALL = "recall"
    STORM = "storm"
    BROADCAST = "broadcast"
    ESCALATION = "escalation"


class NotificationStatus(StrEnum):
    """Whether a notification is meant (OASIS CAP 1.2, `status`)."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    TEST = "Test"


class ClientKind(StrEnum):
    """Which client shows a notification (DEF-12)."""

    DISPATCH_CONSOLE = "dispatch_console"
    VEHICLE = "vehicle"
    DESKTOP = "desktop"


class WithdrawnReason(StrEnum):
    """Why an entry is no longer in force, expiry aside."""

    NOT_LISTED = "not_listed"
    LIST_WITHDRAWN = "list_withdrawn"


@dataclass(frozen=True, slots=True)
class Difference:
    """One look-alike position of a hit."""

    position: int
    read_character: str
    entry_character: str
    read_probability: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One read that matches one list entry (HIT-01). Advisory, and unverified when made (HIT-05).

    A hit may be said again under the same id: by a higher revision of its read, or, of the same read, by a higher
    `revision`, when its entry is no longer in force (`withdrawn_at`) or a storm it waited with is over (`released_at`).
    """

    hit_id: str
    read: Read
    entry_id: str
    entry_plate: Plate
    entry_state: str
    state_match: StateMatch
    match_kind: MatchKind
    grade: Grade
    differences: tuple[Difference, ...]
    explanation: str
    probability: float
    list_code: str
    list_name: str
    list_version: int
    list_source: str
    list_source_time: datetime
    list_loaded_at: datetime
    list_age_s: int
    list_stale: bool
    reason: str
    advisory_class: str
    matched_at: datetime
    profile_version: str
    entry_sealed: bytes
    entry_key_id: str
    delayed: bool = False
    advisory: bool = True
    workflow_state: str = "unverified"
    revision: int = 0
    withdrawn_at: datetime | None = None
    withdrawn_reason: str = ""
    storm_id: str = ""
    storm_reason: str = ""
    released_at: datetime | None = None
    storm_kind: str = ""

    @property
    def held(self) -> bool:
        """Whether it waits with an alert storm: recorded, not announced by itself."""
        return bool(self.storm_id) and self.released_at is None

    @property
    def order(self) -> tuple[int, int]:
        """Rank among everything said of this hit; the highest holds."""
        return self.read.revision, self.revision


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What was put on the air about a hit (HIT-27). `content` by field of the agency's policy: nature, vehicle, plate,
    fixed_location, description, alert_info, direction; a field that was left out is not there. `result` is what the
    database answered, said by the console itself.
    """

    broadcast_id: str
    kind: str
    content: Mapping[str, str]
    channels: tuple[str, ...]
    audience: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one kind of client about one incident (HIT-02, HIT-03). `broadcast`: what the field is told."""

    notification_id: str
    incident_id: str
    revision: int
    agency: str
    kind: NotificationKind
    status: NotificationStatus
    target: str
    client_kind: ClientKind
    audible: bool
    screen_text: str
    hit: Hit
    notified_at: datetime
    profile_version: str
    broadcast: Broadcast | None = None


@dataclass(frozen=True, slots=True)
class StormRelease:
    """A person let the hits of an alert storm be announced."""

    storm_id: str
    agency: str
    released_by: str
    released_at: datetime
