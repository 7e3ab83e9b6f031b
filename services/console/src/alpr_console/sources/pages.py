"""What other databases say of a hit, for those who work on it: verifications, and registrations under 18 USC 2721."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.errors import Transient
from alprcore.model import Person, Refused
from alprcore.policy import PERMISSIBLE_USES, Gate, Overridden

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import ExpiresAt, FindHit, RegistrationSource, SourceStore

Viewed = Callable[[Person, Sequence[Mapping[str, Any]], str, datetime], Awaitable[None]]


def router(
    store: SourceStore, registrations: RegistrationSource, hit: FindHit, expires_at: ExpiresAt, viewed: Viewed
) -> APIRouter:
    """Bind the pages; `viewed` records that a hit was shown, before it is."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/hits/{hit_id}/sources")
    async def sources(request: Request, hit_id: str, session: SignedIn = Depends(page_person)) -> Response:
        return await _page(request, session, hit_id)

    @routes.post("/hits/{hit_id}/sources/verification")
    async def verify(request: Request, hit_id: str, session: SignedIn = Depends(page_person)) -> Response:
        form, now = await _form(request), web_of(request).clock()
        found = await hit(session.person.agency, hit_id, now)
        if found is None:
            return await _page(request, session, hit_id)
        try:
            given = {
                "source": rules.Source(form["source"]).value, "route": rules.Route(form["route"]).value,
                "result": rules.Result(form["result"]).value, "reference": form.get("reference", "")[:64],
                "text": form.get("text", "")[:8000],
            }  # fmt: skip
        except (KeyError, ValueError):
            return await _page(request, session, hit_id, 422, "Choose source, route and result.")
        decision = rules.may_verify(
            session.person, session.profile, rules.Source(given["source"]), read_checked=bool(found.get("read_check")),
            override_reason=form.get("override_reason", ""),
        )  # fmt: skip
        if isinstance(decision, Refused):
            return await _page(request, session, hit_id, 403, decision.detail)
        if given["text"] and not store.seals:
            return await _page(request, session, hit_id, 503, "There is no key to seal the answer with.")
        overridden = decision if isinstance(decision, Overridden) else None
        due = expires_at(found, session.profile)
        await store.verify(session.person, session.profile, hit_id, given, overridden, due, now)
        return RedirectResponse(f"/hits/{hit_id}/sources", 303)

    @routes.post("/hits/{hit_id}/sources/text")
    async def text(request: Request, hit_id: str, session: SignedIn = Depends(page_person)) -> Response:
        name, now = (await _form(request)).get("verification_id", ""), web_of(request).clock()
        rows = await store.verifications(session.person.agency, hit_id)
        row = next((row for row in rows if row["verification_id"] == name), None)
        if row is None:
            return await _page(request, session, hit_id)
        decision = rules.source_open(session.person, rules.Source(row["source"]))
        if isinstance(decision, Refused):
            return await _page(request, session, hit_id, 403, decision.detail)
        opened = await store.read_text(session.person, session.profile, name, now)
        return await _page(request, session, hit_id, opened={name: opened})

    @routes.post("/hits/{hit_id}/sources/registration")
    async def registration(request: Request, hit_id: str, session: SignedIn = Depends(page_person)) -> Response:
        use, now = (await _form(request)).get("permissible_use", ""), web_of(request).clock()
        found = await hit(session.person.agency, hit_id, now)
        decision = rules.may_look_up(session.person, use)
        if isinstance(decision, Refused) or found is None:
            detail = decision.detail if isinstance(decision, Refused) else ""
            return await _page(request, session, hit_id, 403, detail)
        try:
            names = await store.note_lookup(session.person, session.profile, hit_id, use, now) if store.seals else None
            if names is None:
                return await _page(request, session, hit_id, 503, "There is no key to seal the answer with.")
            answer = await registrations.ask(found["plate"], found.get("state") or "", use)
        except Transient as error:
            return await _page(request, session, hit_id, 503, str(error))
        await store.keep_lookup(session.person, hit_id, names, use, answer, now)
        read = await store.read_lookup(session.person, session.profile, hit_id, names[0], web_of(request).clock())
        return await _page(request, session, hit_id, registration=read)

    async def _page(
        request: Request, session: SignedIn, hit_id: str, status: int = 200, refusal: str = "", *,
        opened: Mapping[str, str | None] | None = None, registration: Mapping[str, Any] | None = None,
    ) -> Response:  # fmt: skip
        decision, now = rules.may_see(session.person), web_of(request).clock()
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        found = await hit(session.person.agency, hit_id, now)
        if found is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such live hit")
        await viewed(session.person, [found], "sources", now)
        rows = await store.verifications(session.person.agency, hit_id)
        open_sources = [
            source.value
            for source in rules.Source
            if not isinstance(rules.source_open(session.person, source), Refused)
        ]
        works = not rules.ROLES.isdisjoint(session.person.roles)
        return pages_of(request).render(
            request, "sources/hit.html", session, status, hit=found, refusal=refusal, opened=opened or {},
            registration=registration, verifications=[rules.without_text(row) for row in rows],
            lookups=await store.lookups(session.person.agency, hit_id),
            open_sources=open_sources if works else [], permissible=PERMISSIBLE_USES,
            looks_up=not isinstance(rules.may_look_up(session.person, next(iter(PERMISSIBLE_USES))), Refused),
            gate=session.profile.gates.get("read_check", Gate.OFF) if not found.get("read_check") else Gate.OFF,
        )  # fmt: skip

    return routes


async def _form(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}
