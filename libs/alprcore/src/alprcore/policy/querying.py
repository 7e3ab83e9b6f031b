"""Who may put which question to the stored reads, and with what reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused

from .profile import AgencyProfile

SYSTEM_PURPOSES: Final[Mapping[str, frozenset[str]]] = {
    "audit": frozenset({"auditor"}),
    "upload_check": frozenset({"officer", "alpr_admin"}),
    "release_fulfilment": frozenset({"program_manager", "custodian"}),
}
"""Purposes beside the profile's list, each bound to roles (USE-01)."""
QUERY_ROLES: Final = frozenset(
    {"officer", "dispatcher", "investigator", "supervisor", "alpr_admin", "program_manager", "contractor", "auditor"}
)
MIN_JUSTIFICATION: Final = 10
"""Characters; shorter texts say nothing (QRY-02)."""
MIN_PATTERN_FIXED: Final = 2
"""Fixed characters a partial plate must have, or it matches half the database."""
MAX_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of WGS 84 degrees."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is searched for (QRY-01, QRY-05); everything given must hold."""

    plate: str = ""
    partial: str = ""
    lookalike: bool = False
    state: str = ""
    captured_from: datetime | None = None
    captured_to: datetime | None = None
    area: Area | None = None
    device_id: str = ""
    list_code: str = ""
    own_detections: bool = False
    read_id: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the reads, with the reasons the asker gives."""

    purpose_code: str
    justification: str
    criteria: Criteria
    case_number: str = ""
    no_case_number_reason: str = ""
    reasonable_suspicion: str = ""
    need_to_know: str = ""
    attest_no_first_amendment: bool = False
    limit: int = 100
    after: str = ""


def may_query(query: Query, person: Person, profile: AgencyProfile, now: datetime) -> Decision:
    """Decide whether this person may put this query (USE-01..07, QRY-02..04). Order: role, reason, criteria."""
    return (
        _purpose_refusal(query, person, profile)
        or _reason_refusal(query, profile)
        or _criteria_refusal(query.criteria, query.limit, now)
        or ADMITTED
    )


def _purpose_refusal(query: Query, person: Person, profile: AgencyProfile) -> Refused | None:
    roles = QUERY_ROLES.intersection(person.roles)
    if not roles or person.agency != profile.agency:
        return Refused("ACC-03", "ROLE_NOT_AUTHORISED", "this role may not search reads")
    if not query.purpose_code:
        return Refused("USE-01", "PURPOSE_REQUIRED", "a purpose is required")
    if query.purpose_code in SYSTEM_PURPOSES:
        if SYSTEM_PURPOSES[query.purpose_code].isdisjoint(person.roles):
            return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "this purpose is bound to other roles")
        if query.purpose_code == "upload_check" and not query.criteria.own_detections:
            return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "an upload check covers own detections only")
        return None
    if roles == {"auditor"}:
        return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "auditors search for audits only")
    if not any(purpose.code == query.purpose_code and purpose.query for purpose in profile.purposes):
        return Refused("USE-02", "PURPOSE_NOT_PERMITTED", "the agency's policy does not permit this purpose")
    return None


def _reason_refusal(query: Query, profile: AgencyProfile) -> Refused | None:
    refusals = (
        (
            len(query.justification.strip()) < MIN_JUSTIFICATION,
            Refused("QRY-02", "PURPOSE_REQUIRED", f"a justification of at least {MIN_JUSTIFICATION} characters"),
        ),
        (
            profile.reasonable_suspicion_required and not query.reasonable_suspicion.strip(),
            Refused("QRY-03", "REASONABLE_SUSPICION_REQUIRED", "state the reasonable suspicion"),
        ),
        (
            profile.need_to_know_required and not query.need_to_know.strip(),
            Refused("QRY-03", "NEED_TO_KNOW_REQUIRED", "state the need to know"),
        ),
        (
            profile.case_number == "if_available" and not (query.case_number or query.no_case_number_reason).strip(),
            Refused("QRY-04", "CASE_NUMBER_REQUIRED", "give the case number, or why there is none yet"),
        ),
        (
            profile.first_amendment_block and not query.attest_no_first_amendment,
            Refused("USE-07", "FIRST_AMENDMENT_PROHIBITED", "attest that no protected activity is monitored"),
        ),
    )
    return next((refusal for broken, refusal in refusals if broken), None)


def _criteria_refusal(criteria: Criteria, limit: int, now: datetime) -> Refused | None:
    span_given = criteria.captured_from is not None and criteria.captured_to is not None
    narrowing = criteria.plate or criteria.partial or criteria.device_id or criteria.list_code or criteria.read_id
    fixed = sum(letter.isalnum() for letter in criteria.partial)
    area = criteria.area
    refusals = (
        (
            not (narrowing or criteria.area or criteria.own_detections or span_given),
            "give a plate, a partial plate, a device, a list, an area or a time range",
        ),
        (bool(criteria.plate and criteria.partial), "give a plate or a partial plate, not both"),
        (
            bool(criteria.partial) and fixed < MIN_PATTERN_FIXED and not span_given,
            f"a partial plate needs {MIN_PATTERN_FIXED} fixed characters or a time range",
        ),
        (criteria.partial.count("*") > 1, "a partial plate may hold one *"),
        (
            any(not (c.isalnum() or c in "?*") for c in criteria.partial),
            "a partial plate holds letters, digits, ? and *",
        ),
        (
            criteria.captured_from is not None
            and criteria.captured_to is not None
            and criteria.captured_from > criteria.captured_to,
            "captured_from is later than captured_to",
        ),
        (criteria.captured_from is not None and criteria.captured_from > now, "captured_from lies in the future"),
        (area is not None and not (-90 <= area.south <= area.north <= 90), "area: south..north within -90..90"),
        (area is not None and not (-180 <= area.west <= area.east <= 180), "area: west..east within -180..180"),
        (not 1 <= limit <= MAX_ROWS, f"limit: 1 to {MAX_ROWS}"),
    )
    detail = next((words for broken, words in refusals if broken), None)
    return None if detail is None else Refused("QRY-01", "CRITERIA_INVALID", detail)
