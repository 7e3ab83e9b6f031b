"""`/v1/pursuits` and `/v1/deployments`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from alprcore.model import Decision, Refused

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import OperationStore

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=rules.TEXT_LENGTH)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]


class Pursuit(BaseModel):
    """Body of `POST /v1/pursuits`: the unit's call sign, and its ALPR device where known."""

    model_config = ConfigDict(extra="forbid")
    unit: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    device_id: Name = ""


class PursuitEvent(BaseModel):
    """Body of `POST /v1/pursuits/{id}/events`."""

    model_config = ConfigDict(extra="forbid")
    kind: rules.EventKind


class Outcome(BaseModel):
    """Body of `POST /v1/pursuits/{id}/outcome`."""

    model_config = ConfigDict(extra="forbid")
    outcome: rules.PursuitOutcome
    reason: Words


class DeploymentBody(BaseModel):
    """Body of `POST /v1/deployments`; `case_number` is for the approval and is not kept."""

    model_config = ConfigDict(extra="forbid")
    kind: rules.DeploymentKind
    device_id: Name = ""
    place: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    purpose_code: Name = ""
    approval_id: Name = ""
    case_number: Name = ""
    starts_at: AwareDatetime
    ends_at: AwareDatetime

    def asked(self) -> rules.Deployment:
        """Hand it to the rules."""
        return rules.Deployment(
            self.kind, self.device_id, self.place, self.purpose_code, self.approval_id, self.starts_at, self.ends_at
        )


def demand(decision: Decision) -> None:
    """Let pass, or answer 403."""
    if isinstance(decision, Refused):
        raise Problem.of(decision)


def router(store: OperationStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    @routes.get("/v1/pursuits")
    async def get_pursuits(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        demand(rules.may_look(session.person))
        return {"pursuits": await store.pursuits(session.person.agency)}

    @routes.post("/v1/pursuits", status_code=201)
    async def post_pursuit(request: Request, body: Pursuit, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        demand(rules.may_log(session.person))
        name = await store.open(session.person, session.profile, body.unit, body.device_id, web_of(request).clock())
        return {"pursuit_id": name}

    @routes.post("/v1/pursuits/{pursuit_id}/events", status_code=201)
    async def post_event(
        request: Request, pursuit_id: str, body: PursuitEvent, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        demand(rules.may_log(session.person))
        told = await store.log(session.person, session.profile, pursuit_id, body.kind, web_of(request).clock())
        if told is None:
            raise _unknown()
        return {"pursuit_id": pursuit_id, "prompted": list(told.targets), "reached": told.reached}

    @routes.post("/v1/pursuits/{pursuit_id}/outcome", status_code=201)
    async def post_outcome(
        request: Request, pursuit_id: str, body: Outcome, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        demand(rules.may_answer(session.person))
        now = web_of(request).clock()
        if not await store.close(session.person, session.profile, pursuit_id, body.outcome, body.reason, now):
            raise _unknown()
        return {"pursuit_id": pursuit_id, "outcome": body.outcome.value}

    @routes.get("/v1/deployments")
    async def get_deployments(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        demand(rules.may_look(session.person))
        return {"deployments": await store.deployments(session.person.agency)}

    @routes.post("/v1/deployments", status_code=201)
    async def post_deployment(
        request: Request, body: DeploymentBody, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        demand(rules.may_deploy(session.person))
        now = web_of(request).clock()
        made = await store.judge(
            body.asked(), session.person, session.profile, body.case_number, web_of(request).doors, now
        )
        if isinstance(made, Refused):
            raise Problem.of(made, rules.status_of(made))
        return {"deployment_id": await store.deploy(session.person, session.profile, made, now)}

    @routes.post("/v1/deployments/{deployment_id}/end", status_code=201)
    async def post_end(request: Request, deployment_id: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        demand(rules.may_deploy(session.person))
        if not await store.end(session.person, session.profile, deployment_id, web_of(request).clock()):
            raise Problem(404, "DEPLOYMENT_UNKNOWN", "no such deployment goes on")
        return {"deployment_id": deployment_id, "ended": True}

    return routes


def _unknown() -> Problem:
    return Problem(404, "PURSUIT_UNKNOWN", "no open pursuit of this name")
