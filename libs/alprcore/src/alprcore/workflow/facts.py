"""What the work on one hit is made of: who acts from where, what is given for a step, and what has been done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from alprcore.model import ClientKind, DeviceKind, Refused, StateMatch
from alprcore.policy import Overridden


class Step(StrEnum):
    """One step of the work on a hit, as profiles and screens name it."""

    READ_CHECK = "read_check"
    VERIFY = "verify"
    BROADCAST = "broadcast"
    BROADCAST_RESULT = "broadcast_result"
    CALL = "call"
    DESCRIBE = "describe"
    NATURE_REVIEW = "nature_review"
    ACTION = "action"
    DISPOSITION = "disposition"


class Sequence(StrEnum):
    """Which of the profile's three sequences is followed."""

    FIXED = "fixed"
    MOBILE = "mobile"
    DESKTOP = "desktop"


class HitState(StrEnum):
    """Where a hit stands. It begins unverified; misread, wrong_state, not_current, closed and withdrawn are its ends."""

    UNVERIFIED = "unverified"
    READ_CHECKED = "read_checked"
    VERIFIED = "verified"
    BROADCAST = "broadcast"
    ACTIONED = "actioned"
    MISREAD = "misread"
    WRONG_STATE = "wrong_state"
    NOT_CURRENT = "not_current"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class CheckResult(StrEnum):
    """What a person found who compared the read with the picture or the vehicle (HIT-06, HIT-08)."""

    CORRECT = "correct"
    MISREAD = "misread"
    WRONG_STATE = "wrong_state"


class CheckMethod(StrEnum):
    """How it was compared (HIT-06)."""

    IMAGE_REVIEW = "image_review"
    VISUAL_ON_VEHICLE = "visual_on_vehicle"


class Source(StrEnum):
    """The database that was asked (HIT-09)."""

    CLETS = "CLETS"
    NCIC = "NCIC"
    OTHER = "OTHER"


class Route(StrEnum):
    """How it was asked (HIT-26)."""

    MOBILE_TERMINAL = "mobile_terminal"
    DISPATCH = "dispatch"
    DESKTOP = "desktop"


class Result(StrEnum):
    """What it said of the entry (HIT-09). An error confirms nothing."""

    ACTIVE = "active"
    NOT_ACTIVE = "not_active"
    NO_RECORD = "no_record"
    ERROR = "error"


class BroadcastKind(StrEnum):
    """What is put on the air: the hit at first, a BOLO (HIT-14), or what the database answered (HIT-13)."""

    INITIAL = "initial"
    BOLO = "bolo"
    CLETS_RESULT = "clets_result"


class ActionType(StrEnum):
    """What an officer does about a hit."""

    TRAFFIC_STOP = "traffic_stop"
    INVESTIGATIVE_STOP = "investigative_stop"
    ARREST = "arrest"
    VEHICLE_RECOVERY = "vehicle_recovery"
    OTHER = "other"


STOPS: Final = frozenset({ActionType.TRAFFIC_STOP, ActionType.INVESTIGATIVE_STOP, ActionType.ARREST})
"""Actions that stop a person: the hit is never their sole basis where the policy says so (HIT-12)."""


class BasisType(StrEnum):
    """What a stop rests on besides the hit (HIT-12)."""

    REASONABLE_SUSPICION = "reasonable_suspicion"
    PROBABLE_CAUSE = "probable_cause"


class Exigency(StrEnum):
    """Why confirming first would be unsafe (HIT-10)."""

    COMPELLING_CIRCUMSTANCES = "compelling_circumstances"
    OFFICER_SAFETY = "officer_safety"


class Outcome(StrEnum):
    """How it ended."""

    STOPPED = "stopped"
    ARREST = "arrest"
    RECOVERED = "recovered"
    GONE_ON_ARRIVAL = "gone_on_arrival"
    NOT_LOCATED = "not_located"
    NO_ACTION = "no_action"
    OTHER = "other"


class Occupied(StrEnum):
    """Whether somebody was in the vehicle (HIT-24, HIT-25)."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class TaskKind(StrEnum):
    """A duty with a clock (HIT-10, HIT-13, HIT-19, HIT-24)."""

    CONFIRM_AFTER = "confirm_after"
    CLETS_RESULT = "clets_result"
    BROADCAST = "broadcast"
    CALL = "call"


class Status(StrEnum):
    """How a step stands: done; open now; waiting for others; left out with a reason; not needed any more."""

    DONE = "done"
    OPEN = "open"
    WAITING = "waiting"
    LEFT_OUT = "left_out"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True)
class ReadCheck:
    """Given for `read_check`. A corrected text is no concern of the order of work and stays with who stores it."""

    result: CheckResult
    method: CheckMethod
    state_confirmed: StateMatch = StateMatch.UNKNOWN


@dataclass(frozen=True, slots=True)
class Verification:
    """Given for `verify`."""

    source: Source
    route: Route
    result: Result


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Given for `broadcast` and `broadcast_result` (its kind decides which); empty texts count as left out (HIT-27)."""

    kind: BroadcastKind
    content: Mapping[str, str]
    channels: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Given for `call` (HIT-20): description and direction may follow as `describe`."""

    call_type: str
    vehicle_description: str = ""
    direction_of_travel: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """Given for `describe`: what the dispatcher learned of the vehicle, `unknown` being an answer (HIT-22)."""

    vehicle_description: str
    direction_of_travel: str


@dataclass(frozen=True, slots=True)
class NatureReview:
    """Given for `nature_review`: which kind of advisory it is (HIT-11)."""

    nature: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What a stop rests on besides the hit (HIT-12)."""

    type: BasisType
    narrative: str


