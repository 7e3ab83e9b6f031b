"""`/v1/hits/{id}/registration-lookups` (ACC-07, SEC-05)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from alprcore.errors import Transient
from alprcore.model import Refused
from alprcore.workflow import may_watch

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import FindHit, RegistrationSource, SourceStore


class NewLookup(BaseModel):
    """Body of `POST /v1/hits/{id}/registration-lookups`: the permissible use under 18 USC 2721(b)."""

    model_config = ConfigDict(extra="forbid")
    permissible_use: str = Field(default="", max_length=32)


def router(store: SourceStore, registrations: RegistrationSource, hit: FindHit) -> APIRouter:
    """Bind the routes; `hit` finds a live hit of the agency."""
    routes = APIRouter()

    async def _hit(request: Request, session: SignedIn, hit_id: str) -> Mapping[str, Any]:
        decision = may_watch(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        found = await hit(session.person.agency, hit_id, web_of(request).clock())
        if found is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours")
        return found

    @routes.post("/v1/hits/{hit_id}/registration-lookups", status_code=201)
    async def post_lookup(
        request: Request, hit_id: str, body: NewLookup, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        found = await _hit(request, session, hit_id)
        decision = rules.may_look_up(session.person, body.permissible_use)
        if isinstance(decision, Refused):
            raise Problem.of(decision, 422 if decision.reason_code == "DPPA_BASIS_REQUIRED" else 403)
        if not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the answer with; nobody was asked")
        now = web_of(request).clock()
        names = await store.note_lookup(session.person, session.profile, hit_id, body.permissible_use, now)
        if names is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours")
        try:
            answer = await registrations.ask(found["plate"], found.get("state") or "", body.permissible_use)
        except Transient as error:
            raise Problem(503, "REGISTRATION_NOT_AVAILABLE", str(error)) from error
        await store.keep_lookup(session.person, hit_id, names, body.permissible_use, answer, now)
        read = await store.read_lookup(session.person, session.profile, hit_id, names[0], web_of(request).clock())
        return read or {"lookup_id": names[0]}

    @routes.get("/v1/hits/{hit_id}/registration-lookups")
    async def get_lookups(request: Request, hit_id: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        return {"lookups": await store.lookups(session.person.agency, hit_id)}

    @routes.get("/v1/hits/{hit_id}/registration-lookups/{lookup_id}")
    async def get_lookup(
        request: Request, hit_id: str, lookup_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        decision = rules.may_read_registration(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        read = await store.read_lookup(session.person, session.profile, hit_id, lookup_id, web_of(request).clock())
        if read is None:
            raise Problem(404, "LOOKUP_UNKNOWN", "no such lookup of this hit")
        return read

    return routes
