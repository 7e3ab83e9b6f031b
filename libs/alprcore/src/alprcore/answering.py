"""What the doors of services share: who asks, by the console's token, and how a call is refused (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse

from alprcore.model import Person
from alprcore.seal import read_person


class Refusal(Exception):
    """A call that is not answered: status, reason code and words; it becomes one `refused` entry of the ledger.

    `facts` stand in the entry; `asked` is what a understood question had asked, kept beside the person.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        person: Person | None = None,
        facts: Mapping[str, str] | None = None,
        asked: Mapping[str, Any] | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.person, self.asked = status, code, detail, person, asked
        self.facts, self.retry_after_s = dict(facts or {}), retry_after_s


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    retry_after_s: float = 0.0,
    **more: Any,
) -> JSONResponse:
    """Answer with problem details (RFC 9457): the code stands for people as the title, for machines as `reason_code`."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "reason_code": code, **more}
    waits = {"retry-after": str(math.ceil(retry_after_s))} if retry_after_s else {}
    return JSONResponse(body, status, {**(headers or {}), **waits}, media_type="application/problem+json")


def asker(header: str, public: bytes, now: datetime) -> Person:
    """Tell who asks, by the header `authorization` and the console's key; never by anything in the body (QRY-06).

    Raises `PermissionError` TOKEN_MISSING, TOKEN_INVALID, or TOKEN_EXPIRED after 5 s.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "person" or not token:
        raise PermissionError("TOKEN_MISSING")
    return read_person(token.strip(), public, now)
