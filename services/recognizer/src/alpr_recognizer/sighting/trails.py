"""A vehicle that stands in view, or comes out from behind another, is one passage: what its trail takes up.

Frames of a standing vehicle cannot be held open for minutes: they are committed with the passage, and the few bytes of a
trail stand in for it from then on.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Final

from alpr_recognizer.sighting.parts import Candidate, Passage, Trail
from alprcore.model import Box, Plate
from alprcore.plates import skeleton

HIDDEN: Final = timedelta(seconds=4)
"""So long after a passage ended its plate, read the same anywhere in view, is the same vehicle: it was hidden."""
HIDDEN_STANDING: Final = timedelta(seconds=90)
"""The same for a vehicle that stood, at its place: traffic passes before parked vehicles; a red light lasts as long."""
MOST: Final = 8
"""Trails kept for a camera, the newest: each takes about 25 bytes beside the offset."""

UNBROKEN: Final = timedelta(seconds=2)
"""A plate seen at its place after no more than this needs only a like text: no other vehicle can have taken the place."""

_STOOD: Final = timedelta(seconds=2)
_SAME_PLACE: Final = 0.5  # shared area over joint area of a plate that stands; a camera on a pole sways
_SAME_SHAPE: Final = 0.7
_CLEAR: Final = 0.5  # probability of a text below which a look may be a misread of what stood there before
_NO_TEXT: Final = 3  # characters below which a look says nothing about which plate it is
_CLASSES: Final = ("0ODQ", "1ILJ", "2Z", "3E", "4A", "5S", "6GC", "7TY", "8BR", "9PF", "HMNW", "KX", "UV")
_CLASS_OF: Final = {ord(character): members[0] for members in _CLASSES for character in members}


def shape_of(text: str) -> str:
    """Reduce a text to the classes of its characters: 13 for 36, so that it names no plate."""
    return text.translate(_CLASS_OF)


def overlap(one: Box, other: Box) -> float:
    """Shared area over joint area, 0..1."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def check_of(text: str) -> int:
    """Give a byte of a text, the same for look-alikes (0 and O, 1 and I): two texts of one shape rarely share it."""
    return zlib.crc32(skeleton(Plate(text)).encode()) & 255


def trail_of(passage: Passage, text: str, offset: int) -> Trail:
    """Leave a passage's trail: `text` is what it says in the end, `offset` the last frame that is not to take it up.

    It stood if it was at one place for two seconds.
    """
    last = passage.last
    before = [glimpse for glimpse in passage.glimpses if last.captured_at - glimpse.captured_at >= _STOOD]
    standing = bool(before) and overlap(before[-1].box, last.box) >= _SAME_PLACE
    return Trail(shape_of(text), _coarse(last.box), _to_ms(last.captured_at), offset, standing, check_of(text))


def _coarse(box: Box) -> Box:
    """Whole pixels, as they are remembered beside an offset: before and after a restart the same."""
    return Box(round(box.x), round(box.y), round(box.width), round(box.height))


def _to_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def is_cold(trail: Trail, moment: datetime) -> bool:
    """Tell whether a trail is too old to be taken up."""
    return moment - trail.seen_at > (HIDDEN_STANDING if trail.standing else HIDDEN)


def likeness(trail: Trail, candidate: Candidate, moment: datetime) -> float:
    """Weigh whether a plate takes up a trail: 0 no, else up to 3, from place and text."""
    shape = shape_of(candidate.text.plate.reveal())
    place = overlap(trail.box, candidate.box)
    if len(shape) < _NO_TEXT or len(trail.shape) < _NO_TEXT:
        return place if place >= _SAME_PLACE and trail.standing else 0.0
    gap = abs(moment - trail.seen_at)
    same = shape == trail.shape and check_of(candidate.text.plate.reveal()) == trail.check
    if same and (gap <= HIDDEN or place >= _SAME_PLACE):
        return 2.0 + place
    alike = SequenceMatcher(None, trail.shape, shape, autojunk=False).ratio()
    doubtful = gap <= UNBROKEN or candidate.text.confidence < _CLEAR
    return alike + place if doubtful and place >= _SAME_PLACE and alike >= _SAME_SHAPE else 0.0


def taken_up(trail: Trail, candidate: Candidate, offset: int, moment: datetime) -> Trail:
    """Move a trail on to where its plate was seen."""
    return replace(trail, box=_coarse(candidate.box), seen_at=max(_to_ms(moment), trail.seen_at), offset=offset)


def kept(trails: Sequence[Trail]) -> tuple[Trail, ...]:
    """Keep a camera's newest trails."""
    return tuple(sorted(trails, key=lambda trail: trail.offset)[-MOST:])
