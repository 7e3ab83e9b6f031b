"""Every `/v1` path of records that retention owns, as a way through the console.

A decision on a release is passed on with the power of a named designee, where the person is one (SHR-03, ACC-10).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request

from alprcore.model import Person

from ..forwarding import forwards
from ..web import SignedIn, web_of
from . import rules

Acting = Callable[[Person, str, datetime], Awaitable[str]]
"""Names the living delegation under which a person exercises a power, '' when there is none (administration/)."""
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
)
"""Door, method and path; making a package takes an entry of the ledger first and is no plain way (packages/)."""


def router(acting: Acting) -> APIRouter:
    """Bind the routes; `acting` tells of a designee's powers, which the token then carries for this call (ACC-10)."""

    async def whom(request: Request, session: SignedIn) -> Person:
        if request.method != "POST" or not rules.decides(request.scope["path"]):
            return session.person
        name = await acting(session.person, rules.APPROVES, web_of(request).clock())
        return replace(session.person, powers=(f"{rules.APPROVES}:{name}",)) if name else session.person

    return forwards(FORWARDS, timeout_s=PATIENCE_S, whom=whom)
