"""`POST /v1/evidence-exports` and the fulfilment of a release request: each enters its intent before anything is read."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ..doors import DoorAway
from ..web import Problem, SignedIn, signed_in
from .store import Gathering

_AWAY: Final = "the ledger or the keeper of records does not answer right now; nothing was exported"


class ExportBody(BaseModel):
    """An export of what a hold covers."""

    model_config = ConfigDict(extra="forbid")
    hold_id: str = Field(max_length=36)
    medium: str = Field(max_length=64)
    serial: str = Field("", max_length=200)
    witness: str = Field("", max_length=200)
    justification: str = Field(min_length=1, max_length=4000)
    clets: bool = False


def router(gathering: Gathering) -> APIRouter:
    """Bind the routes."""
    routes = APIRouter()

    @routes.post("/v1/evidence-exports")
    async def post_export(body: ExportBody, session: SignedIn = Depends(signed_in)) -> JSONResponse:
        posted = body.model_dump()
        return await _begin(session, "/v1/evidence-exports", posted, "hold", body.hold_id, body.justification)

    @routes.post("/v1/release-requests/{request_id}/fulfilments")
    async def post_fulfilment(
        request: Request, request_id: str, session: SignedIn = Depends(signed_in)
    ) -> JSONResponse:
        try:
            posted = await request.json()
        except ValueError:
            posted = None
        if not isinstance(posted, dict):
            raise Problem(422, "FIELD_INVALID", "body", rule_id="SHR-03")
        path = f"/v1/release-requests/{request_id}/fulfilments"
        return await _begin(session, path, posted, "release", request_id, "fulfilment of an approved release request")

    async def _begin(
        session: SignedIn, path: str, body: dict[str, Any], kind: str, subject: str, why: str
    ) -> JSONResponse:
        try:
            status, content = await gathering.begin(
                session.person, session.profile, path, body, kind=kind, subject=subject, justification=why
            )
        except DoorAway as away:
            raise Problem(503, "RECORDS_NOT_AVAILABLE", _AWAY) from away
        media = "application/json" if status < 400 else "application/problem+json"
        return JSONResponse(content, status, media_type=media)

    return routes
