"""The search form in both directions: its fields to the body of a query, an answer's rows and refusals to words.

Whether a query is permitted, audit decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import Person, Refused
from alprcore.plates import lookalike_positions
from alprcore.policy import (
    EVENT_ROLES,
    HOLD_PLACERS,
    OTHER_USE,
    PROTECTED_EVENT,
    QUERY_ROLES,
    RELEASE_TAKERS,
    SYSTEM_PURPOSES,
    AgencyProfile,
    maintains_only,
    may_approve,
)

PAGE_ROWS: Final = 50
"""Rows of one answer: what a person reads before looking on; the door takes up to 500."""
DOUBTFUL: Final = 0.9
"""Below this probability a character is named as one that the reader was unsure of."""
LONGEST_SHAPE: Final = 50
FILLED_IN: Final = (
    "plate", "state", "polygon", "captured_from", "captured_to", "case_number", "purpose_code", "justification",
)  # fmt: skip
"""Fields that another page may fill in before somebody asks."""
SIDES: Final = ("south", "west", "north", "east")
_SYSTEM_WORDS: Final = {
    "audit": "Audit of the use of the system",
    "upload_check": "Check of my own uploads",
    "release_fulfilment": "Fulfillment of an approved release",
}
_PATTERN_SIGNS: Final = frozenset("?*")


@dataclass(frozen=True, slots=True)
class Advice:
    """What a refusal means to whoever reads it: the form's field that it is about, and what to do."""

    field: str
    do: str


_ADVICE: Final[Mapping[str, Advice]] = {
    "PURPOSE_REQUIRED": Advice("justification", "Choose a purpose and say in a sentence why this search is needed."),
    "PURPOSE_NOT_PERMITTED": Advice("purpose_code", "Choose another purpose, or ask a supervisor who may approve it."),
    "REASONABLE_SUSPICION_REQUIRED": Advice("reasonable_suspicion", "Say what links the vehicle to a crime."),
    "NEED_TO_KNOW_REQUIRED": Advice("need_to_know", "Say why your duties need the answer."),
    "CASE_NUMBER_REQUIRED": Advice("case_number", "Give the case number, or say why there is none yet."),
    "FIRST_AMENDMENT_PROHIBITED": Advice(
        "attest_no_first_amendment",
        "Protected activity must not be monitored. If this search is about a crime, say so in the justification and "
        "confirm; a search in the place and time of a protected event takes a supervisor's approval first.",
    ),
    "APPROVAL_REQUIRED": Advice("approval_id", "Ask a supervisor for a use approval and give its number here."),
    "AGREEMENT_MISSING": Advice(
        "agency", "The agreement has ended or was stopped. Ask that agency, or search your own."
    ),
    "AGREEMENT_PURPOSE": Advice("purpose_code", "Choose a purpose of the agreement, or ask that agency for a release."),
    "AGREEMENT_NO_HITS": Advice("agency", "Search for reads, without a list; hits are not part of the agreement."),
    "AGREEMENT_NO_EXPORT": Advice("", "Ask the owning agency for a release on paper."),
    "CRITERIA_INVALID": Advice("plate", "Change what you search for as described and search again."),
    "FIELD_INVALID": Advice("plate", "Change the field named and search again."),
    "RECIPIENT_CLASS_NOT_PERMITTED": Advice("", "The agency's policy does not permit this recipient."),
    "ROLE_NOT_AUTHORISED": Advice("", "If your duties need it, ask the ALPR administrator of your agency."),
    "TRAINING_MISSING": Advice("", "Your page “My training” names what is missing and what is planned."),
    "POLICY_NOT_READ": Advice("", "Read and acknowledge the policy on your page “My account”, then search again."),
    "CLETS_CERT_MISSING": Advice("", "Your CLETS certification is missing or expired: ask the CLETS coordinator."),
    "CJI_CRITERIA_MISSING": Advice("", "Your authorization for criminal justice information is missing or expired."),
    "CONTRACTOR_CLEARANCE_MISSING": Advice("", "Your clearance is not complete: ask the program manager."),
    "CATEGORY_NOT_ELIGIBLE": Advice("", "The policy does not open searches to your category of personnel."),
    "TITLE_NOT_AUTHORISED": Advice("", "The policy does not list your job title: ask the program manager."),
    "SOURCE_NOT_AUTHORISED": Advice("source", "You have no grant for this source: ask the program manager."),
    "QUERY_EXPIRED": Advice("", "Search again: an answer can be opened for 15 minutes."),
    "RATE_LIMITED": Advice("", "Wait a minute. Nothing was searched; whoever needs many answers asks the supervisor."),
    "SOURCE_NOT_CONFIGURED": Advice("source", "Search in this system, or ask the ALPR administrator for the source."),
    "SOURCE_EXTERNAL": Advice("", "Images and copies of another system's reads are asked for there."),
    "SEARCH_UNAVAILABLE": Advice("", "The question is recorded; search again in a few minutes."),
}


