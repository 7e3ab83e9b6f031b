"""Which four points are believed to be a plate's corners."""

import pytest

from alpr_recognizer.models.detector import plausible_corners
from alprcore.model import Box

BOX = Box(100.0, 50.0, 80.0, 40.0)


@pytest.mark.parametrize(
    "quad",
    [
        [(100, 50), (180, 50), (180, 90), (100, 90)],
        [(100, 62), (180, 50), (180, 78), (100, 90)],  # seen from the side
        [(94, 46), (186, 52), (184, 95), (97, 88)],  # a little outside
    ],
)
def test_outline_of_a_plate_is_believed(quad):
    corners = plausible_corners(quad, BOX)
    assert corners == tuple((float(x), float(y)) for x, y in quad)


@pytest.mark.parametrize(
    "quad",
    [
        [(100, 90), (180, 90), (180, 50), (100, 50)],  # the other way round: seen from behind
        [(100, 50), (180, 90), (180, 50), (100, 90)],  # crossed
        [(100, 50), (180, 50), (180, 90), (160, 60)],  # not convex
        [(60, 50), (180, 50), (180, 90), (100, 90)],  # far outside its box
        [(135, 65), (145, 65), (145, 75), (135, 75)],  # a speck
        [(float("nan"), 50), (180, 50), (180, 90), (100, 90)],
        [(100, 50), (180, 50), (180, 90)],
    ],
)
def test_other_points_are_not(quad):
    assert plausible_corners(quad, BOX) is None
