"""Trains the plate detector, on the photographs and on drawn plates; from nothing or from weights of its own.

`python training/detector/train.py DATA OUT --minutes 90` leaves `best.pt` (chosen at the size of use) and `last.pt` in
OUT, prints the scores on the photographs kept back, and takes up from `last.pt` where one is; SIGTERM
ends it at the next step and saves where it stood. `--start CHECKPOINT` begins with the weights of an earlier run.
"""

# ruff: noqa: E402 - the folders of the imports and the settings of ultralytics must be named before the imports
from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cv2
import numpy as np
import samples
import torch
from evaluate import SWEEP, Score, measure, tell
from network import Loss, new_model, take_over
from photographs import Image, Photograph, plate_crops, scenes
from torch.utils.data import DataLoader, IterableDataset
from ultralytics import settings
from ultralytics.utils.torch_utils import ModelEMA

BATCH = 16
LARGE_BATCH = 4  # pictures of 512 px cost what a batch of 16 costs at 256 px
LARGE_EVERY = 3  # steps
RATE = 1.5e-3
WARM = 120  # steps
TWO_LINES = 0.12  # share of the drawn plates that stand in two lines: motorcycles, trailers, off-road cars


def rendered_plates(count: int, seed: int) -> Any:
    """Draw a stock of plates; returns a function that takes one at random."""
    from alprdraw.plates import render_plate

    rng = np.random.default_rng(seed)
    stock: list[Image] = []
    for _ in range(count):
        plate = render_plate(rng, style="two-line" if rng.random() < TWO_LINES else None)
        stock.append(np.ascontiguousarray(plate.image[:, :, ::-1]))
    return lambda chance: stock[int(chance.integers(0, len(stock)))]


def drawn_scenes(drives: int) -> list[Photograph]:
    """Frames of the demonstration drive, so that the detector also works on drawn streets."""
    if not drives:
        return []
    from alprdraw.scenes import render_drive

    found: list[Photograph] = []
    for seed in range(1000, 1000 + drives):
        for number, frame in enumerate(render_drive(seed, 6, frames_per_vehicle=3)):
            image = np.ascontiguousarray(frame.image[:, :, ::-1])
            half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            boxes = np.array([(x, y, x + w, y + h) for _, x, y, w, h in frame.plates], np.float32).reshape(-1, 4)
            if len(boxes):
                found.append(Photograph(f"drive-{seed}-{number}", "drawn", (image, np.asarray(half, np.uint8)), boxes))
    return found


class Stream(IterableDataset[dict[str, torch.Tensor]]):
    """An endless run of batches, every picture new; every third batch is of large windows."""

    def __init__(self, data: Path, seed: int, stock: int, drives: int) -> None:
        self.data, self.seed, self.stock, self.drives = data, seed, stock, drives

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        train = scenes(self.data, kept_back=False)
        rendered = rendered_plates(self.stock, self.seed) if self.stock else None
        sources = samples.Sources(train, *plate_crops(self.data, train), rendered, drawn_scenes(self.drives))
        by_region = samples.grouped(train)
        rng = np.random.default_rng(self.seed)
        while True:
            for _ in range(LARGE_EVERY - 1):
                yield collate([samples.make(sources, rng, by_region) for _ in range(BATCH)])
            yield collate([samples.make(sources, rng, by_region, side=samples.LARGE) for _ in range(LARGE_BATCH)])


def collate(made: list[samples.Made]) -> dict[str, torch.Tensor]:
    """Batch pictures as ultralytics' loss expects them: boxes as center and size, corners with "known", 0..1."""
    pixels = np.stack([one.image[:, :, ::-1].transpose(2, 0, 1) for one in made])
    side = pixels.shape[2]
    boxes = np.concatenate([one.boxes for one in made]).astype(np.float32) / side
    corners = np.concatenate([one.corners for one in made]).astype(np.float32) / side
    known = np.concatenate([one.known for one in made]).astype(np.float32)
    index = np.repeat(np.arange(len(made)), [len(one.boxes) for one in made])
    middle = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
    flags = np.broadcast_to(known[:, None, None], (len(known), 4, 1))
    return {
        "img": torch.from_numpy(pixels),
        "batch_idx": torch.from_numpy(index).float(),
        "cls": torch.zeros(len(index), 1),
        "bboxes": torch.from_numpy(middle),
        "keypoints": torch.from_numpy(np.concatenate([corners, flags], 2)),
    }


