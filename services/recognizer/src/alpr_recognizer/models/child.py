"""The child: loads the detector with ultralytics and the reader with PaddleOCR, and answers batches until its pipe ends.

Run as `python -m alpr_recognizer.models.child WEIGHTS THREADS WIDE FROM_FD TO_FD` by `ModelProcess`. Nothing here goes
to the network: both libraries are told so before they are imported.
"""

from __future__ import annotations

import os

os.environ.update(
    YOLO_OFFLINE="true",
    YOLO_AUTOINSTALL="false",
    YOLO_VERBOSE="false",
    PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK="True",
    HF_HUB_OFFLINE="1",
    NO_ALBUMENTATIONS_UPDATE="1",
)

import ctypes
import hashlib
import pickle
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from alpr_recognizer import ctc
from alpr_recognizer.models import jpeg as jpeg_rules
from alpr_recognizer.models.process import FrameResult, ModelInfo
from alpr_recognizer.sighting import Candidate
from alprcore.errors import InvalidMessage
from alprcore.model import Box, Provenance

Picture = NDArray[np.uint8]
_Cut = tuple[float, float, float, float]

_PR_SET_PDEATHSIG: Final = 1
_CLOSEUP_MARGIN: Final = 0.15  # of the plate's size on each side: what a person needs to judge the characters
_CLOSEUP_QUALITY: Final = 92
_SURE: Final = 0.95  # least probability of every character at which one cut is enough
_CROPS_AT_ONCE: Final = 32
_WIDE: Final = 1280  # pixels; four times the work of 640
# Shares of width and height (left, top, right, low) by which the box is moved out before reading. The detector's edges
# are a few pixels off; the reader was trained with the same spread.
_CUTS: Final[tuple[_Cut, ...]] = ((0.0, 0.0, 0.0, 0.0), (0.05, 0.04, 0.05, 0.04), (0.06, 0.12, 0.06, 0.12))


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
        self._wide = wide
        self._about = yaml.safe_load((weights / "detector" / "model.yaml").read_text(encoding="utf-8"))
        self._detector = self._load_detector(weights / "detector" / "plate.onnx")
        self._runner, self._mask, shape = self._load_reader(weights / "reader")
        self._height, self._width = shape
        self.info = ModelInfo(
            detector=Provenance(str(self._about["name"]), _sha256(weights / "detector" / "plate.onnx")),
            reader=Provenance("plate-reader", _sha256(weights / "reader" / "inference.onnx")),
            backend=f"cpu, onnxruntime {onnxruntime.__version__}, {threads} threads",
        )
        self.warm_up()

    @staticmethod
    def _load_detector(path: Path) -> Any:
        from ultralytics import YOLO, settings

        if settings.get("sync"):
            settings.update({"sync": False})
        return YOLO(str(path), task="detect", verbose=False)

    @staticmethod
    def _load_reader(folder: Path) -> tuple[Any, NDArray[np.int64], tuple[int, int]]:
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

    def warm_up(self) -> None:
        """Look at one empty picture, so that the first real frame does not wait for memory to be laid out."""
        empty = np.zeros((480, 640, 3), np.uint8)
        self.detect([empty])
        self.read([empty[:48, :192]])

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
        found = dict(zip(pictures, self.detect(list(pictures.values())), strict=True))
        places = [(index, box, score) for index in pictures for box, score in found[index]]
        texts = self.read_boxes([(pictures[index], box) for index, box, _ in places])
        candidates: dict[int, list[Candidate]] = {index: [] for index in pictures}
        for (index, box, score), text in zip(places, texts, strict=True):
            candidates[index].append(Candidate(box, score, text, self._closeup(pictures[index], box)))
        return {index: FrameResult(tuple(plates)) for index, plates in candidates.items()}

    def detect(self, pictures: Sequence[Picture]) -> list[list[tuple[Box, float]]]:
        """Find plates: boxes in pixels with the detector's score, from left to right.

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

    def _detect_at(self, pictures: Sequence[Picture], sizes: Sequence[int]) -> list[list[tuple[Box, float]]]:
        found: list[list[tuple[Box, float]]] = [[] for _ in pictures]
        alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, (picture, size) in enumerate(zip(pictures, sizes, strict=True)):
            alike.setdefault((size, picture.shape), []).append(index)
        for (size, _), indexes in alike.items():  # one shape at a time, or the library pads all to squares
            answers = self._detector.predict(
                [pictures[index] for index in indexes],
                imgsz=size,
                conf=self._about["confidence"],
                iou=self._about["iou"],
                device="cpu",
                verbose=False,
                batch=len(indexes),
            )
            for index, answer in zip(indexes, answers, strict=True):
                found[index] = sorted(_plates(answer.boxes), key=lambda plate: (plate[0].x, plate[0].y))
        return found

    def read_boxes(self, places: Sequence[tuple[Picture, Box]]) -> list[ctc.Text]:
        """Read the plate in each box; one that was not read surely is cut in other ways too and put to the vote."""
        texts = self._read_cuts(places, _CUTS[:1])
        unsure = [index for index, looks in enumerate(texts) if looks[0].weakest < _SURE]
        more = self._read_cuts([places[index] for index in unsure], _CUTS[1:])
        for index, looks in zip(unsure, more, strict=True):
            texts[index] += looks
        return [ctc.vote(looks) for looks in texts]

    def _read_cuts(self, places: Sequence[tuple[Picture, Box]], cuts: Sequence[_Cut]) -> list[list[ctc.Text]]:
        matrices = self.read([self._cut(picture, box, cut) for picture, box in places for cut in cuts])
        texts = [ctc.decode(matrix, self._mask) for matrix in matrices]
        return [texts[at : at + len(cuts)] for at in range(0, len(texts), len(cuts))]

    def read(self, crops: Sequence[Picture]) -> list[NDArray[np.float32]]:
        """Run the reader over pictures of its size: T x classes probabilities each."""
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
        area = self._cv2.INTER_AREA if x1 - x0 > 2 * self._width else self._cv2.INTER_LINEAR
        piece: Picture = self._cv2.resize(picture[y0:y1, x0:x1], (self._width, self._height), interpolation=area)
        return piece

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


def _plates(boxes: Any) -> list[tuple[Box, float]]:
    corners, scores = boxes.xyxy.tolist(), boxes.conf.tolist()
    return [(Box(x0, y0, x1 - x0, y1 - y0), score) for (x0, y0, x1, y1), score in zip(corners, scores, strict=True)]


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


def _send(pipe: BinaryIO, content: object) -> None:
    body = pickle.dumps(content, protocol=5)
    pipe.write(len(body).to_bytes(8, "big") + body)
    pipe.flush()


def main(arguments: Sequence[str]) -> int:
    """Answer batches until the parent closes its pipe."""
    weights, threads, wide, from_fd, to_fd = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent takes the child along
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, questions = os.fdopen(int(to_fd), "wb"), os.fdopen(int(from_fd), "rb")
    # both libraries keep settings and caches in a home folder; here there may be none, and nothing of it is wanted later
    with tempfile.TemporaryDirectory(prefix="plateline-models-") as scratch:
        os.environ.update(YOLO_CONFIG_DIR=scratch, PADDLE_PDX_CACHE_HOME=scratch, MPLCONFIGDIR=scratch)
        return _answer(questions, answers, Path(weights), threads=int(threads), wide=wide == "1")


def _answer(questions: BinaryIO, answers: BinaryIO, weights: Path, *, threads: int, wide: bool) -> int:
    try:
        models = Models(weights, threads=threads, wide=wide)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
        _send(answers, f"{type(error).__name__}: {error}")
        return 1
    _send(answers, models.info)
    while header := questions.read(8):
        jpegs = pickle.loads(questions.read(int.from_bytes(header, "big")))  # noqa: S301 - written by our parent through our own pipe
        _send(answers, models.find_plates(jpegs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
