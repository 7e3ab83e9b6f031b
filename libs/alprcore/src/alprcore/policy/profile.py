"""One agency's policy as data: every difference between agencies is a value here (CFG-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alprcore.model import ClientKind, DeviceKind

ROLES: Final = frozenset(
    {"officer", "dispatcher", "investigator", "supervisor", "alpr_admin", "program_manager", "training_manager"}
    | {"clets_coordinator", "custodian", "retention_officer", "auditor", "contractor"}
)
HOT_PLATE_FIELDS: Final = frozenset({"contact_phone", "case_number", "synopsis"})
ACTIVITIES: Final = frozenset({"access_data", "query", "operate_device", "device_session"})
SOURCES: Final = frozenset({"clets", "department_rms", "state", "federal"})


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
class TrainingNeed:
    """One training that an activity takes (ACC-03, TRN-02..04, TRN-08).

    `activity` is one of `ACTIVITIES`; `tag` names the course part; `categories` empty means everybody; `context` is
    what the record must say (FTO).
    """

    activity: str
    tag: str
    categories: tuple[str, ...] = ()
    context: str = ""


@dataclass(frozen=True, slots=True)
class Governance:
    """Who answers for the program: titles as the agency says them, and the roles that carry the powers.

    `role_titles` gives what the agency calls a role (ADM-06); `titles` and `contractor_titles` are the published job
    titles of members and of independent contractors, empty where the agency publishes none (ADM-02);
    `assignment_required` says that an administrator acts only under a live assignment (ACC-09).
    """

    program_manager: str = "Program manager"
    manager_scope: tuple[str, ...] = ("installation", "maintenance", "retention", "access")
    daily_admin: str = ""
    role_titles: Mapping[str, str] = field(default_factory=dict)
    access_managers: tuple[str, ...] = ("program_manager", "alpr_admin")
    assignment_required: bool = True
    training_owners: tuple[str, ...] = ("program_manager",)
    release_approvers: tuple[str, ...] = ("program_manager",)
    other_uses_approvers: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    contractor_titles: tuple[str, ...] = ()
    designee_title: str = ""
    designee_name: str = ""
    designee_since: str = ""
    custodian: bool = False
    guidelines_required: bool = False
    posting_required: bool = False
    breach_route: str = "Records Release and Maintenance Policy"


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a person needs before any data is shown (section acc of the profile).

    `other_sources` are the sources that only a grant opens (ACC-07); `grant_certifications` the certifications that a
    person must hold before a source of the same name is granted; `device_clearance` asks an employee's clearance
    before a device is assigned (ACC-14).
    """

    eligible: str = ""
    categories: tuple[str, ...] = ()
    training: tuple[TrainingNeed, ...] = (TrainingNeed("access_data", "alpr"), TrainingNeed("operate_device", "alpr"))
    certifications: tuple[str, ...] = ()
    other_sources: tuple[str, ...] = ("clets",)
    grant_certifications: tuple[str, ...] = ("clets",)
    policy_read: bool = True
    policy_review_days: int | None = None
    review_quarterly: bool = False
    device_clearance: bool = False


@dataclass(frozen=True, slots=True)
class AuditRules:
    """How often audits are due, what a report shows, how long it is kept (section aud)."""

    interval: str = "quarter"
    scope: str = "system"
    role: str = "auditor"
    overdue_days: int = 30
    report_fields: tuple[str, ...] = ("user_name", "date", "time", "data_queried", "justification", "case_number")
    report_years: int = 2


@dataclass(frozen=True, slots=True)
class SharingRules:
    """To whom data may go outside the agency, and who owns it (section shr; USE-13 shows it to the public)."""

    recipients: tuple[str, ...] = ("law_enforcement",)
    other_requests: str = ""
    standing_repository: str = ""
    owner: str = "the department"


