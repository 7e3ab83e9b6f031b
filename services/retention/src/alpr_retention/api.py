"""Retention's doors: images by recorded intent, images of live hits, purges, holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from alprcore import audited
from alprcore.errors import InvalidMessage, Transient
from alprcore.model import ImageRole, Person, make_id
from alprcore.plates import normalize
from alprcore.seal import read_person

from . import metrics
from .app import House
from .expiry import LIVE
from .store import Hold

HOLD_ROLES: Final = frozenset({"investigator", "supervisor", "custodian", "retention_officer", "program_manager"})
RUN_READERS: Final = frozenset({"retention_officer", "program_manager", "auditor", "custodian"})
BODY_LIMIT: Final = 64 * 1024
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN: Final = frozenset({ImageRole.CLOSEUP.value, ImageRole.CONTEXT.value})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HoldQuery(_Body):
    """Records that a hold covers, also those stored later."""

    plate: str = Field("", max_length=32)
    device_id: str = Field("", max_length=200)
    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None


class HoldBody(_Body):
    """A hold, as posted to /v1/holds."""

    ground: str = Field(min_length=1, max_length=100)
    case: str = Field(min_length=1, max_length=100)
    read_ids: tuple[str, ...] = Field((), max_length=10_000)
    query: HoldQuery | None = None


class PurgeBody(_Body):
    """A purge, as posted to /v1/purges."""

    as_of: date | None = None


class Refusal(Exception):
    """A call that is not answered: status, reason code, words, and who asked."""

    def __init__(self, status: int, code: str, detail: str, *, person: Person | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.person = status, code, detail, person


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """Answer with problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "reason_code": code}
    return JSONResponse(body, status, media_type="application/problem+json")


async def _body(request: Request, model: type[_Body], person: Person) -> Any:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise Refusal(413, "BODY_TOO_LARGE", f"at most {BODY_LIMIT} bytes", person=person)
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        places = sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False)})
        raise Refusal(422, "FIELD_INVALID", ", ".join(places)[:500], person=person) from None


