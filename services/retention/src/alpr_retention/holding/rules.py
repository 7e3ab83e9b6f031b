"""Who may hold what, on which grounds and how long; who ends it, and with what: pure decisions over the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.plates import normalize, pattern_fault, skeleton
from alprcore.policy import HOLD_PLACERS, QUERY_ROLES, AgencyProfile, RetentionRules

READERS: Final = HOLD_PLACERS | {"auditor"}
RELEASERS: Final = frozenset({"supervisor", "custodian", "retention_officer", "program_manager"})
"""Who may let records go that another person asked to let go."""
CONFIRMER: Final = "program_manager"
GROUND_FLAG: Final = "HOLD_GROUND_NOT_IN_PROFILE"
CASE_GROUND: Final = "linked_investigation"
EVIDENCE_GROUNDS: Final = frozenset({"evidence", "reasonable_belief", "reasonable_likelihood"})
"""Grounds on which data is evidence, for which a DVD is to be considered where the policy says so (RET-13)."""
GROUNDS: Final[Mapping[str, str]] = {
    "evidence": "Already evidence in a criminal or civil case",
    "reasonable_belief": "Reasonable to believe that it will be evidence",
    "reasonable_likelihood": "Reasonable likelihood that it will be evidence",
    "discovery_request": "Covered by a discovery request",
    "lawful_demand": "Covered by another lawful demand for records",
    "linked_investigation": "Linked to an ongoing criminal investigation",
}
END_REASONS: Final = frozenset({"action_ended", "booked", "demand_withdrawn", "placed_in_error"})
BOOKED: Final = "booked"
CASE_FILE: Final = "case_file"
LIFTED: Final = "lifted"
ACTIVE: Final = "active"
PROVISIONAL: Final = "provisional"
RELEASE_REQUESTED: Final = "release_requested"
ENDED: Final = "ended"
MOST_READS: Final = 10_000
_SPOOL: Final = timedelta(days=31)
"""A vehicle may bring in what it saw a month ago: until then a time that has passed is not closed."""
_DROPPED: Final = frozenset({"limit", "after", "read_id", "read_ids"})


@dataclass(frozen=True, slots=True)
class Dvd:
    """Whether a copy on DVD, booked as evidence, was considered, and why it is made or not (RET-13)."""

    considered: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold covers: reads by their ids, or whatever fits the criteria of a search, or both.

    `criteria` speaks the language of a search: plate, skeleton, partial, device_ids, area, captured_from and so on.
    `entry` is the ledger's number of the search it was taken from; `forward` says that reads yet to come count.
    """

    read_ids: tuple[str, ...] = ()
    criteria: Mapping[str, Any] | None = None
    entry: int | None = None
    forward: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A hold as somebody wants it."""

    ground: str
    case_number: str
    court_reference: str
    scope: Scope
    note: str = ""
    review_on: date | None = None
    dvd: Dvd | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold as it is taken: it binds in either state."""

    draft: Draft
    state: str
    flag: str
    review_due: datetime


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What the records system, or two persons for it, said of the case of a hold (RET-09)."""

    adapter: str
    status: str = ""
    purge_on: date | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    problem: str = ""
    entered_by: str = ""
    entered_name: str = ""
    confirmed_by: str = ""

    def over(self, before: date) -> bool:
        """Tell whether the case file itself is gone by its own purge date, which lies before `before`.

        A system must have said so after that day: a case can be opened again. An entry by hand counts when a second
        person made the same. A case of which the system knows no more, after its day, is gone.
        """
        if self.purge_on is None or self.purge_on >= before:
            return False
        if self.adapter == "manual":
            return self.status == "closed" and bool(self.confirmed_by)
        if self.problem or self.answered_at is None or self.status not in {"closed", "unknown"}:
            return False
        return self.answered_at.astimezone(UTC).date() > self.purge_on


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a hold stands, as far as anybody's next step depends on it."""

    state: str
    placed_by: str
    ground: str
    flag: str
    case_number: str
    end_asked_by: str = ""
    case_file: CaseFile | None = None
    court_reference: str = ""