def may_search(person: Person) -> bool:
    """Tell whether the search page is of any use to this person; the door itself decides again."""
    return not QUERY_ROLES.isdisjoint(person.roles)


def purposes_for(person: Person, profile: AgencyProfile) -> tuple[tuple[str, str], ...]:
    """List the purposes this person can choose, code and words (USE-01, USE-02)."""
    roles = QUERY_ROLES.intersection(person.roles)
    own = [(code, words) for code, words in _SYSTEM_WORDS.items() if not SYSTEM_PURPOSES[code].isdisjoint(person.roles)]
    if roles == {"auditor"} or maintains_only(person):
        return tuple(own)
    return (*((purpose.code, purpose.label) for purpose in profile.purposes if purpose.query), *own)


def approves(person: Person, profile: AgencyProfile) -> tuple[tuple[str, str], ...]:
    """List the kinds of approval this person may give, code and words (USE-07, USE-11)."""
    kinds = ((OTHER_USE, "A use beyond the list"), (PROTECTED_EVENT, "A search at a protected event"))
    return tuple((kind, words) for kind, words in kinds if not isinstance(may_approve(kind, person, profile), Refused))


def declares(person: Person) -> bool:
    """Tell whether this person may declare protected events (USE-07)."""
    return not EVENT_ROLES.isdisjoint(person.roles)


def acts_on(person: Person) -> list[tuple[str, str, str]]:
    """List what this person may do with the reads found: act, the page of its form, words (RET-07, SHR-02)."""
    found = []
    if not HOLD_PLACERS.isdisjoint(person.roles):
        found.append(("hold", "/records/holds/new", "Hold these"))
    if not RELEASE_TAKERS.isdisjoint(person.roles):
        found.append(("release", "/records/releases/new", "Release these"))
    return found


def advice(reason_code: str) -> Advice:
    """Say what a person can do about a refusal."""
    return _ADVICE.get(reason_code, Advice("", ""))


def _state(text: str) -> str:
    """Complete a state's two letters to the code that reads carry (ISO 3166-2): `CA` is `US-CA`."""
    code = text.upper()
    return f"US-{code}" if len(code) == 2 else code


