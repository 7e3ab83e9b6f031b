"""The shipped models, in the child process the service uses, on pictures that belong to nobody."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

import alpr_recognizer
from alpr_recognizer import sighting
from alpr_recognizer.models import ModelProcess
from alprcore.plates import skeleton
from alprdraw.scenes import render_drive

pytestmark = pytest.mark.models

WEIGHTS = Path(alpr_recognizer.__file__).parent / "weights"
PLATES = ["7KVM382", "4TRW555", "8HXN164", "6JEP297"]


@pytest.fixture(scope="module")
def models():
    process = ModelProcess(WEIGHTS, threads=2, wide=False)
    yield process
    process.close()


@pytest.fixture(scope="module")
def drive():
    def jpeg(image):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=90)
        return out.getvalue()

    return [(jpeg(scene.image), scene.plates[0]) for scene in render_drive(3, PLATES)]


def test_both_models_are_named_with_their_hash(models):
    assert models.info.backend.startswith(("cpu-openvino: ", "cpu-onnxruntime: ", "gpu: "))
    for model in (models.info.detector, models.info.reader):
        assert model.name
        assert len(model.sha256) == 64


def test_plates_of_a_drive_are_found_and_read(models, drive):
    results = models.find_plates([jpeg for jpeg, _ in drive])
    found = right = 0
    for (_, (text, x, y, width, height)), result in zip(drive, results, strict=True):
        assert result.error is None
        want = sighting.passages.Box(x, y, width, height)
        hit = max(result.candidates, key=lambda c: sighting.passages.overlap(c.box, want), default=None)
        if hit is not None and sighting.passages.overlap(hit.box, want) >= 0.5:
            found += 1
            right += skeleton(hit.text.plate) == skeleton(text)
            assert all(0 <= c.second_probability <= c.first_probability <= 1 for c in hit.text.characters)
            assert Image.open(io.BytesIO(hit.closeup)).format == "JPEG"
        assert [c.box.x for c in result.candidates] == sorted(c.box.x for c in result.candidates)
    assert found >= 0.9 * len(drive)
    assert right >= 0.8 * len(drive)


def test_what_cannot_be_looked_at_says_why_and_stops_nothing(models, drive):
    good = drive[4][0]
    results = models.find_plates([b"odd", good, good[:5000], good])
    assert [result.error and result.error[0] for result in results] == ["NOT_A_JPEG", None, "JPEG_TRUNCATED", None]
    assert results[1].candidates == results[3].candidates


def test_a_killed_child_is_started_again_and_answers_the_same(models, drive):
    (before,) = models.find_plates([drive[4][0]])
    os.kill(models.pid, signal.SIGKILL)
    (after,) = models.find_plates([drive[4][0]])
    assert [c.text.plate.reveal() for c in after.candidates] == [c.text.plate.reveal() for c in before.candidates]
    assert after.candidates


def test_the_parent_loads_none_of_the_models_libraries():
    asked = "import sys, alpr_recognizer.app, alpr_recognizer.models; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "paddle", "ultralytics", "cv2", "openvino"} & set(loaded)


def test_the_child_stays_below_a_gigabyte(models, drive):
    """The parent here is the tests' own process, with whatever they load; what a service needs is in tests/e2e."""
    models.find_plates([jpeg for jpeg, _ in drive])
    assert psutil.Process(models.pid).memory_info().rss < 1_000_000_000
