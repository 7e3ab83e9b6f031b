"""Sharing: agreements between agencies, standing repositories, and who holds copies of the agency's data."""

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

    @routes.get("/records/sharing")
    async def sharing(request: Request, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            agreements, repositories, custodians = await asyncio.gather(
                ground.found(request, session, "/v1/sharing-agreements"),
                ground.quietly(request, session, "/v1/repositories"),
                ground.quietly(request, session, "/v1/custodians"),
            )
            return {
                "agreements": agreements.get("agreements", []), "makes": rules.makes_agreements(session.person),
                "repositories": (repositories or {}).get("repositories", []), "custodians": custodians or {},
            }  # fmt: skip

        return await ground.show(request, session, "sharing.html", values)

    @routes.get("/records/sharing/new")
    async def new_agreement(request: Request, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            return {
                "kinds": rules.counterparties(session.profile), "devices": await ground.devices(request, session),
                "purposes": [(one.code, one.label) for one in session.profile.purposes if one.query],
            }  # fmt: skip

        return await ground.show(request, session, "new_agreement.html", values)

    @routes.get("/records/sharing/repositories/{adapter}")
    async def repository(
        request: Request, adapter: str, after: str = "", session: SignedIn = Depends(ground.visitor)
    ) -> Response:
        async def values() -> dict[str, Any]:
            path = f"/v1/repositories/{quote(adapter, safe='')}/batches"
            answer = await ground.found(request, session, path, urlencode({"after": after}) if after else "")
            return {"adapter": adapter, "batches": answer.get("batches", []), "next": answer.get("next")}

        return await ground.show(request, session, "batches.html", values)

    @routes.get("/records/sharing/{agreement_id}")
    async def one_agreement(
        request: Request, agreement_id: str, session: SignedIn = Depends(ground.visitor)
    ) -> Response:
        async def values() -> dict[str, Any]:
            path = f"/v1/sharing-agreements/{quote(agreement_id, safe='')}"
            labels = {one.code: one.label for one in session.profile.purposes}
            return {"one": await ground.found(request, session, path), "labels": labels}

        return await ground.show(request, session, "agreement.html", values)

    return routes
