"""Doors of packages: begin an export under a hold, bring its papers, take its volumes once, write down media, book it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, NoReturn

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import AwareDatetime, Field, StrictBool, StringConstraints

from alprcore.answering import Refusal
from alprcore.evidence import BATCH, Kind, Opened, Wish
from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile

from ..web import UUID_TEXT, Body, Door, need_id, read_body
from . import rules
from .store import Authorities, Packages

HoldFacts = Callable[[Any, str, str], Awaitable[dict[str, Any]]]
"""Tells of a live hold its ground, case_reference, placed_by_name and placed_at: connection, agency, hold."""
PAPERS_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of the papers of 500 reads: 40 entries of the ledger each, with their proofs."""
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
_STATUS: Final = {"PACKAGE_UNKNOWN": 404, "VOLUME_UNKNOWN": 404, "HOLD_UNKNOWN": 404, "PACKAGE_GONE": 410,
                  "PACKAGE_TOO_LARGE": 409}  # fmt: skip
_WORDS: Final = {
    "PACKAGE_UNKNOWN": "your agency has no such package",
    "VOLUME_UNKNOWN": "the package has no such volume",
    "HOLD_UNKNOWN": "your agency has no such live hold",
    "PACKAGE_GONE": "the working copy is gone: begin a new export",
    "KEY_DESTROYED": "the package has ended",
    "PACKAGE_CLOSED": "the package is not in a state in which this can be done",
    "NOTHING_TO_EXPORT": "the hold covers no read that is stored",
    "PACKAGE_TOO_LARGE": "more reads than one package takes: narrow the hold, or export in parts",
    "VOLUME_TAKEN": "a volume is handed out once",
    "SUBJECT_DIFFERS": "the ledger entry is about another package",
    "ROLE_NOT_AUTHORISED": "your role may not do this",
    "WITNESS_IS_EXPORTER": "the witness is another person than the exporter",
}


class CletsBody(Body):
    """Why one package of a hold may carry CLETS text (SEC-06)."""

    basis: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=1000)]


class ExportBody(Body):
    """An export of what a hold covers, as posted to /v1/evidence-exports; `entry` is the ledger's number of its intent."""

    hold_id: str = Field(pattern=UUID_TEXT.pattern)
    entry: int = Field(ge=0, lt=2**53)
    medium: _Text
    serial: _Text = ""
    witness: _Text = ""
    justification: str = Field(min_length=1, max_length=4000)
    clets: StrictBool = False


class EventBody(Body):
    """An entry of the ledger about reads, with its proof."""

    index: int = Field(ge=0)
    at: AwareDatetime
    kind: str = Field(max_length=64)
    username: str = Field("", max_length=200)
    full_name: str = Field("", max_length=200)
    proof: str = Field("", max_length=16_384)
    read_ids: tuple[str, ...] = Field(max_length=BATCH)


class VerificationBody(Body):
    """What another database answered about a hit."""

    hit_id: str = Field(pattern=UUID_TEXT.pattern)
    source: str = Field(max_length=64)
    result: str = Field(max_length=64)
    verified_at: str = Field(max_length=40)
    verified_by: str = Field(max_length=200)
    has_text: StrictBool
    text: str = Field("", max_length=65_536)


class PapersBody(Body):
    """What ledger and console know of one batch of a package's reads."""

    batch: int = Field(ge=0)
    events: tuple[EventBody, ...] = Field((), max_length=100_000)
    verifications: tuple[VerificationBody, ...] = Field((), max_length=100_000)


class MediaBody(Body):
    """To what the volumes were written, who saw it, and the serial numbers by number of volume."""

    medium: _Text
    witness: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    serials: dict[int, Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]] = Field(
        {}, max_length=1000
    )


