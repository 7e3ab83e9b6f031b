"""Train the origin network: `python train.py --data DIR --work DIR --minutes 60`.

The newest weights lie in WORK/last.pt; `--resume FILE` begins from a checkpoint, with `--high` and `--low` as the learning
rates at the beginning and the end.
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
from model import ORIGINS, Origin
from numpy.typing import NDArray
from samples import Shot, cut, samples, shots
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

BATCH = 64
WARM_UP = 100


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.seed = data, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        source = samples(self.data, self.seed)
        while True:
            drawn = [next(source) for _ in range(BATCH)]
            yield torch.from_numpy(np.stack([p for p, _ in drawn])), torch.from_numpy(np.stack([t for _, t in drawn]))


def prepare(pictures: Tensor) -> Tensor:
    """[N, 80, 160, 3] BGR bytes to what the network takes: [N, 3, 80, 160], BGR, /127.5 - 1."""
    return (
        pictures.permute(0, 3, 1, 2)
        .to(torch.float32)
        .div_(127.5)
        .sub_(1.0)
        .contiguous(memory_format=torch.channels_last)
    )


@torch.no_grad()
def logits(model: Origin, pictures: list[NDArray[np.uint8]]) -> Tensor:
    model.eval()
    parts = [prepare(torch.from_numpy(np.stack(pictures[i : i + 64]))) for i in range(0, len(pictures), 64)]
    return torch.cat([model(p) for p in parts])


def score(model: Origin, kept_back: list[Shot]) -> dict[str, float]:
    """How often the likeliest origin is right, by group of photographs kept back."""
    best = logits(model, [cut(s.picture, s.quad, (0.0, 0.0, 0.0, 0.0)) for s in kept_back]).argmax(1).tolist()
    tally: dict[str, list[bool]] = {}
    for shot, at in zip(kept_back, best, strict=True):
        street = "street, " if shot.file.startswith("openalpr_us/") else ""
        group = street + ("us" if shot.origin.startswith("US-") else shot.origin)
        tally.setdefault(group, []).append(ORIGINS[at] == shot.origin)
    return {name: round(sum(t) / len(t), 3) for name, t in sorted(tally.items())}


def main() -> None:
    """Train for the minutes given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--high", type=float, default=2e-3)
    parser.add_argument("--low", type=float, default=2e-5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    args.work.mkdir(parents=True, exist_ok=True)
    model = Origin().to(memory_format=torch.channels_last)
    seen = 0
    if args.resume:
        saved = torch.load(args.resume, weights_only=True)
        model.load_state_dict(saved["model"])
        seen = saved["seen"]
    average = copy.deepcopy(model)
    kept_back = [s for s in shots(args.data, kept_back=True) if s.origin != "BR"]
    grouped = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(grouped, lr=args.high)
    stream = iter(DataLoader(_Stream(args.data, args.seed), batch_size=None, num_workers=1, prefetch_factor=4))
    begin = time.monotonic()
    told, losses, step = begin, [], 0
    while (part := (time.monotonic() - begin) / (60 * args.minutes)) < 1:
        pictures, goals = next(stream)
        rate = args.low + (args.high - args.low) * 0.5 * (1 + math.cos(math.pi * part))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARM_UP)
        x, goals = prepare(pictures), goals * 0.95 + 0.05 / len(ORIGINS)
        if random.random() < 0.4:  # two plates laid over each other: few photographs must serve for long
            share = random.betavariate(0.4, 0.4)
            order = torch.randperm(len(x))
            x, goals = share * x + (1 - share) * x[order], share * goals + (1 - share) * goals[order]
        model.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(x.contiguous(memory_format=torch.channels_last))
        loss = -(goals * torch.log_softmax(out.float(), 1)).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        step, seen = step + 1, seen + len(x)
        losses.append(float(loss.detach()))
        keep = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now.to(mean.dtype), 1 - keep)
                else:
                    mean.copy_(now)
        if time.monotonic() - told > 150:
            told = time.monotonic()
            figures = score(average, kept_back)
            line = {
                "minutes": round((told - begin) / 60, 1),
                "seen": seen,
                "loss": round(float(np.mean(losses)), 3),
                **figures,
            }
            print(json.dumps(line), flush=True)
            losses = []
            torch.save({"model": average.state_dict(), "seen": seen}, args.work / "last.pt")
    print(json.dumps({"last": True, "seen": seen, **score(average, kept_back)}), flush=True)
    torch.save({"model": average.state_dict(), "seen": seen}, args.work / "last.pt")


if __name__ == "__main__":
    main()
