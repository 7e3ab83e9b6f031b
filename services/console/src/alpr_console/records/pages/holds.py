"""Holds: those that bind, the form for a new one (also of a search's answer), and the life of one."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from ...web import SignedIn
from .. import rules
from . import ground

_STATES: Final = ("active", "provisional", "overdue", "release_requested", "ended")
REASONS: Final = (
    ("action_ended", "The case or action has ended"),
    ("booked", "A copy is booked into evidence"),
    ("demand_withdrawn", "The demand was withdrawn"),
    ("placed_in_error", "It was placed in error"),
)
"""Why a hold is to be released."""


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter()

    @routes.get("/records/holds")
    async def holds(
        request: Request, show: str = "", after: str = "", session: SignedIn = Depends(ground.visitor)
    ) -> Response:
        async def values() -> dict[str, Any]:
            which = show if show in _STATES else ""
            asked = ({"state": which} if which else {}) | ({"after": after} if after else {})
            answer = await ground.found(request, session, "/v1/holds", urlencode(asked))
            return {
                "holds": answer.get("holds", []), "next": answer.get("next"), "which": which,
                "states": [("", "All"), *((code, rules.state(code)[0]) for code in _STATES)],
                "can_place": rules.places_holds(session.person),
            }  # fmt: skip

        return await ground.show(request, session, "holds.html", values)

    @routes.get("/records/holds/new")
    async def new_hold(request: Request, session: SignedIn = Depends(ground.visitor)) -> Response:
        return await _form(request, session, rules.Taken())

    @routes.post("/records/holds/new")
    async def new_hold_of(request: Request, session: SignedIn = Depends(ground.visitor)) -> Response:
        return await _form(request, session, rules.taken((await request.form()).multi_items()))

    @routes.get("/records/holds/{hold_id}")
    async def one_hold(request: Request, hold_id: str, session: SignedIn = Depends(ground.visitor)) -> Response:
        async def values() -> dict[str, Any]:
            hold, exports = await asyncio.gather(
                ground.found(request, session, f"/v1/holds/{quote(hold_id, safe='')}"),
                ground.quietly(request, session, "/v1/evidence-exports", urlencode({"hold_id": hold_id})),
            )
            return {
                "hold": hold, "exports": (exports or {}).get("exports", []),
                "media": rules.media(session.profile), "reasons": REASONS,
                "kept": rules.hold_ends(session.profile.retention.hold_end),
            }  # fmt: skip

        return await ground.show(request, session, "hold.html", values)

    return routes


async def _form(request: Request, session: SignedIn, taken: rules.Taken) -> Response:
    async def values() -> dict[str, Any]:
        grounds, devices = await asyncio.gather(
            ground.found(request, session, "/v1/holds/grounds"), ground.devices(request, session)
        )
        return {
            "grounds": grounds.get("grounds", []), "days": grounds.get("review_days", 90), "devices": devices,
            "ends": rules.hold_ends(grounds.get("end") or ()), "taken": taken,
            "plates": "plate" in grounds.get("scopes", ["plate"]),
        }  # fmt: skip

    return await ground.show(request, session, "new_hold.html", values)
