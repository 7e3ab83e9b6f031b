"""`/v1/session` and `/v1/sign-in`: coming in, proving again who one is, going."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import Refused

from ...web import (
    COOKIE,
    LIMITS,
    LOCKED,
    SETUP,
    Problem,
    SignedIn,
    csrf_of,
    limited,
    security_keys,
    session_token,
    set_cookie,
    web_of,
)
from ..store import AccountStore, Outcome, came, problem_of

AWAKE: Final = Depends(limited(*LIMITS, *SETUP))
"""Whoever has a session that is not locked."""
HALTED: Final = Depends(limited(LOCKED, *LIMITS, *SETUP))
"""Whoever has a session, also where something has to be done first."""


class SignIn(BaseModel):
    """Body of `POST /v1/session`; `bearer` asks for a token in the answer instead of a cookie."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    code: str = Field(default="", max_length=10)
    bearer: bool = False


class Begin(BaseModel):
    """Body of `POST /v1/sign-in`; `banner` is the version of the acknowledged banner, as the sign-in page has it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    banner: str = Field(default="", max_length=64)
    bearer: bool = False


class Finish(BaseModel):
    """Body of `POST /v1/sign-in/second`: a code, or a security key's answer as browsers lay it out (WebAuthn 5.1)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    step: str = Field(max_length=100)
    code: str = Field(default="", max_length=10)
    answer: dict[str, Any] | None = None
    bearer: bool = False


class Proof(BaseModel):
    """Body of `POST /v1/session/proof`: what proves again who this is."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    password: str = Field(default="", max_length=1000)
    code: str = Field(default="", max_length=10)
    answer: dict[str, Any] | None = None


def router(store: AccountStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.post("/v1/session")
    async def post_session(request: Request, body: SignIn) -> Response:
        now = web_of(request).clock()
        outcome = await store.sign_ins.sign_in(body.username, body.password, body.code, came(request), now)
        return _opened(request, outcome, bearer=body.bearer)

    @routes.post("/v1/sign-in")
    async def post_begin(request: Request, body: Begin) -> Response:
        now, keys = web_of(request).clock(), security_keys(request)
        outcome = await store.sign_ins.begin(body.username, body.password, came(request, body.banner), now, keys)
        return _opened(request, outcome, bearer=body.bearer)

    @routes.post("/v1/sign-in/second")
    async def post_finish(request: Request, body: Finish) -> Response:
        now, keys = web_of(request).clock(), security_keys(request)
        outcome = await store.sign_ins.finish(body.step, body.code, body.answer, came(request), now, keys)
        return _opened(request, outcome, bearer=body.bearer)

    def _opened(request: Request, outcome: Outcome, *, bearer: bool) -> Response:
        if outcome.refusal is not None:
            raise problem_of(outcome.refusal, recorded=outcome.recorded)
        if outcome.step:
            return JSONResponse({"step": outcome.step, "ways": outcome.ways, "options": outcome.options}, 200)
        answer = {"token": outcome.token} if bearer else {"csrf": csrf_of(outcome.token)}
        response = JSONResponse(answer, 201)
        if not bearer:
            set_cookie(request, response, outcome.token)
        return response

    @routes.get("/v1/session")
    async def get_session(request: Request, session: SignedIn = HALTED) -> dict[str, Any]:
        limit = session.limit.reason_code if session.limit else None
        by_key = security_keys(request) is not None and bool(await store.factors.keys(session))
        return {
            "username": session.person.username,
            "full_name": session.person.full_name,
            "organization": session.person.organization,
            "agency": session.person.agency,
            "roles": session.person.roles,
            "category": session.person.category,
            "training": session.person.training,
            "grants": session.person.grants,
            "source_ip": session.person.source_ip,
            "authenticated_at": session.person.authenticated_at,
            "authenticated_by": session.person.authenticated_by,
            "csrf": session.csrf,
            "sound_armed": session.sound_armed,
            "muted_until": session.muted_until,
            "limit": limit,
            "locks_at": session.locks_at,
            "alerts": session.alerts,
            "has_totp": await store.factors.has_totp(session),
            "has_key": by_key,
        }

    @routes.delete("/v1/session")
    async def delete_session(request: Request, session: SignedIn = HALTED) -> Response:
        await store.sessions.sign_out(session.person, web_of(request).clock())
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/")
        return response

    @routes.post("/v1/session/activity", status_code=204)
    async def post_activity(request: Request, session: SignedIn = AWAKE) -> Response:
        await store.sessions.touch(session.person.session_id, web_of(request).clock())
        return Response(status_code=204)

    @routes.post("/v1/session/proof/options")
    async def post_proof_options(request: Request, session: SignedIn = HALTED) -> dict[str, Any]:
        keys = security_keys(request)
        options = await store.sessions.ask_key(session, keys, web_of(request).clock()) if keys else None
        if options is None:
            raise Problem(404, "KEY_UNKNOWN", "no security key is set up: use your password")
        return options

    @routes.post("/v1/session/proof")
    async def post_proof(request: Request, body: Proof, session: SignedIn = HALTED) -> Response:
        now, keys = web_of(request).clock(), security_keys(request)
        token = await store.sessions.prove(session, body.password, body.code, body.answer, came(request), now, keys)
        if isinstance(token, Refused):
            raise problem_of(token, recorded=True)
        by_cookie = session_token(request)[1]
        response = JSONResponse({"csrf": csrf_of(token)} if by_cookie else {"token": token})
        if by_cookie:
            set_cookie(request, response, token)
        return response

    return routes
