"""Drawn plates: what is said about a plate is what stands on it."""

import hashlib
import re

import numpy as np
import pytest

pytest.importorskip("PIL", reason="drawing needs Pillow")

from alprdraw.issued import issued
from alprdraw.layouts import US
from alprdraw.plates import STYLES, TWO_LINE, render_plate


def digest(plate):
    return hashlib.sha256(plate.image.tobytes()).hexdigest()


@pytest.mark.parametrize("style", [*STYLES, *TWO_LINE, "two-line", "us-ca"])
def test_lines_hold_the_text_and_lie_on_the_plate(style):
    for seed in range(6):
        plate = render_plate(np.random.default_rng(seed), style=style)
        height, width = plate.image.shape[:2]
        assert "".join(line.text for line in plate.lines) == plate.text
        assert len(plate.lines) == (2 if style in {*TWO_LINE, "two-line"} and len(plate.text) > 1 else 1)
        for left, top, right, bottom in (line.box for line in plate.lines):
            assert -1 <= left < right <= width + 1
            assert -1 <= top < bottom <= height + 1


def test_the_upper_line_stands_above_the_lower_one():
    for style in TWO_LINE:
        upper, lower = render_plate(np.random.default_rng(8), style=style).lines
        assert upper.box[3] <= lower.box[1]


def test_ink_stands_within_the_line_and_not_beside_it():
    for seed in range(8):
        plate = render_plate(np.random.default_rng(seed), style="br-moto")
        gray = plate.image.mean(2)
        for line in plate.lines:
            left, top, right, bottom = (round(v) for v in line.box)
            assert gray[top:bottom, left:right].min() < 90
            beside = gray[top + 4 : bottom - 4, 6 : max(left - 2, 8)]
            assert beside.size == 0 or np.median(beside) > 120


def test_by_default_one_line_is_drawn():
    assert all(len(render_plate(np.random.default_rng(seed)).lines) == 1 for seed in range(40))


@pytest.mark.parametrize("state", sorted(US))
def test_every_state_draws_each_of_its_issues(state):
    assert len(issued(state)) >= 3
    for seed in range(3):
        plate = render_plate(np.random.default_rng(seed), style=state)
        assert plate.state == state
        assert re.fullmatch("[A-Z0-9]{1,9}", plate.text)
        assert plate.image.shape[1] == 240


def test_a_state_has_more_than_one_look():
    looks = {digest(render_plate(np.random.default_rng(seed), style="us-tx", text="BTZ7148")) for seed in range(12)}
    assert len(looks) == 12


def test_a_given_text_is_kept_on_one_line_and_on_two():
    for style in ("us-ny", "eu", "ar-mercosul", "br-moto", "eu-square", "us-moto"):
        plate = render_plate(np.random.default_rng(3), style=style, text="LS15EBC")
        assert plate.text == "LS15EBC"


def test_the_same_generator_draws_the_same_plate_and_another_one_differs():
    first, again, other = (render_plate(np.random.default_rng(seed), style="two-line") for seed in (5, 5, 6))
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)


def test_european_plates_name_the_country_only_where_their_band_does():
    plates = [render_plate(np.random.default_rng(seed), style="eu") for seed in range(60)]
    assert {plate.region for plate in plates} == {"eu"}
    assert any(plate.country for plate in plates)
    assert any(plate.country is None for plate in plates)


def test_an_unknown_style_and_an_empty_text_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="no such style"):
        render_plate(rng, style="us-zz")
    with pytest.raises(ValueError, match="at least one"):
        render_plate(rng, text="--")
