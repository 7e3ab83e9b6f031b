"""`/v1/chain`: whether the chain from camera to console is armed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from ..web import SignedIn, signed_in_quietly, web_of
from .store import ChainStore


def router(store: ChainStore) -> APIRouter:
    """Bind the route to the store."""
    routes = APIRouter()

    @routes.get("/v1/chain")
    async def get_chain(request: Request, session: SignedIn = Depends(signed_in_quietly)) -> dict[str, Any]:
        return await store.chain(session.person.agency, web_of(request).clock())

    return routes
