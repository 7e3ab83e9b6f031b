"""`/v1/courses`, records, certifications, clearances, readings of the policy, unit assignments, device sessions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.model import Refused
from alprcore.policy import Clearance, local_day

from ..protection import Problem
from ..web import SignedIn, limited, signed_in, web_of
from . import rules
from .store import Authority, MaySee, TrainingStore

unread = limited("POLICY_NOT_READ")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Course(_Body):
    """Body of `POST /v1/courses`; `tags` name the parts it covers, `valid_days` how long a completion counts."""

    name: str = Field(min_length=3, max_length=120)
    version: str = Field(min_length=1, max_length=40)
    tags: list[str] = Field(min_length=1, max_length=20)
    valid_days: int | None = Field(default=None, ge=1, le=3660)


class Completion(_Body):
    """Body of `POST /v1/training-records`."""

    username: str = Field(max_length=200)
    course_id: str = Field(max_length=100)
    context: Literal["initial", "refresher", "FTO"] = "initial"
    completed_on: date
    trainer: str = Field(max_length=200)
    passed: bool = True


class PlannedSession(_Body):
    """Body of `POST /v1/training-sessions`."""

    course_id: str = Field(max_length=100)
    starts_at: AwareDatetime
    place: str = Field(min_length=2, max_length=200)
    usernames: list[str] = Field(min_length=1, max_length=200)


class CertificationBody(_Body):
    """Body of `POST /v1/certifications`."""

    username: str = Field(max_length=200)
    kind: Literal["clets", "cji_access", "equipment_clearance"]
    issuer: str = Field(min_length=2, max_length=200)
    expires_on: date


class ClearanceBody(_Body):
    """Body of `POST /v1/clearances`; the waiver is named by the SHA-256 of the signed document."""

    username: str = Field(max_length=200)
    contract_id: str = Field(default="", max_length=100)
    contract_end: date | None = None
    live_scan_on: date | None = None
    no_convictions: bool = False
    waiver_sha256: str = Field(default="", max_length=64)
    waiver_on: date | None = None


class Acknowledgment(_Body):
    """Body of `POST /v1/policy-acknowledgments`; `username` names somebody who signed on paper, else oneself."""

    version: str = Field(max_length=200)
    username: str = Field(default="", max_length=200)


class Unit(_Body):
    """Body of `POST /v1/unit-assignments`."""

    username: str = Field(max_length=200)
    device_id: str = Field(min_length=1, max_length=200)


class DeviceSession(_Body):
    """Body of `POST /v1/device-sessions`."""

    device_id: str = Field(min_length=1, max_length=200)


def router(store: TrainingStore, authority: Authority, may_see: MaySee) -> APIRouter:
    """Bind the routes to the store; `authority` says who holds which power, `may_see` who sees others' papers."""
    routes = APIRouter()

    async def demand(request: Request, session: SignedIn, power: str, scope: str) -> datetime:
        now = web_of(request).clock()
        decision, _ = await authority(session.person, session.profile, power, scope, now)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        return now

    async def see(request: Request, session: SignedIn) -> None:
        decision = await may_see(session.person, session.profile, web_of(request).clock())
        if isinstance(decision, Refused):
            raise Problem.of(decision)

    async def person_of(session: SignedIn, username: str) -> dict[str, Any]:
        found = await store.find_person(session.person.agency, username)
        if found is None:
            raise Problem(404, "PERSON_UNKNOWN", "the agency has no such account")
        return found

    @routes.get("/v1/courses")
    async def get_courses(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        return {"courses": await store.courses(session.person.agency)}

    @routes.post("/v1/courses")
    async def post_course(request: Request, body: Course, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "record_training", "training")
        if refusal := rules.tags_refusal(body.tags):
            raise Problem.of(refusal, 422)
        course_id = await store.add_course(
            session.person, session.profile, body.name, body.version, body.tags, body.valid_days, now
        )
        if not course_id:
            raise Problem(409, "COURSE_EXISTS", "this version of the course is described already")
        return JSONResponse({"course_id": course_id}, 201)

    @routes.post("/v1/courses/{course_id}/approval")
    async def post_approval(request: Request, course_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "record_training", "training")
        if not await store.approve_course(session.person, session.profile, course_id, now):
            raise Problem(404, "COURSE_UNKNOWN", "no such version of a course waits for approval")
        return JSONResponse({"course_id": course_id}, 201)

    @routes.post("/v1/training-records")
    async def post_record(request: Request, body: Completion, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "record_training", "training")
        person = await person_of(session, body.username)
        course = await store.course(session.person.agency, body.course_id)
        day = local_day(session.profile, now)
        own = person["person_id"] == session.person.person_id
        refusal = rules.record_refusal(course, body.completed_on, body.trainer, session.person.username, day, own=own)
        if refusal is not None or course is None:
            raise Problem.of(refusal or Refused("TRN-01", "COURSE_UNKNOWN", "the agency has no such course"), 422)
        record_id = await store.record_training(
            session.person, session.profile, person["person_id"], course, context=body.context,
            completed_on=body.completed_on, trainer=body.trainer, passed=body.passed, now=now,
        )  # fmt: skip
        return JSONResponse({"record_id": record_id}, 201 if record_id else 200)

    @routes.get("/v1/training-sessions")
    async def get_sessions(request: Request, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await see(request, session)
        return {"sessions": await store.sessions(session.person.agency, web_of(request).clock())}

    @routes.post("/v1/training-sessions")
    async def post_session(request: Request, body: PlannedSession, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "record_training", "training")
        course = await store.course(session.person.agency, body.course_id)
        if course is None or body.starts_at <= now:
            raise Problem(422, "FIELD_INVALID", "a session teaches a course of the agency, at a time to come")
        planned = await store.plan_session(
            session.person, session.profile, body.course_id, body.starts_at, body.place, body.usernames, now
        )
        if not planned:
            raise Problem(404, "PERSON_UNKNOWN", "somebody invited has no living account in the agency")
        return JSONResponse({"session_id": planned}, 201)

    @routes.post("/v1/certifications")
    async def post_certification(
        request: Request, body: CertificationBody, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now = await demand(request, session, "manage_access", "access")
        person = await person_of(session, body.username)
        _not_own(session, person)
        one = await store.record_certification(
            session.person, session.profile, person["person_id"], body.kind, body.issuer, body.expires_on, now
        )
        return JSONResponse({"certification_id": one}, 201 if one else 200)

    @routes.post("/v1/clearances")
    async def post_clearance(request: Request, body: ClearanceBody, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "manage_access", "access")
        person = await person_of(session, body.username)
        _not_own(session, person)
        refusal = rules.clearance_refusal(body.contract_end, body.waiver_sha256, local_day(session.profile, now))
        if refusal is not None:
            raise Problem.of(refusal, 422)
        paper = Clearance(**body.model_dump(exclude={"username"}))
        one = await store.record_clearance(session.person, session.profile, person["person_id"], paper, now)
        return JSONResponse({"clearance_id": one, "complete": paper.complete}, 201)

    @routes.post("/v1/policy-acknowledgments")
    async def post_acknowledgment(
        request: Request, body: Acknowledgment, session: SignedIn = Depends(unread)
    ) -> Response:
        now, person_id, method = web_of(request).clock(), session.person.person_id, "screen"
        if body.version != session.profile.version:
            raise Problem(409, "POLICY_CHANGED", "another version of the policy is in force now: read that one")
        if body.username and body.username != session.person.username:
            if session.limit is not None:
                raise Problem.of(session.limit)
            await demand(request, session, "manage_access", "access")
            person_id, method = (await person_of(session, body.username))["person_id"], "paper"
        await store.acknowledge(session.person, session.profile, person_id, method, now)
        return JSONResponse({"version": session.profile.version, "read_at": now.isoformat()}, 201)

    @routes.get("/v1/my-training")
    async def get_my_training(request: Request, session: SignedIn = Depends(unread)) -> dict[str, Any]:
        person = session.person
        return await store.file_of(person.agency, person.person_id, session.profile, web_of(request).clock())

    @routes.get("/v1/training-report")
    async def get_report(
        request: Request, lacks: str = Query(default="", max_length=60), session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        await see(request, session)
        return {"people": rules.report(await store.standings(session.person.agency, now), session.profile, now, lacks)}

    @routes.get("/v1/people/{username}/papers")
    async def get_papers(request: Request, username: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await see(request, session)
        person = await person_of(session, username)
        agency, now = session.person.agency, web_of(request).clock()
        return await store.file_of(agency, person["person_id"], session.profile, now)

    @routes.post("/v1/unit-assignments")
    async def post_unit(request: Request, body: Unit, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "manage_access", "access")
        person = await store.find_person(session.person.agency, body.username)
        standing = await store.standing(person["person_id"], now) if person else None
        missing = rules.missing_for_unit(standing, session.profile, now)
        if missing or person is None:
            words = "; ".join(f"{one.reason_code}: {one.detail}" for one in missing)
            raise Problem(409, missing[0].reason_code, words, rule_id="ACC-14")
        unit_id = await store.assign_unit(session.person, session.profile, person["person_id"], body.device_id, now)
        return JSONResponse({"unit_id": unit_id}, 201)

    @routes.delete("/v1/unit-assignments/{unit_id}")
    async def delete_unit(request: Request, unit_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        now = await demand(request, session, "manage_access", "access")
        if not await store.release_unit(session.person, session.profile, unit_id, now):
            raise Problem(404, "UNIT_UNKNOWN", "no living assignment has this id")
        return Response(status_code=204)

    @routes.post("/v1/device-sessions")
    async def post_device_session(
        request: Request, body: DeviceSession, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now = web_of(request).clock()
        standing = await store.standing(session.person.person_id, now)
        decision = rules.may_start_device_session(standing, session.profile, now)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        one = await store.start_device_session(session.person, body.device_id, now)
        return JSONResponse({"device_session_id": one}, 201)

    @routes.delete("/v1/device-sessions/{device_session_id}")
    async def delete_device_session(
        request: Request, device_session_id: str, session: SignedIn = Depends(signed_in)
    ) -> Response:
        now = web_of(request).clock()
        if not await store.end_device_session(session.person, device_session_id, now):
            raise Problem(404, "DEVICE_SESSION_UNKNOWN", "no session of yours with a device has this id")
        return Response(status_code=204)

    return routes


def _not_own(session: SignedIn, person: dict[str, Any]) -> None:
    if person["person_id"] == session.person.person_id:
        raise Problem(403, "OWN_ACCOUNT", "somebody else records your own papers", rule_id="ACC-08")
