"""The audit pages: ledger entries with their proofs, verification, reports, reviews, findings of misuse.

Everything shown is asked of audit's door, which records each look. No plate or person stands in a URL: filters are
posted.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from ..doors import DoorAway
from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules

AWAY: Final = "The ledger does not answer right now. Nothing can be shown or recorded here until it does."
_JSON: Final = {"content-type": "application/json"}
_TABS: Final = (
    ("/audits", "Overview", False),
    ("/audits/entries", "Entries", True),
    ("/audits/ledger", "Verification", True),
    ("/audits/reports", "Reports", False),
    ("/audits/reviews", "Reviews", False),
    ("/audits/findings", "Findings", False),
)
"""Address, words, and whether it is the auditor's alone."""


class _Closed(Exception):
    """The door did not answer as asked: the status and words for the person."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/audits")
    async def overview(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            return {"overview": await _ask(request, session, "GET", "/v1/audit/overview")}

        return await _show(request, session, "audits/overview.html", values)

    @routes.get("/audits/entries")
    async def entries(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _entries(request, session, {})

    @routes.post("/audits/entries")
    async def post_entries(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        return await _entries(request, session, form)

    @routes.get("/audits/entries/{index}")
    async def entry(request: Request, index: int, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            row = await _ask(request, session, "GET", f"/v1/audit/log/{index}")
            steps = sorted([*row.get("linked", []), row], key=lambda step: int(step["index"]))
            holds = rules.proof_holds(index, row.get("proof") or {})
            return {"row": row, "steps": steps, "holds": holds}

        return await _show(request, session, "audits/entry.html", values)

    @routes.get("/audits/ledger")
    async def ledger(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            note = await _ask(request, session, "GET", "/v1/audit/checkpoint", as_text=True)
            overview = await _ask(request, session, "GET", "/v1/audit/overview")
            return {"note": note, "found": None, "verifier": overview.get("verifier")}

        return await _show(request, session, "audits/ledger.html", values)

    @routes.post("/audits/ledger")
    async def verify(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            found = await _ask(request, session, "GET", "/v1/audit/verify")
            note = await _ask(request, session, "GET", "/v1/audit/checkpoint", as_text=True)
            moment = web_of(request).clock()
            return {"note": note, "found": found, "verifier": found.get("verifier"), "verified_at": moment}

        return await _show(request, session, "audits/ledger.html", values)

    @routes.get("/audits/reports")
    async def reports(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _reports(request, session, {})

    @routes.post("/audits/reports")
    async def post_report(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        try:
            body = _report_body(form, session.profile.timezone)
            made = await _ask(request, session, "POST", "/v1/audit/reports", body)
        except ValueError:
            return await _reports(request, session, form, 422, "Give the first and the last day.")
        except _Closed as closed:
            return await _reports(request, session, form, closed.status, closed.detail)
        return RedirectResponse(f"/audits/reports/{made['report_id']}", 303)

    @routes.get("/audits/reports/{report_id}")
    async def report(request: Request, report_id: str, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            return {"report": await _ask(request, session, "GET", f"/v1/audit/reports/{_safe(report_id)}")}

        return await _show(request, session, "audits/report.html", values)

    @routes.get("/audits/reviews")
    async def reviews(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            return {"tasks": (await _ask(request, session, "GET", "/v1/audit/tasks"))["tasks"]}

        return await _show(request, session, "audits/reviews.html", values)

    @routes.get("/audits/reviews/{task_id}")
    async def review(request: Request, task_id: str, session: SignedIn = Depends(page_person)) -> Response:
        return await _review(request, session, task_id)

    @routes.post("/audits/reviews/{task_id}/closure")
    async def close(request: Request, task_id: str, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        path = f"/v1/audit/tasks/{_safe(task_id)}/closure"
        try:
            await _ask(request, session, "POST", path, {"statement": form.get("statement", "").strip()})
        except _Closed as closed:
            return await _review(request, session, task_id, closed.status, closed.detail)
        return RedirectResponse(f"/audits/reviews/{_safe(task_id)}", 303)

    @routes.get("/audits/findings")
    async def findings(request: Request, session: SignedIn = Depends(page_person), state: str = "open") -> Response:
        return await _findings(request, session, state)

    @routes.post("/audits/findings/{finding_id}")
    async def dispose(request: Request, finding_id: str, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        body = {"result": form.get("result", ""), "note": form.get("note", "").strip()}
        path = f"/v1/audit/findings/{_safe(finding_id)}/disposition"
        try:
            await _ask(request, session, "POST", path, body)
        except _Closed as closed:
            return await _findings(request, session, "open", closed.status, closed.detail, wrong=finding_id)
        return RedirectResponse("/audits/findings", 303)

    return routes


async def _form(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items() if name != "csrf"}


def _safe(name: str) -> str:
    """A name from a path that becomes part of another: letters, digits and hyphens only."""
    if not name.replace("-", "").isalnum():
        raise Problem(404, "PATH_UNKNOWN", "there is nothing under this address")
    return name


def _report_body(form: dict[str, str], zone: str) -> dict[str, Any]:
    """Days are the agency's; the last one is included. Raises `ValueError` for days that cannot be read."""
    first, last = (datetime.fromisoformat(form.get(name, "")).replace(tzinfo=ZoneInfo(zone)) for name in ("from", "to"))
    body: dict[str, Any] = {"from": first.isoformat(), "to": (last + timedelta(days=1)).isoformat()}
    for name in ("username", "kind", "purpose_code", "case_number"):
        if value := form.get(name, "").strip():
            body[name] = value
    return body


