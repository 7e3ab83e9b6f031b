"""The reader: what is written on a plate that was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from alpr_recognizer import ctc
from alpr_recognizer.models.backend import Backend
from alpr_recognizer.models.detector import Corners, Found, Picture
from alpr_recognizer.models.rectify import straighten
from alprcore.model import Box

_Cut = tuple[float, float, float, float]

_SURE: Final = 0.95  # least probability of every character at which one cut is enough
_CROPS_AT_ONCE: Final = 32
# Shares of width and height (left, top, right, low) by which the box is moved out before reading. The detector's edges
# are a few pixels off; the reader was trained with the same spread.
_CUTS: Final[tuple[_Cut, ...]] = ((0.0, 0.0, 0.0, 0.0), (0.05, 0.04, 0.05, 0.04), (0.06, 0.12, 0.06, 0.12))
# How much stands around a plate that was straightened by its corners, in shares of its width and height.
_MARGIN: Final = (0.05, 0.06)
_STEEP: Final = (
    0.14  # rise over run of a plate's lower edge (8 degrees) from which it is straightened at the first look
)
_WAYS: Final = 3
# A character so near the side of the box (shares of its width; 4 of 166 plates in street scenes) says that the detector may
# have cut the plate off there: a look at more of the picture counts when it surely reads the same and more.
_EDGE: Final = (0.04, 0.94)
_BEYOND: Final = 0.25
_SURELY_MORE: Final = 0.8
# Two lines. Below the first shape (width over height, as seen) a plate is as likely to have two lines as one; from the
# second on it has one: a US plate is 2.0, seen from the side 1.6. Between them two lines must be clearly surer.
_SQUARE: Final = 1.6
_TWO_LINES_BELOW: Final = 2.0
_ONE_LINE_ENOUGH: Final = 0.5  # whole-plate probability from which a plate that is not square is not read as two lines
_TWO_LINES_BETTER: Final = 1.5  # times surer than as one line; squarer ones need only be surer for each character
# Where the upper and the lower line may stand, in shares of the height: the gap is not always in the middle, and each line
# is taken from the cut that shows it best. Of 220 drawn plates 60 to 130 pixels wide 69 % come out whole.
_UPPER: Final = ((0.0, 0.58), (0.16, 0.56))
_LOWER: Final = ((0.4, 1.0), (0.5, 1.0), (0.36, 0.94))


class PlateReader:
    """A CTC reader of our own training (PaddleOCR loads it too), run by a backend; the whole matrix is what counts."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        self.file = folder / "inference.onnx"
        self.name = "plate-reader"
        self._mask, (self._height, self._width), self.curve = _about(folder)
        self._graph = backend.open(self.file)

    def read_plates(self, places: Sequence[tuple[Picture, Found]]) -> list[ctc.Text]:
        """Read each plate: its box as it is, or straightened by its corners where it stands aslant.

        One that was not read surely is cut in another way too, and in a third one when the two texts differ, and put to
        the vote; one that is square enough for two lines is read as two when that makes more sense. Probabilities are
        calibrated.
        """
        texts = self._read([[self._cut_out(picture, found, 0)] for picture, found in places])
        places = self._look_beyond(places, texts)
        unsure = open_ = [index for index, looks in enumerate(texts) if looks[0].weakest < _SURE]
        for way in range(1, _WAYS):
            pieces = [[self._cut_out(*places[index], way)] for index in open_]
            for index, more in zip(open_, self._read(pieces), strict=True):
                texts[index] += more
            open_ = [index for index in open_ if len({look.plate for look in texts[index]}) > 1]
        voted = [ctc.vote(looks) for looks in texts]
        doubtful = [index for index in unsure if _may_be_two(voted[index], _shape(places[index][1]))]
        for index, lines in zip(doubtful, self._read([self._lines(*places[i]) for i in doubtful]), strict=True):
            voted[index] = _surer(voted[index], lines, _shape(places[index][1]))
        return [ctc.calibrated(text, *self.curve) for text in voted]

    def _read(self, cuts: Sequence[list[Picture]]) -> list[list[ctc.Text]]:
        """Read all cuts of all plates in one go."""
        read = iter(self.run([piece for pieces in cuts for piece in pieces]))
        return [[ctc.decode(next(read), self._mask) for _ in pieces] for pieces in cuts]

    def _look_beyond(
        self, places: Sequence[tuple[Picture, Found]], texts: list[list[ctc.Text]]
    ) -> list[tuple[Picture, Found]]:
        """Replace first looks at plates that the detector cut off by looks at the whole plate; give all places anew.

        Corners were put at the cut-off end too, so the whole plate has none.
        """
        whole = list(places)
        cuts = {index: _beyond(*places[index], looks[0]) for index, looks in enumerate(texts)}
        cuts = {index: cut for index, cut in cuts.items() if any(cut)}
        pieces = [[self._cut(places[index][0], places[index][1].box, cut)] for index, cut in cuts.items()]
        for index, (more,) in zip(cuts, self._read(pieces), strict=True):
            before = texts[index][0].plate
            longer = len(more.plate) > len(before) and (more.plate.startswith(before) or more.plate.endswith(before))
            if longer and more.confidence >= _SURELY_MORE:
                texts[index] = [more]
                picture, found = places[index]
                whole[index] = picture, Found(_widened(found.box, cuts[index]), found.score)
        return whole

    def _cut_out(self, picture: Picture, found: Found, way: int) -> Picture:
        """Cut a plate out in one of `_WAYS` ways: by its box, straightened by its corners, and by a wider box.

        Box and corners err in different ways, so the second look tells more than the same one moved a little would.
        """
        if found.corners is None:
            return self._cut(picture, found.box, _CUTS[way])
        if way == (0 if _rise(found.corners) > _STEEP else 1):
            return self._straight(picture, found.corners, _MARGIN)
        return self._cut(picture, found.box, _CUTS[way // 2])

    def _lines(self, picture: Picture, found: Found) -> list[Picture]:
        """The upper line, cut in several ways, then the lower one."""
        bands = (*_UPPER, *_LOWER)
        if found.corners is None:
            return [self._cut(picture, found.box, (0.0, -top, 0.0, low - 1)) for top, low in bands]
        return [self._straight(picture, _band(found.corners, top, low), (0.02, 0.0)) for top, low in bands]

    def _straight(self, picture: Picture, corners: Corners, margin: tuple[float, float]) -> Picture:
        return straighten(picture, corners, (self._width, self._height), margin)

    def run(self, crops: Sequence[Picture]) -> list[NDArray[np.float32]]:
        """Run the model over pictures of its size: T x classes probabilities each."""
        answers: list[NDArray[np.float32]] = []
        for at in range(0, len(crops), _CROPS_AT_ONCE):
            stack = np.stack(crops[at : at + _CROPS_AT_ONCE]).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
            answers.extend(self._graph(np.ascontiguousarray(stack)))
        return answers

    def _cut(self, picture: Picture, box: Box, margin: _Cut) -> Picture:
        """Cut out a box and stretch it; what lies outside the picture repeats its edge, as in training."""
        height, width = picture.shape[:2]
        left, top, right, low = margin
        x0, y0 = round(box.x - left * box.width), round(box.y - top * box.height)
        x1 = max(x0 + 1, round(box.x + (1 + right) * box.width))
        y1 = max(y0 + 1, round(box.y + (1 + low) * box.height))
        piece = picture[min(max(0, y0), height - 1) : max(1, y1), min(max(0, x0), width - 1) : max(1, x1)]
        beyond = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
        if any(beyond):
            piece = cv2.copyMakeBorder(piece, *beyond, cv2.BORDER_REPLICATE)
        area = cv2.INTER_AREA if x1 - x0 > 2 * self._width else cv2.INTER_LINEAR
        done: Picture = cv2.resize(piece, (self._width, self._height), interpolation=area)
        return done


def _beyond(picture: Picture, found: Found, text: ctc.Text) -> _Cut:
    """How far to look beyond the left and the right side of a box for the rest of a plate; nowhere at a picture's edge."""
    box, (first, last) = found.box, text.span
    left = first < _EDGE[0] and box.x > 2
    right = last > _EDGE[1] and box.x + box.width < picture.shape[1] - 2
    return (_BEYOND if left else 0.0, 0.0, _BEYOND if right else 0.0, 0.0)


def _widened(box: Box, margin: _Cut) -> Box:
    left, top, right, low = margin
    return Box(
        box.x - left * box.width,
        box.y - top * box.height,
        box.width * (1 + left + right),
        box.height * (1 + top + low),
    )


def _shape(found: Found) -> float:
    """Width over height of the plate, seen from its front as far as the corners tell."""
    if found.corners is None:
        return found.box.width / max(found.box.height, 1.0)
    upper_left, upper_right, lower_right, lower_left = found.corners
    across = math.dist(upper_left, upper_right) + math.dist(lower_left, lower_right)
    down = math.dist(upper_left, lower_left) + math.dist(upper_right, lower_right)
    return across / max(down, 1.0)


def _rise(corners: Corners) -> float:
    """How far a plate's lower edge rises or falls along its length, in shares of that length."""
    _, _, right, left = corners
    return abs(right[1] - left[1]) / max(abs(right[0] - left[0]), 1.0)


def _band(corners: Corners, top: float, low: float) -> Corners:
    """The part of a plate between two shares of its height."""
    upper_left, upper_right, lower_right, lower_left = corners
    return (
        _between(upper_left, lower_left, top),
        _between(upper_right, lower_right, top),
        _between(upper_right, lower_right, low),
        _between(upper_left, lower_left, low),
    )


def _between(one: tuple[float, float], other: tuple[float, float], share: float) -> tuple[float, float]:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])


