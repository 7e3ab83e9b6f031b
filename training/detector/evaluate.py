"""Measures a detector at its size of use: whole photographs, letterboxed; recall at IoU .5 and false boxes a picture.

`python training/detector/evaluate.py DATA MODEL.onnx` prints the figures of an exported detector, by set and size;
`corners.py` beside it measures the corners.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from photographs import Image, Photograph, scenes
from ultralytics.utils.nms import non_max_suppression

Found = NDArray[np.float32]  # (n, 13): x1, y1, x2, y2, confidence, then four corners x, y; in picture pixels
Forward = Callable[[torch.Tensor], torch.Tensor]

NMS_IOU = 0.5
WIDE = 1280  # pixels; a picture at least this wide is also measured at 1280
SWEEP = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)


@dataclass(frozen=True, slots=True)
class Score:
    """What one set of pictures gave at one confidence."""

    plates: int
    found: int
    false: int
    pictures: int

    @property
    def recall(self) -> float:
        return self.found / max(self.plates, 1)

    @property
    def false_each(self) -> float:
        return self.false / max(self.pictures, 1)


def letterbox(image: Image, size: int) -> tuple[torch.Tensor, float, tuple[float, float]]:
    """Fit a picture into size x size, sides padded with 114 to a multiple of 32: (1, 3, h, w) RGB 0..1, scale, offset."""
    height, width = image.shape[:2]
    scale = min(size / height, size / width)
    new_w, new_h = round(width * scale), round(height * scale)
    pad_w, pad_h = -new_w % 32, -new_h % 32
    small = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR) if scale != 1 else image
    left, top = round(pad_w / 2 - 0.1), round(pad_h / 2 - 0.1)
    boxed = cv2.copyMakeBorder(small, top, pad_h - top, left, pad_w - left, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    pixels = torch.from_numpy(np.ascontiguousarray(boxed[:, :, ::-1].transpose(2, 0, 1))).float().div_(255)
    return pixels[None], scale, (left, top)


def detect(forward: Forward, image: Image, size: int, least: float) -> Found:
    """Find plates in one picture: boxes and corners in its own pixels, best first."""
    pixels, scale, (left, top) = letterbox(image, size)
    with torch.no_grad():
        raw = forward(pixels)
    kept = non_max_suppression(raw, conf_thres=least, iou_thres=NMS_IOU, max_det=100, nc=1)[0].numpy()
    kept = np.delete(kept, 5, 1)  # the class
    kept[:, [0, 2, *range(5, kept.shape[1], 2)]] -= left
    kept[:, [1, 3, *range(6, kept.shape[1], 2)]] -= top
    kept[:, [0, 1, 2, 3, *range(5, kept.shape[1])]] /= scale
    return np.asarray(kept, np.float32)


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every box of `a` with every box of `b`."""
    corner = np.minimum(a[:, None, 2:4], b[None, :, 2:4]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inter = np.clip(corner, 0, None).prod(2)
    area = [(x[:, 2:4] - x[:, :2]).prod(1) for x in (a, b)]
    return np.asarray(inter / (area[0][:, None] + area[1][None] - inter + 1e-9), np.float32)


def score(found: Iterable[Found], truth: Iterable[NDArray[np.float32]], least: float) -> Score:
    """Match boxes to plates, the surest first, each plate once, at IoU .5."""
    plates = hits = false = pictures = 0
    for boxes, true in zip(found, truth, strict=True):
        boxes = boxes[boxes[:, 4] >= least]
        taken: set[int] = set()
        for row in overlap(boxes, true):
            order = [int(i) for i in np.argsort(-row) if row[i] >= 0.5 and int(i) not in taken]
            taken.update(order[:1])
            false += not order
        plates, hits, pictures = plates + len(true), hits + len(taken), pictures + 1
    return Score(plates, hits, false, pictures)


def measure(forward: Forward, photographs: list[Photograph], sizes: tuple[int, ...]) -> dict[str, list[Score]]:
    """Score every region at every size over the sweep of confidences; keys like "us@640"."""
    table: dict[str, list[Score]] = {}
    for region in sorted({p.region for p in photographs}):
        for size in sizes:
            group = [p for p in photographs if p.region == region and (size < WIDE or p.image.shape[1] >= WIDE)]
            if group:
                found = [detect(forward, p.image, size, SWEEP[0]) for p in group]
                table[f"{region}@{size}"] = [score(found, [p.boxes for p in group], least) for least in SWEEP]
    return table


def tell(table: dict[str, list[Score]]) -> str:
    """Print a table: for each set the plates found, and recall/false boxes a picture at each confidence."""
    lines = ["set        " + " ".join(f"{c:>9}" for c in SWEEP)]
    lines += [
        f"{name:10} " + " ".join(f"{s.recall:.3f}/{s.false_each:.2f}" for s in row) + f"  n={row[0].plates}"
        for name, row in table.items()
    ]
    return "\n".join(lines)


def onnx_forward(path: Path) -> Forward:
    """Run an exported detector by ONNX Runtime on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: torch.from_numpy(session.run(None, {name: pixels.numpy()})[0])


def main() -> None:
    """Measure an exported detector on the photographs kept back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[544, 640, 1280])
    given = parser.parse_args()
    kept = scenes(given.data, kept_back=True, levels=1)
    print(tell(measure(onnx_forward(given.model), kept, tuple(given.sizes))))


if __name__ == "__main__":
    main()