def query_body(form: Mapping[str, str], timezone: str) -> dict[str, Any] | Refused:
    """Make the body of a query of the form's fields; times are local to the agency and leave as UTC.

    A plate with `?` or `*` is a partial one. Empty fields are left out, so that the ledger holds what was asked.
    """
    criteria: dict[str, Any] = {}
    plate = "".join(form.get("plate", "").upper().split()).replace("-", "")
    if plate:
        criteria["partial" if _PATTERN_SIGNS.intersection(plate) else "plate"] = plate
    for name in ("lookalike", "own_detections"):
        if form.get(name):
            criteria[name] = True
    for name in ("state", "device_id", "list_code"):
        if value := form.get(name, "").strip():
            criteria[name] = _state(value) if name == "state" else value
    try:
        for name in ("captured_from", "captured_to"):
            if value := form.get(name, "").strip():
                criteria[name] = _moment(value, timezone)
        corners = shape_of(form.get("polygon", ""))
        sides = {side: form[side].strip() for side in SIDES if form.get(side, "").strip()}
        if corners:
            criteria["polygon"] = corners
        elif sides:
            if len(sides) != 4:
                return Refused("QRY-01", "CRITERIA_INVALID", "an area needs all four sides")
            criteria["area"] = {side: float(value) for side, value in sides.items()}
        approvals = [int(number) for number in form.get("approval_id", "").replace(",", " ").split()]
    except ValueError:
        return Refused("QRY-01", "CRITERIA_INVALID", "a time, a coordinate or a number cannot be read")
    body: dict[str, Any] = {
        "purpose_code": form.get("purpose_code", ""),
        "justification": form.get("justification", "").strip(),
        "attest_no_first_amendment": bool(form.get("attest_no_first_amendment")),
        "criteria": criteria,
        "limit": PAGE_ROWS,
    }
    if approvals:
        body["approval_ids"] = approvals
    for name in ("case_number", "no_case_number_reason", "after", "agency"):
        if value := form.get(name, "").strip():
            body[name] = value
    for name in ("reasonable_suspicion", "need_to_know"):
        if value := form.get(name, "").strip():
            body[name] = {"basis": value}
    return body


def _moment(text: str, timezone: str) -> str:
    local = datetime.fromisoformat(text)
    return (local if local.tzinfo else local.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC).isoformat()


def approval_body(form: Mapping[str, str], timezone: str) -> dict[str, Any] | Refused:
    """Make the body of a use approval of the form's fields (USE-07, USE-11)."""
    try:
        body: dict[str, Any] = {
            "kind": form.get("kind", ""),
            "description": form.get("description", "").strip(),
            "case_number": form.get("case_number", "").strip(),
            "for_username": form.get("for_username", "").strip(),
            "valid_from": _moment(form.get("valid_from", ""), timezone),
            "valid_to": _moment(form.get("valid_to", ""), timezone),
        }
        if form.get("event_id", "").strip():
            body["event_id"] = int(form["event_id"])
    except ValueError:
        return Refused("USE-11", "FIELD_INVALID", "a time or a number cannot be read")
    return body


def event_body(form: Mapping[str, str], timezone: str) -> dict[str, Any] | Refused:
    """Make the body of a protected event of the form's fields (USE-07)."""
    try:
        return {
            "name": form.get("name", "").strip(),
            "area": {side: float(form.get(side, "")) for side in SIDES},
            "begins_at": _moment(form.get("begins_at", ""), timezone),
            "ends_at": _moment(form.get("ends_at", ""), timezone),
        }
    except ValueError:
        return Refused("USE-07", "FIELD_INVALID", "a time or a coordinate cannot be read")


def shape_of(text: str) -> list[list[float]]:
    """Read the corners of a drawn shape, `lat,lon lat,lon …` in degrees. Raises `ValueError` for anything else."""
    corners = [[float(part) for part in corner.split(",")] for corner in text.split()]
    if corners and not 3 <= len(corners) <= LONGEST_SHAPE:
        raise ValueError("a shape has 3 to 50 corners")
    if any(len(corner) != 2 or not all(math.isfinite(value) for value in corner) for corner in corners):
        raise ValueError("a corner is a latitude and a longitude")
    return corners