def admit_hold(profile: AgencyProfile, draft: Draft, now: datetime) -> Placed | Refused:
    """Take a hold, or say what is missing. A ground that the policy does not name binds provisionally (RET-07)."""
    rules = profile.retention
    named = draft.ground in rules.hold_grounds
    if not draft.case_number and not draft.court_reference:
        return Refused("RET-07", "CASE_REFERENCE_MISSING", "a case number or a court reference")
    if named and draft.ground == CASE_GROUND and not draft.case_number:
        return Refused("RET-09", "CASE_REFERENCE_MISSING", "this ground takes the number of the case")
    if asks_dvd(rules, draft.ground) and draft.dvd is None:
        return Refused("RET-13", "DVD_ANSWER_MISSING", "say whether an export to DVD was considered, and why")
    review_due = next_review(rules, draft.review_on, now)
    if isinstance(review_due, Refused):
        return review_due
    return Placed(draft, ACTIVE if named else PROVISIONAL, "" if named else GROUND_FLAG, review_due)


def asks_dvd(rules: RetentionRules, ground: str) -> bool:
    """Tell whether a hold on this ground says if a DVD was considered (RET-13)."""
    return rules.dvd_question and ground in EVIDENCE_GROUNDS and ground in rules.hold_grounds


def grounds_of(rules: RetentionRules) -> list[dict[str, Any]]:
    """List every ground with what its form asks, the policy's own first."""
    codes = [*rules.hold_grounds, *(code for code in GROUNDS if code not in rules.hold_grounds)]
    return [
        {
            "code": code,
            "label": GROUNDS.get(code, code),
            "in_profile": code in rules.hold_grounds,
            "asks": (["case_number"] if code == CASE_GROUND else ["case_number", "court_reference"])
            + (["dvd"] if asks_dvd(rules, code) else []),
        }
        for code in codes
    ]


def by_query(
    *,
    plate: str = "",
    lookalikes: bool = False,
    partial: str = "",
    device_ids: Sequence[str] = (),
    captured_from: datetime | None = None,
    captured_to: datetime | None = None,
    area: tuple[float, float, float, float] | None = None,
) -> Scope | Refused:
    """Lay out criteria given by hand; `area` is south, west, north, east. Reads yet to come are covered."""
    whole, pattern = normalize(plate).reveal(), partial.strip().upper()
    fault = (
        "plate" if plate and not whole
        else "plate or partial, not both" if whole and pattern
        else pattern_fault(pattern) if pattern
        else "captured_from is after captured_to" if captured_from and captured_to and captured_from > captured_to
        else "area" if area and not (-90 <= area[0] <= area[2] <= 90 and -180 <= area[1] <= area[3] <= 180)
        else ""
    )  # fmt: skip
    if fault:
        return Refused("RET-07", "FIELD_INVALID", fault)
    fields: dict[str, Any] = {
        "skeleton" if lookalikes else "plate": skeleton(whole) if lookalikes else whole,
        "partial_skeleton" if lookalikes else "partial": skeleton(pattern) if lookalikes else pattern,
        "device_ids": list(dict.fromkeys(device_ids)),
        "captured_from": captured_from.astimezone(UTC).isoformat() if captured_from else "",
        "captured_to": captured_to.astimezone(UTC).isoformat() if captured_to else "",
        "area": dict(zip(("south", "west", "north", "east"), area, strict=True)) if area else None,
    }
    criteria = {name: value for name, value in fields.items() if value}
    return Scope(criteria=criteria, forward=True) if criteria else Refused("RET-07", "FIELD_INVALID", "query")


