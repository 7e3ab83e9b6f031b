"""The doors of the purge: preview, run, runs with their certificates (RET-06, RET-15)."""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alprcore.model import Person

from ..telling import Outbox
from ..web import Body, Door, Refusal, need_id, read_body
from .store import Purges

logger = logging.getLogger(__name__)

RUN_READERS: Final = frozenset({"retention_officer", "program_manager", "auditor", "custodian"})
PURGERS: Final = frozenset({"retention_officer"})
PATIENCE_S: Final = 10.0
"""How long a caller waits for the end of a run; a longer one is answered with 202 and looked at by its id."""


class PurgeBody(Body):
    """A purge or its preview: every due day before `as_of`; none: all that have ended."""

    as_of: date | None = None


def routes(door: Door, purges: Purges, outbox: Outbox) -> APIRouter:
    """The routes of purges."""
    router = APIRouter()
    running: set[asyncio.Task[str]] = set()

    def over(task: asyncio.Task[str]) -> None:
        running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("purge_put_off", extra={"reason": str(error)})

    async def seen(person: Person, run_id: str) -> dict[str, Any]:
        runs = await purges.accounts.runs(person.agency, run_id)
        if not runs:
            raise Refusal(404, "RUN_UNKNOWN", "no such purge", person=person)
        return runs[0]

    @router.post("/v1/purges/previews")
    async def post_preview(request: Request) -> Response:
        """What a purge would take now, without taking it: counts only."""
        person = door.asker(request, RUN_READERS)
        body = await read_body(request, PurgeBody, person)
        try:
            return JSONResponse(await purges.preview(person.agency, body.as_of))
        except PermissionError as error:
            raise Refusal(403, str(error), "no purge at this date", person=person) from error

    @router.post("/v1/purges")
    async def post_purge(request: Request) -> Response:
        person = door.asker(request, PURGERS)
        body = await read_body(request, PurgeBody, person)
        if not purges.knows(person.agency):
            raise Refusal(409, "PURGE_PENDING", "the agency's policy is not known yet", person=person)
        task = asyncio.create_task(purges.purge(body.as_of, person))
        running.add(task)
        task.add_done_callback(over)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        try:
            run_id = task.result() if done else purges.begun
        except PermissionError as error:
            status = 403 if str(error) == "RETENTION_FLOOR" else 409
            raise Refusal(status, str(error), "no purge at this date or at this moment", person=person) from error
        await outbox.tell(person, "purge_requested", run_id, door.clock(), {"run_id": run_id})
        return JSONResponse(await seen(person, run_id), 201 if done else 202)

    @router.get("/v1/retention/runs")
    async def get_runs(request: Request) -> Response:
        person = door.asker(request, RUN_READERS)
        return JSONResponse({"runs": await purges.accounts.runs(person.agency), "next": None})

    @router.get("/v1/retention/runs/{run_id}")
    async def get_run(request: Request, run_id: str) -> Response:
        person = door.asker(request, RUN_READERS)
        return JSONResponse(await seen(person, need_id(run_id, person, "RUN_UNKNOWN", "no such purge")))

    return router