def why(row: Mapping[str, Any], criteria: Mapping[str, Any], list_words: Mapping[str, str]) -> list[str]:
    """Say in words why a row answers what was asked: plate, state, list, place and time (QRY-01).

    `list_words` gives the agency's own words for a list's code.
    """
    plate, state = str(row.get("plate") or ""), str(row.get("state") or "unknown")
    words = [_plate_words(plate, row, criteria)]
    if asked := str(criteria.get("state", "")):
        sure = _percent(row.get("state_confidence"))
        words.append(
            f"State {_short(asked)} was asked for, {_short(state)} was read{f' ({sure} sure)' if sure else ''}."
        )
    elif plate and state == "unknown":
        words.append("State not read: compare it in the picture.")
    if code := str(criteria.get("list_code", "")):
        words.append(f"It made a hit on {code} ({list_words.get(code, 'list')}).")
    elif code := str(row.get("list_code", "")):
        words.append(f"It was a hit on {code} ({list_words.get(code, 'list')}).")
    if doubt := _doubtful(row):
        words.append(f"The reader was unsure of {doubt}.")
    places = [
        text
        for name, text in (
            ("device_id", "camera asked for"), ("area", "area asked for"), ("polygon", "area drawn"),
            ("own_detections", "your own unit"),
        )
        if criteria.get(name)
    ]  # fmt: skip
    if places:
        words.append(f"Seen by the {' and '.join(places)}." if "device_id" in criteria else f"From the {places[0]}.")
    return words


def short_why(row: Mapping[str, Any]) -> str:
    """Say in one or two words how the plate matched."""
    match = row.get("match")
    kind = match.get("kind", "none") if isinstance(match, Mapping) else "none"
    return {"exact": "exact", "lookalike": "look-alike", "partial": "partial"}.get(str(kind), "")


def _plate_words(plate: str, row: Mapping[str, Any], criteria: Mapping[str, Any]) -> str:
    asked, pattern = str(criteria.get("plate", "")), str(criteria.get("partial", ""))
    if not plate:
        return "No plate could be read here; it answers by place and time."
    if asked and plate == asked:
        return "Exact: the plate read is the plate asked for."
    if asked:
        match = row.get("match")
        given = match.get("positions") if isinstance(match, Mapping) else None
        positions = given if isinstance(given, Sequence) else lookalike_positions(plate, asked)
        if not positions:
            return "Look-alike of the plate asked for."
        parts = [
            f"position {at + 1} read {plate[at]}, asked {asked[at]}"
            for at in positions
            if isinstance(at, int) and at < min(len(plate), len(asked))
        ]
        return f"Look-alike: {'; '.join(parts)}."
    if pattern:
        return f"Partial: {pattern} fits {plate}{_filled(pattern, plate)}."
    return "No plate was asked for; it answers by place, time or list."


def _filled(pattern: str, plate: str) -> str:
    """Say what stands for the open places of a pattern that is as long as the plate."""
    if "*" in pattern or len(pattern) != len(plate):
        return ""
    found = [plate[at] for at, sign in enumerate(pattern) if sign == "?"]
    return f" (? is {', '.join(found)})" if found else ""


def _doubtful(row: Mapping[str, Any]) -> str:
    characters = row.get("characters")
    if not isinstance(characters, Sequence):
        return ""
    return ", ".join(
        f"position {at + 1}: {one[0]} ({_percent(one[1])})" + (f" or {one[2]} ({_percent(one[3])})" if one[2] else "")
        for at, one in enumerate(characters)
        if isinstance(one, Sequence) and len(one) == 4 and isinstance(one[1], float) and one[1] < DOUBTFUL
    )


def _percent(value: Any) -> str:
    return f"{min(int(value * 100), 99)} %" if isinstance(value, int | float) and value > 0 else ""


def _short(state: str) -> str:
    return state.removeprefix("US-")


def positions(devices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pick what the map shows of the registry: id, name, kind and place of each device that has one."""
    return [
        {
            "id": device["device_id"],
            "name": device.get("name") or device["device_id"],
            "kind": device.get("kind", ""),
            "latitude": place["latitude"],
            "longitude": place["longitude"],
        }
        for device in devices
        if (place := device.get("position"))
    ]
