"""Approvals of special lists, and lists that go to other agencies (HOT-06, HOT-08)."""

from __future__ import annotations

import csv
import io
import secrets
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import AwareDatetime, Field

from alpr_ingest.api.door import (
    Anyone,
    Doors,
    Ingest,
    ListAdmin,
    ListReader,
    Problem,
    Strict,
    demand,
    own_list,
    policy_of,
)
from alpr_ingest.app import audit_message
from alpr_ingest.store import Delivery, Outgoing, Paper, Share
from alprcore.cells import inert
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, Person, make_id
from alprcore.policy import (
    APPROVE_SPECIAL_LIST,
    AUTHORIZE_SHARE,
    delegation_of,
    may_approve_list,
    may_authorize_share,
    may_share,
)
from alprcore.wire import rfc3339

router = APIRouter()


class ApprovalIn(Strict):
    """What an approver adds."""

    note: str = Field("", max_length=2_000)


class AuthorizationIn(Strict):
    """To which agency a list may go, and until when."""

    recipient: str = Field(min_length=2, max_length=200)
    recipient_class: str = Field(max_length=40)
    valid_to: AwareDatetime | None = None
    note: str = Field("", max_length=2_000)


class ShareIn(Strict):
    """To which agency a list goes, and what for."""

    recipient: str = Field(min_length=2, max_length=200)
    recipient_class: str = Field(max_length=40)
    purpose: str = Field(min_length=10, max_length=2_000)


