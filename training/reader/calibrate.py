"""Make the reader's probabilities true: `PYTHONPATH=. python training/reader/calibrate.py --data DIR --weights DIR`.

Two numbers are fitted, `slope` and `offset` of `ctc.calibrated`, so that the product of a plate's character probabilities is
how often such a plate is read right. Fitted on photographs kept back from training, of which no other photograph shows the
same plate, and on drawn plates of a seed that no training used; both weigh the same. What is printed is cross-fitted: each
half of the photographs is judged by the numbers that the other half (and the drawn plates) gave. What is written into
inference.yml was fitted on all.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from alpr_recognizer.ctc import Text
from alpr_recognizer.models import backend as backends
from alpr_recognizer.models.detector import Found
from alpr_recognizer.models.reader import PlateReader
from alprcore.model import Box
from bench.samples import Labeled, drawn, photographs

Numbers = NDArray[np.float64]

SEED = 30_007
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
# The detector's box is off by some pixels: a photographed scene is read at each of these, a crop at the first alone.
MOVED = ((0.0, 0.0, 0.0, 0.0), (0.05, 0.04, 0.05, 0.04), (0.08, 0.03, -0.01, 0.06), (0.0, 0.06, 0.06, 0.0))


@dataclass(frozen=True)
class Answers:
    """Texts as they were read, one row each."""

    odds: Numbers
    """Log-odds of the characters, padded with infinity: [texts, most characters]."""
    right: NDArray[np.bool_]
    weight: Numbers
    half: NDArray[np.int64]
    """0 or 1, by the file's plate; the readings of one photograph stay together."""

    def chances(self, slope: float, offset: float) -> Numbers:
        """Whole-plate probabilities under a calibration."""
        return (1 / (1 + np.exp(-np.minimum(slope * self.odds + offset, 60)))).prod(1)

    def part(self, chosen: NDArray[np.bool_]) -> Answers:
        return Answers(self.odds[chosen], self.right[chosen], self.weight[chosen], self.half[chosen])


def answer(reader: PlateReader, plates: Iterable[Labeled]) -> Answers:
    """Read plates as at run time; a text with no character says nothing and is left out."""
    odds, right, weight, half = [], [], [], []
    for plate in plates:
        x, y, w, h = plate.box
        whole = (w, h) == (plate.picture.shape[1], plate.picture.shape[0])
        moves = MOVED[:1] if whole or plate.source == "drawn" else MOVED
        boxes = [Box(x - l * w, y - t * h, w * (1 + l + r), h * (1 + t + b)) for l, t, r, b in moves]
        texts = reader.read_plates([(plate.picture, Found(box, 1.0, plate.corners)) for box in boxes])
        for text in texts:
            if not text.characters:
                continue
            odds.append(_odds(text))
            right.append(_same(text, plate))
            weight.append(1 / len(moves))
            half.append(hashlib.sha256(plate.text.encode()).digest()[0] % 2)
    most = max(map(len, odds))
    table = np.full((len(odds), most), np.inf)
    for row, values in zip(table, odds, strict=True):
        row[: len(values)] = values
    return Answers(table, np.array(right), np.array(weight), np.array(half))


def _odds(text: Text) -> list[float]:
    stated = np.clip([character.first_probability for character in text.characters], 1e-6, 1 - 1e-6)
    return list(np.log(stated / (1 - stated)))


def _same(text: Text, plate: Labeled) -> bool:
    shape = str.maketrans("" if plate.exact else "OQI", "" if plate.exact else "001")
    return text.plate.reveal().translate(shape) == plate.text.translate(shape)


def fit(parts: list[Answers]) -> tuple[float, float]:
    """Slope and offset of the greatest likelihood of right and wrong; every part weighs the same."""

    def cost(slope: float, offset: float) -> float:
        total = 0.0
        for part in parts:
            chance = np.clip(part.chances(slope, offset), 1e-6, 1 - 1e-6)
            told = np.where(part.right, np.log(chance), np.log(1 - chance))
            total -= float((told * part.weight).sum() / part.weight.sum())
        return total

    grid = [(slope, offset) for slope in np.arange(0.1, 1.51, 0.05) for offset in np.arange(-3, 3.01, 0.1)]
    slope, offset = min(grid, key=lambda pair: cost(*pair))
    near = [(slope + a, offset + b) for a in np.arange(-0.05, 0.051, 0.01) for b in np.arange(-0.1, 0.101, 0.02)]
    slope, offset = min(near, key=lambda pair: cost(*pair))
    return round(float(slope), 3), round(float(offset), 3)


def error(right: NDArray[np.bool_], chance: Numbers, weight: Numbers) -> float:
    """Expected calibration error over `BINS` (Naeini et al. 2015)."""
    place = np.clip(np.searchsorted(BINS, chance, "right") - 1, 0, len(BINS) - 2)
    gaps = [
        abs(float(((right - chance) * weight)[place == at].sum())) for at in range(len(BINS) - 1) if (place == at).any()
    ]
    return sum(gaps) / float(weight.sum())


def main() -> None:
    """Read, fit crosswise, print, fit on all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="the folder of inference.onnx and inference.yml")
    parser.add_argument("--drawn", type=int, default=600)
    args = parser.parse_args()
    reader = PlateReader(args.weights, backends.start("auto", threads=1))
    reader.curve = (1.0, 0.0)
    street = answer(reader, photographs(args.data, kept_back=True))
    paper = answer(reader, drawn(SEED, args.drawn))
    crossed = np.zeros(len(street.right))
    for half in (0, 1):
        curve = fit([street.part(street.half != half), paper])
        crossed[street.half == half] = street.part(street.half == half).chances(*curve)
        print(f"fitted on the other half: slope {curve[0]}, offset {curve[1]}")
    before = error(street.right, street.chances(1.0, 0.0), street.weight)
    after = error(street.right, crossed, street.weight)
    print(f"photographs, {len(street.right)} readings: calibration error {before:.3f}, cross-fitted {after:.3f}")
    for bar in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98):
        told = crossed >= bar
        wrong = float((street.weight * ~street.right)[told].sum())
        print(f"from {bar}: {told.mean():.1%} published, {wrong:.2f} of {street.weight[told].sum():.1f} wrong")
    slope, offset = fit([street, paper])
    drawn_error = error(paper.right, paper.chances(slope, offset), paper.weight)
    print(f"fitted on all: slope {slope}, offset {offset}; drawn plates: calibration error {drawn_error:.3f}")
    about = yaml.safe_load((args.weights / "inference.yml").read_text(encoding="utf-8"))
    about["Calibration"] = {"slope": slope, "offset": offset}
    (args.weights / "inference.yml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
