"""Who manages access, under which assignment or delegation; what an account must be; when it is reviewed or closed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Refused
from alprcore.policy import (
    ROLES,
    SOURCES,
    AgencyProfile,
    Standing,
    has_certification,
    local_day,
    may_access,
    missing_papers,
    missing_training,
    training_refusal,
    valid_training,
)

CATEGORIES: Final = ("sworn", "communications", "technology", "contractor", "professional", "records_clerk")
"""What kinds of people an agency employs or engages; its profile may admit fewer (ACC-04)."""
SCOPES: Final = ("access", "training", "equipment", "data")
"""What a program manager assigns people to (ACC-09)."""
CAUSES: Final = {
    "CONTRACT_ENDED": "the contract ended",
    "INACTIVE_90_DAYS": "nobody signed in for 90 days",
    "LAST_DAY_OVER": "the last day of the account is over",
}
"""Why the timer closes an account, in words."""
IDLE_LIMIT: Final = timedelta(days=90)
"""An account nobody signed in to for this long is disabled (CJIS AC-2(3))."""
_NEVER_TOGETHER: Final = frozenset({"alpr_admin", "auditor"})
"""Whoever manages accounts does not audit their use (CJIS AC-5)."""
_NO_DESIGNEES: Final = frozenset({"auditor", "contractor"})
"""Who audits decides nothing that is audited (CJIS AC-5); a contractor maintains and does no more (ACC-06)."""
OWN_ACCOUNT: Final = Refused("ACC-08", "OWN_ACCOUNT", "somebody else changes your own account")
_USERNAME: Final = re.compile(r"[a-z][a-z0-9._-]{2,39}")
_GENERIC: Final = frozenset(
    re.findall(
        r"\w+",
        "admin administrator alpr account console default demo department desk dispatch dispatcher duty generic guest "
        "investigator manager office officer operator patrol police root service shared shift squad station supervisor "
        "system team temp test unit user watch",
    )
)
_GRANTORS: Final = ("program_manager", "clets_coordinator")


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """What is asked to stand in an account; `leaves_on` is the last day of one given for a time, or of who leaves."""

    username: str
    full_name: str
    employee_id: str
    category: str
    job_title: str
    roles: tuple[str, ...]
    leaves_on: date | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """A power that its holder gave to a named designee for a time (ACC-10).

    `delegator_roles` are the roles of who gave it as they stand now; none while that account is disabled.
    """

    delegation_id: str
    power: str
    designee_id: str
    starts_at: datetime
    ends_at: datetime
    delegator_roles: tuple[str, ...]


POWERS: Final = (
    "manage_access",
    "record_training",
    "grant_sources",
    "assign_people",
    "approve_profile",
    "approve_guidelines",
    "approve_special_list",
    "authorise_share",
    "approve_release",
)
"""What a holder "or designee" does here (ACC-10): only powers that some act asks for can be given."""


def power_owners(power: str, profile: AgencyProfile) -> tuple[str, ...]:
    """Name the roles that hold a power in their own right; unknown powers are nobody's.

    Where the policy knows no designee of a release approver, that power is nobody's to give (SHR-03).
    """
    governance = profile.governance
    owners = {
        "manage_access": governance.access_managers,
        "record_training": governance.training_owners,
        "grant_sources": _GRANTORS,
        "assign_people": ("program_manager",),
        "approve_profile": ("program_manager",),
        "approve_guidelines": ("program_manager",),
        "approve_special_list": profile.listing.special_approvers,
        "authorise_share": profile.listing.share_authorizers,
        "approve_release": governance.release_approvers if profile.sharing.approver_designees else (),
    }
    return owners.get(power, ())


def designee_refusal(roles: Collection[str]) -> Refused | None:
    """Refuse a designee whose own roles do not go with anybody's powers (ACC-06, CJIS AC-5)."""
    if _NO_DESIGNEES.isdisjoint(roles):
        return None
    return Refused("ACC-10", "ROLES_CONFLICT", "auditors and contractors exercise no power of the program manager")


def may_act(
    power: str, person_id: str, roles: Collection[str], delegations: Iterable[Delegation], now: datetime
) -> Delegation | Refused:
    """Find the living delegation under which somebody with these roles exercises a power "or designee" (ACC-10).

    It counts from its start to its end, and while who gave it is still a program manager with an open account.
    """
    conflict = designee_refusal(roles)
    if conflict is not None:
        return conflict
    for one in delegations:
        living = one.starts_at <= now < one.ends_at and "program_manager" in one.delegator_roles
        if one.power == power and one.designee_id == person_id and living:
            return one
    return Refused("ACC-10", "APPROVER_NOT_AUTHORISED", "there is no living delegation of this power to this person")


