"""Who may put which question to the stored reads, and with what reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.plates import MIN_PATTERN_FIXED, fixed_characters, pattern_fault

from .access import missing_training, training_refusal
from .approving import OTHER_APPROVED, OTHER_USE, PROTECTED_EVENT, Area, Known, ProtectedEvent, approvals_lack
from .profile import AgencyProfile
from .screening import protected_term, says_nothing

SYSTEM_PURPOSES: Final[Mapping[str, frozenset[str]]] = {
    "audit": frozenset({"auditor"}),
    "upload_check": frozenset({"officer", "alpr_admin", "contractor"}),
    "release_fulfilment": frozenset({"program_manager", "custodian"}),
}
"""Purposes beside the profile's list, each bound to roles (USE-01)."""
QUERY_ROLES: Final = frozenset(
    {"officer", "dispatcher", "investigator", "supervisor", "alpr_admin", "program_manager", "contractor", "auditor"}
)
MAX_ROWS: Final = 500
MAX_DEVICES: Final = 50
"""Devices one question may name; a question to more is one by area."""
CORNERS: Final = range(3, 51)
"""Corners an area drawn by hand may have."""
_NAMED: Final = 10
"""Protected events a refusal names; whoever touches more learns of the others once these are approved."""


NOTHING_KNOWN: Final = Known()


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is searched for (QRY-01, QRY-05); everything given must hold.

    `polygon` holds corners as latitude and longitude. `device_ids` are those that the question names or, for own
    detections, those of the asker's unit.
    """

    plate: str = ""
    partial: str = ""
    lookalike: bool = False
    state: str = ""
    captured_from: datetime | None = None
    captured_to: datetime | None = None
    area: Area | None = None
    polygon: tuple[tuple[float, float], ...] = ()
    device_ids: tuple[str, ...] = ()
    list_code: str = ""
    own_detections: bool = False
    read_id: str = ""

    @property
    def fixed(self) -> int:
        """Count the characters that a partial plate fixes."""
        return fixed_characters(self.partial)

    def bounds(self) -> Area | None:
        """Give the rectangle that the searched area lies in; None when no area is named."""
        if not self.polygon:
            return self.area
        latitudes, longitudes = zip(*self.polygon, strict=True)
        return Area(min(latitudes), min(longitudes), max(latitudes), max(longitudes))


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
    offense_code: str = ""
    limit: int = 100
    after: str = ""


def may_query(
    query: Query, person: Person, profile: AgencyProfile, now: datetime, known: Known = NOTHING_KNOWN
) -> Decision:
    """Decide whether this person may put this query (USE-01..07, USE-11, QRY-02..04, TRN-04).

    Order: role, training, purpose, reasons, protected activities, criteria.
    """
    return (
        standing_refusal(person, profile)
        or _scope_refusal(query, person)
        or _purpose_refusal(query, person, profile)
        or _approval_refusal(query, person, known, now)
        or _reason_refusal(query, profile)
        or _event_refusal(query, person, profile, known, now)
        or _criteria_refusal(query.criteria, query.limit, now)
        or ADMITTED
    )


def standing_refusal(person: Person, profile: AgencyProfile) -> Refused | None:
    """Refuse who may not search or follow up a search at all: role, agency, training (ACC-03, TRN-02..04)."""
    if QUERY_ROLES.isdisjoint(person.roles) or person.agency != profile.agency:
        return Refused("ACC-03", "ROLE_NOT_AUTHORISED", "this role may not search reads")
    return training_refusal(missing_training(person.training, person.category, profile, "query"), profile)


def maintains_only(person: Person) -> bool:
    """Tell whether a person may search for maintenance alone: a contractor without another role (ACC-06)."""
    return QUERY_ROLES.intersection(person.roles) == {"contractor"}


def _scope_refusal(query: Query, person: Person) -> Refused | None:
    """Keep a contractor to the devices under maintenance: no vehicle, no place, no list (ACC-06)."""
    if not maintains_only(person) or not query.purpose_code:
        return None
    if query.purpose_code != "upload_check":
        return Refused("ACC-06", "PURPOSE_NOT_PERMITTED", "a contractor searches for maintenance only")
    asked = query.criteria
    beyond = asked.plate or asked.partial or asked.bounds() or asked.list_code or asked.read_id
    if beyond or not asked.device_ids:
        words = "a contractor's search names the devices under maintenance and no vehicle"
        return Refused("ACC-06", "CRITERIA_INVALID", words)
    return None


def _purpose_refusal(query: Query, person: Person, profile: AgencyProfile) -> Refused | None:
    code, own = query.purpose_code, query.criteria.own_detections or maintains_only(person)
    if not code:
        return Refused("USE-01", "PURPOSE_REQUIRED", "a purpose is required")
    if code in SYSTEM_PURPOSES:
        if SYSTEM_PURPOSES[code].isdisjoint(person.roles):
            return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "this purpose is bound to other roles")
        if code == "upload_check" and not own:
            return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "an upload check covers own detections only")
        if code == "release_fulfilment":
            return Refused("USE-01", "APPROVAL_REQUIRED", "name the approved release request")
        return None
    if QUERY_ROLES.intersection(person.roles) == {"auditor"}:
        return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "auditors search for audits only")
    listed = any(purpose.code == code and purpose.query for purpose in profile.purposes)
    if not listed or (code == OTHER_APPROVED and not profile.governance.other_uses_approvers):
        return Refused("USE-02", "PURPOSE_NOT_PERMITTED", "the agency's policy does not permit this purpose")
    return None


def _approval_refusal(query: Query, person: Person, known: Known, now: datetime) -> Refused | None:
    if query.purpose_code != OTHER_APPROVED:
        return None
    lacks = approvals_lack(known.approvals, OTHER_USE, person, now, case_number=query.case_number)
    return Refused("USE-11", "APPROVAL_REQUIRED", f"another use needs a valid approval: {lacks}") if lacks else None


def _reason_refusal(query: Query, profile: AgencyProfile) -> Refused | None:
    rules = profile.querying
    texts = (query.justification, query.no_case_number_reason, query.reasonable_suspicion, query.need_to_know)
    refusals = (
        (
            says_nothing(query.justification, rules),
            Refused("QRY-02", "PURPOSE_REQUIRED", f"a justification of {rules.justification_min} characters or more,"
                    " in words that tell what the data is needed for"),
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
        (
            profile.first_amendment_block and bool(protected_term(texts, rules)),
            Refused("USE-07", "FIRST_AMENDMENT_PROHIBITED", "the reasons name a protected activity"),
        ),
    )  # fmt: skip
    return next((refusal for broken, refusal in refusals if broken), None)


def case_number_state(query: Query, profile: AgencyProfile) -> str:
    """Tell whether the case number was `given`, is `due` later, or is not asked for: `none` (QRY-04)."""
    if query.case_number.strip():
        return "given"
    promised = profile.case_number == "if_available" or query.no_case_number_reason.strip()
    return "due" if promised else "none"


def _event_refusal(query: Query, person: Person, profile: AgencyProfile, known: Known, now: datetime) -> Refused | None:
    if not profile.first_amendment_block:
        return None
    lacking = []
    for event in known.events:
        if touches(query.criteria, event, known, person.person_id):
            lacks = approvals_lack(known.approvals, PROTECTED_EVENT, person, now, event_id=event.event_id,
                                   case_number=query.case_number)  # fmt: skip
            if lacks:
                lacking.append(f"event {event.event_id}: {lacks}")
    if not lacking:
        return None
    words = "the search touches a protected event and needs a supervisor's approval of each"
    return Refused("USE-07", "FIRST_AMENDMENT_PROHIBITED", f"{words} ({'; '.join(lacking[:_NAMED])})")


def by_place(criteria: Criteria) -> bool:
    """Tell whether a search lists who was somewhere: it names an area, or no vehicle, list or own detections.

    A pattern is no vehicle where it fixes fewer characters than `MIN_PATTERN_FIXED` or is asked of named devices:
    either lists whoever passed.
    """
    vehicle = criteria.plate or (criteria.fixed >= MIN_PATTERN_FIXED and not criteria.device_ids)
    return criteria.bounds() is not None or not (
        vehicle or criteria.list_code or criteria.read_id or criteria.own_detections
    )


def touches(criteria: Criteria, event: ProtectedEvent, known: Known, asker: str) -> bool:
    """Tell whether a person's search could list who came to a protected event.

    A search for one vehicle without an area does not; a search by area does where both rectangles and times overlap; a
    search by devices does unless each is known to stand elsewhere; a search by time alone covers every place. An event
    that was called off before it began is none, but to whoever called it off.
    """
    begins, ends, until = criteria.captured_from, criteria.captured_to, event.protects_until(asker)
    if until <= event.begins_at or (begins is not None and begins > until):
        return False
    if ends is not None and ends < event.begins_at:
        return False
    area = criteria.bounds()
    if area is not None or not by_place(criteria):
        return area is not None and area.overlaps(event.area)
    positions = known.positions or {}
    if criteria.device_ids and all(name in positions for name in criteria.device_ids):
        return any(event.area.holds(positions[name]) for name in criteria.device_ids)
    return True


def _criteria_refusal(criteria: Criteria, limit: int, now: datetime) -> Refused | None:
    span_given = criteria.captured_from is not None and criteria.captured_to is not None
    area = criteria.bounds()
    narrowing = criteria.plate or criteria.partial or criteria.device_ids or criteria.list_code or criteria.read_id
    refusals = (
        (
            not (narrowing or area or criteria.own_detections or span_given),
            "give a plate, a partial plate, a device, a list, an area or a time range",
        ),
        (bool(criteria.plate and criteria.partial), "give a plate or a partial plate, not both"),
        (
            bool(criteria.partial) and criteria.fixed < MIN_PATTERN_FIXED and not span_given,
            f"a partial plate needs {MIN_PATTERN_FIXED} fixed characters or a time range",
        ),
        (bool(odd := pattern_fault(criteria.partial.upper(), fixed=0)), odd),
        (
            criteria.captured_from is not None
            and criteria.captured_to is not None
            and criteria.captured_from > criteria.captured_to,
            "captured_from is later than captured_to",
        ),
        (criteria.captured_from is not None and criteria.captured_from > now, "captured_from lies in the future"),
        (bool(criteria.area and criteria.polygon), "give a rectangle or a polygon, not both"),
        (
            bool(criteria.polygon) and len(criteria.polygon) not in CORNERS,
            f"a polygon has {CORNERS[0]} to {CORNERS[-1]} corners",
        ),
        (area is not None and not (-90 <= area.south <= area.north <= 90), "area: south..north within -90..90"),
        (area is not None and not (-180 <= area.west <= area.east <= 180), "area: west..east within -180..180"),
        (len(criteria.device_ids) > MAX_DEVICES, f"at most {MAX_DEVICES} devices"),
        (criteria.own_detections and not criteria.device_ids, "own detections: no device is assigned to you"),
        (not 1 <= limit <= MAX_ROWS, f"limit: 1 to {MAX_ROWS}"),
    )
    detail = next((words for broken, words in refusals if broken), None)
    return None if detail is None else Refused("QRY-01", "CRITERIA_INVALID", detail)
