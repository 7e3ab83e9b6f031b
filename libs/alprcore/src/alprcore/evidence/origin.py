"""Where a read comes from: what its camera signed of the frame, laid out so that a stranger verifies it by the key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alprcore.model import GeoPoint, Location, LocationQuality, View
from alprcore.model.frames import signed_text

FRAME: Final = "frame.txt"
FRAME_SIGNATURE: Final = "frame.sig"
DEVICES: Final = "devices"
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key as SubjectPublicKeyInfo (RFC 8410)."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A frame as its device signed it: the signed text, the signature, the key, and the SHA-256 of the camera's file."""

    text: bytes
    signature: bytes
    key: bytes
    sha256: str

    @property
    def key_file(self) -> str:
        """Name of the file with the key, the same for every frame of a device."""
        return f"{DEVICES}/{hashlib.sha256(self.key).hexdigest()[:16]}.pem"

    @property
    def pem(self) -> bytes:
        """The key as PEM."""
        body = base64.b64encode(_SPKI + self.key).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def signed_frame(row: Mapping[str, Any]) -> Signed | None:
    """Lay out what the camera signed of the frame that a stored read comes from; None for reads of before it was kept.

    Raises `ValueError` or `KeyError` for a row that holds something else.
    """
    details = row["details"]
    if not row.get("frame"):
        return None
    sequence, placed, view, sha256, signature, key = row["frame"]
    place = Location(
        GeoPoint(row["latitude"], row["longitude"]), LocationQuality(details["location_quality"]),
        details["location_age_s"], details["heading"],
    ) if placed else None  # fmt: skip
    digest = base64.b64decode(sha256, validate=True)
    text = signed_text(
        device_id=row["device_id"], camera_id=row["camera_id"], sequence=int(sequence),
        captured_at=datetime.fromisoformat(row["captured_at"]), location=place, view=View(view), sha256=digest,
    )  # fmt: skip
    signed, public = (base64.b64decode(part, validate=True) for part in (signature, key))
    return Signed(text, signed, public, digest.hex())


def key_of(pem: bytes) -> bytes:
    """Read a device's key. Raises `ValueError` for anything else."""
    lines = pem.decode("ascii").split()
    body = base64.b64decode("".join(line for line in lines[3:-3]), validate=True)
    if not body.startswith(_SPKI) or len(body) != len(_SPKI) + 32:
        raise ValueError("not an Ed25519 key")
    return body.removeprefix(_SPKI)
