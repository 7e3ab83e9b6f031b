"""`/v1/me`: what opens one's own account, and one's own sessions."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alprcore import glossary
from alprcore.model import Refused

from ...web import SETUP, Problem, SignedIn, limited, security_keys, signed_in, web_of
from ..store import NO_KEYS, AccountStore, problem_of

SETTING_UP: Final = Depends(limited(*SETUP))
ENROLLING: Final = Depends(limited("SECOND_FACTOR_NOT_ENROLLED"))


class NewPassword(BaseModel):
    """Body of `PUT /v1/me/password`; `current` may be left out where a first password was just used."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    current: str = Field(default="", max_length=1000)
    new: str = Field(max_length=2000)


class Code(BaseModel):
    """Body of `PUT /v1/me/totp`: a code that the authenticator shows."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    code: str = Field(max_length=10)


class Key(BaseModel):
    """Body of `POST /v1/me/keys`: what the person calls the key, and the browser's answer (WebAuthn 5.1)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    label: str = Field(min_length=1, max_length=60)
    answer: dict[str, Any]


def router(store: AccountStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.put("/v1/me/password", status_code=204)
    async def put_password(request: Request, body: NewPassword, session: SignedIn = SETTING_UP) -> Response:
        return _done(await store.factors.set_password(session, body.current, body.new, web_of(request).clock()))

    @routes.post("/v1/me/totp", status_code=201)
    async def post_totp(request: Request, session: SignedIn = ENROLLING) -> dict[str, str]:
        offered = await store.factors.offer_totp(session, web_of(request).clock())
        if isinstance(offered, Refused):
            raise problem_of(offered)
        return {"secret": offered[0], "address": offered[1]}

    @routes.put("/v1/me/totp", status_code=204)
    async def put_totp(request: Request, body: Code, session: SignedIn = ENROLLING) -> Response:
        return _done(await store.factors.take_totp(session, body.code, web_of(request).clock()))

    @routes.delete("/v1/me/totp", status_code=204)
    async def delete_totp(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        return _done(await store.factors.drop_totp(session, web_of(request).clock()))

    @routes.get("/v1/me/keys")
    async def get_keys(session: SignedIn = ENROLLING) -> dict[str, Any]:
        return {"keys": await store.factors.keys(session)}

    @routes.post("/v1/me/keys/options")
    async def post_key_options(request: Request, session: SignedIn = ENROLLING) -> dict[str, Any]:
        keys = security_keys(request)
        if keys is None:
            raise Problem.of(NO_KEYS, 409)
        offered = await store.factors.offer_key(session, keys, web_of(request).clock())
        if isinstance(offered, Refused):
            raise problem_of(offered)
        return offered

    @routes.post("/v1/me/keys", status_code=204)
    async def post_key(request: Request, body: Key, session: SignedIn = ENROLLING) -> Response:
        keys = security_keys(request)
        if keys is None:
            raise Problem.of(NO_KEYS, 409)
        label = body.label.strip()
        return _done(await store.factors.take_key(session, label, body.answer, keys, web_of(request).clock()))

    @routes.delete("/v1/me/keys/{key_id}", status_code=204)
    async def delete_key(request: Request, key_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        return _done(await store.factors.drop_key(session, key_id, web_of(request).clock()))

    @routes.get("/v1/me/sessions")
    async def get_sessions(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        return {"sessions": await store.sessions.of(session.person, web_of(request).clock())}

    @routes.delete("/v1/me/sessions/{session_id}", status_code=204)
    async def delete_session(request: Request, session_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        if not await store.sessions.end_own(session.person, session_id, web_of(request).clock()):
            raise Problem(404, "SESSION_UNKNOWN", "you have no such session")
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


def _done(refusal: Refused | None) -> Response:
    if refusal is not None:
        raise problem_of(refusal)
    return Response(status_code=204)
