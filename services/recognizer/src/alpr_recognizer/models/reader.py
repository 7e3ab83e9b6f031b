"""The reader: what is written on a plate that was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from alpr_recognizer import ctc
from alpr_recognizer.models.detector import Found, Picture
from alprcore.model import Box

_Cut = tuple[float, float, float, float]

_SURE: Final = 0.95  # least probability of every character at which one cut is enough
_CROPS_AT_ONCE: Final = 32
# Shares of width and height (left, top, right, low) by which the box is moved out before reading. The detector's edges
# are a few pixels off; the reader was trained with the same spread.
_CUTS: Final[tuple[_Cut, ...]] = ((0.0, 0.0, 0.0, 0.0), (0.05, 0.04, 0.05, 0.04), (0.06, 0.12, 0.06, 0.12))


class PlateReader:
    """A CTC reader of our own training, loaded with PaddleOCR, whose own decoding keeps only a mean."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "inference.onnx"
        self.name = "plate-reader"
        self._runner, self._mask, (self._height, self._width) = _load(folder)

    def read_plates(self, places: Sequence[tuple[Picture, Found]]) -> list[ctc.Text]:
        """Read each plate; one that was not read surely is cut in other ways too and put to the vote."""
        texts = self._read_cuts(places, _CUTS[:1])
        unsure = [index for index, looks in enumerate(texts) if looks[0].weakest < _SURE]
        more = self._read_cuts([places[index] for index in unsure], _CUTS[1:])
        for index, looks in zip(unsure, more, strict=True):
            texts[index] += looks
        return [ctc.vote(looks) for looks in texts]

    def _read_cuts(self, places: Sequence[tuple[Picture, Found]], cuts: Sequence[_Cut]) -> list[list[ctc.Text]]:
        matrices = self.run([self._cut(picture, found.box, cut) for picture, found in places for cut in cuts])
        texts = [ctc.decode(matrix, self._mask) for matrix in matrices]
        return [texts[at : at + len(cuts)] for at in range(0, len(texts), len(cuts))]

    def run(self, crops: Sequence[Picture]) -> list[NDArray[np.float32]]:
        """Run the model over pictures of its size: T x classes probabilities each."""
        answers: list[NDArray[np.float32]] = []
        for at in range(0, len(crops), _CROPS_AT_ONCE):
            stack = np.stack(crops[at : at + _CROPS_AT_ONCE]).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
            answers.extend(np.asarray(self._runner(x=[np.ascontiguousarray(stack)])[0], np.float32))
        return answers

    def _cut(self, picture: Picture, box: Box, margin: _Cut) -> Picture:
        height, width = picture.shape[:2]
        left, top, right, low = margin
        x0 = min(max(0, round(box.x - left * box.width)), width - 1)
        y0 = min(max(0, round(box.y - top * box.height)), height - 1)
        x1 = min(width, max(x0 + 1, round(box.x + (1 + right) * box.width)))
        y1 = min(height, max(y0 + 1, round(box.y + (1 + low) * box.height)))
        area = cv2.INTER_AREA if x1 - x0 > 2 * self._width else cv2.INTER_LINEAR
        piece: Picture = cv2.resize(picture[y0:y1, x0:x1], (self._width, self._height), interpolation=area)
        return piece


def _load(folder: Path) -> tuple[Any, NDArray[np.int64], tuple[int, int]]:
    from paddleocr import TextRecognition

    about = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    steps = {name: step[name] for step in about["PreProcess"]["transform_ops"] for name in step}
    channels, height, width = steps["RecResizeImg"]["image_shape"]
    recognition = TextRecognition(
        model_name=about["Global"]["model_name"],
        model_dir=str(folder),
        engine="onnxruntime",
        input_shape=(channels, height, width),
        device="cpu",
    )
    # its own post-processing keeps only a mean; the runner below it answers the whole matrix
    characters = [str(character) for character in about["PostProcess"]["character_dict"]]
    return recognition.paddlex_predictor.runner, ctc.mask_for(characters), (height, width)
