"""Pure text work on plates: normal form, confusion skeleton, look-alike comparison.

The skeleton folds characters that cameras and people confuse into one, so that a read and every
entry it could mean share one Kafka key (docs/decisions/0002). Changing the table means re-keying
three topics: it is part of the wire contract.
"""

from __future__ import annotations

import re
from typing import Final

from alprcore.confusions import MISREAD, REST
from alprcore.model import Plate

CONFUSED: Final = ("0ODQ", "1IL", "2Z", "5S", "8B", "6G")
"""Groups of look-alike characters; the first stands for its group."""
_FOLD: Final = str.maketrans({letter: group[0] for group in CONFUSED for letter in group})
_NOT_PLATE: Final = re.compile("[^A-Z0-9]")
LONGEST: Final = 12
"""No plate of the world has more characters than this; longer texts are not plates."""


def normalize(text: str) -> Plate:
    """Keep A-Z and 0-9, upper case; empty when nothing is left."""
    return Plate(_NOT_PLATE.sub("", text.upper()))


def skeleton(plate: str) -> str:
    """Fold look-alike characters: plates with one skeleton may be one plate."""
    return str.__str__(plate).translate(_FOLD)


def lookalike_positions(read: str, entry: str) -> tuple[int, ...] | None:
    """Positions at which two plates differ by look-alikes; None when they cannot be one plate."""
    if len(read) != len(entry) or skeleton(read) != skeleton(entry):
        return None
    return tuple(index for index, (a, b) in enumerate(zip(read, entry, strict=True)) if a != b)


def misread_as(true: str, read: str) -> float:
    """How often the reader reads one character where another stands: P(read | true), measured (docs/decisions/0014)."""
    if read == true:
        return 1.0 - _WRONG.get(true, 0.0)
    return MISREAD.get(true, {}).get(read, REST)


def mistaken_for(read: str, true: str) -> float:
    """How likely one character stands where another was read: P(true | read), every character being equally common."""
    return misread_as(true, read) / _READ.get(read, 1.0)


_WRONG: Final = {true: sum(row.values()) + REST * (len(MISREAD) - 1 - len(row)) for true, row in MISREAD.items()}
_READ: Final = {read: sum(misread_as(true, read) for true in MISREAD) for read in MISREAD}
