"""What happens to a picture: plates are found in it, read, and cut out for a person to judge.

Nothing here goes to the network: the libraries are told so before they are imported, which is when a model is loaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from alpr_recognizer.models import jpeg as jpeg_rules
from alpr_recognizer.models.detector import Detector, Picture
from alpr_recognizer.models.process import FrameResult, ModelInfo
from alpr_recognizer.models.reader import PlateReader
from alpr_recognizer.sighting import Candidate
from alprcore.errors import InvalidMessage
from alprcore.model import Box, Provenance

os.environ.update(
    YOLO_OFFLINE="true",
    YOLO_AUTOINSTALL="false",
    YOLO_VERBOSE="false",
    PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK="True",
    HF_HUB_OFFLINE="1",
    NO_ALBUMENTATIONS_UPDATE="1",
)

_CLOSEUP_MARGIN: Final = 0.15  # of the plate's size on each side: what a person needs to judge the characters
_CLOSEUP_QUALITY: Final = 92


class Models:
    """Detector and reader, loaded once."""

    def __init__(self, weights: Path, *, threads: int, wide: bool) -> None:
        import cv2
        import onnxruntime
        import torch

        _limit_threads(onnxruntime, threads)
        torch.set_num_threads(threads)
        cv2.setNumThreads(1)
        self._cv2 = cv2
        self.detector = Detector(weights / "detector", wide=wide)
        self.reader = PlateReader(weights / "reader")
        self.info = ModelInfo(
            detector=Provenance(self.detector.name, _sha256(self.detector.file)),
            reader=Provenance(self.reader.name, _sha256(self.reader.file)),
            backend=f"cpu, onnxruntime {onnxruntime.__version__}, {threads} threads",
        )
        self.warm_up()

    def warm_up(self) -> None:
        """Look at one empty picture, so that the first real frame does not wait for memory to be laid out."""
        empty = np.zeros((480, 640, 3), np.uint8)
        self.detector.detect([empty])
        self.reader.run([empty[:48, :192]])

    def find_plates(self, jpegs: Sequence[bytes]) -> list[FrameResult]:
        """Find and read the plates of each frame; a frame that cannot be looked at says why."""
        pictures: dict[int, Picture] = {}
        results: dict[int, FrameResult] = {}
        for index, data in enumerate(jpegs):
            try:
                jpeg_rules.check(data)
                picture = self._cv2.imdecode(np.frombuffer(data, np.uint8), self._cv2.IMREAD_COLOR)
            except InvalidMessage as error:
                results[index] = FrameResult(error=(error.code, error.detail))
                continue
            if picture is None:
                results[index] = FrameResult(error=("NOT_A_JPEG", "the image cannot be decoded"))
            else:
                pictures[index] = picture
        try:
            results.update(self._look(pictures))
        except Exception:  # noqa: BLE001 - law-skip: broad-except - any failure of a model is an answer, below, by frame
            for index, picture in pictures.items():
                results[index] = self._look_alone(picture)
        return [results[index] for index in range(len(jpegs))]

    def _look_alone(self, picture: Picture) -> FrameResult:
        try:
            return self._look({0: picture})[0]
        except Exception as error:  # noqa: BLE001 - law-skip: broad-except - becomes a dead letter with the class of the failure
            return FrameResult(error=("MODEL_FAILED", type(error).__name__))

    def _look(self, pictures: dict[int, Picture]) -> dict[int, FrameResult]:
        seen = dict(zip(pictures, self.detector.detect(list(pictures.values())), strict=True))
        places = [(index, found) for index in pictures for found in seen[index]]
        texts = self.reader.read_plates([(pictures[index], found) for index, found in places])
        candidates: dict[int, list[Candidate]] = {index: [] for index in pictures}
        for (index, found), text in zip(places, texts, strict=True):
            closeup = self._closeup(pictures[index], found.box)
            candidates[index].append(Candidate(found.box, found.score, text, closeup))
        return {index: FrameResult(tuple(plates)) for index, plates in candidates.items()}

    def _closeup(self, picture: Picture, box: Box) -> bytes:
        height, width = picture.shape[:2]
        mx, my = _CLOSEUP_MARGIN * box.width, _CLOSEUP_MARGIN * box.height
        x0, y0 = max(0, int(box.x - mx)), max(0, int(box.y - my))
        x1 = min(width, max(x0 + 1, int(box.x + box.width + mx)))
        y1 = min(height, max(y0 + 1, int(box.y + box.height + my)))
        done, data = self._cv2.imencode(
            ".jpg", picture[y0:y1, x0:x1], [self._cv2.IMWRITE_JPEG_QUALITY, _CLOSEUP_QUALITY]
        )
        if not done:
            raise RuntimeError("the close-up could not be encoded")
        return bytes(data)


def _limit_threads(onnxruntime: Any, threads: int) -> None:
    """Both libraries open sessions without asking how many threads: give every session of this process our number."""
    make = onnxruntime.SessionOptions

    def limited() -> Any:
        options = make()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # frames of many sizes would each keep an arena
        return options

    onnxruntime.SessionOptions = limited


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
