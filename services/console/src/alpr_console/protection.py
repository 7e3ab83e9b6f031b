"""What holds for every answer: problems in one form, no change from another site, no foreign code, no copies."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alprcore.errors import Transient
from alprcore.model import Refused
from alprcore.policy import RECORDED

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


_ENTRANCES: Final = ("/login", "/logout", "/locked", "/account", "/v1/session", "/v1/sign-in", "/v1/me")
_STREAMED: Final = ("/v1/hotlists", "/v1/devices", "/v1/release-requests")
"""Paths whose bodies are passed on as they come, to a service that bounds them itself."""
_WAIT: Final = 429
_WAIT_S: Final = 60
"""Attempts are counted over a minute; a door behind this one says its own time."""
_LONGEST_FORM: Final = 65_536
_LONGEST_BODY: Final = 1_048_576


class Problem(Exception):
    """An answer in the form of RFC 9457, with the code a machine reads.

    `recorded`: what was refused is in the ledger already, written with the act that was refused.
    """

    def __init__(
        self, status: int, reason_code: str, detail: str, *, rule_id: str = "", recorded: bool = False
    ) -> None:
        super().__init__(reason_code)
        self.status = status
        self.reason_code = reason_code
        self.detail = detail
        self.rule_id = rule_id
        self.recorded = recorded

    @classmethod
    def of(cls, refusal: Refused, status: int = 403, *, recorded: bool = False) -> Problem:
        """Turn a rule's refusal into an answer."""
        return cls(status, refusal.reason_code, refusal.detail, rule_id=refusal.rule_id, recorded=recorded)


AWAY: Final = Problem(503, "DATABASE_NOT_AVAILABLE", "the database does not answer; try again")


def problem_answer(problem: Problem) -> JSONResponse:
    """Lay out a problem (RFC 9457)."""
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


def _longest(path: str, kind: str) -> int | None:
    """How many bytes a call may bring: what is held in memory before anybody is known is bounded; files stream on."""
    if path.startswith(_STREAMED):
        return None
    small = path.startswith(_ENTRANCES) or not kind.startswith("application/json")
    return _LONGEST_FORM if small else _LONGEST_BODY


def _bounded(receive: Receive, longest: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > longest:
            raise HTTPException(413, f"more than {longest} bytes")
        return message

    return bounded


class Protect:
    """Refuses changes that come from another site, and marks every answer: no foreign code, no framing, no copies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on, and mark the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        scope["app"].state.begin_call(request)
        away = False
        static = scope["path"].startswith("/static/")

        async def marked(message: Message) -> None:
            nonlocal away
            if away:
                return  # another answer went out in its place
            if message["type"] == "http.response.start":
                if message["status"] in RECORDED:
                    try:
                        await scope["app"].state.enter_refusal(request, message["status"])
                    except Transient:
                        await problem_answer(AWAY)(scope, receive, marked)
                        away = True
                        return
                headers = MutableHeaders(scope=message)
                for name, value in _PROTECTION:
                    headers.setdefault(name, value)
                if message["status"] == _WAIT:
                    headers.setdefault("retry-after", str(_WAIT_S))
                headers["cache-control"] = "public, max-age=86400" if static else "no-store"
            await send(message)

        longest = _longest(scope["path"], request.headers.get("content-type", ""))
        if longest is not None:
            receive = _bounded(receive, longest)
        if scope["method"] not in SAFE and _foreign(request):
            problem = Problem(403, "CROSS_ORIGIN", "changes are taken from this site's own pages only")
            answer = await scope["app"].state.refuse(request, problem)
            await answer(scope, receive, marked)
            return
        await self._app(scope, receive, marked)


def _foreign(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # browsers say it themselves, and no page can forge it
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
