"""`/v1/cad`: endpoints of the agency's CAD, what it answered, and the signed addresses of images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from alprcore.links import ROLES, opens
from alprcore.model import Person, Refused
from alprcore.seal import ListKeys

from ..web import Problem, SignedIn, caller, signed_in, web_of
from . import rules
from .store import CadStore, Endpoints


class NewEndpoint(BaseModel):
    """Body of `POST /v1/cad/endpoints`."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=80)
    url: str = Field(default="", max_length=500)


class Switch(BaseModel):
    """Body of `POST /v1/cad/endpoints/{id}/state`."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool


async def administrator(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand someone who may connect a CAD."""
    decision = rules.may_connect(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session


async def reader(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand someone who may see how the CAD stands."""
    decision = rules.may_look(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session


def router(store: CadStore, endpoints: Endpoints, keys: ListKeys | None) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.get("/v1/cad/endpoints")
    async def get_endpoints(session: SignedIn = Depends(reader)) -> dict[str, Any]:
        return {"endpoints": await endpoints.all(session.person.agency, whole=rules.administers(session.person))}

    @routes.post("/v1/cad/endpoints", status_code=201)
    async def post_endpoint(
        request: Request, body: NewEndpoint, session: SignedIn = Depends(administrator)
    ) -> dict[str, Any]:
        settings = web_of(request).settings
        url = rules.endpoint_url(body.url, plain=settings.webhook_plain_http, networks=settings.webhook_networks)
        if isinstance(url, Refused):
            raise Problem.of(url, 422)
        _sealing(endpoints)
        return dict(await endpoints.add(session.person, session.profile, body.name, url, web_of(request).clock()))

    @routes.post("/v1/cad/endpoints/{endpoint_id}/secret", status_code=201)
    async def post_secret(
        request: Request, endpoint_id: str, session: SignedIn = Depends(administrator)
    ) -> dict[str, Any]:
        _sealing(endpoints)
        made = await endpoints.rotate(session.person, session.profile, endpoint_id, web_of(request).clock())
        if made is None:
            raise Problem(404, "ENDPOINT_UNKNOWN", "no such endpoint of this agency")
        return dict(made)

    @routes.post("/v1/cad/endpoints/{endpoint_id}/state", status_code=201)
    async def post_state(
        request: Request, endpoint_id: str, body: Switch, session: SignedIn = Depends(administrator)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        if not await endpoints.switch(session.person, session.profile, endpoint_id, on=body.enabled, now=now):
            raise Problem(404, "ENDPOINT_UNKNOWN", "no such endpoint of this agency")
        return {"endpoint_id": endpoint_id, "enabled": body.enabled}

    @routes.get("/v1/cad/statuses")
    async def get_statuses(session: SignedIn = Depends(reader)) -> dict[str, Any]:
        return {"statuses": await store.newest(session.person.agency)}

    @routes.get("/v1/cad/images/{hit_id}/{role}")
    async def get_image(
        request: Request,
        hit_id: str,
        role: str,
        agency: Annotated[str, Query(max_length=64)] = "",
        signature: Annotated[str, Query(max_length=100)] = "",
        expires: Annotated[int, Query(ge=0, lt=2**33)] = 0,
    ) -> StreamingResponse:
        web = web_of(request)
        asks = await _asks(request, endpoints, agency)
        if keys is None or role not in ROLES:
            raise Problem(404, "IMAGE_UNKNOWN", "there is no such image")
        refusal = opens(keys, agency, hit_id, role, expires, signature, web.clock())
        if refusal is not None:
            raise Problem.of(refusal, 403)
        if agency not in web.profiles or not await store.image_open(agency, hit_id):
            raise Problem(404, "IMAGE_UNKNOWN", "there is no such image")
        answer = await web.doors.call("retention", "GET", f"/v1/live-hits/{hit_id}/images/{role}", asks)
        return StreamingResponse(answer.body(), answer.status, headers=answer.headers)

    return routes


async def _asks(request: Request, endpoints: Endpoints, agency: str) -> Person:
    """Find who opens a link: the agency's CAD, by a signature over the request's target, or one of its dispatchers.

    No address opens by itself (ACC-01). Raises `Problem` 401 or 403.
    """
    web, sent = web_of(request), request.headers
    if "webhook-signature" not in sent:
        session = await signed_in(request)
        if session.person.agency != agency or rules.IMAGE_ROLES.isdisjoint(session.person.roles):
            raise Problem(403, "ROLE_NOT_AUTHORISED", "links are opened by the agency's CAD and its dispatchers")
        return session.person
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    now = web.clock()
    timestamp, name = rules.fresh(sent.get("webhook-timestamp", ""), now), None
    if timestamp is not None and agency in web.profiles:
        name = await endpoints.signer(
            agency, sent.get("webhook-id", ""), timestamp, target, sent["webhook-signature"], now
        )
    if name is None:
        raise Problem(401, "SIGNATURE_INVALID", "the request is not signed with a secret of the agency's CAD")
    return Person("cad", "cad", f"CAD system {name}", "", agency, (), caller(request), "")


def _sealing(endpoints: Endpoints) -> None:
    if not endpoints.seals:
        raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the secret with; nothing was kept")
