"""From the reader's matrix to characters: CTC decoding over A-Z and 0-9 with a second candidate for each character.

Connectionist temporal classification: Graves et al. 2006. The reader's library returns one mean for a whole text; a hit
needs to know which character was uncertain and what else it may be, so the matrix is decoded here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alprcore.model import Alternative, Character, Plate

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK: Final = 0
"""Column of the blank; the characters follow from column 1."""

Matrix = NDArray[np.float32]

_SECOND_AT_LEAST: Final = 0.001  # what the second candidate must have to be worth naming
_ALTERNATIVES: Final = 3
_LEAST_WEIGHT: Final = 0.01  # an unsure look still has a voice
_VARIED: Final = 4  # the least certain positions whose second candidates are combined


@dataclass(frozen=True, slots=True)
class Text:
    """What the reader made of one close-up: characters from left to right, each with its scores."""

    characters: tuple[Character, ...]
    span: tuple[float, float] = field(default=(0.5, 0.5), compare=False)
    """Where in the close-up the first and the last character stand, in shares of its width; the middle if not known."""

    @property
    def plate(self) -> Plate:
        """The text of the first candidates."""
        return Plate("".join(character.first for character in self.characters))

    @property
    def confidence(self) -> float:
        """Product of the characters' probabilities; 0 for no text."""
        return confidence(self.characters)

    @property
    def weakest(self) -> float:
        """Least of the characters' probabilities; 0 for no text."""
        return min((character.first_probability for character in self.characters), default=0.0)


def confidence(characters: Sequence[Character]) -> float:
    """Product of the characters' probabilities, 0..1; 0 for no text."""
    if not characters:
        return 0.0
    return min(1.0, math.prod(character.first_probability for character in characters))


def mask_for(characters: Sequence[str]) -> NDArray[np.int64]:
    """Find the columns of a reader that know A-Z and 0-9, blank first; raises `ValueError` when one is missing."""
    places = {character: index + 1 for index, character in enumerate(characters)}
    missing = [character for character in ALPHABET if character not in places]
    if missing:
        raise ValueError(f"the reader does not know {''.join(missing)}")
    return np.array([BLANK, *(places[character] for character in ALPHABET)])


def decode(matrix: Matrix, mask: NDArray[np.int64] | None = None) -> Text:
    """Decode one plate: `matrix` is T x classes, probabilities after softmax.

    Columns outside the alphabet are left out before the best one is chosen, so no foreign character can hide a plate
    character. Equal neighbors are one character unless a blank stands between; the column that is surest of it gives
    the scores.
    """
    seen = matrix if mask is None else matrix[:, mask]
    seen = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1e-9)
    best = seen.argmax(axis=1)
    characters: list[Character] = []
    peaks: list[float] = []
    start = 0
    for stop in range(1, len(best) + 1):
        if stop < len(best) and best[stop] == best[start]:
            continue
        if best[start] != BLANK:
            peak = start + int(seen[start:stop, best[start]].argmax())
            characters.append(_character(seen[peak], int(best[start])))
            peaks.append((peak + 0.5) / len(best))
        start = stop
    return Text(tuple(characters), (peaks[0], peaks[-1])) if peaks else Text(())


def _character(column: NDArray[np.float32], first: int) -> Character:
    others = column.copy()
    others[[BLANK, first]] = 0.0
    second = int(others.argmax())
    if others[second] < _SECOND_AT_LEAST:
        return Character(ALPHABET[first - 1], float(column[first]))
    return Character(ALPHABET[first - 1], float(column[first]), ALPHABET[second - 1], float(others[second]))


def alternatives(characters: Sequence[Character]) -> tuple[Alternative, ...]:
    """Other texts that the plate may carry, likeliest first: second candidates at the least certain positions."""
    weak = sorted(
        (index for index, character in enumerate(characters) if character.second),
        key=lambda index: characters[index].first_probability,
    )[:_VARIED]
    found: list[Alternative] = []
    for choice in product((False, True), repeat=len(weak)):
        swapped = {index for index, swap in zip(weak, choice, strict=True) if swap}
        if not swapped:
            continue
        text, probability = "", 1.0
        for index, character in enumerate(characters):
            text += character.second if index in swapped else character.first
            probability *= character.second_probability if index in swapped else character.first_probability
        found.append(Alternative(Plate(text), min(1.0, probability)))
    found.sort(key=lambda alternative: -alternative.probability)
    return tuple(alternative for alternative in found[:_ALTERNATIVES] if alternative.probability >= _SECOND_AT_LEAST)


def vote(texts: Sequence[Text]) -> Text:
    """Make one text of several looks at one plate: the weightiest length, then a weighted vote at every position.

    A look weighs as much as its own text is sure of itself. Looks at one plate share their blur, so probabilities are
    averaged, never multiplied up.
    """
    weights: dict[int, float] = {}
    for text in texts:
        length = len(text.characters)
        weights[length] = weights.get(length, 0.0) + (text.confidence + _LEAST_WEIGHT if length else 0.0)
    length = max(((weight, size) for size, weight in weights.items()), default=(0.0, 0))[1]
    voters = [text for text in texts if len(text.characters) == length]
    total = sum(text.confidence + _LEAST_WEIGHT for text in voters)
    return Text(tuple(_elect(voters, position, total) for position in range(length)))


def _elect(voters: Sequence[Text], position: int, total: float) -> Character:
    votes: dict[str, float] = {}
    for text in voters:
        weight, character = (text.confidence + _LEAST_WEIGHT) / total, text.characters[position]
        votes[character.first] = votes.get(character.first, 0.0) + weight * character.first_probability
        if character.second:
            votes[character.second] = votes.get(character.second, 0.0) + weight * character.second_probability
    order = sorted(votes, key=lambda letter: (-votes[letter], letter))
    second = order[1] if len(order) > 1 else ""
    return Character(order[0], min(1.0, votes[order[0]]), second, min(1.0, votes[second]) if second else 0.0)


def calibrated(text: Text, slope: float, offset: float) -> Text:
    """Make a reader's probabilities true (Platt 1999, as Guo et al. 2017 found networks to need it).

    Every character's log-odds become `slope` times themselves plus `offset`; what a first candidate gains or loses is
    taken from or left to the others, so that its second keeps its share among them. (1, 0) changes nothing.
    """
    return Text(tuple(_true(character, slope, offset) for character in text.characters))


def _true(character: Character, slope: float, offset: float) -> Character:
    stated = min(max(character.first_probability, 1e-6), 1 - 1e-6)
    true = 1 / (1 + math.exp(-(slope * math.log(stated / (1 - stated)) + offset)))
    if (slope, offset) == (1.0, 0.0):
        return character
    share = min(1.0, character.second_probability / (1 - stated))
    return Character(character.first, true, character.second, share * (1 - true) if character.second else 0.0)
