"""What may be agreed between agencies, what a demand must say, and who decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from alprcore.model import Person, Refused
from alprcore.policy import FLOOR_YEARS, AgencyProfile, RetentionRules, add_years, agreement_refused

APPROVALS: Final = 2
"""People who must agree to an agreement; they are different ones."""
EARLIEST: Final = timedelta(days=1)
"""How long ago an agreement may have begun when it is written down."""
READERS: Final = frozenset(
    {"program_manager", "supervisor", "alpr_admin", "auditor", "custodian", "retention_officer"}
)  # fmt: skip
"""Roles that see with whom data is shared, and what of it lies where."""
SWITCHERS: Final = frozenset({"program_manager"})
"""Who starts the flow to a standing repository; stopping is open to `STOPPERS` too, it takes nothing from anybody."""
STOPPERS: Final = frozenset({"program_manager", "supervisor", "alpr_admin", "custodian"})
RECORDERS: Final = frozenset({"custodian", "program_manager", "retention_officer"})
"""Who records and answers demands for records."""
_PARTIES: Final = ("in_state", "out_of_state", "federal", "private")
_LIVE: Final = frozenset({"draft", "pending", "in_force"})
LONGEST: Final = 4000


class DemandKind(StrEnum):
    """What somebody demands records by."""

    DISCOVERY = "discovery"
    SUBPOENA = "subpoena"
    COURT_ORDER = "court_order"
    SUBJECT_ACCESS = "subject_access"


OUTCOMES: Final = frozenset({"answered", "refused", "no_records"})
HELD_KINDS: Final = frozenset({DemandKind.DISCOVERY, DemandKind.SUBPOENA, DemandKind.COURT_ORDER})
"""Demands for whose records a hold should stand before anything else (RET-07)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An agreement as proposed: who receives, what kind of agency that is, for what, how far, until when."""

    receiver: str
    party_name: str
    party_kind: str
    party_state: str
    purposes: tuple[str, ...]
    statute_basis: str
    words: str
    device_ids: tuple[str, ...]
    max_age_days: int | None
    with_images: bool
    with_hits: bool
    starts_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DemandDraft:
    """A demand as it came in: kind, the court's or the requester's reference, who, for what, when, until when."""

    kind: str
    reference: str
    requester: str
    wanted: str
    received_at: datetime
    due_at: datetime
    hold_id: str = ""
    request_id: str = ""


def may_look(person: Person) -> Refused | None:
    """Refuse whoever has no part in overseeing where data goes."""
    if READERS.isdisjoint(person.roles):
        return Refused("SHR-11", "ROLE_NOT_AUTHORISED", "your role does not oversee where data goes")
    return None


def refused_draft(
    draft: Draft, person: Person, profile: AgencyProfile, agencies: Mapping[str, AgencyProfile], now: datetime
) -> Refused | None:
    """Refuse an agreement that the agency's policy or the law of its state does not let it close.

    `agencies` are the policies of those that this installation serves; what the receiver's own policy says of its state
    binds more than what the proposer writes. Private parties are refused whatever the profile says (USE-08).
    """
    proposers = {*profile.sharing.agreement_approvers, "alpr_admin"}
    checks = (
        (proposers.isdisjoint(person.roles), "SHR-03", "ROLE_NOT_AUTHORISED", "your role may not propose an agreement"),
        (draft.party_kind not in _PARTIES, "SHR-01", "FIELD_INVALID", f"party_kind: one of {', '.join(_PARTIES)}"),
        (
            draft.party_kind == "private",
            "USE-08", "RECIPIENT_CLASS_NOT_PERMITTED", "nothing is shared with private or commercial parties",
        ),
        (draft.receiver == person.agency, "SHR-01", "FIELD_INVALID", "receiver: another agency than your own"),
        (draft.receiver not in agencies, "SHR-01", "AGENCY_UNKNOWN", "receiver: this installation serves no such agency"),
        (not draft.purposes, "SHR-01", "FIELD_INVALID", "purposes: at least one"),
        (len(draft.statute_basis.strip()) < 3, "SHR-07", "LEGAL_BASIS_REQUIRED", "statute_basis: the law it rests on"),
        (not draft.party_name.strip(), "SHR-02", "FIELD_INVALID", "party_name: the agency as the paper calls it"),
        (
            draft.max_age_days is not None and draft.max_age_days < 1,
            "SHR-01", "FIELD_INVALID", "max_age_days: at least 1, or absent",
        ),
        (draft.starts_at < now - EARLIEST, "SHR-01", "FIELD_INVALID", "starts_at: it does not reach back"),
        (
            not max(draft.starts_at, now) < draft.expires_at <= _in_a_year(draft.starts_at),
            "SHR-01", "AGREEMENT_TOO_LONG", "expires_at: after its beginning and within a year of it",
        ),
    )  # fmt: skip
    found = next((Refused(rule, code, words) for wrong, rule, code, words in checks if wrong), None)
    return found or outlived(asdict(draft), profile, agencies.get(draft.receiver))


def outlived(agreement: Mapping[str, Any], profile: AgencyProfile, receiver: AgencyProfile | None) -> Refused | None:
    """Say why the policy in force would refuse this agreement today: its party, its purposes, or the receiver's state."""
    kind, state, home = (
        agreement["party_kind"],
        agreement["party_state"],
        receiver.sharing.home_state if receiver else "",
    )
    if kind != "federal" and home and state != home:
        words = f"party_state: the receiver's own policy says {home}"
        return Refused("SHR-07", "COUNTERPARTY_NOT_PERMITTED", words)
    return agreement_refused(profile, kind, state, agreement["purposes"])