def _may_be_two(whole: ctc.Text, shape: float) -> bool:
    """Whether it is worth looking for two lines in a plate that was not read surely as one."""
    return shape < _SQUARE or (shape < _TWO_LINES_BELOW and whole.confidence < _ONE_LINE_ENOUGH)


def _surer(whole: ctc.Text, lines: Sequence[ctc.Text], shape: float) -> ctc.Text:
    """Take the plate as two lines when that is surer than as one; `lines` as `PlateReader._lines` cuts them."""
    upper = max(lines[: len(_UPPER)], key=lambda text: text.confidence)
    lower = max(lines[len(_UPPER) :], key=lambda text: text.confidence)
    if not upper.characters or not lower.characters:
        return whole
    both = ctc.Text(upper.characters + lower.characters)
    if shape < _SQUARE:  # as one line only a few characters are found, and a product of few is larger
        return both if _each(both) > _each(whole) else whole
    return both if both.confidence > whole.confidence * _TWO_LINES_BETTER else whole


def _each(text: ctc.Text) -> float:
    """Geometric mean of the characters' probabilities; 0 for no text."""
    return float(text.confidence ** (1 / len(text.characters))) if text.characters else 0.0


def _about(folder: Path) -> tuple[NDArray[np.int64], tuple[int, int], tuple[float, float]]:
    about = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    steps = {name: step[name] for step in about["PreProcess"]["transform_ops"] for name in step}
    _, height, width = steps["RecResizeImg"]["image_shape"]
    characters = [str(character) for character in about["PostProcess"]["character_dict"]]
    curve = about.get("Calibration", {"slope": 1.0, "offset": 0.0})
    return ctc.mask_for(characters), (height, width), (float(curve["slope"]), float(curve["offset"]))