def draft_refusal(draft: AccountDraft, profile: AgencyProfile) -> Refused | None:
    """Refuse an account that names no single person, or that the agency's policy does not admit (ACC-02, ACC-04)."""
    words = re.findall(r"[^\W\d_]+", draft.full_name.lower())
    checks = (
        (not draft.employee_id.strip(), "ACC-02", "PERSON_ID_REQUIRED", "an employee or contract number is required"),
        (
            not _USERNAME.fullmatch(draft.username),
            "ACC-02", "FIELD_INVALID", "username: 3 to 40 small letters, digits, dots, hyphens; a letter first",
        ),
        (
            len(words) < 2 or any(sign.isdigit() for sign in draft.full_name) or _GENERIC.issuperset(words),
            "ACC-02", "GENERIC_NAME", "an account belongs to one person: give the first and the last name",
        ),
        (
            _GENERIC.issuperset(re.findall(r"[a-z]+", draft.username)),
            "ACC-02", "GENERIC_NAME", "an account belongs to one person: this username could be anybody's",
        ),
        (
            draft.category not in (profile.access.categories or CATEGORIES),
            "ACC-04", "CATEGORY_NOT_ELIGIBLE", "the agency's policy does not admit this category",
        ),
        (not draft.job_title.strip(), "ADM-02", "FIELD_INVALID", "the job title is missing"),
        (
            not draft.roles or not ROLES.issuperset(draft.roles),
            "ACC-08", "ROLE_UNKNOWN", f"at least one role of: {', '.join(sorted(ROLES))}",
        ),
        (
            _NEVER_TOGETHER.issubset(draft.roles),
            "ACC-08", "ROLES_CONFLICT", "whoever manages accounts does not audit their use",
        ),
        (
            (draft.category == "contractor" or "contractor" in draft.roles)
            and (draft.category, draft.roles) != ("contractor", ("contractor",)),
            "ACC-06", "ROLES_CONFLICT", "a contractor's account holds the role contractor and no other",
        ),
    )  # fmt: skip
    return next((Refused(rule, code, words) for wrong, rule, code, words in checks if wrong), None)


def may_look_after(actor: Collection[str], roles: Iterable[str], profile: AgencyProfile) -> Decision:
    """Decide who makes, changes, closes, links or gives credentials to an account that holds, or will hold, `roles`.

    Whoever can reset an account can become its person. So accounts that manage access, and those that audit it, are
    looked after by the program manager alone, and by no designee (ACC-08, CJIS AC-5).
    """
    guarded = {"program_manager", "auditor", *profile.governance.access_managers}
    if "program_manager" in actor or guarded.isdisjoint(roles):
        return ADMITTED
    words = "accounts that manage access or audit it are looked after by the program manager only"
    return Refused("ACC-08", "ROLE_NOT_AUTHORISED", words)


def change_refusal(
    actor: Collection[str], roles: Collection[str], state: str, draft: AccountDraft, profile: AgencyProfile
) -> Refused | None:
    """Refuse a change of an account that holds `roles` now: what could not be activated is not changed into either."""
    decision = may_look_after(actor, {*roles, *draft.roles}, profile)
    if isinstance(decision, Refused):
        return decision
    return title_refusal(draft.category, draft.job_title, profile) if state == "active" else None


def title_refusal(category: str, title: str, profile: AgencyProfile) -> Refused | None:
    """Refuse a job title that the agency's guidelines do not publish; where none are published, any will do (ADM-02)."""
    governance = profile.governance
    published = governance.contractor_titles if category == "contractor" else governance.titles
    if title in published or not (governance.titles or governance.contractor_titles):
        return None
    return Refused("ADM-02", "TITLE_NOT_AUTHORISED", "this job title is not among the published ones")


def may_activate(standing: Standing, profile: AgencyProfile, now: datetime) -> Decision:
    """Decide an activation: published title, papers, training to access data (ADM-02, ACC-04..06, ACC-13, TRN-02..03)."""
    if standing.state == "disabled":
        return Refused("ACC-11", "ACCOUNT_NOT_ACTIVE", "the account is disabled: open it first")
    refusal = title_refusal(standing.category, standing.title, profile)
    if refusal is not None:
        return refusal
    papers = missing_papers(standing, profile, now)
    if papers:
        return papers[0]
    covered = valid_training(standing, profile, now)
    return training_refusal(missing_training(covered, standing.category, profile, "access_data"), profile) or ADMITTED


