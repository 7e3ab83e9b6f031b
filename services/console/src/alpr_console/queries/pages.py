"""The search pages: the form, the door's answer, its refusals in words. Nothing that was searched for is in a URL."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Person, Refused

from ..doors import DoorAway, Doors
from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules

LEDGER_AWAY: Final = (
    "Searching is closed: the access ledger cannot record right now. Nothing was searched. Live hits go on."
)
WAITING_AWAY: Final = "The list cannot be shown: the access ledger does not answer right now."
_JSON: Final = {"content-type": "application/json"}
_SHOWN: Final = (
    "read_id", "hit_id", "plate", "state", "captured_at", "device_id", "device_name", "latitude", "longitude",
    "direction", "list_code",
)  # fmt: skip


def router() -> APIRouter:
    """Give the pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/search")
    async def search(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _page(request, session, {})

    @routes.post("/search")
    async def post_search(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        if form.pop("fill_in", ""):  # a page hands over what it is about: it is filled in, and nobody has asked yet
            return await _page(request, session, {name: form.get(name, "")[:2000] for name in rules.FILLED_IN})
        body = rules.query_body(form, session.profile.timezone)
        if isinstance(body, Refused):
            return await _page(request, session, form, 422, refusal=_refusal(body.reason_code, body.detail))
        past_hits = form.get("look_in") == "hits"
        path = "/v1/hit-queries" if past_hits else "/v1/queries"
        try:
            status, content = await _ask(request, session.person, "POST", path, body)
        except DoorAway:
            status, content = 503, None
        found = content if isinstance(content, dict) else {}
        if status == 503 and found.get("reason_code") != "SEARCH_UNAVAILABLE":
            return await _page(request, session, form, 503, refusal=_refusal("", LEDGER_AWAY))
        if status >= 400 or not isinstance(content, dict):
            refusal = _refusal(found.get("reason_code", ""), found.get("detail") or "The search was refused.")
            return await _page(request, session, form, max(status, 400), refusal=refusal)
        return await _page(request, session, form, result=content, criteria=body["criteria"])

    @routes.get("/search/waiting")
    async def waiting(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _waiting(request, session)

    @routes.post("/search/waiting/{query_id}")
    async def post_waiting(request: Request, query_id: int, session: SignedIn = Depends(page_person)) -> Response:
        number = str((await request.form()).get("case_number", "")).strip()
        path = f"/v1/queries/{query_id}/case-number"
        try:
            status, content = await _ask(request, session.person, "POST", path, {"case_number": number})
        except DoorAway:
            return await _waiting(request, session, 503, refusal=WAITING_AWAY)
        if status >= 400:
            detail = content.get("detail", "") if isinstance(content, dict) else ""
            return await _waiting(request, session, status, wrong=query_id, refusal=detail or "This was refused.")
        return RedirectResponse("/search/waiting", 303)

    @routes.get("/search/approvals")
    async def approvals(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await _approvals(request, session)

    @routes.post("/search/approvals")
    async def post_approval(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        body = rules.approval_body(form, session.profile.timezone)
        return await _declare(request, session, "/v1/use-approvals", body)

    @routes.post("/search/approvals/events")
    async def post_event(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        body = rules.event_body(form, session.profile.timezone)
        return await _declare(request, session, "/v1/protected-events", body)

    @routes.post("/search/approvals/{number}/end")
    async def post_end(request: Request, number: int, session: SignedIn = Depends(page_person)) -> Response:
        form = await _form(request)
        event = form.get("of") == "event"
        path = f"/v1/protected-events/{number}/end" if event else f"/v1/use-approvals/{number}/revocation"
        return await _declare(request, session, path, {"reason": form.get("reason", "").strip()})

    @routes.get("/search/outline")
    async def outline(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        file = web_of(request).settings.map_outline_file
        if file is None or not rules.may_search(session.person):
            raise Problem(404, "OUTLINE_UNKNOWN", "no outline is configured")
        try:
            return Response(file.read_bytes(), media_type="application/geo+json")
        except OSError:
            raise Problem(404, "OUTLINE_UNKNOWN", "the configured outline cannot be read") from None

    return routes


async def _form(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items() if name != "csrf"}


async def _ask(request: Request, person: Person, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = json.dumps(body).encode() if body is not None else None
    answer = await web_of(request).doors.call("audit", method, path, person, headers=_JSON, content=content)
    return answer.status, await answer.json()


def _refusal(code: str, detail: str) -> dict[str, str]:
    advice = rules.advice(code)
    words = f"{detail[:1].upper()}{detail[1:]}" + ("" if detail.endswith(".") else ".")
    return {"detail": words, "field": advice.field, "do": advice.do, "code": code}


async def _registry(doors: Doors, person: Person) -> list[dict[str, Any]]:
    """The agency's devices; an empty list while ingest does not answer, because the form works without."""
    try:
        answer = await doors.call("ingest", "GET", "/v1/devices", person)
        content = await answer.json()
    except DoorAway:
        return []
    return list(content["devices"]) if answer.status == 200 and isinstance(content, dict) else []


async def _shared(request: Request, person: Person) -> list[tuple[str, str]]:
    """Other agencies whose reads may be searched, code and name; none while audit does not answer: the form works."""
    try:
        status, content = await _ask(request, person, "GET", "/v1/shared-agencies")
    except DoorAway:
        return []
    known = content.get("agencies", []) if status == 200 and isinstance(content, dict) else []
    return list({one["agency"]: (one["agency"], one["name"]) for one in known}.values())


async def _page(
    request: Request,
    session: SignedIn,
    form: dict[str, str],
    status: int = 200,
    *,
    refusal: dict[str, str] | None = None,
    result: dict[str, Any] | None = None,
    criteria: dict[str, Any] | None = None,
) -> Response:
    if not rules.may_search(session.person):
        detail = "searching reads is not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
    devices = await _registry(web_of(request).doors, session.person)
    shared = await _shared(request, session.person)
    lists = {rule.code: rule.label for rule in session.profile.lists}
    rows = result.get("rows", []) if result else []
    shown = [
        {
            **{name: row[name] for name in _SHOWN if name in row},
            "why": rules.why(row, criteria or {}, lists),
            "match": rules.short_why(row),
        }
        for row in rows
    ]
    return pages_of(request).render(
        request, "queries/search.html", session, status, form=form, refusal=refusal, result=result, rows=rows,
        shown=shown, purposes=rules.purposes_for(session.person, session.profile), lists=session.profile.lists,
        devices=devices, positions=rules.positions(devices), past_hits=form.get("look_in") == "hits",
        outline=web_of(request).settings.map_outline_file is not None, acts=() if form.get("agency") else rules.acts_on(session.person), shared=shared,
    )  # fmt: skip


async def _waiting(
    request: Request, session: SignedIn, status: int = 200, *, wrong: int | None = None, refusal: str = ""
) -> Response:
    rows: list[dict[str, Any]] | None = None
    try:
        code, content = await _ask(request, session.person, "GET", "/v1/queries/incomplete")
        if code == 200 and isinstance(content, dict):
            rows = content["rows"]
        elif not refusal:
            refusal = (content or {}).get("detail") or "The list was refused."
            status = max(status, code)
    except DoorAway:
        refusal, status = WAITING_AWAY, 503
    return pages_of(request).render(
        request, "queries/waiting.html", session, status, rows=rows, wrong=wrong, refusal=refusal
    )


async def _declare(request: Request, session: SignedIn, path: str, body: dict[str, Any] | Refused) -> Response:
    """Post an approval, an event or its end, and show the lists again."""
    if isinstance(body, Refused):
        return await _approvals(request, session, 422, refusal=_refusal(body.reason_code, body.detail))
    try:
        status, content = await _ask(request, session.person, "POST", path, body)
    except DoorAway:
        return await _approvals(request, session, 503, refusal=_refusal("", WAITING_AWAY))
    if status >= 400:
        found = content if isinstance(content, dict) else {}
        refusal = _refusal(found.get("reason_code", ""), found.get("detail") or "This was refused.")
        return await _approvals(request, session, status, refusal=refusal)
    return RedirectResponse("/search/approvals", 303)


async def _approvals(
    request: Request, session: SignedIn, status: int = 200, *, refusal: dict[str, str] | None = None
) -> Response:
    lists: dict[str, list[dict[str, Any]]] = {}
    try:
        for name in ("use-approvals", "protected-events"):
            code, content = await _ask(request, session.person, "GET", f"/v1/{name}")
            if code != 200 or not isinstance(content, dict):
                detail = (content or {}).get("detail") or "The list was refused."
                refusal, status = refusal or _refusal((content or {}).get("reason_code", ""), detail), max(status, code)
                break
            lists[name] = content["rows"]
    except DoorAway:
        refusal, status = _refusal("", WAITING_AWAY), 503
    return pages_of(request).render(
        request, "queries/approvals.html", session, status, approvals=lists.get("use-approvals"),
        events=lists.get("protected-events"), refusal=refusal, approves=rules.approves(session.person, session.profile),
        declares=rules.declares(session.person),
    )  # fmt: skip
