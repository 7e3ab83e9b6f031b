"""Every backend finds and reads the same, and none runs elsewhere than it says."""

import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest
from PIL import Image

import alpr_recognizer
from alpr_recognizer.models import backend as backends
from alpr_recognizer.models import finder
from alpr_recognizer.models.backend import choose, count_gpus, start
from alpr_recognizer.models.gpu import GpuBackend
from alpr_recognizer.models.look import Models
from alprcore.errors import Misconfigured
from alprdraw.scenes import render_drive

pytestmark = pytest.mark.models

WEIGHTS = Path(alpr_recognizer.__file__).parent / "weights"
PLATES = ["7KVM382", "4TRW555", "8HXN164"]
A_CARD = {"gpus": 1, "cuda_built_in": True, "openvino_there": True}
NO_CARD = {"gpus": 0, "cuda_built_in": False, "openvino_there": True}
IDLE_CARD = {"gpus": 1, "cuda_built_in": False, "openvino_there": True}


@pytest.fixture(scope="module")
def jpegs():
    def jpeg(image):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=90)
        return out.getvalue()

    return [jpeg(scene.image) for scene in render_drive(3, PLATES)][::3]


@pytest.fixture(scope="module")
def reference(jpegs):
    return seen_by(Models(WEIGHTS, threads=1, wide=False, backend="reference"), jpegs)


def seen_by(models, jpegs):
    results = models.find_plates(jpegs)
    assert all(result.error is None for result in results)
    return [result.candidates for result in results]


def rows(candidate):
    box = candidate.box
    return np.array([box.x, box.y, box.x + box.width, box.y + box.height], np.float32)


def assert_alike(mine, reference):
    """Sure plates are the same ones, in the same place; what was read surely is read the same."""
    texts = 0
    for frame, other in zip(mine, reference, strict=True):
        for candidate in other:
            if candidate.score < 0.5:  # at the threshold of .45 rounding decides
                continue
            met = [one for one in frame if finder.overlap(rows(candidate), rows(one)[None])[0] > 0.9]
            assert met, candidate.box
            if candidate.text.confidence > 0.5:
                assert met[0].text.plate.reveal() == candidate.text.plate.reveal()
                texts += 1
        for candidate in frame:
            assert candidate.score < 0.5 or any(
                finder.overlap(rows(candidate), rows(one)[None])[0] > 0.9 for one in other
            ), candidate.box
    assert texts >= 3


