"""The models as their makers' own libraries run them: slow, and what every other backend is compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from typing_extensions import override

from alpr_recognizer.models.backend import Array, Backend, Graph, OnnxRuntimeBackend
from alpr_recognizer.models.finder import Finder, Picture, Rows

# read when the libraries are imported: nothing goes to the network, nothing is installed or downloaded
os.environ.update(
    YOLO_OFFLINE="true",
    YOLO_AUTOINSTALL="false",
    YOLO_VERBOSE="false",
    PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK="True",
    HF_HUB_OFFLINE="1",
    NO_ALBUMENTATIONS_UPDATE="1",
)


class ReferenceBackend(Backend):
    """Ultralytics finds, PaddleOCR reads; one frame at a time, because neither may be called by two threads."""

    name = "reference"
    alone = True
    at_once = 8

    def __init__(self, threads: int) -> None:
        import onnxruntime
        import torch

        torch.set_num_threads(threads)
        _limit_threads(onnxruntime, threads)
        self._rest = OnnxRuntimeBackend(threads)
        self._says = f"cpu, ultralytics and PaddleOCR over onnxruntime {onnxruntime.__version__}, {threads} threads"

    @property
    @override
    def words(self) -> str:
        return self._says

    @override
    def finder(self, file: Path, *, confidence: float, iou: float) -> Finder:
        return _UltralyticsFinder(file, confidence=confidence, iou=iou)

    @override
    def open(self, file: Path) -> Graph:
        if not (file.parent / "inference.yml").exists():
            return self._rest.open(file)
        return _paddle_graph(file.parent)


class _UltralyticsFinder(Finder):
    def __init__(self, file: Path, *, confidence: float, iou: float) -> None:
        from ultralytics import YOLO, settings

        if settings.get("sync"):
            settings.update({"sync": False})
        about = yaml.safe_load((file.parent / "model.yaml").read_text(encoding="utf-8"))
        self._model: Any = YOLO(str(file), task="pose" if about.get("corners") else "detect", verbose=False)
        self._asked = {"conf": confidence, "iou": iou, "device": "cpu", "verbose": False}

    @override
    def __call__(self, pictures: Sequence[Picture], size: int) -> list[Rows]:
        answers: list[Any] = self._model.predict(list(pictures), imgsz=size, batch=len(pictures), **self._asked)
        return [_rows(answer) for answer in answers]


def _rows(answer: Any) -> Rows:
    parts = [answer.boxes.xyxy.numpy(), answer.boxes.conf.numpy()[:, None]]
    if answer.keypoints is not None:
        parts.append(answer.keypoints.xy.numpy().reshape(len(parts[0]), 8))  # four corners, also of no plate at all
    rows: Rows = np.concatenate(parts, axis=1).astype(np.float32)
    return rows


def _paddle_graph(folder: Path) -> Graph:
    from paddleocr import TextRecognition

    about = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    steps = {name: step[name] for step in about["PreProcess"]["transform_ops"] for name in step}
    recognition = TextRecognition(
        model_name=about["Global"]["model_name"],
        model_dir=str(folder),
        engine="onnxruntime",
        input_shape=tuple(steps["RecResizeImg"]["image_shape"]),
        device="cpu",
    )
    # its own post-processing keeps only a mean; the runner below it answers the whole matrix
    runner: Any = recognition.paddlex_predictor.runner

    def run(batch: Array) -> Array:
        return np.asarray(runner(x=[np.ascontiguousarray(batch)])[0], np.float32)

    return run


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
