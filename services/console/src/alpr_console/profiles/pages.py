"""The profile for those who answer for it: what is in force, what was written, what differs, approval."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore import profiles
from alprcore.errors import Misconfigured
from alprcore.model import Refused

from ..web import Problem, SignedIn, page_person, pages_of, web_of
from . import rules
from .store import Acting, ProfileStore


def router(store: ProfileStore, acting: Acting) -> APIRouter:
    """Bind the pages to the store; `acting` finds a live delegation."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/profile")
    async def profile(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        agency = _readable(session)
        current = await store.in_force(agency)
        return pages_of(request).render(
            request, "profiles/profile.html", session, current=current, versions=await store.versions(agency),
            history=await store.history(agency), drafts=not isinstance(rules.may_draft(session.person), Refused),
            text=profiles.document_to_yaml(current.document) if current else "",
        )  # fmt: skip

    @routes.get("/profile/edit")
    async def edit(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        agency = _readable(session)
        current = await store.in_force(agency)
        text = profiles.document_to_yaml(current.document) if current else ""
        return _editor(request, session, text)

    @routes.post("/profile/edit")
    async def post_edit(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await request.form()
        text, note = str(form.get("document", "")), " ".join(str(form.get("note", "")).split())
        if not rules.LEAST_NOTE <= len(note) <= rules.MOST_NOTE:
            return _editor(request, session, text, note, 422, note_wrong="Say in a sentence what changes and why.")
        try:
            document = profiles.document_from_yaml(text)
        except Misconfigured as error:
            return _editor(request, session, text, note, 422, problems=(profiles.KeyProblem("document", str(error)),))
        answer = await store.propose(
            session.person, _title(session), web_of(request).clock(), note=note, document=document
        )
        if isinstance(answer, Refused):
            problems = (profiles.KeyProblem("document", answer.detail),)
            status = 422 if answer.reason_code == "NOTHING_CHANGED" else 403
            return _editor(request, session, text, note, status, problems=problems)
        if isinstance(answer, tuple):
            return _editor(request, session, text, note, 422, problems=answer)
        return RedirectResponse(f"/profile/versions/{answer}", 303)

    @routes.post("/profile/designee")
    async def post_designee(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        form = await request.form()
        edits = {f"governance.designee_{part}": str(form.get(part, "")).strip() for part in ("title", "name", "since")}
        answer = await store.propose(
            session.person, _title(session), web_of(request).clock(), note="Another designee oversees the program",
            edits=edits,
        )  # fmt: skip
        if isinstance(answer, int):
            return RedirectResponse(f"/profile/versions/{answer}", 303)
        detail = answer.detail if isinstance(answer, Refused) else "; ".join(problem.text for problem in answer)
        return pages_of(request).render(request, "refused.html", session, 422, detail=detail)

    @routes.get("/profile/versions/{number}")
    async def version(request: Request, number: int, session: SignedIn = Depends(page_person)) -> Response:
        return await _version(request, session, number)

    @routes.post("/profile/versions/{number}/approve")
    async def approve(request: Request, number: int, session: SignedIn = Depends(page_person)) -> Response:
        now = web_of(request).clock()
        day = str((await request.form()).get("effective", "")).strip()
        try:
            asked = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(session.profile.timezone)) if day else None
        except ValueError:
            return await _version(request, session, number, 422, "The day of effect is not a date.")
        moment = rules.effective(asked, now)
        if isinstance(moment, Refused):
            return await _version(request, session, number, 422, moment.detail)
        delegation = await acting(session.person, rules.POWER, now)
        done = await store.approve(session.person, _title(session), number, moment, now, delegation)
        return await _told(request, session, number, done)

    @routes.post("/profile/versions/{number}/withdraw")
    async def withdraw(request: Request, number: int, session: SignedIn = Depends(page_person)) -> Response:
        now = web_of(request).clock()
        delegation = await acting(session.person, rules.POWER, now)
        done = await store.withdraw(session.person, _title(session), number, now, delegation)
        return await _told(request, session, number, done)

    async def _told(request: Request, session: SignedIn, number: int, done: Any) -> Response:
        if isinstance(done, Refused):
            status = 403 if done.reason_code in ("ROLE_NOT_AUTHORISED", "APPROVER_NOT_AUTHORISED") else 409
            return await _version(request, session, number, status, done.detail)
        return RedirectResponse(f"/profile/versions/{number}", 303)

    async def _version(
        request: Request, session: SignedIn, number: int, status: int = 200, refusal: str = ""
    ) -> Response:
        agency = _readable(session)
        found = next((row for row in await store.versions(agency) if row["number"] == number), None)
        document = await store.document(agency, number)
        if found is None or document is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such version")
        base = await store.document_of(agency, found["based_on"]) or {}
        return pages_of(request).render(
            request, "profiles/version.html", session, status, version=found, refusal=refusal,
            changes=rules.changes(base, document), reading=document.get("access", {}).get("policy_read", True), text=profiles.document_to_yaml(document),
        )  # fmt: skip

    def _editor(
        request: Request, session: SignedIn, text: str, note: str = "", status: int = 200, *,
        problems: tuple[profiles.KeyProblem, ...] = (), note_wrong: str = "",
    ) -> Response:  # fmt: skip
        decision = rules.may_draft(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        return pages_of(request).render(
            request, "profiles/edit.html", session, status, text=text, note=note, problems=problems,
            note_wrong=note_wrong, governance=session.profile.governance,
        )  # fmt: skip

    return routes


def _readable(session: SignedIn) -> str:
    decision = rules.may_read(session.person, session.person.agency)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session.person.agency


def _title(session: SignedIn) -> str:
    return rules.title_of(session.profile, session.person)
