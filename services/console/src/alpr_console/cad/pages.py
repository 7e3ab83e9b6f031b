"""The CAD page: where messages go, how they arrive, and what the CAD said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Refused

from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules
from .store import CadStore, Endpoints


def router(store: CadStore, endpoints: Endpoints) -> APIRouter:
    """Bind the pages."""
    routes = APIRouter()

    @routes.get("/cad", include_in_schema=False)
    async def page(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _page(request, session)

    @routes.post("/cad/endpoints", include_in_schema=False)
    async def add(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        _administrator(session)
        form, settings = await request.form(), web_of(request).settings
        name, wanted = str(form.get("name", "")).strip(), str(form.get("url", "")).strip()
        url = rules.endpoint_url(wanted, plain=settings.webhook_plain_http, networks=settings.webhook_networks)
        if not 1 <= len(name) <= 80:
            url = Refused("CAD", "NAME_INVALID", "an endpoint has a name of at most 80 characters")
        if isinstance(url, Refused):
            return await _page(request, session, 422, refusal=url, given={"name": name[:80], "url": wanted[:500]})
        made = await endpoints.add(session.person, session.profile, name, url, web_of(request).clock())
        return await _page(request, session, 201, made={**made, "name": name})

    @routes.post("/cad/endpoints/{endpoint_id}/secret", include_in_schema=False)
    async def rotate(request: Request, endpoint_id: str, session: SignedIn = Depends(page_person)) -> Response:
        _administrator(session)
        made = await endpoints.rotate(session.person, session.profile, endpoint_id, web_of(request).clock())
        if made is None:
            raise Problem(404, "ENDPOINT_UNKNOWN", "no such endpoint of this agency")
        return await _page(request, session, 201, made=made)

    @routes.post("/cad/endpoints/{endpoint_id}/{state}", include_in_schema=False)
    async def switch(
        request: Request, endpoint_id: str, state: str, session: SignedIn = Depends(page_person)
    ) -> Response:
        _administrator(session)
        now = web_of(request).clock()
        if state not in ("on", "off") or not await endpoints.switch(
            session.person, session.profile, endpoint_id, on=state == "on", now=now
        ):
            raise Problem(404, "ENDPOINT_UNKNOWN", "no such endpoint of this agency")
        return RedirectResponse("/cad", 303)

    def _administrator(session: SignedIn) -> None:
        decision = rules.may_connect(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        if not endpoints.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal secrets with")

    async def _page(
        request: Request,
        session: SignedIn,
        status: int = 200,
        *,
        refusal: Refused | None = None,
        made: Mapping[str, str] | None = None,
        given: Mapping[str, str] | None = None,
    ) -> Response:
        decision = rules.may_look(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        listed: list[dict[str, Any]] = await endpoints.all(
            session.person.agency, whole=rules.administers(session.person)
        )
        answer = pages_of(request).render(
            request, "cad/cad.html", session, status, endpoints=listed, made=made, refusal=refusal,
            given=given or {"name": "", "url": ""}, statuses=await store.newest(session.person.agency),
            administers=endpoints.seals and rules.administers(session.person),
            reason_code=refusal.reason_code if refusal else "",
        )  # fmt: skip
        if made:
            answer.headers["cache-control"] = "no-store"
        return answer

    return routes