def by_search(entry: int, search: Mapping[str, Any], committed_at: datetime, *, forward: bool) -> Scope:
    """Hold what a search could find when it was made; with `forward` also what comes later and fits it."""
    named = [*search.get("read_ids", ()), *([search["read_id"]] if "read_id" in search else [])]
    criteria = {name: value for name, value in search.items() if name not in _DROPPED}
    if not forward:
        until = min(datetime.fromisoformat(criteria.get("captured_to", committed_at.isoformat())), committed_at)
        criteria["captured_to"] = until.astimezone(UTC).isoformat()
    return Scope(() if not named else tuple(named), None if named else criteria, entry, forward and not named)


def closed(scope: Scope, now: datetime) -> bool:
    """Tell whether no read can come any more that this scope covers."""
    if not scope.criteria:
        return True
    until = scope.criteria.get("captured_to")
    return until is not None and datetime.fromisoformat(until) + _SPOOL < now


def words_of(scope: Scope, zone: str = "UTC") -> str:
    """Say what a hold covers without naming a plate or a person; times are those of the zone."""
    criteria = scope.criteria or {}
    what = [f"{len(scope.read_ids)} reads, named one by one"] if scope.read_ids else []
    if scope.entry is not None:
        what.append(f"what search {scope.entry} found")
    if "plate" in criteria:
        what.append("one plate")
    if "skeleton" in criteria:
        what.append("one plate and its look-alikes")
    if "partial" in criteria or "partial_skeleton" in criteria:
        what.append("plates that fit a pattern")
    if "state" in criteria:
        what.append(f"state {criteria['state']}")
    if "device_ids" in criteria:
        count = len(criteria["device_ids"])
        what.append("one device" if count == 1 else f"{count} devices")
    if "area" in criteria or "polygon" in criteria:
        what.append("an area")
    if "list_code" in criteria:
        what.append(f"hits on list {criteria['list_code']}")
    elif "hits" in criteria:
        what.append("hits")
    if "captured_from" in criteria:
        what.append(f"from {_short(criteria['captured_from'], zone)}")
    if "captured_to" in criteria:
        what.append(f"until {_short(criteria['captured_to'], zone)}")
    return ", ".join(what) + (", and reads still to come" if scope.forward else "")


def kind_of(scope: Scope) -> str:
    """Name the kind of a scope: reads, search, plate, or place_time."""
    if scope.entry is not None:
        return "search"
    if not scope.criteria:
        return "reads"
    return "plate" if {"plate", "skeleton", "partial", "partial_skeleton"} & scope.criteria.keys() else "place_time"


def shows_plate(person: Person) -> bool:
    """Tell whether a person is shown the plate of a hold: who may not search is not told by its holds (ADM-04)."""
    return not (QUERY_ROLES - {"auditor"}).isdisjoint(person.roles)


def may_name(person: Person, scope: Scope) -> Decision:
    """Decide whether this person may hold by a plate or a part of one: only who may search, since its counts answer one.

    A search of one's own, reads by their ids, places and times tell nobody whether a plate was seen (ADM-04).
    """
    if kind_of(scope) != "plate" or shows_plate(person):
        return ADMITTED
    words = "a hold by plate is placed by a role that may search; this one holds reads, a place or a time"
    return Refused("ADM-04", "ROLE_NOT_AUTHORISED", words)


def scopes_of(person: Person) -> list[str]:
    """List the kinds of scope that a person may place a hold by."""
    return [*(["plate"] if shows_plate(person) else []), "place_time", "search", "reads"]


def ends_with_case_file(rules: RetentionRules, hold: Standing) -> bool:
    """Tell whether a hold goes with its case file: one that links reads to a case, and nothing else (RET-09).

    A discovery request or another lawful demand binds whatever becomes of the file, and so does a court's reference
    beside the number of the case.
    """
    linked = hold.ground == CASE_GROUND and CASE_GROUND in rules.hold_grounds
    return CASE_FILE in rules.hold_end and linked and bool(hold.case_number) and not hold.court_reference


