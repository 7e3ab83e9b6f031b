"""`/v1/sharing-agreements`, `/v1/repositories`, `/v1/custodians`, `/v1/demands`, and counts for whoever judges a breach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from alprcore.answering import Refusal
from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile

from ..web import Body, Door, need_id, read_body
from . import rules
from .store import Agreements, Demands, Repositories

_FORBIDDEN: Final = frozenset(
    {"ROLE_NOT_AUTHORISED", "APPROVER_NOT_AUTHORISED", "COUNTERPARTY_NOT_PERMITTED", "RECIPIENT_CLASS_NOT_PERMITTED"}
    | {"PURPOSE_NOT_PERMITTED", "REPOSITORY_NOT_PERMITTED", "IDENTITY_NOT_VERIFIED"}
)
_CONFLICTS: Final = frozenset({"STATE_CONFLICT", "SECOND_PERSON_REQUIRED", "HOLD_REQUIRED"})
BACK: Final = timedelta(days=366 * 6)
"""How far back records are counted where no beginning is given: beyond every period that a profile can set."""


Holders = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""Tells who was handed an agency's reads: holder, kind, reads, withdrawn, last_at."""


class NewAgreement(Body):
    """Body of `POST /v1/sharing-agreements`."""

    receiver: str = Field(min_length=1, max_length=100)
    party_name: str = Field(max_length=200)
    party_kind: str = Field(max_length=40)
    party_state: str = Field("", max_length=40)
    purposes: tuple[str, ...] = Field(max_length=50)
    statute_basis: str = Field(max_length=rules.LONGEST)
    words: str = Field("", max_length=rules.LONGEST)
    device_ids: tuple[str, ...] = Field((), max_length=1000)
    max_age_days: int | None = None
    images: bool = False
    hits: bool = False
    starts_at: AwareDatetime | None = None
    expires_at: AwareDatetime

    def draft(self, now: datetime) -> rules.Draft:
        """Lay it out as the rules see it."""
        return rules.Draft(
            self.receiver, self.party_name.strip(), self.party_kind, self.party_state.strip().upper(),
            tuple(dict.fromkeys(self.purposes)), self.statute_basis.strip(), self.words.strip(),
            tuple(sorted(set(self.device_ids))), self.max_age_days, self.images, self.hits, self.starts_at or now,
            self.expires_at,
        )  # fmt: skip


class Decision(Body):
    """Body of `POST /v1/sharing-agreements/{id}/approvals`."""

    decision: str = Field("approve", pattern="^(approve|deny)$")
    note: str = Field("", max_length=rules.LONGEST)


class Reason(Body):
    """Body of a stop or a start."""

    reason: str = Field(max_length=rules.LONGEST)


class NewDemand(Body):
    """Body of `POST /v1/demands`; what is wanted is put in words, a plate is asked for at the query door."""

    kind: str = Field(max_length=40)
    reference: str = Field(max_length=200)
    requester: str = Field(max_length=500)
    wanted: str = Field(max_length=rules.LONGEST)
    received_at: AwareDatetime
    due_at: AwareDatetime
    hold_id: str = Field("", max_length=36)
    request_id: str = Field("", max_length=36)

    def draft(self) -> rules.DemandDraft:
        """Lay it out as the rules see it."""
        return rules.DemandDraft(**dict(self))


class Answer(Body):
    """Body of `POST /v1/demands/{id}/answers`; `records` is what a subject was told: counts and days, no content."""

    outcome: str = Field(max_length=40)
    words: str = Field(max_length=rules.LONGEST)
    verified: str = Field("", max_length=500)
    lookup_entry: int | None = Field(None, ge=0, lt=2**53)
    hold_id: str = Field("", max_length=36)
    request_id: str = Field("", max_length=36)


class Window(Body):
    """Body of `POST /v1/affected-counts`: records captured in a window, of some devices or of all."""

    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None
    device_ids: tuple[str, ...] = Field((), max_length=1000)


def routes(
    door: Door,
    profiles: Mapping[str, AgencyProfile],
    agreements: Agreements,
    repositories: Repositories,
    demands: Demands,
    holders: Holders,
) -> APIRouter:
    """Bind the routes to the stores; `holders` tells to whom reads were handed over on request."""
    made = APIRouter()
    _agreement_routes(made, door, profiles, agreements)
    _repository_routes(made, door, profiles, repositories, agreements, holders)
    _demand_routes(made, door, profiles, demands)
    return made


def _profile(profiles: Mapping[str, AgencyProfile], person: Person) -> AgencyProfile:
    profile = profiles.get(person.agency)
    if profile is None:
        raise Refusal(503, "PROFILE_UNKNOWN", "no policy is known for this agency", person=person)
    return profile


def _raise(refused: Refused | None, person: Person) -> None:
    if refused is not None:
        code = refused.reason_code
        status = 403 if code in _FORBIDDEN else 409 if code in _CONFLICTS else 422
        raise Refusal(status, code, refused.detail, person=person)


