"""The query door: record first, then answer. No entry, no row, whoever asks and however."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from alprcore.errors import Transient
from alprcore.model import ImageRole, Person, Refused
from alprcore.plates import normalize, skeleton
from alprcore.policy import AgencyProfile, Area, Criteria, Query, may_query
from alprcore.seal import read_person

from . import ledger, metrics
from .store import Ledger, Receipt, Writer

logger = logging.getLogger(__name__)

FOLLOW_UP: Final = timedelta(minutes=15)
"""How long a person may open reads and images of an answered query without asking anew."""
NEARBY: Final = timedelta(days=1)
BODY_LIMIT: Final = 64 * 1024
LOG_LIMIT: Final = 200
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORBIDDEN: Final = frozenset({"ROLE_NOT_AUTHORISED", "PURPOSE_NOT_PERMITTED"})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Basis(_Body):
    basis: str = Field(max_length=4000)


class _AreaBody(_Body):
    south: float = Field(allow_inf_nan=False)
    west: float = Field(allow_inf_nan=False)
    north: float = Field(allow_inf_nan=False)
    east: float = Field(allow_inf_nan=False)


class CriteriaBody(_Body):
    """What is searched for, as posted."""

    plate: str = Field("", max_length=32)
    partial: str = Field("", max_length=32)
    lookalike: StrictBool = False
    state: str = Field("", max_length=16)
    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None
    area: _AreaBody | None = None
    device_id: str = Field("", max_length=200)
    list_code: str = Field("", max_length=64)
    own_detections: StrictBool = False


class QueryBody(_Body):
    """A query, as posted to /v1/queries."""

    purpose_code: str = Field("", max_length=64)
    justification: str = Field("", max_length=4000)
    case_number: str = Field("", max_length=100)
    no_case_number_reason: str = Field("", max_length=1000)
    reasonable_suspicion: _Basis | None = None
    need_to_know: _Basis | None = None
    attest_no_first_amendment: StrictBool = False
    criteria: CriteriaBody
    limit: int = 100
    after: str = Field("", max_length=100)

    def query(self) -> Query:
        """The question as the policy judges it."""
        c = self.criteria
        return Query(
            purpose_code=self.purpose_code,
            justification=self.justification,
            criteria=Criteria(
                **{**dict(c), "area": Area(**dict(c.area)) if c.area else None, "plate": normalize(c.plate)}
            ),
            case_number=self.case_number,
            no_case_number_reason=self.no_case_number_reason,
            reasonable_suspicion=self.reasonable_suspicion.basis if self.reasonable_suspicion else "",
            need_to_know=self.need_to_know.basis if self.need_to_know else "",
            attest_no_first_amendment=self.attest_no_first_amendment,
            limit=self.limit,
            after=self.after,
        )


class ImageViewBody(_Body):
    """A wish to look at one image of an answered read."""

    read_id: str = Field(max_length=36)
    role: ImageRole
    query_id: int = Field(ge=0, lt=2**53)


class Refusal(Exception):
    """A call that is not answered: status, reason code and words; it becomes one `refused` entry."""

    def __init__(self, status: int, code: str, detail: str, *, person: Person | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.person = status, code, detail, person


class SearchAway(Transient):
    """The question is recorded, but PostgreSQL did not answer it."""


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """Answer with problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "reason_code": code}
    return JSONResponse(body, status, media_type="application/problem+json")


def search_of(criteria: Criteria, limit: int, after: str) -> dict[str, Any]:
    """Lay out the search that PostgreSQL executes; raises `ValueError` for an `after` that no answer gave."""
    plate, pattern = normalize(criteria.plate).reveal(), criteria.partial.upper()
    folded = criteria.lookalike
    when = (criteria.captured_from, criteria.captured_to)
    fields: dict[str, Any] = {
        "skeleton" if folded else "plate": skeleton(plate) if folded else plate,
        "partial_skeleton" if folded else "partial": skeleton(pattern) if folded else pattern,
        "state": criteria.state.upper(),
        "captured_from": when[0].isoformat() if when[0] else "",
        "captured_to": when[1].isoformat() if when[1] else "",
        "area": asdict(criteria.area) if criteria.area else None,
        "device_ids": [criteria.device_id] if criteria.device_id else [],
        "list_code": criteria.list_code,
        "read_id": criteria.read_id,
    }
    if after:
        captured_at, _, read_id = after.partition("/")
        if datetime.fromisoformat(captured_at).tzinfo is None or not _UUID.fullmatch(read_id):
            raise ValueError("after")
        fields["after"] = {"captured_at": captured_at, "read_id": read_id}
    return {**{name: value for name, value in fields.items() if value}, "limit": limit}


