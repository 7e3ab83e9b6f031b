"""`/v1/accounts` and what says who may change them: assignments, delegations, access reviews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.model import Decision, Refused
from alprcore.policy import Standing

from ..protection import Problem
from ..web import REVIEW, SignedIn, limited, signed_in, web_of
from . import rules
from .store import AdministrationStore

FindStanding = Callable[[str, datetime], Awaitable[Standing]]
"""Everything on file about a person (training/)."""
reviewing: Final = Depends(limited(REVIEW))
"""Whoever decides on others comes to the review also while nobody has decided on them (ACC-12)."""
_STATUS: Final = {
    "CATEGORY_NOT_ELIGIBLE": 422, "TITLE_NOT_AUTHORISED": 422, "ACCOUNT_EXISTS": 409, "USERNAME_TAKEN": 409,
    "ACCOUNT_NOT_ACTIVE": 409, "CHANGED_MEANWHILE": 409, "FIELD_INVALID": 422, "REVIEW_UNKNOWN": 404,
    "REVIEW_UNDECIDED": 409,
}  # fmt: skip


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Account(_Body):
    """Body of `PUT /v1/accounts/{username}`: everything that may change of an account."""

    full_name: str = Field(max_length=200)
    employee_id: str = Field(default="", max_length=100)
    category: str = Field(max_length=40)
    job_title: str = Field(max_length=120)
    roles: list[str] = Field(max_length=12)
    organization: str = Field(default="", max_length=200)
    leaves_on: date | None = None

    def draft(self, username: str) -> rules.AccountDraft:
        """Lay it out as the rules see it."""
        name, employee = " ".join(self.full_name.split()), self.employee_id.strip()
        roles = tuple(sorted(set(self.roles)))
        return rules.AccountDraft(
            username, name, employee, self.category, self.job_title.strip(), roles, self.leaves_on
        )


class NewAccount(Account):
    """Body of `POST /v1/accounts`."""

    username: str = Field(max_length=200)


class State(_Body):
    """Body of `PUT /v1/people/{username}/state`."""

    disabled: bool
    reason: str = Field(default="", max_length=200)


class Grants(_Body):
    """Body of `PUT /v1/accounts/{username}/grants`."""

    grants: list[str] = Field(max_length=10)


class Assignment(_Body):
    """Body of `POST /v1/assignments`."""

    username: str = Field(max_length=200)
    scope: str = Field(max_length=40)
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class DelegationBody(_Body):
    """Body of `POST /v1/delegations`."""

    power: str = Field(max_length=40)
    designee: str = Field(max_length=200)
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime


class ReviewDecision(_Body):
    """Body of `PUT /v1/access-reviews/{cycle_id}/decisions/{username}`."""

    decision: str = Field(max_length=20)
    reason: str = Field(max_length=500)


def router(store: AdministrationStore, standing: FindStanding) -> APIRouter:
    """Bind the routes to the store; `standing` tells what is on file about a person."""
    routes = APIRouter()

    async def demand(request: Request, session: SignedIn, power: str, scope: str) -> tuple[datetime, str]:
        now = web_of(request).clock()
        decision, under = await store.authority(session.person, session.profile, power, scope, now)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        return now, under

    async def manage(request: Request, session: SignedIn) -> tuple[datetime, str]:
        return await demand(request, session, "manage_access", "access")

    async def account_of(session: SignedIn, username: str, *, others: bool = False) -> dict[str, Any]:
        found = await store.account(session.person.agency, username)
        if found is None:
            raise Problem(404, "PERSON_UNKNOWN", "the agency has no such account")
        if others and found["person_id"] == session.person.person_id:
            raise Problem.of(rules.OWN_ACCOUNT)
        return found

    def refuse(refusal: Refused | None, status: int = 403) -> None:
        if refusal is not None:
            raise Problem.of(refusal, _STATUS.get(refusal.reason_code, status))

    @routes.get("/v1/accounts")
    async def get_accounts(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _see(request, session)
        return {"accounts": [_shown(one) for one in await store.accounts(session.person.agency)]}

    @routes.get("/v1/accounts/{username}")
    async def get_account(request: Request, username: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _see(request, session)
        return _shown(await account_of(session, username))

    async def _see(request: Request, session: SignedIn) -> None:
        decision = await store.may_see(session.person, session.profile, web_of(request).clock())
        refuse(decision if isinstance(decision, Refused) else None)

    @routes.post("/v1/accounts")
    async def post_account(request: Request, body: NewAccount, session: SignedIn = Depends(signed_in)) -> Response:
        now, under = await manage(request, session)
        draft = body.draft(body.username.strip())
        refuse(rules.draft_refusal(draft, session.profile), 422)
        _judge(rules.may_look_after(session.person.roles, draft.roles, session.profile))
        organization = body.organization or session.profile.name
        made = await store.create(session.person, session.profile, draft, organization, under, now)
        if isinstance(made, Refused):
            raise Problem.of(made, 409)
        return JSONResponse({"person_id": made, "username": draft.username, "state": "created"}, 201)

    @routes.put("/v1/accounts/{username}")
    async def put_account(
        request: Request, username: str, body: Account, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, under = await manage(request, session)
        account = await account_of(session, username, others=True)
        draft = body.draft(username)
        refuse(rules.draft_refusal(draft, session.profile), 422)
        changed = (account["person_id"], draft, body.organization, under, now)
        refuse(await store.change(session.person, session.profile, *changed))
        return Response(status_code=204)

    @routes.post("/v1/accounts/{username}/activation")
    async def post_activation(request: Request, username: str, session: SignedIn = Depends(signed_in)) -> Response:
        now, under = await manage(request, session)
        account = await account_of(session, username, others=True)
        found = await standing(account["person_id"], now)
        decision = rules.may_activate(found, session.profile, now)
        refuse(decision if isinstance(decision, Refused) else None)
        fresh = await store.activate(session.person, session.profile, account, under, now)
        if isinstance(fresh, Refused):
            raise Problem.of(fresh, 409)
        return JSONResponse({"state": "active"}, 201 if fresh else 200)

    @routes.post("/v1/accounts/{username}/credentials")
    async def post_credentials(request: Request, username: str, session: SignedIn = Depends(signed_in)) -> Response:
        now, under = await manage(request, session)
        account = await account_of(session, username, others=True)
        decision = rules.may_have_credentials(await standing(account["person_id"], now), session.profile, now)
        refuse(decision if isinstance(decision, Refused) else None)
        _judge(rules.may_look_after(session.person.roles, account["roles"], session.profile))
        password = await store.issue_credentials(session.person, session.profile, account["person_id"], under, now)
        if isinstance(password, Refused):
            raise Problem.of(password)
        return JSONResponse({"username": username, "first_password": password}, 201)

    @routes.put("/v1/people/{username}/state")
    async def put_state(
        request: Request, username: str, body: State, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, under = await manage(request, session)
        account = await account_of(session, username, others=True)
        refuse(
            await store.set_disabled(
                session.person, session.profile, account, body.reason, disabled=body.disabled, under=under, now=now
            )
        )
        return Response(status_code=204)

    @routes.put("/v1/accounts/{username}/grants")
    async def put_grants(
        request: Request, username: str, body: Grants, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, under = await demand(request, session, "grant_sources", "access")
        account = await account_of(session, username, others=True)
        found = await standing(account["person_id"], now)
        refuse(await store.set_grants(session.person, session.profile, found, body.grants, under, now))
        return Response(status_code=204)

    @routes.get("/v1/assignments")
    async def get_assignments(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _see(request, session)
        return {"assignments": await store.assignments(session.person.agency)}

    @routes.post("/v1/assignments")
    async def post_assignment(request: Request, body: Assignment, session: SignedIn = Depends(signed_in)) -> Response:
        now, _ = await demand(request, session, "assign_people", "access")
        account = await account_of(session, body.username, others=True)
        starts = body.starts_at or now
        if body.scope not in rules.SCOPES or (body.ends_at is not None and body.ends_at <= starts):
            raise Problem(422, "FIELD_INVALID", f"scope: {', '.join(rules.SCOPES)}; the end lies after the start")
        one = await store.assign(
            session.person, session.profile, account["person_id"], body.scope, starts, body.ends_at, now
        )
        return JSONResponse({"assignment_id": one}, 201)

    @routes.delete("/v1/assignments/{assignment_id}")
    async def delete_assignment(
        request: Request, assignment_id: str, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, _ = await demand(request, session, "assign_people", "access")
        if not await store.end_assignment(session.person, session.profile, assignment_id, now):
            raise Problem(404, "ASSIGNMENT_UNKNOWN", "no living assignment has this id")
        return Response(status_code=204)

    @routes.get("/v1/delegations")
    async def get_delegations(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _see(request, session)
        return {"delegations": await store.delegations(session.person.agency)}

    @routes.post("/v1/delegations")
    async def post_delegation(
        request: Request, body: DelegationBody, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, under = await demand(request, session, body.power, "access")
        if under:
            raise Problem(403, "APPROVER_NOT_AUTHORISED", "a designee does not pass the power on", rule_id="ACC-10")
        if "program_manager" not in session.person.roles:
            title = session.profile.role_title("program_manager")
            raise Problem(403, "ROLE_NOT_AUTHORISED", f"a designee is named by: {title}", rule_id="ACC-10")
        designee = await account_of(session, body.designee, others=True)
        starts = body.starts_at or now
        if body.ends_at <= starts or designee["state"] != "active" or not designee["job_title"]:
            raise Problem(
                422, "FIELD_INVALID", "a designee is an active person with a title; the end lies after the start"
            )
        refuse(rules.designee_refusal(designee["roles"]), 422)
        one = await store.delegate(session.person, session.profile, body.power, designee, starts, body.ends_at, now)
        return JSONResponse({"delegation_id": one}, 201)

    @routes.delete("/v1/delegations/{delegation_id}")
    async def delete_delegation(
        request: Request, delegation_id: str, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now, _ = await demand(request, session, "assign_people", "access")
        if not await store.end_delegation(session.person, session.profile, delegation_id, now):
            raise Problem(404, "DELEGATION_UNKNOWN", "no living delegation has this id")
        return Response(status_code=204)

    @routes.get("/v1/access-reviews")
    async def get_reviews(request: Request, session: SignedIn = reviewing) -> dict[str, Any]:
        await _see(request, session)
        return {"cycles": await store.cycles(session.person.agency)}

    @routes.post("/v1/access-reviews")
    async def post_review(request: Request, session: SignedIn = Depends(signed_in)) -> Response:
        now, _ = await manage(request, session)
        cycle_id = await store.open_cycle(session.person, session.profile, now)
        if not cycle_id:
            raise Problem(409, "REVIEW_OPEN", "this quarter's review was opened already")
        return JSONResponse({"cycle_id": cycle_id}, 201)

    @routes.get("/v1/access-reviews/{cycle_id}")
    async def get_review(request: Request, cycle_id: str, session: SignedIn = reviewing) -> dict[str, Any]:
        await _see(request, session)
        return {"accounts": await store.cycle_accounts(session.person.agency, cycle_id)}

    @routes.put("/v1/access-reviews/{cycle_id}/decisions/{username}")
    async def put_decision(
        request: Request, cycle_id: str, username: str, body: ReviewDecision, session: SignedIn = reviewing
    ) -> Response:
        now, _ = await manage(request, session)
        account = await account_of(session, username)
        own = account["person_id"] == session.person.person_id
        if own:
            own = not await store.sole_manager(session.person.agency, account["person_id"], session.profile, now)
        refuse(rules.decision_refusal(body.decision, body.reason, own=own))
        said = (cycle_id, account["person_id"], body.decision, body.reason, now)
        refuse(await store.decide(session.person, session.profile, *said))
        return Response(status_code=204)

    @routes.post("/v1/access-reviews/{cycle_id}/closure")
    async def post_closure(request: Request, cycle_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        now, _ = await manage(request, session)
        refuse(await store.close_cycle(session.person, session.profile, cycle_id, now))
        return Response(status_code=204)

    return routes


def _judge(decision: Decision) -> None:
    if isinstance(decision, Refused):
        raise Problem.of(decision)


def _shown(account: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in account.items() if name != "person_id"}
