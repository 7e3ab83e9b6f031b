"""The door for cameras that have no Kafka client."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile

from alpr_ingest import metrics
from alpr_ingest.admit import LARGEST_IMAGE, META_FIELDS, admit_image, read_meta
from alpr_ingest.api.door import Doors, Ingest, Problem, refusal
from alpr_ingest.app import SOURCE
from alprcore.errors import InvalidMessage
from alprcore.model import INLINE_JPEG_LIMIT, Device, Frame, ImageRef, ImageRole, Refused
from alprcore.policy import due_day, may_collect
from alprcore.seal import seal_once, verify
from alprcore.topics import Topic
from alprcore.wire import encode_frame, headers_for

MOST_FRAMES: Final = 64
"""Frames in one request."""
LARGEST_REQUEST: Final = 256 * 1024 * 1024
_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
router = APIRouter()


@dataclass(slots=True)
class Parcel:
    """One frame of a request on its way through the checks."""

    meta: Any
    image: bytes
    device: Device | None = None
    frame: Frame | None = None
    refused: Refused | None = None
    status: str = "accepted"


@router.post("/v1/frames")
async def post_frames(request: Request, doors: Ingest) -> JSONResponse:
    """Take frames from devices; 202 means that Kafka holds every one of them (CAP-01, CAP-02, CAP-04, USE-14)."""
    begun = time.monotonic()
    length = request.headers.get("content-length")
    if length is None or not length.isdigit():
        raise Problem(411, "LENGTH_REQUIRED", "a request names its length")
    if int(length) > LARGEST_REQUEST:
        raise Problem(413, "REQUEST_TOO_LARGE", f"at most {LARGEST_REQUEST} bytes")
    async with request.form(max_files=2 * MOST_FRAMES, max_fields=MOST_FRAMES) as form:
        parcels = await _parcels(form)
    now = doors.clock()
    ids = {
        p.meta["device_id"] for p in parcels if isinstance(p.meta, dict) and isinstance(p.meta.get("device_id"), str)
    }
    devices = await doors.store.devices(ids)
    for parcel in parcels:
        _judge(parcel, devices, now)
    trace = request.headers.get("traceparent", "")
    trace = trace if _TRACEPARENT.fullmatch(trace) else ""
    acks = [
        (parcel.frame, await _send(doors, parcel.device, parcel.frame, trace))
        for parcel in parcels
        if parcel.frame is not None and parcel.device is not None and parcel.refused is None and _fresh(doors, parcel)
    ]
    for frame, ack in acks:
        await ack
        doors.remember(frame.frame_id)
    for parcel in parcels:
        if parcel.refused is not None and parcel.device is not None:
            await _put_aside(doors, parcel.device, parcel, parcel.refused, trace)
    for parcel in parcels:
        metrics.FRAMES.labels(parcel.status, "" if parcel.refused is None else parcel.refused.reason_code).inc()
    metrics.ACCEPT_SECONDS.observe(time.monotonic() - begun)
    return _frames_answer(parcels)


async def _parcels(form: FormData) -> list[Parcel]:
    items = list(form.multi_items())
    names = [name for name, _ in items]
    if not items or names != ["meta", "image"] * (len(items) // 2):
        raise Problem(422, "PARTS_INVALID", "parts come in pairs: `meta`, then `image`")
    parcels = []
    for (_, meta), (_, image) in zip(items[::2], items[1::2], strict=True):
        if not isinstance(image, UploadFile):
            raise Problem(422, "PARTS_INVALID", "the part `image` has a file name")
        text = await meta.read() if isinstance(meta, UploadFile) else meta
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        parcels.append(Parcel(document, await image.read(LARGEST_IMAGE + 1)))
    return parcels


def _judge(parcel: Parcel, devices: Mapping[str, Device], now: datetime) -> None:
    """Take a frame through all checks; the first that refuses is its verdict."""
    if not isinstance(parcel.meta, dict):
        parcel.refused = Refused("CAP-02", "FIELD_INVALID", "meta")
    elif not isinstance(parcel.meta.get("device_id"), str):
        parcel.refused = Refused("CAP-02", "FIELD_MISSING", "device_id")
    else:
        parcel.device = devices.get(parcel.meta["device_id"])
        parcel.refused = _verdict(parcel, parcel.device, now)
    if parcel.refused is not None:
        parcel.status = "refused"


def _verdict(parcel: Parcel, device: Device | None, now: datetime) -> Refused | None:
    if device is None:
        return Refused("CAP-01", "DEVICE_UNKNOWN", "no such device is registered")
    frame = read_meta(parcel.meta, device.agency, parcel.image, now)
    if isinstance(frame, Refused):
        return frame
    parcel.frame = frame
    signed = verify(device.public_key, frame.signature, frame.signed_text())
    for decision in (
        may_collect(frame, device, signature_ok=signed, now=now),
        admit_image(parcel.image, frame.sha256),
    ):
        if isinstance(decision, Refused):
            return decision
    return None


def _fresh(doors: Doors, parcel: Parcel) -> bool:
    if parcel.frame is not None and parcel.frame.frame_id in doors.recent:
        parcel.status = "duplicate"
        return False
    return True


async def _send(doors: Doors, device: Device, frame: Frame, trace: str) -> Any:
    stored = await _stored(doors, device, frame)
    headers = headers_for(Topic.FRAMES, id=frame.frame_id, source=SOURCE, time=frame.captured_at, traceparent=trace)
    return await doors.publisher.send(Topic.FRAMES, key=frame.camera_id, value=encode_frame(stored), headers=headers)


async def _stored(doors: Doors, device: Device, frame: Frame) -> Frame:
    """Put an image that is too large for a message into the object store first, named by its due day.

    It lies there sealed: its key travels in the message and is gone with it.
    """
    if isinstance(frame.image, ImageRef) or len(frame.image) <= INLINE_JPEG_LIMIT:
        return frame
    received_at = frame.received_at or frame.captured_at
    due = due_day(frame.captured_at, received_at, device.kind, doors.profiles[device.agency])
    key = f"{ImageRole.FRAME.value}/{device.agency}/{due.isoformat()}/{frame.frame_id}.jpg"
    once, sealed = await asyncio.to_thread(seal_once, frame.image, aad=key.encode())
    await doors.images.put(key, sealed)
    return replace(frame, image=ImageRef(key, frame.sha256, ImageRole.FRAME, frame.view, once_key=once))


async def _put_aside(doors: Doors, device: Device, parcel: Parcel, refused: Refused, trace: str) -> None:
    """Write a dead letter: the frame as it would have been published, or what the device sent when it is none."""
    error = InvalidMessage(refused.reason_code, refused.detail)
    frame = parcel.frame
    key = device.device_id if frame is None else frame.camera_id
    if frame is not None and len(parcel.image) <= LARGEST_IMAGE:
        value = encode_frame(await _stored(doors, device, frame))
        headers = headers_for(Topic.FRAMES, id=frame.frame_id, source=SOURCE, time=frame.captured_at, traceparent=trace)
    else:
        image = base64.b64encode(parcel.image).decode() if len(parcel.image) <= INLINE_JPEG_LIMIT else None
        # a field that frames do not have may hold anything, a person's name too: only its name is kept (SEC-04)
        meta = {name: value for name, value in dict(parcel.meta).items() if name in META_FIELDS}
        value = json.dumps({"meta": meta, "image": image, "image_bytes": len(parcel.image)}).encode()
        headers = [("content-type", b"application/json")]
    # whose it is and for how long, also where what was sent says neither: it is kept as a record (RET-11)
    headers += [("alpr-agency", device.agency.encode()), ("alpr-device-kind", device.kind.value.encode())]
    await doors.dead_letters.put_raw(Topic.FRAMES, key=key, value=value, headers=headers, error=error)


def _frames_answer(parcels: Sequence[Parcel]) -> JSONResponse:
    frames: list[dict[str, Any]] = []
    for parcel in parcels:
        shown: dict[str, Any] = {"status": parcel.status}
        if parcel.frame is not None:
            shown |= {"frame_id": parcel.frame.frame_id, "sequence": parcel.frame.sequence}
        if parcel.refused is not None:
            shown |= {"reason_code": parcel.refused.reason_code, "detail": parcel.refused.detail}
        frames.append(shown)
    refused = [parcel.refused for parcel in parcels if parcel.refused is not None]
    if len(refused) == len(parcels):
        problem = refusal(refused[0], frames=frames)
        headers = {"www-authenticate": "Device"} if problem.status == 401 else None
        return problem.answer(headers)
    return JSONResponse({"frames": frames}, 207 if refused else 202)
