"""What a canvass must say, which ones come first, and what is still to be done about one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import DeviceKind, Person, Refused
from alprcore.policy import AgencyProfile, due_day

ROLES: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})
"""Who works on a crime scene: they open canvasses, see case numbers and send units."""
TYPES: Final[Mapping[str, str]] = {
    "homicide": "Homicide",
    "shooting": "Shooting",
    "major_incident": "Other major incident",
    "kidnapping": "Kidnapping",
    "robbery": "Robbery",
    "assault": "Assault",
    "burglary": "Burglary",
    "vehicle_theft": "Vehicle theft",
    "hit_and_run": "Hit and run",
    "missing_person": "Missing person",
    "other": "Other crime",
}
MAJOR: Final = ("homicide", "shooting", "major_incident")
"""Incidents that come first whatever the policy flags, and at which a partial plate should be entered (USE-10)."""
RECENT_CRIME: Final = "recent_crime"
"""Stands in a profile's `canvass_priority` for any crime of the last three days: the area around it is canvassed."""
RECENT: Final = timedelta(days=3)
LONGEST: Final = timedelta(days=7)
"""Longest window of a canvass: it is about one incident; a longer look back is an ordinary search."""
CORNERS: Final = range(3, 51)
ENTRY_KINDS: Final = ("partial", "hot_plate")
ASSIGN_UNIT: Final = "ASSIGN_UNIT"
ENTER_PLATE: Final = "ENTER_PLATE"
_PROMPTS: Final = {
    ASSIGN_UNIT: "No unit is assigned. Send an ALPR-equipped unit into the area.",
    ENTER_PLATE: "No plate is entered. If anybody saw a plate, even part of it, enter it now.",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked for: incident, area as corners in degrees, window, units, purpose and reason."""

    case_number: str
    incident_type: str
    polygon: tuple[tuple[float, float], ...]
    captured_from: datetime
    captured_to: datetime
    purpose_code: str
    justification: str
    device_ids: tuple[str, ...] = ()


def may_work(person: Person) -> bool:
    """Tell whether canvasses are open to this person."""
    return not ROLES.isdisjoint(person.roles)


def refusal(draft: Draft, person: Person, profile: AgencyProfile, now: datetime) -> Refused | None:
    """Refuse a canvass that names no case, no permitted purpose, no area or no short window (USE-01, USE-09)."""
    permitted = {purpose.code for purpose in profile.purposes if purpose.query}
    latitudes = [latitude for latitude, _ in draft.polygon]
    longitudes = [longitude for _, longitude in draft.polygon]
    placed = all(math.isfinite(one) and abs(one) <= 90 for one in latitudes) and all(
        math.isfinite(one) and abs(one) <= 180 for one in longitudes
    )
    flat = len(set(latitudes)) < 2 or len(set(longitudes)) < 2
    length = draft.captured_to - draft.captured_from
    checks = (
        (not may_work(person), "USE-09", "ROLE_NOT_AUTHORISED", "canvasses are not open to this role"),
        (draft.purpose_code not in permitted, "USE-01", "PURPOSE_NOT_PERMITTED", "the policy does not permit this purpose"),
        (not draft.case_number.strip(), "USE-09", "CASE_NUMBER_REQUIRED", "the incident or case number is missing"),
        (draft.incident_type not in TYPES, "USE-09", "FIELD_INVALID", f"incident_type: one of {', '.join(TYPES)}"),
        (
            len(draft.justification.strip()) < profile.querying.justification_min,
            "QRY-02", "PURPOSE_REQUIRED", "say in a sentence what happened",
        ),
        (
            len(draft.polygon) not in CORNERS or not placed or flat,
            "USE-09", "AREA_INVALID", "an area takes 3 to 50 corners with latitude and longitude in degrees",
        ),
        (
            not timedelta() < length <= LONGEST,
            "USE-09", "WINDOW_INVALID", f"the window ends after it begins, {LONGEST.days} days later at most",
        ),
        (draft.captured_from > now, "USE-09", "WINDOW_INVALID", "the window begins in the future"),
    )  # fmt: skip
    return next((Refused(rule, code, words) for wrong, rule, code, words in checks if wrong), None)


def priority(incident_type: str, captured_from: datetime, profile: AgencyProfile, now: datetime) -> bool:
    """Tell whether the agency's policy gives this canvass particular consideration (USE-09)."""
    recent = RECENT_CRIME in profile.canvass_priority and now - captured_from <= RECENT
    return incident_type in profile.canvass_priority or recent


def prompts(canvass: Mapping[str, Any], *, first: bool) -> list[dict[str, str]]:
    """Name what is still to be done about an open canvass: a unit to send, a plate to enter (USE-09, USE-10).

    Both are reminders; nothing waits for them. `first` says whether the policy gives it priority.
    """
    codes = []
    if canvass["closed_at"] is None:
        major = canvass["incident_type"] in MAJOR
        if (first or major) and not canvass["units"]:
            codes.append(ASSIGN_UNIT)
        if major and not canvass["entries"]:
            codes.append(ENTER_PLATE)
    return [{"code": code, "words": _PROMPTS[code]} for code in codes]


def shown(canvass: Mapping[str, Any], profile: AgencyProfile, now: datetime) -> dict[str, Any]:
    """Lay out a canvass with its priority and what is still to be done."""
    first = canvass["closed_at"] is None and priority(canvass["incident_type"], canvass["captured_from"], profile, now)
    words = TYPES[canvass["incident_type"]]
    return {**canvass, "incident_words": words, "priority": first, "prompts": prompts(canvass, first=first)}


def ordered(canvasses: Iterable[Mapping[str, Any]], profile: AgencyProfile, now: datetime) -> list[dict[str, Any]]:
    """Put canvasses in the order of work: open ones, among them major incidents, then those the policy flags, newest."""

    def rank(one: Mapping[str, Any]) -> tuple[bool, int, bool, float]:
        kind = one["incident_type"]
        major = MAJOR.index(kind) if kind in MAJOR else len(MAJOR)
        return one["closed_at"] is not None, major, not one["priority"], -one["opened_at"].timestamp()

    return sorted((shown(one, profile, now) for one in canvasses), key=rank)


def query_of(canvass: Mapping[str, Any], reasons: Mapping[str, Any]) -> dict[str, Any]:
    """Make the query for the reads inside a canvass's area and window: its case and purpose, the asker's own reasons.

    `reasons`: justification (the canvass's own where empty), attest_no_first_amendment, reasonable_suspicion,
    need_to_know, after (QRY-02, USE-07).
    """
    query: dict[str, Any] = {
        "purpose_code": canvass["purpose_code"],
        "case_number": canvass["case_number"],
        "justification": str(reasons.get("justification") or canvass["justification"]),
        "attest_no_first_amendment": bool(reasons.get("attest_no_first_amendment")),
        "criteria": {
            "polygon": canvass["polygon"],
            "captured_from": canvass["captured_from"].isoformat(),
            "captured_to": canvass["captured_to"].isoformat(),
        },
        "limit": 100,
    }
    for name in ("reasonable_suspicion", "need_to_know"):
        if reasons.get(name):
            query[name] = {"basis": reasons[name]}
    if reasons.get("after"):
        query["after"] = reasons["after"]
    return query


def expires_at(captured_to: datetime, profile: AgencyProfile) -> datetime:
    """Fix when a canvass goes: with the last reads that it can list."""
    day = due_day(captured_to, captured_to, DeviceKind.FIXED, profile)
    return datetime.combine(day, time(), ZoneInfo(profile.timezone)).astimezone(UTC) + timedelta(days=1)


def bounds(polygon: Sequence[Sequence[float]]) -> str:
    """Say where an area lies, in degrees with their halves of the earth."""
    latitudes, longitudes = zip(*polygon, strict=True)
    return f"{_span(latitudes, 'NS')}, {_span(longitudes, 'EW')}"


def _span(degrees: Sequence[float], halves: str) -> str:
    low, high = (f"{abs(one):.4f}° {halves[one < 0]}" for one in (min(degrees), max(degrees)))
    return f"{low} to {high}"
