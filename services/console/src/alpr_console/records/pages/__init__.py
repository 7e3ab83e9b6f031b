"""Pages of records: all they show is asked of retention's door; forms speak to `/v1`. No plate stands in an address."""

from fastapi import APIRouter

from . import evidence, holds, purges, releases, sharing, stored
from .ground import Empowered, Noticed


def router(empowered: Empowered, noticed: Noticed) -> APIRouter:
    """Give the pages; `empowered` tells of a designee's power over releases, `noticed` of breaches that wait for somebody."""
    routes = APIRouter(include_in_schema=False)
    for part in (purges, holds, evidence, sharing):
        routes.include_router(part.router())
    routes.include_router(stored.router(empowered, noticed))
    routes.include_router(releases.router(empowered))
    return routes


__all__ = ["router"]
