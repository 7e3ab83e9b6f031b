"""What auditors ask of the ledger; each look is itself an entry."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field

from alprcore.answering import Refusal
from alprcore.errors import Transient
from alprcore.model import Person
from alprcore.plates import normalize

from .. import ledger
from ..store.archive import Wanted
from .door import Door
from .shapes import Body, read_body

LOG_LIMIT: Final = 200
_LAST: Final = 2**62


class LogBody(Body):
    """Which entries are looked for; posted, because a person or a plate must not stand in an address."""

    kind: str = Field("", max_length=64)
    username: str = Field("", max_length=200)
    outcome: str = Field("", max_length=16)
    from_: AwareDatetime | None = Field(None, alias="from")
    to: AwareDatetime | None = None
    plate: str = Field("", max_length=32)
    case_number: str = Field("", max_length=100)
    before: int = Field(_LAST, ge=0, le=_LAST)
    limit: int = Field(LOG_LIMIT, ge=1, le=LOG_LIMIT)


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()
    verifying = asyncio.Lock()

    async def look(kind: str, person: Person, criteria: dict[str, Any]) -> None:
        await door.count(person, "looks")
        personal = {"ip": person.source_ip, "criteria": criteria, "reasons": {"purpose_code": "audit"}}
        await door.record(kind, person, facts={}, personal=personal)

    @routes.get("/v1/audit/checkpoint")
    async def get_checkpoint() -> Response:
        if not door.writer.note:
            raise Transient("no head is signed yet")
        return Response(door.writer.note, media_type="text/plain; charset=utf-8")

    @routes.get("/v1/audit/verify")
    async def get_verify(request: Request) -> Response:
        person = door.auditor(request)
        if verifying.locked():
            raise Refusal(429, "RATE_LIMITED", "a verification is under way; ask again", person=person, retry_after_s=5)
        async with verifying:  # one at a time: it computes the whole tree in the process that also writes it
            await door.record("ledger_verified", person, facts={}, personal={"ip": person.source_ip})
            found = await door.store.verify(door.writer.verifier, door.writer.head())
            return JSONResponse({**found, "verifier": door.writer.verifier})

    @routes.get("/v1/audit/log")
    async def get_log(request: Request, before: int = _LAST, kind: str = "", limit: int = LOG_LIMIT) -> Response:
        person = door.auditor(request)
        before = max(0, min(before, _LAST))
        await look("log_read", person, {"before": str(before), "kind": kind, "limit": str(limit)})
        rows = await door.store.log(person.agency, before, kind, max(1, min(limit, LOG_LIMIT)))
        return JSONResponse({"rows": rows})

    @routes.post("/v1/audit/log")
    async def post_log(request: Request) -> Response:
        person = door.auditor(request)
        body: LogBody = await read_body(request, LogBody, person)
        wanted = Wanted(
            body.before, body.kind, body.username, body.outcome, body.from_, body.to,
            normalize(body.plate).reveal(), body.case_number,
        )  # fmt: skip
        await look(
            "log_read", person, body.model_dump(mode="json", by_alias=True, exclude_defaults=True) or {"all": True}
        )
        rows = await door.store.find(person.agency, wanted, body.limit)
        return JSONResponse({"rows": rows, "next": rows[-1]["index"] if len(rows) == body.limit else None})

    @routes.get("/v1/audit/log/{index}")
    async def get_entry(request: Request, index: int) -> Response:
        person = door.auditor(request)
        await look("log_read", person, {"index": index})
        found = await door.store.linked(person.agency, index) if 0 <= index < _LAST else None
        if found is None:
            raise Refusal(404, "ENTRY_UNKNOWN", "no such entry of your agency", person=person)
        entry, linked = found
        return JSONResponse({**entry, "linked": linked, "proof": await proof(index)})

    @routes.get("/v1/audit/proof/{index}")
    async def get_proof(request: Request, index: int) -> Response:
        person = door.person(request)
        intent = await door.store.intent(index) if 0 <= index < _LAST else None
        if "auditor" not in person.roles and (intent is None or intent["person_id"] != person.person_id):
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "auditors, and who asked the question", person=person)
        await look("proof_read", person, {"index": index})
        made = await proof(index)
        if made is None or ledger.decode_entry(made["leaf"].encode())["agency"] != person.agency:
            raise Refusal(404, "ENTRY_UNKNOWN", "no such entry of your agency", person=person)
        path = [bytes.fromhex(part) for part in made["inclusion"]]
        text = ledger.proof_text(index, path, made["checkpoint"], made["leaf"].encode())
        return Response(text, media_type="text/plain; charset=utf-8")

    @routes.get("/v1/audit/consistency")
    async def get_consistency(request: Request, old: int, new: int = 0) -> Response:
        person = door.auditor(request)
        head, note = door.writer.head(), door.writer.note
        new = new or head.size
        if not 0 < old <= new <= head.size:
            raise Refusal(422, "FIELD_INVALID", "0 < old <= new <= the size that is signed", person=person)
        await look("proof_read", person, {"old": old, "new": new})
        path = await door.store.consistency(old, new)
        return JSONResponse({"old": old, "new": new, "proof": [part.hex() for part in path], "checkpoint": note})

    async def proof(index: int) -> dict[str, Any] | None:
        head, note = door.writer.head(), door.writer.note
        leaf = await door.store.leaf(index) if index < head.size else None
        if leaf is None:
            return None
        path = await door.store.inclusion(index, head.size)
        return {
            "leaf": leaf.decode(),
            "leaf_hash": ledger.leaf_hash(leaf).hex(),
            "inclusion": [part.hex() for part in path],
            "tree_size": head.size,
            "root": head.root.hex(),
            "checkpoint": note,
        }

    return routes
