"""The doors of ingest: parse, ask the rules, keep or publish, answer."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from alpr_ingest.api import devices, dry_runs, entered, feeds, frames, lists, loads, packages, special
from alpr_ingest.api.door import Doors, Problem, away, refuse
from alprcore import audited
from alprcore.errors import Transient

__all__ = ["Doors", "build_app"]


def build_app(doors: Doors) -> FastAPI:
    """Put the routes on their doors."""
    app = FastAPI(title="Plateline ingest", openapi_url=None)
    app.state.doors = doors
    for room in (packages, devices, dry_runs, entered, feeds, frames, lists, loads, special):
        app.include_router(room.router)

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> JSONResponse:
        return await refuse(request, problem)

    @app.exception_handler(Transient)
    async def _away(_request: Request, _error: Transient) -> JSONResponse:
        return away()

    @app.exception_handler(HTTPException)
    async def _plain(_request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
        code = codes.get(error.status_code, "REQUEST_INVALID")
        return Problem(error.status_code, code, str(error.detail)).answer()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        codes = {"missing": "FIELD_MISSING", "extra_forbidden": "FIELD_UNKNOWN"}
        named = ".".join(str(step) for step in first["loc"][1:]) or "body"
        code = codes.get(first["type"], "FIELD_INVALID")  # never the value: it may be a name or a plate
        return await refuse(request, Problem(422, code, named))

    audited.require("ingest", app.routes)
    return app
