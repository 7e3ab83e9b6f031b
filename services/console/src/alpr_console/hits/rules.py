"""What a hit says to a person: the card on the screen, its priority and its words. Pure, and tested word by word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import (
    ADMITTED,
    Character,
    ClientKind,
    Decision,
    DeviceChecks,
    DeviceKind,
    EntryDetails,
    Grade,
    Hit,
    Notification,
    Person,
    Refused,
    StateMatch,
    WithdrawnReason,
)
from alprcore.policy import AgencyProfile, due_day
from alprcore.workflow import CheckResult

NOTICE: Final = "Unverified lead, not grounds for a stop"
"""Stands on every alert (HIT-05)."""
DOUBTFUL_BELOW: Final = 0.9
"""Characters the reader was less sure of than this are marked."""
MUTE_LIMIT: Final = timedelta(minutes=15)
"""Muting is per session, ends by itself and never silences high priority (HIT-02)."""
SUMMED_FROM: Final = 5
RELEASE_ROLES: Final = frozenset({"supervisor", "alpr_admin"})
HIGH: Final = frozenset(
    {"felony_vehicle", "felony_warrant", "wanted_person", "missing_child", "amber_alert", "terrorism_related"}
)
INFORMATION: Final = frozenset(
    {"information_only", "hot_plate", "special_hot_list", "lost_plate_or_vehicle", "other", ""}
)
_WORDS: Final = {
    "amber_alert": "AMBER Alert",
    "bolo": "BOLO",
    "dv_protective_order": "Domestic violence protective order",
    "information_only": "Information only",
    "probable_cause": "Probable cause bulletin",
    "terrorism_related": "Terrorism related",
}
_COLORS: Final = {
    "BGE": "beige", "BLK": "black", "BLU": "blue", "BRO": "brown", "GLD": "gold", "GRN": "green", "GRY": "gray",
    "MAR": "maroon", "ONG": "orange", "PLE": "purple", "RED": "red", "SIL": "silver", "TAN": "tan", "WHI": "white",
    "YEL": "yellow",
}  # fmt: skip
"""NCIC vehicle color codes in words."""
_GRADES: Final = {
    Grade.EXACT: "Exact match, state agrees",
    Grade.EXACT_STATE_UNKNOWN: "Exact match, state not read",
    Grade.STATE_MISMATCH: "Plate matches, state differs",
    Grade.LOOKALIKE: "Look-alike match",
    Grade.PARTIAL: "Partial plate match",
}
_STATES: Final = {
    StateMatch.MATCH: "States agree",
    StateMatch.MISMATCH: "States differ: check the picture",
    StateMatch.UNKNOWN: "State could not be compared",
}


_WITHDRAWN: Final = {WithdrawnReason.LIST_WITHDRAWN.value: "its list is no longer kept"}


def may_release(person: Person) -> Decision:
    """Decide whether this person may let the hits of an alert storm be announced: whoever answers for the shift."""
    if RELEASE_ROLES.isdisjoint(person.roles):
        return Refused("HIT-04", "ROLE_NOT_AUTHORISED", "alert storms are released by: supervisor, alpr_admin")
    return ADMITTED


def may_mute(minutes: int) -> Decision:
    """Decide whether a session's sound may be silenced for this long (HIT-02)."""
    if not 0 <= minutes <= MUTE_LIMIT // timedelta(minutes=1):
        return Refused("HIT-02", "MUTE_TOO_LONG", "sound can be muted for 15 minutes at most")
    return ADMITTED


def words(code: str) -> str:
    """Say a code of a list in words."""
    return _WORDS.get(code) or code.replace("_", " ").capitalize()


def color(code: str) -> str:
    """Say a vehicle color in words, so that what the list says and what was seen can be compared at a glance."""
    return _COLORS.get(code.upper(), code)


def priority(advisory_class: str, reason: str) -> str:
    """Rank an alert: `high`, `medium` or `information`. A list marked information only never rises above that."""
    if advisory_class in INFORMATION:
        return "information"
    return "high" if advisory_class in HIGH or reason in HIGH else "medium"


