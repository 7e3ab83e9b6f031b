"""The color of the paint around a plate: a rough estimate for a person to weigh, silent where light or paint is unclear.

A rule, not a trained model: five patches of body beside and above the plate each vote in CIE L*a*b*, where equal distances
look about equally far apart. Names are those of NCIC vehicle color codes. Gray, silver, brown and the dark shades of blue
and green are never named: on photographs shade and reflected sky made them one.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from alpr_recognizer.models.detector import Picture
from alprcore.model import UNKNOWN, Box

# Patches in plate widths (x) and heights (y) from the plate's upper left corner: left, top, right, bottom. Low enough to
# miss the window, beside enough to miss most lamps.
_PATCHES: Final = (
    (-0.7, -0.1, -0.2, 0.9), (1.2, -0.1, 1.7, 0.9), (-0.5, -1.3, 0.0, -0.5), (0.2, -1.4, 0.8, -0.5), (1.0, -1.3, 1.5, -0.5),
)  # fmt: skip
_PLATE: Final = (0.05, 0.1, 0.95, 0.9)
_LEAST_WIDTH: Final = 24  # pixels of plate: a narrower one's patches are a few pixels each
# Of the five patches: a hue is rare by chance, black and white are what shade and glare look like.
_LEAST_VOTES: Final = {"RED": 3, "BLU": 3, "GRN": 3, "YEL": 3, "WHI": 4, "BLK": 4}
_CHROMA: Final = 18.0  # from which paint has a hue; gray paint under blue sky reaches 16
_WHITE: Final = (76.0, 12.0, 0.85)  # least L*, most chroma, least L* over that of the plate's bright ground
_BLACK: Final = (18.0, 9.0, 0.28)  # most L*, most chroma, most L* over that of the plate's ground
_BRIGHT_SCENE: Final = 45.0  # least L* of the plate's ground by day; at night all paint is black
# Hue angles in degrees between which a name holds; the gaps between them belong to none.
_HUES: Final = ((-20.0, 40.0, "RED"), (72.0, 105.0, "YEL"), (140.0, 220.0, "GRN"), (242.0, 305.0, "BLU"))


def estimate(picture: Picture, box: Box) -> tuple[str, float]:
    """Estimate the color of the vehicle a plate is on: RED, BLU, GRN, YEL, WHI or BLK, and the share of patches that agree.

    `("unknown", 0.0)` for any other color, in the dark, in infrared pictures, on small plates, where the picture ends beside
    the plate and where the patches disagree. It may stand beside a read, marked as an estimate; it decides nothing.
    """
    ground = _lab(picture, box, _PLATE)
    if box.width < _LEAST_WIDTH or ground is None:
        return UNKNOWN, 0.0
    bright = float(np.percentile(ground[:, 0], 85))
    patches = [patch for place in _PATCHES if (patch := _lab(picture, box, place)) is not None]
    if bright < _BRIGHT_SCENE or len(patches) < len(_PATCHES):
        return UNKNOWN, 0.0
    if all(np.hypot(patch[:, 1], patch[:, 2]).max() < 1.0 for patch in (ground, *patches)):
        return UNKNOWN, 0.0  # a picture without any color: infrared, or a camera set to gray
    votes = Counter(_name(patch, bright) for patch in patches)
    name, count = max(((name, votes[name]) for name in _LEAST_VOTES), key=lambda vote: vote[1])
    return (name, count / len(patches)) if count >= _LEAST_VOTES[name] else (UNKNOWN, 0.0)


def _lab(picture: Picture, box: Box, place: tuple[float, float, float, float]) -> NDArray[np.float32] | None:
    """The pixels of a place as L* (0 to 100), a*, b*; None where it lies mostly outside the picture."""
    height, width = picture.shape[:2]
    x0, x1 = (round(box.x + part * box.width) for part in place[::2])
    y0, y1 = (round(box.y + part * box.height) for part in place[1::2])
    a, b, c, d = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if c - a < 2 or d - b < 2 or (c - a) * (d - b) < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    step = max(1, min(c - a, d - b) // 24)
    pixels = picture[b:d:step, a:c:step].astype(np.float32) / 255
    lab: NDArray[np.float32] = cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB).reshape(-1, 3)
    return lab


def _name(patch: NDArray[np.float32], bright: float) -> str:
    """Name the color of one patch by its median; unknown where no name is safe."""
    light, a, b = (float(value) for value in np.median(patch, axis=0))
    chroma = math.hypot(a, b)
    if light >= _WHITE[0] and chroma <= _WHITE[1] and light >= _WHITE[2] * bright:
        return "WHI"
    if light <= _BLACK[0] and chroma <= _BLACK[1] and light <= _BLACK[2] * bright:
        return "BLK"
    hue = math.degrees(math.atan2(b, a)) % 360
    if chroma >= _CHROMA:
        for begin, end, name in _HUES:
            if begin <= hue < end or begin <= hue - 360 < end:
                return name
    return UNKNOWN
