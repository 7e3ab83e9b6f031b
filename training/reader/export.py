"""Publish trained weights: ONNX and inference.yml as PaddleOCR's TextRecognition loads them, and the scores beside them.

`python export.py --weights best.pt last.pt --data DIR --out DIR`. What is published was read back through PaddleOCR and gave the
same text as the network itself; otherwise nothing is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from model import ALPHABET, HEIGHT, WIDTH, Published, Reader, decode
from numpy.typing import NDArray
from samples import Photograph, cut, photographs
from train import JITTERS, fold

# PaddleOCR opens only names it knows; the name picks its code path, the weights are ours.
MODEL_NAME = "en_PP-OCRv5_mobile_rec"


def settings() -> dict[str, object]:
    """What PaddleOCR has to know: channel order BGR, 48x192, the characters without the blank at place 0."""
    return {
        "Global": {"model_name": MODEL_NAME},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"RecResizeImg": {"image_shape": [3, HEIGHT, WIDTH]}},
                {"KeepKeys": {"keep_keys": ["image"]}},
            ]
        },
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(ALPHABET)},
    }


def probabilities(session: onnxruntime.InferenceSession, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """[N, 48, 37] probabilities for [48, 192, 3] BGR pictures."""
    stack = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    return np.concatenate([session.run(None, {"x": stack[i : i + 32]})[0] for i in range(0, len(stack), 32)])


def scores(
    session: onnxruntime.InferenceSession, shots: list[Photograph], known: set[str]
) -> dict[str, dict[str, float]]:
    """Share of plates read whole on photographs kept back; scenes are read with several boxes around the true one.

    `known` are the numbers that a photograph of the training part shows too; without them counts what is `new`.
    """
    tally: dict[str, list[tuple[bool, bool, bool]]] = {}
    for shot in shots:
        scene = shot.source in {"openalpr_us", "openalpr_eu", "openalpr_br"}
        pictures = [cut(shot.picture, shot.quad, j) for j in (JITTERS if scene else JITTERS[:1])]
        for row in probabilities(session, pictures):
            text = decode(row.argmax(1).tolist())
            result = (text == shot.text, fold(text) == fold(shot.text), shot.text not in known)
            tally.setdefault(shot.source, []).append(result)
    return {
        name: {
            "exact": round(sum(e for e, _, _ in t) / len(t), 3),
            "folded": round(sum(f for _, f, _ in t) / len(t), 3),
            "readings": len(t),
            "folded_new": round(sum(f for _, f, n in t if n) / max(1, sum(n for _, _, n in t)), 3),
            "readings_new": sum(n for _, _, n in t),
        }
        for name, t in sorted(tally.items())
    }


def read_by_paddleocr(folder: Path, pictures: list[NDArray[np.uint8]]) -> list[str]:
    """Read the pictures through the library that will load the weights."""
    os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"
    from paddleocr import TextRecognition

    reader = TextRecognition(
        model_name=MODEL_NAME, model_dir=str(folder), engine="onnxruntime", input_shape=(3, HEIGHT, WIDTH), device="cpu"
    )
    return [str(result["rec_text"]) for result in reader.predict(pictures, batch_size=16)]


def average(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of several checkpoints of one lineage: steadier than any one picked on few photographs."""
    return {
        name: torch.stack([part[name] for part in parts]).mean(0) if first.dtype.is_floating_point else first
        for name, first in parts[0].items()
    }


def main() -> None:
    """Export, check, and only then put the files in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="several of one lineage are averaged")
    parser.add_argument("--samples", type=int, help="seen by the whole lineage; otherwise by the last run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    reader = Reader()
    saved = [torch.load(file, weights_only=True) for file in args.weights]
    reader.load_state_dict(average([part["model"] for part in saved]))
    published = Published(reader).eval()
    shots = photographs(args.data, kept_back=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.onnx.export(
            published, (torch.zeros(2, 3, HEIGHT, WIDTH),), str(folder / "inference.onnx"), input_names=["x"],
            output_names=["probabilities"], dynamic_axes={"x": {0: "n"}, "probabilities": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
        onnx.checker.check_model(str(folder / "inference.onnx"))
        (folder / "inference.yml").write_text(yaml.safe_dump(settings(), sort_keys=False))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(folder / "inference.onnx"), options, providers=["CPUExecutionProvider"]
        )
        pictures = [cut(s.picture, s.quad, JITTERS[0]) for s in shots[::3]]
        own = [decode(row.argmax(1).tolist()) for row in probabilities(session, pictures)]
        theirs = read_by_paddleocr(folder, pictures)
        differing = sum(a != b for a, b in zip(own, theirs, strict=True))
        if differing:
            msg = f"PaddleOCR reads {differing} of {len(own)} plates differently; nothing was published"
            raise SystemExit(msg)
        known = {shot.text for shot in photographs(args.data, kept_back=False)}
        table = scores(session, shots, known)
        digest = hashlib.sha256((folder / "inference.onnx").read_bytes()).hexdigest()
        report = {"sha256": digest, "samples": args.samples or max(part["seen"] for part in saved), "kept_back": table}
        (folder / "scores.json").write_text(json.dumps(report, indent=2) + "\n")
        args.out.mkdir(parents=True, exist_ok=True)
        for file in ("inference.onnx", "inference.yml", "scores.json"):
            shutil.copyfile(folder / file, args.out / f".{file}.new")
        for file in ("inference.onnx", "inference.yml", "scores.json"):
            (args.out / f".{file}.new").replace(args.out / file)
        print(json.dumps(report), f"same text as PaddleOCR on {len(own)} of {len(own)}")


if __name__ == "__main__":
    main()