@dataclass(frozen=True, slots=True)
class Action:
    """Given for `action`. `reason` says why it was not practicable to verify first, where that is permitted (HIT-09);
    `exigency` and `narrative` why it was unsafe (HIT-10).
    """

    type: ActionType
    reason: str = ""
    basis: Basis | None = None
    exigency: Exigency | None = None
    narrative: str = ""


@dataclass(frozen=True, slots=True)
class Disposition:
    """Given for `disposition` (HIT-25): `place` and `recovered_at` belong to a vehicle that was recovered."""

    outcome: Outcome
    occupied: Occupied = Occupied.UNKNOWN
    recovered: bool = False
    place: str = ""
    recovered_at: datetime | None = None
    wrong_vehicle: bool = False


Given = ReadCheck | Verification | Broadcast | Call | Description | NatureReview | Action | Disposition


def step_of(given: Given) -> Step:
    """Tell which step something is given for."""
    if isinstance(given, Broadcast):
        return Step.BROADCAST_RESULT if given.kind is BroadcastKind.CLETS_RESULT else Step.BROADCAST
    return _STEPS[type(given)]


_STEPS: Final[Mapping[type, Step]] = {
    ReadCheck: Step.READ_CHECK,
    Verification: Step.VERIFY,
    Call: Step.CALL,
    Description: Step.DESCRIBE,
    NatureReview: Step.NATURE_REVIEW,
    Action: Step.ACTION,
    Disposition: Step.DISPOSITION,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The hit and who acts on it now: from which client, in which roles (of the session, never of a request).

    `state_match` is what the matcher found (HIT-08); `words` are texts of the hit that are no basis for a stop when
    somebody only repeats them: plate, reason, list. `plates`: what the plate may be called on the air (HIT-27); none
    are named where nobody broadcasts.
    """

    device_kind: DeviceKind
    client_kind: ClientKind
    roles: frozenset[str]
    reason: str
    advisory_class: str
    presented_at: datetime
    words: tuple[str, ...] = ()
    state_match: StateMatch = StateMatch.UNKNOWN
    plates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """One step that was done: what was given, when, by whom from where, and which gates were left out with a reason."""

    given: Given
    at: datetime
    client_kind: ClientKind
    roles: frozenset[str]
    by: str = ""
    overridden: tuple[Overridden, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that was done about a hit, oldest first; and when its entry was withdrawn, or the hit closed."""

    done: tuple[Done, ...] = ()
    withdrawn_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A step may be done. `overridden` holds every gate that it leaves out with a reason, to be recorded as
    `gate_overridden`; `unverified` marks an action that no active verification precedes (HIT-09, HIT-10).
    """

    overridden: tuple[Overridden, ...] = ()
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One step for the screen. `listed`: it stands in the profile's sequence (OPS-03); `needs`: steps that have
    to be done first, or left out with a reason where their gates are soft; `needs_reason`: it goes on with an `override_reason` only; `refusal`: why it cannot be done
    now, else None; `done`: the newest time it was.
    """

    step: Step
    listed: bool
    status: Status
    gate: str
    needs: tuple[Step, ...] = ()
    needs_reason: bool = False
    refusal: Refused | None = None
    done: Done | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A duty with a clock: `due_at` None has no time of its own; it is closed by what was done, never by hand."""

    kind: TaskKind
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    rule_id: str


@dataclass(frozen=True, slots=True)
class Forms:
    """What the forms of the steps ask of whoever looks: what a broadcast must say (HIT-27), on which channels and to
    whom at least (HIT-23), the call types (HIT-20), databases and ways of asking them (HIT-09, HIT-26), what excuses an
    action before its verification (HIT-10), whether a stop takes a basis of its own (HIT-12), and whether the read is
    confirmed by eye on the vehicle (HIT-16).
    """

    kind: BroadcastKind
    content: tuple[str, ...]
    channels: tuple[str, ...]
    audience: tuple[str, ...]
    result_content: tuple[str, ...]
    result_audience: tuple[str, ...]
    call_types: Mapping[str, str]
    sources: tuple[Source, ...]
    routes: tuple[Route, ...]
    exigencies: tuple[Exigency, ...]
    independent_basis: bool
    visual: bool
