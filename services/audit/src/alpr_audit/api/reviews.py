"""Audit tasks, what the misuse patterns found, employees' plates, and the state of reviewing at a glance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import Person, Refused, make_id
from alprcore.plates import normalize

from .. import ledger
from ..reviews import tasks
from ..store.reviews import Reviews
from .door import Door
from .reports import reader, refused
from .shapes import Body, read_body

REGISTRARS: Final = frozenset({"alpr_admin", "program_manager"})
"""Who registers employees' plates: not the auditors, who see what is found with them."""


class FindingBody(Body):
    """What a reviewer found of one item of an audit."""

    entry: int = Field(ge=0, lt=2**53)
    result: tasks.Result
    note: str = Field("", max_length=4000)


class ClosureBody(Body):
    """The statement with which an audit is closed."""

    statement: str = Field("", max_length=4000)


class DispositionBody(Body):
    """What a reviewer made of a finding."""

    result: Literal["explained", "training", "referred", "misuse", "false_alarm"]
    note: str = Field(min_length=1, max_length=4000)


class EmployeePlateBody(Body):
    """A plate to be watched as an employee's; kept as a keyed hash only."""

    username: str = Field(min_length=1, max_length=200)
    plate: str = Field(min_length=1, max_length=32)


def router(door: Door, reviews: Reviews, digest: Callable[[str], bytes]) -> APIRouter:
    """Bind the routes to the door; `digest` hashes employees' plates."""
    routes = APIRouter()

    async def task_of(person: Person, task_id: str) -> dict[str, Any]:
        found = await reviews.tasks(person.agency, door.clock(), task_id)
        if not found:
            raise Refusal(404, "TASK_UNKNOWN", "the agency has no such audit", person=person)
        return found[0]

    async def worked(person: Person, task_id: str) -> dict[str, Any]:
        task = await task_of(person, task_id)
        decision = tasks.may_work(person, task["role"])
        if isinstance(decision, Refused):
            raise refused(decision, person)
        if task["state"] == "closed":
            raise Refusal(409, "TASK_CLOSED", "this audit is closed", person=person)
        return task

    async def live_counts(task: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, int]:
        return task["counts"] or tasks.counts_of(_decided(items))

    @routes.get("/v1/audit/tasks")
    async def get_tasks(request: Request, state: str = "") -> Response:
        person = reader(door, request)
        await door.record("report_read", person, facts={}, personal={"criteria": {"tasks": state or "all"}})
        found = await reviews.tasks(person.agency, door.clock())
        return JSONResponse({"tasks": [task for task in found if state in ("", task["state"])]})

    @routes.get("/v1/audit/tasks/{task_id}")
    async def get_task(request: Request, task_id: str) -> Response:
        person = reader(door, request)
        task = await task_of(person, task_id)
        await door.record("report_read", person, facts={"task_id": task_id}, personal={"criteria": {"task": task_id}})
        items = await reviews.items(task_id)
        shown = [{**item, "own": item["person_id"] == person.person_id} for item in items]
        return JSONResponse({**task, "counts": await live_counts(task, items), "items": shown})

    @routes.post("/v1/audit/tasks/{task_id}/findings")
    async def post_finding(request: Request, task_id: str) -> Response:
        person = door.person(request)
        await worked(person, task_id)
        body: FindingBody = await read_body(request, FindingBody, person)
        items = await reviews.items(task_id, body.entry)
        if not items:
            raise Refusal(404, "ITEM_UNKNOWN", "this audit does not look at that entry", person=person)
        decision = tasks.may_judge(person, items[0]["person_id"], body.result, body.note)
        if isinstance(decision, Refused):
            raise refused(decision, person, 403 if decision.reason_code == "OWN_QUERY" else 422)
        facts = {"task_id": task_id, "entry": body.entry, "result": body.result.value, "query_id": body.entry}
        await door.record("audit_finding", person, facts=facts, personal={"note": body.note})
        try:
            await reviews.put_finding(task_id, body.entry, body.result, body.note, person, door.clock())
        except PermissionError as error:
            raise Refusal(409, str(error), "this audit is closed", person=person) from error
        return JSONResponse({"task_id": task_id, "entry": body.entry, "result": body.result.value}, 201)

    @routes.post("/v1/audit/tasks/{task_id}/closure")
    async def post_closure(request: Request, task_id: str) -> Response:
        person = door.person(request)
        task = await worked(person, task_id)
        body: ClosureBody = await read_body(request, ClosureBody, person)
        items = await reviews.items(task_id)
        decided = _decided(items)
        decision = tasks.may_close([item["entry"] for item in items], decided, body.statement)
        if isinstance(decision, Refused):
            raise refused(decision, person, 409 if decision.reason_code == "FINDINGS_MISSING" else 422)
        counts = tasks.counts_of(decided)
        signed = ledger.read_ids_digest(f"{index} {result}" for index, result in sorted(decided.items()))
        facts = {"task_id": task_id, "period": task["period"], "scope": task["scope"], "items": len(items),
                 "findings_sha256": signed, **counts}  # fmt: skip
        personal = {"statement": body.statement}
        receipt = await door.record(
            "audit_closed", person, facts=facts, personal=personal, once=f"audit_closed {task_id}"
        )
        if not await reviews.close_task(task_id, person, counts, body.statement, door.clock()):
            raise Refusal(409, "TASK_CLOSED", "this audit is closed", person=person)
        closed = await task_of(person, task_id)
        return JSONResponse({**closed, "entry": receipt.index, "checkpoint": receipt.note}, 201)

    @routes.get("/v1/audit/findings")
    async def get_findings(request: Request, state: str = "", kind: str = "") -> Response:
        person = reader(door, request)
        criteria = {"findings": state or "all", "kind": kind}
        await door.record("report_read", person, facts={}, personal={"criteria": criteria})
        return JSONResponse({"findings": await reviews.findings(person.agency, kind=kind, state=state)})

    @routes.post("/v1/audit/findings/{finding_id}/disposition")
    async def post_disposition(request: Request, finding_id: str) -> Response:
        person = reader(door, request)
        body: DispositionBody = await read_body(request, DispositionBody, person)
        found = await reviews.findings(person.agency, finding_id=finding_id)
        if not found:
            raise Refusal(404, "FINDING_UNKNOWN", "the agency has no such finding", person=person)
        if found[0]["subject"]["person_id"] == person.person_id:
            raise Refusal(403, "OWN_QUERY", "findings about yourself are reviewed by someone else", person=person)
        if found[0]["disposition"] is not None:
            raise Refusal(409, "DISPOSITION_GIVEN", "this finding has its disposition", person=person)
        facts = {"finding_id": finding_id, "result": body.result}
        personal = {"note": body.note}
        await door.record("finding_disposed", person, facts=facts, personal=personal, once=f"disposed {finding_id}")
        if not await reviews.dispose(finding_id, body.result, body.note, person, door.clock()):
            raise Refusal(409, "DISPOSITION_GIVEN", "this finding has its disposition", person=person)
        (shown,) = await reviews.findings(person.agency, finding_id=finding_id)
        return JSONResponse(shown, 201)

    @routes.get("/v1/audit/overview")
    async def get_overview(request: Request) -> Response:
        person = reader(door, request)
        now = door.clock()
        found = await reviews.tasks(person.agency, now)
        waiting, oldest = await reviews.open_findings(person.agency)
        closed = max((task for task in found if task["closed_at"]), key=lambda task: task["closed_at"], default=None)
        late = [task for task in found if task["state"] == "overdue"]
        return JSONResponse(
            {
                "last_audit": {name: closed[name] for name in ("period", "scope", "closed_at", "closed_by", "counts")}
                if closed
                else None,
                "alerts": [
                    {"code": "AUDIT_OVERDUE", **{name: task[name] for name in ("task_id", "period", "scope", "due_at")}}
                    for task in late
                ],
                "open_tasks": sum(task["state"] != "closed" for task in found),
                "open_findings": waiting,
                "oldest_open_finding_days": (now - oldest) // timedelta(days=1) if oldest else None,
                "review_red": oldest is not None and now - oldest > timedelta(days=tasks.REVIEW_DAYS),
                "next_quarter_end": tasks.next_end(door.profile(person), now).isoformat(),
                "verifier": door.writer.verifier,
            }
        )

    def registrar(request: Request) -> Person:
        person = door.person(request)
        if REGISTRARS.isdisjoint(person.roles):
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "administrators register employees' plates", person=person)
        return person

    @routes.post("/v1/audit/employee-plates")
    async def post_employee_plate(request: Request) -> Response:
        person = registrar(request)
        body: EmployeePlateBody = await read_body(request, EmployeePlateBody, person)
        if not normalize(body.plate):
            raise Refusal(422, "FIELD_INVALID", "plate: no letter or digit", person=person)
        hashed = digest(body.plate)
        plate_id = make_id("employee_plate", person.agency, body.username, hashed.hex())
        personal = {"username": body.username}
        await door.record("employee_plate_added", person, facts={"subject": plate_id}, personal=personal)
        await reviews.put_employee_plate(plate_id, person.agency, body.username, hashed, door.clock())
        return JSONResponse({"id": plate_id, "username": body.username}, 201)

    @routes.get("/v1/audit/employee-plates")
    async def get_employee_plates(request: Request) -> Response:
        person = registrar(request)
        await door.record("report_read", person, facts={}, personal={"criteria": {"employee_plates": "list"}})
        rows = await reviews.employee_plates(person.agency)
        shown = [{"id": r["plate_id"], "username": r["username"], "added_at": r["added_at"].isoformat()} for r in rows]
        return JSONResponse({"plates": shown})

    @routes.delete("/v1/audit/employee-plates/{plate_id}")
    async def delete_employee_plate(request: Request, plate_id: str) -> Response:
        person = registrar(request)
        known = {row["plate_id"] for row in await reviews.employee_plates(person.agency)}
        if plate_id not in known:  # before it is entered: a path can be of any length
            raise Refusal(404, "PLATE_UNKNOWN", "no such registered plate", person=person)
        await door.record("employee_plate_removed", person, facts={"subject": plate_id}, personal={})
        await reviews.delete_employee_plate(person.agency, plate_id)
        return Response(status_code=204)

    return routes


def _decided(items: list[dict[str, Any]]) -> dict[int, str]:
    return {item["entry"]: item["finding"]["result"] for item in items if item["finding"]}
