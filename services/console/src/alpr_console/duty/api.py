"""Owners of hits, shifts, exercises, and whether the chain is armed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import DeviceKind, Refused

from ..web import Problem, SignedIn, signed_in, signed_in_quietly, web_of
from . import rules
from .store import DutyStore


class Ownership(BaseModel):
    """Body of `POST /v1/hits/{id}/ownership`: to whom it goes, empty for oneself."""

    model_config = ConfigDict(extra="forbid")
    to: str = Field(default="", max_length=64)


class Handover(BaseModel):
    """Body of `POST /v1/handovers`: to whom one's hits go, and what the next one has to know."""

    model_config = ConfigDict(extra="forbid")
    to: str = Field(min_length=1, max_length=64)
    note: str = Field(default="", max_length=rules.NOTE_LENGTH)


class Exercise(BaseModel):
    """Body of `POST /v1/exercises`: of which kind of camera the hit is to be."""

    model_config = ConfigDict(extra="forbid")
    device_kind: DeviceKind = DeviceKind.FIXED


async def owner(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand someone who can answer for hits (HIT-15)."""
    return _owning(session)


async def quiet_owner(session: SignedIn = Depends(signed_in_quietly)) -> SignedIn:
    """The same for what a page does by itself."""
    return _owning(session)


def _owning(session: SignedIn) -> SignedIn:
    decision = rules.may_own(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session


def router(store: DutyStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.post("/v1/hits/{hit_id}/ownership", status_code=201)
    async def post_ownership(
        request: Request, hit_id: str, body: Ownership, session: SignedIn = Depends(owner)
    ) -> dict[str, Any]:
        found = await store.own(session.person, session.profile, hit_id, body.to, web_of(request).clock())
        if isinstance(found, Refused):
            raise Problem.of(found, 409)
        if found is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency")
        return {"hit_id": hit_id, "owner": found}

    @routes.get("/v1/duty")
    async def get_duty(request: Request, session: SignedIn = Depends(quiet_owner)) -> dict[str, Any]:
        return await store.duty(session.person, session.profile, web_of(request).clock())

    @routes.post("/v1/handovers", status_code=201)
    async def post_handover(request: Request, body: Handover, session: SignedIn = Depends(owner)) -> dict[str, Any]:
        made = await store.offer(session.person, session.profile, body.to, body.note.strip(), web_of(request).clock())
        if isinstance(made, Refused):
            raise Problem.of(made, 409)
        return {"handover_id": made}

    @routes.post("/v1/handovers/{handover_id}/acceptance", status_code=201)
    async def post_acceptance(request: Request, handover_id: str, session: SignedIn = Depends(owner)) -> dict[str, Any]:
        taken = await store.accept(session.person, session.profile, handover_id, web_of(request).clock())
        if taken is None:
            raise Problem(404, "HANDOVER_UNKNOWN", "nothing of this name is offered to you")
        return {"handover_id": handover_id, "hits": taken}

    @routes.post("/v1/handovers/{handover_id}/withdrawal", status_code=201)
    async def post_withdrawal(request: Request, handover_id: str, session: SignedIn = Depends(owner)) -> dict[str, Any]:
        if not await store.withdraw(session.person, session.profile, handover_id, web_of(request).clock()):
            raise Problem(404, "HANDOVER_UNKNOWN", "no offer of this name is open")
        return {"handover_id": handover_id, "withdrawn": True}

    @routes.post("/v1/exercises", status_code=202)
    async def post_exercise(request: Request, body: Exercise, session: SignedIn = Depends(owner)) -> dict[str, Any]:
        made = await store.exercise(session.person, session.profile, body.device_kind, web_of(request).clock())
        if made is None:
            raise Problem(409, "NO_DISPATCH_DISPLAY", "the policy shows hits on no dispatch console")
        return {"hit_id": made.hit.hit_id, "incident_id": made.incident_id}

    return routes
