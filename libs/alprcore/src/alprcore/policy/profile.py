"""One agency's policy as data: every difference between agencies is a value here (CFG-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alprcore.model import ClientKind, DeviceKind


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

    `activity` is `access_data`, `query` or `operate_device`; `tag` names the course part; `categories` empty means
    everybody; `context` is what the record must say (FTO).
    """

    activity: str
    tag: str
    categories: tuple[str, ...] = ()
    context: str = ""


@dataclass(frozen=True, slots=True)
class Governance:
    """Who answers for the program: titles as the agency says them, and the roles that carry the powers."""

    program_manager: str = "Program manager"
    manager_scope: tuple[str, ...] = ("installation", "maintenance", "retention", "access")
    access_managers: tuple[str, ...] = ("program_manager", "alpr_admin")
    training_owners: tuple[str, ...] = ("program_manager",)
    release_approvers: tuple[str, ...] = ("program_manager",)
    other_uses_approvers: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    designee_title: str = ""
    designee_name: str = ""
    designee_since: str = ""
    custodian: bool = False
    guidelines_required: bool = False
    posting_required: bool = False


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a person needs before any data is shown (section acc of the profile)."""

    categories: tuple[str, ...] = ()
    training: tuple[TrainingNeed, ...] = (TrainingNeed("access_data", "alpr"),)
    certifications: tuple[str, ...] = ()
    other_sources: tuple[str, ...] = ("clets",)
    policy_read: bool = True
    policy_review_days: int | None = None
    review_quarterly: bool = False


@dataclass(frozen=True, slots=True)
class AuditRules:
    """How often audits are due, what a report shows, how long it is kept (section aud)."""

    interval: str = "quarter"
    scope: str = "system"
    overdue_days: int = 30
    report_fields: tuple[str, ...] = ("user_name", "date", "time", "data_queried", "justification", "case_number")
    report_years: int = 2


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
    governance: Governance = Governance()
    access: AccessRules = AccessRules()
    audit: AuditRules = AuditRules()

    def list_rule(self, code: str) -> ListRule | None:
        """Find what the profile says of a list, or None when it does not name it."""
        return next((rule for rule in self.lists if rule.code == code), None)

    def retention_years(self, kind: DeviceKind) -> int:
        """Years that reads of this device kind are kept; trailers follow fixed devices (RET-03)."""
        return self.retention_years_mobile if kind is DeviceKind.MOBILE else self.retention_years_fixed
