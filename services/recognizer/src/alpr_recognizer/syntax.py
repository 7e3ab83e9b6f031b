"""What the numbering of a plate's origin says about a character that is one thing or another.

Brazil and Argentina issue only numbers of a few forms, so on a plate that is surely theirs a letter where only a digit can
stand is a misread. US plates and most of Europe's carry wishes of their owners: there nothing follows from form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Final

from alpr_recognizer.ctc import Text
from alpr_recognizer.forms import ISSUED, weight
from alprcore.model import UNKNOWN, Character

FORMS: Final[dict[str, tuple[str, ...]]] = {
    "BR": ("AAA1111", "AAA1A11"),  # until 2018, and Mercosul
    "AR": ("AAA111", "AA111AA", "111AAA", "A111AAA"),  # 1995, Mercosul; motorcycles of both
}
"""A: a letter, 1: a digit."""
BRITISH: Final = "AA11AAA"
"""Since 2001. Its 1 and I are one stroke each, so the eye cannot tell them apart and only the form can."""
_TWINS: Final = {"I": "1", "O": "0"}
_BRITISH_SHARE: Final = (
    0.98  # that a number of this form and no other is British, and not an owner's wish of such a form
)
_LENGTHS: Final = frozenset(map(len, ISSUED))
_AMBIGUOUS: Final = 3  # twins in one number; with more of them it says too little
_US: Final = 0.5  # share of a US state from which a number may well be an owner's wish
SURELY: Final = 0.9
"""Share of an origin from which its forms decide."""
_MOST: Final = 2  # characters put right; more than that is no plate of this origin, or no reading


def settle(text: Text, origin: Sequence[tuple[str, float]]) -> Text:
    """Put characters right that the origin's forms rule out, where the second candidate fits; otherwise nothing changes.

    Between twins (O and 0, I and 1) the posterior over what states issue decides, unless the plate is surely from elsewhere.
    `origin` is the distribution over origins, likeliest first. A second candidate that moves up takes the probability
    it has once the first is known to be impossible, times the origin's share.
    """
    text = _american(_british(text, origin), origin)
    if not origin or origin[0][1] < SURELY:
        return text
    name, share = origin[0]
    forms = [form for form in FORMS.get(name, ()) if len(form) == len(text.characters)]
    misfits = [_misfits(text.characters, form) for form in forms]
    if not misfits or min(map(len, misfits)) == 0:
        return text
    possible = [
        places
        for places, form in zip(misfits, forms, strict=True)
        if len(places) <= _MOST and all(_fits(text.characters[place].second, form[place]) for place in places)
    ]
    if not possible:
        return text
    wrong = set(min(possible, key=lambda places: sum(text.characters[place].first_probability for place in places)))
    characters = tuple(
        _swapped(character, share) if place in wrong else character for place, character in enumerate(text.characters)
    )
    return replace(text, characters=characters)


def _british(text: Text, origin: Sequence[tuple[str, float]]) -> Text:
    """Read I and O as digits where the rest of the number, one of its two digits included, is British."""
    characters = text.characters
    if len(characters) != len(BRITISH) or any(code.startswith("US-") and share >= _US for code, share in origin):
        return text
    misfits = _misfits(characters, BRITISH)
    if len(misfits) != 1 or BRITISH[misfits[0]] != "1":
        return text
    twin = characters[misfits[0]]
    if _TWINS.get(twin.first) != twin.second:
        return text
    place = misfits[0]
    return replace(text, characters=(*characters[:place], _swapped(twin, _BRITISH_SHARE), *characters[place + 1 :]))


def _american(text: Text, origin: Sequence[tuple[str, float]]) -> Text:
    """Weigh O against 0 and I against 1 by the forms that the likely states issue (Bayes), and tell what follows."""
    characters = text.characters
    elsewhere = bool(origin) and origin[0][1] >= _US and not origin[0][0].startswith("US-") and origin[0][0] != UNKNOWN
    places = [place for place, character in enumerate(characters) if _is_twin(character)]
    if elsewhere or not 1 <= len(places) <= _AMBIGUOUS or len(characters) not in _LENGTHS:
        return text
    weights: dict[tuple[bool, ...], float] = {}
    issued: set[float] = set()
    for swaps in product((False, True), repeat=len(places)):
        letters = [character.first for character in characters]
        likely = 1.0
        for place, swap in zip(places, swaps, strict=True):
            character = characters[place]
            letters[place] = character.second if swap else character.first
            likely *= character.second_probability if swap else character.first_probability
        form = "".join("1" if letter.isdigit() else "A" for letter in letters)
        issued.add(weight(form, origin))
        weights[swaps] = likely * weight(form, origin)
    if len(issued) == 1:
        return text
    total, best = sum(weights.values()), max(weights, key=lambda swaps: weights[swaps])
    settled = list(characters)
    for index, place in enumerate(places):
        agreeing = sum(weight for swaps, weight in weights.items() if swaps[index] == best[index]) / total
        settled[place] = _weighed(characters[place], agreeing, swap=best[index])
    return replace(text, characters=tuple(settled))


def _is_twin(character: Character) -> bool:
    pair = {character.first, character.second}
    return any(pair == {letter, digit} for letter, digit in _TWINS.items())


def _weighed(character: Character, share: float, *, swap: bool) -> Character:
    both = min(1.0, character.first_probability + character.second_probability)
    first, second = (character.second, character.first) if swap else (character.first, character.second)
    return Character(first, both * share, second, both * (1 - share))


def _misfits(characters: Sequence[Character], form: str) -> list[int]:
    pairs = zip(characters, form, strict=True)
    return [place for place, (character, kind) in enumerate(pairs) if not _fits(character.first, kind)]


def _fits(character: str, kind: str) -> bool:
    return character.isdigit() if kind == "1" else character.isalpha()


def _swapped(character: Character, share: float) -> Character:
    left = max(1.0 - character.first_probability, character.second_probability, 1e-6)
    return Character(
        character.second,
        min(1.0, share * character.second_probability / left),
        character.first,
        (1.0 - share) * character.first_probability,
    )
