"""Straightening: the plate as a camera right in front of it would see it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from alpr_recognizer.models.detector import Corners, Picture

_MOST_SHRUNK: Final = 6  # times; beyond it nothing the reader could use is gained by averaging more pixels


def straighten(
    picture: Picture, corners: Corners, size: tuple[int, int], margin: tuple[float, float] = (0.0, 0.0)
) -> Picture:
    """Show the plate with these corners frontally in a picture of `size` (width, height), in pixels.

    `margin` is how much of the plate's surroundings stands on each side, in shares of the plate's width (left, right)
    and height (above, below); it may be negative. What lies outside the picture repeats the picture's edge.
    Where the plate has more pixels than `size` they are averaged, so that no stroke falls between two samples.
    Raises ValueError where the corners span no area or `size` or `margin` leave nothing to show.
    """
    width, height = size
    share_x, share_y = 1 + 2 * margin[0], 1 + 2 * margin[1]
    if min(width, height) < 1 or min(share_x, share_y) <= 0:
        raise ValueError("nothing would be left to show")
    quad = np.array(corners, np.float64)
    if _area(quad) < 1e-3:
        raise ValueError("the corners span no area")
    along = max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2])) * share_x
    across = max(math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2])) * share_y
    fine_x = min(max(math.ceil(along / width), 1), _MOST_SHRUNK)
    fine_y = min(max(math.ceil(across / height), 1), _MOST_SHRUNK)
    # The plate's corners in the fine picture, by pixel edges; cv2 counts from the centers of pixels, hence the halves.
    wide, high = width * fine_x / share_x, height * fine_y / share_y
    left, top = wide * margin[0], high * margin[1]
    target = np.array([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)])
    matrix = cv2.getPerspectiveTransform((quad - 0.5).astype(np.float32), (target - 0.5).astype(np.float32))
    fine = cv2.warpPerspective(
        picture,
        matrix,
        (width * fine_x, height * fine_y),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if fine_x > 1 or fine_y > 1:
        fine = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8)


def _area(quad: NDArray[np.float64]) -> float:
    """Area within a ring of corners, clockwise as seen in the picture; negative the other way round."""
    x, y = quad[:, 0], quad[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
