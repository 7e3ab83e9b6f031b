"""Sign-in, sign-out, the start page, the glossary and the offer of the source."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from alprcore import glossary
from alprcore.model import Refused

from ..web import (
    COOKIE,
    SignedIn,
    caller,
    on_this_machine,
    page_person,
    pages_of,
    session_token,
    set_cookie,
    signed_in,
    web_of,
)
from .store import AccountStore


def router(store: AccountStore) -> APIRouter:
    """Bind the pages to the store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def login(request: Request) -> Response:
        return pages_of(request).render(request, "accounts/login.html", None, username="", refusal="", ask_code=False)

    @routes.post("/login")
    async def post_login(
        request: Request,
        username: str = Form(default="", max_length=200),
        password: str = Form(default="", max_length=1000),
        code: str = Form(default="", max_length=10),
    ) -> Response:
        decision, token = await store.sign_in(
            username,
            password,
            code,
            source_ip=caller(request),
            loopback=on_this_machine(request),
            now=web_of(request).clock(),
        )
        if isinstance(decision, Refused):
            return pages_of(request).render(
                request, "accounts/login.html", None, 401, username=username, refusal=decision.detail,
                ask_code=decision.reason_code == "SECOND_FACTOR_WRONG",
            )  # fmt: skip
        response = RedirectResponse("/", 303)
        set_cookie(request, response, token)
        return response

    @routes.post("/logout")
    async def logout(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        await store.sign_out(session.person, web_of(request).clock())
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/")
        return response

    @routes.get("/glossary")
    async def show_glossary(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        terms = glossary.terms(session.profile.wording)
        return pages_of(request).render(request, "accounts/glossary.html", session, terms=terms)

    @routes.get("/source")
    async def source(request: Request) -> Response:
        web = web_of(request)
        session = await web.find_session(session_token(request)[0], web.clock())
        return pages_of(request).render(
            request, "accounts/source.html", session, source_url=web.settings.source_url, version=request.app.version
        )

    return routes
