"""Straightening a plate: where its points come to lie, what is averaged, what is refused."""

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="the pictures' library comes with the recognizer's environment")

from alpr_recognizer.models.rectify import straighten

pytestmark = pytest.mark.models


def quarters(width, height):
    """Draw a plate of four plain colors, so that every corner can be told from the others."""
    plate = np.zeros((height, width, 3), np.uint8)
    plate[: height // 2, : width // 2] = (250, 0, 0)
    plate[: height // 2, width // 2 :] = (0, 250, 0)
    plate[height // 2 :, width // 2 :] = (0, 0, 250)
    plate[height // 2 :, : width // 2] = (250, 250, 0)
    return plate


def box(x0, y0, x1, y1):
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def test_upright_box_of_the_same_size_is_cut_out_unchanged():
    picture = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    cut = straighten(picture, box(20, 10, 60, 30), (40, 20))
    assert np.abs(cut.astype(int) - picture[10:30, 20:60]).max() <= 1


def test_margin_shows_what_lies_beside_the_plate():
    picture = np.random.default_rng(2).integers(0, 255, (60, 90, 3), np.uint8)
    cut = straighten(picture, box(20, 10, 60, 30), (48, 30), (0.1, 0.25))
    assert np.abs(cut.astype(int) - picture[5:35, 16:64]).max() <= 1


def test_slanted_plate_comes_out_frontal():
    quad = ((40.0, 60.0), (150.0, 30.0), (165.0, 75.0), (48.0, 118.0))
    plate = quarters(200, 80)
    matrix = cv2.getPerspectiveTransform(
        np.array([(0, 0), (200, 0), (200, 80), (0, 80)], np.float32), np.array(quad, np.float32)
    )
    picture = cv2.warpPerspective(plate, matrix, (220, 150), borderValue=(99, 99, 99))
    cut = straighten(picture, quad, (100, 40))
    wanted = quarters(100, 40).astype(int)
    off = np.abs(cut - wanted).max(2)
    assert np.median(off) <= 2
    assert (off > 60).mean() < 0.06  # the seams and the rim only


def test_upside_down_corners_turn_the_plate():
    picture = quarters(80, 40)
    cut = straighten(picture, ((80, 40), (0, 40), (0, 0), (80, 0)), (80, 40))
    assert tuple(cut[2, 2]) == (0, 0, 250)


def test_large_plate_is_averaged_not_sampled():
    picture = np.zeros((200, 800, 3), np.uint8)
    picture[:, ::2] = 255  # stripes of one pixel: sampling would show them as beats
    cut = straighten(picture, box(0, 0, 800, 200), (200, 50))
    assert abs(int(cut.mean()) - 127) <= 3
    assert cut[5:-5, 5:-5].std() < 12


def test_corners_outside_the_picture_repeat_its_edge():
    picture = np.full((40, 60, 3), 77, np.uint8)
    cut = straighten(picture, box(-30, -10, 90, 50), (96, 48))
    assert cut.shape == (48, 96, 3)
    assert (cut == 77).all()


@pytest.mark.parametrize(
    ("corners", "size", "margin"),
    [
        (box(5, 5, 5, 5), (10, 10), (0.0, 0.0)),
        (((0, 0), (0, 10), (10, 10), (10, 0)), (10, 10), (0.0, 0.0)),  # mirrored: no plate is seen from behind
        (box(0, 0, 9, 9), (0, 10), (0.0, 0.0)),
        (box(0, 0, 9, 9), (10, 10), (-0.5, 0.0)),
    ],
)
def test_nothing_to_show_is_refused(corners, size, margin):
    with pytest.raises(ValueError):
        straighten(np.zeros((20, 20, 3), np.uint8), corners, size, margin)
