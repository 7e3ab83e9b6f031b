"""`/v1/session`, `/v1/sign-in`, `/v1/me`, `/v1/alerts`, what administrators do to sign-in, and the glossary."""

from __future__ import annotations

from fastapi import APIRouter

from ...proofs import Provider
from ..store import AccountStore
from . import by_provider, me, people, sign_in


def router(store: AccountStore, provider: Provider | None, may_manage: people.MayManage) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()
    issuer = provider.settings.issuer if provider else ""
    for part in (sign_in.router(store), me.router(store), people.router(store, issuer, may_manage)):
        routes.include_router(part)
    routes.include_router(by_provider.router(store, provider))
    return routes
