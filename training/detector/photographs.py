"""The labeled photographs the detector learns from and is measured on, held in memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from split import held_out

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]

# Boxes around US plates cut from crops are tight; these sets leave a rim of car around the plate.
CROP_RIM = {"br": 0.06, "ar": 0.04}
EXACT = "openalpr_us_states/"  # crops that show a plate frontally up to its edges, and nothing else


@dataclass(frozen=True, slots=True)
class Photograph:
    """One street scene: BGR pixels, halved copies of it, and the plates' boxes (n, 4) as x1, y1, x2, y2 in pixels."""

    file: str
    region: str
    levels: tuple[Image, ...]
    boxes: Boxes
    decoys: Boxes = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # what is easily taken for a plate

    @property
    def image(self) -> Image:
        return self.levels[0]


def _rows(data: Path, kind: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    with (data / "labels.csv").open(newline="", encoding="utf-8") as labels:
        for row in csv.DictReader(labels):
            if row["kind"] == kind:
                found.setdefault(row["file"], []).append(row)
    return found


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(path)
    return np.asarray(image, dtype=np.uint8)


def _reviewed(what: str) -> dict[str, list[tuple[int, int, int, int]]]:
    """What an early detector found beside the labels, looked at one by one, as x1, y1, x2, y2 by file name.

    "plate": a plate that has no label; "other": a sign, badge, lamp or piece of fence it took for one.
    """
    found: dict[str, list[tuple[int, int, int, int]]] = {}
    with (Path(__file__).parent / "reviewed.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["what"] == what:
                corners = (int(row["x1"]), int(row["y1"]), int(row["x2"]), int(row["y2"]))
                found.setdefault(row["file"], []).append(corners)
    return found


def _paint_out(image: Image, boxes: list[tuple[int, int, int, int]]) -> Image:
    """Fill plates without a label from their edges: learned as background, they would teach that plates are none."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for x1, y1, x2, y2 in boxes:
        rim = 2 + (x2 - x1) // 12
        mask[max(y1 - rim, 0) : y2 + rim, max(x1 - rim, 0) : x2 + rim] = 255
    return np.asarray(cv2.inpaint(image, mask, 5, cv2.INPAINT_TELEA), np.uint8)


def scenes(data: Path, *, kept_back: bool, levels: int = 3) -> list[Photograph]:
    """Read the street scenes of one side of the split; `levels` copies, each half the size of the one before.

    Plates without a label are painted out on the training side; the photographs kept back stay as they are.
    """
    found: list[Photograph] = []
    unlabeled, others = ({}, {}) if kept_back else (_reviewed("plate"), _reviewed("other"))
    for file, rows in sorted(_rows(data, "scene").items()):
        if held_out(file) != kept_back:
            continue
        image = _read(data / file)
        pyramid = [_paint_out(image, unlabeled[file]) if file in unlabeled else image]
        while len(pyramid) < levels:
            height, width = pyramid[-1].shape[:2]
            pyramid.append(
                np.asarray(cv2.resize(pyramid[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
            )
        corners = [
            (float(r["x"]), float(r["y"]), float(r["x"]) + float(r["w"]), float(r["y"]) + float(r["h"])) for r in rows
        ]
        region = "ro" if rows[0]["region"] == "eu-ro" else rows[0]["region"][:2]
        decoys = np.array(others.get(file, []), np.float32).reshape(-1, 4)
        found.append(Photograph(file, region, tuple(pyramid), np.array(corners, np.float32), decoys))
    return found


def plate_crops(data: Path, train: list[Photograph]) -> tuple[list[Image], list[Image]]:
    """Plates to paste: the training side's crops, and the larger plates cut out of its scenes.

    The second list are those that end exactly where the plate ends: frontal, without a rim of car.
    """
    plates: list[Image] = []
    exact: list[Image] = []
    for file, rows in sorted(_rows(data, "crop").items()):
        if held_out(file):
            continue
        image = _read(data / file)
        rim = CROP_RIM.get(rows[0]["region"][:2], 0.0)
        height, width = image.shape[:2]
        dy, dx = round(height * rim), round(width * rim)
        (exact if file.startswith(EXACT) else plates).append(image[dy : height - dy, dx : width - dx])
    for photograph in train:
        for x1, y1, x2, y2 in photograph.boxes.round().astype(int):
            if x2 - x1 >= 70:
                cut = photograph.image[max(y1, 0) : y2, max(x1, 0) : x2].copy()
                # Elongated European plates are rare among the crops, so each stands in three times.
                plates.extend([cut] * (3 if photograph.region in ("eu", "ro") else 1))
    return plates, exact
