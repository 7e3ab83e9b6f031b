"""What all doors of ingest share: who asks, how a refusal reads, what the routes work with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from alpr_ingest import metrics
from alpr_ingest.app import Relay
from alpr_ingest.entering import Entering
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.loading import DryRuns, ListLoader, Republishing
from alpr_ingest.packing import Packing
from alpr_ingest.pulling import Puller
from alpr_ingest.store import Store
from alprcore.answering import asker, problem
from alprcore.errors import Transient
from alprcore.kafka import DeadLetters, Publisher
from alprcore.model import Decision, Device, Person, Refused
from alprcore.objects import ImageStore
from alprcore.policy import RECORDED, AgencyProfile
from alprcore.refusals import RefusalLog

REMEMBERED: Final = 100_000
"""Acknowledged frames that are recognized when they come again; older repeats are dropped by their id downstream."""
_STATUS: Final[Mapping[str, int]] = {
    "DEVICE_UNKNOWN": 403,
    "CAMERA_UNKNOWN": 403,
    "AGENCY_MISMATCH": 403,
    "DEVICE_OUT_OF_SERVICE": 403,
    "SITING_NOT_DECLARED": 403,
    "SIGNATURE_MISSING": 401,
    "SIGNATURE_INVALID": 401,
    "IMAGE_TOO_LARGE": 413,
    "NOT_A_JPEG": 415,
    "LIST_OLDER_THAN_ACTIVE": 409,
    "LIST_SHRUNK": 409,
    "LIST_GREW": 409,
    "LIST_BUSY": 409,
    "CHANGED_MEANWHILE": 409,
    "ROLLBACK_NOTHING_KEPT": 409,
    "ROLLBACK_OUTDATED": 409,
    "ROLLBACK_DONE": 409,
    "LIST_NOT_APPROVED": 409,
    "LIST_NOT_LOADABLE": 409,
    "LIST_NOT_REPUBLISHABLE": 409,
    "LIST_NEVER_LOADED": 409,
    "DRY_RUN_BUSY": 409,
    "DRY_RUN_TOO_LONG": 503,
    "ROLE_NOT_AUTHORISED": 403,
    "TRAINING_MISSING": 403,
    "PURPOSE_NOT_PERMITTED": 403,
    "SPECIAL_LISTS_OFF": 403,
    "APPROVER_NOT_AUTHORISED": 403,
    "OWN_LIST": 403,
    "AUTHOR_MUST_DIFFER": 403,
    "SHARE_NOT_AUTHORISED": 403,
    "RECIPIENT_CLASS_NOT_PERMITTED": 403,
    "APPROVAL_NOT_NEEDED": 409,
    "LIST_NOT_SHAREABLE": 409,
    "ALREADY_EXTENDED": 409,
    "ENTRY_NOT_LIVE": 409,
    "TOO_MANY_PARTIALS": 409,
}
"""HTTP status of a refusal; 422 for all others."""


class Problem(Exception):
    """An answer other than success, as RFC 9457 problem details with a reason code.

    `recorded`: the refusal is in the outbox already, with the act that was refused.
    """

    def __init__(self, status: int, reason_code: str, detail: str, **more: Any) -> None:
        super().__init__(reason_code)
        self.status, self.reason_code, self.detail, self.more = status, reason_code, detail, more
        self.recorded = False

    def answer(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Lay it out."""
        return problem(self.status, self.reason_code, self.detail, headers=headers, **self.more)


def refusal(refused: Refused, **more: Any) -> Problem:
    """Make a problem of a rule's refusal."""
    status = _STATUS.get(refused.reason_code, 422)
    return Problem(status, refused.reason_code, refused.detail, rule_id=refused.rule_id, **more)


def demand(decision: Decision) -> None:
    """Go on when a rule admits; raise its refusal otherwise."""
    if isinstance(decision, Refused):
        raise refusal(decision)


