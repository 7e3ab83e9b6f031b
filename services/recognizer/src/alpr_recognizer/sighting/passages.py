"""From many frames to one read per vehicle passage (DEF-01): which plates belong together, what they say, when to tell.

Everything here follows from the frames alone, so frames that are read again after a restart give the same passages and
the same read ids. Time comes from the frames' own stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Final

from alpr_recognizer.ctc import Text, alternatives, confidence, vote
from alprcore.model import (
    UNKNOWN,
    Box,
    Device,
    Frame,
    ImageRef,
    Location,
    LocationQuality,
    Plate,
    Provenance,
    Read,
    read_id,
)
from alprcore.plates import LONGEST, skeleton

UNSEEN: Final = timedelta(seconds=1.5)
"""A passage ends when its plate has not been seen for this long: a wiper or a pole hides a plate for less."""
LONGEST_PASSAGE: Final = timedelta(seconds=30)
"""A passage ends after this in any case; its frames could not be committed otherwise (a car parked in view)."""
NEAR_IN_TIME: Final = timedelta(seconds=0.8)
"""Position tells something only between frames this close; after that the text alone must agree."""
SURE: Final = 0.9
"""Least probability of every character at which one frame is enough to tell."""
AGREEING: Final = 2
"""So many frames with one and the same text are enough to tell, however sure each was."""
READABLE: Final = 0.02
"""Product of the characters' probabilities below which a plate counts as found but not readable."""
SHORTEST: Final = 2
LIKELY: Final = 4
"""Characters from which a text is told before the end: shorter ones are mostly signs and lettering on vehicles."""
BETTER: Final = 0.1
"""How much surer the last word must be to be published when the text stays the same."""

_WINDS: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plate in one frame: place in pixels, the detector's score, the text, and a JPEG of the plate close up."""

    box: Box
    score: float
    text: Text
    closeup: bytes


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a passage remembers of one of its frames; `offset` and `ordinal` name the plate on the topic."""

    offset: int
    ordinal: int
    frame_id: str
    captured_at: datetime
    box: Box
    text: Text


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
        """The newest glimpse."""
        return self.glimpses[-1]


@dataclass(frozen=True, slots=True)
class Observed:
    """A camera's passages after one frame: those going on and those that ended."""

    going_on: tuple[Passage, ...]
    ended: tuple[Passage, ...]


def observe(
    passages: Sequence[Passage],
    frame: Frame,
    offset: int,
    candidates: Sequence[tuple[int, Candidate]],
    trace: str = "",
) -> Observed:
    """Add one frame's plates, each with its left-to-right ordinal, to the passages of its camera.

    Pairs are formed best first, so leaving out passages that ended together with their plates changes nothing for the
    others: after a restart the rest comes out the same.
    """
    ended = tuple(p for p in passages if is_over(p, frame.captured_at))
    going_on = {p.read_id: p for p in passages if not is_over(p, frame.captured_at)}
    pairs = sorted(
        (
            (-likeness, passage.read_id, ordinal)
            for passage in going_on.values()
            for ordinal, candidate in candidates
            if (likeness := likely_same(passage, candidate, frame.captured_at)) > 0
        ),
    )
    taken: set[int] = set()
    joined: set[str] = set()
    by_ordinal = dict(candidates)
    for _, name, ordinal in pairs:
        if ordinal not in taken and name not in joined:
            taken.add(ordinal)
            joined.add(name)
            going_on[name] = _joined(
                going_on[name],
                _glimpse(frame, offset, ordinal, by_ordinal[ordinal]),
                Shot(frame, by_ordinal[ordinal], trace),
            )
    for ordinal, candidate in candidates:
        if ordinal not in taken:
            name = read_id(frame.frame_id, ordinal)
            glimpse = _glimpse(frame, offset, ordinal, candidate)
            going_on[name] = Passage(name, (glimpse,), Shot(frame, candidate, trace))
    return Observed(tuple(going_on.values()), ended)


def is_over(passage: Passage, moment: datetime) -> bool:
    """Tell whether a frame of this moment finds the passage at its end. An earlier moment ends nothing."""
    return moment - passage.last.captured_at > UNSEEN or moment - passage.first.captured_at > LONGEST_PASSAGE


def _glimpse(frame: Frame, offset: int, ordinal: int, candidate: Candidate) -> Glimpse:
    return Glimpse(offset, ordinal, frame.frame_id, frame.captured_at, candidate.box, candidate.text)


def _joined(passage: Passage, glimpse: Glimpse, shot: Shot) -> Passage:
    better = shot.candidate.text.confidence > passage.best.candidate.text.confidence
    return replace(passage, glimpses=(*passage.glimpses, glimpse), best=shot if better else passage.best)


def likely_same(passage: Passage, candidate: Candidate, moment: datetime) -> float:
    """Weigh whether a plate belongs to a passage: 0 no, else up to 2, from place and text."""
    gap = abs(moment - passage.last.captured_at)
    if gap > UNSEEN:
        return 0.0
    texts = alike(fuse(passage.glimpses[-5:]), candidate.text)
    if gap > NEAR_IN_TIME:
        return texts if texts >= 0.75 else 0.0
    place = overlap(passage.last.box, candidate.box)
    if contradicts(passage.best.candidate.text, candidate.text) and place < 0.5:
        return 0.0
    if texts >= 0.6:
        return texts + place
    near = _near(passage.last.box, candidate.box)
    unsure = min(passage.best.candidate.text.weakest, candidate.text.weakest) < 0.6
    if place >= 0.3 and (texts >= 0.3 or unsure):
        return texts + place
    return 0.5 * near if near > 0 and unsure and texts >= 0.3 else 0.0