def _in_a_year(moment: datetime) -> datetime:
    return datetime.combine(add_years(moment.date(), 1), moment.timetz())


def state_of(agreement: Mapping[str, Any], now: datetime) -> str:
    """Tell where an agreement stands: draft, denied, stopped, expired, pending until it begins, or in_force."""
    checks = (
        (agreement["stopped_at"] is not None, "stopped"),
        (agreement["denied_at"] is not None, "denied"),
        (agreement["expires_at"] <= now, "expired"),
        (agreement["approved_at"] is None, "draft"),
        (agreement["starts_at"] > now, "pending"),
    )
    return next((state for holds, state in checks if holds), "in_force")


def decides(agreement: Mapping[str, Any], person: Person, profile: AgencyProfile, now: datetime) -> Refused | None:
    """Refuse a decision of somebody who is no approver, decided already, or comes too late (SHR-03)."""
    if person.agency != agreement["giver"] or set(profile.sharing.agreement_approvers).isdisjoint(person.roles):
        return Refused("SHR-03", "APPROVER_NOT_AUTHORISED", "your role does not approve this agency's agreements")
    if state_of(agreement, now) != "draft":
        return Refused("SHR-03", "STATE_CONFLICT", "the agreement is decided or ended already")
    if any(one["approved_by"] == person.person_id for one in agreement["approvals"]):
        return Refused("SHR-03", "SECOND_PERSON_REQUIRED", "you have approved it; another person must, too")
    return None


def stops(agreement: Mapping[str, Any], person: Person, profile: AgencyProfile, now: datetime) -> Refused | None:
    """Refuse a stop by somebody who oversees nothing, or of what has ended."""
    if person.agency != agreement["giver"] or STOPPERS.union(profile.sharing.agreement_approvers).isdisjoint(
        person.roles
    ):
        return Refused("SHR-03", "ROLE_NOT_AUTHORISED", "your role does not stop this agency's agreements")
    if state_of(agreement, now) not in _LIVE:
        return Refused("SHR-03", "STATE_CONFLICT", "the agreement has ended already")
    return None


