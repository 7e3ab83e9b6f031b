"""Hot plates and partial plates: entered one by one, each with its end (HOT-16..20, USE-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from alpr_ingest.api.door import Anyone, Doors, Ingest, Problem, Strict, demand, policy_of, refusal
from alpr_ingest.app import audit_message
from alpr_ingest.entering import HOT_PLATE, PARTIAL, Shown
from alpr_ingest.store import EnteredPlate, Taken
from alprcore.model import EntryDetails, Person, Plate, Refused
from alprcore.plates import LONGEST, normalize
from alprcore.policy import (
    EVERYBODY,
    AgencyProfile,
    HotPlateDraft,
    PartialDraft,
    admit_hot_plate,
    admit_partial,
    has_partial_room,
    maintains_only,
    may_enter,
    may_enter_again,
    may_extend,
    registration_basis,
    standing_refusal,
)
from alprcore.wire import rfc3339

router = APIRouter()

_MOST: Final = 500
"""Entries that one answer lists."""
_NAMED_AT_ONCE: Final = 50
"""Entries that one message of the ledger names."""
_AFTER: Final = r"^((living|ended)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$"
_TEXT: Final = 2_000
_STATE: Final = r"^([A-Z]{2}-[A-Z0-9]{1,3})?$"
_CODE: Final = r"^([a-z][a-z0-9_]{0,39})?$"


class VehicleIn(Strict):
    """What is known of a vehicle besides its plate."""

    year: str = Field("", max_length=4)
    make: str = Field("", max_length=40)
    model: str = Field("", max_length=40)
    style: str = Field("", max_length=40)
    color: str = Field("", max_length=40)


class DistributionIn(Strict):
    """Whom an entry is for: one officer, several by user name, or everybody who is told of hits."""

    kind: Literal["one", "several", "all"] = "one"
    usernames: list[str] = Field(default_factory=list, max_length=50)


class HotPlateIn(Strict):
    """A hot plate to enter."""

    plate: str = Field(max_length=40)
    state: str = Field("", pattern=_STATE)
    expires_at: AwareDatetime | None = None
    also_entered_in: list[str] | None = Field(None, max_length=20)
    distribution: DistributionIn = DistributionIn()
    reason: str = Field("", pattern=_CODE)
    advisory_class: str = Field("", pattern=_CODE)
    vehicle: VehicleIn = VehicleIn()
    contact_phone: str = Field("", max_length=40)
    case_number: str = Field("", max_length=60)
    synopsis: str = Field("", max_length=_TEXT)
    registered_owner: str = Field("", max_length=200)
    permissible_use: str = Field("", max_length=32)


class EditIn(Strict):
    """What can be changed of a hot plate: not its plate and not its end."""

    distribution: DistributionIn | None = None
    contact_phone: str | None = Field(None, max_length=40)
    case_number: str | None = Field(None, max_length=60)
    synopsis: str | None = Field(None, max_length=_TEXT)


class ExtensionIn(Strict):
    """A new entry for a plate whose entry ends."""

    expires_at: AwareDatetime | None = None
    also_entered_in: list[str] | None = Field(None, max_length=20)
    reason: str = Field(min_length=3, max_length=_TEXT)


class WithdrawalIn(Strict):
    """Why an entry ends before its time."""

    reason: str = Field(min_length=3, max_length=_TEXT)


class PartialIn(Strict):
    """A partial plate to enter; `reason` says in words why it is looked for."""

    pattern: str = Field(max_length=40)
    state: str = Field("", pattern=_STATE)
    expires_at: AwareDatetime | None = None
    purpose_code: str = Field("", max_length=60)
    case_number: str = Field("", max_length=60)
    crime_type: str = Field("", max_length=40)
    reason: str = Field("", max_length=_TEXT)
    vehicle: VehicleIn = VehicleIn()


class PageIn(Strict):
    """Which entries to list: `after` is `next` of the page before."""

    ended: bool = False
    after: str = Field("", pattern=_AFTER)
    limit: int = Field(_MOST, ge=1, le=_MOST)


Page = Annotated[PageIn, Query()]


@router.post("/v1/hot-plates", status_code=201)
async def post_hot_plate(body: HotPlateIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Enter a hot plate (HOT-16..18, HOT-20); it is matched within 5 s, until then it says `not_active_yet`."""
    profile = _entering(doors, person)
    plate = normalize(body.plate)
    if not plate or len(plate) > LONGEST or "?" in body.plate or "*" in body.plate:
        raise Problem(422, "FIELD_INVALID", "plate")
    now = doors.clock()
    owner, use = body.registered_owner.strip(), body.permissible_use
    demand(registration_basis(registration=bool(owner), permissible_use=use))
    demand(may_enter_again(await doors.entering.authors_of(person.agency, plate, body.state, now), person))
    draft = _draft(body, person)
    told = EntryDetails(
        reason=body.reason, advisory_class=body.advisory_class, contact_phone=body.contact_phone.strip(),
        synopsis=body.synopsis.strip(), distribution=_told(draft.officers),
        also_entered_in=", ".join(draft.also_entered_in or ()), registered_owner=owner, permissible_use=use,
    )  # fmt: skip
    return await _enter(doors, person, profile, plate, draft, _described(told, body), now, None)


