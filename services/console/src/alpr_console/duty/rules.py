"""Who answers for a hit at every moment, what is late, and what an exercise looks like. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from alprcore.model import (
    ADMITTED,
    UNKNOWN,
    Box,
    Character,
    ClientKind,
    Decision,
    DeviceKind,
    GeoPoint,
    Grade,
    Hit,
    ImageRef,
    ImageRole,
    Location,
    LocationQuality,
    MatchKind,
    Notification,
    NotificationKind,
    NotificationStatus,
    Person,
    Plate,
    Provenance,
    Read,
    Refused,
    StateMatch,
    hit_id,
    incident_id,
    make_id,
    notification_id,
    read_id,
)
from alprcore.policy import AgencyProfile
from alprcore.workflow import DISPATCH, ENDS

WATCHED_WITHIN: Final = timedelta(seconds=90)
"""A screen that shows the queue says so every 20 s; after this time without a word nobody looks at it."""
MONITORED: Final = frozenset({DeviceKind.FIXED.value, DeviceKind.TRAILER.value})
"""Cameras whose hits dispatch answers for (HIT-15); a trailer is worked like a fixed camera (DEF-05)."""
NOTE_LENGTH: Final = 1000
EXERCISE: Final = "EXERCISE"
"""Plate, list and device of a hit that is an exercise: whoever sees any of them alone sees that it is one."""
TARGET: Final = "supervisor"
"""Display target of escalations (HIT-15)."""


class Late(StrEnum):
    """Why a supervisor is told of a hit; those after LEFT are what its work leaves to be done in time."""

    ACKNOWLEDGE = "acknowledge"
    LEFT = "left"
    BROADCAST = "broadcast"
    CLETS_RESULT = "clets_result"
    CONFIRM_AFTER = "confirm_after"
    CALL = "call"


WORDS: Final = {
    Late.ACKNOWLEDGE: "Nobody has taken this hit",
    Late.LEFT: "Whoever took this hit is not signed in any more",
    Late.BROADCAST: "This hit was not broadcast in time",
    Late.CLETS_RESULT: "The CLETS result of this hit was not broadcast in time",
    Late.CONFIRM_AFTER: "An action was taken before confirmation, and the confirmation is past due",
    Late.CALL: "The call for service of this hit is past due",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an agency waits: for somebody to take a hit, and for a dispatcher to watch again."""

    acknowledge: timedelta
    unattended: timedelta


@dataclass(frozen=True, slots=True)
class OpenHit:
    """An incident of the queue as the timer sees it."""

    device_kind: str
    state: str
    opened_at: datetime
    owner_id: str


NOBODY_THERE: Final = Refused(
    "HIT-15", "RECEIVER_NOT_ON_DUTY", "hits go to a dispatcher or supervisor who is signed in"
)
OFFERED_ALREADY: Final = Refused("HIT-15", "HANDOVER_OPEN", "your shift is offered already: withdraw that offer first")
UNATTENDED: Final = timedelta(minutes=2)
"""A change of shift at one screen takes less; after it, a queue that nobody watches is alarmed."""


def limits(profile: AgencyProfile) -> Limits:
    """Take an agency's times from its profile (HIT-15)."""
    return Limits(timedelta(seconds=profile.hits.acknowledge_s), UNATTENDED)


def may_own(person: Person) -> Decision:
    """Decide whether a person can answer for a hit: dispatch has the primary responsibility (HIT-15)."""
    if DISPATCH.isdisjoint(person.roles):
        return Refused("HIT-15", "ROLE_NOT_AUTHORISED", "hits are taken by: dispatcher, supervisor")
    return ADMITTED


def may_receive(by: Person, to: Mapping[str, Any] | None) -> Decision:
    """Decide whether hits can be handed to somebody: another one, who can own them and is signed in.

    `to`: person_id, roles, watching; None: there is no such person.
    """
    if to is None or DISPATCH.isdisjoint(to["roles"]) or not to["signed_in"]:
        return NOBODY_THERE
    if to["person_id"] == by.person_id:
        return Refused("HIT-15", "RECEIVER_NOT_ON_DUTY", "a shift is handed to somebody else")
    return ADMITTED


def late(hit: OpenHit, limits: Limits, on_duty: Collection[str], now: datetime) -> Late | None:
    """Find whether a hit has nobody who answers for it (HIT-15). `on_duty`: ids of the people who are signed in."""
    if hit.state in ENDS:
        return None
    if hit.owner_id:
        return None if hit.owner_id in on_duty else Late.LEFT
    waits = hit.device_kind in MONITORED and now - hit.opened_at >= limits.acknowledge
    return Late.ACKNOWLEDGE if waits else None


