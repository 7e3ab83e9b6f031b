"""What every page and route shares: who is calling, forgery protection, problems, templates, the event stream's form."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alprcore.errors import Transient
from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile

from .doors import DoorAway, Doors
from .settings import Settings

COOKIE: Final = "plateline_session"
CSRF_HEADER: Final = "x-csrf-token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TITLES: Final = {
    401: "Sign in first", 403: "Refused", 404: "Not found", 409: "Conflict", 413: "Too large", 422: "Not understood",
    502: "Broken answer", 503: "Not available", 405: "Not allowed", 429: "Too many attempts",
}  # fmt: skip
_PROTECTION: Final = (
    ("content-security-policy",
     ("default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
     "frame-ancestors 'none'")),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("cross-origin-opener-policy", "same-origin"),
)  # fmt: skip
_FOLDER: Final = resources.files(__package__ or "alpr_console")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living session: who it is, what the agency's policy is, and whether the sound is on."""

    person: Person
    profile: AgencyProfile
    csrf: str
    sound_armed: bool
    muted_until: datetime | None


FindSession = Callable[[str, datetime], Awaitable[SignedIn | None]]


@dataclass(frozen=True, slots=True)
class Web:
    """What the routes stand on; made by `main`, kept in `app.state.web`."""

    settings: Settings
    profiles: Mapping[str, AgencyProfile]
    clock: Callable[[], datetime]
    find_session: FindSession
    touch_session: Callable[[str, datetime], Awaitable[None]]
    doors: Doors
    stop: asyncio.Event


class Problem(Exception):
    """An answer in the form of RFC 9457, with the code a machine reads."""

    def __init__(self, status: int, reason_code: str, detail: str, *, rule_id: str = "") -> None:
        super().__init__(reason_code)
        self.status = status
        self.reason_code = reason_code
        self.detail = detail
        self.rule_id = rule_id

    @classmethod
    def of(cls, refusal: Refused, status: int = 403) -> Problem:
        """Turn a rule's refusal into an answer."""
        return cls(status, refusal.reason_code, refusal.detail, rule_id=refusal.rule_id)


class SignInFirst(Exception):
    """A page was asked for without a session: show the sign-in page instead."""


def web_of(request: Request) -> Web:
    """Give the routes what they stand on."""
    web: Web = request.app.state.web
    return web


def new_token() -> tuple[str, bytes]:
    """Draw a session's secret, 256 bits; answers it and the hash under which it is kept."""
    token = secrets.token_urlsafe(32)
    return token, token_hash(token)


def new_second_factor() -> str:
    """Draw the secret of an authenticator, 160 bits in base32 (RFC 4226 4, R6)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def new_password() -> str:
    """Draw a first password, 120 bits."""
    return secrets.token_urlsafe(15)


def token_hash(token: str) -> bytes:
    """Hash a session's secret: the database never holds what opens a session."""
    return hashlib.sha256(b"plateline session" + token.encode()).digest()


def csrf_of(token: str) -> str:
    """Derive the token that pages send with every change; only pages of this origin can know it."""
    return hashlib.sha256(b"plateline csrf" + token.encode()).hexdigest()


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Find the caller's address: the peer, or the last address in X-Forwarded-For that no trusted proxy put there.

    The header is believed only as far as trusted proxies wrote it; from anyone else it is ignored (QRY-07).
    """
    address = peer
    for hop in reversed([part.strip() for line in forwarded for part in line.split(",")]):
        if not _within(address, trusted):
            return address
        try:
            address = str(ip_address(hop))
        except ValueError:
            return address
    return address


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def caller(request: Request) -> str:
    """The address that this request comes from."""
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.getlist("x-forwarded-for"), web_of(request).settings.trusted_proxies)


def on_this_machine(request: Request) -> bool:
    """Tell whether console and caller share a machine; a forwarded call never counts, whoever forwarded it."""
    return (
        _loopback(web_of(request).settings.host)
        and _loopback(request.client.host if request.client else "")
        and "x-forwarded-for" not in request.headers
        and "forwarded" not in request.headers
    )


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def session_token(request: Request) -> tuple[str, bool]:
    """Read the session's secret: `Authorization: Bearer` of a program, or the cookie; says if it was the cookie."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip(), False
    return request.cookies.get(COOKIE, ""), True


async def signed_in(request: Request) -> SignedIn:
    """Demand a living session and note that its person is active. Raises `Problem` 401 or 403."""
    session = await signed_in_quietly(request)
    await web_of(request).touch_session(session.person.session_id, web_of(request).clock())
    return session


