"""Which plates belong together: one passage for one vehicle before one camera (DEF-01).

Everything here follows from the frames alone, so frames that are read again after a restart give the same passages and
the same read ids. Time comes from the frames' own stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Final

from alpr_recognizer.ctc import Text
from alpr_recognizer.sighting.parts import Candidate, Glimpse, Passage, Shot, Trail
from alpr_recognizer.sighting.telling import SURE, fuse
from alpr_recognizer.sighting.trails import is_cold, kept, likeness, overlap, taken_up, trail_of
from alprcore.model import Box, Frame, Plate, read_id
from alprcore.plates import skeleton

UNSEEN: Final = timedelta(seconds=1.5)
"""A passage ends when its plate has not been seen for this long: a wiper or a pole hides a plate for less."""
LONGEST_PASSAGE: Final = timedelta(seconds=30)
"""A passage ends after this in any case; its frames could not be committed otherwise. Its trail goes on."""
NEAR_IN_TIME: Final = timedelta(seconds=0.8)
"""Position tells something only between frames this close; after that the text alone must agree."""
CLEAR: Final = 0.5
"""Probability of a whole text from which it may contradict another."""
THERE: Final = 0.75
"""Closeness to where a plate was expected, within one plate's width, at which a smeared text need not agree: vehicles
side by side are several plate widths apart."""
UNREAD: Final = 0.35
"""Probability of a whole text below which it says nothing about which plate it is."""
BESIDE: Final = 0.5
"""Closeness, within two plate widths, at which a plate that cannot be read is the one seen just before."""

_LARGER: Final = 1.1  # times the width at which a plate as sure as another shows its vehicle better


@dataclass(frozen=True, slots=True)
class Observed:
    """A camera's passages and trails after one frame.

    `known` are the ordinals of this frame's plates that took up a trail: nothing of them is to be told.
    """

    going_on: tuple[Passage, ...]
    ended: tuple[Passage, ...]
    trails: tuple[Trail, ...] = ()
    known: frozenset[int] = frozenset()


def observe(
    passages: Sequence[Passage],
    frame: Frame,
    offset: int,
    candidates: Sequence[tuple[int, Candidate]],
    trace: str = "",
    trails: Sequence[Trail] = (),
) -> Observed:
    """Add one frame's plates, each with its left-to-right ordinal, to the passages and trails of its camera.

    Pairs are formed best first, so leaving out passages that ended together with their plates changes nothing for the
    others: after a restart the rest comes out the same.
    """
    moment = frame.captured_at
    ended = tuple(p for p in passages if is_over(p, moment))
    going_on = {p.read_id: p for p in passages if not is_over(p, moment)}
    left = [trail_of(passage, fuse(passage.glimpses).plate.reveal(), offset - 1) for passage in ended]
    warm = [trail for trail in (*trails, *left) if not is_cold(trail, moment)]
    by_ordinal = dict(candidates)
    pairs = sorted(
        [
            (-weight, passage.read_id, -1, ordinal)
            for passage in going_on.values()
            for ordinal, candidate in candidates
            if (weight := likely_same(passage, candidate, moment)) > 0
        ]
        + [
            (-weight, "", place, ordinal)
            for place, trail in enumerate(warm)
            if trail.offset < offset
            for ordinal, candidate in candidates
            if (weight := likeness(trail, candidate, moment)) > 0
        ]
    )
    taken: set[int] = set()
    joined: set[tuple[str, int]] = set()
    known: set[int] = set()
    for _, name, place, ordinal in pairs:
        if ordinal in taken or (name, place) in joined:
            continue
        taken.add(ordinal)
        joined.add((name, place))
        candidate = by_ordinal[ordinal]
        if name:
            glimpse = _glimpse(frame, offset, ordinal, candidate)
            going_on[name] = _joined(going_on[name], glimpse, Shot(frame, candidate, trace))
        else:
            known.add(ordinal)
            warm[place] = taken_up(warm[place], candidate, offset, moment)
    for ordinal, candidate in candidates:
        if ordinal not in taken:
            name = read_id(frame.frame_id, ordinal)
            glimpse = _glimpse(frame, offset, ordinal, candidate)
            going_on[name] = Passage(name, (glimpse,), Shot(frame, candidate, trace))
    return Observed(tuple(going_on.values()), ended, kept(warm), frozenset(known))


def is_over(passage: Passage, moment: datetime) -> bool:
    """Tell whether a frame of this moment finds the passage at its end. An earlier moment ends nothing."""
    return moment - passage.last.captured_at > UNSEEN or moment - passage.first.captured_at > LONGEST_PASSAGE


def _glimpse(frame: Frame, offset: int, ordinal: int, candidate: Candidate) -> Glimpse:
    return Glimpse(
        offset,
        ordinal,
        frame.frame_id,
        frame.captured_at,
        candidate.box,
        candidate.text,
        candidate.origin,
        candidate.color,
    )


def _joined(passage: Passage, glimpse: Glimpse, shot: Shot) -> Passage:
    best = shot if _shows_better(shot.candidate, passage.best.candidate) else passage.best
    return replace(passage, glimpses=_in_order(passage.glimpses, glimpse), best=best)


def _in_order(glimpses: tuple[Glimpse, ...], late: Glimpse) -> tuple[Glimpse, ...]:
    """Add a glimpse where it was captured, behind the first: a frame that comes late must not look like the newest."""
    at = len(glimpses)
    while at > 1 and glimpses[at - 1].captured_at > late.captured_at:
        at -= 1
    return (*glimpses[:at], late, *glimpses[at:])


def _shows_better(one: Candidate, other: Candidate) -> bool:
    """Compare two views of a plate: surer, or as sure and larger, which a person judges more easily."""
    if one.text.weakest >= SURE <= other.text.weakest:
        return one.box.width > _LARGER * other.box.width
    return one.text.confidence > other.text.confidence


def likely_same(passage: Passage, candidate: Candidate, moment: datetime) -> float:
    """Weigh whether a plate belongs to a passage: 0 no, else up to 2, from place and text."""
    gap = abs(moment - passage.last.captured_at)
    if gap > UNSEEN:
        return 0.0
    texts = alike(fuse(passage.glimpses[-5:]), candidate.text)
    if gap > NEAR_IN_TIME:
        return texts if texts >= 0.75 else 0.0
    expected = predicted(passage, moment)
    place = max(overlap(passage.last.box, candidate.box), overlap(expected, candidate.box))
    if contradicts(passage.best.candidate.text, candidate.text) and place < 0.5:
        return 0.0
    if texts >= 0.6:
        return texts + place
    unsure = min(passage.best.candidate.text.weakest, candidate.text.weakest) < 0.6
    if place >= 0.3 and (texts >= 0.3 or unsure):
        return texts + place
    if not unsure:
        return 0.0
    near = _near(passage.last.box, candidate.box)
    unread = min(passage.best.candidate.text.confidence, candidate.text.confidence) < UNREAD
    if texts < 0.3 and not (unread and near >= BESIDE):
        near = 0.0
    if len(passage.glimpses) > 1:
        there = _near(expected, candidate.box)
        near = max(near, there if there >= THERE else 0.0)
    return 0.5 * near


def predicted(passage: Passage, moment: datetime) -> Box:
    """Tell where a plate should be by now, if it goes on as between its last two glimpses; no farther than twice that."""
    if len(passage.glimpses) < 2:
        return passage.last.box
    before, last = passage.glimpses[-2:]
    step = (last.captured_at - before.captured_at).total_seconds()
    if step <= 0:
        return last.box
    on = max(0.0, min(2.0, (moment - last.captured_at).total_seconds() / step))
    growth = max(0.5, min(2.0, last.box.width / max(before.box.width, 1.0))) ** on
    width, height = last.box.width * growth, last.box.height * growth
    x = _middle(last.box)[0] + on * (_middle(last.box)[0] - _middle(before.box)[0])
    y = _middle(last.box)[1] + on * (_middle(last.box)[1] - _middle(before.box)[1])
    return Box(x - width / 2, y - height / 2, width, height)


def _middle(box: Box) -> tuple[float, float]:
    return box.x + box.width / 2, box.y + box.height / 2


def alike(one: Text, other: Text) -> float:
    """Likeness of two texts, 0..1, look-alike characters counting as equal; 0 when one is empty."""
    a, b = skeleton(one.plate), skeleton(other.plate)
    if not a or not b:
        return 0.0
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def contradicts(one: Text, other: Text) -> bool:
    """Tell whether two texts of one length differ where both were sure: two vehicles with neighboring numbers.

    A smeared view contradicts nothing, however sure one of its characters is; nor do characters that look alike.
    """
    if len(one.characters) != len(other.characters) or min(one.confidence, other.confidence) < CLEAR:
        return False
    return any(
        skeleton(Plate(a.first)) != skeleton(Plate(b.first)) and min(a.first_probability, b.first_probability) >= SURE
        for a, b in zip(one.characters, other.characters, strict=True)
    )


def _near(one: Box, other: Box) -> float:
    """Closeness of two plates of like size, 1 for the same place, 0 from four plate widths on."""
    if not 0.5 <= one.width / max(other.width, 1.0) <= 2.0:
        return 0.0
    (ax, ay), (bx, by) = _middle(one), _middle(other)
    dx, dy = ax - bx, ay - by
    return max(0.0, 1 - float((dx * dx + dy * dy) ** 0.5) / (4 * max(one.width, other.width)))