@router.get("/v1/hot-plates")
async def get_hot_plates(doors: Ingest, person: Anyone, page: Page) -> dict[str, Any]:
    """List the agency's hot plates, opened for display: those that live, newest first, then those that ended (HOT-12)."""
    return await _listed(doors, person, HOT_PLATE, page)


@router.get("/v1/hot-plates/{entry}")
async def get_hot_plate(entry: UUID, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Show one hot plate, opened for display."""
    return await _one(doors, person, HOT_PLATE, entry)


@router.post("/v1/hot-plates/{entry}/edits")
async def post_edit(entry: UUID, body: EditIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Change whom a hot plate is for and what they are told (HOT-20)."""
    profile = _entering(doors, person)
    one, now = await _found(doors, person, HOT_PLATE, entry), doors.clock()
    shown = _opened(doors, one, now)
    given = {
        name: text.strip()
        for name in ("contact_phone", "case_number", "synopsis")
        if (text := getattr(body, name)) is not None
    }
    if body.distribution is not None:
        given["distribution"] = _told(_officers(body.distribution, person))
    details = replace(shown.details, **given)
    demand(admit_hot_plate(_drafted(details, one.expires_at), profile, one.entered_at))
    if not await doors.entering.edit(person, one, details, now):
        raise Problem(409, "CHANGED_MEANWHILE", "the entry has ended or changed meanwhile")
    return await _again(doors, person, one)


@router.post("/v1/hot-plates/{entry}/extensions", status_code=201)
async def post_extension(entry: UUID, body: ExtensionIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Follow a hot plate up with a new entry by another author, from the end of the first on (HOT-16)."""
    profile = _entering(doors, person)
    one, now = await _found(doors, person, HOT_PLATE, entry), doors.clock()
    shown = _opened(doors, one, now)
    demand(may_extend(one.author, shown.state, extended=bool(one.successor), person=person))
    also = _also(shown.details) if body.also_entered_in is None else _systems(body.also_entered_in)
    details = replace(shown.details, notes=body.reason.strip(), also_entered_in=", ".join(also))
    if body.expires_at is not None and body.expires_at <= one.expires_at:
        raise Problem(422, "EXPIRY_PAST", "expires_at: the new entry ends before the one it follows")
    return await _enter(doors, person, profile, one.plate, _drafted(details, body.expires_at), details, now, one)


@router.post("/v1/hot-plates/{entry}/withdrawals", status_code=201)
async def post_withdrawal(entry: UUID, body: WithdrawalIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """End a hot plate, and what follows it, at once."""
    return await _withdraw(doors, person, HOT_PLATE, entry, body)


@router.post("/v1/partial-plates", status_code=201)
async def post_partial(body: PartialIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Enter a partial plate of a major crime, to be tried on every read until its end (USE-10)."""
    profile = _entering(doors, person)
    pattern = "".join(character for character in body.pattern.upper() if character not in " -")
    now = doors.clock()
    draft = PartialDraft(
        pattern, body.expires_at, body.purpose_code, body.case_number, body.reason, body.crime_type.strip()
    )
    room = has_partial_room(await doors.store.live_partials(), person.agency, len(doors.profiles))
    demand(admit_partial(draft, profile, now, room=room))
    if await doors.store.hotlist(person.agency, "PARTIAL") is None or body.expires_at is None:
        raise Problem(409, "LIST_UNKNOWN", "the agency has no list of partial plates")
    details = _described(EntryDetails(synopsis=body.reason.strip(), crime_type=draft.crime_type), body)
    try:
        one = await doors.entering.enter_partial(person, Plate(pattern), details, body.expires_at, now)
    except Taken:
        raise Problem(409, "TOO_MANY_PARTIALS", "another partial plate took the room: withdraw one") from None
    shown = _show(doors.entering.shown([one], now)[0])
    return {**shown, "back_search": _back_search(profile, one, shown, now)}


@router.get("/v1/partial-plates")
async def get_partials(doors: Ingest, person: Anyone, page: Page) -> dict[str, Any]:
    """List the agency's partial plates, opened for display, in the order of hot plates."""
    return await _listed(doors, person, PARTIAL, page)


@router.get("/v1/partial-plates/{entry}")
async def get_partial(entry: UUID, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Show one partial plate, opened for display."""
    return await _one(doors, person, PARTIAL, entry)


@router.post("/v1/partial-plates/{entry}/withdrawals", status_code=201)
async def post_partial_withdrawal(entry: UUID, body: WithdrawalIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """End a partial plate at once."""
    return await _withdraw(doors, person, PARTIAL, entry, body)


async def _enter(
    doors: Doors, person: Person, profile: AgencyProfile, plate: Plate, draft: HotPlateDraft, details: EntryDetails,
    now: datetime, extends: EnteredPlate | None,
) -> dict[str, Any]:  # fmt: skip
    demand(admit_hot_plate(draft, profile, now))
    if await doors.store.hotlist(person.agency, "HOTPLATE") is None:
        raise Problem(409, "LIST_UNKNOWN", "the agency's policy names no list of hot plates")
    try:
        one = await doors.entering.enter_hot_plate(person, plate, draft, details, now, extends)
    except Taken:
        raise Problem(409, "ALREADY_EXTENDED", "the entry has a successor: extend that one") from None
    shown = _show(doors.entering.shown([one], now)[0])
    return {**shown, "back_search": _back_search(profile, one, shown, now)}


async def _withdraw(doors: Doors, person: Person, kind: str, entry: UUID, body: WithdrawalIn) -> dict[str, Any]:
    _entering(doors, person)
    one, now = await _found(doors, person, kind, entry), doors.clock()
    ended = await doors.entering.withdraw(person, one, body.reason.strip(), now)
    if not ended:
        raise Problem(409, "ENTRY_NOT_LIVE", "the entry has ended already")
    return {**await _again(doors, person, one), "withdrawn": ended}


async def _listed(doors: Doors, person: Person, kind: str, page: PageIn) -> dict[str, Any]:
    _seeing(doors, person)
    now = doors.clock()
    lived, _, last = page.after.partition("-")
    entries = await doors.store.entered(
        person.agency, kind, now, page.limit, ended=page.ended, after=(lived == "living", last) if last else None
    )
    await _told_ledger(doors, person, kind, [one.entry_id for one in entries], now)
    rows = [_show(shown) for shown in doors.entering.shown(entries, now)]
    following = None
    if len(entries) == page.limit:
        living = entries[-1].withdrawn_at is None and entries[-1].expires_at > now
        following = f"{'living' if living else 'ended'}-{entries[-1].entry_id}"
    return {"hot_plates" if kind == HOT_PLATE else "partial_plates": rows, "next": following}


async def _one(doors: Doors, person: Person, kind: str, entry: UUID) -> dict[str, Any]:
    _seeing(doors, person)
    one, now = await _found(doors, person, kind, entry), doors.clock()
    await _told_ledger(doors, person, kind, [one.entry_id], now)
    shown = doors.entering.shown([one], now)[0]
    # Registration data is shown with one entry, for which the ledger names who looked, and in no list (SEC-05).
    return _show(shown) | {"registered_owner": shown.details.registered_owner}


async def _again(doors: Doors, person: Person, one: EnteredPlate) -> dict[str, Any]:
    found = await _found(doors, person, one.kind, UUID(one.entry_id))
    return _show(doors.entering.shown([found], doors.clock())[0])


def _opened(doors: Doors, one: EnteredPlate, now: datetime) -> Shown:
    """Open an entry to write it anew; 409 when its key is lost: what is not known cannot be taken over."""
    shown = doors.entering.shown([one], now)[0]
    if not shown.details.source_key:
        raise Problem(409, "ENTRY_CLOSED", "the key that sealed this entry is lost: enter the plate anew")
    return shown


async def _found(doors: Doors, person: Person, kind: str, entry: UUID) -> EnteredPlate:
    one = await doors.store.one_entered(person.agency, kind, str(entry))
    if one is None:
        raise Problem(404, "ENTRY_UNKNOWN", "the agency has no such entry")
    return one


async def _told_ledger(doors: Doors, person: Person, kind: str, entries: Sequence[str], now: datetime) -> None:
    """Record who is shown what is sealed, before it is shown (HOT-12, AUD-08)."""
    event = f"{'hot' if kind == HOT_PLATE else 'partial'}_plates_read"
    subject, asked = f"{person.agency}/{kind}", f"{person.person_id} {rfc3339(now)}"
    pages = [entries[at : at + _NAMED_AT_ONCE] for at in range(0, len(entries), _NAMED_AT_ONCE)] or [()]
    await doors.store.put_out([
        audit_message(
            event, subject, f"{asked} {page}" if page else asked, person, now,
            facts={"entries": str(len(named)), "entry_ids": ", ".join(named)},
        )
        for page, named in enumerate(pages)
    ])  # fmt: skip
    doors.relay.kick()


def _entering(doors: Doors, person: Person) -> AgencyProfile:
    profile = policy_of(doors, person)
    demand(may_enter(person, profile))
    return profile


def _seeing(doors: Doors, person: Person) -> None:
    """Let those see who may enter or search; whoever searches for maintenance alone sees no entry (ACC-06)."""
    profile = policy_of(doors, person)
    enters = not isinstance(may_enter(person, profile), Refused)
    refused = standing_refusal(person, profile)
    if not enters and refused is not None:
        raise refusal(refused)
    if maintains_only(person):
        raise Problem(403, "ROLE_NOT_AUTHORISED", "maintenance takes no entries")


def _draft(body: HotPlateIn, person: Person) -> HotPlateDraft:
    return HotPlateDraft(
        expires_at=body.expires_at,
        also_entered_in=None if body.also_entered_in is None else _systems(body.also_entered_in),
        officers=_officers(body.distribution, person),
        contact_phone=body.contact_phone,
        case_number=body.case_number,
        synopsis=body.synopsis,
    )


def _drafted(details: EntryDetails, expires_at: datetime | None) -> HotPlateDraft:
    """Put what an entry says already before the rules again, with the end that it is to have."""
    return HotPlateDraft(
        expires_at=expires_at,
        also_entered_in=_also(details),
        officers=frozenset(details.distribution.split(", ")),
        contact_phone=details.contact_phone,
        case_number=details.case_number,
        synopsis=details.synopsis,
    )


def _also(details: EntryDetails) -> tuple[str, ...]:
    """Name the state systems that the plate of an entry is entered in as well."""
    return tuple(filter(None, details.also_entered_in.split(", ")))


def _systems(given: Sequence[str]) -> tuple[str, ...]:
    codes = sorted({code.strip().upper() for code in given} - {""})
    if any(not code.replace("_", "").isalnum() or len(code) > 20 for code in codes):
        raise Problem(422, "FIELD_INVALID", "also_entered_in")
    return tuple(codes)


def _officers(given: DistributionIn, person: Person) -> frozenset[str]:
    if given.kind == EVERYBODY:
        return frozenset({EVERYBODY})
    names = frozenset(" ".join(name.replace(",", " ").split()) for name in given.usernames) - {""}
    if given.kind == "several" and not names:
        raise Problem(422, "FIELD_MISSING", "distribution.usernames")
    return names or frozenset({person.username})


def _told(officers: frozenset[str]) -> str:
    return EVERYBODY if EVERYBODY in officers else ", ".join(sorted(officers))


def _described(details: EntryDetails, body: HotPlateIn | PartialIn) -> EntryDetails:
    """Add what both forms ask: state, vehicle, case."""
    vehicle = {f"vehicle_{name}": text.strip() for name, text in body.vehicle.model_dump().items()}
    return replace(details, state=body.state, case_number=body.case_number.strip(), **vehicle)


def _back_search(profile: AgencyProfile, one: EnteredPlate, shown: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Say what a search of the reads that are kept would ask for, where the policy allows one on entry (USE-10)."""
    named = "plate" if one.kind == HOT_PLATE else "pattern"
    span = {"captured_from": None, "captured_to": rfc3339(now)}
    return {"allowed": profile.listing.back_search, named: shown[named], "state": shown["state"], **span}


def _show(shown: Shown) -> dict[str, Any]:
    one, details = shown.one, shown.details
    moments = ("entered_at", "effective_at", "expires_at", "in_force_at", "withdrawn_at", "handed_over_at")
    found: dict[str, Any] = {
        "entry_id": one.entry_id,
        "plate" if one.kind == HOT_PLATE else "pattern": one.plate.reveal(),
        "state": details.state,
        "entry_state": shown.state.value,
        **{name: None if (at := getattr(one, name)) is None else rfc3339(at) for name in moments},
        "extends": one.extends or None,
        "extended_by": one.successor or None,
        "officer_name": details.officer_name,
        "case_number": details.case_number,
        "vehicle": {name: getattr(details, f"vehicle_{name}") for name in VehicleIn.model_fields},
    }
    if one.kind == PARTIAL:
        return {**found, "reason": details.synopsis, "crime_type": details.crime_type}
    return {
        **found,
        "reason": details.reason,
        "advisory_class": details.advisory_class,
        "distribution": details.distribution,
        "also_entered_in": list(_also(details)),
        "contact_phone": details.contact_phone,
        "synopsis": details.synopsis,
        "notes": details.notes,
        "permissible_use": details.permissible_use,
    }
