"""`/v1/release-requests` and `/v1/disclosures`: requests for data from outside, decided on paper, filed, handed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StrictBool, StringConstraints

from alprcore.answering import Refusal
from alprcore.evidence import MEDIA
from alprcore.model import Decision, Person, Refused
from alprcore.policy import AgencyProfile

from ..web import UUID_TEXT, Body, Door, need_id, read_body, read_bytes
from . import rules
from .store import LETTERED, PAGE, Document, Given, HandingStore, RequestStore, asked_of

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
ReadId = Annotated[str, StringConstraints(pattern=f"^{UUID_TEXT.pattern}$")]
DOCUMENT_LIMIT: Final = 20 * 1024 * 1024
"""Bytes of a written request: some forty scanned pages."""
BODY_LIMIT: Final = 128 * 1024
"""Bytes of a request with a thousand read ids, 39 each."""
_BEGINS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "text/plain": (),
    "message/rfc822": (),
}
"""Kinds of papers that are taken, and how their bytes begin; texts are UTF-8."""
_STATES: Final = frozenset(state.value for state in rules.State)


class RequestBody(Body):
    """A request as posted to `/v1/release-requests`: what its paper says, and the reads it asks for."""

    agency_name: Name
    requester_name: Name
    intended_purpose: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    recipient_class: rules.RecipientClass
    received_as: rules.ReceivedAs
    requester_title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    requester_contact: Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)] = ""
    case_number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""
    read_ids: tuple[ReadId, ...] = Field((), max_length=rules.MOST_READS)
    query_id: int | None = Field(None, ge=0, lt=2**63)

    def asked(self) -> rules.Asked:
        """Hand it to the rules."""
        return rules.Asked(**self.model_dump(exclude={"read_ids", "query_id"}))


class ScopeBody(Body):
    """Reads that a request asks for, and the search that found them."""

    read_ids: tuple[ReadId, ...] = Field(min_length=1, max_length=rules.MOST_READS)
    query_id: int | None = Field(None, ge=0, lt=2**63)


class SignedBody(Body):
    """Who signed the form at our screen."""

    signed_by: Name


class DecisionBody(Body):
    """An approver's decision."""

    decision: rules.Verdict
    note: Text = ""
    legal_basis: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""
    citation: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    policy_basis: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""
    authorized_purpose: Text = ""
    read_ids: tuple[ReadId, ...] = Field((), max_length=rules.MOST_READS)
    scope_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    clets_authorized: bool = False

    def judgment(self) -> rules.Judgment:
        """Hand it to the rules."""
        return rules.Judgment(self.decision, **self.model_dump(exclude={"decision"}))


class NoteBody(Body):
    """Why."""

    note: Text = ""


class HandingBody(Body):
    """To which person, by what, and under which entry of the ledger an approved scope is handed over."""

    recipient_person: Name
    method: rules.Method
    medium: str = Field("disk", pattern=f"^({'|'.join(MEDIA)})$")
    entry: int = Field(ge=0, lt=2**53)
    clets: StrictBool = False


class ReceiptBody(Body):
    """Who confirmed receipt and confidentiality, and how."""

    recipient_person: Name
    note: Text = ""


class DisclosureBody(Body):
    """A read whose disclosures are asked for."""

    read_id: ReadId


