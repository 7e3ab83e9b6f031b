"""The page of figures, and the closing of a review on it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Refused

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import FigureStore


def router(store: FigureStore) -> APIRouter:
    """Bind the pages to the store."""
    routes = APIRouter(include_in_schema=False)

    async def shown(request: Request, session: SignedIn, quarter: str, status: int = 200, wrong: str = "") -> Response:
        decision = rules.may_read(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        now, agency = web_of(request).clock(), session.person.agency
        period = rules.period(quarter, None, None, session.profile, now)
        if isinstance(period, Refused):
            return pages_of(request).render(request, "refused.html", session, 422, detail=period.detail)
        rows, late = await store.times(agency, period, now)
        return pages_of(request).render(
            request, "figures/figures.html", session, status, period=period, wrong=wrong,
            precision=rules.precision(await store.precision(agency, period, now)),
            times=rules.times(rows, late, session.profile), reviews=await store.reviews(agency),
            closes=not isinstance(rules.may_review(session.person), Refused),
        )  # fmt: skip

    @routes.get("/figures")
    async def figures(request: Request, quarter: str = "", session: SignedIn = Depends(page_person)) -> Response:
        return await shown(request, session, quarter)

    @routes.post("/figures/reviews/{review_id}")
    async def close(
        request: Request, review_id: str, finding: str = Form(""), session: SignedIn = Depends(page_person)
    ) -> Response:
        decision = rules.may_review(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        found = rules.finding(finding)
        if isinstance(found, Refused):
            return await shown(request, session, "", 422, found.detail)
        await store.close_review(session.person, session.profile, review_id, found, web_of(request).clock())
        return RedirectResponse("/figures#reviews", 303)

    return routes
