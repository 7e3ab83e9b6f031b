"""Publish the origin network: ONNX with its temperature built in, and model.yaml with what a loader must know.

`python export.py --weights last.pt --data DIR --out DIR`. Temperature and threshold are found on the photographs kept
back, crosswise: each half is judged with the numbers found on the other half, and those figures are reported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from model import HEIGHT, ORIGINS, WIDTH, Origin, Published
from numpy.typing import NDArray
from samples import PLACE, UNKNOWN, Shot, cut, shots
from train import logits

PRECISION = 0.95  # what answers must be worth together, on US plates: the others are told apart far more surely
SMALL = "US crops made 60 to 160 px wide"
LEAST_WIDTH = 40  # pixels; below it nothing but the ground's color is left


def street(shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The plate as a street camera sees it: 60 to 160 pixels wide, a little soft."""
    picture = cut(shot.picture, shot.quad, tuple(rng.uniform(-0.01, 0.05, 4)))
    wide = int(np.exp(rng.uniform(np.log(60), np.log(160))))
    small = cv2.resize(picture, (wide, wide // 2), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 0.9))
    small = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(60, 92))])[1], 1)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def fit_temperature(out: torch.Tensor, truth: torch.Tensor) -> float:
    """The temperature at which the truth is likeliest."""
    grid = np.exp(np.linspace(np.log(0.3), np.log(3), 60))
    losses = [float(torch.nn.functional.cross_entropy(out / t, truth)) for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_threshold(best: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least probability from which on all answers together are right often enough."""
    order = np.argsort(-best)
    worth = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(worth >= PRECISION)
    return float(best[order[enough[-1]]]) if len(enough) else 0.99


def judge(
    out: torch.Tensor, truth: NDArray[np.int64], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    chances = torch.softmax(out / temperature, 1).numpy().astype(np.float64)
    named = chances.copy()
    named[:, [at for at, code in enumerate(ORIGINS) if code == "unknown" or code.endswith("-other")]] = 0
    return named.max(1), named.argmax(1) == truth


def figures(told: NDArray[np.bool_], right: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of a group's plates: told rightly, left unknown, and right among those told."""
    worth = float(right[told].mean()) if told.any() else 0.0
    shares = {"right": (right & told).mean(), "unknown": (~told).mean(), "right_when_told": worth}
    return {name: round(float(share), 3) for name, share in shares.items()} | {"plates": len(right)}


def _group(shot: Shot) -> str:
    if shot.file.startswith("openalpr_us/"):
        return "US street, nobody could tell" if shot.origin == UNKNOWN else "US street"
    return "US crops" if shot.origin.startswith("US-") else shot.origin


def main() -> None:
    """Export, check, and only then put the files in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    saved = torch.load(args.weights, weights_only=True)
    origin = Origin()
    origin.load_state_dict(saved["model"])
    rng = np.random.default_rng(5)
    kept = [s for s in shots(args.data, kept_back=True) if s.origin != "BR" or rng.random() < 0.25]
    truth = np.array([PLACE[s.origin] for s in kept])
    views = [cut(s.picture, s.quad, (0.0, 0.0, 0.0, 0.0)) for s in kept]
    crops = np.array([s.file.startswith("openalpr_us_states/") for s in kept])
    plain = logits(origin, views)
    small = logits(origin, [street(s, rng) for s, crop in zip(kept, crops, strict=True) if crop])
    out, both = torch.cat([plain, small]), np.concatenate([truth, truth[crops]])
    groups = np.array([_group(s) for s in kept] + [SMALL] * int(crops.sum()))
    us = np.array([name.startswith("US") for name in groups])
    halves = np.concatenate([np.arange(len(kept)) % 2, (np.arange(len(kept)) % 2)[crops]])
    told, right = np.zeros(len(out), bool), np.zeros(len(out), bool)
    for half in (0, 1):
        learn, check = halves != half, halves == half
        t = fit_temperature(out[learn], torch.from_numpy(both[learn]))
        least = fit_threshold(*judge(out[learn & us], both[learn & us], t))
        best, right[check] = judge(out[check], both[check], t)
        told[check] = best >= least
    temperature = fit_temperature(out, torch.from_numpy(both))
    threshold = fit_threshold(*judge(out[us], both[us], temperature))
    table = {name: figures(told[groups == name], right[groups == name]) for name in sorted(set(groups))}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "origin.onnx"
        published = Published(origin, temperature).eval()
        torch.onnx.export(
            published, (torch.zeros(2, 3, HEIGHT, WIDTH),), str(file), input_names=["x"], output_names=["probabilities"],
            dynamic_axes={"x": {0: "n"}, "probabilities": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
        onnx.checker.check_model(str(file))
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        stack = np.stack(views[:40]).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        off = float(
            np.abs(session.run(None, {"x": stack})[0] - torch.softmax(plain[:40] / temperature, 1).numpy()).max()
        )
        if off > 1e-3:
            msg = f"ONNX Runtime differs by {off} from the network; nothing was published"
            raise SystemExit(msg)
        about = {
            "name": "plate-origin", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "width": WIDTH, "height": HEIGHT,
            "threshold": round(threshold, 3), "least_width": LEAST_WIDTH, "temperature": round(temperature, 3),
            "samples": saved["seen"], "origins": list(ORIGINS),
        }  # fmt: skip
        args.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, args.out / ".origin.onnx.new")
        (args.out / ".model.yaml.new").write_text(
            "# What a loader must know of origin.onnx; written by training/origin/export.py.\n"
            + yaml.safe_dump(about, sort_keys=False, width=116, default_flow_style=None)
        )
        (args.out / ".origin.onnx.new").replace(args.out / "origin.onnx")
        (args.out / ".model.yaml.new").replace(args.out / "model.yaml")
    print(
        json.dumps({"temperature": about["temperature"], "threshold": about["threshold"], "kept_back": table}, indent=1)
    )


if __name__ == "__main__":
    main()
