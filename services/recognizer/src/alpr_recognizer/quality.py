"""How well a plate shows in its picture, and whether it shows well enough to be published as read (CAP-05).

A plate that fails stays a read, without text and with the reason, so that nothing is dropped silently and a dirty lens
or a wrong exposure is seen by its counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alpr_recognizer.ctc import Text
from alprcore.model import Corners

Picture = NDArray[np.uint8]
"""Height x width x 3, blue, green, red."""

REASONS: Final = ("TOO_SMALL", "BLURRED", "DARK", "GLARE", "STEEP", "UNSURE")
"""Why a plate is not published as read."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How one plate shows.

    `width_px`: length of its upper and lower edge on average, pixels of the frame. `sharpness`: strength of the second
    derivative against the contrast, 0 for a smear. `exposure`: mean brightness, 0..1; `clipped`: widest stretch of the
    plate that is nothing but blown out, as a share of its width. `contrast`: 5th to 95th percentile of brightness, 0..1. `angle_deg`: how far the plate is turned or leans.
    """

    width_px: float
    sharpness: float
    exposure: float
    angle_deg: float
    contrast: float = 1.0
    clipped: float = 0.0


def measure(crop_bgr: Picture, corners: Corners | None) -> Quality:
    """Measure a plate: `crop_bgr` is its part of the frame at the frame's own resolution, upright or straightened.

    `corners` are those of the plate in the frame; only their differences count. None: the crop's own rectangle.
    """
    height, width = crop_bgr.shape[:2]
    if min(height, width) < 2:
        return Quality(float(width), 0.0, 0.0, 0.0, 0.0)
    gray = crop_bgr.astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)  # ITU-R BT.601
    inner = gray[height // 8 : height - height // 8, width // 16 : width - width // 16]  # without what is around it
    inner = inner if min(inner.shape) >= 2 else gray
    low, high = np.percentile(inner, [5, 95])
    return Quality(
        width_px=float(width) if corners is None else _width(corners),
        sharpness=_sharpness(inner, float(high - low)),
        exposure=float(inner.mean()) / 255,
        angle_deg=0.0 if corners is None else _angle(corners),
        contrast=float(high - low) / 255,
        clipped=_stretch((inner >= _BLOWN).mean(axis=0) > _NOTHING_ELSE),
    )


_BLOWN: Final = 250.0
_NOTHING_ELSE: Final = 0.9
"""A white plate in the sun is blown out between its characters too, and legible: only columns without any ink count."""
_SCALE: Final = (24, 96)
"""Rows and columns to which a plate is reduced before its sharpness is taken: a large plate may be as blurred as a
small one in pixels and yet legible."""


def _stretch(blown: NDArray[np.bool_]) -> float:
    """Length of the longest run, as a share of the whole."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], blown, [False])).astype(np.int8)))
    return float((edges[1::2] - edges[::2]).max(initial=0)) / len(blown)


def _sharpness(gray: NDArray[np.float32], contrast: float) -> float:
    small = _reduce(gray, *_SCALE)
    across = small[1:-1, :-2] - 2 * small[1:-1, 1:-1] + small[1:-1, 2:]
    down = small[:-2, 1:-1] - 2 * small[1:-1, 1:-1] + small[2:, 1:-1]
    return float((across + down).std()) / max(contrast, 8.0)  # 8 of 255: below it there is noise only


def _reduce(gray: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Average over equal areas; a plate smaller than the target is stretched in straight lines."""
    for axis, size in ((0, rows), (1, columns)):
        length = gray.shape[axis]
        total = np.concatenate([np.zeros_like(gray.take([0], axis)), gray.cumsum(axis)], axis)
        edges = np.linspace(0, length, size + 1)
        at = np.minimum(edges.astype(int), length - 1)
        part = (edges - at).reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
        until = total.take(at, axis) + part * gray.take(at, axis)
        gray = np.diff(until, axis=axis) * (size / length)
    return gray


def _width(corners: Corners) -> float:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return float(np.hypot(bx - ax, by - ay) + np.hypot(cx - dx, cy - dy)) / 2


def _angle(corners: Corners) -> float:
    """Largest of the tilt of the upper and lower edge from level, and the lean of the sides from upright, degrees."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    tilt = [np.degrees(np.arctan2(by - ay, bx - ax)), np.degrees(np.arctan2(cy - dy, cx - dx))]
    lean = [np.degrees(np.arctan2(dx - ax, dy - ay)), np.degrees(np.arctan2(cx - bx, cy - by))]
    return float(max(abs(np.mean(tilt)), abs(np.mean(lean))))


PUBLISHED_FROM: Final = 0.91
"""Least calibrated probability of a whole text at which it is published: bench/results/calibration.md says how many of
these are wrong. Less sure texts go along as `plate_raw`, for a person; nothing is matched by them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what may be measured: beyond any of them a plate does not show well enough."""

    width_px: float
    sharpness: float
    contrast: float
    exposure: float
    clipped: float
    angle_deg: float


NEVER: Final = Limits(width_px=32, sharpness=0.10, contrast=0.04, exposure=0.04, clipped=0.3, angle_deg=40)
"""Beyond these even a sure text is not believed. Of 2,500 drawn plates 61 of 1,308 sure texts were wrong, but 4 of 10 below
32 pixels (three for a character and its gap), 2 of 4 below sharpness .10, 4 of 5 with a stretch above .3. Up to 25 degrees
none was wrong; nothing was drawn beyond. One of 1,348 photographs lies beyond, and is read wrong."""
POOR: Final = Limits(width_px=44, sharpness=0.20, contrast=0.20, exposure=0.25, clipped=0.08, angle_deg=15)
"""Beyond these an unsure text has its reason. Of the same drawn plates .73 are read right, but .50 between 32 and 44
pixels, .45 for sharpness .10 to .20, .25 below contrast .20, .47 below exposure .25, .51 for a stretch of .08 to .3, .41
from 15 degrees on. Photographs are right in 19 of 20 cases there: none of these alone keeps a sure text back."""


def gate(quality: Quality, text: Text) -> str:
    """Say why a plate may not be published as read: one of `REASONS`; empty when it may."""
    if reason := _beyond(quality, NEVER):
        return reason
    if text.characters and text.confidence >= PUBLISHED_FROM:
        return ""
    return _beyond(quality, POOR) or "UNSURE"


def _beyond(quality: Quality, limits: Limits) -> str:
    if quality.width_px < limits.width_px:
        return "TOO_SMALL"
    if quality.clipped > limits.clipped:
        return "GLARE"
    if quality.contrast < limits.contrast or quality.exposure < limits.exposure:
        return "DARK" if quality.exposure < _BRIGHT else "GLARE"
    if quality.sharpness < limits.sharpness:
        return "BLURRED"
    return "STEEP" if quality.angle_deg > limits.angle_deg else ""


_BRIGHT: Final = 0.6
"""A plate without contrast is too dark below this mean brightness and washed out above it."""