def shown_on_console(notification: Notification) -> bool:
    """Tell whether a notification is meant for the dispatch console's queue (HIT-03)."""
    return notification.client_kind is ClientKind.DISPATCH_CONSOLE


STOPS: Final = ("captured", "received", "read", "matched", "notified", "stored", "shown", "acknowledged")
"""What a hit's time trail is made of, in this order."""


def legs(**stamps: datetime | None) -> dict[str, float]:
    """Give the seconds from each stop that is known to the next, by name (`read_to_matched`), and of the way to a screen.

    Never below zero: a device's clock may be ahead of ours.
    """
    known = [(stop, moment) for stop in STOPS if (moment := stamps.get(stop)) is not None]
    found = {f"{one}_to_{two}": (after - before) for (one, before), (two, after) in pairwise(known)}
    ends = dict(known)
    if "captured" in ends and "shown" in ends:
        found["captured_to_shown"] = ends["shown"] - ends["captured"]
    return {leg: max(0.0, span.total_seconds()) for leg, span in found.items()}


def expires_at(hit: Hit, profile: AgencyProfile | None, stored_at: datetime, keep: timedelta) -> datetime:
    """Fix how long screens show a hit: for `keep`, and never longer than the agency's record lives; its rows stay with that."""
    if profile is None:
        return stored_at + keep
    read = hit.read
    return min(_due(read.captured_at, read.received_at, read.device_kind, profile), stored_at + keep)


def check_expires_at(card: Mapping[str, Any], profile: AgencyProfile) -> datetime:
    """Fix when the record falls due that work on a hit belongs to; a hold keeps both longer."""
    captured, received = (datetime.fromisoformat(card[name]) for name in ("captured_at", "received_at"))
    return _due(captured, received, DeviceKind(card["device_kind"]), profile)


def _due(captured: datetime, received: datetime, kind: DeviceKind, profile: AgencyProfile) -> datetime:
    day = due_day(captured, received, kind, profile)
    return datetime.combine(day, time(), ZoneInfo(profile.timezone)).astimezone(UTC) + timedelta(days=1)


def card(hit: Hit) -> dict[str, Any]:
    """Lay out a hit for the screen and for `GET /v1/hits` (HIT-01, HIT-05, HOT-13, HOT-14)."""
    read = hit.read
    return {
        "hit_id": hit.hit_id,
        "read_id": read.read_id,
        "agency": read.agency,
        "plate": read.plate.reveal(),
        "plate_raw": read.plate_raw,
        "reader": {"name": read.reader.name, "sha256": read.reader.sha256},
        "characters": [_character(position) for position in read.characters],
        "confidence": read.confidence,
        "probability": hit.probability,
        "state": read.state,
        "state_confidence": read.state_confidence,
        "origins": [{"state": origin.state, "probability": origin.probability} for origin in read.origins],
        "vehicle": {
            "color": read.vehicle.color,
            "color_words": color(read.vehicle.color),
            "color_probability": read.vehicle.color_probability,
        },
        "entry_plate": hit.entry_plate.reveal(),
        "entry_state": hit.entry_state,
        "state_match": hit.state_match.value,
        "state_words": _STATES[hit.state_match],
        "match_kind": hit.match_kind.value,
        "grade": hit.grade.value,
        "grade_words": _GRADES[hit.grade],
        "explanation": hit.explanation,
        "differences": [
            {
                "position": difference.position,
                "read": difference.read_character,
                "listed": difference.entry_character,
                "probability": difference.read_probability,
            }
            for difference in hit.differences
        ],
        "advisory_class": hit.advisory_class,
        "advisory_words": words(hit.advisory_class),
        "reason": hit.reason,
        "reason_words": words(hit.reason),
        "priority": priority(hit.advisory_class, hit.reason),
        "list_code": hit.list_code,
        "list_name": hit.list_name,
        "list_version": hit.list_version,
        "list_source": hit.list_source,
        "list_source_time": _text(hit.list_source_time),
        "list_loaded_at": _text(hit.list_loaded_at),
        "list_age_seconds": hit.list_age_s,
        "list_stale": hit.list_stale,
        "device_id": read.device_id,
        "device_name": read.device_name,
        "device_kind": read.device_kind.value,
        "camera_id": read.camera_id,
        "direction": read.direction,
        "latitude": read.location.point.latitude,
        "longitude": read.location.point.longitude,
        "location_quality": read.location.quality.value,
        "location_age_seconds": read.location.age_s,
        "captured_at": _text(read.captured_at),
        "received_at": _text(read.received_at),
        "read_at": _text(read.read_at),
        "matched_at": _text(hit.matched_at),
        "delayed": hit.delayed,
        "advisory": hit.advisory,
        "workflow_state": hit.workflow_state if hit.withdrawn_at is None else "withdrawn",
        "hit_revision": hit.revision,
        "withdrawn_at": _text(hit.withdrawn_at) if hit.withdrawn_at else None,
        "withdrawn_words": _WITHDRAWN.get(hit.withdrawn_reason, "no longer listed") if hit.withdrawn_at else "",
        "storm_id": hit.storm_id,
        "storm_words": hit.storm_reason,
        "released_at": _text(hit.released_at) if hit.released_at else None,
        "notice": NOTICE,
        "profile_version": hit.profile_version,
    }


