"""What the doors of every feature share: who asks, refusals with problem details, bodies with limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from alprcore.answering import Refusal, asker, problem
from alprcore.errors import Transient
from alprcore.model import Person
from alprcore.refusals import RefusalLog

BODY_LIMIT: Final = 64 * 1024
UUID_TEXT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Body(BaseModel):
    """A call's JSON body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=BaseModel)


async def read_bytes(request: Request, person: Person, limit: int = BODY_LIMIT) -> bytes:
    """Read a call's body. Raises `Refusal` 413 BODY_TOO_LARGE beyond the limit, in bytes."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise Refusal(413, "BODY_TOO_LARGE", f"at most {limit} bytes", person=person)
    return bytes(raw)


async def read_body(request: Request, model: type[B], person: Person, limit: int = BODY_LIMIT) -> B:
    """Read a call's JSON body, an empty one as `{}`. Raises `Refusal` 422 FIELD_INVALID naming the fields, or 413."""
    try:
        return model.model_validate_json(await read_bytes(request, person, limit) or b"{}")
    except ValidationError as error:
        places = sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False)})
        raise Refusal(422, "FIELD_INVALID", ", ".join(places)[:500], person=person) from None


def need_id(text: str, person: Person, code: str, detail: str) -> str:
    """Take a uuid from a path; anything else is as unknown as an id that nobody gave. Raises `Refusal` 404."""
    if not UUID_TEXT.fullmatch(text):
        raise Refusal(404, code, detail, person=person)
    return text


class Door:
    """Who may come in: reads the token that the console signs for each call of a person."""

    def __init__(self, person_key: bytes, clock: Callable[[], datetime]) -> None:
        self._person_key, self.clock = person_key, clock

    def asker(self, request: Request, roles: frozenset[str] = frozenset()) -> Person:
        """Say who asks. Raises `Refusal` 401, or 403 ROLE_NOT_AUTHORISED when none of `roles` is theirs."""
        try:
            person = asker(request.headers.get("authorization", ""), self._person_key, self.clock())
        except PermissionError as error:
            raise Refusal(401, str(error), "no person token that holds") from error
        if roles and roles.isdisjoint(person.roles):
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "your role may not do this", person=person)
        return person


def answer_refusals(app: FastAPI, refusals: RefusalLog) -> None:
    """Answer refusals with problem details, each told to the ledger first (AUD-09), and what is away with 503."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        route: Any = getattr(request.scope.get("route"), "path", "")
        peer = request.client.host if request.client else ""
        facts = {"route": str(route), "method": request.method, "status": str(refusal.status), **refusal.facts}
        await refusals.tell(refusal.person, peer, refusal.code, facts)
        return problem(refusal.status, refusal.code, refusal.detail)

    @app.exception_handler(Transient)
    async def away(_request: Request, _error: Transient) -> Response:
        return problem(503, "STORE_UNAVAILABLE", "the database or the image store is away")

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        places = sorted({str(item["loc"][-1]) for item in error.errors()})
        return await refused(request, Refusal(422, "FIELD_INVALID", ", ".join(places)[:500]))
