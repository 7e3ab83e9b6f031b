"""From a picture to boxes: the steps around a YOLO network, without the library's own way through half a dozen layers.

The steps are ultralytics' (letterbox, decode, non-maximum suppression), so that a model trained there finds the same here;
a test holds both beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

Picture = NDArray[np.uint8]
Rows = NDArray[np.float32]
"""One plate a row: left, top, right, low, score, then x and y of four corners where the network tells them."""

GRAY: Final = 114  # of 255: what fills a letterbox, in training as here
_STEP: Final = 32  # pixels: the network's coarsest scale
_SHORTER: Final = (0.6, 0.75, 1.0)
"""Shorter side over longer: 16:9 (and what is longer), 4:3 (and 3:2), square. Few shapes, because a backend is slow at the
first picture of each; the library would take any multiple of 32."""
_MOST: Final = 300  # plates in a frame


class Finder(Protocol):
    """Finds plates in pictures of one shape."""

    def __call__(self, pictures: Sequence[Any], size: int) -> list[Rows]:
        """Look at the pictures with their longer side brought to `size` pixels; rows in the pictures' own pixels."""


class GraphFinder(Finder):
    """Finds plates with a network of ultralytics' making: boxes come out before non-maximum suppression.

    `raw`: the graph takes the pictures as they are, N x height x width x 3, and turns them to numbers itself.
    """

    def __init__(self, graph: Any, *, confidence: float, iou: float, raw: bool = False) -> None:
        self._graph, self._confidence, self._iou, self._raw = graph, confidence, iou, raw

    @override
    def __call__(self, pictures: Sequence[Picture], size: int) -> list[Rows]:
        """Letterbox, run, decode."""
        height, width = pictures[0].shape[:2]
        fit = fit_into(width, height, size)
        boxed = [letterbox(picture, fit) for picture in pictures]
        output = self._graph(np.stack(boxed) if self._raw else cv2.dnn.blobFromImages(boxed, 1 / 255, swapRB=True))
        return [decode(anchors, fit, width, height, self._confidence, self._iou) for anchors in output]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture lies in the network's: scaled, then moved; the rest is gray."""

    scale: float
    inner: tuple[int, int]
    """Width and height of the scaled picture."""
    left: int
    top: int
    outer: tuple[int, int]
    """Width and height of the whole, each a multiple of 32."""


def fit_into(width: int, height: int, size: int) -> Fit:
    """Bring the longer side to `size` and fill the shorter up to one of three lengths, half on each side."""
    scale = min(size / height, size / width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    lengths = [-(-int(size * share) // _STEP) * _STEP for share in _SHORTER]
    outer = tuple(next(length for length in lengths if length >= pixels) for pixels in inner)
    left, top = (round((whole - part) / 2 - 0.1) for whole, part in zip(outer, inner, strict=True))
    return Fit(scale, inner, left, top, (outer[0], outer[1]))


def letterbox(picture: Picture, fit: Fit) -> Picture:
    """Draw the picture into the network's."""
    canvas = np.full((fit.outer[1], fit.outer[0], 3), GRAY, np.uint8)
    place = canvas[fit.top : fit.top + fit.inner[1], fit.left : fit.left + fit.inner[0]]
    place[:] = cv2.resize(picture, fit.inner, interpolation=cv2.INTER_LINEAR)
    return canvas


def decode(anchors: Rows, fit: Fit, width: int, height: int, confidence: float, iou: float) -> Rows:
    """Turn the network's answer for one picture, (5 or 13) x anchors, into plates, best first.

    Anchors: middle x and y, width, height, score, and the corners, all in pixels of the letterboxed picture.
    """
    rows = anchors[:, anchors[4] > confidence].T
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    half = rows[:, 2:4] / 2
    rows = np.concatenate([rows[:, :2] - half, rows[:, :2] + half, rows[:, 4:]], axis=1)
    kept: list[NDArray[np.float32]] = []
    while len(rows) and len(kept) < _MOST:
        best, kept = rows[0], [*kept, rows[0]]
        rows = rows[1:][overlap(best, rows[1:]) <= iou]
    found = np.array(kept, np.float32).reshape(-1, anchors.shape[0])
    places = [0, 1, 2, 3, *range(5, found.shape[1])]
    limits = np.array([width, height] * (len(places) // 2), np.float32)
    moved = (found[:, places] - np.array([fit.left, fit.top] * (len(places) // 2), np.float32)) / fit.scale
    found[:, places] = np.clip(moved, 0, limits)
    return found


def overlap(one: NDArray[np.float32], others: Rows) -> NDArray[np.float32]:
    """Intersection over union of one box with each of the others."""
    sides = np.minimum(one[2:4], others[:, 2:4]) - np.maximum(one[:2], others[:, :2])
    both = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:4] - others[:, :2]).prod(axis=1)
    union: NDArray[np.float32] = areas + (one[2:4] - one[:2]).prod() - both
    return np.asarray(both / np.maximum(union, 1e-9), np.float32)
