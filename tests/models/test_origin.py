"""Where a plate comes from: a share for each origin, unknown among them, and never a home state by default."""

from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="the pictures' library comes with the recognizer's environment")
pytest.importorskip("onnxruntime", reason="models need the recognizer's environment")
pytest.importorskip("PIL", reason="drawing needs Pillow")

import alpr_recognizer
from alpr_recognizer.models.backend import OnnxRuntimeBackend
from alpr_recognizer.models.detector import Found
from alpr_recognizer.models.origin import Origin
from alprcore.model import Box
from alprdraw.plates import render_plate

pytestmark = pytest.mark.models

WEIGHTS = Path(alpr_recognizer.__file__).parent / "weights" / "origin"
DRAWN = ("us-vt", "us-de", "us-nm", "us-ny", "us-pa", "us-or", "us-fl", "us-nd")


@pytest.fixture(scope="module")
def origin():
    return Origin(WEIGHTS, OnnxRuntimeBackend(threads=1))


def drawn(state, seed):
    return np.ascontiguousarray(render_plate(np.random.default_rng(seed), style=state).image[:, :, ::-1])


@pytest.mark.requirement("CAP-06")
def test_answer_is_a_distribution_with_unknown_in_it(origin):
    for shares in origin.tell([drawn(state, 3) for state in DRAWN]):
        chances = [chance for _, chance in shares]
        assert len(shares) <= 4
        assert "unknown" in dict(shares)
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1, abs=1e-6)
        assert all(code == "unknown" or code.startswith("US-") or len(code) == 2 for code, _ in shares)


def test_drawn_plates_are_told_by_their_state(origin):
    plates = [(state, seed) for state in DRAWN for seed in range(6)]
    answers = [shares[0][0] for shares in origin.tell([drawn(state, seed) for state, seed in plates])]
    named = [(code, state.upper()) for code, (state, _) in zip(answers, plates, strict=True) if code != "unknown"]
    assert sum(code == state for code, state in named) >= 0.85 * len(named)
    assert len(named) >= 0.6 * len(plates)


@pytest.mark.requirement("CAP-06")
@pytest.mark.parametrize("tone", [(20, 20, 20), (128, 128, 128), (240, 240, 240), (120, 90, 60)])
def test_nothing_to_see_is_unknown_not_the_home_state(origin, tone):
    assert origin.tell([np.full((60, 120, 3), tone, np.uint8)])[0][0][0] == "unknown"


@pytest.mark.requirement("CAP-06")
def test_a_plate_too_small_to_tell_is_unknown(origin):
    small = [cv2.resize(drawn(state, 3), (30, 15), interpolation=cv2.INTER_AREA) for state in DRAWN]
    assert {shares[0][0] for shares in origin.tell(small)} == {"unknown"}


def test_cut_by_corners_and_cut_by_box_show_the_same_plate(origin):
    picture = np.full((240, 400, 3), 60, np.uint8)
    plate = drawn("us-vt", 1)
    height, width = plate.shape[:2]
    picture[50 : 50 + height, 70 : 70 + width] = plate
    box = Box(70, 50, width, height)
    corners = ((70.0, 50.0), (70.0 + width, 50.0), (70.0 + width, 50.0 + height), (70.0, 50.0 + height))
    straight, boxed = origin.cut(picture, Found(box, 0.9, corners)), origin.cut(picture, Found(box, 0.9))
    assert straight.shape == (80, 160, 3)
    same = cv2.resize(boxed, (160, 80), interpolation=cv2.INTER_AREA).astype(int)
    assert np.median(np.abs(straight.astype(int) - same)) <= 6
    assert origin.tell([straight])[0][0][0] == origin.tell([boxed])[0][0][0]


def test_cut_at_the_picture_s_edge_stays_inside(origin):
    picture = np.zeros((50, 60, 3), np.uint8)
    assert origin.cut(picture, Found(Box(50, 40, 30, 20), 0.5)).size > 0
