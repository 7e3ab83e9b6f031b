"""The live page: queue and detail in one screen."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Refused

from ..web import SignedIn, page_person, pages_of
from . import rules


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def start(session: SignedIn = Depends(page_person)) -> Response:
        refused = isinstance(rules.may_watch(session.person), Refused)
        return RedirectResponse("/search" if refused else "/hits", 303)

    @routes.get("/hits")
    async def live(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        decision = rules.may_watch(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        minutes = int(rules.MUTE_LIMIT.total_seconds()) // 60
        return pages_of(request).render(request, "hits/live.html", session, notice=rules.NOTICE, mute_minutes=minutes)

    return routes
