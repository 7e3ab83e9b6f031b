"""The detector: where in a picture the plates are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from alprcore.model import Box

if TYPE_CHECKING:
    from alpr_recognizer.models.backend import Backend

Picture = NDArray[np.uint8]
"""Height x width x 3, blue first."""
Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Upper left, upper right, lower right, lower left of the plate, in pixels of the picture."""

_WIDE: Final = 1280  # pixels; four times the work of 640
_STRIDE: Final = 32  # pixels: sides the network takes are multiples of it
_FILLS: Final = 0.3  # of the picture's width: what wider things than this are is told by a second, smaller look
_SAME: Final = 0.8  # of that width is enough there: the two looks' edges differ
_OUTSIDE: Final = 0.2  # of the box's size: corners farther outside their box are not believed
_LEAST_SHARE: Final = 0.25  # of the box's area: a slanted plate fills half of its box, so less is no plate's outline


@dataclass(frozen=True, slots=True)
class Found:
    """One plate in a picture: its box, the detector's score, and its corners where the model knows them."""

    box: Box
    score: float
    corners: Corners | None = None

    def moved(self, right: float, down: float) -> Found:
        """The same plate in a picture that begins elsewhere."""
        box = replace(self.box, x=self.box.x + right, y=self.box.y + down)
        if self.corners is None:
            return replace(self, box=box)
        a, b, c, d = ((x + right, y + down) for x, y in self.corners)
        return replace(self, box=box, corners=(a, b, c, d))


class Detector:
    """A YOLO model of our own training (ultralytics), run by a backend."""

    def __init__(self, folder: Path, backend: Backend, *, wide: bool) -> None:
        self._wide = wide
        self.file = folder / "plate.onnx"
        about = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        self.name = str(about["name"])
        self._size, self._second = int(about["input_size"]), int(about["second_input_size"])
        self._least = int(about.get("least_input_size", self._size))
        self._find = backend.finder(self.file, confidence=float(about["confidence"]), iou=float(about["iou"]))

    def detect(self, pictures: Sequence[Picture]) -> list[list[Found]]:
        """Find plates: from left to right.

        A picture where nothing or something wide is found is looked at once more, smaller: the network knows no plate
        that fills its picture, and finds pieces of it, or takes a fence for one. Of wide things only those count that
        the second look finds too; small ones it found then were there to be found before.
        """
        found = self._detect_at(pictures, [self._size_for(picture) for picture in pictures])
        doubtful = [index for index, plates in enumerate(found) if not plates or _wide(plates, pictures[index], _FILLS)]
        again = self._detect_at([pictures[index] for index in doubtful], [self._second] * len(doubtful))
        for index, plates in zip(doubtful, again, strict=True):
            near = _wide(plates, pictures[index], _FILLS * _SAME)
            wide = _wide(found[index], pictures[index], _FILLS)
            small = [p for p in found[index] if p not in wide and not any(_holds(other.box, p.box) for other in near)]
            found[index] = sorted(small + near, key=_place)
        return found

    @property
    def sizes(self) -> list[int]:
        """Longer sides at which pictures are looked at first, the largest first."""
        return sorted({self._size, *range(self._least, self._size, _STRIDE)}, reverse=True)

    def _size_for(self, picture: Picture) -> int:
        """The longer side to look at: a small picture gains nothing by being enlarged, and costs more."""
        if self._wide and picture.shape[1] >= _WIDE:
            return _WIDE
        longer: int = -(-max(picture.shape[:2]) // _STRIDE) * _STRIDE
        return min(self._size, max(self._least, longer))

    def _detect_at(self, pictures: Sequence[Picture], sizes: Sequence[int]) -> list[list[Found]]:
        found: list[list[Found]] = [[] for _ in pictures]
        alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, (picture, size) in enumerate(zip(pictures, sizes, strict=True)):
            alike.setdefault((size, picture.shape), []).append(index)
        for (size, _), indexes in alike.items():  # one shape at a time: a network takes no others beside it
            answers = self._find([pictures[index] for index in indexes], size)
            for index, rows in zip(indexes, answers, strict=True):
                found[index] = sorted(map(_plate, rows.tolist()), key=_place)
        return found


def _place(plate: Found) -> tuple[float, float]:
    return plate.box.x, plate.box.y


def _wide(plates: Sequence[Found], picture: Picture, share: float) -> list[Found]:
    return [plate for plate in plates if plate.box.width >= share * picture.shape[1]]


def _holds(outer: Box, inner: Box) -> bool:
    """Whether the middle of one box lies in the other."""
    x, y = inner.x + inner.width / 2, inner.y + inner.height / 2
    return outer.x < x < outer.x + outer.width and outer.y < y < outer.y + outer.height


def _plate(row: Sequence[float]) -> Found:
    left, top, right, low, score, *corners = row
    box = Box(left, top, right - left, low - top)
    quad = list(zip(corners[::2], corners[1::2], strict=True))
    return Found(box, score, plausible_corners(quad, box) if quad else None)


def plausible_corners(quad: Sequence[Sequence[float]], box: Box) -> Corners | None:
    """Take four points (x, y) as a plate's corners where they can be: clockwise from the upper left, convex, not far
    outside their box and filling enough of it. None otherwise, and the upright box is what is known.
    """
    points = np.asarray(quad, np.float64)
    low = (box.x - _OUTSIDE * box.width, box.y - _OUTSIDE * box.height)
    high = (box.x + (1 + _OUTSIDE) * box.width, box.y + (1 + _OUTSIDE) * box.height)
    if points.shape != (4, 2) or not ((points >= low) & (points <= high)).all():
        return None
    along = np.roll(points, -1, 0) - points
    turns = along[:, 0] * np.roll(along[:, 1], -1) - along[:, 1] * np.roll(along[:, 0], -1)
    x, y = points[:, 0], points[:, 1]
    area = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    if turns.min() <= 0 or area < _LEAST_SHARE * box.width * box.height:
        return None
    upper_left, upper_right, lower_right, lower_left = ((float(px), float(py)) for px, py in points)
    return upper_left, upper_right, lower_right, lower_left
