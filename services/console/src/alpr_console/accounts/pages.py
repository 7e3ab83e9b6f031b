"""Sign-in and sign-out, setting up, proving again, my account, alerts, the glossary and the offer of the source."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from alprcore import glossary
from alprcore.model import Refused

from ..proofs import Provider
from ..web import (
    COOKIE,
    LIMITS,
    LOCKED,
    SETUP,
    Problem,
    SignedIn,
    page_limited,
    page_person,
    pages_of,
    refuse,
    security_keys,
    session_token,
    set_cookie,
    web_of,
)
from . import rules
from .store import AccountStore, Outcome, came, problem_of, status_of

HALTED: Final = Depends(page_limited(LOCKED, *LIMITS, *SETUP))
"""Whoever has a session, also where something has to be done first."""
SETTING_UP: Final = Depends(page_limited(*SETUP))
ENROLLING: Final = Depends(page_limited("SECOND_FACTOR_NOT_ENROLLED"))
OPEN: Final = Depends(page_limited())
_NO_BANNER = Refused("SEC-03", "BANNER_NOT_ACKNOWLEDGED", "read the notice and acknowledge it to sign in")
_UNEQUAL = Refused("SEC-03", "PASSWORDS_DIFFER", "the two new passwords are not the same: type them again")


def banner_version(text: str) -> str:
    """Name a banner's text, so that the ledger tells which one was acknowledged."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def onward(wanted: str) -> str:
    """Give the page of this site that a person wanted, or the start page: nobody is sent elsewhere."""
    parts = urlsplit(wanted)
    return wanted if wanted.startswith("/") and not (parts.scheme or parts.netloc or "\\" in wanted) else "/"


