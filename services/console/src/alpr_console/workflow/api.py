"""`/v1/hits/{id}/…`: every step of the work on a hit, from the read check to the closure (HIT-06..27)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.confirming import Confirmation, Question
from alprcore.model import Person, Refused, StateMatch
from alprcore.policy import AgencyProfile
from alprcore.workflow import (
    Action,
    ActionType,
    Basis,
    BasisType,
    Broadcast,
    BroadcastKind,
    Call,
    CheckMethod,
    CheckResult,
    Description,
    Disposition,
    Exigency,
    Given,
    NatureReview,
    Occupied,
    Outcome,
    ReadCheck,
    Result,
    Route,
    Source,
    Verification,
    may_watch,
    status_of,
)

from ..web import Problem, SignedIn, signed_in, signed_in_quietly, web_of
from . import rules
from .store import Answer, Made, WorkflowStore

Ask = Callable[[AgencyProfile, Question], Awaitable[Confirmation]]
"""Asks the agency's confirmation adapter."""
Viewed = Callable[[Person, Sequence[Mapping[str, Any]], str, datetime], Awaitable[None]]
MANUAL: Final = "manual"
_FIELDS: Final = frozenset({"CORRECTION_OF_CORRECT", "CORRECTION_INVALID"})
_PERSON: Final = frozenset({"ROLE_NOT_AUTHORISED", "SOURCE_NOT_AUTHORISED"})
Reason = Annotated[str, Field(max_length=500)]
Short = Annotated[str, Field(max_length=64)]
Words = Annotated[str, Field(max_length=500)]
Story = Annotated[str, Field(max_length=2000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCheck(_Body):
    """Body of `POST …/read-check` (HIT-06, HIT-08)."""

    result: CheckResult
    method: CheckMethod = CheckMethod.IMAGE_REVIEW
    corrected_text: str = Field(default="", max_length=32)
    state_confirmed: StateMatch = StateMatch.UNKNOWN
    override_reason: Reason = ""


class NewVerification(_Body):
    """Body of `POST …/verifications`: what a database said of the entry (HIT-09)."""

    source: Source
    route: Route
    result: Result
    reference: Short = ""
    text: str = Field(default="", max_length=8000)
    override_reason: Reason = ""


class NewConfirmation(_Body):
    """Body of `POST …/confirmations`: which database the agency's own switch is to ask, and for which route."""

    source: Source
    route: Route
    override_reason: Reason = ""


class Content(_Body):
    """What a broadcast says (HIT-27)."""

    nature: Words = ""
    vehicle: Words = ""
    plate: Short = ""
    fixed_location: Words = ""
    description: Words = ""
    alert_info: Words = ""
    direction: Words = ""


class NewBroadcast(_Body):
    """Body of `POST …/broadcasts`."""

    kind: BroadcastKind
    content: Content = Content()
    channels: list[Short] = Field(default=[], max_length=20)
    audience: list[Short] = Field(default=[], max_length=20)
    override_reason: Reason = ""


class NewCall(_Body):
    """Body of `POST …/calls` (HIT-20); description and direction may follow (HIT-22)."""

    call_type: Short
    vehicle_description: Words = ""
    direction_of_travel: Words = ""
    override_reason: Reason = ""


class NewDescription(_Body):
    """Body of `POST …/calls/{call_id}/description` (HIT-22)."""

    vehicle_description: Words
    direction_of_travel: Words


class NewCallState(_Body):
    """Body of `POST …/calls/{call_id}/state` (HIT-21)."""

    state: Annotated[str, Field(pattern="^(confirmed|ended)$")]
    verification_id: Short = ""


class NewNature(_Body):
    """Body of `POST …/nature-review` (HIT-11)."""

    nature: Short
    override_reason: Reason = ""


class OwnBasis(_Body):
    """What a stop rests on besides the hit (HIT-12)."""

    type: BasisType
    narrative: Story


class NewAction(_Body):
    """Body of `POST …/actions` (HIT-09, HIT-10, HIT-12)."""

    type: ActionType
    reason: Reason = ""
    independent_basis: OwnBasis | None = None
    exigency: Exigency | None = None
    narrative: Story = ""
    override_reason: Reason = ""


class NewDisposition(_Body):
    """Body of `POST …/disposition` (HIT-25)."""

    outcome: Outcome
    occupied: Occupied = Occupied.UNKNOWN
    recovered: bool = False
    place: Words = ""
    recovered_at: AwareDatetime | None = None
    note: Story = ""
    wrong_vehicle: bool = False


class NewClosure(_Body):
    """Body of `POST …/closure`."""

    override_reason: Reason = ""


def router(store: WorkflowStore, ask: Ask, viewed: Viewed) -> APIRouter:
    """Bind the routes; `ask` asks the agency's confirmation adapter, `viewed` records that a hit was shown, before it is."""
    routes = APIRouter(prefix="/v1/hits/{hit_id}")

    @routes.get("/work")
    async def get_work(request: Request, hit_id: str, session: SignedIn = Depends(signed_in_quietly)) -> dict[str, Any]:
        _seen(session)
        now = web_of(request).clock()
        seen = await store.view(session, hit_id, now)
        if seen is None:
            raise _unknown()
        card, work = seen
        await viewed(session.person, [card], "work", now)
        return work

    @routes.post("/read-check", status_code=201)
    async def post_check(
        request: Request, hit_id: str, body: NewCheck, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = ReadCheck(body.result, body.method, body.state_confirmed)
        made = _made(
            await store.check(
                session, hit_id, given, body.corrected_text, body.override_reason, web_of(request).clock()
            )
        )
        seen = await store.view(session, hit_id, web_of(request).clock())
        return {**_answer(hit_id, made, "check_id"), "read_check": seen[1]["read_check"] if seen else None}

    @routes.post("/verifications", status_code=201)
    async def post_verification(
        request: Request, hit_id: str, body: NewVerification, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = Verification(body.source, body.route, body.result)
        return await verified(request, session, hit_id, given, Answer(body.reference, body.text), body.override_reason)

    @routes.post("/confirmations", status_code=201)
    async def post_confirmation(
        request: Request, hit_id: str, body: NewConfirmation, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now, person = web_of(request).clock(), session.person
        if store.adapter_of(person.agency) == MANUAL:
            raise Problem(409, "CONFIRMATION_MANUAL", "this agency's answers are entered by hand", rule_id="HIT-09")
        if not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the answer with; nobody was asked")
        asked = Verification(body.source, body.route, Result.ACTIVE)
        found, name = _there(await store.asked(session, hit_id, asked, body.override_reason, now))
        card = found.card
        question = Question(
            name, person.agency, card["entry_plate"], card["entry_state"], body.source, body.route, person.full_name,
            now,
        )  # fmt: skip
        told = await ask(session.profile, question)
        given = Verification(body.source, body.route, told.result)
        answer = Answer(told.reference, told.text, store.adapter_of(person.agency), told.test)
        made = await verified(request, session, hit_id, given, answer, body.override_reason)
        return {**made, "failure": told.failure}

    async def verified(
        request: Request, session: SignedIn, hit_id: str, given: Verification, answer: Answer, reason: str
    ) -> dict[str, Any]:
        if answer.text and not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the answer with; nothing was kept")
        made = _made(await store.verify(session, hit_id, given, answer, reason, web_of(request).clock()))
        return {
            **_answer(hit_id, made, "verification_id"), "result": given.result, "reference": answer.reference,
            "adapter": answer.adapter, "test": answer.test,
        }  # fmt: skip

    @routes.get("/verifications")
    async def get_verifications(
        request: Request, hit_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        _seen(session)
        if await store.view(session, hit_id, web_of(request).clock()) is None:
            raise _unknown()
        rows = await store.verifications(session.person.agency, hit_id)
        return {"verifications": [rules.without_text(row) for row in rows]}

    @routes.get("/verifications/{verification_id}")
    async def get_verification(
        request: Request, hit_id: str, verification_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        _seen(session)
        if await store.view(session, hit_id, web_of(request).clock()) is None:
            raise _unknown()
        rows = await store.verifications(session.person.agency, hit_id)
        row = next((row for row in rows if row["verification_id"] == verification_id), None)
        if row is None:
            raise Problem(404, "VERIFICATION_UNKNOWN", "no such verification of this hit")
        decision = rules.source_open(session.person, Source(row["source"]))
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        text = await store.read_text(session.person, session.profile, verification_id, web_of(request).clock())
        return {**rules.without_text(row), "text": text, "redaction": ""}

    @routes.post("/broadcasts", status_code=201)
    async def post_broadcast(
        request: Request, hit_id: str, body: NewBroadcast, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = Broadcast(body.kind, body.content.model_dump(), tuple(body.channels), tuple(body.audience))
        made = _made(await store.broadcast(session, hit_id, given, body.override_reason, web_of(request).clock()))
        return {**_answer(hit_id, made, "broadcast_id"), "kind": body.kind}

    @routes.post("/calls", status_code=201)
    async def post_call(
        request: Request, hit_id: str, body: NewCall, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = Call(body.call_type, body.vehicle_description, body.direction_of_travel)
        made = _made(await store.call(session, hit_id, given, body.override_reason, web_of(request).clock()))
        return {**_answer(hit_id, made, "call_id"), "call_type": body.call_type}

    @routes.post("/calls/{call_id}/description", status_code=201)
    async def post_description(
        request: Request, hit_id: str, call_id: str, body: NewDescription, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = Description(body.vehicle_description, body.direction_of_travel)
        made = await store.describe(session, hit_id, call_id, given, web_of(request).clock())
        return {**_answer(hit_id, _made(made), "description_id"), "call_id": call_id}

    @routes.post("/calls/{call_id}/state", status_code=201)
    async def post_state(
        request: Request, hit_id: str, call_id: str, body: NewCallState, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        answer = _there(await store.set_call(session, hit_id, call_id, body.state, body.verification_id, now))
        return {"hit_id": hit_id, **answer}

    async def plain(
        request: Request, session: SignedIn, hit_id: str, given: Given, reason: str, name: str,
        also: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        made = await store.step(session, hit_id, given, reason, web_of(request).clock(), also)
        return _answer(hit_id, _made(made), name)

    @routes.post("/nature-review", status_code=201)
    async def post_nature(
        request: Request, hit_id: str, body: NewNature, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        return await plain(request, session, hit_id, NatureReview(body.nature), body.override_reason, "review_id")

    @routes.post("/actions", status_code=201)
    async def post_action(
        request: Request, hit_id: str, body: NewAction, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        own = body.independent_basis
        basis = Basis(own.type, own.narrative) if own else None
        given = Action(body.type, body.reason, basis, body.exigency, body.narrative)
        return await plain(request, session, hit_id, given, body.override_reason, "action_id")

    @routes.post("/disposition", status_code=201)
    async def post_disposition(
        request: Request, hit_id: str, body: NewDisposition, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        given = Disposition(
            body.outcome, body.occupied, body.recovered, body.place, body.recovered_at, body.wrong_vehicle
        )
        return await plain(request, session, hit_id, given, "", "disposition_id", {"note": body.note})

    @routes.post("/closure", status_code=201)
    async def post_closure(
        request: Request, hit_id: str, body: NewClosure, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        made = await store.close(session, hit_id, body.override_reason, web_of(request).clock())
        return _answer(hit_id, _made(made), "closure_id")

    return routes


class OnPages:
    """The verifications of the work on a hit, for the page of other sources."""

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store

    async def listed(self, agency: str, hit_id: str) -> list[dict[str, Any]]:
        """List what databases said of a hit, without their words."""
        return [rules.without_text(row) for row in await self._store.verifications(agency, hit_id)]

    async def record(
        self, session: SignedIn, hit_id: str, given: Verification, told: Mapping[str, str], now: datetime
    ) -> Refused | None:
        """Take a verification; `told` holds its reference, its words and the reason for what is left out."""
        answer = Answer(told["reference"], told["text"])
        made = await self._store.verify(session, hit_id, given, answer, told["override_reason"], now)
        return made if isinstance(made, Refused) else None

    async def words(self, person: Person, profile: AgencyProfile, verification_id: str, now: datetime) -> str | None:
        """Open the words of one; the ledger hears of it."""
        return await self._store.read_text(person, profile, verification_id, now)

    def opened(self, person: Person) -> tuple[str, ...]:
        """Name the sources that a person may use and read."""
        return rules.may_open(person)


def _seen(session: SignedIn) -> None:
    decision = may_watch(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)


def _unknown() -> Problem:
    return Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours, nor one that is worked on")


def _there(found: Any) -> Any:
    """Take what was found. Raises `Problem`: nothing was, or a rule refuses."""
    if found is None:
        raise _unknown()
    if isinstance(found, Refused):
        code = found.reason_code
        raise Problem.of(found, 403 if code in _PERSON else 422 if code in _FIELDS else status_of(found))
    return found


def _made(made: Made | Refused | None) -> Made:
    """Take the step that was made. Raises `Problem`: there is no such hit, or a rule refuses."""
    found: Made = _there(made)
    return found


def _answer(hit_id: str, made: Made, name: str) -> dict[str, Any]:
    return {
        "hit_id": hit_id, name: made.step_id, "overridden": list(made.overridden), "unverified_action": made.unverified,
        "state": made.state, "repeated": not made.new,
    }  # fmt: skip
