"""`/v1/session/unit`, who was told of a hit, and the receipts of clients in vehicles and on desktops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import ClientKind, Decision, Person, Refused

from ..web import Problem, SignedIn, signed_in, signed_in_quietly, web_of
from . import rules
from .store import UnitStore

MayOperate = Callable[[SignedIn, datetime], Awaitable[Decision]]
"""Whether the session's person may start to work with a device: training and papers (training/, TRN-08)."""
UNKNOWN = Problem(404, "DELIVERY_UNKNOWN", "nothing of this id was sent to this session")


class SignOn(BaseModel):
    """Body of `POST /v1/session/unit`: what this session is, its call sign, the shift, and an ALPR device or none."""

    model_config = ConfigDict(extra="forbid")
    client_kind: Literal["vehicle", "desktop"]
    unit: str = Field(max_length=40)
    shift: str = Field(default="", max_length=40)
    device_id: str = Field(default="", max_length=100)


class Receipt(BaseModel):
    """Body of `POST /v1/deliveries/{id}/presented`: what the screen did with it."""

    model_config = ConfigDict(extra="forbid")
    sound: bool
    screen: bool


def router(store: UnitStore, may_operate: MayOperate, may_watch: Callable[[Person], Decision]) -> APIRouter:
    """Bind the routes to the store; `may_operate` decides about a device, `may_watch` to whom live hits go (hits/)."""
    routes = APIRouter()

    @routes.get("/v1/session/unit")
    async def get_unit(session: SignedIn = Depends(signed_in_quietly)) -> dict[str, Any]:
        return {
            "client_kind": session.client_kind.value,
            "unit": session.unit,
            "device_id": session.unit_device,
            "signed_on_at": session.signed_on_at,
            "may_be": [kind.value for kind in rules.kinds_open(session.person, session.profile)],
            "devices": list(session.person.devices),
        }

    @routes.post("/v1/session/unit", status_code=201)
    async def post_unit(request: Request, body: SignOn, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        now = web_of(request).clock()
        kind, unit = ClientKind(body.client_kind), rules.call_sign(body.unit)
        wish = rules.Wish(kind, unit, body.shift.strip(), body.device_id)
        decision = rules.may_sign_on(session.person, session.profile, wish)
        if isinstance(decision, Refused):
            raise Problem.of(decision, 422 if decision.reason_code == "FIELD_INVALID" else 403)
        if wish.device_id and isinstance(operating := await may_operate(session, now), Refused):
            raise Problem.of(operating)
        client_id = await store.sign_on(session, wish, now)
        return {"client_id": client_id, "client_kind": kind.value, "unit": unit, "device_id": wish.device_id}

    @routes.delete("/v1/session/unit", status_code=204)
    async def delete_unit(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        if not await store.sign_off(session, web_of(request).clock()):
            raise Problem(404, "NOT_SIGNED_ON", "this session is no vehicle and no desktop")
        return Response(status_code=204)

    @routes.get("/v1/hits/{hit_id}/notifications")
    async def get_notifications(hit_id: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        decision = may_watch(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        return {"notifications": await store.notifications(session.person.agency, hit_id)}

    @routes.post("/v1/deliveries/{delivery_id}/presented", status_code=201)
    async def post_presented(
        request: Request, delivery_id: str, body: Receipt, session: SignedIn = Depends(signed_in_quietly)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        if not await store.presented(session, delivery_id, sound=body.sound, screen=body.screen, now=now):
            raise UNKNOWN
        return {"delivery_id": delivery_id, "recorded": True}

    @routes.post("/v1/deliveries/{delivery_id}/acknowledge", status_code=201)
    async def post_acknowledge(
        request: Request, delivery_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        if not await store.acknowledge(session, delivery_id, web_of(request).clock()):
            raise UNKNOWN
        return {"delivery_id": delivery_id, "acknowledged": True}

    return routes