def may_have_credentials(standing: Standing, profile: AgencyProfile, now: datetime) -> Decision:
    """Decide whether credentials are issued: nothing is missing for access; an unread policy is read on paper (TRN-05)."""
    decision = may_access(standing, profile, "access_data", now)
    if not isinstance(decision, Refused) or decision.reason_code != "POLICY_NOT_READ":
        return decision
    way = "have them read and sign it on paper, then record it under “Policy read and signed on paper” on their page"
    return replace(decision, detail=f"{decision.detail}: {way}")


def grants_refusal(
    before: Collection[str], after: Collection[str], standing: Standing, profile: AgencyProfile, now: datetime
) -> Refused | None:
    """Refuse a grant of a source that there is not, or that takes a certification the person lacks (ACC-07)."""
    if not SOURCES.issuperset(after):
        return Refused("ACC-07", "FIELD_INVALID", f"sources: {', '.join(sorted(SOURCES))}")
    for source in sorted(set(after).difference(before)):
        needed = source in profile.access.grant_certifications
        if needed and not has_certification(standing, source, local_day(profile, now)):
            return Refused("ACC-07", "CLETS_CERT_MISSING", f"no valid certification for {source} is on file")
    return None


def quarter(now: datetime, profile: AgencyProfile) -> tuple[str, datetime]:
    """Name the agency's calendar quarter, `2026-Q4`, and give the moment it ends (ACC-12)."""
    day = local_day(profile, now)
    number = (day.month - 1) // 3 + 1
    following = date(day.year + 1, 1, 1) if number == 4 else date(day.year, 3 * number + 1, 1)
    ends = datetime.combine(following, time(), ZoneInfo(profile.timezone)).astimezone(UTC)
    return f"{day.year}-Q{number}", ends


def decision_refusal(decision: str, reason: str, *, own: bool) -> Refused | None:
    """Refuse a decision on continued need that says nothing, or on one's own account (ACC-12).

    `own` does not hold for the only person who manages access: nobody else could decide, and the ledger tells.
    """
    if decision not in ("keep", "disable"):
        return Refused("ACC-12", "FIELD_INVALID", "decision: keep or disable")
    if len(reason.strip()) < 5:
        return Refused("ACC-12", "FIELD_INVALID", "say why the person needs access, or no longer does")
    if own:
        return Refused("ACC-12", "OWN_ACCOUNT", "somebody else decides on your own account")
    return None


def idle_since(used: Iterable[datetime | None], now: datetime) -> bool:
    """Tell whether 90 days went by since an account was last `used`: activated, opened again or signed in to."""
    newest = max((moment for moment in used if moment is not None), default=None)
    return newest is not None and now - newest > IDLE_LIMIT


def closing_cause(account: Mapping[str, Any], profile: AgencyProfile, now: datetime) -> str:
    """Name why the timer closes an account, '' when it does not: its last day or contract is over, or nobody uses it.

    The timer turns every 10 minutes: an account given for a time ends well within the 72 hours of CJIS AC-2(2).
    """
    if account["leaves_on"] is not None and account["leaves_on"] < local_day(profile, now):
        return "LAST_DAY_OVER"
    ended = account["contract_end"] is not None and account["contract_end"] < local_day(profile, now)
    if ended and "contractor" in account["roles"]:
        return "CONTRACT_ENDED"
    used = (account["activated_at"], account["opened_at"], account["last_login_at"])
    return "INACTIVE_90_DAYS" if idle_since(used, now) else ""


def looks_after_people(roles: Collection[str], profile: AgencyProfile) -> bool:
    """Tell whom the pages about people are of use to; each page decides again, designees included."""
    governance = profile.governance
    return bool({"auditor", *governance.access_managers, *governance.training_owners}.intersection(roles))


def whose(one: AccountDraft | Mapping[str, Any], when: str) -> dict[str, str]:
    """Lay out whose account it is, or was, for the part of the ledger that can be erased."""
    values = one if isinstance(one, Mapping) else asdict(one)
    shown = {"name": "full_name", "employee_id": "employee_id", "job_title": "job_title"}
    return {f"{name}_{when}": values[column] for name, column in shown.items()}


def written(one: AccountDraft | Mapping[str, Any]) -> str:
    """Lay out what stands in an account for the ledger; what names or describes the person travels apart, erasable."""
    values = one if isinstance(one, Mapping) else asdict(one)
    until = {"leaves_on": values["leaves_on"].isoformat()} if values["leaves_on"] else {}
    return json.dumps({"category": values["category"], "roles": sorted(values["roles"]), **until}, sort_keys=True)
