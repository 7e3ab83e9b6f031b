"""Who may list which vehicle, for how long, on what basis: hot plates, special lists, partial plates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from alprcore.model import ADMITTED, Decision, EntryDetails, Person, Refused
from alprcore.plates import LIVE_PATTERNS, is_pattern, pattern_fault

from .access import missing_training, training_refusal
from .approving import may_receive
from .profile import AgencyProfile, ListingRules

APPROVE_SPECIAL_LIST: Final = "approve_special_list"
AUTHORIZE_SHARE: Final = "authorise_share"
SPECIAL: Final = "special"
PARTIAL: Final = "partial"
ENTERED: Final = frozenset({"hot_plate", PARTIAL})
"""Types of list that people fill entry by entry: no file is loaded into them, and they never are out of date."""
INFORMATION_ONLY: Final = "information_only"
EVERYBODY: Final = "all"
"""Distribution to everybody of the agency who is told of hits."""
MAJOR_CRIMES: Final = frozenset({"homicide", "shooting", "major_incident"})
"""What a partial plate is entered for (USE-09, USE-10)."""


class EntryState(StrEnum):
    """Where an entry stands that a person made."""

    NOT_ACTIVE_YET = "not_active_yet"
    ACTIVE = "active"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class HotPlateDraft:
    """What somebody gives for a hot plate beside the plate itself.

    `also_entered_in` is None where the question was not answered; `officers` are the user names it is for, `EVERYBODY`
    among them for all.
    """

    expires_at: datetime | None
    also_entered_in: tuple[str, ...] | None
    officers: frozenset[str]
    contact_phone: str = ""
    case_number: str = ""
    synopsis: str = ""


@dataclass(frozen=True, slots=True)
class PartialDraft:
    """What somebody gives for a partial plate (USE-10)."""

    pattern: str
    expires_at: datetime | None
    purpose_code: str
    case_number: str
    reason: str
    crime_type: str


@dataclass(frozen=True, slots=True)
class ListSource:
    """One system that a special list was drawn from, and how its data stood when (HOT-10)."""

    name: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ShareAuthorization:
    """Somebody's word that a list may go to another agency, from when to when (HOT-08)."""

    authorization_id: str
    recipient: str
    authorized_at: datetime
    valid_to: datetime | None = None


