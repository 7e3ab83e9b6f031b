"""The page of a vehicle and of a desktop: sign-on, what it was told, its own detections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import ClientKind, Decision, Person, Refused

from ..web import SignedIn, page_person, pages_of
from . import rules


def router(
    may_watch: Callable[[Person], Decision], notice: str, mute_minutes: int, enters_plates: Callable[[SignedIn], bool]
) -> APIRouter:
    """Give the pages; `may_watch` decides to whom live hits go, `enters_plates` who may enter a hot plate."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/unit")
    async def unit(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        decision = may_watch(session.person)
        kinds = rules.kinds_open(session.person, session.profile)
        if isinstance(decision, Refused) or not (kinds or session.client_id):
            detail = (
                decision.detail if isinstance(decision, Refused) else "vehicles and desktops are not open to this role"
            )
            return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
        values: dict[str, Any] = {"kinds": [(kind.value, rules.WORDS[kind]) for kind in kinds]}
        if not session.client_id:
            return pages_of(request).render(
                request, "units/sign_on.html", session, devices=[(one, one) for one in session.person.devices], **values
            )
        purposes = [(purpose.code, purpose.label) for purpose in session.profile.purposes if purpose.query]
        return pages_of(request).render(
            request, "units/unit.html", session, notice=notice, mute_minutes=mute_minutes, purposes=purposes,
            vehicle=session.client_kind is ClientKind.VEHICLE, enters=enters_plates(session),
            words=rules.WORDS[session.client_kind], **values,
        )  # fmt: skip

    return routes
