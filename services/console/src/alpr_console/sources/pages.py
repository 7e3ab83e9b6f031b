"""What other databases say of a hit, for those who work on it: verifications, and registrations under 18 USC 2721."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.errors import Transient
from alprcore.model import Person, Refused
from alprcore.policy import PERMISSIBLE_USES, AgencyProfile, Gate
from alprcore.workflow import Result, Route, Source, Verification, may_watch

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import FindHit, RegistrationSource, SourceStore

_LONGEST: Final = {"reference": 64, "text": 8000, "override_reason": 500}
Viewed = Callable[[Person, Sequence[Mapping[str, Any]], str, datetime], Awaitable[None]]


class Verifications(Protocol):
    """What the page shows and records of verifications, which are steps of the work on a hit."""

    async def listed(self, agency: str, hit_id: str) -> Sequence[Mapping[str, Any]]:
        """List what databases said of a hit, without their words."""
        ...

    async def record(
        self, session: SignedIn, hit_id: str, given: Verification, told: Mapping[str, str], now: datetime
    ) -> Refused | None:
        """Take a verification; `told` holds its reference, its words and the reason for what is left out."""
        ...

    async def words(self, person: Person, profile: AgencyProfile, verification_id: str, now: datetime) -> str | None:
        """Open the words of one; the ledger hears of it."""
        ...

    def opened(self, person: Person) -> Sequence[str]:
        """Name the sources that a person may use and read."""
        ...


def router(
    store: SourceStore, registrations: RegistrationSource, hit: FindHit, verifications: Verifications, viewed: Viewed
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
            given = Verification(Source(form["source"]), Route(form["route"]), Result(form["result"]))
        except (KeyError, ValueError):
            return await _page(request, session, hit_id, 422, "Choose source, route and result.")
        told = {name: form.get(name, "")[:size] for name, size in _LONGEST.items()}
        if told["text"] and not store.seals:
            return await _page(request, session, hit_id, 503, "There is no key to seal the answer with.")
        refused = await verifications.record(session, hit_id, given, told, now)
        if refused is not None:
            return await _page(request, session, hit_id, 403, refused.detail)
        return RedirectResponse(f"/hits/{hit_id}/sources", 303)

    @routes.post("/hits/{hit_id}/sources/text")
    async def text(request: Request, hit_id: str, session: SignedIn = Depends(page_person)) -> Response:
        name, now = (await _form(request)).get("verification_id", ""), web_of(request).clock()
        rows = await verifications.listed(session.person.agency, hit_id)
        row = next((row for row in rows if row["verification_id"] == name), None)
        if row is None:
            return await _page(request, session, hit_id)
        if row["source"] not in verifications.opened(session.person):
            return await _page(request, session, hit_id, 403, "your account holds no grant for this source")
        opened = await verifications.words(session.person, session.profile, name, now)
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
        decision, now = may_watch(session.person), web_of(request).clock()
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        found = await hit(session.person.agency, hit_id, now)
        if found is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such live hit")
        await viewed(session.person, [found], "sources", now)
        rows = await verifications.listed(session.person.agency, hit_id)
        works = not rules.ROLES.isdisjoint(session.person.roles)
        return pages_of(request).render(
            request, "sources/hit.html", session, status, hit=found, refusal=refusal, opened=opened or {},
            registration=registration, verifications=rows,
            lookups=await store.lookups(session.person.agency, hit_id),
            open_sources=verifications.opened(session.person) if works else [], permissible=PERMISSIBLE_USES,
            looks_up=not isinstance(rules.may_look_up(session.person, next(iter(PERMISSIBLE_USES))), Refused),
            gate=session.profile.gates.get("read_check", Gate.OFF) if not found.get("read_check") else Gate.OFF,
        )  # fmt: skip

    return routes


async def _form(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}