def device_checks(
    agency: str, device_id: str, reader: str, rows: Sequence[Mapping[str, Any]], now: datetime
) -> DeviceChecks | None:
    """Sum up what people found about a device's reads by one model: how many were misreads, and which characters.

    `rows` hold the newest finding of each read: result, plate_text, corrected_text; the texts are None once their time is
    over, and then only the finding counts. A text of another length says nothing of single characters. None for fewer
    than five reads: their characters together could name a plate.
    """
    if len(rows) < SUMMED_FROM:
        return None
    characters: Counter[str] = Counter()
    mistaken: Counter[str] = Counter()
    for row in rows:
        read, true = row["plate_text"] or "", row["corrected_text"] or ""
        if row["result"] == CheckResult.CORRECT:
            characters.update(read)
        elif len(read) == len(true):
            characters.update(true)
            mistaken.update(stood + taken for stood, taken in zip(true, read, strict=True) if stood != taken)
    misread = sum(row["result"] == CheckResult.MISREAD for row in rows)
    return DeviceChecks(device_id, agency, reader, len(rows), misread, characters, mistaken, now)


def details(entry: EntryDetails) -> dict[str, str]:
    """Say what the list says of the vehicle, its plate aside, and whom to ask (HOT-18); empty fields are left out."""
    vehicle = " ".join(
        part
        for part in (
            entry.vehicle_year,
            color(entry.vehicle_color),
            entry.vehicle_make,
            entry.vehicle_model,
            entry.vehicle_style,
        )
        if part
    )
    lines = {
        "vehicle": vehicle,
        "originating_agency": entry.originating_agency,
        "source_key": entry.source_key,
        "effective_at": _text(entry.effective_at) if entry.effective_at else "",
        "expires_at": _text(entry.expires_at) if entry.expires_at else "",
        "notes": entry.notes,
        "synopsis": entry.synopsis,
        "basis": entry.basis,
        "case_number": entry.case_number,
        "officer_name": entry.officer_name,
        "contact_phone": entry.contact_phone,
    }
    return {name: line for name, line in lines.items() if line}


def place(hit: Hit) -> str:
    """Say in one line where a vehicle was seen."""
    where = hit.read.device_name or hit.read.device_id
    return f"{where}, {hit.read.direction}" if hit.read.direction not in ("", "unknown") else where


def _character(position: Character) -> dict[str, Any]:
    return {
        "first": position.first,
        "probability": position.first_probability,
        "second": position.second,
        "second_probability": position.second_probability,
        "doubtful": position.first_probability < DOUBTFUL_BELOW,
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