def create_app(house: House, person_key: bytes, clock: Callable[[], datetime]) -> FastAPI:
    """The routes of retention."""
    app = FastAPI(title="Plateline retention", openapi_url=None, docs_url=None, redoc_url=None)

    def asker(request: Request, roles: frozenset[str] = frozenset()) -> Person:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "person" or not token:
            raise Refusal(401, "TOKEN_MISSING", "no person token")
        try:
            person = read_person(token.strip(), person_key, clock())
        except PermissionError as error:
            raise Refusal(401, str(error), "the person token does not hold") from error
        if roles and roles.isdisjoint(person.roles):
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "your role may not do this", person=person)
        return person

    async def shown(agency: str, image: dict[str, Any], person: Person) -> Response:
        try:
            data = await house.images.open(agency, image)
        except KeyError:
            metrics.IMAGES.labels("gone").inc()
            raise Refusal(410, "IMAGE_GONE", "the image is not kept any more", person=person) from None
        except InvalidMessage as error:
            metrics.IMAGES.labels("damaged").inc()
            return problem(500, error.code, "the stored image is not the one that was read")
        metrics.IMAGES.labels("opened").inc()
        return Response(data, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        route = getattr(request.scope.get("route"), "path", "")
        peer = request.client.host if request.client else ""
        facts = {"route": route, "method": request.method, "status": str(refusal.status)}
        await house.tell_refusal(refusal.person, peer, refusal.code, facts)
        return problem(refusal.status, refusal.code, refusal.detail)

    @app.exception_handler(Transient)
    async def away(_request: Request, _error: Transient) -> Response:
        return problem(503, "STORE_UNAVAILABLE", "the database or the image store is away")

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        places = sorted({str(item["loc"][-1]) for item in error.errors()})
        return await refused(request, Refusal(422, "FIELD_INVALID", ", ".join(places)[:500]))

    @app.get("/v1/images/{entry}")
    async def get_image(request: Request, entry: int) -> Response:
        person = asker(request)
        if not 0 <= entry < 2**63:
            raise Refusal(422, "FIELD_INVALID", "entry", person=person)
        try:
            image = await house.records.open_view(entry, person.person_id)
        except PermissionError as error:
            metrics.IMAGES.labels("refused").inc()
            raise Refusal(403, str(error), "no fresh, unused entry of yours", person=person) from error
        if image is None:
            raise Refusal(404, "IMAGE_UNKNOWN", "the read has no such image", person=person)
        return await shown(image["agency"], image, person)

    @app.get("/v1/live-hits/{hit_id}/images/{role}")
    async def get_live_image(request: Request, hit_id: str, role: str) -> Response:
        person = asker(request)
        if not _UUID.fullmatch(hit_id) or role not in _SHOWN:
            raise Refusal(404, "HIT_UNKNOWN", "no such live hit", person=person)
        images = await house.records.live_images(person.agency, hit_id, clock() - LIVE)
        image = next((image for image in images if image["role"] == role), None)
        if image is None:
            raise Refusal(404, "HIT_UNKNOWN", "no such live hit", person=person)
        await house.tell_of(person, "live_image_shown", f"{hit_id} {role}", {"hit_id": hit_id, "role": role})
        return await shown(person.agency, image, person)

    @app.get("/v1/read-statistics")
    async def get_read_statistics(request: Request, device_id: str, days: int = 7) -> Response:
        """Counts by camera, and nothing of any one read: no ledger entry is needed."""
        person = asker(request)
        if not 1 <= days <= 366:
            raise Refusal(422, "FIELD_INVALID", "days", person=person)
        cameras = await house.records.camera_counts(person.agency, device_id, clock() - timedelta(days=days))
        return JSONResponse({"device_id": device_id, "days": days, "cameras": cameras})

    @app.post("/v1/purges")
    async def post_purge(request: Request) -> Response:
        person = asker(request, frozenset({"retention_officer"}))
        body: PurgeBody = await _body(request, PurgeBody, person)
        try:
            run = await house.purge(body.as_of)
        except PermissionError as error:
            status = 409 if str(error) == "PURGE_RUNNING" else 403
            raise Refusal(status, str(error), "no purge at this date or at this moment", person=person) from error
        await house.tell_of(person, "purge_requested", run["run_id"], {"run_id": run["run_id"]})
        return JSONResponse(run, 201)

    @app.get("/v1/retention/runs")
    async def get_runs(request: Request) -> Response:
        asker(request, RUN_READERS)
        return JSONResponse({"runs": await house.records.runs()})

    @app.get("/v1/retention/runs/{run_id}")
    async def get_run(request: Request, run_id: str) -> Response:
        person = asker(request, RUN_READERS)
        runs = await house.records.runs(run_id) if _UUID.fullmatch(run_id) else []
        if not runs:
            raise Refusal(404, "RUN_UNKNOWN", "no such purge", person=person)
        return JSONResponse(runs[0])

    @app.post("/v1/holds")
    async def post_hold(request: Request) -> Response:
        person = asker(request, HOLD_ROLES)
        body: HoldBody = await _body(request, HoldBody, person)
        query = body.query or HoldQuery()
        now = clock()
        hold = Hold(
            hold_id=make_id("hold", person.agency, body.ground, body.case, now.isoformat()),
            agency=person.agency,
            ground=body.ground,
            case_reference=body.case,
            placed_by=person.person_id,
            placed_at=now,
            read_ids=body.read_ids,
            plate=normalize(query.plate).reveal(),
            device_id=query.device_id,
            captured_from=query.captured_from,
            captured_to=query.captured_to,
        )
        if not (hold.read_ids or hold.by_query) or not all(_UUID.fullmatch(read) for read in hold.read_ids):
            raise Refusal(422, "FIELD_INVALID", "read_ids or query", person=person)
        await house.records.place_hold(hold)
        facts = {"hold_id": hold.hold_id, "ground": hold.ground, "reads": str(len(hold.read_ids))}
        await house.tell_of(person, "hold_placed", hold.hold_id, facts)
        return JSONResponse({"hold_id": hold.hold_id, "state": "active"}, 201)

    audited.require("retention", app.routes)
    return app
