"""Audit reports and the trail of what came of a query, a read or a hit; each look is itself an entry."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field

from alprcore.answering import Refusal
from alprcore.errors import LedgerBroken
from alprcore.model import Person, Refused, make_id

from ..reviews import reports, tasks
from ..store.reviews import Reviews, Told, shown_person
from .door import Door
from .shapes import Body, read_body

SUBJECTS: Final = ("read_id", "hit_id", "incident_id", "hold_id", "release_id", "subject")
_NUMBER: Final = 15


class ReportBody(Body):
    """What a report covers: accesses from `from` (included) to `to` (excluded), narrowed by what is given."""

    starts_at: AwareDatetime = Field(alias="from")
    ends_at: AwareDatetime = Field(alias="to")
    username: str = Field("", max_length=200)
    kind: str = Field("", max_length=64)
    purpose_code: str = Field("", max_length=64)
    case_number: str = Field("", max_length=100)

    def order(self) -> reports.Order:
        """The order as the rules judge it."""
        return reports.Order(**dict(self))


def reader(door: Door, request: Request) -> Person:
    """Demand someone who may see what auditing found; administrators see it, only auditors read the ledger itself."""
    person = door.person(request)
    if tasks.READERS.isdisjoint(person.roles):
        raise Refusal(403, "ROLE_NOT_AUTHORISED", "auditors and program managers only", person=person)
    return person


def refused(decision: Refused, person: Person, status: int = 403) -> Refusal:
    """Say no as a rule of auditing decided."""
    return Refusal(status, decision.reason_code, decision.detail, person=person)


def router(door: Door, reviews: Reviews) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    async def found(person: Person, report_id: str) -> dict[str, Any]:
        report = await reviews.report(person.agency, report_id)
        if report is None:
            raise Refusal(404, "REPORT_UNKNOWN", "the agency has no such report", person=person)
        return report

    @routes.post("/v1/audit/reports")
    async def post_report(request: Request) -> Response:
        person = reader(door, request)
        profile, now = door.profile(person), door.clock()
        body: ReportBody = await read_body(request, ReportBody, person)
        order = body.order()
        decision = reports.may_order(order, now)
        if isinstance(decision, Refused):
            raise refused(decision, person, 422)
        try:
            accesses = await reviews.accesses(person.agency, order)
        except LedgerBroken as error:
            raise Refusal(409, "LEDGER_UNSOUND", f"{error}: verify the ledger first", person=person) from error
        if len(accesses) > reports.ROWS_LIMIT:
            words = f"more than {reports.ROWS_LIMIT} accesses: choose a shorter period"
            raise Refusal(422, "REPORT_TOO_LONG", words, person=person)
        refusals, overrides = await reviews.refused(person.agency, order.starts_at, order.ends_at)
        report = reports.make_report(order, accesses, refusals, overrides, profile, shown_person(person), now)
        report_id = make_id("audit_report", person.agency, report.sha256)
        facts = {"report_id": report_id, "sha256": report.sha256, "rows": len(accesses)}
        criteria = {"from": order.starts_at.isoformat(), "to": order.ends_at.isoformat(), **order.filters()}
        receipt = await door.record("report_made", person, facts=facts, personal={"criteria": criteria})
        await reviews.put_report(report_id, order, report, person.agency)
        summary = {"report_id": report_id, **report.summary, "sha256": report.sha256, "entry": receipt.index}
        return JSONResponse(summary, 201)

    @routes.get("/v1/audit/reports")
    async def get_reports(request: Request) -> Response:
        person = reader(door, request)
        await door.record("report_read", person, facts={}, personal={"criteria": {"reports": "list"}})
        return JSONResponse({"reports": await reviews.reports(person.agency)})

    @routes.get("/v1/audit/reports/{report_id}")
    async def get_report(
        request: Request,
        report_id: str,
        format: Literal["json", "csv", "html"] = "json",  # noqa: A002 - the parameter's name
    ) -> Response:
        person = reader(door, request)
        report = await found(person, report_id)
        facts = {"report_id": report_id, "format": format}
        await door.record("report_read", person, facts=facts, personal={"criteria": {"report_id": report_id}})
        document, sha256 = json.loads(report["document"]), report["sha256"]
        headers = {"etag": f'"{sha256}"'}
        if format == "csv":
            headers["content-disposition"] = f'attachment; filename="audit-report-{report_id}.csv"'
            return Response(reports.as_csv(document), media_type="text/csv; charset=utf-8", headers=headers)
        if format == "html":
            return Response(reports.as_html(document, sha256), media_type="text/html; charset=utf-8", headers=headers)
        return JSONResponse({"report_id": report_id, **document, "sha256": sha256}, headers=headers)

    @routes.delete("/v1/audit/reports/{report_id}")
    async def delete_report(request: Request, report_id: str) -> Response:
        person = reader(door, request)
        report = await found(person, report_id)
        decision = reports.may_delete(report["kept_until"], door.clock())
        if isinstance(decision, Refused):
            raise refused(decision, person)
        facts = {"report_id": report_id, "sha256": report["sha256"]}
        await door.record("report_removed", person, facts=facts, personal={})
        try:
            await reviews.delete_report(report_id)
        except PermissionError as error:
            raise Refusal(403, str(error), "the database keeps it", person=person) from error
        return Response(status_code=204)

    @routes.get("/v1/audit/trail")
    async def get_trail(request: Request, query_id: str = "") -> Response:
        person = reader(door, request)
        asked = {name: value for name in SUBJECTS if (value := request.query_params.get(name, ""))}
        if query_id:
            asked["query_id"] = query_id
        wrong = query_id and not (query_id.isascii() and query_id.isdigit() and len(query_id) <= _NUMBER)
        if len(asked) != 1 or wrong or len(next(iter(asked.values()))) > 200:
            raise Refusal(422, "FIELD_INVALID", f"one of query_id, {', '.join(SUBJECTS)}", person=person)
        ((name, value),) = asked.items()
        await door.record("trail_read", person, facts={}, personal={"criteria": asked})
        names = [f"{name} {value}", *([f"subject {value}"] if name != "query_id" else [])]
        number = int(query_id) if query_id else None
        told = await reviews.trail(person.agency, names, number, value if name == "read_id" else "")
        return JSONResponse({"events": [_shown(one) for one in told]})

    return routes


def _shown(told: Told) -> dict[str, Any]:
    entry, content = told.entry, told.content or {}
    person = content.get("person", content)
    return {
        "index": told.index,
        "time": entry["facts"].get("occurred_at") or entry["time"],
        "kind": entry["kind"],
        "service": entry["service"],
        "outcome": entry["outcome"],
        "reason_code": entry["reason_code"],
        "username": person.get("username", ""),
        "full_name": person.get("full_name", ""),
        "about": entry.get("about"),
        "facts": entry["facts"],
        "criteria": content.get("criteria", {}),
        "purpose_code": content.get("reasons", {}).get("purpose_code", ""),
    }
