"""`/v1/devices/{id}/statistics`: misreads by reader model, and reads and unreadable plates by camera (HIT-07)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request

from alprcore.model import Person

from ..doors import DoorAway, Doors
from ..web import SignedIn, signed_in, web_of
from . import rules
from .store import EquipmentStore


def router(store: EquipmentStore) -> APIRouter:
    """Bind the route to the store."""
    routes = APIRouter()

    @routes.get("/v1/devices/{device_id}/statistics")
    async def get_statistics(
        request: Request, device_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        checks = await store.checks(session.person.agency, device_id)
        return rules.statistics(
            device_id, checks, await camera_counts(web_of(request).doors, session.person, device_id)
        )

    return routes


async def camera_counts(doors: Doors, person: Person, device_id: str) -> list[dict[str, Any]] | None:
    """Ask retention how many reads and unreadable plates each camera made; None while it does not answer."""
    query = urlencode({"device_id": device_id, "days": rules.UNREADABLE_DAYS})
    try:
        answer = await doors.call("retention", "GET", "/v1/read-statistics", person, query=query)
        content = await answer.json()
    except DoorAway:
        return None
    return content["cameras"] if answer.status == 200 and isinstance(content, dict) else None
