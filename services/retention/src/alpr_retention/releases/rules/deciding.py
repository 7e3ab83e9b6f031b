"""Who may be given data, who decides that, what becomes of everybody else's request, and what letters and covers say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import RELEASE_TAKERS, AgencyProfile, add_years, delegation_of, may_receive

APPROVE_RELEASE: Final = "approve_release"
"""The power of a release approver that a designee may hold, where the policy knows designees (SHR-03, ACC-10)."""
MOST_READS: Final = 1_000
"""Reads of one request: what an approver can be answerable for, and two query answers of 500."""
LEAST_REASON: Final = 8
"""Letters of a reason at least: "no" tells a requester nothing."""
_READERS: Final = RELEASE_TAKERS | {"auditor"}


class RecipientClass(StrEnum):
    """What kind of requester asks (SHR-01)."""

    LAW_ENFORCEMENT = "law_enforcement"
    PROSECUTOR = "prosecutor"
    GOVERNMENTAL = "governmental"
    AS_PERMITTED_BY_LAW = "as_permitted_by_law"
    OTHER = "other"
    PUBLIC = "public"
    MEDIA = "media"
    COMMERCIAL = "commercial"
    PRIVATE_ENTITY = "private_entity"
    INDIVIDUAL = "individual"


LABELS: Final[Mapping[RecipientClass, str]] = {
    RecipientClass.LAW_ENFORCEMENT: "Law enforcement agency",
    RecipientClass.PROSECUTOR: "Prosecutor",
    RecipientClass.GOVERNMENTAL: "Other governmental entity with a law enforcement or public safety purpose",
    RecipientClass.AS_PERMITTED_BY_LAW: "Another recipient to whom a law permits it",
    RecipientClass.OTHER: "Anybody else",
    RecipientClass.PUBLIC: "Member of the public",
    RecipientClass.MEDIA: "News media",
    RecipientClass.COMMERCIAL: "Commercial user",
    RecipientClass.PRIVATE_ENTITY: "Private entity",
    RecipientClass.INDIVIDUAL: "Private person",
}
_COVERED: Final[Mapping[str, frozenset[RecipientClass]]] = {
    "law_enforcement": frozenset({RecipientClass.LAW_ENFORCEMENT}),
    "prosecutorial": frozenset({RecipientClass.PROSECUTOR}),
    "as_permitted_by_law": frozenset({RecipientClass.AS_PERMITTED_BY_LAW}),
    "governmental_law_enforcement_or_public_safety": frozenset(
        {RecipientClass.LAW_ENFORCEMENT, RecipientClass.PROSECUTOR, RecipientClass.GOVERNMENTAL}
    ),
}
_LAW: Final = frozenset({RecipientClass.LAW_ENFORCEMENT, RecipientClass.PROSECUTOR})


class ReceivedAs(StrEnum):
    """How a request came in; one by phone needs its paper before it goes on (SHR-02)."""

    LETTER = "letter"
    EMAIL = "email"
    FORM = "form"
    COUNTER = "counter"
    PHONE = "phone"


class State(StrEnum):
    """Where a request stands: draft, submitted, approved or denied, fulfilled; or out of this workflow."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    DENIED = "denied"
    FULFILLED = "fulfilled"
    ROUTED = "routed_to_records"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Route(StrEnum):
    """What becomes of a request when it is submitted: decided here, handed to the records function, refused."""

    DECIDE = "decide"
    RECORDS = "records"
    REFUSE = "refuse"


class Verdict(StrEnum):
    """An approver's decision."""

    APPROVE = "approve"
    DENY = "deny"


class Method(StrEnum):
    """How a recipient is given what was approved."""

    DOWNLOAD = "download"
    PORTABLE_MEDIA = "portable_media"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says (SHR-02)."""

    agency_name: str
    requester_name: str
    intended_purpose: str
    recipient_class: RecipientClass
    received_as: ReceivedAs
    requester_title: str = ""
    requester_contact: str = ""
    case_number: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A request as the rules judge it; `packing`: a package is being made or waits to be taken.

    `scoped_by` named its reads last. `unreceipted`: something was handed over whose receipt nobody acknowledged yet.
    """

    agency: str
    state: State
    asked: Asked
    taken_by: str
    scoped_by: str
    documented: bool
    read_ids: tuple[str, ...]
    packing: bool = False
    unreceipted: bool = False
    filed: bool = False
    filing_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Judgment:
    """What an approver says; `read_ids` narrows what was asked for, empty: all that `scope_sha256` says was seen."""

    verdict: Verdict
    note: str = ""
    legal_basis: str = ""
    citation: str = ""
    policy_basis: str = ""
    authorized_purpose: str = ""
    read_ids: tuple[str, ...] = ()
    scope_sha256: str = ""
    clets_authorized: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """What submitting made of a request, and the stated reasons where it leaves the workflow."""

    state: State
    basis: tuple[str, ...] = ()


