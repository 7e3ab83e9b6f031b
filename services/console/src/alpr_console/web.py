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
from urllib.parse import urlencode, urlsplit

import jinja2
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from alprcore.errors import Transient
from alprcore.model import ClientKind, Person, Refused
from alprcore.policy import RECORDED, AgencyProfile
from alprcore.refusals import RefusalLog

from .doors import ENTERED, DoorAway, Doors
from .moments import day, iso, local
from .proofs import SecurityKeys
from .protection import AWAY, SAFE, Protect, problem_answer
from .protection import Problem as Problem  # noqa: PLC0414 - part of what every feature takes from here
from .settings import Settings

_LOOK: Final = {
    "audit": "whether it was recorded all the same stands in the ledger: ask an auditor, Audits, Entries",
    "ingest": "it may have been done all the same: look at the list or the device on its page",
    "retention": "it may have been done all the same: look at the record or the hold itself",
}
"""Where a person sees whether a call took effect whose answer was lost, by the service behind the door."""
_CODES: Final = {401: "NO_SESSION", 403: "ROLE_NOT_AUTHORISED", 409: "STATE_CONFLICT", 422: "FIELD_INVALID"}
COOKIE: Final = "plateline_session"
CSRF_HEADER: Final = "x-csrf-token"
_FOLDER: Final = resources.files(__package__ or "alpr_console")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living session: who it is, what the agency's policy is, and whether the sound is on.

    `limit` is what has to be done first: while it stands, only routes that are made for it (`limited`) answer.
    `lock_exempt`: a terminal of a staffed dispatch room, whose open feed counts as use. `alerts` are unseen ones,
    `breaches` notices and tasks of breaches that wait for this person (SEC-02).
    `policy_changed`: the session goes on, and a version of the policy came into force that its person has not read.
    `client_kind` is what the session signed on as, a dispatch console where it did not (HIT-03, DEF-12); `unit` is the
    call sign it signed on with, `client_id` this sign-on, `unit_device` the ALPR device it works with, or empty.
    """

    person: Person
    profile: AgencyProfile
    csrf: str
    sound_armed: bool
    muted_until: datetime | None
    limit: Refused | None = None
    locks_at: datetime | None = None
    lock_exempt: bool = False
    alerts: int = 0
    breaches: int = 0
    review_due: datetime | None = None
    policy_changed: bool = False
    client_kind: ClientKind = ClientKind.DISPATCH_CONSOLE
    unit: str = ""
    client_id: str = ""
    unit_device: str = ""
    signed_on_at: datetime | None = None


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
    refusals: RefusalLog


class SignInFirst(Exception):
    """A page was asked for by somebody who has to do something else first; `page` is where."""

    def __init__(self, page: str = "/login") -> None:
        super().__init__(page)
        self.page = page


LOCKED: Final = "SESSION_LOCKED"
SETUP: Final = ("PASSWORD_FIRST", "SECOND_FACTOR_NOT_ENROLLED")
POLICY: Final = "POLICY_NOT_READ"
REVIEW: Final = "OWN_ACCESS_REVIEW_OVERDUE"
LIMITS: Final = (POLICY, REVIEW)
"""What is missing, and yet somebody comes in: to read the policy, or to decide in the access review (TRN-06, ACC-12)."""
_FIRST_PAGES: Final = {
    LOCKED: "/locked",
    POLICY: "/policy",
    REVIEW: "/people-reviews",
    **dict.fromkeys(SETUP, "/setup"),
}


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


def security_keys(request: Request) -> SecurityKeys | None:
    """Give the site that security keys sign for: that of the setting, or `localhost` when all is on this machine.

    None otherwise: a name that the caller chooses is no site, and an address without name can be none (WebAuthn 5.1.2).
    """
    public = urlsplit(web_of(request).settings.public_url)
    if public.hostname:
        return SecurityKeys(f"{public.scheme}://{public.netloc}", public.hostname)
    host = request.headers.get("host", "")
    if on_this_machine(request) and host.partition(":")[0] == "localhost":
        return SecurityKeys(f"http://{host}", "localhost")
    return None


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
    """Demand a living session that nothing limits. Raises `Problem` 401 or 403.

    For what a page does by itself: it does not keep an idle session alive.
    """
    return _unlimited(await _session(request))


def limited(*codes: str) -> Callable[[Request], Awaitable[SignedIn]]:
    """Make the demand of a route that also answers while one of these limits stands (TRN-06, CJIS AC-11)."""

    async def demand(request: Request) -> SignedIn:
        session = await _session(request)
        return session if session.limit and session.limit.reason_code in codes else _unlimited(session)

    return demand


def _unlimited(session: SignedIn) -> SignedIn:
    if session.limit is not None:
        raise Problem.of(session.limit, 401 if session.limit.reason_code == LOCKED else 403)
    return session


async def _session(request: Request) -> SignedIn:
    token, by_cookie = session_token(request)
    session = await web_of(request).find_session(token, web_of(request).clock()) if token else None
    if session is None:
        raise Problem(401, "NO_SESSION", "sign in first")
    request.state.person = replace(session.person, source_ip=caller(request))  # whom a refusal below is entered for
    if by_cookie and request.method not in SAFE:
        sent = request.headers.get(CSRF_HEADER, "")
        if not sent and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            sent = str((await request.form()).get("csrf", ""))
        if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            raise Problem(403, "CSRF_TOKEN_WRONG", f"changes need the header {CSRF_HEADER} of GET /v1/session")
    return replace(session, person=request.state.person)


async def page_person(request: Request) -> SignedIn:
    """Demand a living session for a page; without one, or where something comes first, that page is shown."""
    request.state.as_page = True  # a refusal is shown as a page, too
    try:
        return await signed_in(request)
    except Problem as problem:
        if problem.reason_code in _FIRST_PAGES:
            raise SignInFirst(_FIRST_PAGES[problem.reason_code]) from problem
        if problem.status == 401:
            raise SignInFirst from problem
        raise


def page_limited(*codes: str) -> Callable[[Request], Awaitable[SignedIn]]:
    """Make the demand of a page that is shown while one of these limits stands, and otherwise as every page."""
    demand = limited(*codes)

    async def page_demand(request: Request) -> SignedIn:
        try:
            return await demand(request)
        except Problem as problem:
            raise SignInFirst(_FIRST_PAGES.get(problem.reason_code, "/login")) from problem

    return page_demand


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Hand the session to the browser: unreadable to scripts, never sent across sites, never over plain networks."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=not on_this_machine(request), path="/")


def event(name: str, data: object, number: int | None = None) -> bytes:
    """Lay out one server-sent event (WHATWG HTML 9.2)."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Place:
    """A place to go to: its path, its words, and whom it is of any use to; its own route decides again."""

    path: str
    words: str
    open_to: Callable[[SignedIn], bool]


