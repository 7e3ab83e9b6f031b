"""`/v1/queries`, `/v1/hit-queries` and what may follow an answered one: single reads and images."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alprcore.answering import Refusal

from .. import metrics
from .asking import known_of, put, rows_of
from .door import Ask, Door, around, under
from .shapes import ImageViewBody, QueryBody, read_body
from .sharing import agreed


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    async def asked(request: Request, kind: str) -> Response:
        person = door.person(request)
        await door.count(person, "queries", "agency_queries")
        body: QueryBody = await read_body(request, QueryBody, person)
        hits = kind == "hit_query" or bool(body.criteria.list_code)
        agreement = await agreed(door, person, body.agency, body.purpose_code, hits=hits, asked=body.asked())
        ask, query = put(door, kind, body, person, await known_of(door, body, person), agreement)
        answered = await door.answer(person, ask)
        metrics.QUERIES.labels("answered").inc()
        rows = rows_of(answered, ask, str.__str__(query.criteria.plate))
        for row in rows:
            age = door.clock() - datetime.fromisoformat(row["captured_at"])
            metrics.ANSWER_AGE_DAYS.observe(age.total_seconds() / 86_400)
        answer: dict[str, Any] = {
            "query_id": answered.intent.index,
            "source_system": ask.source,
            "agency": ask.agency or person.agency,
            "sharing_agreement_id": ask.agreement_id,
            "case_number_due": ask.facts["case_number"] == "due",
            "receipt": await door.receipt(answered.intent, answered.result),
            "rows": rows,
        }
        if rows and len(rows) == query.limit and ask.source == "local":
            answer["next"] = f"{rows[-1]['captured_at']}/{rows[-1].get('hit_id') or rows[-1]['read_id']}"
        return JSONResponse(answer)

    @routes.post("/v1/queries")
    async def post_query(request: Request) -> Response:
        return await asked(request, "query")

    @routes.post("/v1/hit-queries")
    async def post_hit_query(request: Request) -> Response:
        return await asked(request, "hit_query")

    @routes.get("/v1/reads/{read_id}")
    async def get_read(request: Request, read_id: str, query_id: str = "") -> Response:
        person = door.person(request)
        await door.count(person, "views")
        if not query_id.isascii() or not query_id.isdigit() or len(query_id) > 15:
            raise Refusal(422, "FIELD_MISSING", "query_id: the query that answered this read", person=person)
        followed, captured = await door.follow_up(person, int(query_id), read_id)
        reasons = followed.content.get("reasons", {})
        agreement = await agreed(door, person, followed.agency, reasons.get("purpose_code", ""))
        ask = Ask(
            kind="query",
            act="search",
            search={"read_id": read_id, "limit": 1, **around([captured])},
            facts={
                "follows": followed.query_id,
                "purpose_code": reasons.get("purpose_code", ""),
                "offense_code": reasons.get("offense_code", ""),
                "case_number": "none",
                "elements": ["read_id"],
            },
            personal={"reasons": reasons, "criteria": {"read_id": read_id}},
            agency=followed.agency,
            agreement_id=agreement.agreement_id if agreement else "",
        )
        answered = await door.answer(person, ask)
        if not answered.rows:
            raise Refusal(404, "READ_UNKNOWN", "the read is not kept any more", person=person)
        receipt = await door.receipt(answered.intent, answered.result)
        return JSONResponse({**answered.rows[0], "receipt": receipt})

    @routes.post("/v1/image-views")
    async def post_image_view(request: Request) -> Response:
        person = door.person(request)
        await door.count(person, "views")
        body: ImageViewBody = await read_body(request, ImageViewBody, person)
        followed, captured = await door.follow_up(person, body.query_id, body.read_id)
        criteria = {"read_id": body.read_id, "role": body.role.value}
        reasons = followed.content.get("reasons", {})
        purpose = reasons.get("purpose_code", "")
        agreement = await agreed(door, person, followed.agency, purpose, images=True)
        agreement_id = agreement.agreement_id if agreement else ""
        personal = {"reasons": reasons, "criteria": criteria}
        receipt = await door.record(
            "image_view",
            person,
            facts={"follows": body.query_id, "purpose_code": purpose, "source_system": "local"},
            personal=personal,
            act={"act": "image", **criteria, "captured_at": captured.isoformat(), **under(agreement_id, purpose)},
            agency=followed.agency,
        )
        if followed.agency:
            told = {"elements": sorted(criteria), "purpose_code": purpose}
            await door.tell_giver(
                "shared_query", person, followed.agency, agreement_id, receipt, "image_view", told, personal
            )
        return JSONResponse({"entry": receipt.index, "checkpoint": receipt.note}, 201)

    return routes