def shown(agreement: Mapping[str, Any], person: Person, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
    """Lay out an agreement with its state and what this person may do about it."""
    may = []
    if decides(agreement, person, profile, now) is None:
        may += ["approve", "deny"]
    if stops(agreement, person, profile, now) is None:
        may.append("stop")
    plain = {name: value for name, value in agreement.items() if not name.startswith(("party_", "with_"))}
    plain = {name: value for name, value in plain.items() if name not in ("device_ids", "max_age_days")}
    return {
        **plain,
        "state": state_of(agreement, now),
        "counterparty": {name: agreement[f"party_{name}"] for name in ("name", "kind", "state")},
        "scope": {
            "device_ids": agreement["device_ids"],
            "max_age_days": agreement["max_age_days"],
            "images": agreement["with_images"],
            "hits": agreement["with_hits"],
        },
        "needs": max(0, APPROVALS - sum(one["decision"] == "approve" for one in agreement["approvals"])),
        "may": may,
    }


def switches(person: Person, adapter: str, profile: AgencyProfile, *, on: bool, reason: str) -> Refused | None:
    """Refuse a switch of somebody who may not, without a reason, or a start that the policy does not know.

    A stop is always open: the policy may have changed while the flow ran.
    """
    if on and (not adapter or adapter != profile.sharing.standing_adapter):
        return Refused("SHR-10", "REPOSITORY_NOT_PERMITTED", "the policy names no such standing repository")
    if (SWITCHERS if on else STOPPERS).isdisjoint(person.roles):
        return Refused("SHR-10", "ROLE_NOT_AUTHORISED", "your role does not switch the standing repository")
    if not reason.strip():
        return Refused("SHR-10", "REASON_REQUIRED", "reason: say why")
    return None


def recalls(person: Person, reason: str, *, on: bool | None) -> Refused | None:
    """Refuse to take everything back while the flow runs (`on`), where none ever ran (None), or to whom it is not given."""
    if SWITCHERS.isdisjoint(person.roles):
        return Refused("SHR-10", "ROLE_NOT_AUTHORISED", "your role does not take back what lies with the repository")
    if on is not False:
        return Refused("SHR-10", "STATE_CONFLICT", "stop the flow first" if on else "nothing ever went there")
    if not reason.strip():
        return Refused("SHR-10", "REASON_REQUIRED", "reason: say why")
    return None


def may_switch(person: Person, adapter: str, profile: AgencyProfile, *, on: bool, lying: int) -> list[str]:
    """Name what this person may do about a repository that runs or not and at which so many reads lie."""
    may = [("stop" if on else "start")] if switches(person, adapter, profile, on=not on, reason="-") is None else []
    return [*may, "recall"] if lying and recalls(person, "-", on=on) is None else may


def refused_demand(draft: DemandDraft, person: Person, now: datetime) -> Refused | None:
    """Refuse a demand that cannot be worked on: no kind, no reference, no requester, or no time to answer in."""
    kinds = ", ".join(DemandKind)
    checks = (
        (RECORDERS.isdisjoint(person.roles), "ROLE_NOT_AUTHORISED", "your role does not record demands"),
        (draft.kind not in set(DemandKind), "FIELD_INVALID", f"kind: one of {kinds}"),
        (not draft.requester.strip(), "FIELD_INVALID", "requester: the court, counsel or person who asks"),
        (not draft.reference.strip(), "FIELD_INVALID", "reference: the case or the number of the letter"),
        (not draft.wanted.strip(), "FIELD_INVALID", "wanted: what is asked for, in words; no plate"),
        (draft.received_at > now + EARLIEST, "FIELD_INVALID", "received_at: not in the future"),
        (draft.due_at <= draft.received_at, "FIELD_INVALID", "due_at: after it was received"),
    )
    return next((Refused("SHR-06", code, words) for wrong, code, words in checks if wrong), None)


def answers(
    demand: Mapping[str, Any], outcome: str, words: str, verified: str, hold_id: str, person: Person
) -> Refused | None:
    """Refuse an answer that may not be given: to a stranger, twice, without words, or before a hold stands.

    A person who asks about a vehicle is told nothing before `verified` says how it was made sure that it is theirs. A
    demand of a court or of the other side is answered from records that a hold keeps (RET-07).
    """
    needs_hold = demand["kind"] in HELD_KINDS and outcome == "answered"
    checks = (
        (RECORDERS.isdisjoint(person.roles), "ROLE_NOT_AUTHORISED", "your role does not answer demands"),
        (demand["answered_at"] is not None, "STATE_CONFLICT", "the demand is answered already"),
        (outcome not in OUTCOMES, "FIELD_INVALID", f"outcome: one of {', '.join(sorted(OUTCOMES))}"),
        (not words.strip(), "REASON_REQUIRED", "words: what was answered, or why not"),
        (
            demand["kind"] == DemandKind.SUBJECT_ACCESS and outcome != "refused" and len(verified.strip()) < 3,
            "IDENTITY_NOT_VERIFIED", "verified: how it was made sure that the vehicle is the requester's",
        ),
        (needs_hold and not hold_id, "HOLD_REQUIRED", "place a hold first, and name it: what is demanded must not go"),
    )  # fmt: skip
    return next((Refused("SHR-06", code, said) for wrong, code, said in checks if wrong), None)


def captured_before(due_day: date, rules: RetentionRules | None) -> datetime:
    """Give a moment before which everything was captured that can be due on this day: a year earlier (RET-01).

    Under a statute that asks for less, or where no policy is known, the day itself; two days more for clocks and zones.
    """
    day = due_day if rules is None or rules.statute else add_years(due_day, -FLOOR_YEARS)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=2)


def demand_shown(demand: Mapping[str, Any], person: Person, now: datetime) -> dict[str, Any]:
    """Lay out a demand with what is still to be done about it."""
    open_ = demand["answered_at"] is None
    todo = []
    if open_ and demand["kind"] in HELD_KINDS and not demand["hold_id"]:
        todo.append({"code": "PLACE_HOLD", "words": "Place a hold for what is demanded, so that nothing of it goes."})
    if open_ and demand["kind"] == DemandKind.SUBJECT_ACCESS:
        todo.append({"code": "VERIFY_SUBJECT", "words": "Make sure that the vehicle is the requester's."})
    may = ["answer"] if open_ and not RECORDERS.isdisjoint(person.roles) else []
    return {**demand, "overdue": open_ and demand["due_at"] < now, "todo": todo, "may": may}


def custody(
    profile: AgencyProfile, adapter_copies: Iterable[Mapping[str, Any]], agreements: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Report who owns, controls and holds an agency's data, and which others hold copies or may search it (SHR-11)."""
    return {
        "agency": profile.agency,
        "owner": profile.sharing.owner,
        "custodians": [
            {"name": one.name, "roles": list(one.roles), "since": one.since} for one in profile.sharing.custodians
        ],
        "copies": [dict(one) for one in adapter_copies],
        "searched_by": [
            {"agency": one["receiver"], "name": one["party_name"], "until": one["expires_at"].isoformat()}
            for one in agreements
        ],
    }
