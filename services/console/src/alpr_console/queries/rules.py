"""From the fields of the search form to the body of `POST /v1/queries`. Whether it is permitted, audit decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import Person, Refused
from alprcore.policy import QUERY_ROLES, SYSTEM_PURPOSES, AgencyProfile

_SYSTEM_WORDS: Final = {
    "audit": "Audit of the use of the system",
    "upload_check": "Check of my own uploads",
    "release_fulfilment": "Fulfillment of an approved release",
}
_PATTERN_SIGNS: Final = frozenset("?*")


def may_search(person: Person) -> bool:
    """Tell whether the search page is of any use to this person; the door itself decides again."""
    return not QUERY_ROLES.isdisjoint(person.roles)


def purposes_for(person: Person, profile: AgencyProfile) -> tuple[tuple[str, str], ...]:
    """List the purposes this person can choose, code and words (USE-01, USE-02)."""
    roles = QUERY_ROLES.intersection(person.roles)
    own = [(code, words) for code, words in _SYSTEM_WORDS.items() if not SYSTEM_PURPOSES[code].isdisjoint(person.roles)]
    if roles == {"auditor"}:
        return tuple(own)
    return (*((purpose.code, purpose.label) for purpose in profile.purposes if purpose.query), *own)


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
    if form.get("lookalike"):
        criteria["lookalike"] = True
    if form.get("own_detections"):
        criteria["own_detections"] = True
    for name in ("state", "device_id", "list_code"):
        if value := form.get(name, "").strip():
            criteria[name] = _state(value) if name == "state" else value
    try:
        for name in ("captured_from", "captured_to"):
            if value := form.get(name, "").strip():
                local = datetime.fromisoformat(value)
                zoned = local if local.tzinfo else local.replace(tzinfo=ZoneInfo(timezone))
                criteria[name] = zoned.astimezone(UTC).isoformat()
        sides = {side: form[side].strip() for side in ("south", "west", "north", "east") if form.get(side, "").strip()}
        if sides:
            if len(sides) != 4:
                return Refused("QRY-01", "CRITERIA_INVALID", "an area needs all four sides")
            criteria["area"] = {side: float(value) for side, value in sides.items()}
    except ValueError:
        return Refused("QRY-01", "CRITERIA_INVALID", "a time or a coordinate cannot be read")
    body: dict[str, Any] = {
        "purpose_code": form.get("purpose_code", ""),
        "justification": form.get("justification", "").strip(),
        "attest_no_first_amendment": bool(form.get("attest_no_first_amendment")),
        "criteria": criteria,
        "limit": 50,
    }
    for name in ("case_number", "no_case_number_reason", "after"):
        if value := form.get(name, "").strip():
            body[name] = value
    for name in ("reasonable_suspicion", "need_to_know"):
        if value := form.get(name, "").strip():
            body[name] = {"basis": value}
    return body
