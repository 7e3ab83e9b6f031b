"""Frames become reads: one for every plate of a picture, one for every passage of a video, by the service's own rules.

There is no camera and no agency here, so what a read says of them is made up and never shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alpr_recognizer.ctc import Text
from alpr_recognizer.models import ModelInfo
from alpr_recognizer.reading.pictures import Sight
from alpr_recognizer.sighting import Candidate, Passage, Stamp, Trail, make_read, news, observe
from alprcore.model import (
    Device,
    DeviceKind,
    Frame,
    GeoPoint,
    ImageRef,
    ImageRole,
    Location,
    LocationQuality,
    Read,
    View,
    frame_id,
)

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where the time of every picture and video begins; only what has passed since is shown."""
_NOWHERE: Final = Location(GeoPoint(0.0, 0.0), LocationQuality.REGISTERED)
_DESK: Final = Device(
    device_id="desk",
    agency="none",
    kind=DeviceKind.FIXED,
    name="",
    carrier="",
    cameras=(),
    siting=None,
    in_service=True,
    position=None,
    public_key=b"",
)
_IMAGES: Final = (ImageRef("", b"", ImageRole.CLOSEUP), ImageRef("", b"", ImageRole.CONTEXT))

_WIDEST_CUT: Final = 800
_SHAPES: Final = (0.9, 6.0)  # from motorcycles' two lines to a European line without its frame
_LEAST_TEXT, _LEAST_SURE = 4, 0.3
"""Of 372 street pictures read as if they were plates none gives as much; of 339 plates cut out 334 do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One read, with the picture and the close-up it was made of."""

    read: Read
    jpeg: bytes
    closeup: bytes
    scale: float
    first_s: float
    last_s: float
    time_s: float
    frames: int

    def fields(self) -> dict[str, Any]:
        """Lay the read out under the names of the contract (proto/alpr/v1/reads.proto), in the picture's own pixels.

        Beside those stand, for videos, `time_s` of the frame that was read and `first_s` and `last_s` of the passage.
        """
        read, scale = self.read, self.scale
        box = read.box
        return {
            "plate": read.plate.reveal(),
            "plate_raw": read.plate_raw,
            "confidence": round(read.confidence, 4),
            "state": read.state,
            "state_confidence": round(read.state_confidence, 4),
            "origins": [{"state": o.state, "probability": round(o.probability, 4)} for o in read.origins],
            "characters": [
                {
                    "first": c.first,
                    "first_probability": round(c.first_probability, 4),
                    "second": c.second,
                    "second_probability": round(c.second_probability, 4),
                }
                for c in read.characters
            ],
            "alternatives": [
                {"plate": a.plate.reveal(), "probability": round(a.probability, 4)} for a in read.alternatives
            ],
            "unreadable_reason": read.unreadable_reason,
            "box": {
                "x": round(box.x * scale, 1),
                "y": round(box.y * scale, 1),
                "width": round(box.width * scale, 1),
                "height": round(box.height * scale, 1),
            },
            "corners": [{"x": round(x * scale, 1), "y": round(y * scale, 1)} for x, y in read.corners or ()],
            "vehicle": {
                "color": read.vehicle.color,
                "color_probability": round(read.vehicle.color_probability, 4),
            },
            "frames": self.frames,
            "first_s": round(self.first_s, 3),
            "last_s": round(self.last_s, 3),
            "time_s": round(self.time_s, 3),
        }


class Watch:
    """The passages of one video, frame by frame."""

    def __init__(self, info: ModelInfo) -> None:
        self._info = info
        self._going_on: tuple[Passage, ...] = ()
        self._trails: tuple[Trail, ...] = ()
        self._count = 0
        self._scale = 1.0

    def see(self, at_s: float, sight: Sight, candidates: Sequence[Candidate]) -> Iterator[Row]:
        """Add one frame; gives the reads of the passages that it finds at their end."""
        frame = _frame(self._count, at_s, sight)
        observed = observe(self._going_on, frame, self._count, list(enumerate(candidates)), trails=self._trails)
        self._count += 1
        self._scale = sight.scale
        self._going_on, self._trails = observed.going_on, observed.trails
        for passage in observed.ended:
            yield from self._row(passage)

    def end(self) -> Iterator[Row]:
        """End what goes on; gives its reads from left to right."""
        passages, self._going_on = self._going_on, ()
        for passage in sorted(passages, key=lambda passage: (passage.first.captured_at, passage.first.box.x)):
            yield from self._row(passage)

    def _row(self, passage: Passage) -> Iterator[Row]:
        text = news(passage, ended=True)
        if text is None:
            return
        frame = passage.best.frame
        if not isinstance(frame.image, bytes):
            raise TypeError("a frame of this desk carries its picture")
        moment = frame.captured_at
        stamp = Stamp(self._info.detector, self._info.reader, "", received_at=moment, read_at=moment)
        yield Row(
            read=make_read(passage, text, _DESK, _IMAGES, stamp),
            jpeg=frame.image,
            closeup=passage.best.candidate.closeup,
            scale=self._scale,
            first_s=(passage.first.captured_at - _BEGINNING).total_seconds(),
            last_s=(passage.last.captured_at - _BEGINNING).total_seconds(),
            time_s=(moment - _BEGINNING).total_seconds(),
            frames=len(passage.glimpses),
        )


def may_be_cut(sight: Sight) -> bool:
    """Tell whether a picture may show one plate and nothing else, by its shape.

    The detector finds plates on vehicles; of one that is cut out it finds nothing, a sticker, or a part of it.
    """
    return sight.width <= _WIDEST_CUT and _SHAPES[0] <= sight.width / sight.height <= _SHAPES[1]


def is_plate(alone: Sequence[Candidate], found: Sequence[Candidate]) -> bool:
    """Tell whether a picture that was read as one plate is one: other pictures give a letter or two, or nothing sure.

    `found` is what the detector saw in it: a surer text there stands, unless it is a part of this one.
    """
    return any(
        len(candidate.text.characters) >= _LEAST_TEXT
        and candidate.text.confidence >= _LEAST_SURE
        and all(_outdone(other.text, candidate.text) for other in found)
        for candidate in alone
    )


def _outdone(part: Text, whole: Text) -> bool:
    shorter = len(part.characters) < len(whole.characters) and part.plate.reveal() in whole.plate.reveal()
    return shorter or part.confidence <= whole.confidence


def picture_rows(sight: Sight, candidates: Sequence[Candidate], info: ModelInfo) -> list[Row]:
    """Make the reads of a picture that stands for itself, one for every plate, from left to right."""
    watch = Watch(info)
    return [*watch.see(0.0, sight, candidates), *watch.end()]


def _frame(number: int, at_s: float, sight: Sight) -> Frame:
    sha256 = hashlib.sha256(sight.jpeg).digest()
    captured = _BEGINNING + timedelta(seconds=at_s)
    return Frame(
        frame_id=frame_id(_DESK.device_id, number, sha256),
        agency=_DESK.agency,
        device_id=_DESK.device_id,
        camera_id=_DESK.device_id,
        sequence=number,
        captured_at=captured,
        received_at=captured,
        location=_NOWHERE,
        sha256=sha256,
        signature=b"",
        view=View.UNKNOWN,
        image=sight.jpeg,
    )