def _overseer(door: Door, request: Request) -> Person:
    person = door.asker(request)
    _raise(rules.may_look(person), person)
    return person


def _moment(text: str, person: Person) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+")) if text else None
    except ValueError:
        moment = None
    if text and (moment is None or moment.tzinfo is None):
        raise Refusal(422, "FIELD_INVALID", "after: not the `next` of an answer", person=person)
    return moment


def _id(text: str, person: Person, name: str) -> None:
    try:
        UUID(text or "00000000-0000-0000-0000-000000000000")
    except ValueError:
        raise Refusal(422, "FIELD_INVALID", name, person=person) from None


def _agreement_routes(
    made: APIRouter, door: Door, profiles: Mapping[str, AgencyProfile], agreements: Agreements
) -> None:
    async def one(person: Person, name: str) -> dict[str, Any]:
        found = await agreements.agreements(person.agency, name)
        if not found:
            raise Refusal(404, "AGREEMENT_UNKNOWN", "the agency has no such agreement", person=person)
        return rules.shown(found[0], person, _profile(profiles, person), door.clock())

    @made.post("/v1/sharing-agreements")
    async def post_agreement(request: Request) -> JSONResponse:
        person = door.asker(request)
        body, now = await read_body(request, NewAgreement, person), door.clock()
        proposed = await agreements.propose(person, _profile(profiles, person), body.draft(now), profiles, now)
        if isinstance(proposed, Refused):
            _raise(proposed, person)
        return JSONResponse(jsonable_encoder(await one(person, str(proposed))), 201)

    @made.get("/v1/sharing-agreements")
    async def get_agreements(request: Request, after: str = "") -> JSONResponse:
        person = _overseer(door, request)
        profile, now = _profile(profiles, person), door.clock()
        found = await agreements.agreements(person.agency, before=_moment(after, person))
        shown = [rules.shown(agreement, person, profile, now) for agreement in found]
        return JSONResponse(jsonable_encoder({"agreements": shown, "next": _next(found, "created_at")}))

    @made.get("/v1/sharing-agreements/{agreement_id}")
    async def get_agreement(request: Request, agreement_id: str) -> JSONResponse:
        person = _overseer(door, request)
        name = need_id(agreement_id, person, "AGREEMENT_UNKNOWN", "the agency has no such agreement")
        return JSONResponse(jsonable_encoder(await one(person, name)))

    @made.post("/v1/sharing-agreements/{agreement_id}/approvals")
    async def post_approval(request: Request, agreement_id: str) -> JSONResponse:
        person = door.asker(request)
        name = need_id(agreement_id, person, "AGREEMENT_UNKNOWN", "the agency has no such agreement")
        body = await read_body(request, Decision, person)
        try:
            refused = await agreements.decide(
                person, _profile(profiles, person), name, body.decision, body.note.strip(), door.clock()
            )
        except KeyError:
            raise Refusal(404, "AGREEMENT_UNKNOWN", "the agency gives no such agreement", person=person) from None
        _raise(refused, person)
        return JSONResponse(jsonable_encoder(await one(person, name)), 201)

    @made.post("/v1/sharing-agreements/{agreement_id}/stop")
    async def post_stop(request: Request, agreement_id: str) -> JSONResponse:
        person = door.asker(request)
        name = need_id(agreement_id, person, "AGREEMENT_UNKNOWN", "the agency has no such agreement")
        body = await read_body(request, Reason, person)
        if not body.reason.strip():
            raise Refusal(422, "REASON_REQUIRED", "reason: say why", person=person)
        try:
            refused = await agreements.stop(person, _profile(profiles, person), name, body.reason.strip(), door.clock())
        except KeyError:
            raise Refusal(404, "AGREEMENT_UNKNOWN", "the agency gives no such agreement", person=person) from None
        _raise(refused, person)
        return JSONResponse(jsonable_encoder(await one(person, name)), 201)


def _next(found: list[dict[str, Any]], moment: str, page: int = 50) -> str | None:
    return found[-1][moment].isoformat() if len(found) == page else None


