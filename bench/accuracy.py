"""Runs the shipped models over labeled photographs and writes what they read, for a scorer to compare.

`.venv-recognizer/bin/python bench/accuracy.py LABELS.csv FOLDER OUT.csv` with a `file` column in LABELS, relative to
FOLDER. OUT has one row a plate: file, plate, x, y, w, h, state, score. Crops of a plate are read as they are.
"""

import argparse
import csv
import time
from pathlib import Path

import cv2

from alpr_recognizer.models.detector import Found
from alpr_recognizer.models.look import Models
from alprcore.model import UNKNOWN, Box

WEIGHTS = Path(__file__).resolve().parents[1] / "services/recognizer/src/alpr_recognizer/weights"


def main() -> None:
    """Read every photograph that the labels name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", help="only files below this folder; may be given several times")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wide", action="store_true", help="look at wide frames at 1280 pixels")
    given = parser.parse_args()
    with given.labels.open(newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    names = [name for name in rows if not given.set or name.split("/")[0] in given.set]
    models = Models(WEIGHTS, threads=given.threads, wide=given.wide)
    spent, plates = 0.0, []
    for name in names:
        picture = cv2.imread(str(given.folder / name))
        crop = rows[name].get("kind") == "crop"
        begun = time.perf_counter()
        whole = [Found(Box(0, 0, picture.shape[1], picture.shape[0]), 1.0)]
        seen = whole if crop else models.detector.detect([picture])[0]
        texts = models.reader.read_plates([(picture, found) for found in seen])
        spent += time.perf_counter() - begun
        plates += [(name, found.box, text) for found, text in zip(seen, texts, strict=True)]
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "plate", "x", "y", "w", "h", "state", "score"])
        for name, box, text in plates:
            place = [round(value, 1) for value in (box.x, box.y, box.width, box.height)]
            writer.writerow([name, text.plate.reveal(), *place, UNKNOWN, round(text.confidence, 4)])
    print(f"{len(names)} photographs, {len(plates)} plates, {spent / max(1, len(names)) * 1000:.0f} ms a photograph")


if __name__ == "__main__":
    main()
