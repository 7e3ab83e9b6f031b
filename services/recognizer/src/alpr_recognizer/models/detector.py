"""The detector: where in a picture the plates are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from alprcore.model import Box

Picture = NDArray[np.uint8]
"""Height x width x 3, blue first."""
Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Upper left, upper right, lower right, lower left of the plate, in pixels of the picture."""

_WIDE: Final = 1280  # pixels; four times the work of 640


@dataclass(frozen=True, slots=True)
class Found:
    """One plate in a picture: its box, the detector's score, and its corners where the model knows them."""

    box: Box
    score: float
    corners: Corners | None = None


class Detector:
    """A YOLO model of our own training, loaded with ultralytics."""

    def __init__(self, folder: Path, *, wide: bool) -> None:
        from ultralytics import YOLO, settings

        if settings.get("sync"):
            settings.update({"sync": False})
        self._wide = wide
        self.file = folder / "plate.onnx"
        self._about = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        self.name = str(self._about["name"])
        self._model: Any = YOLO(str(self.file), task="detect", verbose=False)

    def detect(self, pictures: Sequence[Picture]) -> list[list[Found]]:
        """Find plates: from left to right.

        Where nothing is found the picture is looked at once more, smaller: a plate that fills it is missed otherwise.
        """
        size, second = int(self._about["input_size"]), int(self._about["second_input_size"])
        found = self._detect_at(pictures, [_WIDE if self._wide and p.shape[1] >= _WIDE else size for p in pictures])
        empty = [index for index, plates in enumerate(found) if not plates]
        for index, plates in zip(
            empty, self._detect_at([pictures[i] for i in empty], [second] * len(empty)), strict=True
        ):
            found[index] = plates
        return found

    def _detect_at(self, pictures: Sequence[Picture], sizes: Sequence[int]) -> list[list[Found]]:
        found: list[list[Found]] = [[] for _ in pictures]
        alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, (picture, size) in enumerate(zip(pictures, sizes, strict=True)):
            alike.setdefault((size, picture.shape), []).append(index)
        for (size, _), indexes in alike.items():  # one shape at a time, or the library pads all to squares
            answers = self._model.predict(
                [pictures[index] for index in indexes],
                imgsz=size,
                conf=self._about["confidence"],
                iou=self._about["iou"],
                device="cpu",
                verbose=False,
                batch=len(indexes),
            )
            for index, answer in zip(indexes, answers, strict=True):
                found[index] = sorted(_plates(answer.boxes), key=lambda plate: (plate.box.x, plate.box.y))
        return found


def _plates(boxes: Any) -> list[Found]:
    corners, scores = boxes.xyxy.tolist(), boxes.conf.tolist()
    return [
        Found(Box(x0, y0, x1 - x0, y1 - y0), score) for (x0, y0, x1, y1), score in zip(corners, scores, strict=True)
    ]
