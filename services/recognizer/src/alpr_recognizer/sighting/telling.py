"""What a passage has to tell, and when: one text of many frames, corrections, retractions, and the read itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from alpr_recognizer.ctc import Text, alternatives, confidence, vote
from alpr_recognizer.quality import gate
from alpr_recognizer.sighting.parts import Glimpse, Origins, Passage
from alpr_recognizer.syntax import settle
from alprcore.model import (
    UNKNOWN,
    Device,
    DeviceKind,
    Frame,
    FrameProof,
    ImageRef,
    Location,
    LocationQuality,
    Plate,
    Provenance,
    Read,
    StateScore,
    Vehicle,
)
from alprcore.plates import LONGEST, skeleton

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
ORIGIN_FROM: Final = 0.5
"""Least share of a state of origin, over the whole passage, at which it is named."""
COLOR_FROM: Final = 0.6
"""Least share of the glimpses that told a color which must have told this one."""
GROWN: Final = 1.2
"""Growth of a plate's width over a passage from which its vehicle comes nearer."""
LOOKS: Final = 3
"""Frames in which a plate that cannot be read must be seen where the detector was not sure of it."""
FAINT: Final = 0.6
"""The detector's score below which it was not: plates in street scenes have .6 to .9, fences and boards .4 to .5."""
LEGIBLE: Final = 0.3
"""Probability of a text from which it speaks for a plate: fences and barriers give a few characters at up to .25."""
LEAST: Final = 0.5
"""Probability of a fused text from which look-alikes and agreement may carry it through the gate."""
SHARE: Final = 0.25
"""What a further look that agrees counts beside an independent one."""

_UNSURE: Final = "UNSURE"
_ORIGINS: Final = 4
_WINDS: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def fuse(glimpses: Sequence[Glimpse]) -> Text:
    """Make one text of a passage's frames, put right by the numbering of its origin.

    Looks less than half as sure as the surest have no voice: far and smeared ones would only make the others doubtful.
    """
    least = max((glimpse.text.confidence for glimpse in glimpses), default=0.0) / 2
    return settle(vote([glimpse.text for glimpse in glimpses if glimpse.text.confidence >= least]), origins(glimpses))


def origins(glimpses: Sequence[Glimpse]) -> Origins:
    """Average what the glimpses tell of the state of origin, larger plates counting more; likeliest first.

    Where none reaches `ORIGIN_FROM`, "unknown" stands first with what the others leave.
    """
    shares: dict[str, float] = {}
    total = sum(glimpse.box.width for glimpse in glimpses if glimpse.origin)
    for glimpse in glimpses:
        for state, probability in glimpse.origin:
            weighed = probability * glimpse.box.width / max(total, 1e-9)
            shares[state] = shares.get(state, 0.0) + weighed
    if not shares:
        return ()
    ranked = sorted(shares.items(), key=lambda share: (-share[1], share[0]))
    named = [(state, min(1.0, share)) for state, share in ranked if state != UNKNOWN]
    left = (UNKNOWN, max(0.0, 1.0 - sum(share for _, share in named)))
    if named and named[0][1] >= ORIGIN_FROM:
        return (*named, left)[:_ORIGINS]
    return (left, *named)[:_ORIGINS]


def vehicle(glimpses: Sequence[Glimpse]) -> Vehicle:
    """Tell the vehicle's color where most glimpses that told one agree; its probability is their mean."""
    told = [glimpse.color for glimpse in glimpses if glimpse.color[0] != UNKNOWN]
    if not told:
        return Vehicle()
    color, count = min(Counter(name for name, _ in told).items(), key=lambda item: (-item[1], item[0]))
    if count < COLOR_FROM * len(told):
        return Vehicle()
    return Vehicle(color, min(1.0, sum(probability for name, probability in told if name == color) / count))


def readable(text: Text) -> bool:
    """Tell whether a text may stand as a plate."""
    return SHORTEST <= len(text.characters) <= LONGEST and text.confidence >= READABLE


def unreadable_reason(passage: Passage, text: Text) -> str:
    """Say why a passage's text may not be published as read, one of `quality.REASONS`; empty when it may."""
    quality = passage.best.candidate.quality
    if not readable(text):
        return _UNSURE if quality is None else gate(quality, Text(())) or _UNSURE
    return "" if quality is None else gate(quality, _weighed(passage, text))


def _weighed(passage: Passage, text: Text) -> Text:
    """Give a text the probability it has for the gate; what is published keeps its own.

    Characters that look alike count as one: entries are matched by either (docs/decisions/0014), and the doubt is published with them.
    Looks that agree lend a text probability: they share their blur, so each further one counts as a quarter of an
    independent one, up to a whole. A text that is rather wrong than right as it stands is lent nothing.
    """
    if text.confidence < LEAST:
        return text
    alike = [
        replace(one, first_probability=min(1.0, one.first_probability + one.second_probability))
        if one.second and skeleton(Plate(one.first)) == skeleton(Plate(one.second))
        else one
        for one in text.characters
    ]
    likely = confidence(alike)
    shape = skeleton(text.plate)
    agreeing = sum(skeleton(glimpse.text.plate) == shape for glimpse in passage.glimpses)
    looks = min(agreeing, 1 + round(1 / SHARE))
    if looks > 1 and 0 < likely < 1:
        power = math.log(1 - (1 - likely) ** (1 + SHARE * (looks - 1))) / math.log(likely)
        alike = [replace(one, first_probability=one.first_probability**power) for one in alike]
    return replace(text, characters=tuple(alike))