def may_enter(person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether a person may enter hot plates and partial plates: role, then training that counts (HOT-20).

    Training for searching or for a device session is enough: a hot plate is entered at a desk or in a car.
    """
    if person.agency != profile.agency or set(profile.listing.hot_plate_roles).isdisjoint(person.roles):
        return Refused("HOT-20", "ROLE_NOT_AUTHORISED", f"one of {', '.join(profile.listing.hot_plate_roles)}")
    lacks = [
        missing_training(person.training, person.category, profile, activity)
        for activity in ("query", "device_session")
    ]
    return (training_refusal(lacks[0], profile, "HOT-20") if all(lacks) else None) or ADMITTED


def admit_hot_plate(draft: HotPlateDraft, profile: AgencyProfile, entered_at: datetime) -> Decision:
    """Decide whether a hot plate may stand as given: its end (HOT-16, HOT-17) and what several must know (HOT-18)."""
    rules = profile.listing
    if draft.also_entered_in is None:
        return Refused(
            "HOT-17", "ALSO_ENTERED_IN_REQUIRED", "also_entered_in: name the systems, or say that there are none"
        )
    lacks = fields_missing(draft, rules)
    if lacks:
        return Refused("HOT-18", "FIELD_MISSING", ", ".join(lacks))
    return _admit_end(draft.expires_at, last_end(rules, entered_at, draft.also_entered_in), entered_at)


def last_end(rules: ListingRules, entered_at: datetime, also_entered_in: Collection[str]) -> tuple[str, datetime]:
    """Give the latest moment at which a hot plate may end, and the rule that says so; days have 24 hours."""
    longest = entered_at + timedelta(hours=24 * rules.hot_plate_days)
    handed_over = entered_at + timedelta(hours=rules.hot_plate_state_hours)
    if also_entered_in and handed_over < longest:
        return "HOT-17", handed_over
    return "HOT-16", longest


def _admit_end(expires_at: datetime | None, last: tuple[str, datetime], now: datetime) -> Decision:
    rule_id, latest = last
    if expires_at is None:
        return Refused(rule_id, "EXPIRY_REQUIRED", "expires_at: every such entry ends")
    if expires_at <= now:
        return Refused(rule_id, "EXPIRY_PAST", "expires_at has passed")
    if expires_at > latest:
        hours = (latest - now) // timedelta(hours=1)
        return Refused(rule_id, "EXPIRY_TOO_LONG", f"expires_at lies more than {hours} hours ahead")
    return ADMITTED


def fields_missing(draft: HotPlateDraft, rules: ListingRules) -> tuple[str, ...]:
    """Name the fields that a hot plate for more than one officer lacks (HOT-18)."""
    if len(draft.officers) <= 1 and EVERYBODY not in draft.officers:
        return ()
    given: Mapping[str, str] = {
        "contact_phone": draft.contact_phone, "case_number": draft.case_number, "synopsis": draft.synopsis,
    }  # fmt: skip
    return tuple(name for name in rules.hot_plate_fields if not given[name].strip())


def may_extend(author_id: str, state: EntryState, *, extended: bool, person: Person) -> Decision:
    """Decide whether a person may follow an entry up with a new one: another author, once, while it lives (HOT-16)."""
    if person.person_id == author_id:
        return Refused("HOT-16", "AUTHOR_MUST_DIFFER", "another person decides whether the vehicle is still wanted")
    if extended:
        return Refused("HOT-16", "ALREADY_EXTENDED", "the entry has a successor: extend that one")
    if state in (EntryState.EXPIRED, EntryState.WITHDRAWN):
        return Refused("HOT-16", "ENTRY_NOT_LIVE", f"the entry is {state.value}: enter the plate anew")
    return ADMITTED


def may_enter_again(living_authors: Collection[str], person: Person) -> Decision:
    """Decide whether a person may enter a plate for which hot plates live: not one that is theirs (HOT-16).

    Else an author would extend an entry alone, and one person's plate would make two hits of each read. Another person
    may have a reason of their own.
    """
    if person.person_id in living_authors:
        return Refused("HOT-16", "AUTHOR_MUST_DIFFER", "your entry of this plate lives: another person extends it")
    return ADMITTED


def handed_over_at(
    entered_at: datetime, effective_at: datetime, expires_at: datetime, rules: ListingRules, now: datetime
) -> datetime:
    """Give the end of a hot plate whose plate stands in a state system now: its date or 24 h, the earlier (HOT-17).

    One that has not begun ends at once: it would follow an entry that ends earlier now, and leave a gap between.
    """
    if effective_at > now:
        return now
    return min(expires_at, entered_at + timedelta(hours=rules.hot_plate_state_hours))


def entry_state(
    now: datetime, effective_at: datetime, expires_at: datetime, *, published: bool, withdrawn: bool
) -> EntryState:
    """Tell where an entry stands. It ends at its end by itself, whoever has noticed (HOT-19)."""
    if withdrawn:
        return EntryState.WITHDRAWN
    if now >= expires_at:
        return EntryState.EXPIRED
    return EntryState.ACTIVE if published and now >= effective_at else EntryState.NOT_ACTIVE_YET


def has_partial_room(live: Mapping[str, int], agency: str, agencies: int) -> bool:
    """Tell whether one more partial plate of an agency can be matched, `live` being how many each agency has now.

    A worker tries each of them on each read (docs/decisions/0008). Half of the room is shared out evenly among the
    agencies; of the other half one agency takes at most half: nobody's entries keep another's homicide out.
    """
    if sum(live.values()) >= LIVE_PATTERNS:
        return False
    common = LIVE_PATTERNS // 2
    share = max(1, common // max(1, agencies))
    beyond = {name: max(0, count - share) for name, count in live.items()}
    if live.get(agency, 0) < share:
        return True
    return sum(beyond.values()) < common and beyond.get(agency, 0) < common // 2


def admit_partial(draft: PartialDraft, profile: AgencyProfile, now: datetime, *, room: bool) -> Decision:
    """Decide whether a partial plate may be matched: pattern, crime, case, reason, end, and room for it (USE-10)."""
    rules = profile.listing
    purpose = purpose_refusal(draft.purpose_code, profile)
    if purpose is not None:
        return purpose
    texts = {"case_number": draft.case_number, "reason": draft.reason, "crime_type": draft.crime_type}
    lacks = [name for name, text in texts.items() if not text.strip()]
    if lacks:
        return Refused("USE-10", "FIELD_MISSING", ", ".join(lacks))
    if draft.crime_type not in MAJOR_CRIMES:
        return Refused("USE-10", "FIELD_INVALID", f"crime_type: one of {', '.join(sorted(MAJOR_CRIMES))}")
    fault = pattern_fault(draft.pattern, fixed=rules.partial_fixed)
    if not fault and not is_pattern(draft.pattern):
        fault = "a whole plate is entered as a hot plate"
    if fault:
        return Refused("USE-10", "PATTERN_INVALID", fault)
    if not room:
        return Refused("USE-10", "TOO_MANY_PARTIALS", "your agency's room for partial plates is full: withdraw one")
    latest = now + timedelta(hours=24 * rules.partial_days)
    return _admit_end(draft.expires_at, ("USE-10", latest), now)


def purpose_refusal(code: str, profile: AgencyProfile) -> Refused | None:
    """Refuse a listing without a purpose of the agency's own list (USE-01)."""
    if not code:
        return Refused("USE-01", "PURPOSE_REQUIRED", "a purpose is required")
    if all(purpose.code != code for purpose in profile.purposes):
        return Refused("USE-01", "PURPOSE_NOT_PERMITTED", "the agency's policy does not permit this purpose")
    return None


def may_create_list(list_type: str, purpose_code: str, profile: AgencyProfile) -> Decision:
    """Decide whether an agency may have a list of this type at all; special lists say what for (HOT-05, USE-01)."""
    if list_type != SPECIAL:
        return ADMITTED
    if not profile.listing.special_lists:
        return Refused("HOT-05", "SPECIAL_LISTS_OFF", "the agency's policy knows no special lists")
    return purpose_refusal(purpose_code, profile) or ADMITTED


def advisory_of(list_type: str, advisory_class: str) -> str:
    """Give the class that a list's hits carry: those of a special list inform and no more (HOT-07)."""
    return INFORMATION_ONLY if list_type == SPECIAL else advisory_class


def may_approve_list(list_type: str, created_by: str, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether a person may put a special list in force: the approver or a designee, never its maker (HOT-06)."""
    if list_type != SPECIAL:
        return Refused("HOT-06", "APPROVAL_NOT_NEEDED", "only special lists are approved")
    if not _holds(person, profile, profile.listing.special_approvers, APPROVE_SPECIAL_LIST):
        words = f"a special list is approved by: {', '.join(profile.listing.special_approvers)}, or a designee"
        return Refused("HOT-06", "APPROVER_NOT_AUTHORISED", words)
    if person.person_id == created_by:
        return Refused("HOT-06", "OWN_LIST", "whoever made a list does not approve it")
    return ADMITTED


def may_approve_rollback(asked_by: str, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether a person may put the version before back in force: who approves lists, never who asked (HOT-04)."""
    if not _holds(person, profile, profile.listing.special_approvers, APPROVE_SPECIAL_LIST):
        words = f"a rollback is approved by: {', '.join(profile.listing.special_approvers)}, or a designee"
        return Refused("HOT-04", "APPROVER_NOT_AUTHORISED", words)
    if person.person_id == asked_by:
        return Refused("HOT-04", "AUTHOR_MUST_DIFFER", "whoever asks for a rollback does not approve it")
    return ADMITTED


def may_authorize_share(list_type: str, recipient_class: str, person: Person, profile: AgencyProfile) -> Decision:
    """Decide whether a person may let a department's own list go to another agency (HOT-08, USE-08)."""
    if not _holds(person, profile, profile.listing.share_authorizers, AUTHORIZE_SHARE):
        words = f"sharing is authorized by: {', '.join(profile.listing.share_authorizers)}, or a designee"
        return Refused("HOT-08", "APPROVER_NOT_AUTHORISED", words)
    return _is_ours(list_type) or _may_receive(recipient_class)


def may_share(
    list_type: str,
    recipient: str,
    recipient_class: str,
    authorizations: Iterable[ShareAuthorization],
    now: datetime,
) -> Decision:
    """Decide whether a list may be delivered to another agency now: an earlier authorization must name it (HOT-08)."""
    refused = _is_ours(list_type) or _may_receive(recipient_class)
    if isinstance(refused, Refused):
        return refused
    for one in authorizations:
        living = one.authorized_at <= now and (one.valid_to is None or now < one.valid_to)
        if living and one.recipient.casefold() == recipient.casefold():
            return ADMITTED
    return Refused("HOT-08", "SHARE_NOT_AUTHORISED", "nobody has authorized this list for this agency")


def _is_ours(list_type: str) -> Refused | None:
    if list_type in (SPECIAL, "local"):
        return None
    return Refused("HOT-08", "LIST_NOT_SHAREABLE", "only lists that the department makes itself are its to share")


def _may_receive(recipient_class: str) -> Decision:
    if recipient_class != "law_enforcement":
        decision = may_receive(recipient_class)
        words = "lists go to law enforcement agencies only"
        if isinstance(decision, Refused):
            return decision
        return Refused("USE-08", "RECIPIENT_CLASS_NOT_PERMITTED", words)
    return ADMITTED


def _holds(person: Person, profile: AgencyProfile, roles: Collection[str], power: str) -> bool:
    """Tell whether a person holds a power by role or as a recorded designee (ACC-10)."""
    if person.agency != profile.agency:
        return False
    return not set(roles).isdisjoint(person.roles) or bool(delegation_of(person, power))


def delegation_of(person: Person, power: str) -> str:
    """Name the delegation by which a person holds a power, '' without one."""
    held = (one.partition(":") for one in person.powers)
    return next((delegation for name, _, delegation in held if name == power), "")


def special_sources(sources: Sequence[ListSource], profile: AgencyProfile, now: datetime) -> Decision:
    """Decide whether a special list says what it was drawn from: several named systems, each with its time (HOT-10)."""
    if any(one.as_of > now for one in sources):
        return Refused("HOT-10", "SOURCE_TIME_AHEAD", "a source's data time lies in the future")
    named = {" ".join(one.name.split()).casefold() for one in sources} - {""}
    if len(named) < profile.listing.special_sources:
        words = f"sources: a special list compares {profile.listing.special_sources} systems at least, with their times"
        return Refused("HOT-10", "SOURCES_REQUIRED", words)
    return ADMITTED


def basis_missing(details: EntryDetails) -> bool:
    """Tell whether an entry of a special list names no criminal activity: case, incident or source record (HOT-11)."""
    return not any(text.strip() for text in (details.basis, details.case_number, details.source_key))


def no_basis_alone(advisory_classes: Collection[str]) -> Refused | None:
    """Refuse an enforcement action that cites nothing but hits which inform and no more (HOT-07)."""
    if advisory_classes and set(advisory_classes) <= {INFORMATION_ONLY}:
        return Refused("HOT-07", "INFORMATION_ONLY", "an informational hit is no basis for an action by itself")
    return None
