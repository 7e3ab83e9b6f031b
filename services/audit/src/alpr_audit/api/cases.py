"""Case numbers that were promised: which queries wait for one, and adding it, once (QRY-04)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import event_id

from .door import Door
from .shapes import Body, read_body

OVERSEERS: Final = frozenset({"supervisor", "program_manager", "auditor"})
"""Who sees what is missing in the whole agency; everybody else sees the own queries."""
LISTED: Final = 200
COMPLETE_WITHIN: Final = timedelta(hours=24)
"""After this a promised case number is overdue and shown as such to whoever oversees the agency's queries."""


class CaseNumberBody(Body):
    """The case number of an earlier query."""

    case_number: str = Field(min_length=1, max_length=100)


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    @routes.get("/v1/queries/incomplete")
    async def get_incomplete(request: Request) -> Response:
        person = door.person(request)
        everyone = not OVERSEERS.isdisjoint(person.roles)
        scope = "agency" if everyone else "own"
        criteria = {"incomplete": scope}
        await door.record("incomplete_queries_read", person, facts={}, personal={"criteria": criteria})
        rows = await door.questions.cases_due(person.agency, "" if everyone else person.person_id, LISTED)
        late = door.clock() - COMPLETE_WITHIN
        marked = [{**row, "overdue": datetime.fromisoformat(row["asked_at"]) < late} for row in rows]
        return JSONResponse({"scope": scope, "rows": marked})

    @routes.post("/v1/queries/{query_id}/case-number")
    async def post_case_number(request: Request, query_id: str) -> Response:
        person = door.person(request)
        body: CaseNumberBody = await read_body(request, CaseNumberBody, person)
        number = body.case_number.strip()
        if not number:
            raise Refusal(422, "FIELD_INVALID", "case_number: empty", person=person)
        index = int(query_id) if query_id.isascii() and query_id.isdigit() and len(query_id) <= 15 else -1
        asker = await door.questions.case_due(index, person.agency)
        if asker != person.person_id:
            raise Refusal(403, "QUERY_UNKNOWN", "no query of yours waits for a case number here", person=person)
        receipt = await door.record(
            "case_number_added",
            person,
            facts={"query_id": index},
            personal={"case_number": number},
            about=index,
            once=event_id(f"query/{index}", "case_number_added", "1"),
        )
        if receipt.repeat:
            raise Refusal(409, "CASE_NUMBER_GIVEN", "this query has its case number already", person=person)
        return JSONResponse({"query_id": index, "entry": receipt.index}, 201)

    return routes
