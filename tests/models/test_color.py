"""The color of a vehicle as an estimate: named where the paint is plain to see, never guessed."""

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="the pictures' library comes with the recognizer's environment")

from alpr_recognizer.models.color import estimate
from alprcore.model import Box

pytestmark = pytest.mark.models

PLATE = Box(280, 260, 80, 40)
RED, BLUE, GREEN, YELLOW = (40, 30, 170), (170, 70, 25), (70, 130, 30), (40, 190, 235)
WHITE, GRAY, BLACK, DARK_BLUE = (236, 238, 238), (120, 122, 121), (18, 17, 17), (52, 38, 32)


def car(paint, plate=(228, 230, 229), box=PLATE):
    """A body of one paint with a white plate; blue, green, red."""
    picture = np.full((480, 640, 3), paint, np.float32)
    picture += np.random.default_rng(4).normal(0, 4, picture.shape)
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = plate
    picture[box.y + 10 : box.y + 30 : 6, box.x + 10 : box.x + 70 : 9] = 30
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("paint", "name"),
    [(RED, "RED"), (BLUE, "BLU"), (GREEN, "GRN"), (YELLOW, "YEL"), (WHITE, "WHI"), (BLACK, "BLK")],
)
def test_plain_paint_is_named(paint, name):
    said, share = estimate(car(paint), PLATE)
    assert said == name
    assert share >= 0.6


@pytest.mark.parametrize("paint", [GRAY, DARK_BLUE])
def test_gray_and_dark_shades_are_not_guessed(paint):
    assert estimate(car(paint), PLATE) == ("unknown", 0.0)


def test_nothing_is_said_by_night():
    assert estimate((car(BLACK) * 0.25).astype(np.uint8), PLATE) == ("unknown", 0.0)


def test_infrared_white_is_no_color():
    gray = cv2.cvtColor(cv2.cvtColor(car(WHITE), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert estimate(gray, PLATE) == ("unknown", 0.0)


def test_patches_that_disagree_stay_silent():
    picture = car(RED)
    picture[:, :320] = car(BLUE)[:, :320]
    picture[:258] = GRAY
    assert estimate(picture, PLATE) == ("unknown", 0.0)


def test_plate_at_the_edge_or_too_small_gives_none():
    at_edge, small = Box(2, 260, 80, 40), Box(280, 260, 20, 10)
    assert estimate(car(RED, box=at_edge), at_edge) == ("unknown", 0.0)
    assert estimate(car(RED, box=small), small) == ("unknown", 0.0)
