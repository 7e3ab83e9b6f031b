"""The overview of what is stored, due and held, what waits for this person, and the schedule with its changes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from ...web import SignedIn
from .. import rules
from . import ground


def router(empowered: ground.Empowered, noticed: ground.Noticed) -> APIRouter:
    """Give the pages; `empowered` tells of a designee's power over releases, `noticed` of breaches that wait for somebody."""
    routes, visitor = APIRouter(), ground.designee(empowered)

    @routes.get("/records")
    async def overview(request: Request, session: SignedIn = Depends(visitor)) -> Response:
        first = rules.first(session.person)
        if first not in {"", "/records"}:  # the overview is for who answers for the records; others begin at their work
            return RedirectResponse(first, 303)

        async def values() -> dict[str, Any]:
            stock, runs, grounds, letters, waiting = await asyncio.gather(
                ground.found(request, session, "/v1/retention/stock"),
                ground.quietly(request, session, "/v1/retention/runs"),
                ground.quietly(request, session, "/v1/holds/grounds"),
                ground.quietly(request, session, "/v1/retention/quarantine"),
                _waiting(request, session),
            )
            return {
                "stock": stock, "charts": rules.stock_charts(stock), "waiting": [*rules.breach_tasks(await noticed(session.person)), *waiting],
                "last": next(iter((runs or {}).get("runs", [])), None),
                "grounds": rules.held_by_ground(stock, (grounds or {}).get("grounds")),
                "letters": letters, "settles": rules.settles(session.person),
            }  # fmt: skip

        return await ground.show(request, session, "overview.html", values)

    @routes.get("/records/schedule")
    async def schedule(request: Request, session: SignedIn = Depends(visitor)) -> Response:
        async def values() -> dict[str, Any]:
            return {"schedule": await ground.found(request, session, "/v1/retention/schedule")}

        return await ground.show(request, session, "schedule.html", values)

    @routes.get("/records/schedule/{change_id}")
    async def one_change(request: Request, change_id: str, session: SignedIn = Depends(visitor)) -> Response:
        async def values() -> dict[str, Any]:
            path = f"/v1/retention/changes/{quote(change_id, safe='')}"
            return {"change": await ground.found(request, session, path)}

        return await ground.show(request, session, "change.html", values)

    return routes


async def _waiting(request: Request, session: SignedIn) -> list[rules.Task]:
    """List what waits for this person, of the parts that answer."""
    asked = [part for part in rules.WAITING if rules.may_look(part.page, session.person.roles)]
    answers = await asyncio.gather(*(ground.quietly(request, session, part.path, part.query) for part in asked))
    return [task for part, answer in zip(asked, answers, strict=True) for task in rules.tasks(part, answer or {})]
