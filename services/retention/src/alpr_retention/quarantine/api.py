"""What lies in quarantine, told to those who answer for the records; no plate and no picture is among it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ..web import Door, need_id
from .store import Quarantine

READERS: Final = frozenset({"retention_officer", "custodian", "program_manager", "auditor", "alpr_admin"})
_AT_ONCE: Final = 100


def routes(quarantine: Quarantine, door: Door) -> APIRouter:
    """The quarantine's door."""
    router = APIRouter()

    @router.get("/v1/retention/quarantine")
    async def get_quarantine(request: Request, after: str = "") -> JSONResponse:
        """Count the asker's agency's dead letters by topic and reason; list 100 of them, newest first (RET-11)."""
        person = door.asker(request, READERS)
        if after:
            need_id(after, person, "LETTER_UNKNOWN", "no such letter")
        return JSONResponse({"agency": person.agency, **await quarantine.lying(person.agency, after, _AT_ONCE)})

    return router
