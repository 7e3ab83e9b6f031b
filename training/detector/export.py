"""Writes a trained detector as ONNX for any batch and size, and beside it what a loader must know (model.yaml).

`python training/detector/export.py OUT/best.pt services/recognizer/src/alpr_recognizer/weights/detector --confidence .4`
"""

# ruff: noqa: E402 - the folders of the imports and the settings of ultralytics must be named before the imports
from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import onnx
import onnx.helper
import torch
from evaluate import NMS_IOU
from network import new_model
from ultralytics import YOLO

LICENSE = "AGPL-3.0-or-later"
LOADER_KEYS = ("stride", "task", "kpt_shape", "head", "batch", "imgsz", "names", "args", "channels", "end2end")
MOST_BYTES = 12_000_000


def export(checkpoint: Path) -> bytes:
    """Turn the averaged weights of a checkpoint into an ONNX graph; boxes come out before non-maximum suppression."""
    model = new_model()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["ema"])
    model = model.float().eval().to(memory_format=torch.contiguous_format)
    wrapped = YOLO(HERE / "plate-n.yaml", task="pose")
    model.args, model.task = {"imgsz": 640, "data": ""}, "pose"
    wrapped.model = model
    with tempfile.TemporaryDirectory() as folder:
        model.pt_path = str(Path(folder) / "plate.pt")
        path = wrapped.export(format="onnx", dynamic=True, simplify=False, opset=17, imgsz=640, device="cpu")
        graph = onnx.load(path)
    # The day of export and the exporter's own advertising would give the same weights another hash every time.
    kept = {p.key: p.value for p in graph.metadata_props if p.key in LOADER_KEYS}
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {"description": "License plate detector", "license": LICENSE, **kept})
    return graph.SerializeToString(deterministic=True)


def main() -> None:
    """Export, and put both files in place at once, so that no reader meets half of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--confidence", type=float, required=True)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--least-size", type=int, default=416)
    parser.add_argument("--second-size", type=int, default=320)
    given = parser.parse_args()
    content = export(given.checkpoint)
    if len(content) > MOST_BYTES:
        raise SystemExit(f"{len(content)} bytes are too many to ship")
    digest = hashlib.sha256(content).hexdigest()
    about = (
        "# What a loader must know of plate.onnx; written by training/detector/export.py.\n"
        "name: plate-n\n"
        f"sha256: {digest}\n"
        f"input_size: {given.size} # longer side, pixels; any multiple of 32 works\n"
        f"least_input_size: {given.least_size} # smaller pictures are enlarged to this, larger ones not at all\n"
        f"second_input_size: {given.second_size} # for a second look where nothing or something wide is found: close-ups\n"
        f"confidence: {given.confidence:.2f}\n"
        f"iou: {NMS_IOU:.2f} # of non-maximum suppression, which is left to the loader\n"
        "classes: [plate]\n"
        "corners: true # 8 more values a box: upper left, upper right, lower right, lower left, x and y\n"
    )
    given.out.mkdir(parents=True, exist_ok=True)
    for name, data in (("plate.onnx", content), ("model.yaml", about.encode())):
        part = given.out / f".{name}.part"
        part.write_bytes(data)
        shutil.move(part, given.out / name)
    print(digest, len(content))


if __name__ == "__main__":
    main()