async def _ask(
    request: Request, session: SignedIn, method: str, path: str, body: Any = None, *, as_text: bool = False
) -> Any:
    """Ask audit's door. Raises `_Closed` with words when it does not answer or refuses."""
    content = json.dumps(body).encode() if body is not None else None
    try:
        answer = await web_of(request).doors.call("audit", method, path, session.person, headers=_JSON, content=content)
        if as_text and answer.status == 200:
            return b"".join([chunk async for chunk in answer.body()]).decode()
        found = await answer.json()
    except DoorAway as away:
        raise _Closed(503, AWAY) from away
    if answer.status == 503:
        raise _Closed(503, AWAY)
    if answer.status >= 400 or not isinstance(found, dict):
        detail = str(found.get("detail") or "") if isinstance(found, dict) else ""
        raise _Closed(max(answer.status, 400), f"{detail[:1].upper()}{detail[1:]}" or "This was refused.")
    return found


async def _show(request: Request, session: SignedIn, template: str, values: Any, status: int = 200) -> Response:
    """Render a page of this section, or say in it why the door gave nothing."""
    if not rules.may_look(session.person):
        detail = "audits are not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
    tabs = [(path, words) for path, words, alone in _TABS if not alone or rules.may_read_entries(session.person)]
    try:
        given = await values()
    except _Closed as closed:
        return pages_of(request).render(
            request, "audits/closed.html", session, closed.status, rules=rules, tabs=tabs, detail=closed.detail
        )
    return pages_of(request).render(request, template, session, status, rules=rules, tabs=tabs, **given)


async def _entries(request: Request, session: SignedIn, form: dict[str, str]) -> Response:
    zone = ZoneInfo(session.profile.timezone)
    body = rules.log_filter(form)
    for name in ("from", "to"):
        try:
            if name in body:
                body[name] = datetime.fromisoformat(body[name]).replace(tzinfo=zone).isoformat()
        except ValueError:
            del body[name]

    async def values() -> dict[str, Any]:
        found = await _ask(request, session, "POST", "/v1/audit/log", body)
        return {"rows": found["rows"], "next": found.get("next"), "form": form}

    return await _show(request, session, "audits/entries.html", values)


async def _reports(
    request: Request, session: SignedIn, form: dict[str, str], status: int = 200, refusal: str = ""
) -> Response:
    async def values() -> dict[str, Any]:
        found = await _ask(request, session, "GET", "/v1/audit/reports")
        purposes = [(purpose.code, purpose.label) for purpose in session.profile.purposes if purpose.query]
        return {"reports": found["reports"], "form": form, "refusal": refusal, "purposes": purposes}

    return await _show(request, session, "audits/reports.html", values, status)


async def _review(request: Request, session: SignedIn, task_id: str, status: int = 200, refusal: str = "") -> Response:
    async def values() -> dict[str, Any]:
        return {"task": await _ask(request, session, "GET", f"/v1/audit/tasks/{_safe(task_id)}"), "refusal": refusal}

    return await _show(request, session, "audits/review.html", values, status)


async def _findings(
    request: Request, session: SignedIn, state: str, status: int = 200, refusal: str = "", wrong: str = ""
) -> Response:
    chosen = "disposed" if state == "disposed" else "open"

    async def values() -> dict[str, Any]:
        found = await _ask(request, session, "GET", f"/v1/audit/findings?state={chosen}")
        return {"findings": found["findings"], "state": chosen, "refusal": refusal, "wrong": wrong}

    return await _show(request, session, "audits/findings.html", values, status)
