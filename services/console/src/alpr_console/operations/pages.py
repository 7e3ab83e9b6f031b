"""Pursuits and deployments on one page, with their forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Decision, Refused

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules
from .store import OperationStore


def router(store: OperationStore) -> APIRouter:
    """Bind the page and its forms to the store."""
    routes = APIRouter(include_in_schema=False)

    async def shown(request: Request, session: SignedIn, wrong: str = "", status: int = 200) -> Response:
        decision = rules.may_look(session.person)
        if isinstance(decision, Refused):
            return refused(request, session, decision)
        agency = session.person.agency
        return pages_of(request).render(
            request, "operations/operations.html", session, status, wrong=wrong,
            pursuits=await store.pursuits(agency), deployments=await store.deployments(agency),
            events=[(kind.value, words) for kind, words in rules.WORDS.items()],
            kinds=[(kind.value, kind.value.replace("_", " ")) for kind in rules.DeploymentKind],
            purposes=[(purpose.code, purpose.label) for purpose in session.profile.purposes],
            logs=not isinstance(rules.may_log(session.person), Refused),
            answers=not isinstance(rules.may_answer(session.person), Refused),
            deploys=not isinstance(rules.may_deploy(session.person), Refused),
        )  # fmt: skip

    def refused(request: Request, session: SignedIn, decision: Refused) -> Response:
        return pages_of(request).render(
            request, "refused.html", session, 403, reason_code=decision.reason_code, detail=decision.detail
        )

    def closed(request: Request, session: SignedIn, decision: Decision) -> Response | None:
        return refused(request, session, decision) if isinstance(decision, Refused) else None

    @routes.get("/operations")
    async def operations(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return await shown(request, session)

    @routes.post("/operations/pursuits")
    async def open_pursuit(
        request: Request, unit: str = Form("", max_length=40), device_id: str = Form("", max_length=100),
        session: SignedIn = Depends(page_person),
    ) -> Response:  # fmt: skip
        if page := closed(request, session, rules.may_log(session.person)):
            return page
        if not unit.strip():
            return await shown(request, session, "Say which unit.", 422)
        now = web_of(request).clock()
        await store.open(session.person, session.profile, unit.strip(), device_id.strip(), now)
        return RedirectResponse("/operations", 303)

    @routes.post("/operations/pursuits/{pursuit_id}/events")
    async def log_event(
        request: Request, pursuit_id: str, kind: rules.EventKind = Form(), session: SignedIn = Depends(page_person)
    ) -> Response:
        if page := closed(request, session, rules.may_log(session.person)):
            return page
        told = await store.log(session.person, session.profile, pursuit_id, kind, web_of(request).clock())
        if told is not None and told.missed:
            return await shown(request, session, f"Nobody is signed on as unit {told.unit}: tell it by radio.")
        return RedirectResponse("/operations", 303)

    @routes.post("/operations/pursuits/{pursuit_id}/outcome")
    async def close_pursuit(
        request: Request, pursuit_id: str, outcome: rules.PursuitOutcome = Form(),
        reason: str = Form("", max_length=rules.TEXT_LENGTH), session: SignedIn = Depends(page_person),
    ) -> Response:  # fmt: skip
        if page := closed(request, session, rules.may_answer(session.person)):
            return page
        if not reason.strip():
            return await shown(request, session, "Say why the unit ended or went on.", 422)
        now = web_of(request).clock()
        await store.close(session.person, session.profile, pursuit_id, outcome, reason.strip(), now)
        return RedirectResponse("/operations", 303)

    @routes.post("/operations/deployments")
    async def deploy(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if page := closed(request, session, rules.may_deploy(session.person)):
            return page
        asked = _asked(await request.form(), session.profile.timezone)
        if asked is None:
            return await shown(request, session, "Give kind, purpose, start and end.", 422)
        now, case_number = web_of(request).clock(), str((await request.form()).get("case_number", ""))
        made = await store.judge(asked, session.person, session.profile, case_number, web_of(request).doors, now)
        if isinstance(made, Refused):
            return await shown(request, session, made.detail, rules.status_of(made))
        await store.deploy(session.person, session.profile, made, now)
        return RedirectResponse("/operations#deployments", 303)

    @routes.post("/operations/deployments/{deployment_id}/end")
    async def end(request: Request, deployment_id: str, session: SignedIn = Depends(page_person)) -> Response:
        if page := closed(request, session, rules.may_deploy(session.person)):
            return page
        await store.end(session.person, session.profile, deployment_id, web_of(request).clock())
        return RedirectResponse("/operations#deployments", 303)

    return routes


def _asked(form: Mapping[str, Any], zone: str) -> rules.Deployment | None:
    """Read a deployment from its form, times in the agency's zone; None where a time or the kind is none."""
    text = {
        name: str(form.get(name, "")).strip()[:200] for name in ("device_id", "place", "purpose_code", "approval_id")
    }
    try:
        starts_at, ends_at = (
            datetime.fromisoformat(str(form.get(name, ""))).replace(tzinfo=ZoneInfo(zone))
            for name in ("starts_at", "ends_at")
        )
        return rules.Deployment(
            rules.DeploymentKind(str(form.get("kind", ""))), **text, starts_at=starts_at, ends_at=ends_at
        )
    except ValueError:
        return None
