"""Ways whose `/v1` path another service owns: passed on with the person's token, the answer passed on as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from alprcore.model import Person

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
