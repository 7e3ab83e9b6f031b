"""Where a plate comes from: the state or country its whole face speaks for, or honestly unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from alpr_recognizer.models.backend import Backend
from alpr_recognizer.models.detector import Found, Picture
from alpr_recognizer.models.rectify import straighten

UNKNOWN: Final = "unknown"
Shares = tuple[tuple[str, float], ...]
"""Origins with their probabilities, likeliest first, e.g. (("US-CA", 0.93), ("unknown", 0.06), ("US-NV", 0.01))."""

_MARGIN: Final = 0.02  # of the plate's size on each side: a detector's edges are a few pixels off, and trained for
_AT_ONCE: Final = 16
_NAMED: Final = 3  # origins told beside `unknown`
_WORTH_TELLING: Final = 0.01


class Origin:
    """A classifier of our own training; it sees the plate's picture only, never where the camera stands (CAP-06)."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        about = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        self.file = folder / "origin.onnx"
        self.name = str(about["name"])
        self._codes = [str(code) for code in about["origins"]]
        self._width, self._height = int(about["width"]), int(about["height"])
        self._threshold = float(about["threshold"])
        self._least_width = int(about["least_width"])
        self._graph = backend.open(self.file)

    def cut(self, picture: Picture, found: Found) -> Picture:
        """Show a plate that was found as `tell` wants it: straightened where its corners are known, else its box.

        The cut is never larger in pixels than the plate was in the picture, so `tell` knows how much there was to see.
        """
        corners = found.corners
        if corners is not None:
            share = 1 + 2 * _MARGIN
            wide = max(math.dist(corners[0], corners[1]), math.dist(corners[3], corners[2])) * share
            high = max(math.dist(corners[0], corners[3]), math.dist(corners[1], corners[2])) * share
            size = (max(1, min(self._width, round(wide))), max(1, min(self._height, round(high))))
            return straighten(picture, corners, size, (_MARGIN, _MARGIN))
        height, width = picture.shape[:2]
        box, dx, dy = found.box, _MARGIN * found.box.width, _MARGIN * found.box.height
        x0, y0 = min(max(0, round(box.x - dx)), width - 1), min(max(0, round(box.y - dy)), height - 1)
        x1 = min(width, max(x0 + 1, round(box.x + box.width + dx)))
        y1 = min(height, max(y0 + 1, round(box.y + box.height + dy)))
        return picture[y0:y1, x0:x1]

    def tell(self, crops: Sequence[Picture]) -> list[Shares]:
        """Say of each plate where it comes from, at most four shares, likeliest first, `unknown` always among them.

        `unknown` comes first where no origin reaches the threshold above which 19 of 20 answers were right, and
        always where the crop is too narrow for anybody to tell. A crop shows the whole plate, BGR, of any size.
        """
        shares: list[Shares] = []
        for at in range(0, len(crops), _AT_ONCE):
            part = crops[at : at + _AT_ONCE]
            stack = np.stack([self._fit(crop) for crop in part]).transpose(0, 3, 1, 2).astype(np.float32)
            answers = self._graph(np.ascontiguousarray(stack / 127.5 - 1))
            shares.extend(self._judge(row, crop.shape[1]) for row, crop in zip(answers, part, strict=True))
        return shares

    def _fit(self, crop: Picture) -> Picture:
        way = cv2.INTER_AREA if crop.shape[1] > self._width else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(crop, (self._width, self._height), interpolation=way), np.uint8)

    def _judge(self, row: NDArray[np.float32], width: int) -> Shares:
        named = [(code, float(p)) for code, p in zip(self._codes, row, strict=True) if _is_named(code)]
        best = sorted(named, key=lambda share: -share[1])[:_NAMED]
        if width < self._least_width or best[0][1] < self._threshold:
            # halved, so that nobody takes the likeliest of them for an answer; the order is kept for who looks closer
            best = [(code, p / 2) for code, p in best]
        told = [(code, p) for code, p in best if p >= _WORTH_TELLING]
        told.append((UNKNOWN, max(0.0, 1 - sum(p for _, p in told))))
        return tuple(sorted(told, key=lambda share: -share[1]))


def _is_named(code: str) -> bool:
    """Decide whether an output of the network names a state or country; a rest of many countries names none."""
    return code != UNKNOWN and not code.endswith("-other")
