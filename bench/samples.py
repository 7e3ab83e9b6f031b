"""Plates with known truth for benchmarks: photographs of a labeled set, and drawn ones as a camera would see them."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from alprdraw.plates import render_plate

ALPHABET = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True)
class Labeled:
    """A picture (BGR) with one plate in it: its text, its box x, y, w, h, and its corners where they are known."""

    source: str
    picture: np.ndarray
    text: str
    box: tuple[float, float, float, float]
    corners: tuple | None = None
    exact: bool = True
    """False where the labels write the letter O as 0: such a set says nothing of those two."""


def held_out(file: str) -> bool:
    """The rule of training/split.py: a fixed quarter of the photographs, by the hash of the file's name."""
    return int(hashlib.sha256(file.replace("\\", "/").rsplit("/", 1)[-1].encode()).hexdigest(), 16) % 4 == 0


def photographs(data: Path, *, kept_back: bool) -> Iterator[Labeled]:
    """Every plate with a text in `data`/labels.csv, of the part kept back from training or of the other.

    Of the part kept back only plates that no other photograph shows: a vehicle that was photographed twice is known to
    the reader from the other picture.
    """
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row, _letters(row["plate_text"])) for row in csv.DictReader(file)]
    known = {text for row, text in rows if not held_out(row["file"])}
    for row, text in rows:
        if not text or held_out(row["file"]) != kept_back or (kept_back and text in known):
            continue
        picture = cv2.imread(str(data / row["file"]))
        whole = (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))
        box = tuple(float(row[side]) for side in "xywh") if row["w"] else whole
        source = row["file"].split("/")[0]
        yield Labeled(source, picture, text, box, exact=source != "openalpr_us")


def _letters(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter in ALPHABET)


def drawn(seed: int, count: int) -> Iterator[Labeled]:
    """Drawn plates under all a street does to them: far away, aslant, blurred, dark, glaring, noisy, compressed."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        plate = render_plate(rng)
        picture, corners = _seen(rng, np.ascontiguousarray(plate.image[:, :, ::-1]))
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        w, h = x1 - x0, y1 - y0
        off = rng.normal(0, 0.02, 4) * (w, h, w, h)  # no detector hits the edge
        box = (float(x0 + off[0]), float(y0 + off[1]), float(w + off[2]), float(h + off[3]))
        yield Labeled("drawn", picture, plate.text, box, tuple((float(x), float(y)) for x, y in corners))


def _seen(rng: np.random.Generator, plate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    high, wide = plate.shape[:2]
    reach = float(np.exp(rng.uniform(np.log(32), np.log(220))))
    scale = reach / wide
    hard = rng.uniform(0, 1) ** 1.5
    unit = (np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (wide, high)).astype(np.float32)
    turn, lean = rng.normal(0, 0.07 * hard), rng.normal(0, 0.15 * hard)
    bend = np.array([[np.cos(turn), lean - np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    unit = unit * (rng.uniform(1 - 0.4 * hard, 1.0), 1.0)
    goal = unit @ bend.T * scale + rng.normal(0, 0.015 * hard, (4, 2)) * reach
    size = np.ptp(goal, 0)
    canvas = (int(size[0] * 1.5) + 8, int(size[1] * 1.8) + 8)
    goal = (goal - goal.min(0) + (np.array(canvas) - size) / 2).astype(np.float32)
    shrink = max(1, round(0.9 / scale))
    source = cv2.blur(plate, (shrink, shrink)) if shrink > 1 else plate
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, goal)
    tones = np.clip(rng.uniform(10, 230, (2, 3, 1)) + rng.normal(0, 12, (2, 3, 3)), 0, 255)
    ground = cv2.resize(tones.astype(np.uint8), canvas)
    mask = cv2.warpPerspective(np.full((high, wide), 255, np.uint8), matrix, canvas)[:, :, None] / 255.0
    picture = cv2.warpPerspective(source, matrix, canvas) * mask + ground * (1 - mask)
    return _taken(rng, picture.astype(np.float32), reach, hard), goal


def _taken(rng: np.random.Generator, picture: np.ndarray, reach: float, hard: float) -> np.ndarray:
    high, wide = picture.shape[:2]
    if rng.random() < 0.2:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)  # infrared
    if rng.random() < 0.3 + 0.4 * hard:
        picture = picture * rng.uniform(1 - 0.95 * hard, 1.1) + rng.uniform(0, 60 * hard)
    if rng.random() < 0.3 * hard:
        ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
        at = (rng.uniform(0.2, 0.8) * wide, rng.uniform(0.3, 0.7) * high)
        spread = rng.uniform(0.08, 0.4)
        spot = np.exp(-(((xs - at[0]) / (wide * spread)) ** 2) - ((ys - at[1]) / (high * spread)) ** 2)
        picture = picture + (rng.uniform(60, 320) * spot)[:, :, None]
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), max(0.15, rng.uniform(0, 0.03 * hard) * reach))
    if rng.random() < 0.3 * hard:
        length = max(2, int(rng.uniform(0.02, 0.1) * reach))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1.0 / length
        spin = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(-20, 20), 1)
        kernel = cv2.warpAffine(kernel, spin, (length, length))
        picture = cv2.filter2D(picture, -1, kernel / max(kernel.sum(), 1e-6), borderType=cv2.BORDER_REPLICATE)
    picture = picture + rng.normal(0, rng.uniform(0, 14 * hard + 2), picture.shape)
    done, data = cv2.imencode(
        ".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(45, 96))]
    )
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)
