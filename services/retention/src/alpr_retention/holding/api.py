"""The doors of holds: place, look at, review, confirm, lift and release them; say what their case file says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field, FiniteFloat, StrictBool

from alprcore.answering import Refusal
from alprcore.errors import Transient
from alprcore.model import Person, Refused
from alprcore.policy import HOLD_PLACERS, AgencyProfile

from ..web import UUID_TEXT, Body, Door, need_id, read_body
from . import rules
from .store.holds import PAGE, Holds, Step
from .store.records_systems import RecordsSystems
from .store.rows import scope_of, standing_of

HOLD_LIMIT: Final = 512 * 1024
"""Bytes of a hold as posted: 10,000 read ids take 390 kB."""
_STATES: Final = frozenset({"", "active", "provisional", "release_requested", "ended", "overdue"})
_STATUS: Final[Mapping[str, int]] = {"ROLE_NOT_AUTHORISED": 403, "SECOND_PERSON_REQUIRED": 403, "HOLD_STATE": 409}
_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
T = TypeVar("T")
_AFTER: Final = re.compile(r"(.+)/([0-9a-f-]{36})")


class AreaBody(Body):
    """A rectangle in degrees, as posted."""

    south: FiniteFloat
    west: FiniteFloat
    north: FiniteFloat
    east: FiniteFloat


class HoldQuery(Body):
    """Records that a hold covers, also those stored later."""

    plate: str = Field("", max_length=32)
    lookalikes: StrictBool = False
    partial: str = Field("", max_length=32)
    device_id: str = Field("", max_length=200)
    device_ids: tuple[str, ...] = Field((), max_length=1000)
    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None
    area: AreaBody | None = None


class DvdBody(Body):
    """Whether an export to DVD was considered (RET-13)."""

    considered: StrictBool
    reason: str = Field(min_length=1, max_length=1000)


class HoldBody(Body):
    """A hold, as posted to /v1/holds; `case` is what `case_number` was called."""

    ground: str = Field(min_length=1, max_length=100, pattern=_LINE)
    case_number: str = Field("", max_length=100, pattern=_LINE)
    court_reference: str = Field("", max_length=100, pattern=_LINE)
    case: str = Field("", max_length=100, pattern=_LINE)
    note: str = Field("", max_length=2000)
    review_on: date | None = None
    dvd: DvdBody | None = None
    read_ids: tuple[str, ...] = Field((), max_length=rules.MOST_READS)
    entry: int | None = Field(None, ge=0, lt=2**53)
    forward: StrictBool = False
    query: HoldQuery | None = None


class NoteBody(Body):
    """Why something is done."""

    note: str = Field("", max_length=2000)


class ReviewBody(NoteBody):
    """A look at a hold: it goes on until the next one, or its action has ended."""

    action: Literal["goes_on", "ended"]
    review_on: date | None = None


class RequestBody(NoteBody):
    """Why a hold should end."""

    reason: Literal["action_ended", "booked", "demand_withdrawn", "placed_in_error"]


class ReleaseBody(NoteBody):
    """What the second person decides."""

    decision: Literal["release", "keep"]


class CaseFileBody(NoteBody):
    """What the case file says, entered by hand."""

    status: Literal["open", "closed"]
    purge_on: date | None = None


@dataclass(frozen=True, slots=True)
class _Room:
    """What the routes share."""

    door: Door
    holds: Holds
    systems: RecordsSystems
    profiles: Mapping[str, AgencyProfile]

    def profile(self, person: Person) -> AgencyProfile:
        """The policy of the person's agency. Raises `Transient` until it is known."""
        profile = self.profiles.get(person.agency)
        if profile is None:
            raise Transient("no policy is known for the agency of a hold")
        return profile

    async def scope(self, body: HoldBody, person: Person) -> rules.Scope:
        """What a posted hold covers. Raises `Refusal`."""
        named = [bool(body.read_ids), body.entry is not None, body.query is not None]
        if sum(named) != 1 or not all(UUID_TEXT.fullmatch(read) for read in body.read_ids):
            raise Refusal(422, "FIELD_INVALID", "one of read_ids, entry or query", person=person)
        if body.read_ids:
            return rules.Scope(tuple(dict.fromkeys(body.read_ids)))
        if body.entry is not None:
            try:
                search, committed_at = await self.holds.searched(body.entry, person)
            except PermissionError as error:
                raise Refusal(403, str(error), "no search of yours has this number", person=person) from error
            return rules.by_search(body.entry, search, committed_at, forward=body.forward)
        query = body.query or HoldQuery()
        area = query.area
        scope = rules.by_query(
            plate=query.plate,
            lookalikes=query.lookalikes,
            partial=query.partial,
            device_ids=(*query.device_ids, *filter(None, [query.device_id])),
            captured_from=query.captured_from,
            captured_to=query.captured_to,
            area=(area.south, area.west, area.north, area.east) if area else None,
        )
        taken = self.admitted(scope, person)
        self.admitted(rules.may_name(person, taken), person)
        return taken

    def admitted(self, decided: T | Refused, person: Person) -> T:
        """Pass what a rule gave. Raises `Refusal` for what it refused."""
        if isinstance(decided, Refused):
            status = _STATUS.get(decided.reason_code, 422)
            raise Refusal(
                status, decided.reason_code, decided.detail, person=person, facts={"rule_id": decided.rule_id}
            )
        return decided

    async def row(self, person: Person, hold_id: str) -> Mapping[str, Any]:
        """One hold of the person's agency. Raises `Refusal` 404."""
        need_id(hold_id, person, "HOLD_UNKNOWN", "no such hold")
        row = await self.holds.one(person.agency, hold_id)
        if row is None:
            raise Refusal(404, "HOLD_UNKNOWN", "no such hold", person=person)
        return row

    def shown(self, row: Mapping[str, Any], person: Person, now: datetime) -> dict[str, Any]:
        """Lay out a hold for a list: its scope in words, never its plate, and no text that somebody wrote freely."""
        profile, scope = self.profile(person), scope_of(row)
        standing = standing_of(row, self.systems.adapter_of(person.agency))
        known = standing.case_file
        case_ends = rules.ends_with_case_file(profile.retention, standing)
        asked_end = bool(row["end_asked_by"]) and row["state"] == rules.RELEASE_REQUESTED
        return {
            "hold_id": str(row["hold_id"]),
            "state": row["state"],
            "flag": row["flag"],
            "ground": row["ground"],
            "ground_label": rules.GROUNDS.get(row["ground"], row["ground"]),
            "case_number": row["case_number"] or ("" if row["court_reference"] else row["case_reference"]),
            "court_reference": row["court_reference"],
            "placed_at": row["placed_at"].isoformat(),
            "placed_by": row["placed_by"],
            "placed_name": row["placed_name"],
            "review_due": row["review_due"].isoformat(),
            "overdue": row["released_at"] is None and row["review_due"] < now,
            "scope": {
                "kind": rules.kind_of(scope),
                "words": rules.words_of(scope, profile.timezone),
                "reads_named": len(scope.read_ids),
                "entry": scope.entry,
                "forward": scope.forward,
            },
            "reads": row["reads_now"],
            "hits": row["hits_now"],
            "counted_at": _iso(row["counted_at"]),
            "dvd": json.loads(row["dvd"]) if row["dvd"] else None,
            "release_requested": {
                "by": row["end_asked_by"],
                "name": row["end_asked_name"],
                "at": _iso(row["end_asked_at"]),
                "reason": row["end_reason"],
            }
            if asked_end
            else None,
            "end": {
                "rule": list(profile.retention.hold_end),
                "reason": row["end_reason"],
                "at": _iso(row["released_at"]),
                "by": row["released_by"],
                "name": row["released_name"],
            }
            if row["released_at"] is not None
            else None,
            "case_file": {
                "adapter": self.systems.adapter_of(person.agency),
                "status": known.status if known else "",
                "purge_on": known.purge_on.isoformat() if known and known.purge_on else None,
                "asked_at": _iso(known.asked_at) if known else None,
                "answered_at": _iso(known.answered_at) if known else None,
                "problem": known.problem if known else "",
                "entered_by": known.entered_by if known else "",
                "entered_name": known.entered_name if known else "",
                "confirmed": bool(known and known.confirmed_by),
            }
            if case_ends
            else None,
            "exports": json.loads(row["exports"]),
            "may": rules.may(profile, person, standing),
        }

    async def detail(self, person: Person, hold_id: str) -> dict[str, Any]:
        """Lay out one hold with its history; its plate only for those who may search (ADM-04)."""
        row, now = await self.row(person, hold_id), self.door.clock()
        scope = scope_of(row)
        criteria = dict(scope.criteria or {})
        if not rules.shows_plate(person):
            for name in ("plate", "skeleton", "partial", "partial_skeleton"):
                criteria.pop(name, None)
        answer = self.shown(row, person, now)
        answer["note"] = row["note"]
        answer["scope"] |= {"criteria": criteria, "read_ids": list(scope.read_ids)}
        answer["history"] = [
            {
                "act": act["act"],
                "at": act["at"].isoformat(),
                "by": act["person_id"],
                "name": act["name"],
                "note": act["note"],
            }
            for act in await self.holds.history(person.agency, hold_id)
        ]
        return answer

    async def done(self, refused: Refused | None, person: Person, hold_id: str) -> JSONResponse:
        """Answer a step: the hold as it stands now."""
        self.admitted(refused, person)
        return JSONResponse(await self.detail(person, hold_id))