class Door:
    """The order of every answer: authenticate, policy, intent committed, PostgreSQL, result committed, answer."""

    def __init__(
        self,
        writer: Writer,
        store: Ledger,
        profiles: Mapping[str, AgencyProfile],
        person_key: bytes,
        clock: Callable[[], datetime],
    ) -> None:
        self.writer, self.store, self.profiles, self.clock = writer, store, profiles, clock
        self._person_key = person_key

    def person(self, request: Request) -> Person:
        """Who asks, by the console's token; never by anything in the body (QRY-06, QRY-07)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "person" or not token:
            raise Refusal(401, "TOKEN_MISSING", "no person token")
        try:
            return read_person(token.strip(), self._person_key, self.clock())
        except PermissionError as error:
            raise Refusal(401, str(error), "the person token does not hold") from error

    def profile(self, person: Person) -> AgencyProfile:
        """The policy in force for this person's agency."""
        try:
            return self.profiles[person.agency]
        except KeyError:
            raise Refusal(503, "PROFILE_UNKNOWN", "no policy is known for this agency", person=person) from None

    async def record(
        self,
        kind: str,
        person: Person,
        *,
        facts: Mapping[str, Any],
        personal: Mapping[str, Any],
        about: int | None = None,
        act: Mapping[str, Any] | None = None,
        outcome: str = "ok",
    ) -> Receipt:
        """Commit an entry about what a person does."""
        profile = self.profiles.get(person.agency)
        scope = (person.agency,)
        return await self.writer.append(
            ledger.Draft(
                kind=kind,
                agency=person.agency,
                outcome=outcome,
                profile_version=profile.version if profile else "",
                facts=facts,
                personal={"person": asdict(person), **personal},
                about=about,
                intent=ledger.Intent(person.person_id, scope, act) if act is not None else None,
            )
        )

    async def answer(
        self, person: Person, search: Mapping[str, Any], personal: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> tuple[Receipt, Receipt, list[dict[str, Any]]]:
        """Commit the intent, let PostgreSQL answer it, commit the result; only then are there rows."""
        act = {"act": "search", "search": search}
        intent = await self.record("query", person, facts=facts, personal=personal, act=act)
        began = time.monotonic()
        try:
            rows = await self.store.search(intent.index)
        except (Transient, asyncpg.PostgresError) as error:
            facts = {"error": type(error).__name__}
            await self.record("query_result", person, facts=facts, personal={}, about=intent.index, outcome="error")
            raise SearchAway("the search could not be answered") from error
        spent = time.monotonic() - began
        metrics.SEARCH_SECONDS.observe(spent)
        read_ids = [row["read_id"] for row in rows]
        result = await self.record(
            "query_result",
            person,
            facts={
                "rows": len(rows),
                "bytes": len(json.dumps(rows).encode()),
                "duration_ms": round(spent * 1000),
                "read_ids_sha256": ledger.read_ids_digest(read_ids),
            },
            personal={"reads": {row["read_id"]: row["captured_at"] for row in rows}},
            about=intent.index,
        )
        return intent, result, rows

    async def receipt(self, intent: Receipt, result: Receipt) -> dict[str, Any]:
        """What the asker can keep: the entry, its proof, and the signed head that it leads to."""
        path = await self.store.inclusion(intent.index, result.size)
        return {
            "index": intent.index,
            "result_index": result.index,
            "entry": intent.leaf.decode(),
            "leaf_hash": ledger.leaf_hash(intent.leaf).hex(),
            "inclusion": [part.hex() for part in path],
            "tree_size": result.size,
            "root": result.root.hex(),
            "checkpoint": result.note,
        }

    async def follow_up(self, person: Person, query_id: int, read_id: str) -> tuple[dict[str, Any], datetime]:
        """The reasons of an own query, not older than 15 minutes, and when the read it handed out was captured."""
        found = await self.store.intent(query_id)
        if found is None or found["kind"] != "query" or found["person_id"] != person.person_id:
            raise Refusal(403, "QUERY_UNKNOWN", "no such query of yours", person=person)
        if self.clock() - found["committed_at"] > FOLLOW_UP:
            raise Refusal(403, "QUERY_EXPIRED", "the query is older than 15 minutes", person=person)
        captured = await self.store.answered(query_id, read_id) if _UUID.fullmatch(read_id) else None
        if captured is None:
            raise Refusal(403, "READ_NOT_ANSWERED", "the query did not answer this read", person=person)
        return {"reasons": found["content"].get("reasons", {}), "ip": person.source_ip}, captured

    async def refuse(self, request: Request, refusal: Refusal) -> None:
        """Commit the one entry of a refusal (AUD-09)."""
        person = refusal.person
        peer = request.client.host if request.client else ""
        route = request.scope.get("route")
        await self.writer.append(
            ledger.Draft(
                kind="refused",
                agency=person.agency if person else "",
                outcome="refused",
                reason_code=refusal.code,
                profile_version=self.profiles[person.agency].version
                if person and person.agency in self.profiles
                else "",
                facts={"method": request.method, "route": getattr(route, "path", ""), "status": refusal.status},
                personal={"person": asdict(person)} if person else {"peer": peer},
            )
        )


async def _body(request: Request, model: type[_Body], person: Person) -> Any:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise Refusal(413, "BODY_TOO_LARGE", f"at most {BODY_LIMIT} bytes", person=person)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        places = sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False)})
        raise Refusal(422, "CRITERIA_INVALID", f"wrong or unknown: {', '.join(places)}"[:500], person=person) from None


