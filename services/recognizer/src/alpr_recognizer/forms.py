"""In which forms the US states issue passenger plates, and how likely a number of some form is, given who issued it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STATES: Final[dict[str, frozenset[str]]] = {
    state: frozenset(forms.split())
    for state, forms in {
        "AK": "111AAA AAA111",
        "AL": "11A111A 11A11A1 11A1A1A 11AA111 1A1111A 1A11A11 1AA1111 AA1111A",
        "AR": "111AAA AAA111 AAA11A",
        "AZ": "111AAA AA1111 AAA111 AAA11A AA11111 AAA1111",
        "CA": "111AAA AAA111 1A11111 1AAA111 AA11A11",
        "CO": "111AAA AA1111 AAA111 AAAA11 AAA1111",
        "CT": "111AAA 11AAA1 1AAA11 A11111 AA1111 AAA111 AA11111",
        "DC": "111111 AA1111",
        "DE": "1111 11111 111111 A11111 A111111 AA111111",
        "FL": "A111A AA11A AAA11 111111 111AAA A111AA AAA11A AAAA11",
        "GA": "AA11A 1111AA 111AAA AAA111 1111AAA AAA1111",
        "HI": "111111 1A1111 AAA111",
        "IA": "AA111 1111AA 111AAA AAA111",
        "ID": "1A11 A1111 AAAAA 111AAA 1A11A1 A111AA AAA111 1A11111 1A1A111 1AA1111 1AAA111 A111111",
        "IL": "111111 11111A A11111 AA1111 AAA111 1111111 111111A A111111 AA11111",
        "IN": "111A 111AA 111AAA 11AA11 AAA111 11A1111 11A111A",
        "KS": "A111 111AAA AAA111",
        "KY": "111AAA A1A111 AAA111",
        "LA": "111AAA AAA111 111A111 A111111",
        "MA": "11AA AA11 111111 1111AA 111AA1 111AAA 11AA11 1AAA11 AAA111",
        "MD": "111AA A1111 11111A 1AAA11 A111AA AA111A AAA111 AAA11A 111A111 1AA1111 A111111",
        "ME": "11111 1111A 11111A 1111AA 111AAA",
        "MI": "11AA1 1AA1A AA111 AA11A AAA11 AAA1A 111AAA 1AA111 1AAA11 AAA111 AAA1111",
        "MN": "AA111 AA1A1 111AAA AA1111 AAA111",
        "MO": "111AAA 1AA111 1AA11A 1AAA1A AA11AA AA1A1A AAA111",
        "MS": "A111A 111AAA 1AA111 A111AA AAA111 AA11111",
        "MT": "111111 11111A 1A1111 AAA111 1111111 111111A",
        "NC": "1111AA A11111 AAA111 AAA1111",
        "ND": "111AAA AAA111",
        "NE": "11A111 1A1111 AAA111",
        "NH": "1111 A11A 11111 A1111 A11A1 AA111 111111 AAA111 1111111",
        "NJ": "11AA A1111 1111AA 111AAA A11AAA AA111A AAA11A",
        "NM": "AA111 AAA11 111AAA AAA111",
        "NV": "111A11 111AAA 11A111 AAA111",
        "NY": "111AAA 1AA111 A111AA A1A111 AAA111 1111AAA AAA1111",
        "OH": "11AAA 111AAA 11AAA1 AA11AA AAA111 AAA1111",
        "OK": "111AAA AA1111 AAA111",
        "OR": "AA1AA 111AAA AA1111 AAA111 AA11111",
        "PA": "11A11 A1111 AA11A 111AAA AAA111 AAA1111",
        "RI": "11111 AA111 111111 1AA111",
        "SC": "1111AA 111AAA AA1111 AAA111",
        "SD": "11A111 11AA11 1A1111 1AA111 AA1111",
        "TN": "111AAA 1A1111 A1111A AAA111 AAA1111",
        "TX": "111AAA A11AAA AAA111 AAA11A AA1A111 AAA1111",
        "UT": "111AAA A111AA AAA111",
        "VA": "11111A 1111AA AA1111 AAA1111",
        "VT": "1111 11111 111A1 1A111 A1111 AAA11 AAA111 111A111",
        "WA": "11111 111AAA AA1111 AAA111 AA11111 AAA1111",
        "WI": "11AA 11AAA A11AA 111AAA A11111 AAA111 AAA1111",
        "WV": "1111 AA111 1A1111 1AA111 A1A111 AA1111 AAA111",
        "WY": "11111 1111A 111111 11111A 1111AA 1111111 11111AA",
    }.items()
}
"""Forms of each state's present and recent general issues; A: a letter, 1: a digit."""
ISSUED: Final[dict[str, int]] = {
    "AAA111": 28, "111AAA": 27, "AAA11A": 4, "111111": 4, "A111AA": 4, "1111AA": 4, "1AAA11": 3, "1AA111": 3, "1A1111": 3,
    "11A111": 3, "AAAA11": 2, "AA1111": 2, "A11AAA": 2, "11AA111": 1, "A11111": 1, "111AA1": 1, "11AA11": 1, "AA1A1A": 1,
    "AA111A": 1, "AA11AA": 1, "A1111A": 1, "A1A111": 1, "AAA1111": 11, "A111111": 3, "1AAA111": 2, "AA11111": 2,
    "1AA1111": 2, "1111111": 2, "11A111A": 1, "1A1111A": 1, "1A11111": 1, "11A1111": 1, "111111A": 1, "AA1A111": 1,
    "111A111": 1, "11111AA": 1,
}  # fmt: skip
"""Forms of six and seven characters in which US states issue passenger plates, and how many states do."""
_WISHED: Final = 0.1
"""Weight of any other form beside those: about one US plate in twenty carries its owner's wish, over very many forms."""
_MOST: Final = max(ISSUED.values())


def weight(form: str, origin: Sequence[tuple[str, float]]) -> float:
    """Weigh a form by what is known of the state of origin: its own issues for its share, all states' for the rest.

    `origin` is the distribution over origins. Returns a weight that compares forms of one plate, above 0.
    """
    known = [(STATES[code[3:]], share) for code, share in origin if code[3:] in STATES and code.startswith("US-")]
    rest = max(0.0, 1.0 - sum(share for _, share in known))
    own = sum(share * (1.0 if form in forms else _WISHED / _MOST) for forms, share in known)
    return own + rest * ISSUED.get(form, _WISHED) / _MOST
