"""What is measured of a plate's picture, and what keeps a text from being published."""

from dataclasses import replace

import numpy as np
import pytest

from alpr_recognizer import ctc, quality
from alpr_recognizer.quality import REASONS, Quality, gate, measure
from alprcore.model import Character

GOOD = Quality(width_px=120, sharpness=0.4, exposure=0.5, angle_deg=2, contrast=0.6)
SURE = ctc.Text(tuple(Character(letter, 0.999) for letter in "7ABC123"))
UNSURE = ctc.Text(tuple(Character(letter, 0.8) for letter in "7ABC123"))


def plate(width=120, height=60, ink=20, ground=220, stripe=6):
    """Upright bars, like a row of the letter I."""
    picture = np.full((height, width, 3), ground, np.uint8)
    for x in range(stripe, width - stripe, 2 * stripe):
        picture[height // 5 : -height // 5, x : x + stripe] = ink
    return picture


def blurred(picture, reach):
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    out = picture.astype(float)
    for axis in (0, 1):
        out = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), axis, out)
    return out.astype(np.uint8)


def test_the_width_is_that_of_the_edges_and_not_of_the_cut():
    assert measure(plate(), None).width_px == 120
    leaning = ((10.0, 10.0), (90.0, 40.0), (90.0, 80.0), (10.0, 50.0))
    assert measure(plate(), leaning).width_px == pytest.approx(np.hypot(80, 30))


@pytest.mark.parametrize(
    ("corners", "degrees"),
    [
        (((0, 0), (100, 0), (100, 50), (0, 50)), 0.0),
        (((0, 0), (100, 10), (95, 60), (-5, 50)), np.degrees(np.arctan2(10, 100))),
        (((20, 0), (120, 0), (100, 50), (0, 50)), np.degrees(np.arctan2(20, 50))),
    ],
    ids=["upright", "turned", "leaning"],
)
def test_the_angle_is_the_larger_of_turn_and_lean(corners, degrees):
    assert measure(plate(), corners).angle_deg == pytest.approx(degrees, abs=0.5)


def test_blur_lowers_sharpness_and_size_in_pixels_does_not():
    sharp, large = measure(plate(), None), measure(np.kron(plate(), np.ones((3, 3, 1), np.uint8)), None)
    assert large.sharpness == pytest.approx(sharp.sharpness, rel=0.15)
    smears = [measure(blurred(plate(), reach), None).sharpness for reach in (1, 3, 6)]
    assert sharp.sharpness > smears[0] > smears[1] > smears[2]
    assert smears[2] < quality.NEVER.sharpness


def test_less_contrast_is_no_blur():
    faint = measure(plate(ink=100, ground=160), None)
    assert faint.sharpness == pytest.approx(measure(plate(), None).sharpness, rel=0.1)
    assert faint.contrast == pytest.approx(60 / 255, abs=0.02)


def test_a_white_plate_in_the_sun_is_legible_and_a_reflection_over_its_letters_is_not():
    white = plate(ground=255)
    assert measure(white, None).clipped < quality.POOR.clipped
    white[:, 40:100] = 255
    assert measure(white, None).clipped > quality.NEVER.clipped


def test_a_scrap_of_a_picture_can_be_measured():
    for shape in ((1, 1, 3), (1, 40, 3), (2, 2, 3), (3, 200, 3)):
        found = measure(np.zeros(shape, np.uint8), None)
        assert gate(found, SURE) in REASONS


def test_a_sure_text_on_a_good_picture_is_published():
    assert gate(GOOD, SURE) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width_px": 20}, "TOO_SMALL"),
        ({"sharpness": 0.05}, "BLURRED"),
        ({"exposure": 0.02}, "DARK"),
        ({"contrast": 0.02, "exposure": 0.2}, "DARK"),
        ({"contrast": 0.02, "exposure": 0.9}, "GLARE"),
        ({"clipped": 0.5}, "GLARE"),
        ({"angle_deg": 50}, "STEEP"),
    ],
)
def test_what_nobody_can_read_is_not_believed_however_sure_the_reader(change, reason):
    assert gate(replace(GOOD, **change), SURE) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"width_px": 40}, "TOO_SMALL"), ({"sharpness": 0.15}, "BLURRED"), ({"angle_deg": 20}, "STEEP"), ({}, "UNSURE")],
)
def test_a_poor_picture_explains_an_unsure_text_and_does_not_hold_back_a_sure_one(change, reason):
    found = replace(GOOD, **change)
    assert gate(found, SURE) == ""
    assert gate(found, UNSURE) == reason
    assert gate(found, ctc.Text(())) == reason