def unattended(
    last_watched: datetime | None, began_at: datetime | None, limits: Limits, now: datetime
) -> tuple[datetime | None, bool]:
    """Tell since when no dispatcher watches, None while one does, and whether that is alarmed (HIT-15).

    `last_watched`: when a dispatcher's screen last said that it shows the queue; None where none ever did, or that was
    forgotten: then the gap is as old as `began_at`, when it was first seen, and begins now where it was not.
    """
    if last_watched is not None and now - last_watched <= WATCHED_WITHIN:
        return None, False
    since = last_watched or began_at or now
    return since, now - since >= max(limits.unattended, WATCHED_WITHIN)


def escalation(hit: Hit, row: Mapping[str, Any], why: Late, profile: AgencyProfile, now: datetime) -> Notification:
    """Write what supervisors are told of a hit (HIT-15).

    `row`: incident_id, revision, status and audible of the incident; `about`: what of it is told, the task or since when
    who left owned it: another one of the same incident is another telling.
    """
    return Notification(
        notification_id=notification_id(row["incident_id"], f"{TARGET}/{why}/{row['about']}", row["revision"]),
        incident_id=row["incident_id"],
        revision=row["revision"],
        agency=hit.read.agency,
        kind=NotificationKind.ESCALATION,
        status=NotificationStatus(row["status"]),
        target=TARGET,
        client_kind=ClientKind.DISPATCH_CONSOLE,
        audible=row["audible"],
        screen_text=f"{_marked(row['status'])}{WORDS[why]}.",
        hit=hit,
        notified_at=now,
        profile_version=profile.version,
    )


def exercise(person: Person, profile: AgencyProfile, kind: DeviceKind, now: datetime) -> list[Notification]:
    """Make up a hit to practice on: marked as an exercise wherever it is shown, and never counted.

    Its read was never made: it is on no topic but that of notifications, and no record knows it.
    """
    frame = make_id("exercise", person.agency, person.session_id, now.isoformat())
    read = _read(frame, person.agency, kind, profile, now)
    entry = make_id("entry", person.agency, EXERCISE, frame)
    hit = Hit(
        hit_id=hit_id(read.read_id, entry),
        read=read,
        entry_id=entry,
        entry_plate=read.plate,
        entry_state=read.state,
        state_match=StateMatch.MATCH,
        match_kind=MatchKind.EXACT,
        grade=Grade.EXACT,
        differences=(),
        explanation="Exercise: no vehicle was seen.",
        probability=1.0,
        list_code=EXERCISE,
        list_name="Exercise, not a real list",
        list_version=1,
        list_source="exercise",
        list_source_time=now,
        list_loaded_at=now,
        list_age_s=0,
        list_stale=False,
        reason="stolen_vehicle",
        advisory_class="stolen_vehicle",
        matched_at=now,
        profile_version=profile.version,
        entry_sealed=b"",
        entry_key_id="",
    )
    incident = incident_id(entry, read.read_id)
    return [
        Notification(
            notification_id=notification_id(incident, target, 1),
            incident_id=incident,
            revision=1,
            agency=person.agency,
            kind=NotificationKind.HIT,
            status=NotificationStatus.EXERCISE,
            target=target,
            client_kind=client,
            audible=profile.audible,
            screen_text=f"{_marked(EXERCISE)}STOLEN VEHICLE: no vehicle was seen. Do not act on it.",
            hit=hit,
            notified_at=now,
            profile_version=profile.version,
        )
        for target, client in profile.display_targets
        if client is ClientKind.DISPATCH_CONSOLE
    ]


def _marked(status: str) -> str:
    return "" if status == NotificationStatus.ACTUAL else f"{status.upper()}. "


def _read(frame: str, agency: str, kind: DeviceKind, profile: AgencyProfile, now: datetime) -> Read:
    nothing = bytes(32)
    return Read(
        read_id=read_id(frame, 1),
        revision=1,
        agency=agency,
        device_id=EXERCISE.lower(),
        device_kind=kind,
        device_name="Exercise",
        camera_id=EXERCISE.lower(),
        frame_ids=(frame,),
        plate=Plate(EXERCISE),
        plate_raw=EXERCISE,
        state=UNKNOWN,
        state_confidence=0.0,
        characters=tuple(Character(one, 1.0, "", 0.0) for one in EXERCISE),
        alternatives=(),
        confidence=1.0,
        box=Box(0, 0, 1, 1),
        direction=UNKNOWN,
        location=Location(GeoPoint(0.0, 0.0), LocationQuality.REGISTERED),
        captured_at=now,
        received_at=now,
        read_at=now,
        closeup=ImageRef(f"{EXERCISE.lower()}/closeup.jpg", nothing, ImageRole.CLOSEUP),
        context=ImageRef(f"{EXERCISE.lower()}/context.jpg", nothing, ImageRole.CONTEXT),
        detector=Provenance(EXERCISE.lower(), ""),
        reader=Provenance(EXERCISE.lower(), ""),
        profile_version=profile.version,
    )
