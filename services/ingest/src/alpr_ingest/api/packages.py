"""Copies of lists on devices: packages and reports under a device's own signature, and what people see of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field, ValidationError

from alpr_ingest.api.door import (
    Anyone,
    Ingest,
    ListReader,
    Problem,
    Strict,
    Worker,
    doors_of,
    own_device,
    policy_of,
    refusal,
)
from alpr_ingest.app import audit_message, device_message
from alpr_ingest.carried import carried, outdated, ready, report_fault
from alpr_ingest.packing import Packing
from alpr_ingest.store import ShiftCheck
from alprcore.copies import CALL_SECONDS, DeviceCall, PackageHead, claimed_device, read_call, read_have
from alprcore.model import Device, Refused, make_id
from alprcore.policy import Overridden
from alprcore.wire import rfc3339

router = APIRouter()

LONGEST_WAIT_S: Final = 60
_LARGEST_BODY: Final = 64 * 1024
_UNSIGNED: Final = "a signature of this call by the device's registered key is needed"
_MEDIA_TYPE: Final = "application/vnd.plateline.list-package"


@dataclass(frozen=True, slots=True)
class Calling:
    """A device that proved to be the one that calls, and the body it signed."""

    device: Device
    call: DeviceCall
    body: bytes


async def calling_device(device_id: str, request: Request) -> Calling:
    """Tell which device calls; 401 without its signature of this very call, which is good for one use."""
    doors = doors_of(request)
    if "signature" not in request.headers:  # a stranger learns nothing, and no question is asked for one
        raise Problem(401, "SIGNATURE_MISSING", _UNSIGNED)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:12]) > _LARGEST_BODY:
        raise Problem(413, "REQUEST_TOO_LARGE", f"at most {_LARGEST_BODY} bytes")
    if "transfer-encoding" in request.headers:
        raise Problem(411, "LENGTH_REQUIRED", "a request names its length")
    body, now = await request.body(), doors.clock()
    device = (await doors.store.devices([device_id])).get(device_id)
    if device is None:
        raise Problem(403, "DEVICE_UNKNOWN", "no such device is registered")
    path, query = request.scope["raw_path"].decode("ascii"), request.url.query
    try:
        if claimed_device(request.headers) not in {"", device_id}:
            raise PermissionError("SIGNATURE_INVALID")
        call = read_call(device.public_key, request.method, path, query, body, request.headers, now)
        if not await doors.store.use_nonce(
            device_id, call.nonce, call.called_at, now - timedelta(seconds=2 * CALL_SECONDS)
        ):
            raise PermissionError("CALL_REPEATED")
    except PermissionError as error:
        raise Problem(401, str(error), _UNSIGNED) from None
    if not device.in_service:
        raise Problem(403, "DEVICE_OUT_OF_SERVICE", "an administrator took this device out of service")
    return Calling(device, call, body)


def packing_of(doors: Ingest) -> Packing:
    """Give what makes packages; 503 where no key for them is set."""
    if doors.packing is None:
        raise Problem(503, "PACKAGES_OFF", "no key that signs packages is set here")
    return doors.packing


Caller = Annotated[Calling, Depends(calling_device)]
Packages = Annotated[Packing, Depends(packing_of)]


@router.get("/v1/hotlists/package-key")
async def get_package_key(_person: ListReader, packing: Packages) -> dict[str, Any]:
    """Give the key that devices check packages with, as a vkey of C2SP signed-note."""
    return {"verifier": packing.verifier}


@router.get("/v1/devices/{device_id}/lists/package")  # noqa: FAST003 - read where the caller is told
async def get_package(
    caller: Caller,
    packing: Packages,
    doors: Ingest,
    have: str = "",
    wait: Annotated[int, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
) -> StreamingResponse:
    """Give a device what its copies of lists lack (HOT-21); `have` says what it holds, `CODE:version` with commas.

    With `wait` the answer comes when a version comes into force that the device does not hold, or after so many
    seconds. It renews how long unchanged copies hold.
    """
    try:
        held = read_have(have)
    except ValueError:
        raise Problem(422, "FIELD_INVALID", "have") from None
    if not caller.call.seal_key:
        raise Problem(422, "SEAL_KEY_MISSING", "alpr-seal-key: the X25519 key that the package is sealed to")
    await packing.wait(caller.device.agency, held, wait)
    try:
        plan = await packing.plan(caller.device, caller.call, held)
    except ValueError:
        raise Problem(422, "SEAL_KEY_INVALID", "alpr-seal-key: no X25519 key") from None
    if brought := _brought(plan.head):
        now, facts = doors.clock(), {"package_id": plan.head.package_id, "lists": brought}
        await doors.store.put_out(
            [device_message("list_package_issued", caller.device, plan.head.package_id, now, facts=facts)]
        )
        doors.relay.kick()
    return StreamingResponse(packing.stream(plan), media_type=_MEDIA_TYPE)


def _brought(head: PackageHead) -> str:
    return ", ".join(f"{one.code} {one.base}>{one.version}" for one in head.lists if one.kind != "same")


class StateIn(Strict):
    """What a device holds after it applied a package: each list's version."""

    package_id: str = Field(min_length=1, max_length=64)
    issued_at: datetime
    lists: dict[str, int] = Field(max_length=500)


