"""The doors of the purge: preview, run, runs with their certificates (RET-06, RET-15)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from datetime import date
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import Person, Refused

from ..telling import Outbox
from ..web import Body, Door, need_id, read_body
from . import rules
from .store import Purges

logger = logging.getLogger(__name__)

RUN_READERS: Final = frozenset({"retention_officer", "program_manager", "auditor", "custodian"})
PURGERS: Final = frozenset({"retention_officer"})
PATIENCE_S: Final = 10.0
"""How long a caller waits for the end of a run; a longer one is answered with 202 and looked at by its id."""


class PurgeBody(Body):
    """A purge or its preview: every due day before `as_of`; none: all that have ended."""

    as_of: date | None = None


class LossBody(Body):
    """Why an image is given up as lost, or what the second person says to it."""

    note: str = Field("", max_length=2000)


class SettlementBody(LossBody):
    """What the second person decides about an image that another one has declared lost."""

    decision: Literal["confirm", "deny"]


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

    @router.get("/v1/retention/damaged-images")
    async def get_damaged(request: Request) -> Response:
        """Images of held reads that do not open, what is open first: they keep their day from being purged."""
        person = door.asker(request, RUN_READERS)
        rows = await purges.damages.listed(person.agency)
        return JSONResponse({"damaged": [_damaged(row, person) for row in rows]})

    @router.post("/v1/retention/damaged-images/{read_id}/{role}/losses")
    async def post_loss(request: Request, read_id: str, role: str) -> Response:
        """Declare an image lost: it cannot be brought back from any copy of the store."""
        person = door.asker(request, rules.LOSS_ROLES)
        body = await read_body(request, LossBody, person)
        name = need_id(read_id, person, "IMAGE_UNKNOWN", "no such damaged image")
        return await decided(person, name, role, purges.damages.declare(person, name, role, body.note, door.clock()))

    @router.post("/v1/retention/damaged-images/{read_id}/{role}/settlements")
    async def post_settlement(request: Request, read_id: str, role: str) -> Response:
        """Agree as the second person, or not: the next run keeps the read without the image."""
        person = door.asker(request, rules.LOSS_ROLES)
        body = await read_body(request, SettlementBody, person)
        name = need_id(read_id, person, "IMAGE_UNKNOWN", "no such damaged image")
        settled = purges.damages.settle(person, name, role, body.decision, body.note, door.clock())
        return await decided(person, name, role, settled)

    async def decided(person: Person, read_id: str, role: str, act: Awaitable[Refused | None]) -> Response:
        try:
            refused = await act
        except LookupError:
            raise Refusal(404, "IMAGE_UNKNOWN", "no such damaged image", person=person) from None
        if refused is not None:
            status = 409 if refused.reason_code == "STATE_CONFLICT" else 403
            facts = {"rule_id": refused.rule_id}
            raise Refusal(status, refused.reason_code, refused.detail, person=person, facts=facts)
        rows = await purges.damages.listed(person.agency)
        found = (row for row in rows if (str(row["read_id"]), row["role"]) == (read_id, role))
        return JSONResponse(next((_damaged(row, person) for row in found), {}), 201)

    @router.get("/v1/retention/runs")
    async def get_runs(request: Request) -> Response:
        person = door.asker(request, RUN_READERS)
        return JSONResponse({"runs": await purges.accounts.runs(person.agency), "next": None})

    @router.get("/v1/retention/runs/{run_id}")
    async def get_run(request: Request, run_id: str) -> Response:
        person = door.asker(request, RUN_READERS)
        return JSONResponse(await seen(person, need_id(run_id, person, "RUN_UNKNOWN", "no such purge")))

    return router


def _damaged(row: Mapping[str, Any], person: Person) -> dict[str, Any]:
    times = ("found_at", "declared_at", "confirmed_at")
    return {
        **row,
        "read_id": str(row["read_id"]),
        "hold_ids": [str(hold) for hold in row["hold_ids"]],
        "run_id": str(row["run_id"]) if row["run_id"] else None,
        "due_day": None if row["due_day"] == date.max else row["due_day"].isoformat(),
        **{name: row[name].isoformat() if row[name] else None for name in times},
        "may": rules.loss_acts(person, row),
    }
