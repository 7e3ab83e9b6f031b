"""What an agency's policy allows: pure functions over a versioned profile.

No agency is named here; every difference between agencies is a value of its profile
(CFG-01, docs/decisions/0006). Each function gives `Admitted` or `Refused`, never raises for a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.model import (
    ADMITTED,
    ClientKind,
    Decision,
    Device,
    DeviceKind,
    Frame,
    Person,
    Refused,
)

CLOCK_AHEAD_LIMIT: Final = timedelta(seconds=120)
"""A frame from further in the future than this carries a wrong clock; late frames are never refused (CAP-04)."""
FLOOR_YEARS: Final = 1
"""No record is due earlier than one calendar year after it was received (RET-01)."""
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
class Purpose:
    """One selectable reason for a query: code, words, and whether it covers queries or only matching (USE-03)."""

    code: str
    label: str
    query: bool = True


@dataclass(frozen=True, slots=True)
class ListRule:
    """One list that the profile names: code, label, type, advisory class, default reason, loads per day (HOT-01)."""

    code: str
    label: str
    list_type: str
    advisory_class: str
    reason: str
    loads_per_day: int


@dataclass(frozen=True, slots=True)
class AgencyProfile:
    """One agency's policy as data. `version` is the policy reference and the hash of the document."""

    agency: str
    version: str
    name: str
    policy_ref: str
    policy_date: str
    applies_to: str
    timezone: str
    wording: str
    purposes: tuple[Purpose, ...]
    reasonable_suspicion_required: bool
    need_to_know_required: bool
    case_number: str
    first_amendment_block: bool
    retention_years_mobile: int
    retention_years_fixed: int
    retention_clock: str
    lists: tuple[ListRule, ...]
    display_targets: tuple[tuple[str, ClientKind], ...]
    audible: bool
    gates: Mapping[str, str] = field(default_factory=dict)
    near_real_time_s: float = 5.0
    delayed_after_s: float = 120.0
    incident_window_s: float = 900.0
    lookalike_positions: int = 2
    lookalike_below: float = 0.9
    second_factor: str = "required"
    watermark: str = ""
    notification_status: str = "Actual"

    def list_rule(self, code: str) -> ListRule | None:
        """Find what the profile says of a list, or None when it does not name it."""
        return next((rule for rule in self.lists if rule.code == code), None)

    def retention_years(self, kind: DeviceKind) -> int:
        """Years that reads of this device kind are kept; trailers follow fixed devices (RET-03)."""
        return self.retention_years_mobile if kind is DeviceKind.MOBILE else self.retention_years_fixed


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


def may_collect(frame: Frame, device: Device | None, *, signature_ok: bool, now: datetime) -> Decision:
    """Decide whether a frame may be read, whichever door it came through (CAP-01, CAP-02, USE-14).

    `signature_ok` says whether the device's key verifies the frame's signature.
    """
    if device is None:
        return Refused("CAP-01", "DEVICE_UNKNOWN", "no such device is registered")
    refusals = (
        (frame.agency not in ("", device.agency), "CAP-12", "AGENCY_MISMATCH", "the device belongs to another agency"),
        (device.camera(frame.camera_id) is None, "CAP-01", "CAMERA_UNKNOWN", "the device has no such camera"),
        (not frame.signature, "CAP-01", "SIGNATURE_MISSING", "the frame is not signed"),
        (not signature_ok, "CAP-01", "SIGNATURE_INVALID", "the signature is not the device's"),
        (not device.in_service, "CAP-01", "DEVICE_OUT_OF_SERVICE", "the device is out of service"),
        (
            device.siting is None or not device.siting.public_view,
            "USE-14",
            "SITING_NOT_DECLARED",
            "no declaration that the device sees only what is in public view",
        ),
        (
            frame.location is None and device.position is None,
            "CAP-02",
            "FIELD_MISSING",
            "location: neither the frame nor the registry has a position",
        ),
        (
            frame.captured_at > now + CLOCK_AHEAD_LIMIT,
            "CAP-04",
            "CLOCK_AHEAD",
            "captured_at lies more than 120 s in the future",
        ),
    )
    return next((Refused(rule, code, detail) for broken, rule, code, detail in refusals if broken), ADMITTED)


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


def due_day(captured_at: datetime, received_at: datetime, kind: DeviceKind, profile: AgencyProfile) -> date:
    """Give the agency-local day on which a record falls due; it may be purged when that day has ended.

    Clock and period come from the profile (RET-02..04), never earlier than the one-year floor (RET-01).
    """
    zone = ZoneInfo(profile.timezone)
    start = captured_at if profile.retention_clock == "captured" else received_at
    due = add_years(start.astimezone(zone).date(), profile.retention_years(kind))
    return max(due, add_years(received_at.astimezone(zone).date(), FLOOR_YEARS))


def add_years(day: date, years: int) -> date:
    """Move a day by calendar years; 29 February becomes 1 March, so that nothing falls due early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def hit_is_delayed(captured_at: datetime, now: datetime, profile: AgencyProfile) -> bool:
    """Tell whether a hit comes so late after capture that it must be labeled with its age (CAP-09)."""
    return (now - captured_at).total_seconds() > profile.delayed_after_s


def second_factor_needed(profile: AgencyProfile, *, loopback: bool) -> bool:
    """Tell whether signing in takes a second factor: always, but for a watermarked agency on this machine."""
    return not (profile.second_factor == "optional_on_loopback" and loopback and bool(profile.watermark))
