"""The query door and the ledger's routes: record first, then answer. No entry, no row, whoever asks and however."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from alprcore.errors import Transient

from .. import ledger, metrics
from . import audits, queries
from .answers import Refusal, SearchAway, problem
from .door import Door

__all__ = ["Door", "create_app"]

logger = logging.getLogger(__name__)


def create_app(door: Door) -> FastAPI:
    """The routes of the ledger and the query door."""
    app = FastAPI(title="Plateline audit", openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        metrics.QUERIES.labels("refused").inc()
        try:
            await door.refuse(request, refusal)
        except Transient as error:
            return await away(request, error)
        return problem(refusal.status, refusal.code, refusal.detail)

    @app.exception_handler(Transient)
    async def away(_request: Request, error: Transient) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        logger.warning("ledger_unavailable", extra={"reason": str(error)})
        return problem(503, "LEDGER_UNAVAILABLE", "nothing can be recorded now, so nothing is answered")

    @app.exception_handler(SearchAway)
    async def unanswered(_request: Request, _error: SearchAway) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        return problem(503, "SEARCH_UNAVAILABLE", "the question is recorded and could not be answered; ask again")

    @app.exception_handler(ledger.EntryInvalid)
    async def odd(request: Request, _error: ledger.EntryInvalid) -> Response:
        return await refused(request, Refusal(422, "CRITERIA_INVALID", "a text holds characters that cannot be kept"))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        places = sorted({str(item["loc"][-1]) for item in error.errors()})
        return await refused(request, Refusal(422, "FIELD_INVALID", ", ".join(places)[:500]))

    for part in (queries, audits):
        app.include_router(part.router(door))
    return app
