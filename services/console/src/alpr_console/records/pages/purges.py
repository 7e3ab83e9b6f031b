"""Purges: what the next one would take, those that ran or run, and the certificate of each."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from ...web import SignedIn
from .. import rules
from . import ground


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter()

    @routes.get("/records/purges")
    async def purges(request: Request, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            runs, reports, damaged = await asyncio.gather(
                ground.found(request, session, "/v1/retention/runs"),
                ground.quietly(request, session, "/v1/retention/reports"),
                ground.quietly(request, session, "/v1/retention/damaged-images"),
            )
            return {
                "runs": runs.get("runs", []), "next": runs.get("next"), "starts": rules.starts_purges(session.person),
                "reports": (reports or {}).get("reports", []),
                "damaged": rules.unsettled_images((damaged or {}).get("damaged")),
            }  # fmt: skip

        return await ground.show(request, session, "purges.html", values)

    @routes.get("/records/purges/{run_id}")
    async def one_purge(request: Request, run_id: str, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            return {"run": await ground.found(request, session, f"/v1/retention/runs/{quote(run_id, safe='')}")}

        return await ground.show(request, session, "purge.html", values)

    return routes
