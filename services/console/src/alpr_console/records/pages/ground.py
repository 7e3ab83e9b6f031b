"""What the pages of records share: asking the door, showing a page or why there is nothing to show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fastapi import Request, Response

from alprcore.model import Person

from ...forwarding import Closed, ask, ask_maybe
from ...web import SignedIn, page_person, pages_of, signed_in_quietly, web_of
from .. import rules

AWAY: Final = "Records do not answer right now. Nothing was changed; what is held stays held, and nothing is purged."
WATCH: Final = "x-watch"
"""Header of a page that brings itself up to date while something long runs (keeping.js)."""
Empowered = Callable[[Person, datetime], Awaitable[Person]]
"""Gives a person what they may do now as a named designee (administration/)."""
Noticed = Callable[[Person], Awaitable[list[dict[str, Any]]]]
"""Lists the notices of breaches that nobody of a person's roles has seen yet, and their open tasks (breaches/)."""
Values = Callable[[], Awaitable[Mapping[str, Any]]]


async def visitor(request: Request) -> SignedIn:
    """Demand a living session for a page; a page that looks by itself does not keep an idle session alive."""
    return await (signed_in_quietly if WATCH in request.headers else page_person)(request)


def designee(empowered: Empowered) -> Callable[[Request], Awaitable[SignedIn]]:
    """Make the demand of a page on which a designee's power counts (SHR-03, ACC-10)."""

    async def demand(request: Request) -> SignedIn:
        session = await visitor(request)
        return replace(session, person=await empowered(session.person, web_of(request).clock()))

    return demand


async def found(request: Request, session: SignedIn, path: str, query: str = "") -> dict[str, Any]:
    """Ask retention. Raises `Closed` with words when it does not answer or refuses."""
    return await ask(request, session, "retention", path, query=query, away=AWAY)


async def maybe(request: Request, session: SignedIn, path: str) -> dict[str, Any]:
    """Ask retention for what may be missing. Raises `Closed` for every other failure."""
    return await ask_maybe(request, session, "retention", path, away=AWAY)


async def quietly(request: Request, session: SignedIn, path: str, query: str = "") -> dict[str, Any] | None:
    """Ask retention for a part that a page can do without; None where it is refused or silent."""
    try:
        return await found(request, session, path, query)
    except Closed:
        return None


async def devices(request: Request, session: SignedIn) -> list[tuple[str, str]]:
    """List the agency's devices for a choice, id and name; an empty list while ingest does not answer: an id can be typed."""
    try:
        rows = (await ask(request, session, "ingest", "/v1/devices", away=AWAY)).get("devices", [])
    except Closed:
        return []
    return [(row["device_id"], row.get("name") or row["device_id"]) for row in rows]


async def show(request: Request, session: SignedIn, template: str, values: Values) -> Response:
    """Render a page of this part, or say in it why there is nothing to show."""
    if not rules.may_look(request.url.path, session.person.roles):
        detail = "this page is not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
    tabs = rules.tabs(session.person)
    try:
        given = await values()
    except Closed as closed:
        return pages_of(request).render(
            request, "records/closed.html", session, closed.status, tabs=tabs, detail=closed.detail
        )
    return pages_of(request).render(request, f"records/{template}", session, rules=rules, tabs=tabs, **given)