def _repository_routes(
    made: APIRouter,
    door: Door,
    profiles: Mapping[str, AgencyProfile],
    repositories: Repositories,
    agreements: Agreements,
    holders: Holders,
) -> None:
    @made.get("/v1/repositories")
    async def get_repositories(request: Request) -> JSONResponse:
        person = _overseer(door, request)
        return JSONResponse(jsonable_encoder({"repositories": await repositories.state(person)}))

    @made.get("/v1/repositories/{adapter}/batches")
    async def get_batches(request: Request, adapter: str, after: str = "") -> JSONResponse:
        person = _overseer(door, request)
        found = await repositories.batches(person.agency, adapter, _moment(after, person))
        return JSONResponse(jsonable_encoder({"batches": found, "next": _next(found, "made_at")}))

    async def switch(request: Request, adapter: str, *, on: bool) -> JSONResponse:
        person = door.asker(request)
        _profile(profiles, person)
        body = await read_body(request, Reason, person)
        _raise(await repositories.switch(person, adapter, body.reason.strip(), door.clock(), on=on), person)
        return JSONResponse(jsonable_encoder((await repositories.state(person))[0]), 201)

    @made.post("/v1/repositories/{adapter}/stop")
    async def post_stop(request: Request, adapter: str) -> JSONResponse:
        return await switch(request, adapter, on=False)

    @made.post("/v1/repositories/{adapter}/recall")
    async def post_recall(request: Request, adapter: str) -> JSONResponse:
        person = door.asker(request)
        _profile(profiles, person)
        body = await read_body(request, Reason, person)
        recalled = await repositories.recall(person, adapter, body.reason.strip(), door.clock())
        if isinstance(recalled, Refused):
            _raise(recalled, person)
        return JSONResponse({"adapter": adapter, "recalled": recalled}, 201)

    @made.post("/v1/repositories/{adapter}/start")
    async def post_start(request: Request, adapter: str) -> JSONResponse:
        return await switch(request, adapter, on=True)

    @made.get("/v1/custodians")
    async def get_custodians(request: Request) -> JSONResponse:
        """Who owns and holds the agency's data, how much lies with others, and who else may search it (SHR-11)."""
        person = _overseer(door, request)
        profile, now = _profile(profiles, person), door.clock()
        copies = [
            {
                "holder": one["name"],
                "kind": "standing_repository",
                "reads": one["held_there"],
                "withdrawn": one["withdrawn"],
                "last_at": one["last_batch_at"],
            }
            for one in await repositories.state(person)
        ]
        copies += await holders(person.agency)
        given = [
            one for one in await agreements.agreements(person.agency)
            if one["giver"] == person.agency and rules.state_of(one, now) == "in_force"
        ]  # fmt: skip
        return JSONResponse(jsonable_encoder(rules.custody(profile, copies, given)))


def _demand_routes(made: APIRouter, door: Door, profiles: Mapping[str, AgencyProfile], demands: Demands) -> None:
    async def one(person: Person, name: str) -> dict[str, Any]:
        found = await demands.demands(person, door.clock(), name)
        if not found:
            raise Refusal(404, "DEMAND_UNKNOWN", "the agency has no such demand", person=person)
        return rules.demand_shown(found[0], person, door.clock())

    @made.post("/v1/demands")
    async def post_demand(request: Request) -> JSONResponse:
        person = door.asker(request)
        body = await read_body(request, NewDemand, person)
        _id(body.hold_id, person, "hold_id")
        _id(body.request_id, person, "request_id")
        put = await demands.put(person, _profile(profiles, person), body.draft(), door.clock())
        if isinstance(put, Refused):
            _raise(put, person)
        return JSONResponse(jsonable_encoder(await one(person, str(put))), 201)

    @made.get("/v1/demands")
    async def get_demands(request: Request, after: str = "") -> JSONResponse:
        person = _overseer(door, request)
        found = await demands.demands(person, door.clock(), before=_moment(after, person))
        shown = [rules.demand_shown(demand, person, door.clock()) for demand in found]
        return JSONResponse(jsonable_encoder({"demands": shown, "next": _next(found, "recorded_at")}))

    @made.get("/v1/demands/{demand_id}")
    async def get_demand(request: Request, demand_id: str) -> JSONResponse:
        person = _overseer(door, request)
        name = need_id(demand_id, person, "DEMAND_UNKNOWN", "the agency has no such demand")
        return JSONResponse(jsonable_encoder(await one(person, name)))

    @made.post("/v1/demands/{demand_id}/answers")
    async def post_answer(request: Request, demand_id: str) -> JSONResponse:
        person = door.asker(request)
        name = need_id(demand_id, person, "DEMAND_UNKNOWN", "the agency has no such demand")
        body = await read_body(request, Answer, person)
        _id(body.hold_id, person, "hold_id")
        _id(body.request_id, person, "request_id")
        found = {} if body.lookup_entry is None else {"lookup_entry": body.lookup_entry}
        try:
            refused = await demands.answer(
                person, _profile(profiles, person), name, body.outcome, body.words.strip(), body.verified.strip(),
                found, body.hold_id, body.request_id, door.clock(),
            )  # fmt: skip
        except KeyError:
            raise Refusal(404, "DEMAND_UNKNOWN", "the agency has no such demand", person=person) from None
        _raise(refused, person)
        return JSONResponse(jsonable_encoder(await one(person, name)), 201)

    @made.post("/v1/affected-counts")
    async def post_counts(request: Request) -> JSONResponse:
        """Counts, and nothing of any one read: no ledger entry is needed."""
        person = _overseer(door, request)
        body, now = await read_body(request, Window, person), door.clock()
        begins, ends = body.captured_from or now - BACK, body.captured_to or now
        return JSONResponse(await demands.affected(person.agency, begins, ends, body.device_ids))