@pytest.mark.parametrize("name", ["cpu-onnxruntime", "cpu-openvino"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_processor_finds_and_reads_as_ultralytics_and_paddle_do(name, threads, jpegs, reference):
    models = Models(WEIGHTS, threads=threads, wide=False, backend=name)
    assert models.info.backend.startswith(f"{name}: cpu, ")
    assert_alike(seen_by(models, jpegs), reference)


def test_the_way_of_the_gpu_agrees_too_when_walked_on_the_processor(jpegs, reference, monkeypatch):
    here = GpuBackend(device="cpu", provider="CPUExecutionProvider")
    monkeypatch.setattr(backends, "start", lambda *_, **__: here)
    models = Models(WEIGHTS, threads=1, wide=False, backend="gpu")
    assert_alike(seen_by(models, jpegs), reference)
    results = models.find_plates([b"odd", jpegs[0], jpegs[0][:5000]])
    assert [result.error and result.error[0] for result in results] == ["NOT_A_JPEG", None, "JPEG_TRUNCATED"]


@pytest.mark.skipif(not count_gpus(), reason="no GPU on this machine")
def test_a_gpu_finds_and_reads_as_the_reference_does(jpegs, reference):
    models = Models(WEIGHTS, threads=1, wide=False, backend="gpu")
    assert models.info.backend.startswith("gpu: ")
    assert_alike(seen_by(models, jpegs), reference)


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")  # all that onnxruntime itself would say
def test_a_session_that_would_run_on_the_processor_is_refused():
    with pytest.raises(Misconfigured, match="instead of the GPU"):
        GpuBackend(device="cpu").open(WEIGHTS / "reader" / "inference.onnx")


@pytest.mark.parametrize(
    ("asked", "machine", "chosen"),
    [
        ("auto", A_CARD, "gpu"),
        ("auto", NO_CARD, "cpu-openvino"),
        ("auto", NO_CARD | {"openvino_there": False}, "cpu-onnxruntime"),
        ("gpu", A_CARD, "gpu"),
        ("cpu-openvino", IDLE_CARD, "cpu-openvino"),
        ("cpu-onnxruntime", A_CARD, "cpu-onnxruntime"),
        ("reference", NO_CARD, "reference"),
    ],
)
def test_the_backend_follows_the_setting_and_the_machine(asked, machine, chosen):
    assert choose(asked, **machine) == chosen


@pytest.mark.parametrize(
    ("asked", "machine", "says"),
    [
        ("gpu", NO_CARD, "shows none"),
        ("gpu", IDLE_CARD, "cannot use it"),
        ("auto", IDLE_CARD, "cannot use it"),
        ("cpu-openvino", NO_CARD | {"openvino_there": False}, "not installed"),
        ("tpu", NO_CARD, "none of auto"),
    ],
)
def test_nothing_falls_back_in_silence(asked, machine, says):
    with pytest.raises(Misconfigured, match=says):
        choose(asked, **machine)


@pytest.mark.skipif(count_gpus() > 0, reason="there is a GPU on this machine")
def test_a_gpu_that_is_not_there_stops_the_start():
    with pytest.raises(Misconfigured, match="ALPR_RECOGNIZER_BACKEND"):
        start("gpu", threads=1)


def test_a_rounded_detector_belongs_to_the_shipped_weights():
    file = WEIGHTS / "detector" / "plate.int8.xml"
    source = str(openvino.Core().read_model(file).get_rt_info(backends.SOURCE).value)
    assert source == hashlib.sha256((WEIGHTS / "detector" / "plate.onnx").read_bytes()).hexdigest()


def test_a_rounded_detector_of_other_weights_is_refused(tmp_path, monkeypatch):
    for part in ("plate.int8.xml", "plate.int8.bin"):
        (tmp_path / part).write_bytes((WEIGHTS / "detector" / part).read_bytes())
    (tmp_path / "plate.onnx").write_bytes(b"other weights")
    monkeypatch.setattr(backends, "_processor_flags", lambda: frozenset({"avx512_vnni"}))
    with pytest.raises(Misconfigured, match="made from another plate"):
        start("cpu-openvino", threads=1).finder(tmp_path / "plate.onnx", confidence=0.4, iou=0.5)


@pytest.mark.parametrize("shape", [(1280, 720), (640, 480), (480, 640), (333, 500), (2000, 90), (17, 40), (640, 640)])
def test_a_box_comes_back_to_where_it_was_in_the_picture(shape):
    width, height = shape
    fit = finder.fit_into(width, height, 640)
    assert all(side % 32 == 0 and side <= 640 for side in fit.outer)
    boxed = finder.letterbox(np.zeros((height, width, 3), np.uint8), fit)
    assert boxed.shape[:2] == (fit.outer[1], fit.outer[0])
    middle, size = np.array([width * 0.4, height * 0.5]), np.array([width * 0.2, height * 0.3])
    anchors = np.zeros((13, 3), np.float32)
    moved = middle * fit.scale + [fit.left, fit.top]
    anchors[:5, 1] = [*moved, *(size * fit.scale), 0.9]
    anchors[5:, 1] = np.tile(moved, 4)
    anchors[:5, 2] = [*(moved + 1), *(size * fit.scale), 0.8]  # the same plate, seen again
    (row,) = finder.decode(anchors, fit, width, height, 0.5, 0.5)
    assert np.allclose(row[:4], [*(middle - size / 2), *(middle + size / 2)], atol=0.01)
    assert row[4] == np.float32(0.9)
    assert np.allclose(row[5:], np.tile(middle, 4), atol=0.01)


def test_cut_plates_are_only_read():
    plate = next(scene for number, scene in enumerate(render_drive(3, PLATES)) if number == 4)
    _, x, y, width, height = plate.plates[0]
    cut = np.ascontiguousarray(plate.image[round(y) : round(y + height), round(x) : round(x + width), ::-1])
    models = Models(WEIGHTS, threads=1, wide=False, backend="cpu-onnxruntime")
    (result,) = models.find_plates([bytes(cv2.imencode(".png", cut)[1])], cut=True)
    assert result.error is not None  # a JPEG is asked for here as everywhere
    (result,) = models.find_plates([bytes(cv2.imencode(".jpg", cut)[1])], cut=True)
    (candidate,) = result.candidates
    assert (candidate.box.width, candidate.box.height) == (cut.shape[1], cut.shape[0])
