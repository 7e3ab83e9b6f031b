"""Ways whose `/v1` path another service owns: passed on with the person's token, the answer passed on as it comes.

Pages that show what another service owns ask it here, too: its refusals and its silence come as words for the person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from alprcore.model import Person

from .doors import DoorAway
from .web import Problem, SignedIn, signed_in, web_of

AsWhom = Callable[[Request, SignedIn], Awaitable[Person]]
"""Tells as whom a call is passed on: the session's person, with what they may do in it as a designee."""


async def as_signed_in(_request: Request, session: SignedIn) -> Person:
    """Pass a call on as the session's person and nothing more."""
    return session.person


def forwards(
    ways: Iterable[tuple[str, str, str]], *, timeout_s: float | None = None, whom: AsWhom = as_signed_in
) -> APIRouter:
    """Give one route per way (door, method, path); bodies stream through in both directions.

    `timeout_s` replaces the doors' ordinary patience.
    """
    routes = APIRouter()
    for door, method, path in ways:
        routes.add_api_route(path, _forward(door, timeout_s, whom), methods=[method], name=f"{door} {method} {path}")
    return routes


def _forward(  # type: ignore[no-untyped-def]  # noqa: ANN202 - FastAPI reads the inner function's types
    door: str, timeout_s: float | None, whom: AsWhom
):
    async def forward(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        path = request.scope["path"]
        if "//" in path or "/.." in path:
            raise Problem(404, "PATH_UNKNOWN", "there is no such path")
        answer = await web_of(request).doors.call(
            door,
            request.method,
            request.scope["raw_path"].decode("ascii"),  # as it was sent: a `?` inside a name stays one
            await whom(request, session),
            query=request.url.query,
            headers=request.headers,
            content=request.stream() if request.method != "GET" else None,
            timeout_s=timeout_s,
        )
        return StreamingResponse(answer.body(), answer.status, headers=answer.headers)

    return forward


class Closed(Exception):
    """A door did not answer as asked: the status and words for the person."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


async def ask(
    request: Request, session: SignedIn, door: str, path: str, *, query: str = "", away: str
) -> dict[str, Any]:
    """Ask a door for what a page shows. Raises `Closed`, with `away` as its words when the door is silent."""
    try:
        answer = await web_of(request).doors.call(door, "GET", path, session.person, query=query)
        found = await answer.json()
    except DoorAway as silent:
        raise Closed(503, away) from silent
    if answer.status >= 500:
        raise Closed(503, away)
    if answer.status >= 400 or not isinstance(found, dict):
        detail = str(found.get("detail") or "") if isinstance(found, dict) else ""
        raise Closed(max(answer.status, 400), f"{detail[:1].upper()}{detail[1:]}" or "This was refused.")
    return found


async def ask_maybe(request: Request, session: SignedIn, door: str, path: str, *, away: str) -> dict[str, Any]:
    """Ask for what may be missing; {} where there is none. Raises `Closed` for every other failure."""
    try:
        return await ask(request, session, door, path, away=away)
    except Closed as closed:
        if closed.status != 404:
            raise
        return {}
