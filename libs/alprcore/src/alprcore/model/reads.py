"""Reads: the recognized text of one vehicle's plate during one passage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from typing_extensions import override

from alprcore.model.devices import DeviceKind, Location
from alprcore.model.frames import Box, Corners, FrameProof, ImageRef
from alprcore.model.ids import UNKNOWN


class Plate(str):
    """Plate text, A-Z and 0-9. Its `repr` is redacted; `reveal()` is the only way to print it."""

    __slots__ = ()

    def reveal(self) -> str:
        """Give the text in the clear, for a person or a message that is allowed to carry it."""
        return str.__str__(self)

    @override
    def __repr__(self) -> str:
        return f"<plate of {len(self)}>"

    @override
    def __str__(self) -> str:
        return f"<plate of {len(self)}>"

    @override
    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)


@dataclass(frozen=True, slots=True)
class Provenance:
    """A model: its name and the SHA-256 of its weights, hex."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Character:
    """One character position: first and second candidate with their probabilities, 0..1."""

    first: str
    first_probability: float
    second: str = ""
    second_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another text that the plate may carry."""

    plate: Plate
    probability: float


@dataclass(frozen=True, slots=True)
class StateScore:
    """One possible state of origin, "US-CA" and the like or "unknown", with its probability, 0..1."""

    state: str
    probability: float


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A machine's unverified estimate of the vehicle around the plate: shown to people, never a filter.

    `color` is an NCIC code ("WHI") or "unknown".
    """

    color: str = UNKNOWN
    color_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """Recognized text of one vehicle's plate during one passage (DEF-01, CAP-02, CAP-05).

    `canary`: no vehicle's, but a test plate's, sent to prove that the chain from camera to console is armed. It is
    compared and announced as an exercise, and neither recorded nor counted. `frame` is what the camera signed of the frame
    that was read.
    """

    read_id: str
    revision: int
    agency: str
    device_id: str
    device_kind: DeviceKind
    device_name: str
    camera_id: str
    frame_ids: tuple[str, ...]
    plate: Plate
    plate_raw: str
    state: str
    state_confidence: float
    characters: tuple[Character, ...]
    alternatives: tuple[Alternative, ...]
    confidence: float
    box: Box
    direction: str
    location: Location
    captured_at: datetime
    received_at: datetime
    read_at: datetime
    closeup: ImageRef
    context: ImageRef
    detector: Provenance
    reader: Provenance
    profile_version: str
    retracted: bool = False
    origins: tuple[StateScore, ...] = ()
    corners: Corners | None = None
    unreadable_reason: str = ""
    vehicle: Vehicle = Vehicle()
    canary: bool = False
    frame: FrameProof | None = None

    def __post_init__(self) -> None:
        if not self.frame_ids:
            raise ValueError("read without a frame")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError("confidence outside 0..1")
        if self.plate and len(self.characters) != len(self.plate):
            raise ValueError("one score per character is required")
        if self.plate and self.unreadable_reason:
            raise ValueError("a plate that was read has no reason to be unreadable")
        if any(not 0.0 <= origin.probability <= 1.0 for origin in self.origins):
            raise ValueError("origins outside 0..1")
