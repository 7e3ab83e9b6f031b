"""Plate text: normal form, skeleton, redaction."""

from hypothesis import given
from hypothesis import strategies as st

from alprcore.model import Plate
from alprcore.plates import CONFUSED, lookalike_positions, normalize, skeleton

LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=12)


@given(st.text(max_size=20))
def test_normal_form_is_stable(text: str) -> None:
    once = normalize(text)
    assert normalize(once.reveal()) == once


@given(LETTERS)
def test_a_skeleton_is_its_own_skeleton(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)


@given(LETTERS, st.data())
def test_plates_that_differ_by_lookalikes_share_a_skeleton(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text) - 1))
    group = next((g for g in CONFUSED if text[index] in g), text[index])
    other = text[:index] + data.draw(st.sampled_from(group)) + text[index + 1 :]
    assert skeleton(other) == skeleton(text)
    assert lookalike_positions(text, other) == (() if other == text else (index,))


def test_different_plates_are_not_lookalikes() -> None:
    assert lookalike_positions("7ABC123", "7ABC124") is None
    assert lookalike_positions("7ABC12", "7ABC123") is None


@given(LETTERS)
def test_a_plate_prints_redacted(text: str) -> None:
    plate = Plate(text)
    printed = f"<plate of {len(text)}>"
    assert (str(plate), repr(plate), f"{plate}", f"{plate!r}") == (printed,) * 4
    assert plate.reveal() == text
    assert type(plate.reveal()) is str
