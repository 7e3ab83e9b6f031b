"""Devices, their cameras, where they stand and what they were declared to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class DeviceKind(StrEnum):
    """What carries the cameras: a vehicle, a structure or a trailer (DEF-05)."""

    MOBILE = "mobile"
    FIXED = "fixed"
    TRAILER = "trailer"


class LocationQuality(StrEnum):
    """How well a position is known: fix of the moment, registered place, or an older fix (CAP-04)."""

    LIVE = "live"
    REGISTERED = "registered"
    STALE = "stale"


class View(StrEnum):
    """Side of the vehicle that a camera sees."""

    FRONT = "front"
    REAR = "rear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """WGS 84 degrees."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError("position outside the earth")


@dataclass(frozen=True, slots=True)
class Location:
    """Where the camera was at capture, how well that is known, and where it looked (CAP-04)."""

    point: GeoPoint
    quality: LocationQuality
    age_s: float = 0.0
    heading: float | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of a device, the directions it covers and the side of vehicles it sees."""

    camera_id: str
    name: str
    directions: tuple[str, ...]
    view: View = View.UNKNOWN


@dataclass(frozen=True, slots=True)
class Siting:
    """Declaration that a device sees only what is in public view (USE-14)."""

    public_view: bool
    approver: str
    declared_on: date | None


@dataclass(frozen=True, slots=True)
class Device:
    """Registry state of one device (CAP-01)."""

    device_id: str
    agency: str
    kind: DeviceKind
    name: str
    carrier: str
    cameras: tuple[Camera, ...]
    siting: Siting | None
    in_service: bool
    position: GeoPoint | None
    public_key: bytes
    software_version: str = ""
    revision: int = 1

    def camera(self, camera_id: str) -> Camera | None:
        """Find a camera of this device by its id."""
        return next((camera for camera in self.cameras if camera.camera_id == camera_id), None)


@dataclass(frozen=True, slots=True)
class DeviceChecks:
    """What people found who compared reads of a device with their pictures, by one model of reader. It names no plate.

    `reader` is the model's name, "@" and twelve digits of its hash; `characters` says how often each character stood on
    the plates that were compared, `mistaken` how often one was read as another ("B8": B read as 8).
    """

    device_id: str
    agency: str
    reader: str
    checked: int
    misread: int
    characters: Mapping[str, int]
    mistaken: Mapping[str, int]
    updated_at: datetime