def covers(recipient_class: RecipientClass, profile: AgencyProfile) -> bool:
    """Tell whether the policy names this class among those who may receive (SHR-01, C-14)."""
    return any(recipient_class in _COVERED.get(code, ()) for code in profile.sharing.recipients)


def route_of(recipient_class: RecipientClass, profile: AgencyProfile) -> Route:
    """Say where a request of this class goes (SHR-06, SHR-08, C-16).

    Police and prosecutors are always answered by an approver, who denies what the policy does not cover.
    """
    if covers(recipient_class, profile) or recipient_class in _LAW:
        return Route.DECIDE
    return Route.RECORDS if profile.sharing.non_le_route == "records" else Route.REFUSE


def may_take(person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether this person writes requests down, adds their papers and submits them."""
    return _in(person, profile, RELEASE_TAKERS | {profile.sharing.file_keeper}, "SHR-02")


def may_see(person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether this person sees requests and their file."""
    return _in(person, profile, _READERS | {profile.sharing.file_keeper}, "SHR-04")


def _in(person: Person, profile: AgencyProfile, roles: frozenset[str], rule: str) -> Decision:
    if person.agency != profile.agency:
        return Refused(rule, "ROLE_NOT_AUTHORISED", "another agency's requests")
    roles = roles | frozenset(profile.governance.release_approvers)
    if roles.isdisjoint(person.roles) and not _designated(person, profile):
        return Refused(rule, "ROLE_NOT_AUTHORISED", "requests for data are not this role's work")
    return ADMITTED


def _designated(person: Person, profile: AgencyProfile) -> str:
    """Name the delegation under which a person decides, '' where there is none or the policy knows no designees."""
    return delegation_of(person, APPROVE_RELEASE) if profile.sharing.approver_designees else ""


def under(person: Person, profile: AgencyProfile) -> str:
    """Name the delegation that a decision rests on; '' for one's own right."""
    own = not set(profile.governance.release_approvers).isdisjoint(person.roles)
    return "" if own else _designated(person, profile)


def fields_missing(asked: Asked, profile: AgencyProfile) -> tuple[str, ...]:
    """Name what the agency's written request must say and this one does not (SHR-02)."""
    return tuple(name for name in profile.sharing.request_fields if not str(getattr(asked, name)).strip())


def may_change(known: Known) -> Decision:
    """Decide whether fields, papers and scope may still be changed: until the request is submitted (SHR-04)."""
    if known.state is State.DRAFT:
        return ADMITTED
    return Refused("SHR-04", "FILE_IMMUTABLE", "a submitted request stays as it is: take a new one")


def may_scope(known: Known) -> Decision:
    """Decide whether reads may still be named: until somebody has decided."""
    if known.state in (State.DRAFT, State.SUBMITTED):
        return ADMITTED
    return Refused("SHR-03", "STEP_OUT_OF_ORDER", "what may be given is settled with the decision")


def submit(known: Known, profile: AgencyProfile) -> Submitted | Refused:
    """Decide what submitting makes of a request: it waits for an approver, goes to Records, or is refused.

    Without its paper nothing leaves the draft, whoever asks and however (SHR-02).
    """
    if known.state is not State.DRAFT:
        return Refused("SHR-03", "STEP_OUT_OF_ORDER", "the request was submitted before")
    missing = fields_missing(known.asked, profile)
    if missing:
        return Refused("SHR-02", "FIELD_MISSING", ", ".join(missing))
    if not known.documented:
        return Refused("SHR-02", "DOCUMENT_REQUIRED", "add the written request or have the form signed")
    match route_of(known.asked.recipient_class, profile):
        case Route.DECIDE:
            return Submitted(State.SUBMITTED)
        case Route.RECORDS:
            return Submitted(State.ROUTED, profile.sharing.public_basis)
        case Route.REFUSE:
            return Submitted(State.REFUSED, profile.sharing.public_basis)


def decide(known: Known, judgment: Judgment, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether this decision counts: class, approver, order, basis and scope (SHR-01, 03, 06, 07, USE-08).

    To some classes nothing is given whoever approves; that is said before anything else.
    """
    if person.agency != known.agency:
        return Refused("SHR-03", "APPROVER_NOT_AUTHORISED", "another agency's requests")
    approves = judgment.verdict is Verdict.APPROVE
    if approves and isinstance(never := may_receive(known.asked.recipient_class.value), Refused):
        return never
    refused = _decides(known, person, profile) or _waits(known)
    if refused is None and approves:
        refused = _grounds(known, judgment, profile) or _scope(known, judgment)
    elif refused is None and len(" ".join(judgment.note.split())) < LEAST_REASON:
        refused = Refused("SHR-03", "REASON_REQUIRED", "say why the request is denied")
    return refused or ADMITTED


def _decides(known: Known, person: Person, profile: AgencyProfile) -> Refused | None:
    approvers = set(profile.governance.release_approvers)
    titles = ", ".join(profile.role_title(role) for role in profile.governance.release_approvers)
    words = f"decided by: {titles}{', or a designee' if profile.sharing.approver_designees else ''}"
    keeper = profile.sharing.file_keeper
    if keeper in person.roles and keeper not in approvers:
        return Refused("SHR-05", "APPROVER_NOT_AUTHORISED", f"whoever keeps the file does not decide; {words}")
    if approvers.isdisjoint(person.roles) and not _designated(person, profile):
        return Refused("SHR-03", "APPROVER_NOT_AUTHORISED", words)
    if person.person_id == known.taken_by:
        return Refused("SHR-03", "AUTHOR_MUST_DIFFER", "whoever took the request down does not decide on it")
    if person.person_id == known.scoped_by:
        return Refused("SHR-03", "AUTHOR_MUST_DIFFER", "whoever named the reads does not decide on them")
    return None


def _waits(known: Known) -> Refused | None:
    if known.state is State.SUBMITTED:
        return None
    words = {
        State.DRAFT: "the request is not submitted yet",
        State.ROUTED: "the request went to the records function: it is not decided here",
        State.REFUSED: "the request was refused: its class may not receive data",
        State.WITHDRAWN: "the request was withdrawn",
    }.get(known.state, "the request is decided")
    return Refused("SHR-06" if known.state is State.ROUTED else "SHR-03", "STEP_OUT_OF_ORDER", words)


def _grounds(known: Known, judgment: Judgment, profile: AgencyProfile) -> Refused | None:
    """Refuse an approval for a class that the policy does not name, or without the bases that it asks (SHR-07)."""
    asked, sharing = known.asked.recipient_class, profile.sharing
    if not covers(asked, profile):
        return Refused("SHR-01", "RECIPIENT_CLASS_NOT_PERMITTED", "the policy does not name this class of recipient")
    by_law = asked is RecipientClass.AS_PERMITTED_BY_LAW
    if sharing.legal_bases or by_law:
        named = judgment.legal_basis in sharing.legal_bases or (not sharing.legal_bases and judgment.legal_basis)
        if not named or not judgment.citation.strip():
            words = f"legal_basis and its citation; one of: {', '.join(sharing.legal_bases) or 'any'}"
            return Refused("SHR-07", "LEGAL_BASIS_REQUIRED", words)
    if by_law and (len(judgment.note.strip()) < LEAST_REASON or judgment.legal_basis == "official_purpose"):
        return Refused("SHR-01", "LEGAL_BASIS_REQUIRED", "note: say which law permits it to this recipient, and why")
    if sharing.policy_bases and judgment.policy_basis not in sharing.policy_bases:
        return Refused("SHR-07", "POLICY_BASIS_REQUIRED", f"policy_basis; one of: {', '.join(sharing.policy_bases)}")
    if sharing.policy_bases and not judgment.authorized_purpose.strip():
        words = "authorized_purpose: the recipient's statement of its authorized purpose"
        return Refused("SHR-07", "POLICY_BASIS_REQUIRED", words)
    return None


def scope_digest(read_ids: Iterable[str]) -> str:
    """Name a set of reads in one word, the SHA-256 of their ids in order: a decision says with it what was looked at."""
    return hashlib.sha256("\n".join(sorted(read_ids)).encode()).hexdigest()


def _scope(known: Known, judgment: Judgment) -> Refused | None:
    if not known.read_ids:
        return Refused("SHR-03", "SCOPE_REQUIRED", "name the reads that may be given first")
    if not judgment.read_ids and not judgment.scope_sha256:
        return Refused("SHR-03", "SCOPE_REQUIRED", "read_ids, or scope_sha256 of all the reads that you looked at")
    if judgment.scope_sha256 and judgment.scope_sha256 != scope_digest(known.read_ids):
        return Refused("SHR-03", "SCOPE_CHANGED", "other reads are asked for now than you looked at: look again")
    if not set(judgment.read_ids) <= set(known.read_ids):
        return Refused("SHR-03", "SCOPE_WIDER", "an approval narrows what was asked for and never widens it")
    return None


def may_fulfil(known: Known, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether what was approved may be handed over now; data is made from an approval only (SHR-03)."""
    keeper = profile.sharing.file_keeper
    keeps = keeper in person.roles and keeper not in profile.governance.release_approvers
    if person.agency != known.agency or keeps or RELEASE_TAKERS.isdisjoint(person.roles):
        return Refused("SHR-03", "ROLE_NOT_AUTHORISED", "handing data over is not this role's work")
    if known.state is State.FULFILLED:
        return Refused("SHR-03", "STEP_OUT_OF_ORDER", "the request is fulfilled: once more takes a new request")
    if known.state is not State.APPROVED:
        return Refused("SHR-03", "APPROVAL_REQUIRED", "data is made from an approved request only")
    if known.packing:
        return Refused("SHR-03", "STEP_OUT_OF_ORDER", "its package is made already")
    return ADMITTED


def may_hand_clets(person: Person, *, authorized: bool, decided_by: str) -> Decision:
    """Decide whether CLETS text goes along: authorized separately, by another person, handed over by who may see it.

    SEC-06; a package without it can always be made.
    """
    if not authorized:
        return Refused("SEC-06", "CLETS_NOT_AUTHORISED", "the decision does not authorize CLETS text for this release")
    if "clets" not in person.grants or person.person_id == decided_by:
        words = "CLETS text is handed over by a person with the grant, other than who authorized it"
        return Refused("SEC-06", "CLETS_NOT_AUTHORISED", words)
    return ADMITTED


def may_withdraw(known: Known) -> Decision:
    """Decide whether a request can still be withdrawn: until its package is made."""
    if known.state in (State.DRAFT, State.SUBMITTED, State.APPROVED) and not known.packing:
        return ADMITTED
    return Refused("SHR-05", "STEP_OUT_OF_ORDER", "the request is closed, or its package is made")


def may_file(known: Known, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether this person takes a request into the file: the keeper whom the policy names, nobody else (SHR-05)."""
    keeper = profile.sharing.file_keeper
    if person.agency != known.agency or keeper not in person.roles:
        return Refused("SHR-05", "ROLE_NOT_AUTHORISED", f"the file is kept by: {profile.role_title(keeper)}")
    if not known.filed:
        return Refused("SHR-05", "STEP_OUT_OF_ORDER", "the request has not been forwarded to the file yet")
    if known.filing_acknowledged:
        return Refused("SHR-05", "STEP_OUT_OF_ORDER", "the request is in the file")
    return ADMITTED


def may_acknowledge(known: Known) -> Decision:
    """Decide whether a recipient's acknowledgment can be noted: once for what was handed over, all or part (SHR-09)."""
    if not known.unreceipted:
        return Refused("SHR-09", "STEP_OUT_OF_ORDER", "nothing was handed over, or its receipt is acknowledged")
    return ADMITTED


def goes_on_file(state: State, profile: AgencyProfile) -> bool:
    """Tell whether a request in this state is forwarded to the file's keeper (SHR-04, SHR-05, C-15)."""
    if profile.sharing.file_scope == "all":
        return state is not State.DRAFT
    return state in (State.APPROVED, State.FULFILLED)


def kept_until(closed_on: date, profile: AgencyProfile) -> date | None:
    """Give the day until which the file of a request closed on this day is kept at least; None: without an end (RET-16)."""
    years = profile.sharing.file_years
    return None if years is None else add_years(closed_on, years)


def closed_before(today: date, profile: AgencyProfile) -> date | None:
    """Give the day before which a request was closed whose file is over today; None where no file ends (RET-16).

    A day later than `kept_until` says, and two after a leap day: nothing goes early.
    """
    years = profile.sharing.file_years
    return None if years is None else add_years(today - timedelta(days=1), -years)


def ways(known: Known, person: Person, profile: AgencyProfile) -> tuple[str, ...]:
    """Name what this person may do with the request next."""
    takes, open_yet = may_take(person, profile) == ADMITTED, known.state is State.DRAFT
    judged = Judgment(Verdict.DENY, note="x" * LEAST_REASON)
    offered = {
        "change": takes and open_yet,
        "scope": takes and may_scope(known) == ADMITTED,
        "submit": takes and not isinstance(submit(known, profile), Refused),
        "decide": decide(known, judged, person, profile) == ADMITTED,
        "withdraw": takes and may_withdraw(known) == ADMITTED,
        "fulfil": may_fulfil(known, person, profile) == ADMITTED,
        "acknowledge": takes and may_acknowledge(known) == ADMITTED,
        "file": may_file(known, person, profile) == ADMITTED,
    }
    return tuple(way for way, holds in offered.items() if holds)


_STATUSES: Final[Mapping[str, int]] = {
    "STEP_OUT_OF_ORDER": 409,
    "SCOPE_CHANGED": 409,
    "APPROVAL_REQUIRED": 409,
    "DOCUMENT_REQUIRED": 409,
    "FIELD_MISSING": 422,
    "REASON_REQUIRED": 422,
    "LEGAL_BASIS_REQUIRED": 422,
    "POLICY_BASIS_REQUIRED": 422,
    "SCOPE_REQUIRED": 422,
    "SCOPE_WIDER": 422,
}


def status_of(refused: Refused) -> int:
    """Give the HTTP status of a refusal: order 409, missing words 422, everything else 403."""
    return _STATUSES.get(refused.reason_code, 403)
