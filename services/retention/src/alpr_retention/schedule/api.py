"""How long records are kept and what is stored: figures, the schedule, changes and their approval, destruction reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, NoReturn

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import Decision, Person, Refused
from alprcore.policy import LONGEST, AgencyProfile, ScheduleEntry
from alprcore.profiles import problems_of

from ..web import Body, Door, need_id, read_body
from . import rules
from .store import Schedule


class EntryBody(Body):
    """An entry of the records retention schedule as somebody would have it."""

    series: str = Field(min_length=1, max_length=200)
    period: str = Field(max_length=20)
    approved_by: str = Field(min_length=1, max_length=200)
    approved_on: str = Field(max_length=10)
    devices: tuple[str, ...] = Field((), max_length=3)


class PreviewBody(Body):
    """Rules of which somebody asks what they would move, as posted to /v1/retention/changes/previews."""

    mobile: str | None = Field(None, max_length=20)
    fixed: str | None = Field(None, max_length=20)
    hits: str | None = Field(None, max_length=20)
    clock: str | None = Field(None, max_length=10)
    schedule: tuple[EntryBody, ...] | None = Field(None, max_length=20)


class ApprovalBody(Body):
    """An approval of a change, as posted to /v1/retention/changes/{id}/approvals."""

    note: str = Field("", max_length=1000)


class FindingBody(Body):
    """What somebody found about missing records, as posted to /v1/retention/findings/settlements."""

    due_day: date
    what: str = Field(pattern="^(rows|partition|key)$")
    note: str = Field(min_length=10, max_length=2000)


def refuse(refused: Refused, person: Person, status: int = 403) -> NoReturn:
    """Answer a refusal of the rules."""
    raise Refusal(status, refused.reason_code, refused.detail, person=person, facts={"rule_id": refused.rule_id})


def routes(schedule: Schedule, door: Door, profiles: Mapping[str, AgencyProfile]) -> APIRouter:
    """Bind the routes to the store."""
    router = APIRouter()

    def admitted(person: Person, decision: Decision) -> AgencyProfile:
        if isinstance(decision, Refused):
            refuse(decision, person)
        profile = profiles.get(person.agency)
        if profile is None:
            raise Refusal(503, "PROFILE_UNKNOWN", "the agency's policy is not known yet", person=person)
        return profile

    @router.get("/v1/retention/stock")
    async def get_stock(request: Request) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_look(person))
        return JSONResponse(await schedule.stored(person.agency, profile))

    @router.get("/v1/retention/schedule")
    async def get_schedule(request: Request) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_look(person))
        changes = await schedule.changes.listed(person.agency)
        barred = rules.may_purge(profile, await schedule.open_change(person.agency))
        return JSONResponse(
            {
                "agency": person.agency,
                "profile_version": profile.version,
                "in_force": rules.in_force(profile),
                "floor_years": 0 if profile.retention.statute else 1,
                "longest_years": LONGEST.count,
                "purge": {
                    "runs": barred is None,
                    "reason_code": barred.reason_code if barred else "",
                    "words": barred.detail if barred else "",
                },
                "changes": [shown(row, person, profile) for row in changes if row["kind"] == "change"],
                "may": ["preview"] if not isinstance(rules.may_plan(person), Refused) else [],
            }
        )

    @router.get("/v1/retention/changes")
    async def get_changes(request: Request) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_look(person))
        rows = await schedule.changes.listed(person.agency)
        return JSONResponse({"changes": [shown(row, person, profile) for row in rows], "next": None})

    @router.get("/v1/retention/changes/{change_id}")
    async def get_change(request: Request, change_id: str) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_look(person))
        name = need_id(change_id, person, "CHANGE_UNKNOWN", "no such change")
        rows = await schedule.changes.listed(person.agency, name)
        if not rows:
            raise Refusal(404, "CHANGE_UNKNOWN", "no such change", person=person)
        return JSONResponse(shown(rows[0], person, profile))

    @router.post("/v1/retention/changes/previews")
    async def post_preview(request: Request) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_plan(person))
        body = await read_body(request, PreviewBody, person)
        edits: dict[str, Any] = body.model_dump(exclude={"schedule"})
        if body.schedule is not None:
            edits["schedule"] = tuple(ScheduleEntry(**entry.model_dump()) for entry in body.schedule)
        asked = replace(profile, retention=rules.edited(profile, edits))
        problems = problems_of(asked)
        if problems:
            words = "; ".join(problem.text for problem in problems)[:500]
            raise Refusal(422, "FIELD_INVALID", words, person=person)
        change_id = await schedule.preview(person, profile, asked)
        return JSONResponse({"change_id": change_id, "state": "counting"}, 202)

    @router.post("/v1/retention/changes/{change_id}/approvals")
    async def post_approval(request: Request, change_id: str) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_look(person))
        name = need_id(change_id, person, "CHANGE_UNKNOWN", "no such change")
        body = await read_body(request, ApprovalBody, person)
        try:
            refused = await schedule.approve(person, profile, name, body.note)
        except LookupError:
            raise Refusal(404, "CHANGE_UNKNOWN", "no such change", person=person) from None
        if refused is not None:
            refuse(refused, person, 403 if refused.reason_code == "ROLE_NOT_AUTHORISED" else 409)
        rows = await schedule.changes.listed(person.agency, name)
        return JSONResponse(shown(rows[0], person, profile), 201)

    @router.post("/v1/retention/findings/settlements")
    async def post_settlement(request: Request) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_settle(person))
        body = await read_body(request, FindingBody, person)
        if not await schedule.settle_finding(person, (body.due_day, body.what), body.note, profile.version):
            raise Refusal(404, "FINDING_UNKNOWN", "no such open finding", person=person)
        return JSONResponse(await schedule.stored(person.agency, profile), 201)

    @router.get("/v1/retention/reports")
    async def get_reports(request: Request) -> JSONResponse:
        person = door.asker(request)
        admitted(person, rules.may_read_reports(person))
        rows = await schedule.reports.listed(person.agency)
        return JSONResponse({"reports": [_report(row, person) for row in rows], "next": None})

    @router.post("/v1/retention/reports/{report_id}/acknowledgments")
    async def post_acknowledgment(request: Request, report_id: str) -> JSONResponse:
        person = door.asker(request)
        profile = admitted(person, rules.may_read_reports(person))
        name = need_id(report_id, person, "REPORT_UNKNOWN", "no such report")
        found = await schedule.reports.listed(person.agency, name)
        if not found:
            raise Refusal(404, "REPORT_UNKNOWN", "no such report", person=person)
        role = rules.addressed_to(person, found[0]["roles"])
        if not role:
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "the report is addressed to others", person=person)
        await schedule.acknowledge(person, role, name, profile.version)
        found = await schedule.reports.listed(person.agency, name)
        return JSONResponse(_report(found[0], person), 201)

    return router


def _report(row: Mapping[str, Any], person: Person) -> dict[str, Any]:
    seen = {receipt["seen_by"] for receipt in row["seen"]}
    asked = rules.waits_to_be_seen(row)
    waits = asked and rules.addressed_to(person, row["roles"]) and person.person_id not in seen
    return {**row, "waits": asked and not seen, "may": ["acknowledge"] if waits else []}


def shown(row: Mapping[str, Any], person: Person, profile: AgencyProfile) -> dict[str, Any]:
    """Write a change as screens show it: what differs, what it moves, who approved, how far it is."""
    before, after = json.loads(row["before"]), json.loads(row["after"])
    awaits = row["kind"] == "change" and row["state"] == "awaiting"
    custodian = rules.asks_custodian(before, after)
    approves = rules.may_approve(person, profile, custodian=custodian)
    days = row["days"]
    approvals = []
    if row["approved_at"]:
        approvals.append(
            {
                "approved_by": row["approved_by"],
                "approved_name": row["approved_name"],
                "role": row["approved_role"],
                "at": row["approved_at"].isoformat(),
                "note": row["note"],
            }
        )
    return {
        "change_id": str(row["change_id"]),
        "kind": row["kind"],
        "state": "moving" if row["state"] == "approved" else row["state"],
        "keys": rules.changed_keys(before, after),
        "before": before,
        "after": after,
        "profile_version": row["profile_version"],
        "noticed_at": row["noticed_at"].isoformat(),
        "asked_by": row["asked_by"],
        "asked_name": row["asked_name"],
        "counted_at": row["counted_at"].isoformat() if row["counted_at"] else None,
        "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None,
        "preview": {
            "moved": row["reads"],
            "later": sum(day["reads"] for day in days if day["to_day"] > day["from_day"]),
            "earlier": sum(day["reads"] for day in days if day["to_day"] < day["from_day"]),
            "counted_to": row["counted_to"].isoformat() if row["counted_to"] else None,
            "per_day": [
                {"day": day["from_day"].isoformat(), "to_day": day["to_day"].isoformat(), "reads": day["reads"]}
                for day in days
            ],
        },
        "approvals": approvals,
        "progress": {"done": row["moved"], "of": row["reads"]},
        "custodian": custodian,
        "may": ["approve"] if awaits and not isinstance(approves, Refused) else [],
    }
