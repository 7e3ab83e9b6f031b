"""Pages of records: all they show is asked of retention's door; forms speak to `/v1`. No plate stands in an address."""

from fastapi import APIRouter

from . import evidence, holds, purges, releases, sharing, stored
from .ground import Empowered


def router(empowered: Empowered) -> APIRouter:
    """Give the pages; `empowered` tells of a designee's power over releases."""
    routes = APIRouter(include_in_schema=False)
    for part in (purges, holds, evidence, sharing):
        routes.include_router(part.router())
    for with_powers in (stored, releases):
        routes.include_router(with_powers.router(empowered))
    return routes


__all__ = ["router"]