_VAGUE: Final = (
    "activity", "asked", "business", "case", "cases", "check", "checking", "conduct", "crime", "crimes", "criminal",
    "department", "detective", "duty", "enforcement", "follow", "following", "general", "have", "help", "info",
    "information", "inquiry", "intel", "intelligence", "invest", "investigate", "investigating", "investigation",
    "investigations", "investigative", "lawful", "legal", "legitimate", "look", "looking", "lookup", "matter", "misc",
    "miscellaneous", "need", "needed", "none", "officer", "official", "ongoing", "other", "patrol", "please", "police",
    "possible", "purpose", "purposes", "reason", "reasons", "request", "requested", "required", "research", "search",
    "some", "stuff", "subject", "susp", "suspect", "suspects", "suspicion", "suspicious", "that", "thing", "this",
    "unknown", "various", "with", "work",
)  # fmt: skip
_PROTECTED: Final = (
    "activist*", "campaign rally", "church service*", "congregation*", "demonstrators", "journalist*",
    "labor demonstration*", "mosque attend*", "peaceful assembl*", "peaceful demonstration*", "picket line*",
    "picketing", "political demonstration*", "political meeting*", "political rall*", "prayer meeting*",
    "prayer service*", "press conference*", "protest*", "public demonstration*", "rally attend*", "religious gathering*",
    "religious service*", "street demonstration*", "union meeting*", "vigil attend*", "worship*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueryRules:
    """What the texts of a question must say and must not name (section querying; QRY-02, USE-07).

    `vague_words` tell nothing by themselves; `protected_terms` name activities that the First Amendment protects, a
    trailing `*` stands for any ending.
    """

    justification_min: int = 10
    vague_words: tuple[str, ...] = _VAGUE
    protected_terms: tuple[str, ...] = _PROTECTED


@dataclass(frozen=True, slots=True)
class ListingRules:
    """Who may list which vehicles, and for how long (section hot).

    `special_lists` says whether the agency has such lists at all (HOT-05); `state_systems` are the list codes whose
    owners take a plate over from its hot plate (HOT-17); `hot_plate_fields` is what several officers must be told
    (HOT-18); `partial_fixed` are the characters that a partial plate knows at least; `back_search` says whether reads
    that are kept are searched when a plate is entered (USE-10).
    """

    special_lists: bool = False
    special_approvers: tuple[str, ...] = ("program_manager",)
    share_authorizers: tuple[str, ...] = ("program_manager",)
    special_sources: int = 2
    hot_plate_roles: tuple[str, ...] = ("officer", "investigator", "dispatcher", "alpr_admin")
    hot_plate_days: int = 30
    hot_plate_state_hours: int = 24
    state_systems: tuple[str, ...] = ("SVS", "SRV", "SLR", "SFR", "MUPS")
    hot_plate_fields: tuple[str, ...] = ("contact_phone", "case_number", "synopsis")
    partial_days: int = 30
    partial_fixed: int = 3
    back_search: bool = True


_HIT_ROLES: Final = ("dispatcher", "officer", "supervisor")
_CALL_TYPES: Final = {
    "tas_hit": "TAS hit",
    "stolen_vehicle": "Stolen vehicle",
    "stolen_vehicle_recovery": "Stolen vehicle recovery",
}


@dataclass(frozen=True, slots=True)
class HitRules:
    """How a hit is worked on (section hits): sequences, who checks, what is said on the air, calls, clocks.

    Sequences list steps in the order in which the policy names them; how strongly they bind is a matter of `gates`
    (HIT-13, HIT-14, HIT-17, HIT-18, HIT-26). `mobile_visual` asks an officer's look at the vehicle for a mobile hit
    (HIT-16); `dispatch_confirms` lets a verification by Dispatch serve the officer who acts; `verify_sources` are the
    databases whose answer counts, `verify_routes` the ways of asking them (HIT-09, HIT-26); `exigencies` excuse an
    action before its verification (HIT-10). `channels` and `audience` are what a broadcast by Dispatch holds at least
    (HIT-23), `result_audience` the same for what the database answered. `stolen_call` asks broadcast and call for
    a confirmed stolen vehicle (HIT-24, HIT-25). Clocks are seconds; `broadcast_s` 0 sets none (HIT-19).
    `pursuit_prompt` tells a unit in a pursuit when it may end its part (OPS-01).
    """

    fixed_sequence: tuple[str, ...] = ("read_check", "verify", "broadcast")
    mobile_sequence: tuple[str, ...] = ("verify", "action")
    desktop_sequence: tuple[str, ...] = ("read_check", "verify", "broadcast")
    fixed_checkers: tuple[str, ...] = _HIT_ROLES
    mobile_checkers: tuple[str, ...] = _HIT_ROLES
    mobile_visual: bool = False
    verify_sources: tuple[str, ...] = ("CLETS",)
    verify_routes: tuple[str, ...] = ("mobile_terminal", "dispatch", "desktop")
    dispatch_confirms: bool = True
    exigencies: tuple[str, ...] = ()
    broadcast_kind: str = "initial"
    broadcast_content: tuple[str, ...] = ("plate", "description")
    channels: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    result_audience: tuple[str, ...] = ()
    call_types: Mapping[str, str] = field(default_factory=lambda: dict(_CALL_TYPES))
    stolen_call: bool = False
    acknowledge_s: int = 60
    broadcast_s: int = 0
    confirm_after_s: int = 900
    pursuit_prompt: bool = False


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
    supersedes: str = ""
    base_rule: str = "official law enforcement business"
    governance: Governance = Governance()
    access: AccessRules = AccessRules()
    audit: AuditRules = AuditRules()
    sharing: SharingRules = SharingRules()
    querying: QueryRules = QueryRules()
    listing: ListingRules = ListingRules()
    hits: HitRules = HitRules()
    canvass_priority: tuple[str, ...] = ()

    def role_title(self, role: str) -> str:
        """Give what the agency calls a role: its own title, else the role in plain words (ADM-06)."""
        if role == "program_manager":
            return self.governance.program_manager
        words = role.replace("_", " ").capitalize().replace("Alpr", "ALPR").replace("Clets", "CLETS")
        return self.governance.role_titles.get(role, words)

    def retention_years(self, kind: DeviceKind) -> int:
        """Years that reads of this device kind are kept; trailers follow fixed devices (RET-03)."""
        return self.retention_years_mobile if kind is DeviceKind.MOBILE else self.retention_years_fixed
