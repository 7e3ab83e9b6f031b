"""Breaches on pages: anybody reports one; those who answer for them work on its tasks and its course (SEC-02)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import Person

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import BreachStore

Tabs = Callable[[Person], list[tuple[str, str]]]
"""Lists the pages of records that a person can use, address and words (records/)."""


def router(store: BreachStore, tabs: Tabs) -> APIRouter:
    """Bind the pages to the store; `tabs` are those of the pages among which these stand."""
    routes = APIRouter(include_in_schema=False)

    def shown(request: Request, session: SignedIn, template: str, **values: Any) -> Response:
        return pages_of(request).render(
            request, f"breaches/{template}", session, tabs=tabs(session.person), rules=rules, **values
        )

    def refused(request: Request, session: SignedIn, status: int, code: str, detail: str) -> Response:
        return pages_of(request).render(request, "refused.html", session, status, reason_code=code, detail=detail)

    async def found(request: Request, session: SignedIn, incident_id: str | None = None) -> list[dict[str, Any]]:
        now = web_of(request).clock()
        records = await store.incidents(session.person, session.profile, now, incident_id)
        return [rules.shown(record, session.person, session.profile, now) for record in records]

    @routes.get("/records/breaches")
    async def breaches(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if not rules.may_look(session.person):
            return refused(request, session, 403, "ROLE_NOT_AUTHORISED", "breach records are not open to this role")
        notices = await store.notices(session.person)
        return shown(request, session, "breaches.html", incidents=await found(request, session), notices=notices)

    @routes.get("/records/breaches/new")
    async def report(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return shown(request, session, "report.html", looks=rules.may_look(session.person))

    @routes.get("/records/breaches/{incident_id}")
    async def breach(request: Request, incident_id: str, session: SignedIn = Depends(page_person)) -> Response:
        if not rules.may_look(session.person):
            return refused(request, session, 403, "ROLE_NOT_AUTHORISED", "breach records are not open to this role")
        records = await found(request, session, incident_id)
        if not records:
            return refused(request, session, 404, "INCIDENT_UNKNOWN", "the agency has no breach record of this number")
        return shown(request, session, "breach.html", one=records[0])

    return routes
