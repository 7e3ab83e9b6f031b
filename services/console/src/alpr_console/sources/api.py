"""`/v1/hits/{id}/verifications` and `/v1/hits/{id}/registration-lookups` (ACC-07, SEC-05, SEC-06)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from alprcore.errors import Transient
from alprcore.model import Refused
from alprcore.policy import Overridden

from ..web import Problem, SignedIn, signed_in, web_of
from . import rules
from .store import ExpiresAt, FindHit, RegistrationSource, SourceStore


class NewVerification(BaseModel):
    """Body of `POST /v1/hits/{id}/verifications`: what another database said of the entry (HIT-09)."""

    model_config = ConfigDict(extra="forbid")
    source: rules.Source
    route: rules.Route
    result: rules.Result
    reference: str = Field(default="", max_length=64)
    text: str = Field(default="", max_length=8000)
    override_reason: str = Field(default="", max_length=500)


class NewLookup(BaseModel):
    """Body of `POST /v1/hits/{id}/registration-lookups`: the permissible use under 18 USC 2721(b)."""

    model_config = ConfigDict(extra="forbid")
    permissible_use: str = Field(default="", max_length=32)


def router(store: SourceStore, registrations: RegistrationSource, hit: FindHit, expires_at: ExpiresAt) -> APIRouter:
    """Bind the routes; `hit` finds a live hit of the agency, `expires_at` tells when its record falls due."""
    routes = APIRouter()

    async def _hit(request: Request, session: SignedIn, hit_id: str) -> Mapping[str, Any]:
        decision = rules.may_see(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        found = await hit(session.person.agency, hit_id, web_of(request).clock())
        if found is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours")
        return found

    @routes.post("/v1/hits/{hit_id}/verifications", status_code=201)
    async def post_verification(
        request: Request, hit_id: str, body: NewVerification, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        found = await _hit(request, session, hit_id)
        decision = rules.may_verify(
            session.person, session.profile, body.source, read_checked=bool(found.get("read_check")),
            override_reason=body.override_reason,
        )  # fmt: skip
        if isinstance(decision, Refused):
            status = 403 if decision.reason_code in ("ROLE_NOT_AUTHORISED", "SOURCE_NOT_AUTHORISED") else 409
            raise Problem.of(decision, status)
        if body.text and not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the answer with; nothing was kept")
        name = await store.verify(
            session.person, session.profile, hit_id, body.model_dump(mode="json"),
            decision if isinstance(decision, Overridden) else None, expires_at(found, session.profile),
            web_of(request).clock(),
        )  # fmt: skip
        return {
            "verification_id": name, "hit_id": hit_id, "result": body.result,
            "overridden": decision.step if isinstance(decision, Overridden) else None,
        }  # fmt: skip

    @routes.get("/v1/hits/{hit_id}/verifications")
    async def get_verifications(
        request: Request, hit_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        rows = await store.verifications(session.person.agency, hit_id)
        return {"verifications": [rules.without_text(row) for row in rows]}

    @routes.get("/v1/hits/{hit_id}/verifications/{verification_id}")
    async def get_verification(
        request: Request, hit_id: str, verification_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        rows = await store.verifications(session.person.agency, hit_id)
        row = next((row for row in rows if row["verification_id"] == verification_id), None)
        if row is None:
            raise Problem(404, "VERIFICATION_UNKNOWN", "no such verification of this hit")
        decision = rules.source_open(session.person, rules.Source(row["source"]))
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        text = await store.read_text(session.person, session.profile, verification_id, web_of(request).clock())
        return {**rules.without_text(row), "text": text, "redaction": ""}

    @routes.post("/v1/hits/{hit_id}/registration-lookups", status_code=201)
    async def post_lookup(
        request: Request, hit_id: str, body: NewLookup, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        found = await _hit(request, session, hit_id)
        decision = rules.may_look_up(session.person, body.permissible_use)
        if isinstance(decision, Refused):
            raise Problem.of(decision, 422 if decision.reason_code == "DPPA_BASIS_REQUIRED" else 403)
        if not store.seals:
            raise Problem(503, "SEAL_NOT_AVAILABLE", "there is no key to seal the answer with; nobody was asked")
        now = web_of(request).clock()
        names = await store.note_lookup(session.person, session.profile, hit_id, body.permissible_use, now)
        if names is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours")
        try:
            answer = await registrations.ask(found["plate"], found.get("state") or "", body.permissible_use)
        except Transient as error:
            raise Problem(503, "REGISTRATION_NOT_AVAILABLE", str(error)) from error
        await store.keep_lookup(session.person, hit_id, names, body.permissible_use, answer, now)
        read = await store.read_lookup(session.person, session.profile, hit_id, names[0], web_of(request).clock())
        return read or {"lookup_id": names[0]}

    @routes.get("/v1/hits/{hit_id}/registration-lookups")
    async def get_lookups(request: Request, hit_id: str, session: SignedIn = Depends(signed_in)) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        return {"lookups": await store.lookups(session.person.agency, hit_id)}

    @routes.get("/v1/hits/{hit_id}/registration-lookups/{lookup_id}")
    async def get_lookup(
        request: Request, hit_id: str, lookup_id: str, session: SignedIn = Depends(signed_in)
    ) -> dict[str, Any]:
        await _hit(request, session, hit_id)
        decision = rules.may_read_registration(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        read = await store.read_lookup(session.person, session.profile, hit_id, lookup_id, web_of(request).clock())
        if read is None:
            raise Problem(404, "LOOKUP_UNKNOWN", "no such lookup of this hit")
        return read

    return routes