class Pages:
    """Renders the templates; everything is escaped."""

    def __init__(self, places: Sequence[Place] = (), menu: Sequence[Place] = ()) -> None:
        self._places, self._menu = places, menu
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
        self._environment.filters["iso"] = iso
        self._environment.filters["local"] = local
        self._environment.filters["day"] = day

    def render(
        self,
        request: Request,
        name: str,
        session: SignedIn | None,
        status: int = 200,
        *,
        reason_code: str = "",
        **values: Any,
    ) -> Response:
        """Render a page; `session` fills the frame around it: owner, watermark, person, tokens.

        `reason_code` is the code of the refusal that the page shows, for its ledger entry (AUD-09).
        """
        request.state.reason_code = reason_code
        frame = {
            "path": request.url.path,
            "session": session,
            "now": web_of(request).clock(),
            "places": [place for place in self._places if session and not session.limit and place.open_to(session)],
            "menu": [place for place in self._menu if session and not session.limit and place.open_to(session)],
        }
        text = self._environment.get_template(name).render({**frame, **values})
        return HTMLResponse(text, status)


def pages_of(request: Request) -> Pages:
    """Give the routes their templates."""
    pages: Pages = request.app.state.pages
    return pages


async def refuse(request: Request, problem: Problem) -> Response:
    """Answer with a problem; a refusal is in the ledger's queue before it is answered (AUD-09)."""
    if problem.recorded:
        ENTERED.set(True)
    if problem.status in RECORDED:
        try:
            await enter_refusal(request, problem.status, problem.reason_code, problem.rule_id)
        except Transient:
            return problem_answer(AWAY)
    return problem_answer(problem)


def begin_call(request: Request) -> None:
    """Nothing of this call is entered yet, and nobody is known to ask."""
    ENTERED.set(False)
    request.state.person = None


async def enter_refusal(request: Request, status: int, reason_code: str = "", rule_id: str = "") -> None:
    """Enter a refused call, unless it is entered; the code is the page's where no problem names one (AUD-09)."""
    if ENTERED.get():
        return
    ENTERED.set(True)
    route = getattr(request.scope.get("route"), "path", "")
    facts = {"method": request.method, "route": route, "status": str(status), "rule_id": rule_id}
    code = reason_code or getattr(request.state, "reason_code", "") or _CODES.get(status, "REFUSED")
    await web_of(request).refusals.tell(getattr(request.state, "person", None), caller(request), code, facts)


def create_app(
    web: Web, routers: Sequence[Any], *, version: str, places: Sequence[Place] = (), menu: Sequence[Place] = ()
) -> FastAPI:
    """Put the app together: routes, static files, protection, and every error as a problem (RFC 9457)."""
    app = FastAPI(title="Plateline", version=version, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.web = web
    app.state.pages = Pages(places, menu)
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(_FOLDER.joinpath("static"))))
    app.add_middleware(Protect)
    app.state.begin_call, app.state.enter_refusal, app.state.refuse = begin_call, enter_refusal, refuse

    @app.get("/v1/openapi.json", include_in_schema=False, dependencies=[Depends(signed_in)])
    async def describe() -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        answer = await refuse(request, problem)
        if answer.status_code == 403 and getattr(request.state, "as_page", False):
            return pages_of(request).render(request, "refused.html", None, 403, detail=problem.detail)
        return answer

    @app.exception_handler(SignInFirst)
    async def on_sign_in_first(request: Request, first: SignInFirst) -> Response:
        wanted = request.url.path if request.method == "GET" and first.page == "/locked" else ""
        return RedirectResponse(f"{first.page}?{urlencode({'next': wanted})}" if wanted else first.page, 303)

    @app.exception_handler(DoorAway)
    async def on_door_away(_request: Request, away: DoorAway) -> Response:
        return problem_answer(
            Problem(
                away.status,
                "LEDGER_UNAVAILABLE" if away.door == "audit" else f"{away.door.upper()}_NOT_AVAILABLE",
                f"{away.door} does not answer; {_LOOK.get(away.door, _LOOK['ingest'])}, before you repeat it",
            )
        )

    @app.exception_handler(Transient)
    async def on_transient(_request: Request, _error: Transient) -> Response:
        return problem_answer(AWAY)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        # names of fields only: what was typed into them may be a plate
        fields = ", ".join(
            sorted({".".join(str(part) for part in item["loc"][1:]) or "body" for item in error.errors()})
        )
        return await refuse(request, Problem(422, "FIELD_INVALID", f"missing or not understood: {fields}"))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        return await refuse(request, Problem(error.status_code, f"HTTP_{error.status_code}", str(error.detail)))

    return app
