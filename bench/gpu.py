"""1080p JPEG frames a second on a GPU, from memory to reads, with the share of every step: the largest bounds the rest.

`make bench-gpu`. Without a GPU that the libraries can use it says so, measures nothing and ends with 75.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import cv2

from alpr_recognizer.models.backend import count_gpus
from alpr_recognizer.models.look import Models
from alprcore.errors import Misconfigured
from alprdraw.scenes import render_drive
from bench.report import Report

WEIGHTS = Path(__file__).resolve().parents[1] / "services/recognizer/src/alpr_recognizer/weights"
PLATES = ["7KVM382", "4TRW555", "8HXN164", "6JEP297"]
GOAL = 2500
WIDTH, HEIGHT = 1920, 1080
NOT_MEASURED = 75


class Clock:
    """Where the time of wrapped calls goes; the card is waited for before each look at the clock."""

    def __init__(self, wait):
        self.spent = Counter()
        self._wait = wait

    def wrap(self, owner, name, what):
        """Time every call of a method."""
        inner = getattr(owner, name)

        def timed(*given, **named):
            self._wait()
            begun = time.perf_counter()
            try:
                return inner(*given, **named)
            finally:
                self._wait()
                self.spent[what] += time.perf_counter() - begun

        setattr(owner, name, timed)


def frames(count):
    """Draw street scenes with plates, 1080p."""
    drawn = [cv2.resize(scene.image[:, :, ::-1], (WIDTH, HEIGHT)) for scene in render_drive(11, PLATES)]
    jpegs = [bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]) for picture in drawn]
    return (jpegs * (count // len(jpegs) + 1))[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=4096)
    given = parser.parse_args()
    if not count_gpus():
        print("no GPU: the driver shows none, nothing was measured", file=sys.stderr)
        return NOT_MEASURED
    try:
        models = Models(WEIGHTS, threads=1, wide=False, backend="gpu")
    except Misconfigured as error:
        print(f"{error}; nothing was measured", file=sys.stderr)
        return NOT_MEASURED
    import torch

    jpegs, step = frames(given.frames), models.backend.at_once
    models.find_plates(jpegs[: 4 * step])
    begun = time.perf_counter()
    plates = 0
    for at in range(0, len(jpegs), step):
        plates += sum(len(result.candidates) for result in models.find_plates(jpegs[at : at + step]))
    rate = len(jpegs) / (time.perf_counter() - begun)
    out = Report("gpu", "1080p JPEG frames a second on a GPU")
    out.row("runs on", models.info.backend, "")
    out.row(f"{len(jpegs)} frames from memory, {plates} plates", f"{rate:.0f} frames/s", f"goal {GOAL}")
    clock = Clock(
        torch.cuda.synchronize
    )  # waiting for the card at every step costs time: a second run, for the shares only
    clock.wrap(models.backend, "decode", "decoding")
    clock.wrap(models.detector, "detect", "detection")
    clock.wrap(models.backend, "around", "plates to memory")
    clock.wrap(models.reader, "read_plates", "reading")
    begun = time.perf_counter()
    for at in range(0, len(jpegs), step):
        models.find_plates(jpegs[at : at + step])
    total = time.perf_counter() - begun
    for what, spent in clock.spent.most_common():
        out.row(what, f"{spent / total:.0%} of the time", f"{len(jpegs) / spent:.0f} frames/s by itself")
    out.row("origin, color, quality, close-ups, checks", f"{1 - sum(clock.spent.values()) / total:.0%} of the time", "")
    out.write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