class BookingBody(Body):
    """The number under which the media were booked as evidence."""

    booking_number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class CancelBody(Body):
    """Why a package is given up."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def routes(door: Door, packages: Packages, hold_facts: HoldFacts, key: bytes, key_sha256: str) -> APIRouter:
    """The doors of packages. `key` is the PEM of the key that verifies them."""
    router = APIRouter()
    authorities = Authorities(packages.outbox, packages.profiles)

    def need(decision: object, person: Person, status: int = 403) -> None:
        if isinstance(decision, Refused):
            raise Refusal(status, decision.reason_code, decision.detail, person=person)

    def failed(error: Exception, person: Person) -> NoReturn:
        code = str(error.args[0]) if error.args else "PACKAGE_UNKNOWN"
        status = _STATUS.get(code, 409 if isinstance(error, LookupError) or code == "VOLUME_TAKEN" else 403)
        raise Refusal(status, code, _WORDS.get(code, "the ledger entry does not permit it"), person=person) from error

    def exporter(request: Request) -> Person:
        person = door.asker(request)
        need(rules.may_export(person), person)
        return person

    def booker(request: Request) -> Person:
        person = door.asker(request)
        need(rules.may_book(person), person)
        return person

    def policy(person: Person) -> AgencyProfile:
        if person.agency not in packages.profiles:
            raise Refusal(503, "PROFILE_UNKNOWN", "no policy is known for this agency", person=person)
        return packages.profiles[person.agency]

    async def answer(person: Person, package_id: str, status: int = 200, **more: Any) -> Response:
        found = await packages.state(person.agency, package_id, person)
        if found is None:
            raise Refusal(404, "PACKAGE_UNKNOWN", _WORDS["PACKAGE_UNKNOWN"], person=person)
        return JSONResponse({**found, **more}, status)

    def known(package_id: str, person: Person) -> str:
        return need_id(package_id, person, "PACKAGE_UNKNOWN", _WORDS["PACKAGE_UNKNOWN"])

    @router.post("/v1/evidence-exports")
    async def post_export(request: Request) -> Response:
        person = exporter(request)
        body = await read_body(request, ExportBody, person)
        profile, now = policy(person), door.clock()
        need(rules.may_use(body.medium, profile), person, 422)
        need(rules.may_witness(body.witness, person.username, person.full_name), person, 422)
        opened = await _open(person, body, profile, now)
        return await answer(person, opened.package_id, 202)

    async def _open(person: Person, body: ExportBody, profile: AgencyProfile, now: datetime) -> Opened:
        try:
            async with packages.outbox.change(person.agency) as connection:
                try:
                    facts = await hold_facts(connection, person.agency, body.hold_id)
                except LookupError:
                    raise LookupError("HOLD_UNKNOWN") from None
                authority = await authorities.of(connection, person, body.hold_id, now) if body.clets else None
                if body.clets:
                    need(rules.may_release_clets(person, authority["person_id"] if authority else ""), person)
                wish = Wish(
                    kind=Kind.HOLD,
                    subject=body.hold_id,
                    entry=body.entry,
                    cover=rules.cover_of_hold(body.hold_id, facts, profile, body.justification),
                    clets=body.clets,
                    clets_authorized_by=authority["full_name"] if authority else "",
                    clets_basis=authority["basis"] if authority else "",
                    medium=body.medium,
                    serial=body.serial,
                    witness=body.witness,
                )
                opened = await packages.open(connection, person, wish, now)
                if authority:
                    await authorities.use(connection, person.agency, authority["authority_id"], opened.package_id)
                return opened
        except (LookupError, PermissionError) as error:
            failed(error, person)

    @router.post("/v1/holds/{hold_id}/clets-authorities")
    async def post_clets_authority(request: Request, hold_id: str) -> Response:
        person = door.asker(request)
        need(rules.may_authorize_clets(person), person)
        body = await read_body(request, CletsBody, person)
        need_id(hold_id, person, "HOLD_UNKNOWN", _WORDS["HOLD_UNKNOWN"])
        try:
            async with packages.outbox.change(person.agency) as connection:
                await hold_facts(connection, person.agency, hold_id)
        except LookupError as error:
            raise Refusal(404, "HOLD_UNKNOWN", _WORDS["HOLD_UNKNOWN"], person=person) from error
        authority_id = await authorities.give(person, hold_id, body.basis, door.clock())
        return JSONResponse({"authority_id": authority_id, "hold_id": hold_id, "basis": body.basis}, 201)

    @router.get("/v1/packages/{package_id}/papers/{batch}")
    async def get_papers(request: Request, package_id: str, batch: int) -> Response:
        person = door.asker(request)
        try:
            found = await packages.wanted(person, known(package_id, person), batch)
        except LookupError as error:
            failed(error, person)
        return JSONResponse(found)

    @router.post("/v1/packages/{package_id}/papers")
    async def post_papers(request: Request, package_id: str) -> Response:
        person = door.asker(request)
        body = await read_body(request, PapersBody, person, PAPERS_LIMIT)
        try:
            await packages.add_papers(person, known(package_id, person), body.batch, body.model_dump_json().encode())
        except (LookupError, PermissionError) as error:
            failed(error, person)
        return await answer(person, package_id, 202)

    @router.get("/v1/evidence-exports")
    async def get_exports(request: Request, hold_id: str = "", state: str = "", after: str = "") -> Response:
        person = door.asker(request, rules.READ_ROLES)
        for name in filter(None, (hold_id, after)):
            need_id(name, person, "PACKAGE_UNKNOWN", _WORDS["PACKAGE_UNKNOWN"])
        found, following = await packages.listed(person, subject=hold_id, state=state, after=after)
        return JSONResponse({"exports": found, "next": following})

    @router.get("/v1/evidence-exports/{package_id}")
    async def get_export(request: Request, package_id: str) -> Response:
        person = door.asker(request, rules.READ_ROLES)
        return await answer(person, known(package_id, person))

    @router.get("/v1/evidence-exports/{package_id}/volumes/{number}")
    async def get_volume(request: Request, package_id: str, number: int) -> Response:
        person, began = door.asker(request, rules.HAND_ROLES), door.clock()
        try:
            volume = await packages.begin_taking(person, known(package_id, person), number, began)
        except (LookupError, PermissionError) as error:
            failed(error, person)
        headers = {
            "content-disposition": f'attachment; filename="{volume["name"]}"',
            "content-length": str(volume["bytes"]),
            "etag": f'"{volume["sha256"]}"',
            "cache-control": "no-store",
        }
        content = _handed_out(packages, person, volume, began, door.clock)
        return StreamingResponse(content, headers=headers, media_type="application/zip")

    @router.post("/v1/evidence-exports/{package_id}/media")
    async def post_media(request: Request, package_id: str) -> Response:
        person = booker(request)
        body = await read_body(request, MediaBody, person)
        need(rules.may_use(body.medium, policy(person)), person, 422)
        try:
            await packages.set_media(
                person, known(package_id, person), body.medium, body.witness, body.serials, door.clock()
            )
        except ValueError as error:
            raise Refusal(422, "FIELD_INVALID", f"serials: {error}", person=person) from error
        except PermissionError as error:
            raise Refusal(422, str(error), _WORDS[str(error)], person=person) from error
        except LookupError as error:
            failed(error, person)
        return await answer(person, package_id)

    @router.post("/v1/evidence-exports/{package_id}/bookings")
    async def post_booking(request: Request, package_id: str) -> Response:
        person = booker(request)
        body = await read_body(request, BookingBody, person)
        try:
            lacking = await packages.book(person, known(package_id, person), body.booking_number, door.clock())
        except LookupError as error:
            failed(error, person)
        if lacking:
            words = f"not before it has: {', '.join(lacking).replace('_', ' ')}"
            raise Refusal(409, "EXPORT_INCOMPLETE", words, person=person)
        return await answer(person, package_id)

    @router.post("/v1/evidence-exports/{package_id}/cancellations")
    async def post_cancellation(request: Request, package_id: str) -> Response:
        person = door.asker(request, rules.HAND_ROLES)
        body = await read_body(request, CancelBody, person)
        try:
            name = known(package_id, person)
            done = await packages.end(person.agency, name, "cancelled", body.reason, door.clock(), person)
        except (LookupError, PermissionError) as error:
            failed(error, person)
        if not done:
            raise Refusal(409, "PACKAGE_CLOSED", _WORDS["PACKAGE_CLOSED"], person=person)
        return await answer(person, package_id)

    @router.get("/v1/evidence-key")
    async def get_key() -> Response:
        """The key that verifies packages, to anyone: a stranger compares it with the one that came with them."""
        return JSONResponse({"pem": key.decode(), "sha256": key_sha256})

    return router


async def _handed_out(
    packages: Packages, person: Person, volume: dict[str, Any], began: datetime, clock: Callable[[], datetime]
) -> AsyncIterator[bytes]:
    """Stream a volume; after its last byte it counts as taken, and one that breaks off may be taken again."""
    package_id, number, whole = volume["package_id"], volume["number"], False
    try:
        async for part in packages.vault.read(person.agency, package_id, number, volume["parts"], volume["key"]):
            yield part
        whole = True
    finally:
        if not whole:  # the caller has gone, and with it the task that would wait
            await asyncio.shield(asyncio.create_task(packages.stop_taking(person, package_id, number, began)))
    await packages.taken(person, package_id, number, clock())
