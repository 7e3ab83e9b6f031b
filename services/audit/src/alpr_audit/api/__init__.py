"""The query door and the ledger's routes: record first, then answer. No entry, no row, whoever asks and however."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from alprcore import audited
from alprcore.answering import Refusal, problem
from alprcore.errors import Transient

from .. import ledger, metrics
from ..store.reviews import Reviews
from . import approvals, audits, cases, exports, packages, queries, reports, sharing
from . import reviews as reviewing
from .answers import SearchAway
from .door import Door
from .limits import Limit, Limits

__all__ = ["Door", "Limit", "Limits", "create_app"]

logger = logging.getLogger(__name__)


def create_app(door: Door, reviews: Reviews, digest: Callable[[str], bytes]) -> FastAPI:
    """The routes of the ledger and the query door."""
    app = FastAPI(title="Plateline audit", openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        metrics.QUERIES.labels("refused").inc()
        try:
            await door.refuse(request, refusal)
        except Transient as error:
            return await away(request, error)
        return problem(refusal.status, refusal.code, refusal.detail, retry_after_s=refusal.retry_after_s)

    def of_asker(request: Request, code: str, detail: str) -> Refusal:
        """Refuse for a fault of form, naming the asker; whoever shows no valid token is refused for that instead."""
        try:
            return Refusal(422, code, detail, person=door.person(request))
        except Refusal as refusal:
            return refusal

    @app.exception_handler(Transient)
    async def away(_request: Request, error: Transient) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        logger.warning("ledger_unavailable", extra={"reason": str(error)})
        return problem(503, "LEDGER_UNAVAILABLE", "nothing can be recorded now, so nothing is answered")

    @app.exception_handler(SearchAway)
    async def unanswered(_request: Request, _error: SearchAway) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        return problem(503, "SEARCH_UNAVAILABLE", "the question is recorded and could not be answered; ask again")

    @app.exception_handler(ledger.FieldsMissing)
    async def incomplete(request: Request, error: ledger.FieldsMissing) -> Response:
        return await refused(request, of_asker(request, "FIELD_MISSING", ", ".join(error.names)[:500]))

    @app.exception_handler(ledger.EntryInvalid)
    async def odd(request: Request, _error: ledger.EntryInvalid) -> Response:
        words = "a text holds characters that cannot be kept"
        return await refused(request, of_asker(request, "CRITERIA_INVALID", words))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        places = sorted({str(item["loc"][-1]) for item in error.errors()})
        return await refused(request, of_asker(request, "FIELD_INVALID", ", ".join(places)[:500]))

    for part in (queries, cases, exports, approvals, audits, sharing, packages):
        app.include_router(part.router(door))
    app.include_router(reports.router(door, reviews))
    app.include_router(reviewing.router(door, reviews, digest))
    audited.require("audit", app.routes)
    return app
