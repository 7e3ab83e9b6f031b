"""Every `/v1` path that another service owns: forwarded with the person's token, the answer passed on as it is."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from ..web import Problem, SignedIn, signed_in, web_of

FORWARDS: Final = (
    ("audit", "POST", "/v1/queries"),
    ("audit", "GET", "/v1/queries/incomplete"),
    ("audit", "POST", "/v1/queries/{query_id}/case-number"),
    ("audit", "POST", "/v1/hit-queries"),
    ("audit", "POST", "/v1/exports"),
    ("audit", "GET", "/v1/use-approvals"),
    ("audit", "POST", "/v1/use-approvals"),
    ("audit", "POST", "/v1/use-approvals/{approval_id}/revocation"),
    ("audit", "GET", "/v1/protected-events"),
    ("audit", "POST", "/v1/protected-events"),
    ("audit", "POST", "/v1/protected-events/{event_id}/end"),
    ("audit", "GET", "/v1/reads/{rest:path}"),
    ("audit", "POST", "/v1/image-views"),
    ("audit", "GET", "/v1/audit/{rest:path}"),
    ("audit", "POST", "/v1/audit/{rest:path}"),
    ("audit", "PUT", "/v1/audit/{rest:path}"),
    ("audit", "DELETE", "/v1/audit/{rest:path}"),
    ("retention", "GET", "/v1/images/{rest:path}"),
    ("retention", "GET", "/v1/live-hits/{rest:path}"),
    ("retention", "POST", "/v1/purges"),
    ("retention", "GET", "/v1/retention/{rest:path}"),
    ("retention", "GET", "/v1/holds"),
    ("retention", "POST", "/v1/holds"),
    ("retention", "GET", "/v1/holds/{rest:path}"),
    ("retention", "POST", "/v1/holds/{rest:path}"),
    ("ingest", "GET", "/v1/devices"),
    ("ingest", "POST", "/v1/devices"),
    ("ingest", "GET", "/v1/devices/{rest:path}"),
    ("ingest", "PUT", "/v1/devices/{rest:path}"),
    ("ingest", "GET", "/v1/hotlists"),
    ("ingest", "POST", "/v1/hotlists"),
    ("ingest", "GET", "/v1/hotlists/{rest:path}"),
    ("ingest", "POST", "/v1/hotlists/{rest:path}"),
)
"""Door, method and path. Frames are not among them: cameras reach ingest's own door."""


def router() -> APIRouter:
    """Give one route per forward."""
    routes = APIRouter()
    for door, method, path in FORWARDS:
        routes.add_api_route(path, _forward(door), methods=[method], name=f"{door} {method} {path}")
    return routes


def _forward(door: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - FastAPI reads the inner function's types
    async def forward(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        path = request.scope["path"]
        if "//" in path or "/.." in path:
            raise Problem(404, "PATH_UNKNOWN", "there is no such path")
        answer = await web_of(request).doors.call(
            door,
            request.method,
            request.scope["raw_path"].decode("ascii"),  # as it was sent: a `?` inside a name stays one
            session.person,
            query=request.url.query,
            headers=request.headers,
            content=request.stream() if request.method != "GET" else None,
        )
        return StreamingResponse(answer.body(), answer.status, headers=answer.headers)

    return forward
