"""Measures a detector's corners, and plates in company, on photographs kept back with drawn plates pasted on, slanted.

`python training/detector/corners.py DATA MODEL.onnx` prints the share of plates found and how far their corners are
off, by the plate's width; then the share found by how many plates a picture shows. The plates are drawn with a seed
never trained with, a fifth of them in two lines.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools

import cv2
import numpy as np
import samples
from evaluate import Forward, detect, onnx_forward, overlap
from photographs import Photograph, scenes

from alprdraw.plates import render_plate

CONFIDENCE = 0.35
WIDTHS = (10, 18, 25, 50, 100, 260)  # pixels as the network sees them


@dataclass(frozen=True, slots=True)
class Pasted:
    """One plate and how it was found: its width in pixels, plates in its picture, and mean distance of the corners
    from the true ones as a share of that width, for the corners found and for those of the upright box; None unfound.
    """

    width: float
    company: int
    off: float | None = None
    upright_off: float | None = None


def pasted_plates(forward: Forward, kept: list[Photograph], pictures: int, seed: int = 77) -> list[Pasted]:
    """Find plates in pictures half a street wide, made from photographs kept back."""
    cv2.setRNGSeed(seed)
    rng = np.random.default_rng(seed)
    stock = [
        np.ascontiguousarray(render_plate(rng, style="two-line" if n % 5 == 0 else None).image[:, :, ::-1])
        for n in range(150)
    ]
    sources = samples.Sources(kept, stock, stock, lambda chance: stock[int(chance.integers(0, len(stock)))])
    by_region = samples.grouped(kept)
    rows: list[Pasted] = []
    for _ in range(pictures):
        made = samples.make(sources, rng, by_region, "pasted", samples.LARGE)
        found = detect(forward, made.image, samples.LARGE, CONFIDENCE)
        for box, quad in zip(made.boxes[made.known], made.corners[made.known], strict=True):
            width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
            shares = overlap(found, box[None])[:, 0]
            if not len(found) or shares.max() < 0.5:
                rows.append(Pasted(width, len(made.boxes)))
                continue
            best = found[int(shares.argmax())]
            quads = best[5:].reshape(4, 2), best[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
            off, upright = (float(np.linalg.norm(found_at - quad, axis=1).mean()) / width for found_at in quads)
            rows.append(Pasted(width, len(made.boxes), off, upright))
    return rows


def tell(rows: list[Pasted]) -> str:
    """Print what was found, by width and by company."""
    lines = ["plate width    plates  found  corners off mean / 9 of 10 under  corners of the upright box the same"]
    for low, high in itertools.pairwise(WIDTHS):
        part = [row for row in rows if low <= row.width < high]
        met = [(row.off, row.upright_off) for row in part if row.off is not None]
        if met:
            off = np.array(met)
            a, b = (f"{off[:, k].mean():.3f} / {np.quantile(off[:, k], 0.9):.3f}" for k in (0, 1))
            lines.append(f"{low:4}-{high:<4} px {len(part):8}  {len(met) / len(part):.3f}  {a:>20}  {b:>20}")
    for least, most in ((1, 1), (2, 2), (3, 4), (5, 20)):
        part = [row for row in rows if least <= row.company <= most]
        if part:
            share = sum(row.off is not None for row in part) / len(part)
            lines.append(f"{least} to {most} plates in the picture: {share:.3f} of {len(part)} found")
    return "\n".join(lines)


def main() -> None:
    """Measure an exported detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=400)
    given = parser.parse_args()
    kept = scenes(given.data, kept_back=True)
    print(tell(pasted_plates(onnx_forward(given.model), kept, given.pictures)))


if __name__ == "__main__":
    main()