@router.post("/v1/devices/{device_id}/lists/state")  # noqa: FAST003 - read where the caller is told
async def post_state(caller: Caller, doors: Ingest) -> dict[str, Any]:
    """Keep what a device holds; the same report again changes nothing, one of an older package is refused."""
    try:
        said = StateIn.model_validate_json(caller.body)
    except ValidationError as error:
        first = error.errors()[0]
        raise Problem(422, "FIELD_INVALID", ".".join(map(str, first["loc"])) or "body") from None
    device, now = caller.device, doors.clock()
    lists = [active for active, _ in await doors.store.hotlists(device.agency)]
    if said.issued_at.tzinfo is None or said.issued_at > now + timedelta(seconds=CALL_SECONDS):
        raise Problem(422, "FIELD_INVALID", "issued_at")
    if (fault := report_fault(lists, said.lists)) is not None:
        raise refusal(fault)
    if not await doors.store.put_device_copy(
        device.device_id, device.agency, said.package_id, said.issued_at, said.lists, now
    ):
        raise Problem(409, "STATE_OLDER", "a report of a later package is known already")
    return {"lists": said.lists, "outdated": [asdict(one) for one in outdated(lists, said.lists)]}


@router.get("/v1/devices/{device_id}/lists")
async def get_device_lists(device_id: str, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Show which version of each list a device holds, and which is in force (HOT-21)."""
    device = await own_device(doors, person, device_id)
    copy = await doors.store.device_copy(device.device_id)
    lists = carried([active for active, _ in await doors.store.hotlists(person.agency)])
    held, now = ({} if copy is None else dict(copy.lists)), doors.clock()
    shown = []
    for one in lists:
        version, since = held.get(one.code, (0, None))
        behind_s = 0 if version == one.version or one.loaded_at is None else int((now - one.loaded_at).total_seconds())
        shown.append({
            "code": one.code, "name": one.name, "held": version, "in_force": one.version,
            "held_since": None if since is None else rfc3339(since),
            "in_force_since": None if one.loaded_at is None else rfc3339(one.loaded_at),
            "outdated": version != one.version, "behind_s": max(0, behind_s),
        })  # fmt: skip
    return {
        "device_id": device.device_id,
        "reported_at": None if copy is None else rfc3339(copy.reported_at),
        "current": not any(one["outdated"] for one in shown),
        "lists": shown,
    }


class ShiftCheckIn(Strict):
    """A check before a shift; the reason is why a unit goes out with lists that are not up to date."""

    override_reason: str = Field("", max_length=2000)


@router.post("/v1/devices/{device_id}/shift-checks", status_code=201)
async def post_shift_check(device_id: str, body: ShiftCheckIn, doors: Ingest, person: Worker) -> dict[str, Any]:
    """Check by its lists whether a unit may go into service (HOT-21); kept whatever the result is."""
    device, policy = await own_device(doors, person, device_id), policy_of(doors, person)
    copy = await doors.store.device_copy(device_id)
    lists = [active for active, _ in await doors.store.hotlists(person.agency)]
    behind, now = outdated(lists, {} if copy is None else copy.versions), doors.clock()
    decision = ready(policy, behind, body.override_reason)
    refused = decision if isinstance(decision, Refused) else None
    overridden = decision if isinstance(decision, Overridden) else None
    check = ShiftCheck(
        check_id=make_id("shift_check", device_id, person.person_id, now.isoformat()),
        agency=person.agency,
        device_id=device.device_id,
        checked_by=person.person_id,
        checked_at=now,
        result="ready" if refused is None else "not_ready",
        gate_overridden=overridden is not None,
        override_reason="" if overridden is None else overridden.reason,
        outdated=behind,
        profile_version=policy.version,
    )
    names = ", ".join(f"{one.code} {one.held}<{one.in_force}" for one in behind)
    facts = {"device_id": device_id, "result": check.result, "outdated": names}
    events = [audit_message("shift_check", check.check_id, "1", person, now, refused=refused, facts=facts)]
    if overridden is not None:
        about = {"step": overridden.step, "gate": "soft", "about": check.check_id}
        key, why = f"{overridden.step}/{check.check_id}", {"override_reason": overridden.reason}
        events.append(audit_message("gate_overridden", device_id, key, person, now, facts=about, personal=why))
    await doors.store.add_check(check, events)
    doors.relay.kick()
    return {
        "check_id": check.check_id,
        "device_id": device_id,
        "checked_at": rfc3339(now),
        "result": check.result,
        "reason_code": "" if refused is None else refused.reason_code,
        "detail": "" if refused is None else refused.detail,
        "lists": [asdict(one) for one in behind],
        "gate_overridden": check.gate_overridden,
    }