def alike(one: Text, other: Text) -> float:
    """Likeness of two texts, 0..1, look-alike characters counting as equal; 0 when one is empty."""
    a, b = skeleton(one.plate), skeleton(other.plate)
    if not a or not b:
        return 0.0
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def contradicts(one: Text, other: Text) -> bool:
    """Tell whether two texts of one length differ where both were sure: two vehicles with neighboring numbers."""
    if len(one.characters) != len(other.characters):
        return False
    return any(
        a.first != b.first and min(a.first_probability, b.first_probability) >= SURE
        for a, b in zip(one.characters, other.characters, strict=True)
    )


def overlap(one: Box, other: Box) -> float:
    """Shared area over joint area, 0..1."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def _near(one: Box, other: Box) -> float:
    """Closeness of two plates of like size, 1 for the same place, 0 from four plate widths on."""
    if not 0.5 <= one.width / max(other.width, 1.0) <= 2.0:
        return 0.0
    dx = (one.x + one.width / 2) - (other.x + other.width / 2)
    dy = (one.y + one.height / 2) - (other.y + other.height / 2)
    return max(0.0, 1 - float((dx * dx + dy * dy) ** 0.5) / (4 * max(one.width, other.width)))


def fuse(glimpses: Sequence[Glimpse]) -> Text:
    """Make one text of a passage's frames."""
    return vote([glimpse.text for glimpse in glimpses])


def readable(text: Text) -> bool:
    """Tell whether a text may stand as a plate."""
    return SHORTEST <= len(text.characters) <= LONGEST and text.confidence >= READABLE


def news(passage: Passage, *, ended: bool) -> Text | None:
    """Decide whether a passage has something to tell now, and what: an empty text for a plate that stays unreadable.

    The first word comes as soon as one frame is sure or two agree, so that a dispatcher need not wait for the vehicle to
    leave; later words only when the text changes, or at the end when it became clearly surer.
    """
    text = fuse(passage.glimpses)
    if not readable(text):
        return Text(()) if ended and passage.told is None else None
    if passage.told is None:
        if len(text.characters) < LIKELY and not ended:
            return None
        agreeing = sum(glimpse.text.plate == text.plate for glimpse in passage.glimpses)
        return text if ended or text.weakest >= SURE or agreeing >= AGREEING else None
    if text.plate != passage.told.plate:
        settled = sum(glimpse.text.plate == text.plate for glimpse in passage.glimpses) >= AGREEING
        return text if ended or settled else None
    return text if ended and text.confidence > passage.told.confidence + BETTER else None


def direction(device: Device, frame: Frame) -> str:
    """Tell the direction of travel (CAP-07): the camera's only one, else the heading's wind, else unknown."""
    camera = device.camera(frame.camera_id)
    if camera is not None and len(camera.directions) == 1:
        return camera.directions[0]
    if frame.location is not None and frame.location.heading is not None:
        return _WINDS[round(frame.location.heading / 45) % 8]
    return UNKNOWN


def place_of(device: Device, frame: Frame) -> Location:
    """Tell where a frame was taken: its own position, else the place the device is registered at (CAP-04)."""
    if frame.location is not None:
        return frame.location
    if device.position is None:
        raise ValueError("an admitted frame has a position")
    return Location(device.position, LocationQuality.REGISTERED)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a read says of its making beside the passage itself."""

    detector: Provenance
    reader: Provenance
    profile_version: str
    received_at: datetime
    read_at: datetime


def make_read(passage: Passage, text: Text, device: Device, images: tuple[ImageRef, ImageRef], stamp: Stamp) -> Read:
    """Put a read together: one revision after the last one told; two when the key changes, for the retraction between."""
    frame = passage.best.frame
    closeup, context = images
    return Read(
        read_id=passage.read_id,
        revision=next_revision(passage, text),
        agency=device.agency,
        device_id=device.device_id,
        device_kind=device.kind,
        device_name=device.name,
        camera_id=frame.camera_id,
        frame_ids=tuple(dict.fromkeys(glimpse.frame_id for glimpse in passage.glimpses)),
        plate=text.plate,
        plate_raw=passage.best.candidate.text.plate.reveal(),
        state=UNKNOWN,  # no model of ours tells the state of origin yet; the home state is never assumed
        state_confidence=0.0,
        characters=text.characters,
        alternatives=alternatives(text.characters),
        confidence=confidence(text.characters),
        box=passage.best.candidate.box,
        direction=direction(device, frame),
        location=place_of(device, frame),
        captured_at=frame.captured_at,
        received_at=stamp.received_at,
        read_at=stamp.read_at,
        closeup=closeup,
        context=context,
        detector=stamp.detector,
        reader=stamp.reader,
        profile_version=stamp.profile_version,
    )


def next_revision(passage: Passage, text: Text) -> int:
    """Number the next word on a passage; a retraction, if one is needed, takes the number before it."""
    if passage.told is None:
        return 1
    return passage.told.revision + (1 if retraction(passage, text) is None else 2)


def retraction(passage: Passage, text: Text) -> Read | None:
    """Give the message that takes back what stands under another key, when the text moves to a new one."""
    told = passage.told
    if told is None or key_of(told.plate, told.camera_id) == key_of(text.plate, told.camera_id):
        return None
    return replace(told, revision=told.revision + 1, retracted=True)


def key_of(plate: Plate, camera_id: str) -> str:
    """Give the key of a read on `reads`: the plate's skeleton, or the camera's id when the plate is unreadable."""
    return skeleton(plate) or camera_id
