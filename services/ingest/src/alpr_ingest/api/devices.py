"""The registry of devices."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from alpr_ingest.admit import admit_device
from alpr_ingest.api.door import Admin, Anyone, Doors, Ingest, Problem, Strict, own_device, refusal
from alpr_ingest.app import audit_message
from alpr_ingest.store import Outgoing, Taken
from alprcore.model import Camera, Device, DeviceKind, GeoPoint, Person, Refused, Siting, View
from alprcore.topics import Topic
from alprcore.wire import encode_device

router = APIRouter()


class CameraIn(Strict):
    """A camera of a device to register."""

    camera_id: str
    name: str = ""
    directions: list[str] = Field(default_factory=list)
    view: View = View.UNKNOWN


class SitingIn(Strict):
    """Declaration that a device sees only what is in public view (USE-14)."""

    public_view: bool
    approver: str = Field(min_length=1)
    declared_on: date


class PositionIn(Strict):
    """WGS 84 degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class DeviceIn(Strict):
    """A device to register; its agency is that of the person who does."""

    device_id: str
    kind: DeviceKind
    name: str = Field(min_length=1)
    carrier: str = ""
    cameras: list[CameraIn] = Field(default_factory=list)
    siting: SitingIn | None = None
    position: PositionIn | None = None
    public_key: str
    software_version: str = ""
    in_service: bool = True


class ServiceStateIn(Strict):
    """Whether a device may send frames."""

    in_service: bool


@router.post("/v1/devices", status_code=201)
async def post_device(body: DeviceIn, doors: Ingest, person: Admin) -> dict[str, Any]:
    """Register a device (DEF-04, DEF-05, CAP-01)."""
    try:
        public_key = base64.b64decode(body.public_key, validate=True)
    except binascii.Error:
        public_key = b""
    device = Device(
        device_id=body.device_id,
        agency=person.agency,
        kind=body.kind,
        name=body.name,
        carrier=body.carrier,
        cameras=tuple(Camera(c.camera_id, c.name, tuple(c.directions), c.view) for c in body.cameras),
        siting=None if body.siting is None else Siting(**body.siting.model_dump()),
        in_service=body.in_service,
        position=None if body.position is None else GeoPoint(**body.position.model_dump()),
        public_key=public_key,
        software_version=body.software_version,
    )
    if person.agency not in doors.profiles:
        raise Problem(422, "AGENCY_UNKNOWN", "the agency has no profile")
    decision = admit_device(device)
    if isinstance(decision, Refused):
        raise refusal(decision)
    now = doors.clock()
    try:
        await doors.store.add_device(device, _device_messages(device, "device_registered", person, now), now)
    except Taken as taken:
        raise Problem(409, f"{str(taken).upper()}_EXISTS", f"this {taken} is registered already") from None
    doors.relay.kick()
    return _show_device(device)


@router.get("/v1/devices")
async def get_devices(doors: Ingest, person: Anyone) -> dict[str, Any]:
    """List the devices of the person's agency."""
    return {"devices": [_show_device(device) for device in await doors.store.devices_of(person.agency)]}


@router.get("/v1/devices/{device_id}")
async def get_device(device_id: str, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Show a device of the person's agency."""
    return _show_device(await own_device(doors, person, device_id))


@router.put("/v1/devices/{device_id}/service-state")
async def put_service_state(device_id: str, body: ServiceStateIn, doors: Ingest, person: Admin) -> dict[str, Any]:
    """Take a device into or out of service; frames of one that is out are refused."""
    device = await own_device(doors, person, device_id)
    changed = replace(device, in_service=body.in_service, revision=device.revision + 1)
    return await _change(doors, changed, "device_service_state", person)


@router.put("/v1/devices/{device_id}/siting")
async def put_siting(device_id: str, body: SitingIn, doors: Ingest, person: Admin) -> dict[str, Any]:
    """Declare what a device sees (USE-14)."""
    device = await own_device(doors, person, device_id)
    changed = replace(device, siting=Siting(**body.model_dump()), revision=device.revision + 1)
    return await _change(doors, changed, "device_siting", person)


async def _change(doors: Doors, device: Device, kind: str, person: Person) -> dict[str, Any]:
    try:
        await doors.store.change_device(device, _device_messages(device, kind, person, doors.clock()))
    except Taken:
        raise Problem(409, "CHANGED_MEANWHILE", "the device was changed by someone else") from None
    doors.relay.kick()
    return _show_device(device)


def _device_messages(device: Device, kind: str, person: Person, now: datetime) -> list[Outgoing]:
    revision = str(device.revision)
    facts = {"in_service": str(device.in_service).lower()}
    return [
        Outgoing(Topic.DEVICES, device.device_id, encode_device(device), f"{device.device_id}/{revision}", now),
        audit_message(kind, device.device_id, revision, person, now, facts=facts),
    ]


def _show_device(device: Device) -> dict[str, Any]:
    shown = asdict(device)
    shown["public_key"] = base64.b64encode(device.public_key).decode()
    if device.siting is not None:
        declared_on = device.siting.declared_on
        shown["siting"]["declared_on"] = None if declared_on is None else declared_on.isoformat()
    return shown
