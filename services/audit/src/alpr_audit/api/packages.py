"""Evidence and release packages: the intent before anything is gathered, and the custody that the ledger knows (RET-12)."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field, StrictBool

from alprcore.answering import Refusal
from alprcore.evidence import BATCH, EXPORT_ROLES, Kind
from alprcore.policy import standing_refusal

from .. import ledger
from ..store import Receipt
from ..store.questions import Custody
from .answers import refusal_of
from .door import FOLLOW_UP, UUID, Ask, Door
from .shapes import Body, EntryNumber, read_body

_PURPOSE: Final = {Kind.HOLD: "evidence", Kind.RELEASE: "release_fulfilment"}
_TOLD: Final = 1000
"""Entries told of one read, the newest: nobody's vehicle is looked at more often in its years here."""
HITS: Final = 400
"""Hits of one batch of reads: ids of both stay within a body."""


class PackageIntentBody(Body):
    """A wish to make a package about a hold or a release request; `clets`: with CLETS text, separately authorized."""

    kind: Literal["hold", "release"]
    subject: str = Field(max_length=36)
    clets: StrictBool = False
    justification: str = Field(min_length=1, max_length=4000)


class PackageTrailBody(Body):
    """Reads that go into a package made under an entry, with the times of their capture, and their hits."""

    entry: EntryNumber
    reads: dict[str, AwareDatetime] = Field(min_length=1, max_length=BATCH)
    hits: dict[str, str] = Field({}, max_length=HITS)


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    @routes.post("/v1/package-intents")
    async def post_intent(request: Request) -> Response:
        person = door.person(request)
        body: PackageIntentBody = await read_body(request, PackageIntentBody, person)
        lost = standing_refusal(person, door.profile(person))
        if lost is not None:
            raise refusal_of(lost, person)
        if not UUID.fullmatch(body.subject):
            raise Refusal(422, "CRITERIA_INVALID", "subject: an id", person=person)
        kind = Kind(body.kind)
        if kind is Kind.HOLD and EXPORT_ROLES.isdisjoint(person.roles):  # its custody names who looked
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "your role may not export evidence", person=person)
        await door.count(person, "exports")
        search = {"kind": kind.value, "subject": body.subject, "clets": body.clets}
        about = "hold_id" if kind is Kind.HOLD else "release_id"
        ask = Ask(
            kind="export",
            act="package",
            search=search,
            facts={"purpose_code": _PURPOSE[kind], "format": "package", "elements": [about], about: body.subject,
                   "clets": body.clets},
            personal={
                "criteria": {about: body.subject},
                "reasons": {"purpose_code": _PURPOSE[kind], "justification": body.justification},
            },
        )  # fmt: skip
        intent = await door.intend(person, ask)
        return JSONResponse({"entry": intent.index, "checkpoint": intent.note}, 201)

    @routes.post("/v1/package-trails")
    async def post_trail(request: Request) -> Response:
        person = door.person(request)
        body: PackageTrailBody = await read_body(request, PackageTrailBody, person)
        found = await door.store.intent(body.entry)
        if (
            found is None
            or found["person_id"] != person.person_id
            or found["query"]["act"] != "package"
            or door.clock() - found["committed_at"] > FOLLOW_UP
        ):
            raise Refusal(403, "PACKAGE_UNKNOWN", "no package of yours was begun under this entry", person=person)
        if not all(UUID.fullmatch(name) for name in (*body.reads, *body.hits, *body.hits.values())):
            raise Refusal(422, "CRITERIA_INVALID", "reads and hits: ids", person=person)
        began = time.monotonic()
        whole = found["query"]["search"]["kind"] == Kind.HOLD.value  # a recipient is not told who else looked
        told = await door.questions.custody(person.agency, tuple(body.reads), body.hits, _TOLD) if whole else []
        own = await door.questions.custody_of(person.agency, body.entry, tuple(body.reads))
        receipt = await door.record(
            "export_result",
            person,
            facts={
                "rows": len(body.reads),
                "bytes": sum(len(one.leaf) for one in (*told, own)),
                "duration_ms": round((time.monotonic() - began) * 1000),
                "read_ids_sha256": ledger.read_ids_digest(body.reads),
                "source_system": "local",
                "format": "package",
                "follows": body.entry,
            },
            personal={"reads": {read_id: moment.isoformat() for read_id, moment in body.reads.items()}},
            about=body.entry,
        )
        events = [await _event(one, receipt) for one in (*told, own)]
        return JSONResponse({"events": events, "checkpoint": receipt.note})

    async def _event(one: Custody, head: Receipt) -> dict[str, Any]:
        path = await door.store.inclusion(one.index, head.size)
        return {
            "index": one.index,
            "at": one.at,
            "kind": one.kind,
            "username": one.username,
            "full_name": one.full_name,
            "read_ids": list(one.read_ids),
            "proof": ledger.proof_text(one.index, path, head.note, one.leaf),
        }

    return routes