def routes(door: Door, holds: Holds, systems: RecordsSystems, profiles: Mapping[str, AgencyProfile]) -> APIRouter:
    """The ways to holds; `systems` tells who knows their case files."""
    router = APIRouter()
    room = _Room(door, holds, systems, profiles)

    async def step(
        request: Request, hold_id: str, model: type[NoteBody], name: str, kind: str, judge: Any
    ) -> tuple[Step, Any]:
        person = door.asker(request, HOLD_PLACERS)
        body = await read_body(request, model, person)
        need_id(hold_id, person, "HOLD_UNKNOWN", "no such hold")
        adapter = systems.adapter_of(person.agency)
        return Step(name, kind, person, room.profile(person), judge, body.note, door.clock(), adapter), body

    @router.get("/v1/holds/grounds")
    async def get_grounds(request: Request) -> JSONResponse:
        """What a hold may rest on, and what its form asks."""
        person = door.asker(request, rules.READERS)
        kept = room.profile(person).retention
        return JSONResponse(
            {
                "grounds": rules.grounds_of(kept),
                "end": list(kept.hold_end),
                "review_days": kept.hold_review_days,
                "case_files": systems.adapter_of(person.agency),
                "scopes": rules.scopes_of(person),
            }
        )

    @router.get("/v1/holds")
    async def get_holds(request: Request, state: str = "", after: str = "") -> JSONResponse:
        person = door.asker(request, rules.READERS)
        place = _AFTER.fullmatch(after)
        try:
            page = (datetime.fromisoformat(place[1]), place[2]) if place else None
        except ValueError:
            page = None
        known_place = page is None or (page[0].tzinfo is not None and UUID_TEXT.fullmatch(page[1]))
        if state not in _STATES or bool(after) != (page is not None) or not known_place:
            raise Refusal(422, "FIELD_INVALID", "state or after", person=person)
        now = door.clock()
        rows = await holds.listed(person.agency, state, now, page)
        last = rows[PAGE - 1] if len(rows) > PAGE else None
        return JSONResponse(
            {
                "holds": [room.shown(row, person, now) for row in rows[:PAGE]],
                "next": f"{last['placed_at'].isoformat()}/{last['hold_id']}" if last else None,
            }
        )

    @router.post("/v1/holds")
    async def post_hold(request: Request) -> JSONResponse:
        """Place a hold: 201 active, or 202 provisional on a ground that the policy does not name (RET-07)."""
        person = door.asker(request, HOLD_PLACERS)
        body = await read_body(request, HoldBody, person, HOLD_LIMIT)
        profile, now = room.profile(person), door.clock()
        draft = rules.Draft(
            ground=body.ground,
            case_number=body.case_number or body.case,
            court_reference=body.court_reference,
            scope=await room.scope(body, person),
            note=body.note,
            review_on=body.review_on,
            dvd=rules.Dvd(body.dvd.considered, body.dvd.reason) if body.dvd else None,
        )
        placed = room.admitted(rules.admit_hold(profile, draft, now), person)
        hold_id = await holds.place(person, profile, placed, now)
        answer = room.shown(await room.row(person, hold_id), person, now)
        return JSONResponse(answer, 201 if placed.state == rules.ACTIVE else 202)

    @router.get("/v1/holds/{hold_id}")
    async def get_hold(request: Request, hold_id: str) -> JSONResponse:
        person = door.asker(request, rules.READERS)
        answer = await room.detail(person, hold_id)
        await holds.read(person, room.profile(person), hold_id, door.clock())
        return JSONResponse(answer)

    @router.post("/v1/holds/{hold_id}/reviews")
    async def post_review(request: Request, hold_id: str) -> JSONResponse:
        taken, body = await step(request, hold_id, ReviewBody, "reviewed", "hold_reviewed", rules.may_review)
        due = None
        if body.action == "goes_on":
            kept = taken.profile.retention
            due = room.admitted(rules.next_review(kept, body.review_on, taken.now), taken.person)
        else:
            taken = replace(taken, judge=rules.may_request_release)
        return await answered(holds.review(taken, hold_id, due=due), taken.person, hold_id)

    async def answered(act: Any, person: Person, hold_id: str) -> JSONResponse:
        try:
            refused = await act
        except LookupError:
            raise Refusal(404, "HOLD_UNKNOWN", "no such hold", person=person) from None
        return await room.done(refused, person, hold_id)

    @router.post("/v1/holds/{hold_id}/confirmations")
    async def post_confirmation(request: Request, hold_id: str) -> JSONResponse:
        taken, _ = await step(request, hold_id, NoteBody, "confirmed", "hold_confirmed", rules.may_confirm)
        return await answered(holds.confirm(taken, hold_id), taken.person, hold_id)

    @router.post("/v1/holds/{hold_id}/lifts")
    async def post_lift(request: Request, hold_id: str) -> JSONResponse:
        taken, _ = await step(request, hold_id, NoteBody, "lifted", "hold_lifted", rules.may_lift)
        return await answered(holds.end(taken, hold_id, rules.LIFTED), taken.person, hold_id)

    @router.post("/v1/holds/{hold_id}/release-requests")
    async def post_release_request(request: Request, hold_id: str) -> JSONResponse:
        name, kind = "release_requested", "hold_release_requested"
        taken, body = await step(request, hold_id, RequestBody, name, kind, rules.may_request_release)
        return await answered(holds.request_release(taken, hold_id, body.reason), taken.person, hold_id)

    @router.post("/v1/holds/{hold_id}/releases")
    async def post_release(request: Request, hold_id: str) -> JSONResponse:
        taken, body = await step(request, hold_id, ReleaseBody, "released", "hold_released", rules.may_release)
        if body.decision == "release":
            return await answered(holds.end(taken, hold_id), taken.person, hold_id)
        taken = replace(taken, name="kept", kind="hold_kept")
        return await answered(holds.keep(taken, hold_id), taken.person, hold_id)

    @router.post("/v1/holds/{hold_id}/case-file")
    async def post_case_file(request: Request, hold_id: str) -> JSONResponse:
        name, kind = "case_file", "hold_case_file_entered"
        taken, body = await step(request, hold_id, CaseFileBody, name, kind, rules.may_enter_case_file)
        act = holds.enter_case_file(taken, hold_id, body.status, body.purge_on)
        return await answered(act, taken.person, hold_id)

    return router


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
