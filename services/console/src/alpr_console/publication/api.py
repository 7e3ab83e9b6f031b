"""`/v1/guidelines`: made, approved, published; and `GET /public/policy`, open to everybody (ADM-01, ADM-05, USE-13)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request

from alprcore.model import Refused

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import Acting, Gathered, PublicationStore


def router(store: PublicationStore, gathered: Gathered, acting: Acting) -> APIRouter:
    """Bind the routes to the store; `gathered` reads the facts, `acting` finds a live delegation."""
    routes = APIRouter()

    @routes.get("/v1/guidelines")
    async def get_guidelines(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_read(session.person))
        listed = await store.listed(session.person.agency)
        code, why = rules.posting(session.profile, listed)
        return {"guidelines": listed, "posting": {"state": code, "detail": why}}

    @routes.get("/v1/guidelines/{number}")
    async def get_one(number: int, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_read(session.person))
        document = await store.document(session.person.agency, number)
        if document is None:
            raise Problem(404, "GUIDELINES_UNKNOWN", "no such guidelines of your agency")
        return {"number": number, **document}

    @routes.post("/v1/guidelines", status_code=201)
    async def post_guidelines(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_make(session.person))
        web = web_of(request)
        facts = await gathered(web.doors, session.person)
        number = await store.make(session.person, session.profile, facts, web.clock())
        sections = rules.guidelines(session.profile, facts)
        return {
            "number": number, "empty": rules.empty(sections), "sections": [asdict(section) for section in sections],
        }  # fmt: skip

    @routes.post("/v1/guidelines/{number}/approvals", status_code=201)
    async def post_approval(request: Request, number: int, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        return await _act(request, session, number, "approved")

    @routes.post("/v1/guidelines/{number}/publications", status_code=201)
    async def post_publication(request: Request, number: int, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        return await _act(request, session, number, "published")

    async def _act(request: Request, session: SignedIn, number: int, act: str) -> dict[str, Any]:
        now = web_of(request).clock()
        delegation = await acting(session.person, rules.POWER, now)
        _demand(rules.may_decide(session.person, delegated=bool(delegation)))
        done = await store.act(session.person, session.profile, number, act, now, delegation)
        if isinstance(done, Refused):
            raise Problem.of(done, 409 if done.reason_code == "GUIDELINES_NOT_APPROVED" else 422)
        if done is None:
            raise Problem(404, "GUIDELINES_UNKNOWN", "no such guidelines of your agency")
        return done

    return routes


def _demand(decision: Any) -> None:
    if isinstance(decision, Refused):
        raise Problem.of(decision)
