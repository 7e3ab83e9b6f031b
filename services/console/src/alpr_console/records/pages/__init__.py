"""Pages of records: all they show is asked of retention's door; forms speak to `/v1`. No plate stands in an address."""

from fastapi import APIRouter

from . import evidence, holds, purges, releases, sharing, stored


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter(include_in_schema=False)
    for part in (stored, purges, holds, evidence, releases, sharing):
        routes.include_router(part.router())
    return routes


__all__ = ["router"]
