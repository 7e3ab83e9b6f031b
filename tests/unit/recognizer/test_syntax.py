"""What a surely known origin says about a character, and where it must keep silent."""

import pytest

from alpr_recognizer.ctc import Text
from alpr_recognizer.syntax import settle
from alprcore.model import Character

BRAZIL = (("BR", 0.99), ("unknown", 0.01))


def text(first, second="", at=None, p=0.6):
    """A text of sure characters, one of which may be something else."""
    return Text(
        tuple(
            Character(letter, p, second, 0.3) if place == at else Character(letter, 0.99)
            for place, letter in enumerate(first)
        )
    )


def test_a_letter_where_brazil_has_a_digit_gives_way_to_its_second_candidate():
    settled = settle(text("ABC12B4", "8", at=5), BRAZIL)
    assert settled.plate.reveal() == "ABC1284"
    assert settled.characters[5].first_probability == pytest.approx(0.99 * 0.3 / 0.4)
    assert settled.characters[5].second == "B"
    assert settled.characters[0] == text("ABC12B4", "8", at=5).characters[0]


def test_a_mercosul_number_is_in_order_as_it_is():
    plate = text("ABC1D23", "0", at=4)
    assert settle(plate, BRAZIL) is plate


@pytest.mark.parametrize(
    ("plate", "origin"),
    [
        (text("ABC12B4", "8", at=5), (("BR", 0.8), ("unknown", 0.2))),  # not surely from there
        (text("ABC12B4", "8", at=5), (("US-CA", 0.99),)),  # owners choose their numbers
        (text("ABC12B4", "8", at=5), ()),
        (text("ABC12B4", "P", at=5), BRAZIL),  # the second candidate fits no better
        (text("ABC12B"), BRAZIL),  # a character is missing: the form says nothing
        (text("1BC1234"), BRAZIL),  # no second candidate
    ],
)
def test_otherwise_nothing_changes(plate, origin):
    assert settle(plate, origin) is plate


def test_a_plate_with_three_misfits_is_not_forced_into_a_form():
    many = Text(tuple(Character(letter, 0.6, second, 0.3) for letter, second in zip("0B11Z3S", "OB1I235", strict=True)))
    assert settle(many, BRAZIL) is many


def test_a_british_number_has_a_digit_where_one_stroke_may_be_an_i():
    read = text("AB1I CDE".replace(" ", ""), "1", at=3)
    assert settle(read, (("unknown", 0.97),)).plate.reveal() == "AB11CDE"
    assert settle(read, ()).plate.reveal() == "AB11CDE"
    assert settle(read, (("US-CA", 0.6),)) is read  # may be an owner's wish
    assert settle(text("ABOICDE", "1", at=3), ()).plate.reveal() == "ABOICDE"  # nothing says that digits stand there
    assert settle(text("AB1ICDE", "T", at=3), ()).plate.reveal() == "AB1ICDE"


def doubtful(first, **seconds):
    """Characters of .99, and those named by place (p3="0") of .55 with a second of .44."""
    found = {int(name[1:]): second for name, second in seconds.items()}
    return Text(
        tuple(
            Character(letter, 0.55, found[place], 0.44) if place in found else Character(letter, 0.99)
            for place, letter in enumerate(first)
        )
    )


@pytest.mark.parametrize(
    ("read", "seconds", "plate"),
    [
        ("ABC12O", {"p5": "0"}, "ABC120"),
        ("ABC0DE", {"p3": "O"}, "ABC0DE"),  # no state issues either: the reader decides
        ("A0C123", {"p1": "O"}, "AOC123"),
        ("7ABCI2O", {"p4": "1", "p6": "0"}, "7ABC120"),
        ("BOSS", {"p1": "0"}, "BOSS"),  # too short for a form
    ],
)
def test_forms_that_states_issue_tell_o_from_zero(read, seconds, plate):
    settled = settle(doubtful(read, **seconds), (("unknown", 0.9),))
    assert settled.plate.reveal() == plate
    for character in settled.characters:
        assert character.first_probability >= character.second_probability
        assert character.first_probability + character.second_probability <= 1.0


def test_a_form_makes_a_doubtful_character_surer_and_an_owners_wish_stays_possible():
    settled = settle(doubtful("ABC12O", p5="0"), ())
    assert settled.characters[5].first_probability == pytest.approx(0.99 * 0.44 * 28 / (0.44 * 28 + 0.55 * 4))
    assert settled.characters[5].second_probability > 0.1


def test_a_plate_from_elsewhere_follows_no_states_form():
    read = doubtful("ABC12O", p5="0")
    assert settle(read, (("SK", 0.95),)) is read
