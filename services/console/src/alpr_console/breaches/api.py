"""`/v1/incidents`: breaches of security or data, reported by anybody, worked on by those who answer for them (SEC-02)."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.model import Refused

from ..doors import DoorAway
from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import BreachStore

_JSON: Final = {"content-type": "application/json"}
UNKNOWN: Final = Problem(404, "INCIDENT_UNKNOWN", "the agency has no breach record of this id", rule_id="SEC-02")
_STATUS: Final = {"ROLE_NOT_AUTHORISED": 403, "STATE_CONFLICT": 409}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewIncident(_Body):
    """Body of `POST /v1/incidents`; times carry their zone."""

    kind: str = Field(max_length=40)
    title: str = Field(max_length=200)
    description: str = Field(max_length=rules.LONGEST)
    discovered_at: AwareDatetime | None = None
    occurred_from: AwareDatetime | None = None
    occurred_to: AwareDatetime | None = None
    data: list[str] = Field(default=[], max_length=20)
    device_ids: list[str] = Field(default=[], max_length=1000)
    accounts: list[str] = Field(default=[], max_length=1000)
    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None
    persons: int | None = None


class Done(_Body):
    """Body of `POST /v1/incidents/{id}/tasks/{task_id}`."""

    done: bool = True
    note: str = Field(default="", max_length=rules.LONGEST)


class Words(_Body):
    """Body of an addition to the course, or of the closure."""

    words: str = Field(min_length=1, max_length=rules.LONGEST)


def router(store: BreachStore) -> APIRouter:
    """Bind the routes to the store."""
    routes = APIRouter()

    async def worker(session: SignedIn = Depends(signed_in)) -> SignedIn:
        if not rules.may_look(session.person):
            raise Problem(403, "ROLE_NOT_AUTHORISED", "breach records are not open to this role", rule_id="SEC-02")
        return session

    async def one(request: Request, session: SignedIn, incident_id: str) -> dict[str, Any]:
        now = web_of(request).clock()
        found = await store.incidents(session.person, session.profile, now, incident_id)
        if not found:
            raise UNKNOWN
        return rules.shown(found[0], session.person, session.profile, now)

    def check(refused: Refused | None) -> None:
        if refused is not None:
            raise Problem.of(refused, _STATUS.get(refused.reason_code, 422))

    @routes.post("/v1/incidents", status_code=201)
    async def post_incident(
        request: Request, body: NewIncident, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        draft = rules.Draft(
            body.kind, body.title, body.description, body.discovered_at or now, body.occurred_from, body.occurred_to,
            tuple(dict.fromkeys(body.data)), tuple(sorted(set(body.device_ids))), tuple(sorted(set(body.accounts))),
            body.captured_from, body.captured_to, body.persons,
        )  # fmt: skip
        check(rules.refusal(draft, now))
        return await one(request, session, await store.open(session.person, session.profile, draft, now))

    @routes.get("/v1/incidents")
    async def get_incidents(request: Request, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        now = web_of(request).clock()
        found = await store.incidents(session.person, session.profile, now)
        shown = [rules.shown(record, session.person, session.profile, now) for record in found]
        return {"incidents": shown, "next": None}

    @routes.get("/v1/incident-notices")
    async def get_notices(session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        return {"notices": await store.notices(session.person)}

    @routes.post("/v1/incident-notices/{notice_id}/seen", status_code=204)
    async def post_seen(request: Request, notice_id: str, session: SignedIn = Depends(signed_in)) -> Response:
        if not await store.see(session.person, session.profile, notice_id, web_of(request).clock()):
            raise Problem(404, "NOTICE_UNKNOWN", "there is no unseen notice of this id to your roles", rule_id="SEC-02")
        return Response(status_code=204)

    @routes.get("/v1/incidents/{incident_id}")
    async def get_incident(request: Request, incident_id: str, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        return await one(request, session, incident_id)

    @routes.post("/v1/incidents/{incident_id}/tasks/{task_id}")
    async def post_task(
        request: Request, incident_id: str, task_id: str, body: Done, session: SignedIn = Depends(worker)
    ) -> dict[str, Any]:
        who, now = (session.person, session.profile), web_of(request).clock()
        try:
            check(await store.do_task(*who, incident_id, task_id, body.note.strip(), now, done=body.done))
        except KeyError:
            raise UNKNOWN from None
        return await one(request, session, incident_id)

    @routes.post("/v1/incidents/{incident_id}/entries", status_code=201)
    async def post_entry(
        request: Request, incident_id: str, body: Words, session: SignedIn = Depends(worker)
    ) -> dict[str, Any]:
        try:
            check(
                await store.add_words(
                    session.person, session.profile, incident_id, body.words.strip(), web_of(request).clock()
                )
            )
        except KeyError:
            raise UNKNOWN from None
        return await one(request, session, incident_id)

    @routes.post("/v1/incidents/{incident_id}/counts", status_code=201)
    async def post_counts(request: Request, incident_id: str, session: SignedIn = Depends(worker)) -> dict[str, Any]:
        """Ask how many records are concerned; counts, and nothing of any one of them."""
        record = await one(request, session, incident_id)
        asked = {name: record["affected"][name] for name in ("captured_from", "captured_to", "device_ids")}
        counts = await _counted(request, session, asked)
        now = web_of(request).clock()
        check(await store.keep_counts(session.person, session.profile, incident_id, counts, now))
        return await one(request, session, incident_id)

    @routes.post("/v1/incidents/{incident_id}/closure")
    async def post_closure(
        request: Request, incident_id: str, body: Words, session: SignedIn = Depends(worker)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        try:
            check(await store.close(session.person, session.profile, incident_id, body.words.strip(), now))
        except KeyError:
            raise UNKNOWN from None
        return await one(request, session, incident_id)

    return routes


async def _counted(request: Request, session: SignedIn, asked: dict[str, Any]) -> dict[str, Any]:
    words = "the records do not answer right now; nothing was kept"
    try:
        answer = await web_of(request).doors.call(
            "retention",
            "POST",
            "/v1/affected-counts",
            session.person,
            headers=_JSON,
            content=json.dumps(asked).encode(),
        )
        found = await answer.json()
    except DoorAway as away:
        raise Problem(503, "RETENTION_NOT_AVAILABLE", words) from away
    if answer.status != 200 or not isinstance(found, dict):
        raise Problem(503, "RETENTION_NOT_AVAILABLE", words)
    return found
