"""Decides what may enter: devices into the registry, images and frames into the stream. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alprcore.model import (
    ADMITTED,
    Decision,
    Device,
    DeviceKind,
    Frame,
    GeoPoint,
    Location,
    LocationQuality,
    Refused,
    View,
    frame_id,
)

DIRECTIONS: Final = frozenset({"N", "NE", "E", "SE", "S", "SW", "W", "NW"})
LARGEST_IMAGE: Final = 20_000_000
"""Bytes; no plate camera makes larger JPEGs."""
LARGEST_AREA: Final = 12_000_000
"""Pixels; a larger image decodes into more memory than a recognizer gives to one frame."""
META_FIELDS: Final = frozenset(
    {
        "device_id",
        "camera_id",
        "sequence",
        "captured_at",
        "latitude",
        "longitude",
        "location_quality",
        "location_age_s",
        "heading",
        "view",
        "sha256",
        "signature",
    }
)
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # T.81 table B.1
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})


def admit_device(device: Device) -> Decision:
    """Decide whether a device may be registered (DEF-04, DEF-05, CAP-01). Siting may follow: without it nothing is read."""
    fixed = device.kind is DeviceKind.FIXED
    camera_ids = [camera.camera_id for camera in device.cameras]
    refusals = (
        (not device.cameras, "DEF-04", "CAMERA_REQUIRED", "cameras: a device has at least one camera"),
        (
            fixed and any(not camera.directions for camera in device.cameras),
            "DEF-04",
            "DIRECTION_REQUIRED",
            "cameras.directions: every camera of a fixed device covers at least one direction",
        ),
        (
            any(not DIRECTIONS.issuperset(camera.directions) for camera in device.cameras),
            "DEF-04",
            "DIRECTION_INVALID",
            f"cameras.directions: one of {', '.join(sorted(DIRECTIONS))}",
        ),
        (len(set(camera_ids)) < len(camera_ids), "CAP-01", "CAMERA_TWICE", "cameras: a camera_id stands twice"),
        (
            not all(_ID.fullmatch(name) for name in (device.device_id, *camera_ids)),
            "CAP-01",
            "ID_INVALID",
            "ids: 1 to 64 letters, digits, points, hyphens and underscores",
        ),
        (
            fixed and device.position is None,
            "CAP-01",
            "POSITION_REQUIRED",
            "position: a fixed device has registered coordinates",
        ),
        (len(device.public_key) != 32, "CAP-01", "KEY_INVALID", "public_key: an Ed25519 key of 32 bytes"),
        (not device.carrier, "CAP-01", "CARRIER_REQUIRED", "carrier: the vehicle, structure or trailer"),
    )
    return next((Refused(rule, code, detail) for broken, rule, code, detail in refusals if broken), ADMITTED)


def read_meta(meta: Mapping[str, Any], agency: str, image: bytes, received_at: datetime) -> Frame | Refused:
    """Build a frame from what a device sent beside its image (CAP-02); a refusal names the field.

    Times and place are the device's and stay as they are (CAP-04).
    """
    unknown = sorted(meta.keys() - META_FIELDS)
    if unknown:
        return Refused("CAP-02", "FIELD_UNKNOWN", ", ".join(unknown)[:200])
    for field, named in (
        ("camera_id", "camera_id"),
        ("sequence", "sequence"),
        ("captured_at", "captured_at"),
        ("latitude", "location"),
        ("longitude", "location"),
        ("sha256", "sha256"),
    ):
        if meta.get(field) in (None, ""):
            return Refused("CAP-02", "FIELD_MISSING", named)
    if not image:
        return Refused("CAP-02", "FIELD_MISSING", "image")
    field = ""
    try:
        field = "sequence"
        sequence = _whole(meta["sequence"])
        field = "captured_at"
        captured_at = _moment(meta["captured_at"])
        field = "location"
        heading = None if meta.get("heading") is None else round(_number(meta["heading"], 0, 360), 1)
        location = Location(
            GeoPoint(_number(meta["latitude"], -90, 90), _number(meta["longitude"], -180, 180)),
            LocationQuality(meta.get("location_quality", "live")),
            _number(meta.get("location_age_s", 0), 0, 1e9),
            heading,
        )
        field = "view"
        view = View(meta.get("view", "unknown"))
        field = "sha256"
        sha256 = bytes.fromhex(meta["sha256"])
        if len(sha256) != 32:
            raise ValueError
        field = "signature"
        signature = base64.b64decode(meta.get("signature") or "", validate=True)
        field = "camera_id"
        camera_id = str(meta["camera_id"])
        return Frame(
            frame_id=frame_id(camera_id, sequence, sha256),
            agency=agency,
            device_id=str(meta["device_id"]),
            camera_id=camera_id,
            sequence=sequence,
            captured_at=captured_at,
            received_at=received_at,
            location=location,
            sha256=sha256,
            signature=signature,
            view=view,
            image=image,
        )
    except (ValueError, TypeError, OverflowError, binascii.Error):
        return Refused("CAP-02", "FIELD_INVALID", field)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError
    return value


def _number(value: object, low: float, high: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError
    return float(value)


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def admit_image(image: bytes, sha256: bytes) -> Decision:
    """Decide by an image's bytes alone whether it may go on; the header is read, no pixel is decoded."""
    if len(image) > LARGEST_IMAGE:
        return Refused("CAP-03", "IMAGE_TOO_LARGE", f"more than {LARGEST_IMAGE} bytes")
    if hashlib.sha256(image).digest() != sha256:
        return Refused("CAP-03", "HASH_MISMATCH", "the image is not the one that was signed")
    if not image.startswith(b"\xff\xd8\xff"):
        return Refused("CAP-03", "NOT_A_JPEG", "no JPEG header")
    if b"\xff\xd9" not in image[-64:]:  # some cameras pad after the end marker
        return Refused("CAP-03", "JPEG_TRUNCATED", "no end-of-image marker")
    size = jpeg_size(image)
    if size is None:
        return Refused("CAP-03", "NOT_A_JPEG", "no frame header before the pixels")
    if size[0] * size[1] > LARGEST_AREA:
        return Refused("CAP-03", "IMAGE_TOO_LARGE", f"{size[0]} x {size[1]} pixels, at most {LARGEST_AREA}")
    return ADMITTED


def jpeg_size(image: bytes) -> tuple[int, int] | None:
    """Read width and height from the frame header (ITU-T T.81, B.2.2); None when there is none before the pixels."""
    position = 2
    while position + 9 < len(image):
        if image[position] != 0xFF:
            return None
        marker = image[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _STANDALONE:
            position += 2
        elif marker in _START_OF_FRAME:
            height = int.from_bytes(image[position + 5 : position + 7], "big")
            width = int.from_bytes(image[position + 7 : position + 9], "big")
            return (width, height) if width and height else None
        elif marker in {0xDA, 0xD9}:
            return None
        else:
            position += 2 + int.from_bytes(image[position + 2 : position + 4], "big")
    return None
