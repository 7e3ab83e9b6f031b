"""Numbers of plates, spelled after the patterns of `layouts`."""

from __future__ import annotations

import numpy as np

from alprdraw.sheet import LETTERS, pick


def spell(rng: np.random.Generator, pattern: str) -> str:
    """Fill a pattern by lot."""
    letters = rng.integers(26, size=len(pattern))
    digits = rng.integers(10, size=len(pattern))
    return "".join(
        LETTERS[letters[i]] if c == "A" else str(digits[i]) if c == "1" else c for i, c in enumerate(pattern)
    )


def _fit(pattern: str, text: str) -> str | None:
    """Put a given text into a pattern, or decide that it has no place there."""
    rest = list(text)
    out = []
    for c in pattern:
        if c.isalnum():
            if not rest or (c == "A" and not rest[0].isalpha()) or (c == "1" and not rest[0].isdigit()):
                return None
            out.append(rest.pop(0))
        else:
            out.append(c)
    return None if rest else "".join(out)


def number_for(rng: np.random.Generator, patterns: tuple[str, ...], text: str | None) -> str:
    """Spell a number after one of the patterns: by lot, or the given text where it fits, else the text as it is."""
    if text is None:
        return spell(rng, pick(rng, patterns))
    fitting = [s for s in (_fit(p, text) for p in patterns) if s is not None]
    return pick(rng, fitting) if fitting else text
