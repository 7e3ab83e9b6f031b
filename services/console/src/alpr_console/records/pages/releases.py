"""Requests for releases: the form, the queue, the decision, the file; demands of courts and of persons about themselves."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from ...web import SignedIn
from .. import rules
from . import ground

_STATES: Final = ("draft", "submitted", "approved", "fulfilled", "denied", "refused", "routed_to_records", "withdrawn")
_FORM: Final = "/v1/release-requests/form"


def router(empowered: ground.Empowered) -> APIRouter:
    """Give the pages; `empowered` tells of a designee's power over releases."""
    routes, visitor = APIRouter(), ground.designee(empowered)

    @routes.get("/records/releases")
    async def releases(
        request: Request, show: str = "", after: str = "", session: SignedIn = Depends(visitor)
    ) -> Response:
        async def values() -> dict[str, Any]:
            which = show if show in (*_STATES, "filed") else ""
            asked = {"filed": "true"} if which == "filed" else {"state": which} if which else {}
            query = urlencode(asked | ({"after": after} if after else {}))
            answer, form = await asyncio.gather(
                ground.found(request, session, "/v1/release-requests", query), ground.maybe(request, session, _FORM)
            )
            return {
                "requests": answer.get("release_requests", []), "next": answer.get("next"), "which": which,
                "states": [("", "All"), *((code, rules.state(code)[0]) for code in _STATES), ("filed", "For the file")],
                "form": form,
            }  # fmt: skip

        return await ground.show(request, session, "requests.html", values)

    @routes.get("/records/releases/new")
    async def new_request(request: Request, session: SignedIn = Depends(visitor)) -> Response:
        return await _form(request, session, rules.Taken())

    @routes.post("/records/releases/new")
    async def new_request_of(request: Request, session: SignedIn = Depends(visitor)) -> Response:
        return await _form(request, session, rules.taken((await request.form()).multi_items()))

    @routes.get("/records/releases/{request_id}")
    async def one_request(request: Request, request_id: str, session: SignedIn = Depends(visitor)) -> Response:
        async def values() -> dict[str, Any]:
            one, form = await asyncio.gather(
                ground.found(request, session, f"/v1/release-requests/{quote(request_id, safe='')}"),
                ground.maybe(request, session, _FORM),
            )
            return {
                "one": one, "form": form, "methods": rules.METHODS, "classes": rules.class_words(form),
                "media": rules.media(session.profile),
            }  # fmt: skip

        return await ground.show(request, session, "request.html", values)

    @routes.get("/records/demands")
    async def demands(request: Request, after: str = "", session: SignedIn = Depends(visitor)) -> Response:
        async def values() -> dict[str, Any]:
            query = urlencode({"after": after}) if after else ""
            answer, holds, requests = await asyncio.gather(
                ground.found(request, session, "/v1/demands", query), _holds(request, session),
                ground.quietly(request, session, "/v1/release-requests"),
            )  # fmt: skip
            rows = (requests or {}).get("release_requests", [])
            return {
                "demands": answer.get("demands", []), "next": answer.get("next"), "kinds": rules.DEMANDS,
                "records": rules.records_demands(session.person), "holds": holds,
                "requests": [(row["request_id"], rules.request_words(row)) for row in rows],
            }  # fmt: skip

        return await ground.show(request, session, "demands.html", values)

    @routes.get("/records/demands/{demand_id}")
    async def one_demand(request: Request, demand_id: str, session: SignedIn = Depends(visitor)) -> Response:
        async def values() -> dict[str, Any]:
            one, holds = await asyncio.gather(
                ground.found(request, session, f"/v1/demands/{quote(demand_id, safe='')}"), _holds(request, session)
            )
            return {
                "one": one, "kinds": rules.DEMANDS, "looks": rules.looks_up(session.person), "holds": holds,
            }  # fmt: skip

        return await ground.show(request, session, "demand.html", values)

    return routes


async def _form(request: Request, session: SignedIn, taken: rules.Taken) -> Response:
    async def values() -> dict[str, Any]:
        form, open_ones = await asyncio.gather(
            ground.found(request, session, _FORM), ground.quietly(request, session, "/v1/release-requests")
        )
        rows = (open_ones or {}).get("release_requests", [])
        waiting = [(row["request_id"], rules.request_words(row)) for row in rows if "scope" in row.get("may", ())]
        return {"form": form, "taken": taken, "received": rules.RECEIVED, "waiting": waiting}

    return await ground.show(request, session, "new_request.html", values)


async def _holds(request: Request, session: SignedIn) -> list[tuple[str, str]]:
    """List the holds that bind now, as a choice."""
    rows = (await ground.quietly(request, session, "/v1/holds") or {}).get("holds", [])
    return [(row["hold_id"], rules.hold_words(row)) for row in rows if row["state"] != "ended"]