@router.post("/v1/hotlists/{code}/approvals", status_code=201)
async def post_approval(code: str, body: ApprovalIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Let a special list be loaded and matched from now on (HOT-06)."""
    active, profile, now = await own_list(doors, person, code), policy_of(doors, person), doors.clock()
    made_by = await doors.store.made_by(person.agency, code)
    demand(may_approve_list(active.list_type, made_by, person, profile))
    paper = _paper(person, code, APPROVE_SPECIAL_LIST, body.note, now)
    if not await doors.store.approve_list(paper, [_event("list_approved", paper, person, now)]):
        raise Problem(409, "LIST_APPROVED", "the list is approved already")
    doors.relay.kick()
    return {
        "approval_id": paper.paper_id, "code": code, "approved_at": rfc3339(now), "approver_name": person.full_name,
        "delegation_id": paper.delegation_id,
    }  # fmt: skip


@router.post("/v1/hotlists/{code}/authorisations", status_code=201)
async def post_authorization(code: str, body: AuthorizationIn, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Let a department's own list go to one agency from now on (HOT-08)."""
    active, profile, now = await own_list(doors, person, code), policy_of(doors, person), doors.clock()
    demand(may_authorize_share(active.list_type, body.recipient_class, person, profile))
    if body.valid_to is not None and body.valid_to <= now:
        raise Problem(422, "FIELD_INVALID", "valid_to")
    paper = _paper(person, code, AUTHORIZE_SHARE, body.note, now, body)
    await doors.store.authorize_share(paper, [_event("share_authorized", paper, person, now)])
    doors.relay.kick()
    return {
        "authorization_id": paper.paper_id, "code": code, "recipient": paper.recipient,
        "recipient_class": paper.recipient_class, "authorized_at": rfc3339(now),
        "valid_to": None if paper.valid_to is None else rfc3339(paper.valid_to), "delegation_id": paper.delegation_id,
    }  # fmt: skip


@router.post("/v1/hotlists/{code}/shares", status_code=201)
async def post_share(code: str, body: ShareIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Decide to give a list to another agency; it takes an earlier authorization (HOT-08)."""
    active, now = await own_list(doors, person, code), doors.clock()
    recipient = " ".join(body.recipient.split())
    papers = await doors.store.authorizations(person.agency, code)
    demand(may_share(active.list_type, recipient, body.recipient_class, papers, now))
    share = Share(
        make_id("share", person.agency, code, recipient, rfc3339(now), secrets.token_hex(8)), person.agency, code,
        recipient, body.recipient_class, body.purpose.strip(), person.person_id, now,
    )  # fmt: skip
    facts = {"list": f"{person.agency}/{code}", "recipient": recipient, "recipient_class": body.recipient_class}
    personal = {"note": share.purpose}
    event = audit_message("list_shared", share.share_id, "1", person, now, facts=facts, personal=personal)
    await doors.store.share(share, [event])
    doors.relay.kick()
    return {"share_id": share.share_id, "code": code, "recipient": recipient, "shared_at": rfc3339(now)}


@router.get("/v1/hotlists/{code}/shares")
async def get_shares(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """List who may be given a list, who is, and what was handed over."""
    await own_list(doors, person, code)
    found = await doors.store.sharing(person.agency, code)
    return {
        name.replace("authorizations", "authorisations"): [
            {key: _plain(value) for key, value in row.items()} for row in rows
        ]
        for name, rows in found.items()
    }


@router.post("/v1/hotlists/{code}/shares/{share}/deliveries", status_code=201)
async def post_delivery(code: str, share: UUID, doors: Ingest, person: ListAdmin) -> Response:
    """Hand over the version in force as CSV, recorded before it leaves; an authorization must still hold (HOT-08).

    What is said of people stays: the file names plate, state, reason, case, vehicle and end of each entry.
    """
    active, now = await own_list(doors, person, code), doors.clock()
    shares = (await doors.store.sharing(person.agency, code))["shares"]
    found = next((row for row in shares if row["share_id"] == share), None)
    if found is None:
        raise Problem(404, "SHARE_UNKNOWN", "the list is not shared under this number")
    papers = await doors.store.authorizations(person.agency, code)
    demand(may_share(active.list_type, found["recipient"], found["recipient_class"], papers, now))
    name = make_id("delivery", str(share), rfc3339(now), secrets.token_hex(8))

    def told(version: int, entries: int) -> list[Outgoing]:
        facts = {
            "list": f"{person.agency}/{code}", "share_id": str(share), "recipient": found["recipient"],
            "version": str(version), "entries": str(entries),
        }  # fmt: skip
        return [audit_message("list_delivered", name, "1", person, now, facts=facts)]

    file = _File(doors, now)
    one = Delivery(name, str(share), person.agency, code, person.person_id, now)
    try:
        await doors.store.deliver(one, file.put, told)
    except InvalidMessage:
        raise Problem(409, "ENTRY_CLOSED", "the key that sealed an entry is lost: load the list anew") from None
    except OverflowError:
        raise Problem(409, "DELIVERY_TOO_LARGE", f"more than {_MOST} entries: share a part of the list") from None
    doors.relay.kick()
    return Response(file.text(), 201, {"x-delivery-id": name}, media_type="text/csv; charset=utf-8")


_MOST: Final = 200_000
"""Entries of one delivery, some 20 MB: it is whole in memory, for nothing may leave before it is on record."""
_COLUMNS: Final = (
    "state", "reason", "case_number", "basis", "vehicle_year", "vehicle_make", "vehicle_model", "vehicle_style",
    "vehicle_color",
)  # fmt: skip


class _File:
    """A delivery as CSV: entries that have not ended, and no cell that a spreadsheet takes for a formula."""

    def __init__(self, doors: Doors, now: datetime) -> None:
        self._open, self._now, self._entries = doors.entering.open, now, 0
        self._out = io.StringIO(newline="")
        self._writer = csv.writer(self._out)
        self._writer.writerow(("plate", *_COLUMNS, "expires_at"))

    def put(self, entry: Entry) -> bool:
        """Write an entry unless it has ended. Raises `InvalidMessage`, and `OverflowError` beyond `_MOST` entries."""
        details = self._open(entry)
        if details.expires_at is not None and details.expires_at <= self._now:
            return False
        self._entries += 1
        if self._entries > _MOST:
            raise OverflowError
        ends = "" if details.expires_at is None else rfc3339(details.expires_at)
        cells = (entry.plate.reveal(), *(getattr(details, name) for name in _COLUMNS), ends)
        self._writer.writerow([inert(text) for text in cells])
        return True

    def text(self) -> str:
        return self._out.getvalue()


def _paper(person: Person, code: str, power: str, note: str, now: datetime, to: AuthorizationIn | None = None) -> Paper:
    return Paper(
        paper_id=make_id(power, person.agency, code, rfc3339(now), secrets.token_hex(8)),
        agency=person.agency,
        code=code,
        given_by=person.person_id,
        giver_name=person.full_name,
        delegation_id=delegation_of(person, power),
        note=note.strip(),
        given_at=now,
        recipient="" if to is None else " ".join(to.recipient.split()),
        recipient_class="" if to is None else to.recipient_class,
        valid_to=None if to is None else to.valid_to,
    )


def _event(kind: str, paper: Paper, person: Person, now: datetime) -> Outgoing:
    facts = {"list": f"{paper.agency}/{paper.code}", "delegation_id": paper.delegation_id}
    if paper.recipient:
        facts |= {"recipient": paper.recipient, "recipient_class": paper.recipient_class}
    return audit_message(kind, paper.paper_id, "1", person, now, facts=facts, personal={"note": paper.note})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, UUID) else value
