"""All issues of plates known here, by state."""

from __future__ import annotations

from alprdraw import issued_a_m, issued_n_w
from alprdraw.designs import Design


def issued(state: str) -> tuple[Design, ...]:
    """The issues of one of the 51 states, such as `us-tx`; raises KeyError for any other code."""
    return issued_a_m.ISSUED[state] if state in issued_a_m.ISSUED else issued_n_w.ISSUED[state]
