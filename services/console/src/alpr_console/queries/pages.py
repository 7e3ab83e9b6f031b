"""The search page: the form, the door's answer, and its refusals in words. Nothing searched for is in a URL."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import Refused

from ..doors import DoorAway
from ..web import SignedIn, page_person, pages_of, web_of
from . import rules

LEDGER_AWAY = "Searching is closed: the access ledger cannot record right now. Nothing was searched. Live hits go on."


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/search")
    async def search(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return _page(request, session, {})

    @routes.post("/search")
    async def post_search(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items() if name != "csrf"}
        body = rules.query_body(form, session.profile.timezone)
        if isinstance(body, Refused):
            return _page(request, session, form, 422, refusal=body.detail)
        try:
            answer = await web_of(request).doors.call(
                "audit",
                "POST",
                "/v1/queries",
                session.person,
                headers={"content-type": "application/json"},
                content=json.dumps(body).encode(),
            )
            content = await answer.json()
        except DoorAway:
            return _page(request, session, form, 503, refusal=LEDGER_AWAY)
        if answer.status == 503:
            return _page(request, session, form, 503, refusal=LEDGER_AWAY)
        if answer.status >= 400 or not isinstance(content, dict):
            detail = content.get("detail", "") if isinstance(content, dict) else ""
            return _page(request, session, form, answer.status, refusal=detail or "The search was refused.")
        return _page(request, session, form, result=content)

    return routes


def _page(
    request: Request,
    session: SignedIn,
    form: dict[str, str],
    status: int = 200,
    *,
    refusal: str = "",
    result: dict[str, Any] | None = None,
) -> Response:
    if not rules.may_search(session.person):
        detail = "searching reads is not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
    return pages_of(request).render(
        request, "queries/search.html", session, status, form=form, refusal=refusal, result=result,
        purposes=rules.purposes_for(session.person, session.profile), lists=session.profile.lists,
    )  # fmt: skip
