"""`/login/provider`: to the agency's identity provider and back, and the provider's word that somebody signed out there."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Refused

from ...proofs import Provider, ProviderAway, ProviderRefused
from ...protection import problem_answer
from ...web import Problem, on_this_machine, pages_of, refuse, set_cookie, web_of
from ..store import AccountStore, came, problem_of, status_of

STATE_COOKIE: Final = "plateline_state"
_BACK: Final = "/login/provider"


def router(store: AccountStore, provider_or_none: Provider | None) -> APIRouter:
    """Bind the routes to the store and the provider; without one they answer that there is none."""
    routes = APIRouter(include_in_schema=False)

    async def there_is_one() -> Provider:
        if provider_or_none is None:
            raise Problem(404, "PROVIDER_NOT_SET", "this installation has no identity provider")
        return provider_or_none

    asked = Depends(there_is_one)

    @routes.get("/login/provider")
    async def leave(request: Request, banner: str = "", again: bool = False, provider: Provider = asked) -> Response:
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
        now = web_of(request).clock()
        state = await store.sign_ins.send_away(verifier, nonce, came(request, banner[:64]), now, again)
        if isinstance(state, Refused):
            return _page(request, state)
        try:
            address = await provider.way_there(state, nonce, verifier, again=again)
        except ProviderAway:
            return _away(request)
        response = RedirectResponse(address, 303)
        # Lax, not Strict: it has to come back with the browser from the provider's site
        response.set_cookie(
            STATE_COOKIE,
            state,
            max_age=300,
            httponly=True,
            samesite="lax",
            secure=not on_this_machine(request),
            path=_BACK,
        )
        return response

    @routes.get("/login/provider/back")
    async def back(
        request: Request, code: str = "", state: str = "", iss: str = "", error: str = "", provider: Provider = asked
    ) -> Response:
        now = web_of(request).clock()
        mine = hmac.compare_digest(request.cookies.get(STATE_COOKIE, "").encode(), state.encode()) and state != ""
        begun = await store.sign_ins.came_back(state, now) if mine else None
        if begun is None:
            return await _refused(request, "state")
        if error or not code:
            return await _refused(request, "error")
        try:
            identity = await provider.redeem(code, iss, begun["nonce"], begun["verifier"], again=begun["again"])
        except ProviderRefused as refused:
            return await _refused(request, refused.reason)
        except ProviderAway:
            return _away(request)
        outcome = await store.sign_ins.by_provider(identity, came(request, begun["banner"]), now)
        if outcome.refusal is not None:
            if not outcome.recorded:
                await refuse(request, problem_of(outcome.refusal))
            return _page(request, outcome.refusal)
        response = _page(request, None)
        set_cookie(request, response, outcome.token)
        response.delete_cookie(STATE_COOKIE, path=_BACK)
        return response

    @routes.post("/login/provider/logout")
    async def signed_out_there(
        request: Request, logout_token: str = Form(default="", max_length=20_000), provider: Provider = asked
    ) -> Response:
        try:
            subject, session = await provider.signed_out(logout_token)
        except ProviderRefused as refused:
            problem = problem_of(
                Refused("SEC-03", "PROVIDER_REFUSED", f"this word is not the provider's: {refused.reason}")
            )
            return await refuse(request, problem)
        except ProviderAway:
            return problem_answer(problem_of(Refused("SEC-03", "PROVIDER_AWAY", "the provider does not answer")))
        await store.sessions.end_by_provider(provider.settings.issuer, subject, session, web_of(request).clock())
        return Response(status_code=200, headers={"cache-control": "no-store"})

    return routes


async def _refused(request: Request, reason: str) -> Response:
    refusal = Refused("SEC-03", "PROVIDER_REFUSED", f"this sign-in does not count ({reason}): begin again here")
    await refuse(request, problem_of(refusal))
    return _page(request, refusal)


def _away(request: Request) -> Response:
    words = "the agency's own sign-in does not answer: try again, or ask whoever runs it"
    return _page(request, Refused("SEC-03", "PROVIDER_AWAY", words), 503)


def _page(request: Request, refusal: Refused | None, status: int = 0) -> Response:
    # a page, no redirect: the session's cookie is Strict and would not follow a redirect that began at the provider
    status = status or (status_of(refusal) if refusal else 200)
    return pages_of(request).render(request, "accounts/returned.html", None, status, refusal=refusal)