def merit(table: dict[str, list[Score]]) -> float:
    """Weigh one validation at the confidence that suits it best: recall less a tenth for each false box a picture."""
    weights = {"us@640": 3.0, "eu@640": 3.0, "ro@640": 3.0, "us@544": 2.0, "eu@544": 1.0, "ro@544": 2.0, "br@640": 0.5}
    rows = [(weights[name], row) for name, row in table.items() if name in weights]
    return max(sum(w * (row[at].recall - 0.1 * row[at].false_each) for w, row in rows) for at in range(len(SWEEP)))


def thin(photographs: list[Photograph], keep_ro: int) -> list[Photograph]:
    """Leave most of the dash-cam frames out of the frequent validation: they come from few drives."""
    ro = [p for p in photographs if p.region == "ro"]
    step = max(1, len(ro) // keep_ro)
    return [p for p in photographs if p.region != "ro"] + ro[::step]


def main() -> None:
    """Train until the minutes are over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--check-minutes", type=float, default=7)
    parser.add_argument("--stock", type=int, default=1500, help="rendered plates to draw from; 0 for none")
    parser.add_argument("--drives", type=int, default=12, help="drawn drives to learn from; 0 for none")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--steady", type=float, default=0.5, help="share of the time before the rate falls")
    parser.add_argument("--start", type=Path, help="checkpoint whose weights are the first; the corners may be missing")
    given = parser.parse_args()
    settings.update({"sync": False})
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)

    model = new_model()
    if given.start:
        fresh = take_over(model, torch.load(given.start, weights_only=True)["ema"])
        print(f"begun with {given.start}; {len(fresh)} tensors start fresh", flush=True)
    ema = ModelEMA(model, decay=0.998, tau=300)
    optimizer = torch.optim.AdamW(model.parameters(), lr=given.rate, weight_decay=0.02)
    step, spent, best = 0, 0.0, -1.0
    last = given.out / "last.pt"
    if last.is_file():
        state = torch.load(last, weights_only=True)
        model.load_state_dict(state["model"])
        ema.ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent, best = state["step"], state["spent"], state["best"]
        ema.updates = step
    model.criterion = Loss(model)

    kept = thin(scenes(given.data, kept_back=True, levels=1), 26)
    stream = Stream(given.data, given.seed + step, given.stock, given.drives)
    loader = DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=6)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    begun, checked, running = time.monotonic() - spent, time.monotonic(), 0.0
    for batch in loader:
        part = (time.monotonic() - begun) / (given.minutes * 60)
        rate = given.rate * min(1.0, (step + 1) / WARM) * min(1.0, max(0.02, (1 - part) / (1 - given.steady)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch["img"] = batch["img"].float().div_(255)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = model(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        ema.update(model)
        step += 1
        running += (float(loss.detach().sum()) / len(batch["img"]) - running) / min(step, 100)
        if step % 50 == 0:
            spent = time.monotonic() - begun
            items = {key: round(float(value), 3) for key, value in parts.items()}
            print(f"step {step} {spent / 60:.1f} min loss {running:.3f} {items} rate {rate:.2e}", flush=True)
        due = time.monotonic() - checked > given.check_minutes * 60 or part >= 1
        if due:
            table = measure(lambda x: ema.ema(x)[0], kept, (544, 640))
            worth = merit(table)
            print(f"CHECK step {step} merit {worth:.4f}\n{tell(table)}", flush=True)
            weights = {"ema": ema.ema.state_dict(), "step": step, "merit": worth}
            torch.save(weights, given.out / f"step{step}.pt")
            if worth > best:
                best = worth
                torch.save(weights, given.out / "best.pt")
            checked = time.monotonic()
        if due or asked:
            spent = time.monotonic() - begun
            state = {"ema": ema.ema.state_dict(), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "step": step, "spent": spent, "best": best}, last)
            if part >= 1 or asked:
                return


if __name__ == "__main__":
    main()
