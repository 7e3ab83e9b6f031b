"""How a door says no: problem details (RFC 9457), each refusal one entry of the ledger."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from alprcore.errors import Transient
from alprcore.model import Person


class Refusal(Exception):
    """A call that is not answered: status, reason code and words; it becomes one `refused` entry."""

    def __init__(self, status: int, code: str, detail: str, *, person: Person | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.person = status, code, detail, person


class SearchAway(Transient):
    """The question is recorded, but PostgreSQL did not answer it."""


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """Answer with problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "reason_code": code}
    return JSONResponse(body, status, media_type="application/problem+json")
