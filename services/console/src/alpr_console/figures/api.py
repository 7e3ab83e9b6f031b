"""`/v1/figures`: what became of hits and how long it took; `/v1/stop-reviews`: stops of a wrong vehicle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import Refused

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import FigureStore


class Finding(BaseModel):
    """Body of `POST /v1/stop-reviews/{id}/closure`."""

    model_config = ConfigDict(extra="forbid")
    finding: str = Field(max_length=rules.FINDING_LENGTH[1])


async def reader(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand someone who sees figures."""
    decision = rules.may_read(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session


def router(store: FigureStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    def asked(
        request: Request,
        session: SignedIn = Depends(reader),
        quarter: Annotated[str, Query(max_length=7)] = "",
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
    ) -> rules.Period:
        found = rules.period(quarter, start, end, session.profile, web_of(request).clock())
        if isinstance(found, Refused):
            raise Problem.of(found, 422)
        return found

    @routes.get("/v1/figures/precision")
    async def get_precision(
        request: Request, period: rules.Period = Depends(asked), session: SignedIn = Depends(reader)
    ) -> dict[str, Any]:
        rows = await store.precision(session.person.agency, period, web_of(request).clock())
        return {**_named(period), **rules.precision(rows)}

    @routes.get("/v1/figures/times")
    async def get_times(
        request: Request, period: rules.Period = Depends(asked), session: SignedIn = Depends(reader)
    ) -> dict[str, Any]:
        rows, late = await store.times(session.person.agency, period, web_of(request).clock())
        return {**_named(period), **rules.times(rows, late, session.profile)}

    @routes.get("/v1/stop-reviews")
    async def get_reviews(session: SignedIn = Depends(reader)) -> dict[str, Any]:
        return {"reviews": await store.reviews(session.person.agency)}

    @routes.post("/v1/stop-reviews/{review_id}/closure", status_code=201)
    async def post_closure(
        request: Request, review_id: str, body: Finding, session: SignedIn = Depends(reader)
    ) -> dict[str, Any]:
        decision = rules.may_review(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        finding = rules.finding(body.finding)
        if isinstance(finding, Refused):
            raise Problem.of(finding, 422)
        now = web_of(request).clock()
        if not await store.close_review(session.person, session.profile, review_id, finding, now):
            raise Problem(404, "REVIEW_UNKNOWN", "no open review of this name")
        return {"review_id": review_id, "closed": True}

    return routes


def _named(period: rules.Period) -> dict[str, Any]:
    return {"quarter": period.name, "from": period.starts_at.isoformat(), "to": period.ends_at.isoformat()}
