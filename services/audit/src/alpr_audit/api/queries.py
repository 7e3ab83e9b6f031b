"""`/v1/queries` and what may follow an answered one: single reads and images."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alprcore.model import Refused
from alprcore.plates import normalize, skeleton
from alprcore.policy import Criteria, may_query

from .. import metrics
from .answers import Refusal
from .door import Door
from .shapes import ImageViewBody, QueryBody, read_body

NEARBY: Final = timedelta(days=1)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORBIDDEN: Final = frozenset({"ROLE_NOT_AUTHORISED", "PURPOSE_NOT_PERMITTED"})


def search_of(criteria: Criteria, limit: int, after: str) -> dict[str, Any]:
    """Lay out the search that PostgreSQL executes; raises `ValueError` for an `after` that no answer gave."""
    plate, pattern = normalize(criteria.plate).reveal(), criteria.partial.upper()
    folded = criteria.lookalike
    when = (criteria.captured_from, criteria.captured_to)
    fields: dict[str, Any] = {
        "skeleton" if folded else "plate": skeleton(plate) if folded else plate,
        "partial_skeleton" if folded else "partial": skeleton(pattern) if folded else pattern,
        "state": criteria.state.upper(),
        "captured_from": when[0].isoformat() if when[0] else "",
        "captured_to": when[1].isoformat() if when[1] else "",
        "area": asdict(criteria.area) if criteria.area else None,
        "device_ids": [criteria.device_id] if criteria.device_id else [],
        "list_code": criteria.list_code,
        "read_id": criteria.read_id,
    }
    if after:
        captured_at, _, read_id = after.partition("/")
        if datetime.fromisoformat(captured_at).tzinfo is None or not _UUID.fullmatch(read_id):
            raise ValueError("after")
        fields["after"] = {"captured_at": captured_at, "read_id": read_id}
    return {**{name: value for name, value in fields.items() if value}, "limit": limit}


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    @routes.post("/v1/queries")
    async def post_query(request: Request) -> Response:
        person = door.person(request)
        profile = door.profile(person)
        body: QueryBody = await read_body(request, QueryBody, person)
        query = body.query()
        if body.criteria.plate and not query.criteria.plate:
            raise Refusal(422, "CRITERIA_INVALID", "plate: no letter or digit", person=person)
        decision = may_query(query, person, profile, door.clock())
        if isinstance(decision, Refused):
            status = 403 if decision.reason_code in _FORBIDDEN else 422
            raise Refusal(status, decision.reason_code, decision.detail, person=person)
        if query.criteria.own_detections and not query.criteria.device_id:
            raise Refusal(422, "CRITERIA_INVALID", "own detections: name the device of your session", person=person)
        try:
            search = search_of(query.criteria, query.limit, query.after)
        except ValueError:
            raise Refusal(422, "CRITERIA_INVALID", "after: not the `next` of an answer", person=person) from None
        posted = body.model_dump(mode="json", exclude_unset=True)
        personal = {
            "ip": person.source_ip,
            "criteria": posted.pop("criteria"),
            "limit": query.limit,
            "after": query.after,
            "reasons": {name: value for name, value in posted.items() if name not in {"limit", "after"}},
        }
        facts = {"purpose_code": query.purpose_code}
        intent, result, rows = await door.answer(person, search, personal, facts)
        metrics.QUERIES.labels("answered").inc()
        answer = {"query_id": intent.index, "receipt": await door.receipt(intent, result), "rows": rows}
        if len(rows) == query.limit:
            answer["next"] = f"{rows[-1]['captured_at']}/{rows[-1]['read_id']}"
        return JSONResponse(answer)

    @routes.get("/v1/reads/{read_id}")
    async def get_read(request: Request, read_id: str, query_id: str = "") -> Response:
        person = door.person(request)
        if not query_id.isascii() or not query_id.isdigit() or len(query_id) > 15:
            raise Refusal(422, "FIELD_MISSING", "query_id: the query that answered this read", person=person)
        personal, captured = await door.follow_up(person, int(query_id), read_id)
        personal["criteria"] = {"read_id": read_id}
        # a correction may move the time of capture a little; the bounds spare opening every due day
        span = {"captured_from": (captured - NEARBY).isoformat(), "captured_to": (captured + NEARBY).isoformat()}
        search = {"read_id": read_id, "limit": 1, **span}
        intent, result, rows = await door.answer(person, search, personal, {"follows": int(query_id)})
        if not rows:
            raise Refusal(404, "READ_UNKNOWN", "the read is not kept any more", person=person)
        return JSONResponse({**rows[0], "receipt": await door.receipt(intent, result)})

    @routes.post("/v1/image-views")
    async def post_image_view(request: Request) -> Response:
        person = door.person(request)
        body: ImageViewBody = await read_body(request, ImageViewBody, person)
        personal, captured = await door.follow_up(person, body.query_id, body.read_id)
        personal["criteria"] = {"read_id": body.read_id, "role": body.role.value}
        act = {"act": "image", **personal["criteria"], "captured_at": captured.isoformat()}
        facts = {"follows": body.query_id}
        receipt = await door.record("image_view", person, facts=facts, personal=personal, act=act)
        return JSONResponse({"entry": receipt.index, "checkpoint": receipt.note}, 201)

    return routes
