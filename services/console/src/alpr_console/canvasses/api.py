"""`/v1/canvasses`: what was read around a crime scene, asked through the query door for the case (USE-09, USE-10)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.model import Person, Refused

from ..doors import DoorAway, Doors
from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import CanvassStore

_JSON: Final = {"content-type": "application/json"}
_STATUS: Final = {"ROLE_NOT_AUTHORISED": 403, "PURPOSE_NOT_PERMITTED": 403}
UNKNOWN: Final = Problem(404, "CANVASS_UNKNOWN", "the agency has no open canvass of this id")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewCanvass(_Body):
    """Body of `POST /v1/canvasses`; corners are latitude and longitude in degrees, times carry their zone."""

    case_number: str = Field(max_length=60)
    incident_type: str = Field(max_length=40)
    polygon: list[tuple[float, float]] = Field(max_length=50)
    captured_from: AwareDatetime
    captured_to: AwareDatetime
    purpose_code: str = Field(max_length=60)
    justification: str = Field(max_length=2000)
    device_ids: list[str] = Field(default=[], max_length=50)

    def draft(self) -> rules.Draft:
        """Lay it out as the rules see it."""
        return rules.Draft(
            self.case_number.strip(), self.incident_type, tuple(self.polygon), self.captured_from, self.captured_to,
            self.purpose_code, self.justification.strip(), tuple(sorted(set(self.device_ids))),
        )  # fmt: skip


class Units(_Body):
    """Body of `PUT /v1/canvasses/{id}/units`."""

    device_ids: list[str] = Field(max_length=50)


class Entered(_Body):
    """Body of `POST /v1/canvasses/{id}/entries`: a plate that was entered for it."""

    kind: str = Field(max_length=20)
    entry_id: str = Field(max_length=64)


class Reasons(_Body):
    """Body of `POST /v1/canvasses/{id}/reads`: the asker's own reasons beside the canvass's case and purpose."""

    justification: str = Field(default="", max_length=2000)
    attest_no_first_amendment: bool = False
    reasonable_suspicion: str = Field(default="", max_length=2000)
    need_to_know: str = Field(default="", max_length=2000)
    after: str = Field(default="", max_length=500)


def router(store: CanvassStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    async def worker(session: SignedIn = Depends(signed_in)) -> SignedIn:
        if not rules.may_work(session.person):
            raise Problem(403, "ROLE_NOT_AUTHORISED", "canvasses are not open to this role", rule_id="USE-09")
        return session

    async def one(request: Request, session: SignedIn, canvass_id: str) -> dict[str, Any]:
        now = web_of(request).clock()
        found = await store.canvasses(session.person, session.profile, now, canvass_id)
        if not found:
            raise Problem(404, "CANVASS_UNKNOWN", "the agency has no canvass of this id")
        return rules.shown(found[0], session.profile, now)

    @routes.post("/v1/canvasses", status_code=201)
    async def post_canvass(request: Request, body: NewCanvass, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        now, draft = web_of(request).clock(), body.draft()
        refusal = rules.refusal(draft, session.person, session.profile, now)
        if isinstance(refusal, Refused):
            raise Problem.of(refusal, _STATUS.get(refusal.reason_code, 422))
        await _known_devices(web_of(request).doors, session.person, draft.device_ids)
        if not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the case number with; nothing was kept")
        return await one(request, session, await store.open(session.person, session.profile, draft, now))

    @routes.get("/v1/canvasses")
    async def get_canvasses(request: Request, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        now = web_of(request).clock()
        found = await store.canvasses(session.person, session.profile, now)
        return {"canvasses": rules.ordered(found, session.profile, now)}

    @routes.get("/v1/canvasses/{canvass_id}")
    async def get_canvass(request: Request, canvass_id: str, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        return await one(request, session, canvass_id)

    @routes.put("/v1/canvasses/{canvass_id}/units")
    async def put_units(
        request: Request, canvass_id: str, body: Units, session: SignedIn = Depends(worker)
    ) -> dict[str, Any]:
        now, units = web_of(request).clock(), sorted(set(body.device_ids))
        await _known_devices(web_of(request).doors, session.person, units)
        if not await store.set_units(session.person, session.profile, canvass_id, units, now):
            raise UNKNOWN
        return await one(request, session, canvass_id)

    @routes.post("/v1/canvasses/{canvass_id}/entries", status_code=201)
    async def post_entry(
        request: Request, canvass_id: str, body: Entered, session: SignedIn = Depends(worker)
    ) -> dict[str, Any]:
        if body.kind not in rules.ENTRY_KINDS or not body.entry_id:
            raise Problem(422, "FIELD_INVALID", f"kind: one of {', '.join(rules.ENTRY_KINDS)}; entry_id")
        await _known_entry(web_of(request).doors, session.person, body.kind, body.entry_id)
        added = (canvass_id, body.kind, body.entry_id, web_of(request).clock())
        if not await store.add_entry(session.person, session.profile, *added):
            raise UNKNOWN
        return await one(request, session, canvass_id)

    @routes.post("/v1/canvasses/{canvass_id}/closure")
    async def post_closure(request: Request, canvass_id: str, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        if not await store.close(session.person, session.profile, canvass_id, web_of(request).clock()):
            raise UNKNOWN
        return await one(request, session, canvass_id)

    @routes.post("/v1/canvasses/{canvass_id}/reads")
    async def post_reads(
        request: Request, canvass_id: str, body: Reasons, session: SignedIn = Depends(worker)
    ) -> JSONResponse:
        query = rules.query_of(await one(request, session, canvass_id), body.model_dump())
        answer = await web_of(request).doors.call(
            "audit", "POST", "/v1/queries", session.person, headers=_JSON, content=json.dumps(query).encode()
        )
        found = await answer.json()
        kind = "application/json" if answer.status < 400 else "application/problem+json"
        return JSONResponse(found, answer.status, media_type=kind)

    return routes


async def _known_devices(doors: Doors, person: Person, device_ids: Iterable[str]) -> None:
    """Refuse units that are no devices of the agency: a canvass of a mistyped unit finds nothing and says so to nobody."""
    if not (asked := set(device_ids)):
        return
    status, content = await _ask(doors, person, "/v1/devices")
    known = {one["device_id"] for one in content["devices"]} if status == 200 else set()
    if missing := sorted(asked - known):
        raise Problem(
            422, "DEVICE_UNKNOWN", f"device_ids: the agency has no {', '.join(missing)[:200]}", rule_id="USE-09"
        )


async def _known_entry(doors: Doors, person: Person, kind: str, entry_id: str) -> None:
    """Refuse an entry that is none of the agency's: it would end the reminder to enter the plate."""
    path = "/v1/partial-plates/" if kind == "partial" else "/v1/hot-plates/"
    status, _ = await _ask(doors, person, path + quote(entry_id, safe=""))
    if status != 200:
        raise Problem(422, "ENTRY_UNKNOWN", "entry_id: there is no such entry", rule_id="USE-09")


async def _ask(doors: Doors, person: Person, path: str) -> tuple[int, Any]:
    try:
        answer = await doors.call("ingest", "GET", path, person)
        content = await answer.json()
    except DoorAway as away:
        raise Problem(503, "INGEST_NOT_AVAILABLE", "the lists do not answer right now; nothing was kept") from away
    if answer.status >= 500 or not isinstance(content, dict):
        raise Problem(503, "INGEST_NOT_AVAILABLE", "the lists do not answer right now; nothing was kept")
    return answer.status, content
