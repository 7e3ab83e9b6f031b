"""The guidelines for those who manage the program, and the page that everybody may read without signing in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse

from alprcore.model import Refused
from alprcore.policy import AgencyProfile

from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules
from .store import Acting, Gathered, PublicationStore

EffectiveAt = Callable[[str], Awaitable[datetime | None]]


def router(store: PublicationStore, gathered: Gathered, acting: Acting, effective_at: EffectiveAt) -> APIRouter:
    """Bind the pages; `effective_at` tells since when an agency's policy is in force."""
    routes = APIRouter()

    @routes.get("/public/policy")
    async def public(request: Request, agency: str = "") -> Response:
        """The policy in force, its guidelines, who oversees it and the privacy measures; no session (ADM-05)."""
        profiles: Mapping[str, AgencyProfile] = web_of(request).profiles
        served = [name for name in await store.agencies() if name in profiles]
        plain = "application/json" in request.headers.get("accept", "")
        if agency and agency not in served:
            raise Problem(404, "AGENCY_UNKNOWN", "no such agency")
        if not agency and len(served) != 1:
            names = [{"agency": name, "name": profiles[name].name} for name in served]
            if plain:
                return JSONResponse({"agencies": names})
            return pages_of(request).render(request, "publication/agencies.html", None, agencies=names)
        profile = profiles[agency or served[0]]
        web = web_of(request)
        key = await store.evidence_key(web.doors, web.clock())
        content = await store.public(profile, await effective_at(profile.agency), key)
        if plain:
            return JSONResponse(jsonable_encoder(content))
        return pages_of(request).render(
            request, "publication/policy.html", None, policy=content, timezone=profile.timezone,
            watermark=profile.watermark, titles=rules.TITLES,
        )  # fmt: skip

    @routes.get("/guidelines", include_in_schema=False)
    async def guidelines(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _page(request, session)

    @routes.get("/guidelines/{number}", include_in_schema=False)
    async def one(request: Request, number: int, session: SignedIn = Depends(page_person)) -> Response:
        return await _page(request, session, number)

    @routes.post("/guidelines", include_in_schema=False)
    async def make(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        decision = rules.may_make(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        web = web_of(request)
        facts = await gathered(web.doors, session.person)
        number = await store.make(session.person, session.profile, facts, web.clock())
        return RedirectResponse(f"/guidelines/{number}", 303)

    @routes.post("/guidelines/{number}/{act}", include_in_schema=False)
    async def act(request: Request, number: int, act: str, session: SignedIn = Depends(page_person)) -> Response:
        if act not in ("approved", "published"):
            raise Problem(404, "HTTP_404", "no such act")
        now = web_of(request).clock()
        delegation = await acting(session.person, rules.POWER, now)
        decision = rules.may_decide(session.person, delegated=bool(delegation))
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        done = await store.act(session.person, session.profile, number, act, now, delegation)
        if isinstance(done, Refused):
            return await _page(request, session, number, 422, refusal=done)
        return RedirectResponse(f"/guidelines/{number}", 303)

    async def _page(
        request: Request,
        session: SignedIn,
        number: int | None = None,
        status: int = 200,
        refusal: Refused | None = None,
    ) -> Response:
        decision = rules.may_read(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        listed = await store.listed(session.person.agency)
        shown: dict[str, Any] | None = next((row for row in listed if row["number"] == number), None)
        document = None if shown is None else await store.document(session.person.agency, shown["number"])
        if number is not None and document is None:
            return pages_of(request).render(
                request, "refused.html", session, 404, detail="there are no such guidelines"
            )
        posting, why = rules.posting(session.profile, listed)
        delegated = bool(await acting(session.person, rules.POWER, web_of(request).clock()))
        return pages_of(request).render(
            request, "publication/guidelines.html", session, status, listed=listed, shown=shown, document=document,
            posting=posting, why=why, refusal=refusal, titles=rules.TITLES,
            empty=rules.empty(rules.sections_of(document)) if document else (),
            makes=not isinstance(rules.may_make(session.person), Refused),
            decides=not isinstance(rules.may_decide(session.person, delegated=delegated), Refused),
        )  # fmt: skip

    return routes