@dataclass(slots=True)
class Doors:
    """What the routes work with."""

    store: Store
    publisher: Publisher
    dead_letters: DeadLetters
    images: ImageStore
    relay: Relay
    loader: ListLoader
    entering: Entering
    puller: Puller
    dry_runs: DryRuns
    packing: Packing | None
    republishing: Republishing
    profiles: Mapping[str, AgencyProfile]
    person_key: bytes
    clock: Callable[[], datetime]
    refusals: RefusalLog
    largest_list: int
    recent: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def remember(self, frame_id: str) -> None:
        """Note that Kafka has acknowledged this frame."""
        self.recent[frame_id] = None
        while len(self.recent) > REMEMBERED:
            self.recent.popitem(last=False)


async def refuse(request: Request, found: Problem) -> JSONResponse:
    """Answer with a problem; a refusal is in the outbox before it is answered (AUD-09)."""
    if found.status in RECORDED and not found.recorded:
        doors = doors_of(request)
        facts = {
            "method": request.method,
            "route": getattr(request.scope.get("route"), "path", ""),
            "status": str(found.status),
        }
        address = request.client.host if request.client else ""
        try:
            await doors.refusals.tell(getattr(request.state, "person", None), address, found.reason_code, facts)
        except Transient:
            return away()
        doors.relay.kick()
    return found.answer()


def away() -> JSONResponse:
    """Answer that this must be tried again."""
    return problem(503, "TRY_AGAIN", "database, broker or object store are away", retry_after_s=1)


def doors_of(request: Request) -> Doors:
    """Give a route what it works with."""
    doors: Doors = request.app.state.doors
    return doors


def person_of(request: Request) -> Person:
    """Tell who is asking; 401 without a token that the console signed within the last 5 s."""
    doors = doors_of(request)
    try:
        request.state.person = asker(request.headers.get("authorization", ""), doors.person_key, doors.clock())
    except PermissionError as error:
        metrics.TOKENS.labels(str(error)).inc()
        raise Problem(401, str(error), "a person token is needed") from None
    person: Person = request.state.person
    return person


def policy_of(doors: Doors, person: Person) -> AgencyProfile:
    """Give the policy of the person's agency; 422 without one."""
    profile = doors.profiles.get(person.agency)
    if profile is None:
        raise Problem(422, "AGENCY_UNKNOWN", "the agency has no profile")
    return profile


async def own_list(doors: Doors, person: Person, code: str) -> ActiveList:
    """Find a list of the person's agency; 404 without."""
    found = await doors.store.hotlist(person.agency, code)
    if found is None:
        raise Problem(404, "LIST_UNKNOWN", "the agency has no such list")
    return found


async def own_device(doors: Doors, person: Person, device_id: str) -> Device:
    """Find a device of the person's agency; 404 without."""
    device = (await doors.store.devices([device_id])).get(device_id)
    if device is None or device.agency != person.agency:
        raise Problem(404, "DEVICE_UNKNOWN", "no such device")
    return device


def allowed(*roles: str) -> Callable[[Request], Person]:
    """Demand one of these roles; 403 without."""

    def check(request: Request) -> Person:
        person = person_of(request)
        if not set(roles).intersection(person.roles):
            raise Problem(403, "ROLE_NOT_AUTHORISED", f"one of {', '.join(roles)}")
        return person

    return check


Ingest = Annotated[Doors, Depends(doors_of)]
Anyone = Annotated[Person, Depends(person_of)]
Admin = Annotated[Person, Depends(allowed("alpr_admin"))]
Worker = Annotated[Person, Depends(allowed("officer", "investigator", "dispatcher", "supervisor", "alpr_admin"))]
"""Who takes a unit into service, or answers for those who do."""
ListReader = Annotated[
    Person,
    Depends(allowed("officer", "investigator", "dispatcher", "supervisor", "alpr_admin", "program_manager", "auditor")),
]
"""Who works with hits or answers for lists: notes, recipients of shares and addresses of feeds are for no one else."""
ListAdmin = Annotated[Person, Depends(allowed("alpr_admin", "program_manager"))]


class Strict(BaseModel):
    """A body that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")
