"""Evidence packages: those that wait for a booking number, and the life of one from its building to the evidence room."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from ...web import SignedIn
from .. import rules
from . import ground


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter()

    @routes.get("/records/evidence")
    async def exports(request: Request, after: str = "", session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            query = urlencode({"after": after}) if after else ""
            answer = await ground.found(request, session, "/v1/evidence-exports", query)
            return {"exports": answer.get("exports", []), "next": answer.get("next")}

        return await ground.show(request, session, "exports.html", values)

    @routes.get("/records/evidence/{package_id}")
    async def one_export(request: Request, package_id: str, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            one, key = await asyncio.gather(
                ground.found(request, session, f"/v1/evidence-exports/{quote(package_id, safe='')}"),
                ground.quietly(request, session, "/v1/evidence-key"),
            )
            return {"one": one, "key": key or {}, "media": rules.media(session.profile)}

        return await ground.show(request, session, "export.html", values)

    return routes
