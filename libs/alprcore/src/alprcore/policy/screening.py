"""What the words of a person say: whether a reason tells anything, and whether it names a protected activity."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import Final

from .profile import QueryRules

_TELLING_LETTERS: Final = 4
"""Letters a word needs to tell anything: `susp`-like stubs and words of three letters or fewer do not."""
_TELLING_WORDS: Final = 2
"""Telling words a reason needs: one alone (`burglary`) names a crime but not what is asked of the data."""


def folded(text: str) -> str:
    """Write a text so that spelling tricks do not hide a word: no case, accents, format characters or punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join("".join(c if c.isalnum() else " " for c in plain.casefold()).split())


def says_nothing(text: str, rules: QueryRules) -> bool:
    """Tell whether a reason is too short or made of empty words only (QRY-02; audits find the repeated ones)."""
    words = {word for word in folded(text).split() if len(word) >= _TELLING_LETTERS and not word.isdigit()}
    telling = {word for word in words if len(set(word)) > 1}.difference(rules.vague_words)
    return len(text.strip()) < rules.justification_min or len(telling) < _TELLING_WORDS


def protected_term(texts: Iterable[str], rules: QueryRules) -> str:
    """Find the first configured term of a protected activity in the texts; empty when there is none (USE-07).

    A term that ends in `*` also matches longer words; every other one matches whole words.
    """
    padded = [f" {folded(text)} " for text in texts]
    for term in rules.protected_terms:
        wanted = _wanted(term)
        if wanted.strip() and any(wanted in text for text in padded):
            return term
    return ""


@functools.lru_cache(maxsize=10_000)
def _wanted(term: str) -> str:
    """What a configured term looks like in a padded text: the same at every question, which folding it anew made dearer
    than everything else about its policy.
    """
    return f" {folded(term)}" + ("" if term.endswith("*") else " ")
