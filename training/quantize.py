"""Makes the detector quicker: 8-bit integers in its body, beside the exported weights (plate.int8.xml and .bin).

`python training/quantize.py DATA services/recognizer/src/alpr_recognizer/weights/detector`, after every export; needs
openvino and nncf. Ranges are measured on photographs that were trained on, never on those kept back, and on drawn scenes.
The end of the head stays as it was: rounded to 8 bits it moved boxes (mean IoU with the labels .79 instead of .84) and lost
plates.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import nncf
import numpy as np
import openvino
import yaml
from numpy.typing import NDArray
from openvino._offline_transformations import apply_moc_transformations
from split import held_out

from alpr_recognizer.models.backend import SOURCE
from alpr_recognizer.models.finder import fit_into, letterbox
from alprdraw.scenes import render_drive

PHOTOGRAPHS = 120
DRAWN_PLATES = ["7KVM382", "4TRW555", "8HXN164"]


def pictures(data: Path) -> Iterator[NDArray[np.uint8]]:
    """Give street photographs of the training side, then drawn ones."""
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        names = sorted({row["file"] for row in csv.DictReader(file) if row["kind"] == "scene"})
    trained = [name for name in names if not held_out(name)]
    for name in random.Random(0).sample(trained, min(PHOTOGRAPHS, len(trained))):
        yield cv2.imread(str(data / name))
    for scene in list(render_drive(5, DRAWN_PLATES))[::4]:
        yield np.ascontiguousarray(scene.image[:, :, ::-1])


def quantize(file: Path, seen: list[NDArray[np.float32]]) -> Any:
    """Round all layers up to and with the first of each branch of the head, which is the network's last module."""
    model = openvino.Core().read_model(file)
    # joins sigmoid and product to one activation, which is then not rounded in between
    apply_moc_transformations(model, cf=True)
    names = [name for op in model.get_ops() if "/model." in (name := op.get_friendly_name())]
    head = max(int(name.split(".")[1].split("/")[0]) for name in names)
    return nncf.quantize(
        model,
        nncf.Dataset(seen),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(seen),
        ignored_scope=nncf.IgnoredScope(patterns=[rf".*/model\.{head}/(?!cv\d\.\d/cv\d\.\d\.0/).*"]),
    )


def main() -> None:
    """Quantize and put both files in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path, help="folder with plate.onnx and model.yaml")
    given = parser.parse_args()
    about = yaml.safe_load((given.weights / "model.yaml").read_text(encoding="utf-8"))
    seen = []
    for index, picture in enumerate(pictures(given.data)):
        size = about["second_input_size"] if index % 4 == 3 else about["input_size"]
        boxed = letterbox(picture, fit_into(picture.shape[1], picture.shape[0], size))
        seen.append(cv2.dnn.blobFromImages([boxed], 1 / 255, swapRB=True))
    source = given.weights / "plate.onnx"
    model = quantize(source, seen)
    model.set_rt_info(hashlib.sha256(source.read_bytes()).hexdigest(), SOURCE)
    with tempfile.TemporaryDirectory(dir=given.weights) as folder:
        openvino.save_model(model, Path(folder) / "plate.int8.xml", compress_to_fp16=False)
        for part in (".bin", ".xml"):  # the description last: it is what a loader looks for
            (Path(folder) / f"plate.int8{part}").replace(given.weights / f"plate.int8{part}")
    print(sum((given.weights / f"plate.int8{part}").stat().st_size for part in (".bin", ".xml")), "bytes")


if __name__ == "__main__":
    main()