async def signed_in_quietly(request: Request) -> SignedIn:
    """Demand a living session, and for changes by cookie the page's token. Raises `Problem` 401 or 403.

    For what a page does by itself: it does not keep an idle session alive.
    """
    token, by_cookie = session_token(request)
    session = await web_of(request).find_session(token, web_of(request).clock()) if token else None
    if session is None:
        raise Problem(401, "NO_SESSION", "sign in first")
    if by_cookie and request.method not in SAFE:
        sent = request.headers.get(CSRF_HEADER, "")
        if not sent and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            sent = str((await request.form()).get("csrf", ""))
        if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            raise Problem(403, "CSRF_TOKEN_WRONG", f"changes need the header {CSRF_HEADER} of GET /v1/session")
    return replace(session, person=replace(session.person, source_ip=caller(request)))


async def page_person(request: Request) -> SignedIn:
    """Demand a living session for a page; without one the sign-in page is shown."""
    try:
        return await signed_in(request)
    except Problem as problem:
        if problem.status == 401:
            raise SignInFirst from problem
        raise


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Hand the session to the browser: unreadable to scripts, never sent across sites, never over plain networks."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=not on_this_machine(request), path="/")


def event(name: str, data: object, number: int | None = None) -> bytes:
    """Lay out one server-sent event (WHATWG HTML 9.2)."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class _Protect:
    """Refuses changes that come from another site, and marks every answer: no foreign code, no framing, no copies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        static = scope["path"].startswith("/static/")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _PROTECTION:
                    headers.setdefault(name, value)
                headers["cache-control"] = "public, max-age=86400" if static else "no-store"
            await send(message)

        if scope["method"] not in SAFE and _foreign(request):
            problem = Problem(403, "CROSS_ORIGIN", "changes are taken from this site's own pages only")
            await _problem_answer(problem)(scope, receive, marked)
            return
        await self._app(scope, receive, marked)


def _foreign(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # browsers say it themselves, and no page can forge it
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def _problem_answer(problem: Problem) -> JSONResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "Problem"),
        "status": problem.status,
        "detail": problem.detail,
        "reason_code": problem.reason_code,
    }
    if problem.rule_id:
        body["rule_id"] = problem.rule_id
    return JSONResponse(body, problem.status, media_type="application/problem+json")


class Pages:
    """Renders the templates; everything is escaped."""

    def __init__(self) -> None:
        digest = hashlib.sha256()
        for file in sorted(_FOLDER.joinpath("static").iterdir(), key=lambda item: item.name):
            digest.update(file.read_bytes())
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__ or "alpr_console", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["assets"] = digest.hexdigest()[:12]

    def render(
        self, request: Request, name: str, session: SignedIn | None, status: int = 200, **values: Any
    ) -> Response:
        """Render a page; `session` fills the frame around it: owner, watermark, person, tokens."""
        text = self._environment.get_template(name).render(path=request.url.path, session=session, **values)
        return HTMLResponse(text, status)


def pages_of(request: Request) -> Pages:
    """Give the routes their templates."""
    pages: Pages = request.app.state.pages
    return pages


def create_app(web: Web, routers: Sequence[Any], *, version: str) -> FastAPI:
    """Put the app together: routes, static files, protection, and every error as a problem (RFC 9457)."""
    app = FastAPI(title="Plateline", version=version, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.web = web
    app.state.pages = Pages()
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(_FOLDER.joinpath("static"))))
    app.add_middleware(_Protect)

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return _problem_answer(problem)

    @app.exception_handler(SignInFirst)
    async def on_sign_in_first(_request: Request, _error: SignInFirst) -> Response:
        return RedirectResponse("/login", 303)

    @app.exception_handler(DoorAway)
    async def on_door_away(_request: Request, away: DoorAway) -> Response:
        return _problem_answer(
            Problem(away.status, f"{away.door.upper()}_NOT_AVAILABLE", f"{away.door} does not answer; nothing was done")
        )

    @app.exception_handler(Transient)
    async def on_transient(_request: Request, _error: Transient) -> Response:
        return _problem_answer(Problem(503, "DATABASE_NOT_AVAILABLE", "the database does not answer; try again"))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        # names of fields only: what was typed into them may be a plate
        fields = ", ".join(
            sorted({".".join(str(part) for part in item["loc"][1:]) or "body" for item in error.errors()})
        )
        return _problem_answer(Problem(422, "FIELD_INVALID", f"missing or not understood: {fields}"))

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> Response:
        return _problem_answer(Problem(error.status_code, f"HTTP_{error.status_code}", str(error.detail)))

    return app
