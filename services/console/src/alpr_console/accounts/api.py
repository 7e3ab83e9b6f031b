"""`/v1/session`, people's state, and the glossary."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from alprcore import glossary
from alprcore.model import Refused

from ..web import (
    COOKIE,
    Problem,
    SignedIn,
    caller,
    csrf_of,
    on_this_machine,
    set_cookie,
    signed_in,
    signed_in_quietly,
    web_of,
)
from .store import AccountStore

MANAGERS = frozenset({"alpr_admin", "program_manager"})


class SignIn(BaseModel):
    """Body of `POST /v1/session`; `bearer` asks for a token in the answer instead of a cookie."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    code: str = Field(default="", max_length=10)
    bearer: bool = False


class State(BaseModel):
    """Body of `PUT /v1/people/{username}/state`."""

    model_config = ConfigDict(extra="forbid")
    disabled: bool


def router(store: AccountStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.post("/v1/session")
    async def post_session(request: Request, body: SignIn) -> Response:
        decision, token = await store.sign_in(
            body.username,
            body.password,
            body.code,
            source_ip=caller(request),
            loopback=on_this_machine(request),
            now=web_of(request).clock(),
        )
        if isinstance(decision, Refused):
            raise Problem.of(decision, 401)
        answer: dict[str, Any] = {"csrf": csrf_of(token)} if not body.bearer else {"token": token}
        response = JSONResponse(answer, 201)
        if not body.bearer:
            set_cookie(request, response, token)
        return response

    @routes.get("/v1/session")
    async def get_session(session: SignedIn = Depends(signed_in_quietly)) -> dict[str, Any]:
        return {
            "username": session.person.username,
            "full_name": session.person.full_name,
            "organization": session.person.organization,
            "agency": session.person.agency,
            "roles": session.person.roles,
            "source_ip": session.person.source_ip,
            "csrf": session.csrf,
            "sound_armed": session.sound_armed,
            "muted_until": session.muted_until,
        }

    @routes.delete("/v1/session")
    async def delete_session(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        await store.sign_out(session.person, web_of(request).clock())
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/")
        return response

    @routes.put("/v1/people/{username}/state")
    async def put_state(
        request: Request, username: str, body: State, session: SignedIn = Depends(signed_in)
    ) -> Response:
        if MANAGERS.isdisjoint(session.person.roles):
            raise Problem(403, "ROLE_NOT_AUTHORISED", "accounts are managed by administrators", rule_id="ACC-11")
        if not await store.set_disabled(session.person, username, disabled=body.disabled, now=web_of(request).clock()):
            raise Problem(404, "PERSON_UNKNOWN", "the agency has no such account")
        return Response(status_code=204)

    @routes.get("/v1/glossary")
    async def get_glossary(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        terms = glossary.terms(session.profile.wording)
        return {
            "agency": session.profile.agency,
            "wording": session.profile.wording,
            "terms": [{"code": t.code, "requirement": t.requirement, "wording": t.wording} for t in terms],
        }

    return routes
