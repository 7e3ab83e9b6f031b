"""What administrators do to sign-in: release, link to the identity provider; and the alerts that are put to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import Decision, Person, Refused
from alprcore.policy import AgencyProfile

from ...web import Problem, SignedIn, signed_in, web_of
from .. import rules
from ..store import AccountStore

_UNKNOWN = ("PERSON_UNKNOWN", "the agency has no such account")


MayManage = Callable[[Person, AgencyProfile, datetime, str], Awaitable[Decision]]
"""Whether a person manages the agency's accounts now, and this one of them: never one's own (ACC-08, ACC-11)."""


class Subject(BaseModel):
    """Body of `PUT /v1/people/{username}/provider`: the person's name at the identity provider (claim `sub`)."""

    model_config = ConfigDict(extra="forbid")
    subject: str = Field(min_length=1, max_length=255)


async def watcher(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand somebody to whom alerts about accounts go (USE-04)."""
    if not rules.watches(session.person, session.profile):
        raise Problem(403, "ROLE_NOT_AUTHORISED", "alerts go to administrators", rule_id="USE-04")
    return session


def router(store: AccountStore, issuer: str, may_manage: MayManage) -> APIRouter:
    """Bind the routes to the store; `may_manage` decides who manages the agency's accounts (ACC-08, ACC-11)."""
    routes = APIRouter()

    async def manager(request: Request, username: str, session: SignedIn = Depends(signed_in)) -> SignedIn:
        decision = await may_manage(session.person, session.profile, web_of(request).clock(), username)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        return session

    managing = Depends(manager)

    @routes.delete("/v1/people/{username}/lock", status_code=204)
    async def delete_lock(request: Request, username: str, session: SignedIn = Depends(watcher)) -> Response:
        if not await store.people.release(session.person, username, web_of(request).clock()):
            raise Problem(404, *_UNKNOWN)
        return Response(status_code=204)

    @routes.put("/v1/people/{username}/provider", status_code=204)
    async def put_provider(request: Request, username: str, body: Subject, session: SignedIn = managing) -> Response:
        if not issuer:
            raise Problem(409, "PROVIDER_NOT_SET", "this installation has no identity provider")
        now = web_of(request).clock()
        found = await store.people.link(session.person, username, issuer, body.subject, now)
        if found == "unknown":
            raise Problem(404, *_UNKNOWN)
        if found == "taken":
            raise Problem(409, "SUBJECT_TAKEN", "the subject or the account is linked already")
        return Response(status_code=204)

    @routes.delete("/v1/people/{username}/provider", status_code=204)
    async def delete_provider(request: Request, username: str, session: SignedIn = managing) -> Response:
        if not await store.people.unlink(session.person, username, web_of(request).clock()):
            raise Problem(404, *_UNKNOWN)
        return Response(status_code=204)

    @routes.get("/v1/alerts")
    async def get_alerts(session: SignedIn = Depends(watcher)) -> dict[str, Any]:
        return {"alerts": await store.people.alerts(session.person.agency)}

    @routes.post("/v1/alerts/{alert_id}/seen", status_code=204)
    async def post_seen(request: Request, alert_id: str, session: SignedIn = Depends(watcher)) -> Response:
        if not await store.people.see_alert(session.person, alert_id, web_of(request).clock()):
            raise Problem(404, "ALERT_UNKNOWN", "no such alert, or it was seen before")
        return Response(status_code=204)

    return routes
