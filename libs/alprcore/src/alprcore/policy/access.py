"""Who may come in: what the profile asks of a person before any data is shown or any device is used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Refused

from .profile import AgencyProfile

_ALSO: Final = {
    "access_data": ("access_data",),
    "query": ("access_data", "query"),
    "operate_device": ("operate_device",),
    "device_session": ("access_data", "operate_device", "device_session"),
}
"""Whose training an activity takes: a device session shows data and operates equipment, so it takes both (TRN-08)."""
_CERTIFICATION_CODES: Final = {
    "clets": ("ACC-05", "CLETS_CERT_MISSING", "no valid CLETS certification is on file"),
    "cji_access": ("ACC-13", "CJI_CRITERIA_MISSING", "eligibility for criminal justice information is not on file"),
}


@dataclass(frozen=True, slots=True)
class TrainingDone:
    """One completion of one version of a course: what it covered, where, when, and whether it counts (TRN-01)."""

    tags: tuple[str, ...]
    context: str
    completed_on: date
    expires_on: date | None = None
    approved: bool = True
    passed: bool = True


@dataclass(frozen=True, slots=True)
class Certification:
    """Something another authority vouches for: `clets` (ACC-05), `cji_access` (ACC-13); counts through its last day."""

    kind: str
    issuer: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class Clearance:
    """What must be on file of an independent contractor before any access (ACC-06)."""

    contract_id: str
    contract_end: date | None
    live_scan_on: date | None
    no_convictions: bool
    waiver_sha256: str
    waiver_on: date | None

    @property
    def complete(self) -> bool:
        """Tell whether nothing is missing; whether the contract still runs is another question."""
        return bool(
            self.contract_id
            and self.contract_end
            and self.live_scan_on
            and self.no_convictions
            and self.waiver_sha256
            and self.waiver_on
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything on file about a person that decides access, as of one moment.

    `state` is `created`, `active` or `disabled`; `policy_version` and `policy_read_at` are of the newest reading of the
    policy; `devices` are the devices of its living unit assignments; `review_overdue` says that an access review ended
    without a decision (ACC-12).
    """

    person_id: str
    category: str = ""
    title: str = ""
    employee_id: str = ""
    state: str = "created"
    roles: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    training: tuple[TrainingDone, ...] = ()
    certifications: tuple[Certification, ...] = ()
    policy_version: str = ""
    policy_read_at: datetime | None = None
    clearance: Clearance | None = None
    review_overdue: bool = False

    @property
    def contractor(self) -> bool:
        """Tell whether the rules for independent contractors hold (ACC-06)."""
        return self.category == "contractor" or "contractor" in self.roles


def may_administer(
    roles: Collection[str], owners: Collection[str], profile: AgencyProfile, *, assigned: bool
) -> Decision:
    """Decide whether somebody may do work that the profile gives to the roles `owners` (ACC-08, ACC-09, TRN-01).

    An ALPR administrator does it only while `assigned` to it by the program manager, where the profile says so.
    """
    held = set(roles).intersection(owners)
    if not held:
        named = ", ".join(sorted(profile.role_title(role) for role in owners)) or "nobody"
        return Refused("DEF-09", "ROLE_NOT_AUTHORISED", f"the agency's policy gives this to: {named}")
    if held == {"alpr_admin"} and profile.governance.assignment_required and not assigned:
        return Refused("ACC-09", "ASSIGNMENT_MISSING", "no living assignment by the program manager covers this work")
    return ADMITTED


def second_factor_needed(profile: AgencyProfile, *, loopback: bool) -> bool:
    """Tell whether signing in takes a second factor: always, but for a watermarked agency on this machine."""
    return not (profile.second_factor == "optional_on_loopback" and loopback and bool(profile.watermark))


def local_day(profile: AgencyProfile, now: datetime) -> date:
    """Give the agency's calendar day; papers count through the end of their last one."""
    return now.astimezone(ZoneInfo(profile.timezone)).date()


def valid_training(standing: Standing, profile: AgencyProfile, now: datetime) -> tuple[str, ...]:
    """Give what the person's training covers today, sorted: `tag`, and `tag@context` where the record names one.

    Only completions that were passed, of a version of a course that the department approved, count (TRN-01).
    """
    day = local_day(profile, now)
    covered: set[str] = set()
    for done in standing.training:
        if not (done.approved and done.passed) or done.completed_on > day:
            continue
        if done.expires_on is not None and done.expires_on < day:
            continue
        covered.update(done.tags)
        if done.context:
            covered.update(f"{tag}@{done.context}" for tag in done.tags)
    return tuple(sorted(covered))


