"""Every `/v1` path of records that retention owns, as a way through the console.

Calls about releases are passed on with the power of a named designee, where the person is one (SHR-03, ACC-10).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request

from alprcore.model import Person

from ..forwarding import forwards
from ..web import SignedIn, web_of
from . import rules

Empowered = Callable[[Person, datetime], Awaitable[Person]]
"""Gives a person what they may do now as a named designee (administration/)."""
PATIENCE_S: Final = 120.0
"""A preview counts millions of rows; a volume of a package is read and opened before its first byte."""
FORWARDS: Final = (
    ("retention", "POST", "/v1/purges"),
    ("retention", "POST", "/v1/purges/previews"),
    ("retention", "GET", "/v1/retention/{rest:path}"),
    ("retention", "POST", "/v1/retention/{rest:path}"),
    ("retention", "GET", "/v1/holds"),
    ("retention", "POST", "/v1/holds"),
    ("retention", "GET", "/v1/holds/{rest:path}"),
    ("retention", "POST", "/v1/holds/{rest:path}"),
    ("retention", "GET", "/v1/evidence-exports"),
    ("retention", "GET", "/v1/evidence-exports/{rest:path}"),
    ("retention", "POST", "/v1/evidence-exports/{rest:path}"),
    ("retention", "GET", "/v1/evidence-key"),
    ("retention", "GET", "/v1/release-requests"),
    ("retention", "POST", "/v1/release-requests"),
    ("retention", "GET", "/v1/release-requests/{rest:path}"),
    ("retention", "POST", "/v1/release-requests/{rest:path}"),
    ("retention", "PUT", "/v1/release-requests/{rest:path}"),
    ("retention", "DELETE", "/v1/release-requests/{rest:path}"),
    ("retention", "POST", "/v1/disclosures"),
    ("retention", "GET", "/v1/demands"),
    ("retention", "POST", "/v1/demands"),
    ("retention", "GET", "/v1/demands/{rest:path}"),
    ("retention", "POST", "/v1/demands/{rest:path}"),
    ("retention", "GET", "/v1/sharing-agreements"),
    ("retention", "POST", "/v1/sharing-agreements"),
    ("retention", "GET", "/v1/sharing-agreements/{rest:path}"),
    ("retention", "POST", "/v1/sharing-agreements/{rest:path}"),
    ("retention", "GET", "/v1/repositories"),
    ("retention", "GET", "/v1/repositories/{rest:path}"),
    ("retention", "POST", "/v1/repositories/{rest:path}"),
    ("retention", "GET", "/v1/custodians"),
    ("audit", "GET", "/v1/shared-agencies"),
    ("audit", "POST", "/v1/subject-lookups"),
)
"""Door, method and path; making a package takes an entry of the ledger first and is no plain way (packages/)."""


def router(empowered: Empowered) -> APIRouter:
    """Bind the routes; `empowered` tells of a designee's power, which the token then carries for this call (ACC-10)."""

    async def whom(request: Request, session: SignedIn) -> Person:
        if not rules.counts_powers(request.scope["path"]):
            return session.person
        return await empowered(session.person, web_of(request).clock())

    return forwards(FORWARDS, timeout_s=PATIENCE_S, whom=whom)
