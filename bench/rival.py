"""The open rival (fast-alpr), asked through its public classes; runs in an environment of its own.

`PYTHON bench/rival.py WEIGHTS THREADS` with a folder that holds its detector (`*end2end*.onnx`) and reader (`NAME.onnx` and
`NAME_plate_config.yaml`). One JSON a line in and out: `{"file": …, "crop": false}` gives plates and milliseconds without
decoding; `{"all": [file, …]}` gives the seconds that all take with it.
"""

import json
import os
import sys
import time
from pathlib import Path

weights, threads = Path(sys.argv[1]), int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = str(threads)

import cv2  # noqa: E402
import onnxruntime  # noqa: E402
from fast_alpr import ALPR  # noqa: E402
from fast_alpr.default_ocr import DefaultOCR  # noqa: E402
from open_image_models.detection.core.yolo_v9.inference import YoloV9Detector  # noqa: E402

CONFIDENCE = 0.4  # its own default


def build():
    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    given = {"providers": ["CPUExecutionProvider"], "sess_options": options}
    about = max(weights.glob("*_plate_config.yaml"))  # the latest of its readers
    name = about.name.removesuffix("_plate_config.yaml")
    found = max(weights.glob("*end2end*.onnx"))
    detector = YoloV9Detector(found, ["License Plate"], conf_thresh=CONFIDENCE, **given)
    reader = DefaultOCR(hub_ocr_model=None, model_path=weights / f"{name}.onnx", config_path=about, **given)
    return ALPR(detector=detector, ocr=reader), f"fast-alpr ({found.stem}, {name})"


def plates(alpr, picture, crop):
    if crop:
        read = alpr.ocr.predict(picture)
        return [] if read is None else [[read.text, 0, 0, picture.shape[1], picture.shape[0], 1.0]]
    rows = []
    for result in alpr.predict(picture):
        box = result.detection.bounding_box
        if result.ocr is not None:
            place = [float(v) for v in (box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1)]
            rows.append([result.ocr.text, *place, float(result.detection.confidence)])
    return rows


def main():
    alpr, name = build()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # its libraries print
    print(json.dumps({"name": name}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "all" in asked:
            begun = time.perf_counter()
            for file in asked["all"]:
                plates(alpr, cv2.imread(file), crop=False)
            print(json.dumps({"seconds": time.perf_counter() - begun}), file=answers, flush=True)
            continue
        picture = cv2.imread(asked["file"])
        wall, cpu = time.perf_counter(), time.process_time()
        rows = plates(alpr, picture, asked["crop"])
        spent = [1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)]
        print(json.dumps({"plates": rows, "cpu_ms": spent[0], "wall_ms": spent[1]}), file=answers, flush=True)


if __name__ == "__main__":
    main()