def router(store: AccountStore, provider: Provider | None) -> APIRouter:
    """Bind the pages to the store, and to the agency's identity provider where there is one."""
    routes = APIRouter(include_in_schema=False)

    def sign_in_page(request: Request, *, username: str = "", refusal: Refused | None = None) -> Response:
        text = web_of(request).settings.banner
        values: dict[str, Any] = {"username": username, "refusal": refusal, "provider": provider is not None}
        status = status_of(refusal) if refusal else 200
        version = banner_version(text)
        return pages_of(request).render(
            request, "accounts/login.html", None, status, banner=text, version=version, **values
        )

    def second_page(request: Request, outcome: Outcome, refusal: Refused | None = None) -> Response:
        status = status_of(refusal) if refusal else 200
        return pages_of(request).render(
            request, "accounts/second.html", None, status, step=outcome.step, ways=outcome.ways,
            options=outcome.options, refusal=refusal,
        )  # fmt: skip

    async def opened(request: Request, outcome: Outcome, username: str = "") -> Response:
        if outcome.refusal is not None:
            if not outcome.recorded:
                answer = await refuse(request, problem_of(outcome.refusal))
                if answer.status_code == 503:
                    return answer
            if outcome.step:
                return second_page(request, outcome, outcome.refusal)
            return sign_in_page(request, username=username, refusal=outcome.refusal)
        if outcome.step:
            return second_page(request, outcome)
        response = RedirectResponse("/", 303)
        set_cookie(request, response, outcome.token)
        return response

    @routes.get("/login")
    async def login(request: Request) -> Response:
        return sign_in_page(request)

    @routes.post("/login")
    async def post_login(
        request: Request,
        username: str = Form(default="", max_length=200),
        password: str = Form(default="", max_length=1000),
        banner: str = Form(default="", max_length=64),
    ) -> Response:
        web = web_of(request)
        if not hmac.compare_digest(banner, banner_version(web.settings.banner)):
            return sign_in_page(request, username=username, refusal=_NO_BANNER)
        keys = security_keys(request)
        outcome = await store.sign_ins.begin(username, password, came(request, banner), web.clock(), keys)
        return await opened(request, outcome, username)

    @routes.post("/login/second")
    async def post_second(
        request: Request,
        step: str = Form(default="", max_length=100),
        code: str = Form(default="", max_length=10),
    ) -> Response:
        now, keys = web_of(request).clock(), security_keys(request)
        return await opened(request, await store.sign_ins.finish(step, code, None, came(request), now, keys))

    @routes.post("/logout")
    async def logout(request: Request, session: SignedIn = HALTED) -> Response:
        await store.sessions.sign_out(session.person, web_of(request).clock())
        response: Response = RedirectResponse("/login", 303)
        if provider is not None:  # its own session goes on: whoever comes next at this desk would be let in by it
            after = await provider.way_out(f"{web_of(request).settings.public_url.rstrip('/')}/login")
            response = pages_of(request).render(request, "accounts/signed_out.html", None, way_out=after)
        response.delete_cookie(COOKIE, path="/")
        return response

    @routes.get("/locked")
    async def locked(
        request: Request, wanted: str = Query(default="/", alias="next", max_length=500), session: SignedIn = HALTED
    ) -> Response:
        return await locked_page(request, session, wanted)

    @routes.post("/locked")
    async def post_locked(
        request: Request,
        wanted: str = Form(default="/", alias="next", max_length=500),
        password: str = Form(default="", max_length=1000),
        code: str = Form(default="", max_length=10),
        session: SignedIn = HALTED,
    ) -> Response:
        now, keys = web_of(request).clock(), security_keys(request)
        token = await store.sessions.prove(session, password, code, None, came(request), now, keys)
        if isinstance(token, Refused):
            return await locked_page(request, session, wanted, token)
        response = RedirectResponse(onward(wanted), 303)
        set_cookie(request, response, token)
        return response

    async def locked_page(request: Request, session: SignedIn, wanted: str, refusal: Refused | None = None) -> Response:
        has_key = security_keys(request) is not None and bool(await store.factors.keys(session))
        values: dict[str, Any] = {
            "next": onward(wanted),
            "refusal": refusal,
            "locked": session.limit is not None and session.limit.reason_code == LOCKED,
            "has_totp": await store.factors.has_totp(session) and not (has_key and not codes(request)),
            "has_key": has_key,
            "provider": provider is not None,
        }
        status = status_of(refusal) if refusal else 200
        return pages_of(request).render(request, "accounts/locked.html", session, status, **values)

    @routes.get("/setup")
    async def setup(request: Request, session: SignedIn = SETTING_UP) -> Response:
        if session.limit is None:
            return RedirectResponse("/", 303)
        return await account_page(request, session)

    @routes.get("/account")
    async def account(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await account_page(request, session)

    async def account_page(
        request: Request,
        session: SignedIn,
        *,
        refusal: Refused | None = None,
        done: str = "",
        secret: str = "",
        qr: str = "",
    ) -> Response:
        now = web_of(request).clock()
        values: dict[str, Any] = {
            "refusal": refusal,
            "done": done,
            "secret": secret,
            "qr": qr,
            "fresh": not isinstance(rules.fresh(session.person, now), Refused),
            "has_totp": await store.factors.has_totp(session),
            "codes": codes(request),
            "keys": await store.factors.keys(session),
            "keys_work": security_keys(request) is not None,
            "sessions": await store.sessions.of(session.person, now),
            "shortest": web_of(request).settings.password_length,
        }
        name = "accounts/setup.html" if session.limit else "accounts/account.html"
        status = status_of(refusal) if refusal else 200
        return pages_of(request).render(request, name, session, status, **values)

    async def changed(request: Request, session: SignedIn, refusal: Refused | None, done: str) -> Response:
        if refusal is not None:
            return await account_page(request, session, refusal=refusal)
        if session.limit is not None:  # the next thing to set up, or the start page
            return RedirectResponse("/setup", 303)
        return await account_page(request, session, done=done)

    @routes.post("/account/password")
    async def post_password(
        request: Request,
        current: str = Form(default="", max_length=1000),
        new: str = Form(default="", max_length=2000),
        again: str = Form(default="", max_length=2000),
        session: SignedIn = SETTING_UP,
    ) -> Response:
        if new != again:
            return await changed(request, session, _UNEQUAL, "")
        refusal = await store.factors.set_password(session, current, new, web_of(request).clock())
        return await changed(request, session, refusal, "Your password is changed. Your other sessions have ended.")

    @routes.post("/account/totp")
    async def post_totp(request: Request, session: SignedIn = ENROLLING) -> Response:
        offered = await store.factors.offer_totp(session, web_of(request).clock())
        if isinstance(offered, Refused):
            return await changed(request, session, offered, "")
        secret, address = offered
        qr = segno.make(address, error="m").svg_inline(omitsize=True, border=4, svgclass="qr", lineclass="")
        return await account_page(request, session, secret=secret, qr=qr)

    @routes.post("/account/totp/confirm")
    async def post_totp_confirm(
        request: Request,
        code: str = Form(default="", max_length=10),
        session: SignedIn = ENROLLING,
    ) -> Response:
        refusal = await store.factors.take_totp(session, code, web_of(request).clock())
        return await changed(request, session, refusal, "Your authenticator is set up.")

    @routes.post("/account/totp/remove")
    async def post_totp_remove(request: Request, session: SignedIn = OPEN) -> Response:
        refusal = await store.factors.drop_totp(session, web_of(request).clock())
        return await changed(request, session, refusal, "Your authenticator is removed.")

    @routes.post("/account/keys/remove")
    async def post_key_remove(
        request: Request,
        key_id: str = Form(default="", max_length=1000),
        session: SignedIn = OPEN,
    ) -> Response:
        refusal = await store.factors.drop_key(session, key_id, web_of(request).clock())
        return await changed(request, session, refusal, "The security key is removed.")

    @routes.post("/account/sessions/end")
    async def post_session_end(
        request: Request,
        session_id: str = Form(default="", max_length=100),
        session: SignedIn = OPEN,
    ) -> Response:
        await store.sessions.end_own(session.person, session_id, web_of(request).clock())
        return await changed(request, session, None, "That session has ended.")

    @routes.get("/alerts")
    async def alerts(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        _watching(session)
        found = await store.people.alerts(session.person.agency)
        return pages_of(request).render(request, "accounts/alerts.html", session, alerts=found)

    @routes.post("/alerts/{alert_id}")
    async def post_alert(
        request: Request,
        alert_id: str,
        release: str = Form(default="", max_length=200),
        session: SignedIn = OPEN,
    ) -> Response:
        _watching(session)
        now = web_of(request).clock()
        if release:
            await store.people.release(session.person, release, now)
        await store.people.see_alert(session.person, alert_id, now)
        return RedirectResponse("/alerts", 303)

    @routes.get("/glossary")
    async def show_glossary(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        terms = glossary.terms(session.profile.wording)
        return pages_of(request).render(request, "accounts/glossary.html", session, terms=terms)

    @routes.get("/source")
    async def source(request: Request) -> Response:
        web = web_of(request)
        session = await web.find_session(session_token(request)[0], web.clock())
        if session is not None and session.limit is not None:
            session = None
        return pages_of(request).render(
            request, "accounts/source.html", session, source_url=web.settings.source_url, version=request.app.version
        )

    return routes


def _watching(session: SignedIn) -> None:
    if not rules.watches(session.person, session.profile):
        raise Problem(403, "ROLE_NOT_AUTHORISED", "alerts are for administrators", rule_id="USE-04")


def codes(request: Request) -> bool:
    """Tell whether an authenticator's codes count as a second factor here."""
    return web_of(request).settings.second_factors == "any"
