"""Train the plate reader from nothing: `python train.py --data DIR --work DIR --minutes 85`.

The best weights by the score on the photographs kept back lie in WORK/best.pt, the newest in WORK/last.pt; `export.py`
publishes their mean.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from model import ALPHABET, COLUMNS, Reader, decode
from numpy.typing import NDArray
from samples import Photograph, cut, photographs, samples
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

BATCH = 48
WARM_UP = 150
CLIP = 5.0
# What a better checkpoint is: US street scenes first, then EU, the crops after them.
WEIGHTS = {
    "openalpr_us": 0.4,
    "openalpr_eu": 0.25,
    "openalpr_us_states": 0.15,
    "openalpr_br_crops": 0.1,
    "ankandrew_ar": 0.1,
}
# The detector's box is never the true box; each scene is read with several.
JITTERS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.05, 0.04, 0.05, 0.04),
    (0.1, 0.03, -0.01, 0.08),
    (0.0, 0.1, 0.08, 0.0),
    (0.06, 0.12, 0.06, 0.12),
)


class _Stream(IterableDataset[tuple[Tensor, list[str]]]):
    def __init__(self, data: Path, seed: int, easy: int, real: float, streets: Path | None) -> None:
        self.data, self.seed, self.easy, self.real, self.streets = data, seed, easy, real, streets

    def __iter__(self) -> Iterator[tuple[Tensor, list[str]]]:
        torch.set_num_threads(1)
        source = samples(self.data, self.seed, easy=self.easy, real=self.real, streets=self.streets)
        while True:
            drawn = [next(source) for _ in range(BATCH)]
            yield torch.from_numpy(np.stack([p for p, _ in drawn])), [t for _, t in drawn]


def prepare(pictures: Tensor) -> Tensor:
    """[N, 48, 192, 3] BGR bytes to what the network takes: [N, 3, 48, 192], BGR, /255, mean .5, deviation .5."""
    return (
        pictures.permute(0, 3, 1, 2)
        .to(torch.float32)
        .div_(127.5)
        .sub_(1.0)
        .contiguous(memory_format=torch.channels_last)
    )


def fold(text: str) -> str:
    """The letters that share a shape on plates count as one: O and Q as 0, I as 1."""
    return text.translate(str.maketrans("OQI", "001"))


def read(model: Reader, pictures: list[NDArray[np.uint8]]) -> list[str]:
    """Read each picture on its own, greedily."""
    texts: list[str] = []
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for i in range(0, len(pictures), 64):
            logits, _ = model(prepare(torch.from_numpy(np.stack(pictures[i : i + 64]))))
            texts += [decode(row) for row in logits.argmax(2).tolist()]
    return texts


def score(model: Reader, shots: list[Photograph]) -> tuple[dict[str, dict[str, float]], float]:
    """Share of whole plates read right on photographs kept back, for each set, and the one figure that selects."""
    tally: dict[str, list[tuple[bool, bool]]] = {}
    pictures, owners = [], []
    for shot in shots:
        scene = shot.source in {"openalpr_us", "openalpr_eu", "openalpr_br"}
        for jitter in JITTERS if scene else JITTERS[:1]:
            pictures.append(cut(shot.picture, shot.quad, jitter))
            owners.append(shot)
    for shot, text in zip(owners, read(model, pictures), strict=True):
        tally.setdefault(shot.source, []).append((text == shot.text, fold(text) == fold(shot.text)))
    table = {
        name: {"exact": sum(e for e, _ in t) / len(t), "folded": sum(f for _, f in t) / len(t), "n": len(t)}
        for name, t in sorted(tally.items())
    }
    return table, sum(w * table[name]["folded"] for name, w in WEIGHTS.items())


def save(model: Reader, file: Path, seen: int, figure: float) -> None:
    """Write a checkpoint whole or not at all: an export may read it at any time."""
    part = file.with_suffix(".part")
    torch.save({"model": model.state_dict(), "seen": seen, "figure": figure}, part)
    part.replace(file)


def main() -> None:
    """Train until the minutes are used up; the learning rate follows the share of them that is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labels.csv and the photographs")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--minutes", type=float, default=85)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--easy", type=int, default=15_000, help="samples of the clear beginning")
    parser.add_argument("--real", type=float, default=0.35, help="share of photographed samples after it")
    parser.add_argument("--streets", type=Path, help="plates out of drawn traffic, from streets.py")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from; leaves the clear beginning out")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    args.work.mkdir(parents=True, exist_ok=True)
    model = Reader()
    easy = args.easy
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["model"])
        easy = 0
    model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.02)
    stream = DataLoader(
        _Stream(args.data, args.seed, easy, args.real, args.streets), batch_size=None, num_workers=1, prefetch_factor=8
    )
    ctc = nn.CTCLoss(blank=0, zero_infinity=True)
    kept_back = photographs(args.data, kept_back=True)
    begun = last = time.monotonic()
    best, smooth = -1.0, 4.0
    for step, (pictures, texts) in enumerate(stream, 1):
        gone = (time.monotonic() - begun) / (60 * args.minutes)
        if gone >= 1:
            break
        rate = args.rate * min(1.0, step / WARM_UP) * (0.015 + 0.985 * 0.5 * (1 + math.cos(math.pi * gone)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            final, early = model(prepare(pictures))
        targets = torch.tensor([ALPHABET.index(c) + 1 for t in texts for c in t])
        sizes = torch.tensor([len(t) for t in texts])
        places = torch.full((len(texts),), COLUMNS)
        losses = [ctc(x.float().log_softmax(2).transpose(0, 1), targets, places, sizes) for x in (final, early)]
        loss = losses[0] + 0.5 * losses[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        keep = min(0.999, (1 + step) / (20 + step))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1 - keep)
        smooth += 0.02 * (float(losses[0].detach()) - smooth)
        if step % 100 == 0:
            print(
                f"step {step} seen {step * BATCH} loss {smooth:.3f} rate {rate:.2e} minutes {gone * args.minutes:.1f}",
                flush=True,
            )
        # Recall swings between checkpoints: look often, keep the best.
        if time.monotonic() - last > 150:
            table, figure = score(average, kept_back)
            print(
                json.dumps(
                    {"step": step, "figure": round(figure, 4), **{k: round(v["folded"], 3) for k, v in table.items()}}
                ),
                flush=True,
            )
            save(average, args.work / "last.pt", step * BATCH, figure)
            if figure > best:
                best = figure
                save(average, args.work / "best.pt", step * BATCH, figure)
            last = time.monotonic()
    table, figure = score(average, kept_back)
    print(
        json.dumps({"last": True, "figure": round(figure, 4), **{k: round(v["folded"], 3) for k, v in table.items()}}),
        flush=True,
    )
    save(average, args.work / "last.pt", step * BATCH, figure)
    if figure > best:
        save(average, args.work / "best.pt", step * BATCH, figure)


if __name__ == "__main__":
    main()
