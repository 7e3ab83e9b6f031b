"""`/v1/profiles`: what is in force, what was written, approval, withdrawal; refusals name the keys (CFG-01, CFG-02)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from alprcore.model import Refused

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import Acting, ProfileStore

_CONFLICTS = frozenset({"VERSION_DECIDED", "VERSION_OUTDATED", "VERSION_WAITS"})
_INVALID = frozenset({"NOTHING_CHANGED", "EFFECTIVE_IN_PAST"})


class NewVersion(BaseModel):
    """Body of `POST /v1/profiles`: a whole document, or values by key with dots; None takes a key out."""

    model_config = ConfigDict(extra="forbid")
    note: str = Field(min_length=rules.LEAST_NOTE, max_length=rules.MOST_NOTE)
    document: dict[str, Any] | None = None
    changes: dict[str, Any] | None = None


class Approval(BaseModel):
    """Body of an approval: when the version comes into force; nothing means now."""

    model_config = ConfigDict(extra="forbid")
    effective_at: datetime | None = None


def router(store: ProfileStore, acting: Acting) -> APIRouter:
    """Bind the routes to the store; `acting` finds a live delegation."""
    routes = APIRouter()

    @routes.get("/v1/profiles")
    async def get_profiles(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        profile = session.profile
        return {
            "profiles": [
                {"agency": profile.agency, "version": profile.version, "name": profile.name,
                 "policy_ref": profile.policy_ref, "policy_date": profile.policy_date,
                 "supersedes": profile.supersedes, "applies_to": profile.applies_to}
            ]
        }  # fmt: skip

    @routes.get("/v1/profiles/{agency}")
    async def get_profile(agency: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_read(session.person, agency))
        current = await store.in_force(agency)
        if current is None:
            raise Problem(404, "PROFILE_UNKNOWN", "no such profile of your agency")
        return {
            "agency": agency, "version": current.version, "number": current.number,
            "effective_at": current.effective_at, "document": current.document,
            "history": await store.history(agency),
        }  # fmt: skip

    @routes.get("/v1/profiles/{agency}/versions")
    async def get_versions(agency: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_read(session.person, agency))
        return {"versions": await store.versions(agency)}

    @routes.get("/v1/profiles/{agency}/versions/{number}")
    async def get_version(agency: str, number: int, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        _demand(rules.may_read(session.person, agency))
        found = next((row for row in await store.versions(agency) if row["number"] == number), None)
        document = await store.document(agency, number)
        if found is None or document is None:
            raise Problem(404, "VERSION_UNKNOWN", "no such version of this profile")
        base = await store.document_of(agency, found["based_on"]) or {}
        changes = [
            {"key": change.key, "before": change.before, "after": change.after}
            for change in rules.changes(base, document)
        ]
        return {**found, "document": document, "changes": changes}

    @routes.post("/v1/profiles", status_code=201)
    async def post_profile(request: Request, body: NewVersion, session: SignedIn = Depends(signed_in)) -> Response:
        return await _propose(request, body, session)

    @routes.post("/v1/profiles/{agency}/versions", status_code=201)
    async def post_version(
        request: Request, agency: str, body: NewVersion, session: SignedIn = Depends(signed_in)
    ) -> Response:
        if agency != session.person.agency:
            raise Problem(404, "PROFILE_UNKNOWN", "no such profile of your agency")
        return await _propose(request, body, session)

    @routes.post("/v1/profiles/{agency}/versions/{number}/approvals", status_code=201)
    async def post_approval(
        request: Request, agency: str, number: int, body: Approval, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        if agency != session.person.agency:
            raise Problem(404, "PROFILE_UNKNOWN", "no such profile of your agency")
        moment = rules.effective(body.effective_at, now)
        if isinstance(moment, Refused):
            raise Problem.of(moment, 422)
        delegation = await acting(session.person, rules.POWER, now)
        title = rules.title_of(session.profile, session.person)
        found = await store.approve(session.person, title, number, moment, now, delegation)
        if isinstance(found, Refused):
            raise Problem.of(found, _status(found))
        if found is None:
            raise Problem(404, "VERSION_UNKNOWN", "no such version of this profile")
        return found

    @routes.post("/v1/profiles/{agency}/versions/{number}/withdrawals", status_code=201)
    async def post_withdrawal(
        request: Request, agency: str, number: int, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        if agency != session.person.agency:
            raise Problem(404, "PROFILE_UNKNOWN", "no such profile of your agency")
        delegation = await acting(session.person, rules.POWER, now)
        done = await store.withdraw(
            session.person, rules.title_of(session.profile, session.person), number, now, delegation
        )
        if isinstance(done, Refused):
            raise Problem.of(done, _status(done))
        if not done:
            raise Problem(404, "VERSION_UNKNOWN", "no such version of this profile")
        return {"agency": agency, "number": number, "state": "withdrawn"}

    async def _propose(request: Request, body: NewVersion, session: SignedIn) -> Response:
        if (body.document is None) == (body.changes is None):
            raise Problem(422, "FIELD_INVALID", "either document or changes")
        answer = await store.propose(
            session.person, rules.title_of(session.profile, session.person), web_of(request).clock(),
            note=body.note, document=body.document, edits=body.changes,
        )  # fmt: skip
        if isinstance(answer, Refused):
            raise Problem.of(answer, _status(answer))
        if isinstance(answer, tuple):
            return JSONResponse(
                {
                    "type": "about:blank", "title": "Not understood", "status": 422, "reason_code": "PROFILE_INVALID",
                    "detail": f"{'this key does' if len(answer) == 1 else 'these keys do'} not hold: "
                    f"{', '.join(problem.key for problem in answer)}",
                    "errors": [{"key": problem.key, "detail": problem.words} for problem in answer],
                },
                422,
                media_type="application/problem+json",
            )  # fmt: skip
        return JSONResponse({"agency": session.person.agency, "number": answer, "state": "draft"}, 201)

    return routes


def _demand(decision: Any) -> None:
    if isinstance(decision, Refused):
        raise Problem.of(decision, 404 if decision.reason_code == "PROFILE_UNKNOWN" else 403)


def _status(refusal: Refused) -> int:
    if refusal.reason_code in _CONFLICTS:
        return 409
    return 422 if refusal.reason_code in _INVALID else 403
