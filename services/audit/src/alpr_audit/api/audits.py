"""What auditors ask of the ledger; each look is itself an entry."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alprcore.errors import Transient

from .door import Door

LOG_LIMIT: Final = 200


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    @routes.get("/v1/audit/checkpoint")
    async def get_checkpoint() -> Response:
        if not door.writer.note:
            raise Transient("no head is signed yet")
        return Response(door.writer.note, media_type="text/plain; charset=utf-8")

    @routes.get("/v1/audit/verify")
    async def get_verify(request: Request) -> Response:
        person = door.auditor(request)
        await door.record("ledger_verified", person, facts={}, personal={"ip": person.source_ip})
        return JSONResponse(await door.store.verify(door.writer.verifier))

    @routes.get("/v1/audit/log")
    async def get_log(request: Request, before: int = 2**62, kind: str = "", limit: int = LOG_LIMIT) -> Response:
        person = door.auditor(request)
        before = max(0, min(before, 2**62))
        criteria = {"before": str(before), "kind": kind, "limit": str(limit)}
        await door.record("log_read", person, facts={}, personal={"ip": person.source_ip, "criteria": criteria})
        rows = await door.store.log(person.agency, before, kind, max(1, min(limit, LOG_LIMIT)))
        return JSONResponse({"rows": rows})

    return routes
