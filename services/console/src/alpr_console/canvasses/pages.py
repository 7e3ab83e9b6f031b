"""The canvasses of the agency, one of them with its reads, and the form that opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import Person

from ..doors import DoorAway, Doors
from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import CanvassStore

Positions = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]
"""Picks what a map shows of the registry of devices (queries/)."""


def router(store: CanvassStore, positions: Positions) -> APIRouter:
    """Bind the pages to the store; `positions` lays out devices for the map."""
    routes = APIRouter(include_in_schema=False)

    async def render(request: Request, session: SignedIn, name: str, **values: Any) -> Response:
        devices = await _devices(web_of(request).doors, session.person)
        return pages_of(request).render(
            request, f"canvasses/{name}.html", session, types=tuple(rules.TYPES.items()), devices=devices,
            positions=positions(devices), bounds=rules.bounds,
            purposes=[(purpose.code, purpose.label) for purpose in session.profile.purposes if purpose.query], **values,
        )  # fmt: skip

    def closed(request: Request, session: SignedIn) -> Response:
        detail = "canvasses are not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)

    @routes.get("/canvasses")
    async def canvasses(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if not rules.may_work(session.person):
            return closed(request, session)
        now = web_of(request).clock()
        found = await store.canvasses(session.person, session.profile, now)
        return await render(request, session, "canvasses", canvasses=rules.ordered(found, session.profile, now))

    @routes.get("/canvasses/new")
    async def new(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if not rules.may_work(session.person):
            return closed(request, session)
        outline = web_of(request).settings.map_outline_file is not None
        return await render(request, session, "new", outline=outline, days=rules.LONGEST.days)

    @routes.get("/canvasses/{canvass_id}")
    async def canvass(request: Request, canvass_id: str, session: SignedIn = Depends(page_person)) -> Response:
        if not rules.may_work(session.person):
            return closed(request, session)
        now = web_of(request).clock()
        found = await store.canvasses(session.person, session.profile, now, canvass_id)
        if not found:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such canvass")
        return await render(request, session, "canvass", row=rules.shown(found[0], session.profile, now))

    return routes


async def _devices(doors: Doors, person: Person) -> list[dict[str, Any]]:
    """The agency's devices, vehicles first; an empty list while ingest does not answer: the rest works without."""
    try:
        answer = await doors.call("ingest", "GET", "/v1/devices", person)
        content = await answer.json()
    except DoorAway:
        return []
    found = list(content["devices"]) if answer.status == 200 and isinstance(content, dict) else []
    return sorted(found, key=lambda one: (one.get("kind") != "mobile", one.get("name") or one["device_id"]))