def routes(
    requests: RequestStore, handing: HandingStore, door: Door, profiles: Mapping[str, AgencyProfile]
) -> APIRouter:
    """Bind the routes to the stores."""
    router = APIRouter()

    def profile_of(person: Person) -> AgencyProfile:
        try:
            return profiles[person.agency]
        except KeyError:
            raise Refusal(503, "PROFILE_UNKNOWN", "the agency's policy is not known yet", person=person) from None

    def asker(request: Request, *, takes: bool = True) -> tuple[Person, AgencyProfile]:
        person = door.asker(request)
        profile = profile_of(person)
        demand((rules.may_take if takes else rules.may_see)(person, profile), person)
        return person, profile

    async def answer(person: Person, profile: AgencyProfile, request_id: str, status: int = 200) -> JSONResponse:
        try:
            return JSONResponse(await handing.whole(person, profile, request_id), status)
        except KeyError:
            raise unknown(person) from None

    async def acted(person: Person, profile: AgencyProfile, request_id: str, act: Any, status: int = 200) -> Response:
        """Answer the request as it stands after an act; a refusal as such."""
        try:
            done = await act
        except KeyError:
            raise unknown(person) from None
        if isinstance(done, Refused):
            raise refusal(done, person, {"release_id": request_id})
        return await answer(person, profile, request_id, status)

    @router.post("/v1/release-requests")
    async def post_request(request: Request) -> Response:
        person, profile = asker(request)
        body = await read_body(request, RequestBody, person, BODY_LIMIT)
        missing = rules.fields_missing(body.asked(), profile)
        if missing:
            raise Refusal(422, "FIELD_MISSING", ", ".join(missing), person=person)
        request_id = await requests.take(person, profile, body.asked(), body.read_ids, body.query_id, door.clock())
        return await answer(person, profile, request_id, 201)

    @router.get("/v1/release-requests")
    async def get_requests(request: Request, state: str = "", filed: bool = False, after: str = "") -> Response:
        person, profile = asker(request, takes=False)
        states = [one for one in state.split(",") if one]
        if not _STATES.issuperset(states) or (after and not UUID_TEXT.fullmatch(after)):
            raise Refusal(422, "FIELD_INVALID", "state, after", person=person)
        rows = await requests.requests(person, profile, states, filed=filed, after=after)
        following = rows[-1]["request_id"] if len(rows) == PAGE else None
        return JSONResponse({"release_requests": rows, "next": following})

    @router.get("/v1/release-requests/form")
    async def get_form(request: Request) -> Response:
        person, profile = asker(request, takes=False)
        takes = rules.may_take(person, profile)
        return JSONResponse({**rules.form_of(profile), "may": [] if isinstance(takes, Refused) else ["request"]})

    @router.get("/v1/release-requests/{request_id}")
    async def get_request(request: Request, request_id: str) -> Response:
        person, profile = asker(request, takes=False)
        return await answer(person, profile, known(request_id, person))

    @router.delete("/v1/release-requests/{request_id}")
    async def delete_request(request: Request, request_id: str) -> Response:
        """Nobody removes a request, whoever asks (SHR-04)."""
        person = door.asker(request)
        facts = {"release_id": known(request_id, person)}
        raise Refusal(403, "FILE_IMMUTABLE", "requests and their papers stay on file", person=person, facts=facts)

    @router.put("/v1/release-requests/{request_id}/document")
    async def put_document(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        document = await _document(request, person)
        act = requests.add_document(person, profile, known(request_id, person), document, door.clock())
        return await acted(person, profile, request_id, act)

    @router.get("/v1/release-requests/{request_id}/document")
    async def get_document(request: Request, request_id: str) -> Response:
        person, profile = asker(request, takes=False)
        try:
            found = await requests.document(person, profile, known(request_id, person), door.clock())
        except KeyError:
            raise unknown(person) from None
        if found is None:
            raise Refusal(404, "DOCUMENT_UNKNOWN", "the request has no paper yet", person=person)
        headers = {
            "content-disposition": "attachment; filename*=UTF-8''" + quote(found.name, safe=""),
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
            "etag": f'"{found.sha256}"',
        }
        return Response(found.data, 200, headers, found.media_type)

    @router.post("/v1/release-requests/{request_id}/signed-form")
    async def post_signed_form(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        body = await read_body(request, SignedBody, person)
        act = requests.sign(person, profile, known(request_id, person), body.signed_by, door.clock())
        return await acted(person, profile, request_id, act)

    @router.put("/v1/release-requests/{request_id}/scope")
    async def put_scope(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        body = await read_body(request, ScopeBody, person, BODY_LIMIT)
        found = known(request_id, person)
        act = requests.scope(person, profile, found, body.read_ids, body.query_id, door.clock())
        return await acted(person, profile, request_id, act)

    @router.post("/v1/release-requests/{request_id}/submission")
    async def post_submission(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        act = requests.submit(person, profile, known(request_id, person), door.clock())
        return await acted(person, profile, request_id, act)

    @router.post("/v1/release-requests/{request_id}/decisions")
    async def post_decision(request: Request, request_id: str) -> Response:
        """Whoever decides is judged with the request: to some classes nobody's approval counts (USE-08)."""
        person = door.asker(request)
        profile = profile_of(person)
        body = await read_body(request, DecisionBody, person, BODY_LIMIT)
        act = requests.decide(person, profile, known(request_id, person), body.judgment(), door.clock())
        return await acted(person, profile, request_id, act)

    @router.post("/v1/release-requests/{request_id}/withdrawal")
    async def post_withdrawal(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        body = await read_body(request, NoteBody, person)
        act = requests.withdraw(person, profile, known(request_id, person), body.note, door.clock())
        return await acted(person, profile, request_id, act)

    @router.post("/v1/release-requests/{request_id}/filing")
    async def post_filing(request: Request, request_id: str) -> Response:
        person = door.asker(request)
        profile = profile_of(person)
        act = requests.take_into_file(person, profile, known(request_id, person), door.clock())
        return await acted(person, profile, request_id, act)

    @router.post("/v1/release-requests/{request_id}/fulfilments")
    async def post_fulfilment(request: Request, request_id: str) -> Response:
        person = door.asker(request)
        profile = profile_of(person)
        body = await read_body(request, HandingBody, person)
        given = Given(body.recipient_person, body.method, body.medium, body.entry, body.clets)
        try:
            opened = await handing.fulfil(person, profile, known(request_id, person), given, door.clock())
        except PermissionError as error:
            raise Refusal(403, str(error), "the ledger's entry does not permit this package", person=person) from error
        except KeyError:
            raise unknown(person) from None
        except LookupError as error:
            raise Refusal(410, "RECORDS_GONE", "none of the approved reads is kept any more", person=person) from error
        if isinstance(opened, Refused):
            raise refusal(opened, person, {"release_id": request_id})
        made = {
            "request_id": request_id, "package_id": opened.package_id, "read_ids": list(opened.read_ids),
            "hit_ids": list(opened.hit_ids),
        }  # fmt: skip
        return JSONResponse(made, 202)

    @router.post("/v1/release-requests/{request_id}/acknowledgment")
    async def post_acknowledgment(request: Request, request_id: str) -> Response:
        person, profile = asker(request)
        body = await read_body(request, ReceiptBody, person)
        found = known(request_id, person)
        act = handing.acknowledge(person, profile, found, body.recipient_person, body.note, door.clock())
        return await acted(person, profile, request_id, act)

    @router.get("/v1/release-requests/{request_id}/letter")
    async def get_letter(request: Request, request_id: str) -> Response:
        person, profile = asker(request, takes=False)
        row = await requests.find(person.agency, known(request_id, person))
        if row is None:
            raise unknown(person)
        if row["state"] not in LETTERED:
            raise Refusal(409, "STEP_OUT_OF_ORDER", "this request is not answered by a letter", person=person)
        decision = row["decision"] or {}
        text = rules.letter(
            profile, asked_of(row), request_id, rules.State(row["state"]),
            datetime.fromisoformat(decision["decided_at"]) if decision else row["submitted_at"],
            reason=decision.get("note", ""), basis=row["basis"] or (),
            signed=(decision.get("decided_name", ""), decision.get("decided_as", "")),
        )  # fmt: skip
        return Response(text, 200, {"cache-control": "no-store"}, "text/plain; charset=utf-8")

    @router.post("/v1/disclosures")
    async def post_disclosures(request: Request) -> Response:
        person, profile = asker(request, takes=False)
        body = await read_body(request, DisclosureBody, person)
        return JSONResponse(await handing.disclosures(person, profile, body.read_id, door.clock()))

    return router


def demand(decision: Decision, person: Person) -> None:
    """Let pass, or refuse."""
    if isinstance(decision, Refused):
        raise refusal(decision, person)


def refusal(refused: Refused, person: Person, facts: Mapping[str, str] | None = None) -> Refusal:
    """Answer what a rule refused, with the status that belongs to it."""
    status = rules.status_of(refused)
    return Refusal(status, refused.reason_code, refused.detail, person=person, facts=facts)


def known(request_id: str, person: Person) -> str:
    """Take a request's id from a path."""
    return need_id(request_id, person, "REQUEST_UNKNOWN", "no such request")


def unknown(person: Person) -> Refusal:
    """Answer that the agency has no such request."""
    return Refusal(404, "REQUEST_UNKNOWN", "no such request", person=person)


async def _document(request: Request, person: Person) -> Document:
    """Read a written request; its bytes must be what its type says. Raises `Refusal` 413, 415 or 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _BEGINS:
        raise Refusal(415, "DOCUMENT_TYPE_UNKNOWN", f"one of: {', '.join(_BEGINS)}", person=person)
    name = " ".join(unquote(request.headers.get("x-document-name", "")).split())[:200]
    if any(not letter.isprintable() or letter in '/\\"' for letter in name):
        raise Refusal(422, "FIELD_INVALID", "x-document-name", person=person)
    data = await read_bytes(request, person, DOCUMENT_LIMIT)
    begins = _BEGINS[kind]
    if not data or (begins and not data.startswith(begins)) or not (begins or _is_text(data)):
        raise Refusal(422, "DOCUMENT_INVALID", "the bytes are not of the stated type", person=person)
    return Document(name or "written-request", kind if begins else f"{kind}; charset=utf-8", data)


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False
