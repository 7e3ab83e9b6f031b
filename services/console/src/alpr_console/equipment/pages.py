"""The devices of the agency, and one device with its counts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import Person

from ..doors import DoorAway, Doors
from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules
from .store import EquipmentStore


def router(store: EquipmentStore, camera_counts: Any) -> APIRouter:
    """Bind the pages to the store; `camera_counts` asks retention for a device's counts by camera."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/devices")
    async def devices(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        listed = await _devices(web_of(request).doors, session.person)
        checks = await store.checks(session.person.agency)
        rows = [(device, rules.statistics(device["device_id"], checks, None)) for device in listed]
        return pages_of(request).render(request, "equipment/devices.html", session, rows=rows)

    @routes.get("/devices/{device_id}")
    async def device(request: Request, device_id: str, session: SignedIn = Depends(page_person)) -> Response:
        listed = await _devices(web_of(request).doors, session.person)
        found = next((one for one in listed if one["device_id"] == device_id), None)
        if found is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such device")
        checks = await store.checks(session.person.agency, device_id)
        cameras = await camera_counts(web_of(request).doors, session.person, device_id)
        counts = rules.statistics(device_id, checks, cameras)
        copies = await _copies(web_of(request).doors, session.person, device_id)
        return pages_of(request).render(
            request, "equipment/device.html", session, device=found, counts=counts, in_words=rules.in_words,
            zone=session.profile.timezone, copies=copies, copies_in_words=rules.copies_in_words,
        )  # fmt: skip

    return routes


async def _copies(doors: Doors, person: Person, device_id: str) -> dict[str, Any] | None:
    """Ask which versions of the lists a device holds; None while ingest does not answer."""
    try:
        answer = await doors.call("ingest", "GET", f"/v1/devices/{quote(device_id, safe='')}/lists", person)
        content = await answer.json()
    except DoorAway:
        return None
    return content if answer.status == 200 and isinstance(content, dict) and "lists" in content else None


async def _devices(doors: Doors, person: Person) -> list[dict[str, Any]]:
    answer = await doors.call("ingest", "GET", "/v1/devices", person)
    content = await answer.json()
    if answer.status != 200 or not isinstance(content, dict):
        raise Problem(502, "INGEST_NOT_AVAILABLE", "the registry of devices does not answer")
    listed: list[dict[str, Any]] = content["devices"]
    return listed