def create_app(door: Door) -> FastAPI:
    """The routes of the ledger and the query door."""
    app = FastAPI(title="Plateline audit", openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        metrics.QUERIES.labels("refused").inc()
        try:
            await door.refuse(request, refusal)
        except Transient as error:
            return await away(request, error)
        return problem(refusal.status, refusal.code, refusal.detail)

    @app.exception_handler(Transient)
    async def away(_request: Request, error: Transient) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        logger.warning("ledger_unavailable", extra={"reason": str(error)})
        return problem(503, "LEDGER_UNAVAILABLE", "nothing can be recorded now, so nothing is answered")

    @app.exception_handler(SearchAway)
    async def unanswered(_request: Request, _error: SearchAway) -> Response:
        metrics.QUERIES.labels("unavailable").inc()
        return problem(503, "SEARCH_UNAVAILABLE", "the question is recorded and could not be answered; ask again")

    @app.exception_handler(ledger.EntryInvalid)
    async def odd(request: Request, _error: ledger.EntryInvalid) -> Response:
        return await refused(request, Refusal(422, "CRITERIA_INVALID", "a text holds characters that cannot be kept"))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        places = sorted({str(item["loc"][-1]) for item in error.errors()})
        return await refused(request, Refusal(422, "FIELD_INVALID", ", ".join(places)[:500]))

    @app.post("/v1/queries")
    async def post_query(request: Request) -> Response:
        person = door.person(request)
        profile = door.profile(person)
        body: QueryBody = await _body(request, QueryBody, person)
        query = body.query()
        if body.criteria.plate and not query.criteria.plate:
            raise Refusal(422, "CRITERIA_INVALID", "plate: no letter or digit", person=person)
        decision = may_query(query, person, profile, door.clock())
        if isinstance(decision, Refused):
            status = 403 if decision.reason_code in _FORBIDDEN else 422
            raise Refusal(status, decision.reason_code, decision.detail, person=person)
        if query.criteria.own_detections and not query.criteria.device_id:
            raise Refusal(422, "CRITERIA_INVALID", "own detections: name the device of your session", person=person)
        try:
            search = search_of(query.criteria, query.limit, query.after)
        except ValueError:
            raise Refusal(422, "CRITERIA_INVALID", "after: not the `next` of an answer", person=person) from None
        posted = body.model_dump(mode="json", exclude_unset=True)
        personal = {
            "ip": person.source_ip,
            "criteria": posted.pop("criteria"),
            "limit": query.limit,
            "after": query.after,
            "reasons": {name: value for name, value in posted.items() if name not in {"limit", "after"}},
        }
        facts = {"purpose_code": query.purpose_code}
        intent, result, rows = await door.answer(person, search, personal, facts)
        metrics.QUERIES.labels("answered").inc()
        answer = {"query_id": intent.index, "receipt": await door.receipt(intent, result), "rows": rows}
        if len(rows) == query.limit:
            answer["next"] = f"{rows[-1]['captured_at']}/{rows[-1]['read_id']}"
        return JSONResponse(answer)

    @app.get("/v1/reads/{read_id}")
    async def get_read(request: Request, read_id: str, query_id: str = "") -> Response:
        person = door.person(request)
        if not query_id.isascii() or not query_id.isdigit() or len(query_id) > 15:
            raise Refusal(422, "FIELD_MISSING", "query_id: the query that answered this read", person=person)
        personal, captured = await door.follow_up(person, int(query_id), read_id)
        personal["criteria"] = {"read_id": read_id}
        # a correction may move the time of capture a little; the bounds spare opening every due day
        span = {"captured_from": (captured - NEARBY).isoformat(), "captured_to": (captured + NEARBY).isoformat()}
        search = {"read_id": read_id, "limit": 1, **span}
        intent, result, rows = await door.answer(person, search, personal, {"follows": int(query_id)})
        if not rows:
            raise Refusal(404, "READ_UNKNOWN", "the read is not kept any more", person=person)
        return JSONResponse({**rows[0], "receipt": await door.receipt(intent, result)})

    @app.post("/v1/image-views")
    async def post_image_view(request: Request) -> Response:
        person = door.person(request)
        body: ImageViewBody = await _body(request, ImageViewBody, person)
        personal, captured = await door.follow_up(person, body.query_id, body.read_id)
        personal["criteria"] = {"read_id": body.read_id, "role": body.role.value}
        act = {"act": "image", **personal["criteria"], "captured_at": captured.isoformat()}
        facts = {"follows": body.query_id}
        receipt = await door.record("image_view", person, facts=facts, personal=personal, act=act)
        return JSONResponse({"entry": receipt.index, "checkpoint": receipt.note}, 201)

    @app.get("/v1/audit/checkpoint")
    async def get_checkpoint() -> Response:
        if not door.writer.note:
            raise Transient("no head is signed yet")
        return Response(door.writer.note, media_type="text/plain; charset=utf-8")

    @app.get("/v1/audit/verify")
    async def get_verify(request: Request) -> Response:
        person = _auditor(request)
        await door.record("ledger_verified", person, facts={}, personal={"ip": person.source_ip})
        return JSONResponse(await door.store.verify(door.writer.verifier))

    @app.get("/v1/audit/log")
    async def get_log(request: Request, before: int = 2**62, kind: str = "", limit: int = LOG_LIMIT) -> Response:
        person = _auditor(request)
        before = max(0, min(before, 2**62))
        criteria = {"before": str(before), "kind": kind, "limit": str(limit)}
        await door.record("log_read", person, facts={}, personal={"ip": person.source_ip, "criteria": criteria})
        rows = await door.store.log(person.agency, before, kind, max(1, min(limit, LOG_LIMIT)))
        return JSONResponse({"rows": rows})

    def _auditor(request: Request) -> Person:
        person = door.person(request)
        if "auditor" not in person.roles:
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "auditors only", person=person)
        return person

    return app
