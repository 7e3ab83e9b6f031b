"""How a door says no: problem details (RFC 9457), each refusal one entry of the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse

from alprcore.errors import Transient
from alprcore.model import Person, Refused

_FORBIDDEN: Final = frozenset(
    {
        "APPROVAL_REQUIRED",
        "FIRST_AMENDMENT_PROHIBITED",
        "PURPOSE_NOT_PERMITTED",
        "RECIPIENT_CLASS_NOT_PERMITTED",
        "ROLE_NOT_AUTHORISED",
        "TRAINING_MISSING",
    }
)
"""Codes of refusals that another text in the body would not lift: 403; every other one is 422."""
REVIEWED: Final[Mapping[str, str]] = {"FIRST_AMENDMENT_PROHIBITED": "first_amendment"}
"""Refusals that a person looks at afterwards, and the name under which they are found (USE-07)."""


class Refusal(Exception):
    """A call that is not answered: status, reason code and words; it becomes one `refused` entry.

    `asked` is what a understood question had asked; the entry keeps it beside the person.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        person: Person | None = None,
        asked: Mapping[str, Any] | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.person, self.asked = status, code, detail, person, asked
        self.retry_after_s = retry_after_s


def refusal_of(refused: Refused, person: Person, asked: Mapping[str, Any] | None = None) -> Refusal:
    """Say no as the policy decided."""
    status = 403 if refused.reason_code in _FORBIDDEN else 422
    return Refusal(status, refused.reason_code, refused.detail, person=person, asked=asked)


class SearchAway(Transient):
    """The question is recorded, but whoever holds the data did not answer it."""


def problem(status: int, code: str, detail: str, *, retry_after_s: float = 0.0) -> JSONResponse:
    """Answer with problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "reason_code": code}
    headers = {"retry-after": str(math.ceil(retry_after_s))} if retry_after_s else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")
