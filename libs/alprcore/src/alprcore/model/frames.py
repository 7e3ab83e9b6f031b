"""Frames: one image with the time and place of its capture, and what a device signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Self, TypeAlias

from alprcore.model.devices import Location, View
from alprcore.model.ids import frame_id, to_us

INLINE_JPEG_LIMIT: Final = 900_000
"""Largest JPEG that travels inside a message: Kafka clients refuse 1,048,576 bytes by default."""


class ImageRole(StrEnum):
    """What an image shows: the whole frame, the plate close up, or the vehicle in context (CAP-03)."""

    FRAME = "frame"
    CLOSEUP = "closeup"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the original image, origin at the top left."""

    x: float
    y: float
    width: float
    height: float


Point: TypeAlias = tuple[float, float]
"""Pixels of the original image: x to the right, y downward."""
Corners: TypeAlias = tuple[Point, Point, Point, Point]
"""Of a plate: upper left, upper right, lower right, lower left, as its text is read."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Key of an image in the object store and the SHA-256 of its plain bytes.

    `sealed_to` names the due day to whose public key it is sealed; `once_key` opens one that was sealed for its message
    alone, as a frame that waits to be read.
    """

    key: str
    sha256: bytes
    role: ImageRole
    view: View = View.UNKNOWN
    sealed_to: date | None = None
    once_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """One image from one camera, with the time and place of its capture.

    `position` may be missing only until admission; an admitted frame has one (CAP-02).
    """

    frame_id: str
    agency: str
    device_id: str
    camera_id: str
    sequence: int
    captured_at: datetime
    received_at: datetime | None
    location: Location | None
    sha256: bytes
    signature: bytes
    view: View
    image: bytes | ImageRef

    def __post_init__(self) -> None:
        if not (self.device_id and self.camera_id):
            raise ValueError("frame without device or camera")
        if self.frame_id != frame_id(self.camera_id, self.sequence, self.sha256):
            raise ValueError("frame_id does not follow from camera, sequence and sha256")

    def signed_text(self) -> bytes:
        """The bytes that the device signs; proto/README.md gives the same recipe to vendors."""
        return signed_text(
            device_id=self.device_id,
            camera_id=self.camera_id,
            sequence=self.sequence,
            captured_at=self.captured_at,
            location=self.location,
            view=self.view,
            sha256=self.sha256,
        )


@dataclass(frozen=True, slots=True)
class FrameProof:
    """What a device signed of a frame beside device, camera, time and place, its signature, and the key that verified it.

    `placed`: the frame itself said where it was taken. `sha256` is that of the JPEG as the camera sent it.
    """

    sequence: int
    placed: bool
    view: View
    sha256: bytes
    signature: bytes
    device_key: bytes

    @classmethod
    def of(cls, frame: Frame, device_key: bytes) -> Self:
        """Keep what verifies a frame after it is gone."""
        return cls(frame.sequence, frame.location is not None, frame.view, frame.sha256, frame.signature, device_key)


def signed_text(
    *,
    device_id: str,
    camera_id: str,
    sequence: int,
    captured_at: datetime,
    location: Location | None,
    view: View,
    sha256: bytes,
) -> bytes:
    """Lay out what a device signs: nine lines of UTF-8, numbers in fixed notation, so any language can make it."""
    place, quality, heading = "", "", ""
    if location is not None:
        place = f"{location.point.latitude:.7f},{location.point.longitude:.7f}"
        quality = f"{location.quality.value},{location.age_s:.1f}"
        heading = "" if location.heading is None else f"{location.heading:.1f}"
    lines = (
        "alpr-frame-v1",
        device_id,
        camera_id,
        str(sequence),
        str(to_us(captured_at)),
        place,
        f"{quality};{heading}",
        view.value,
        sha256.hex(),
    )
    return "\n".join(lines).encode()
