"""Cut plates out of drawn traffic for the reader to learn from: `python streets.py --out FILE --scenes 200 --seed 1000`.

A plate in a street has gone through perspective, motion, noise and the camera's own compression together, which plates
drawn alone see one by one. The scenes' seeds lie far from those that `bench/drive.py` judges by.
"""

from __future__ import annotations

import argparse
import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from samples import Photograph, rectangle

from alprdraw.plates import RenderedPlate
from alprdraw.traffic import plan_scene, render_scene

A_SCENE = 10  # vehicles
EVERY = 2  # frames: neighbors differ little
LEAST = 42  # pixels


def plates(seed: int, number: int) -> Iterator[Photograph]:
    """Play one scene and cut its plates out, each with half its width of surroundings; one of two lines gives both."""
    scene = plan_scene(seed, number, A_SCENE)
    vehicles = {vehicle.number: vehicle.plate for vehicle in scene.vehicles}
    for at, drawn in enumerate(render_scene(seed, number, scene)):
        wanted = [plate for plate in drawn.plates if plate[0] not in drawn.hidden and plate[3] >= LEAST]
        if at % EVERY or not wanted:
            continue
        out = io.BytesIO()
        Image.fromarray(drawn.image).save(out, "JPEG", quality=60 + 5 * (number % 8))
        frame = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_COLOR)
        for name, x, y, w, h in wanted:
            x0, y0 = max(0, int(x - 0.5 * w)), max(0, int(y - 0.7 * h))
            piece = frame[y0 : int(y + 1.7 * h), x0 : int(x + 1.5 * w)].copy()
            for top, low, text in _lines(vehicles[name]):
                quad = rectangle(x - x0, y - y0 + top * h, w, (low - top) * h)
                yield Photograph(piece, quad, text, "street", "")


def _lines(plate: RenderedPlate) -> list[tuple[float, float, str]]:
    if len(plate.lines) < 2:
        return [(0.0, 1.0, plate.text)]
    height = plate.image.shape[0]
    middle = (plate.lines[0].box[3] + plate.lines[1].box[1]) / 2 / height
    return [(0.0, middle + 0.03, plate.lines[0].text), (middle - 0.03, 1.0, plate.lines[1].text)]


def main() -> None:
    """Draw, cut, write as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    args = parser.parse_args()
    found: list[tuple[bytes, np.ndarray, str]] = []
    for number in range(args.scenes):
        shots = plates(args.seed, number)
        found.extend((cv2.imencode(".png", shot.picture)[1].tobytes(), shot.quad, shot.text) for shot in shots)
        print(f"scene {number}: {len(found)} plates", flush=True)
        part = args.out.with_suffix(".part")
        part.write_bytes(pickle.dumps(found))
        part.replace(args.out)


if __name__ == "__main__":
    main()