def missing_training(
    training: Collection[str], category: str, profile: AgencyProfile, activity: str
) -> tuple[str, ...]:
    """Name the parts of training that a person still lacks for an activity (ACC-03, TRN-02..04, TRN-08).

    `training` is what `valid_training` gave. Where the profile asks something for an activity but says nothing of this
    category, everything is missing: silence admits nobody.
    """
    lacking: list[str] = []
    for step in _ALSO[activity]:
        needs = [need for need in profile.access.training if need.activity == step]
        own = [need for need in needs if not need.categories or category in need.categories]
        for need in own or needs:
            name = f"{need.tag}@{need.context}" if need.context else need.tag
            if (name not in training or not own) and name not in lacking:
                lacking.append(name)
    return tuple(lacking)


def training_refusal(missing: Collection[str], profile: AgencyProfile, rule_id: str = "ACC-03") -> Refused | None:
    """Turn missing parts of training into the refusal that names them, and who puts them on file (TRN-01)."""
    if not missing:
        return None
    parts = ", ".join(part.replace("@", " in ").replace("_", " ") for part in missing)
    owners = " or ".join(profile.role_title(role) for role in profile.governance.training_owners)
    return Refused(rule_id, "TRAINING_MISSING", f"training is missing: {parts}; it is recorded by the {owners}")


def missing_papers(standing: Standing, profile: AgencyProfile, now: datetime) -> tuple[Refused, ...]:
    """List what keeps a person out besides training and the policy: category, contract, certifications (ACC-04..06)."""
    rules, day = profile.access, local_day(profile, now)
    found: list[Refused] = []
    if rules.categories and standing.category not in rules.categories:
        found.append(Refused("ACC-04", "CATEGORY_NOT_ELIGIBLE", "the agency's policy does not admit this category"))
    if standing.contractor:
        paper = standing.clearance
        if paper is None or not paper.complete:
            words = "Live Scan, statement of no convictions, signed waiver and contract are not all on file"
            found.append(Refused("ACC-06", "CONTRACTOR_CLEARANCE_MISSING", words))
        elif paper.contract_end is not None and paper.contract_end < day:
            found.append(Refused("ACC-06", "CONTRACT_ENDED", "the contract has ended"))
    for kind in rules.certifications:
        if not has_certification(standing, kind, day):
            default = ("ACC-05", "CERTIFICATION_MISSING", f"no valid certification {kind} is on file")
            found.append(Refused(*_CERTIFICATION_CODES.get(kind, default)))
    return tuple(found)


def has_certification(standing: Standing, kind: str, day: date) -> bool:
    """Tell whether a certification of this kind counts on a day."""
    return any(one.kind == kind and one.expires_on >= day for one in standing.certifications)


def policy_due_at(standing: Standing, profile: AgencyProfile) -> datetime | None:
    """Tell when the yearly review of the policy falls due; None where none is asked or nothing was read (TRN-06)."""
    if profile.access.policy_review_days is None or standing.policy_read_at is None:
        return None
    return standing.policy_read_at + timedelta(days=profile.access.policy_review_days)


def policy_refusal(
    standing: Standing, profile: AgencyProfile, now: datetime, also_read: Collection[str] = ()
) -> Refused | None:
    """Refuse while the policy in force was not read, or its yearly review is overdue (TRN-05, TRN-06).

    `also_read` names other versions whose reading is enough: those in force since a living session began (CFG-02).
    """
    if not profile.access.policy_read:
        return None
    if standing.policy_read_at is None or standing.policy_version not in (profile.version, *also_read):
        return Refused("TRN-05", "POLICY_NOT_READ", "the policy in force has not been read and acknowledged")
    due = policy_due_at(standing, profile)
    if due is not None and now > due:
        return Refused("TRN-06", "POLICY_NOT_READ", "the yearly review of the policy is overdue")
    return None


def may_access(
    standing: Standing, profile: AgencyProfile, activity: str, now: datetime, also_read: Collection[str] = ()
) -> Decision:
    """Decide whether a person may do an activity of `ACTIVITIES` now.

    Order: account, papers, training, access review, policy. The policy comes last, so that a refusal with
    `POLICY_NOT_READ` means that reading it is all that is left to do. Managers of access on whom nobody decided are
    refused data with a code of their own: they may still decide on others, or one forgotten review would lock out all.
    `also_read`: versions of the policy whose reading is enough besides the one in force, see `policy_refusal`.
    """
    if standing.state != "active":
        return Refused("ACC-11", "ACCOUNT_NOT_ACTIVE", f"the account is {standing.state}")
    papers = missing_papers(standing, profile, now)
    if papers:
        return papers[0]
    covered = valid_training(standing, profile, now)
    refusal = training_refusal(missing_training(covered, standing.category, profile, activity), profile)
    if refusal is None and profile.access.review_quarterly and standing.review_overdue:
        decides = activity == "access_data" and not standing.contractor
        decides = decides and not set(profile.governance.access_managers).isdisjoint(standing.roles)
        code = "OWN_ACCESS_REVIEW_OVERDUE" if decides else "ACCESS_REVIEW_OVERDUE"
        refusal = Refused("ACC-12", code, "the access review ended without a decision on this account")
    return refusal or policy_refusal(standing, profile, now, also_read) or ADMITTED
