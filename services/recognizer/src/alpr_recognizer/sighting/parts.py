"""The parts of a sighting: a plate in a frame, what is remembered of it, a vehicle's passage, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alpr_recognizer.ctc import Text
from alpr_recognizer.quality import Quality
from alprcore.model import UNKNOWN, Box, Corners, Frame, Read

Origins = tuple[tuple[str, float], ...]
"""States of origin with their probabilities, likeliest first; "unknown" may be among them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plate in one frame: place in pixels, the detector's score, the text, and a JPEG of the plate close up.

    `color` is the vehicle's with its probability.
    """

    box: Box
    score: float
    text: Text
    closeup: bytes
    corners: Corners | None = None
    origin: Origins = ()
    quality: Quality | None = None
    color: tuple[str, float] = (UNKNOWN, 0.0)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a passage remembers of one of its frames; `offset` and `ordinal` name the plate on the topic."""

    offset: int
    ordinal: int
    frame_id: str
    captured_at: datetime
    box: Box
    text: Text
    origin: Origins = ()
    color: tuple[str, float] = (UNKNOWN, 0.0)


@dataclass(frozen=True, slots=True)
class Shot:
    """The frame and plate that show a passage best; `trace` is the frame's trace context (W3C)."""

    frame: Frame
    candidate: Candidate
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One vehicle before one camera, from its first frame on; `told` is the read as it was last published."""

    read_id: str
    glimpses: tuple[Glimpse, ...]
    best: Shot
    told: Read | None = None

    @property
    def first(self) -> Glimpse:
        """The glimpse that gave the passage its name."""
        return self.glimpses[0]

    @property
    def last(self) -> Glimpse:
        """The glimpse that was captured last."""
        return self.glimpses[-1]

    def seen_in(self, offset: int) -> bool:
        """Tell whether the frame at this offset showed the passage."""
        return any(glimpse.offset == offset for glimpse in self.glimpses)


@dataclass(frozen=True, slots=True)
class Trail:
    """What a passage that ended leaves behind, so that its vehicle, seen again, makes no second read.

    `shape` is the text in coarse classes of characters and `check` a byte that tells most neighbors of one shape apart: not
    the plate itself, for it lies beside an offset, out of the reach of retention. `box` is the plate's last place. Only frames
    behind `offset` are compared with it, so that frames read again after a restart come out the same. `standing`: the
    vehicle was at one place for a while.
    """

    shape: str
    box: Box
    seen_at: datetime
    offset: int
    standing: bool
    check: int = 0
