"""Plate text: normal form, skeleton, redaction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore.model import Plate
from alprcore.plates import CONFUSED, lookalike_positions, misread_as, mistaken_for, normalize, skeleton

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


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize("letter", ALPHABET)
def test_the_confusions_of_each_character_are_probabilities(letter: str) -> None:
    read_as = [misread_as(letter, other) for other in ALPHABET]
    stands_for = [mistaken_for(letter, other) for other in ALPHABET]
    assert sum(read_as) == pytest.approx(1)
    assert sum(stands_for) == pytest.approx(1)
    assert min(read_as + stands_for) > 0
    assert misread_as(letter, letter) == max(read_as) > 0.5


def test_known_look_alikes_are_confused_more_than_others() -> None:
    assert mistaken_for("0", "O") > 20 * mistaken_for("0", "W")
    assert mistaken_for("1", "I") > 20 * mistaken_for("1", "W")


def test_a_character_outside_the_alphabet_is_confused_with_nothing_in_particular() -> None:
    assert 0 < misread_as("A", "?") < 0.001
    assert 0 < mistaken_for("?", "A") < 0.001
