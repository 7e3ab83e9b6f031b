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
ANY: Final = "?"
"""In a partial plate: one character that is not known."""
RUN: Final = "*"
"""In a partial plate: any run of unknown characters, also none."""
MIN_PATTERN_FIXED: Final = 2
"""Fixed characters a partial plate must have, or it matches half of all vehicles."""
LIVE_PATTERNS: Final = 10_000
"""Partial entries that may be live at a time (docs/decisions/0008)."""


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


def pattern_fault(pattern: str, *, fixed: int = MIN_PATTERN_FIXED) -> str:
    """Say why a text is no partial plate: letters and digits, `?` and at most one `*`, in upper case; empty if it is one.

    At least `fixed` characters are known. One rule for searches and entries (QRY-05, USE-10).
    """
    if fixed_characters(pattern) < fixed:
        return f"a partial plate needs {fixed} fixed characters"
    if pattern.count(RUN) > 1:
        return "a partial plate may hold one *"
    if _NOT_PLATE.search(pattern.replace(ANY, "").replace(RUN, "")):
        return "a partial plate holds letters, digits, ? and *"
    if len(pattern) > LONGEST:
        return f"a partial plate has at most {LONGEST} characters"
    return ""


def fixed_characters(pattern: str) -> int:
    """Count the characters that a partial plate fixes."""
    return sum(letter.isalnum() for letter in pattern)


def laid_over(pattern: str, length: int) -> str | None:
    """Write a pattern for plates of one length, `?` for whatever it leaves open; None when none of them can fit."""
    before, run, after = str.__str__(pattern).partition(RUN)
    gap = length - len(before) - len(after)
    return before + ANY * gap + after if gap == 0 or (gap > 0 and run) else None


def pattern_fits(pattern: str, plate: str) -> tuple[int, ...] | None:
    """Positions of the plate that a pattern fixes; None when the plate is none that it means."""
    laid = laid_over(pattern, len(plate))
    if laid is None or any(wanted not in (ANY, letter) for wanted, letter in zip(laid, plate, strict=True)):
        return None
    return tuple(index for index, wanted in enumerate(laid) if wanted != ANY)


def is_pattern(plate: str) -> bool:
    """Tell a partial plate from a whole one."""
    return ANY in plate or RUN in plate


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
