"""What happens to a picture: plates are found in it, read, judged, and cut out for a person to see.

On a processor each frame is looked at by one thread from its JPEG to its close-ups, and frames stand side by side; on a
GPU the frames of one call go through each model together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from alpr_recognizer import quality, syntax
from alpr_recognizer.models import backend as backends
from alpr_recognizer.models import color
from alpr_recognizer.models import jpeg as jpeg_rules
from alpr_recognizer.models.detector import Detector, Found, Picture
from alpr_recognizer.models.origin import Origin, Shares
from alpr_recognizer.models.process import FrameResult, ModelInfo
from alpr_recognizer.models.reader import PlateReader
from alpr_recognizer.sighting import Candidate
from alprcore.errors import InvalidMessage
from alprcore.model import Box, Provenance

_CLOSEUP_MARGIN: Final = 0.15  # of the plate's size on each side: what a person needs to judge the characters
_CLOSEUP_QUALITY: Final = 92
_SHORTER: Final = (9 / 16, 3 / 4, 1.0)
"""Shorter side over longer of frames; the first is what cameras have."""


class Models:
    """Detector, reader and what tells the origin, loaded once."""

    def __init__(self, weights: Path, *, threads: int, wide: bool, backend: str = "auto") -> None:
        cv2.setNumThreads(1)
        self.backend = backends.start(backend, threads=threads)
        self.detector = Detector(weights / "detector", self.backend, wide=wide)
        self.reader = PlateReader(weights / "reader", self.backend)
        self.origin = Origin(weights / "origin", self.backend) if (weights / "origin").is_dir() else None
        self.info = ModelInfo(
            detector=Provenance(self.detector.name, _sha256(self.detector.file)),
            reader=Provenance(self.reader.name, _sha256(self.reader.file)),
            backend=f"{self.backend.name}: {self.backend.words}",
            at_once=self.backend.at_once,
        )
        alone = self.backend.alone or threads == 1
        self._pool = None if alone else ThreadPoolExecutor(threads, thread_name_prefix="look")
        self.warm_up()

    def warm_up(self) -> None:
        """Look at empty pictures of all shapes, so that no frame waits for memory to be laid out or a graph compiled."""
        largest, *smaller = self.detector.sizes
        usual, *others = [(largest, round(largest * share)) for share in _SHORTER]
        others += [(height, width) for width, height in (usual, *others)]
        others += [(size, round(size * share)) for size in smaller for share in _SHORTER]
        empty = self.backend.put(np.zeros((usual[1], usual[0], 3), np.uint8))
        for plates in (1, 2):
            self.look([empty], [[Found(Box(0, 0, 192, 48), 1.0)] * plates])
        self.detector.detect([empty])
        self.backend.settle()
        for width, height in others:
            self.detector.detect([self.backend.put(np.zeros((height, width, 3), np.uint8))])

    def find_plates(self, jpegs: Sequence[bytes], *, cut: bool = False) -> list[FrameResult]:
        """Find and read the plates of each frame; a frame that cannot be looked at says why.

        `cut`: every picture is one plate already cut out, and only read.
        """
        if self.backend.batches and len(jpegs) > 1:
            return self._together(jpegs, cut=cut)
        one = _Alone(self, cut)
        return list(map(one, jpegs) if self._pool is None else self._pool.map(one, jpegs))

    def _together(self, jpegs: Sequence[bytes], *, cut: bool) -> list[FrameResult]:
        """Look at all frames in one batch; if that fails, each by itself, so that the guilty one alone is refused."""
        refused: dict[int, FrameResult] = {}
        for index, data in enumerate(jpegs):
            try:
                jpeg_rules.check(data)
            except InvalidMessage as error:
                refused[index] = FrameResult(error=(error.code, error.detail))
        good = [index for index in range(len(jpegs)) if index not in refused]
        try:
            pictures = self.backend.decode([jpegs[index] for index in good])
            found = self.look(pictures, [[whole_plate(picture)] for picture in pictures] if cut else None)
        except Exception:  # noqa: BLE001 - law-skip: broad-except - any failure of a model is an answer, by frame
            return [refused.get(index) or _Alone(self, cut)(data) for index, data in enumerate(jpegs)]
        seen = dict(zip(good, found, strict=True))
        return [refused.get(index) or seen[index] for index in range(len(jpegs))]

    def look(self, pictures: Sequence[backends.Held], seen: list[list[Found]] | None = None) -> list[FrameResult]:
        """Find the plates in pictures (or take those `seen`), then read and judge them."""
        if seen is None:
            seen = self.detector.detect(pictures)
        which = [index for index, plates in enumerate(seen) for _ in plates]
        places = [self.backend.around(pictures[index], found) for index, plates in enumerate(seen) for found in plates]
        texts = self.reader.read_plates([(place.picture, place.found) for place in places])
        origins = self._origins(places)
        results: list[list[Candidate]] = [[] for _ in pictures]
        for index, place, text, origin in zip(which, places, texts, origins, strict=True):
            results[index].append(
                Candidate(
                    place.original.box,
                    place.original.score,
                    syntax.settle(text, origin),
                    _closeup(place.picture, place.found.box),
                    corners=place.original.corners,
                    origin=origin,
                    quality=quality.measure(_inside(place.picture, place.found.box, 0.0), place.found.corners),
                    color=color.estimate(place.picture, place.found.box),
                )
            )
        return [FrameResult(tuple(plates)) for plates in results]

    def _origins(self, places: Sequence[backends.Place[Found]]) -> list[Shares]:
        if self.origin is None or not places:
            return [()] * len(places)
        return self.origin.tell([self.origin.cut(place.picture, place.found) for place in places])


@dataclass(frozen=True, slots=True)
class _Alone:
    """One frame from its JPEG to its result; whatever fails is the frame's answer."""

    models: Models
    cut: bool

    def __call__(self, data: bytes) -> FrameResult:
        try:
            jpeg_rules.check(data)
            (picture,) = self.models.backend.decode([data])
            (result,) = self.models.look([picture], [[whole_plate(picture)]] if self.cut else None)
        except InvalidMessage as error:
            return FrameResult(error=(error.code, error.detail))
        except Exception as error:  # noqa: BLE001 - law-skip: broad-except - becomes a dead letter with the failure's class
            return FrameResult(error=("MODEL_FAILED", type(error).__name__))
        return result


def whole_plate(picture: backends.Held) -> Found:
    """Take a picture as one plate already cut out."""
    height, width = picture.shape[:2]
    return Found(Box(0, 0, width, height), 1.0)


def _inside(picture: Picture, box: Box, margin: float) -> Picture:
    height, width = picture.shape[:2]
    mx, my = margin * box.width, margin * box.height
    x0, y0 = (min(max(0, int(place)), most - 1) for place, most in ((box.x - mx, width), (box.y - my, height)))
    x1 = min(width, max(x0 + 1, int(box.x + box.width + mx)))
    y1 = min(height, max(y0 + 1, int(box.y + box.height + my)))
    return picture[y0:y1, x0:x1]


def _closeup(picture: Picture, box: Box) -> bytes:
    piece = _inside(picture, box, _CLOSEUP_MARGIN)
    done, data = cv2.imencode(".jpg", piece, [cv2.IMWRITE_JPEG_QUALITY, _CLOSEUP_QUALITY])
    if not done:
        raise RuntimeError("the close-up could not be encoded")
    return bytes(data)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
