"""CTC decoding: own alphabet, blanks and repeats, two candidates for each character, votes of several looks."""

import numpy as np
import pytest

from alpr_recognizer import ctc
from alprcore.model import Character


def column(classes=37, **probabilities):
    row = np.zeros(classes, np.float32)
    for name, probability in probabilities.items():
        row[0 if name == "blank" else ctc.ALPHABET.index(name.strip("_")) + 1] = probability
    return row


def matrix(*columns):
    return np.stack(columns)


def test_blanks_part_equal_characters_and_neighbors_are_one():
    text = ctc.decode(
        matrix(
            column(blank=1), column(A=0.6, blank=0.4), column(A=0.9, blank=0.1), column(blank=0.99, A=0.01),
            column(A=0.8, B=0.2), column(B=0.7, _8=0.3), column(blank=1),
        )
    )  # fmt: skip
    assert text.plate.reveal() == "AAB"
    assert [round(character.first_probability, 2) for character in text.characters] == [0.9, 0.8, 0.7]
    assert text.characters[2].second == "8"
    assert text.characters[2].second_probability == pytest.approx(0.3, abs=1e-6)
    assert text.confidence == pytest.approx(0.9 * 0.8 * 0.7, abs=1e-6)
    assert text.weakest == pytest.approx(0.7, abs=1e-6)


def test_a_text_knows_where_its_first_and_last_character_stand():
    blank = column(blank=1)
    text = ctc.decode(matrix(blank, column(A=0.9, blank=0.1), column(A=0.6, blank=0.4), blank, column(B=1.0)))
    assert text.span == pytest.approx((0.3, 0.9))
    assert ctc.decode(matrix(blank, blank)).span == (0.5, 0.5)
    assert text == ctc.Text(text.characters)


def test_foreign_characters_are_masked_before_the_best_is_chosen():
    mask = ctc.mask_for(["-", *ctc.ALPHABET, "ä"])
    row = np.zeros(39, np.float32)
    row[1], row[2 + ctc.ALPHABET.index("K")], row[0] = 0.6, 0.3, 0.1
    assert ctc.decode(row[None], mask).plate.reveal() == "K"
    with pytest.raises(ValueError, match="Z"):
        ctc.mask_for(ctc.ALPHABET[:-1])


def test_nothing_but_blanks_is_no_text():
    text = ctc.decode(matrix(column(blank=1), column(blank=0.9, A=0.1)))
    assert (text.plate.reveal(), text.confidence, text.weakest) == ("", 0.0, 0.0)


def characters(word, probability=0.9, **second):
    return tuple(
        Character(letter, probability, second.get(letter, ""), 0.08 if letter in second else 0.0) for letter in word
    )


def test_alternatives_put_second_candidates_in_likeliest_first():
    found = ctc.alternatives(
        (Character("8", 0.55, "B", 0.4), Character("A", 0.99), Character("0", 0.9, "O", 0.09), Character("1", 0.999))
    )
    assert [alternative.plate.reveal() for alternative in found] == ["BA01", "8AO1", "BAO1"]
    assert found[0].probability == pytest.approx(0.4 * 0.99 * 0.9 * 0.999)


def test_vote_follows_the_surest_looks_and_never_exceeds_them():
    sure, unsure = ctc.Text(characters("ABC", 0.9)), ctc.Text(characters("ABD", 0.4))
    text = ctc.vote([unsure, sure, ctc.Text(characters("AB", 0.3)), ctc.Text(())])
    assert text.plate.reveal() == "ABC"
    assert text.characters[2].second == "D"
    assert text.confidence <= sure.confidence
    assert ctc.vote([]).plate.reveal() == ""
    assert ctc.vote([sure, sure]).confidence == pytest.approx(sure.confidence)


def test_calibration_changes_how_sure_a_text_is_and_not_what_it_says():
    plate = ctc.Text((Character("A", 0.98, "4", 0.015), Character("B", 0.6, "8", 0.4)))
    cooler = ctc.calibrated(plate, 0.5, -0.2)
    assert cooler.plate == plate.plate
    assert cooler.confidence < plate.confidence
    assert cooler.characters[0].second_probability > plate.characters[0].second_probability
    for before, after in zip(plate.characters, cooler.characters, strict=True):
        assert after.first_probability + after.second_probability <= 1.0
        assert after.second == before.second
    assert ctc.calibrated(plate, 1.0, 0.0) == plate