def may_review(_profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let whoever may place holds look at one again."""
    return _needs(hold.state != ENDED, person, HOLD_PLACERS)


def may_confirm(_profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let the program manager stand by a hold on a ground that the policy does not name (RET-07)."""
    return _needs(hold.state == PROVISIONAL, person, frozenset({CONFIRMER}))


def may_lift(_profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let the program manager lift a provisional hold that somebody else placed: no hold ends by one person."""
    refused = _needs(hold.state == PROVISIONAL, person, frozenset({CONFIRMER}))
    if isinstance(refused, Refused):
        return refused
    return _another(person, hold.placed_by, "whoever placed it does not lift it")


def may_request_release(_profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let whoever may place holds ask for one's end."""
    return _needs(hold.state == ACTIVE, person, HOLD_PLACERS)


def may_release(_profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let a second person release, or keep, what a first one asked to release."""
    refused = _needs(hold.state == RELEASE_REQUESTED, person, RELEASERS)
    if isinstance(refused, Refused):
        return refused
    return _another(person, hold.end_asked_by, "another person than the one who asked releases it")


def may_enter_case_file(profile: AgencyProfile, person: Person, hold: Standing) -> Decision:
    """Let a person say what the case file says, where no records system is asked (RET-09)."""
    if not ends_with_case_file(profile.retention, hold):
        return Refused("RET-09", "NO_CASE_FILE", "this hold does not end with a case file")
    if hold.case_file is not None and hold.case_file.adapter != "manual":
        return Refused("RET-09", "RECORDS_SYSTEM_ASKED", "the records system is asked, nobody enters it")
    return _needs(hold.state != ENDED, person, HOLD_PLACERS)


STEPS: Final = {
    "review": may_review,
    "confirm": may_confirm,
    "lift": may_lift,
    "request_release": may_request_release,
    "release": may_release,
    "case_file": may_enter_case_file,
}


def may(profile: AgencyProfile, person: Person, hold: Standing) -> list[str]:
    """List the steps that this person may take next."""
    return [step for step, judge in STEPS.items() if judge(profile, person, hold) is ADMITTED]


def entered_case_file(known: CaseFile | None, person: Person, status: str, purge_on: date | None) -> CaseFile | Refused:
    """Take what a person says of the case file: the same from a second person confirms it, anything else begins anew."""
    if status == "closed" and purge_on is None:
        return Refused("RET-09", "FIELD_INVALID", "purge_on: the day on which the closed case's file is purged")
    same = known is not None and (known.status, known.purge_on) == (status, purge_on) and bool(known.entered_by)
    if known is not None and same:
        first = known.entered_by == person.person_id
        confirmed = known.confirmed_by if first else known.confirmed_by or person.person_id
        return CaseFile("manual", status, purge_on, None, None, "", known.entered_by, known.entered_name, confirmed)
    return CaseFile("manual", status, purge_on, None, None, "", person.person_id, person.full_name)


def next_review(rules: RetentionRules, review_on: date | None, now: datetime) -> datetime | Refused:
    """Set the next look at a hold, at most the policy's days ahead (90, RET-08)."""
    last = now + timedelta(days=rules.hold_review_days)
    due = _end_of(review_on) if review_on else last
    if not now < due <= _end_of(last.date()):
        return Refused("RET-08", "REVIEW_DATE_INVALID", f"a day within {rules.hold_review_days} days")
    return due


def _needs(open_now: bool, person: Person, roles: frozenset[str]) -> Decision:
    if roles.isdisjoint(person.roles):
        return Refused("RET-07", "ROLE_NOT_AUTHORISED", "your role may not do this")
    return ADMITTED if open_now else Refused("RET-07", "HOLD_STATE", "the hold is not in a state for this")


def _another(person: Person, first: str, words: str) -> Decision:
    return ADMITTED if person.person_id != first else Refused("RET-08", "SECOND_PERSON_REQUIRED", words)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), UTC)


def _short(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")
