"""What the Driver's Privacy Protection Act asks of lists that draw on registration data. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from alprcore.model import ADMITTED, Decision, Refused

PERMISSIBLE_USES: Final[Mapping[str, str]] = {
    "2721(b)(1)": "a government agency carrying out its functions",
    "2721(b)(2)": "motor vehicle safety and theft",
    "2721(b)(4)": "a civil, criminal or administrative proceeding",
}
"""Uses of the Driver's Privacy Protection Act, 18 USC 2721(b)(1) to (14), that are open to a police agency: the others
are for businesses, insurers, toll roads, researchers and whoever has the person's consent."""
_SOURCE: Final = re.compile(
    r"\b(dmv|bmv|mvd|rmv|mvc|dppa|registrations?|registered owners?|department of motor vehicles)\b", re.IGNORECASE
)


def draws_on_registration(sources: Iterable[str]) -> bool:
    """Tell whether one of these names is that of a state's vehicle registration: DMV and what others call it."""
    return any(_SOURCE.search(source) for source in sources)


def registration_basis(*, registration: bool, permissible_use: str) -> Decision:
    """Decide whether registration data may be used for a list or entry: only with a permissible use (HOT-09, SEC-05).

    A use that is named must be one of them, also where none is needed.
    """
    if permissible_use in PERMISSIBLE_USES or not (registration or permissible_use):
        return ADMITTED
    listed = "; ".join(f"{code} {words}" for code, words in PERMISSIBLE_USES.items())
    return Refused("SEC-05", "DPPA_BASIS_REQUIRED", f"name a permissible use of 18 USC 2721: {listed}")
