"""One agency's policy as data: every difference between agencies is a value here (CFG-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alprcore.model import ClientKind

ROLES: Final = frozenset(
    {"officer", "dispatcher", "investigator", "supervisor", "alpr_admin", "program_manager", "training_manager"}
    | {"clets_coordinator", "custodian", "retention_officer", "auditor", "contractor", "chief_admin_assistant"}
)
HOT_PLATE_FIELDS: Final = frozenset({"contact_phone", "case_number", "synopsis"})
ACTIVITIES: Final = frozenset({"access_data", "query", "operate_device", "device_session"})
SOURCES: Final = frozenset({"clets", "department_rms", "state", "federal"})
HOLD_GROUNDS: Final = frozenset(
    {"evidence", "reasonable_belief", "reasonable_likelihood", "discovery_request", "lawful_demand"}
    | {"linked_investigation"}
)
HOLD_ENDS: Final = frozenset({"booked", "action_ends", "case_file"})
EXPORT_MEDIA: Final = frozenset({"dvd", "cd", "usb", "disk"})
CUSTODY: Final = frozenset({"owner", "custodian", "repository"})
COUNTERPARTIES: Final = frozenset({"in_state", "out_of_state", "federal"})
"""Kinds of agencies with which another one may close an agreement; private parties are none, whatever a profile says."""
RECIPIENTS: Final = frozenset(
    {"law_enforcement", "prosecutorial", "as_permitted_by_law", "governmental_law_enforcement_or_public_safety"}
)
WRITTEN_FIELDS: Final = frozenset({"agency_name", "requester_name", "intended_purpose"})
REQUEST_FIELDS: Final = WRITTEN_FIELDS | {"requester_title", "requester_contact", "case_number"}
"""What a written request for data may be asked to say; the three above it says always (SHR-02)."""


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


_LEGAL_BASES: Final = {
    "official_purpose": "Official law enforcement purpose of the receiving agency",
    "search_warrant": "Search warrant",
    "court_order": "Court order",
    "subpoena": "Subpoena",
    "discovery": "Discovery in a criminal case",
    "statute": "Another statute",
}


@dataclass(frozen=True, slots=True)
class Custodian:
    """A party that owns, controls or holds an agency's data: name, what it is, since when.

    `roles` are of owner, custodian and repository; `since` is a year or a day, empty where the policy says none (SHR-11).
    """

    name: str
    roles: tuple[str, ...]
    since: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """One line of the department's records retention schedule that covers ALPR records (RET-05).

    `period` is written as `18 months`; `approved_on` is a day; `devices` are the kinds it covers, empty: all.
    """

    series: str
    period: str
    approved_by: str
    approved_on: str
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How long records are kept, what keeps them longer, and who has a say in it (section ret).

    Periods are texts of a number and a unit (`1 year`, `18 months`, `21 days`, `3 minutes`). `mode` minimum keeps the
    period at least and then as long as the department's schedule says, fixed keeps exactly the period (RET-01, RET-02).
    `mobile` and `fixed` are the periods by device, trailers as fixed ones (RET-03); `hits` is a longer one for reads
    that hit a list, empty: as other reads. `clock` says from when it counts (RET-04). Where `schedule_required` holds,
    nothing is purged while `schedule` has no entry for a device kind (RET-05). `custodian_approval` asks the custodian
    of records before the first purge under changed rules (RET-14). `statute` names the law that allows less than one
    year; that takes a deployment of its own. `hold_grounds` are the grounds of a hold (RET-07), `hold_end` what ends
    one: booked into evidence, the action ends, the case file's own purge date (RET-08, RET-09, RET-12);
    `hold_review_days` the time between two looks at it; `dvd_question` asks whether a DVD was considered (RET-13);
    `export_media` are the media offered (RET-12), and `purge_after_booking` lets booked records go. Backups expire
    within `backup_window_days` (RET-10).
    """

    mobile: str
    fixed: str
    clock: str
    mode: str = "minimum"
    hits: str = ""
    schedule_required: bool = False
    schedule: tuple[ScheduleEntry, ...] = ()
    custodian_approval: bool = False
    statute: str = ""
    hold_grounds: tuple[str, ...] = ("evidence", "reasonable_belief", "discovery_request", "lawful_demand")
    hold_end: tuple[str, ...] = ("booked", "action_ends")
    hold_review_days: int = 90
    dvd_question: bool = False
    export_media: tuple[str, ...] = ("dvd", "cd", "usb", "disk")
    purge_after_booking: bool = True
    backup_window_days: int = 35


@dataclass(frozen=True, slots=True)
class SharingRules:
    """To whom data may go outside the agency, how it is asked for, and who owns it (section shr; USE-13).

    `recipients` are the classes that may receive (SHR-01), `request_fields` what a written request says at least
    (SHR-02). Who approves stands in `Governance.release_approvers`; `approver_designees` says whether a delegation
    counts too (SHR-03). `legal_bases`, where there are any, are those of which an approval cites one, `policy_bases`
    the outside policies of which it names one (SHR-07). `file_scope` says which requests go on file, approved or all,
    `file_keeper` which role keeps the file (SHR-04, SHR-05); `file_years` None: without an end (RET-16).
    `non_le_route` says what becomes of a request from nobody the policy knows: handed to `other_requests`, a records
    policy, or refused (SHR-06), with `public_basis` as the reason (SHR-08). `confidentiality` stands on the cover of
    everything that is handed over (SHR-09).

    `standing_adapter` names the form in which reads go to the `standing_repository`; empty: none goes (SHR-10).
    `custodians` are the parties that own, control or hold the data (SHR-11). An agreement is closed only with agencies
    of `agreement_kinds`; where out-of-state ones are not among them, only within `home_state`. Two of
    `agreement_approvers` approve it.
    """

    recipients: tuple[str, ...] = ("law_enforcement",)
    other_requests: str = ""
    standing_repository: str = ""
    owner: str = "the department"
    request_fields: tuple[str, ...] = ("agency_name", "requester_name", "intended_purpose")
    purpose_label: str = "Intended purpose of obtaining the information"
    approver_designees: bool = True
    legal_bases: Mapping[str, str] = field(default_factory=lambda: dict(_LEGAL_BASES))
    policy_bases: tuple[str, ...] = ()
    file_scope: str = "all"
    file_keeper: str = "program_manager"
    file_policy: str = "records retention schedule"
    file_years: int | None = None
    non_le_route: str = "refuse"
    public_basis: tuple[str, ...] = ("License plate data is confidential and not open to public review.",)
    confidentiality: str = (
        "Confidential. For official law enforcement purposes of the named recipient only. Not open to the public; not to "
        "be handed on, published or used for another purpose."
    )
    standing_adapter: str = ""
    custodians: tuple[Custodian, ...] = ()
    home_state: str = ""
    agreement_kinds: tuple[str, ...] = ("in_state",)
    agreement_approvers: tuple[str, ...] = ("program_manager", "supervisor")


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
    retention: RetentionRules
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