def dismissed(passage: Passage) -> bool:
    """Tell whether a passage is more likely no plate at all: seen briefly and faintly, and nothing legible on it."""
    return (
        len(passage.glimpses) < LOOKS
        and passage.best.candidate.score < FAINT
        and fuse(passage.glimpses).confidence < LEGIBLE
    )


def published(passage: Passage, text: Text) -> Plate:
    """Give the plate as it is published: none when there is a reason against it."""
    return Plate("") if unreadable_reason(passage, text) else text.plate


def settled(passage: Passage) -> bool:
    """Tell whether more looks would hardly change what a passage says."""
    text = fuse(passage.glimpses)
    return not unreadable_reason(passage, text) and (text.weakest >= SURE or _agreeing(passage, text) > AGREEING)


def _agreeing(passage: Passage, text: Text) -> int:
    return sum(glimpse.text.plate == text.plate for glimpse in passage.glimpses)


def news(passage: Passage, *, ended: bool) -> Text | None:
    """Decide whether a passage has something to tell now, and what; whether it may stand is `published`'s to say.

    The first word comes as soon as one frame is sure or two agree, so that a dispatcher need not wait for the vehicle to
    leave; later words only when the text changes, or at the end when it became clearly surer. What may not be published
    is told at the end only, unless it is likely no plate at all; it takes back a word that all looks together do not bear
    out.
    """
    text = fuse(passage.glimpses)
    if unreadable_reason(passage, text):
        if passage.told is None:
            return text if ended and not dismissed(passage) else None
        return text if ended and passage.told.plate and passage.told.plate != text.plate else None
    if passage.told is None:
        if len(text.characters) < LIKELY and not ended:
            return None
        return text if ended or text.weakest >= SURE or _agreeing(passage, text) >= AGREEING else None
    if text.plate != passage.told.plate:
        return text if ended or _agreeing(passage, text) >= AGREEING else None
    return text if ended and text.confidence > passage.told.confidence + BETTER else None


def direction(device: Device, frame: Frame, growth: float = 1.0) -> str:
    """Tell the direction of travel (CAP-07): the camera's only one; where it covers two, by how the plate grows.

    `growth` is the plate's last width over its first. A standing camera that looks along one of its two directions sees
    vehicles that come nearer drive against its heading. Else the heading's wind; else unknown.
    """
    camera = device.camera(frame.camera_id)
    if camera is not None and len(camera.directions) == 1:
        return camera.directions[0]
    if frame.location is None or frame.location.heading is None:
        return UNKNOWN
    ahead = round(frame.location.heading / 45) % 8
    against = _WINDS[(ahead + 4) % 8]
    if (
        growth >= GROWN
        and device.kind is not DeviceKind.MOBILE
        and camera is not None
        and {_WINDS[ahead], against} == set(camera.directions)
    ):
        return against
    return _WINDS[ahead]


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
    canary: bool = False


def make_read(passage: Passage, text: Text, device: Device, images: tuple[ImageRef, ImageRef], stamp: Stamp) -> Read:
    """Put a read together: one revision after the last one told; two when the key changes, for the retraction between."""
    frame, plate = passage.best.frame, passage.best.candidate
    closeup, context = images
    shares = origins(passage.glimpses)
    reason = unreadable_reason(passage, text)
    return Read(
        read_id=passage.read_id,
        revision=next_revision(passage, text),
        agency=device.agency,
        device_id=device.device_id,
        device_kind=device.kind,
        device_name=device.name,
        camera_id=frame.camera_id,
        frame_ids=tuple(dict.fromkeys(glimpse.frame_id for glimpse in passage.glimpses)),
        plate=Plate("") if reason else text.plate,
        plate_raw=(text if reason else plate.text).plate.reveal(),
        state=shares[0][0] if shares else UNKNOWN,  # the home state is never assumed
        state_confidence=shares[0][1] if shares else 0.0,
        characters=text.characters,
        alternatives=alternatives(text.characters),
        confidence=confidence(text.characters),
        box=plate.box,
        direction=direction(device, frame, passage.last.box.width / max(passage.first.box.width, 1.0)),
        location=place_of(device, frame),
        captured_at=frame.captured_at,
        received_at=stamp.received_at,
        read_at=stamp.read_at,
        closeup=closeup,
        context=context,
        detector=stamp.detector,
        reader=stamp.reader,
        profile_version=stamp.profile_version,
        origins=tuple(StateScore(state, share) for state, share in shares),
        corners=plate.corners,
        unreadable_reason=reason,
        vehicle=vehicle(passage.glimpses),
        canary=stamp.canary,
        frame=FrameProof.of(frame, device.public_key),
    )


def next_revision(passage: Passage, text: Text) -> int:
    """Number the next word on a passage; a retraction, if one is needed, takes the number before it."""
    if passage.told is None:
        return 1
    return passage.told.revision + (1 if retraction(passage, text) is None else 2)


def retraction(passage: Passage, text: Text) -> Read | None:
    """Give the message that takes back what stands under another key, when the text moves to a new one."""
    told = passage.told
    if told is None or key_of(told.plate, told.camera_id) == key_of(published(passage, text), told.camera_id):
        return None
    return replace(told, revision=told.revision + 1, retracted=True)


def key_of(plate: Plate, camera_id: str) -> str:
    """Give the key of a read on `reads`: the plate's skeleton, or the camera's id when the plate is unreadable."""
    return skeleton(plate) or camera_id
