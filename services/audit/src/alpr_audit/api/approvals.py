"""Approvals of uses beyond the profile's list, and protected events: dated, numbered entries of the ledger.

The number of an approval or event is that of its entry. Neither can be altered; each can be ended once. A
protected event that was ended keeps protecting the time before its end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import Person, Refused, event_id
from alprcore.policy import EVENT_ROLES, OTHER_USE, PROTECTED_EVENT, may_approve, says_nothing

from .answers import refusal_of
from .door import Door
from .shapes import INDEX_LIMIT, AreaBody, Body, EntryNumber, Moment, read_body

LONGEST: Final = timedelta(days=366)
"""Longest time an approval is valid: a use that goes on is approved anew every year."""
LISTED: Final = 200
_READERS: Final = frozenset({"officer", "dispatcher", "investigator", "supervisor", "alpr_admin", "program_manager",
                             "auditor"})  # fmt: skip


class ApprovalBody(Body):
    """An approval, as posted: of what, when, and for which case or whom."""

    kind: Literal["other_use", "protected_event"]
    event_id: EntryNumber | None = None
    description: str = Field(max_length=4000)
    case_number: str = Field("", max_length=100)
    for_username: str = Field("", max_length=200)
    valid_from: Moment
    valid_to: Moment


class EventBody(Body):
    """A protected event, as posted: where and when."""

    name: str = Field(min_length=1, max_length=200)
    area: AreaBody
    begins_at: Moment
    ends_at: Moment


class EndBody(Body):
    """Why an approval or event is ended."""

    reason: str = Field(min_length=1, max_length=1000)


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    def invalid(person: Person, detail: str) -> Refusal:
        return Refusal(422, "FIELD_INVALID", detail, person=person)

    def reader(request: Request) -> Person:
        person = door.person(request)
        if _READERS.isdisjoint(person.roles):
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "this role sees no approvals", person=person)
        return person

    async def end(request: Request, index: int, kind: str, found: bool) -> Response:
        person = door.person(request)
        body: EndBody = await read_body(request, EndBody, person)
        if not found:
            raise Refusal(404, "ENTRY_UNKNOWN", "there is nothing with this number", person=person)
        receipt = await door.record(
            kind, person, facts={"number": index}, personal={"reason": body.reason}, about=index,
            once=event_id(f"entry/{index}", kind, "1"),
        )  # fmt: skip
        if receipt.repeat:
            raise Refusal(409, "ALREADY_ENDED", "it was ended before", person=person)
        return JSONResponse({"number": index, "entry": receipt.index}, 201)

    @routes.post("/v1/use-approvals")
    async def post_approval(request: Request) -> Response:
        person = door.person(request)
        body: ApprovalBody = await read_body(request, ApprovalBody, person)
        profile = door.profile(person)
        decision = may_approve(body.kind, person, profile)
        if isinstance(decision, Refused):
            raise refusal_of(decision, person)
        if says_nothing(body.description, profile.querying):
            raise invalid(person, "description: say in words what is approved")
        if not (body.case_number.strip() or body.for_username.strip()):
            raise invalid(person, "case_number or for_username: say for which case or for whom")
        if not timedelta(0) < body.valid_to - body.valid_from <= LONGEST:
            raise invalid(person, f"valid_to: after valid_from, at most {LONGEST.days} days later")
        if (body.kind == PROTECTED_EVENT) != (body.event_id is not None):
            raise invalid(person, "event_id: with approvals for a protected event, and only there")
        if body.event_id is not None and await door.questions.event(body.event_id, person.agency) is None:
            raise invalid(person, "event_id: no such event")
        declared = body.model_dump(mode="json")
        receipt = await door.record(
            "use_approval", person, facts={"approves": body.kind}, personal={"declared": declared}
        )
        return JSONResponse({"approval_id": receipt.index, "number": receipt.index, **declared}, 201)

    @routes.get("/v1/use-approvals")
    async def get_approvals(request: Request) -> Response:
        person = reader(request)
        await door.record("use_approvals_read", person, facts={}, personal={})
        rows = await door.questions.declared("use_approval", person.agency, LISTED)
        return JSONResponse({"rows": [_listed(row, "approval_id") for row in rows]})

    @routes.post("/v1/use-approvals/{approval_id}/revocation")
    async def post_revocation(request: Request, approval_id: int) -> Response:
        person = door.person(request)
        approval = await door.questions.approval(_number(approval_id), person.agency)
        decision = may_approve(approval.kind if approval else OTHER_USE, person, door.profile(person))
        if isinstance(decision, Refused):
            raise refusal_of(decision, person)
        return await end(request, approval_id, "use_approval_revoked", approval is not None)

    @routes.post("/v1/protected-events")
    async def post_event(request: Request) -> Response:
        person = _declarer(door, request)
        body: EventBody = await read_body(request, EventBody, person)
        area = body.area
        if not (-90 <= area.south <= area.north <= 90 and -180 <= area.west <= area.east <= 180):
            raise invalid(person, "area: south..north within -90..90, west..east within -180..180")
        if body.begins_at >= body.ends_at:
            raise invalid(person, "ends_at: after begins_at")
        declared = body.model_dump(mode="json")
        receipt = await door.record("protected_event", person, facts={}, personal={"declared": declared})
        return JSONResponse({"event_id": receipt.index, **declared}, 201)

    @routes.get("/v1/protected-events")
    async def get_events(request: Request) -> Response:
        person = reader(request)
        await door.record("protected_events_read", person, facts={}, personal={})
        rows = await door.questions.declared("protected_event", person.agency, LISTED)
        return JSONResponse({"rows": [_listed(row, "event_id") for row in rows]})

    @routes.post("/v1/protected-events/{event}/end")
    async def post_event_end(request: Request, event: int) -> Response:
        person = _declarer(door, request)
        found = await door.questions.event(_number(event), person.agency) is not None
        return await end(request, event, "protected_event_ended", found)

    return routes


def _declarer(door: Door, request: Request) -> Person:
    person = door.person(request)
    if EVENT_ROLES.isdisjoint(person.roles):
        raise Refusal(403, "ROLE_NOT_AUTHORISED", "this role declares no protected events", person=person)
    return person


def _number(index: int) -> int:
    """A number of an entry; what cannot be one is none."""
    return index if 0 <= index < INDEX_LIMIT else -1


def _listed(row: dict[str, Any], number: str) -> dict[str, Any]:
    by = row.pop("by")
    names = {"by": by["full_name"], "username": by["username"]}
    return {number: row["index"], **{name: value for name, value in row.items() if name != number}, **names}
