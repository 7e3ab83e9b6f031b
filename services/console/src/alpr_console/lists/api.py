"""`/v1/hotlists`, `/v1/hot-plates`, `/v1/partial-plates`: passed on to ingest, which decides; files stream through.

A partial plate is also looked for in the reads that are kept, through the query door, in the words of whoever enters
it (USE-10).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse

from alprcore.model import Person

from ..doors import DoorAway
from ..forwarding import forwards
from ..web import SignedIn, signed_in, web_of
from . import rules

Acting = Callable[[Person, str, datetime], Awaitable[str]]
"""Names the living delegation under which a person exercises a power, '' when there is none (administration/)."""
LONGEST_LOAD_S: Final = 900.0
"""A list of a million lines is parsed, sealed and put in force within a minute; on a small machine in several."""
FORWARDS: Final = (
    ("ingest", "GET", "/v1/hotlists"),
    ("ingest", "POST", "/v1/hotlists"),
    ("ingest", "GET", "/v1/hotlists/{rest:path}"),
    ("ingest", "POST", "/v1/hotlists/{rest:path}"),
    ("ingest", "PUT", "/v1/hotlists/{rest:path}"),
    ("ingest", "DELETE", "/v1/hotlists/{rest:path}"),
    ("ingest", "GET", "/v1/hot-plates"),
    ("ingest", "POST", "/v1/hot-plates"),
    ("ingest", "GET", "/v1/hot-plates/{rest:path}"),
    ("ingest", "POST", "/v1/hot-plates/{rest:path}"),
    ("ingest", "GET", "/v1/partial-plates"),
    ("ingest", "GET", "/v1/partial-plates/{rest:path}"),
    ("ingest", "POST", "/v1/partial-plates/{rest:path}"),
)
_JSON: Final = {"content-type": "application/json"}


def router(acting: Acting) -> APIRouter:
    """Bind the routes; `acting` tells of a designee's powers, which the token then carries for this call (ACC-10)."""

    async def whom(request: Request, session: SignedIn) -> Person:
        if request.method != "POST" or not rules.decides(request.scope["path"]):
            return session.person
        now = web_of(request).clock()
        held = [(power, await acting(session.person, power, now)) for power in rules.DELEGATED]
        return replace(session.person, powers=tuple(f"{power}:{name}" for power, name in held if name))

    routes = APIRouter()

    @routes.post("/v1/partial-plates")
    async def post_partial(
        request: Request, body: dict[str, Any] = Body(), session: SignedIn = Depends(signed_in)
    ) -> JSONResponse:
        entry, search = rules.entry_and_search(body)
        status, made = await _ask(request, "ingest", session.person, "/v1/partial-plates", entry)
        if status != 201 or search is None or not isinstance(made, dict):
            return JSONResponse(made, status, media_type=None if status < 400 else "application/problem+json")
        return JSONResponse({**made, "past": await _past(request, session.person, search)}, status)

    routes.include_router(forwards(FORWARDS, timeout_s=LONGEST_LOAD_S, whom=whom))
    return routes


async def _past(request: Request, person: Person, search: dict[str, Any]) -> dict[str, Any]:
    """Look for the pattern in the reads that are kept; a refusal is told, and the entry stands all the same."""
    try:
        status, found = await _ask(request, "audit", person, "/v1/queries", search)
    except DoorAway:
        status, found = 503, None
    answer = found if isinstance(found, dict) else {"detail": "the access ledger does not answer: search again later"}
    return {"status": status, **answer}


async def _ask(request: Request, door: str, person: Person, path: str, body: Any) -> tuple[int, Any]:
    content = json.dumps(body).encode()
    answer = await web_of(request).doors.call(door, "POST", path, person, headers=_JSON, content=content)
    return answer.status, await answer.json()
