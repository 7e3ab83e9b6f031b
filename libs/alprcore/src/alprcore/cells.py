"""Text as a cell of a file that somebody opens with a spreadsheet."""

from __future__ import annotations

import re
from typing import Final

_FORMULA: Final = re.compile(r"^[\s\x00-\x1f]*[=+\-@\t\r\x00]")
"""Beginnings that a spreadsheet takes for a formula, also behind blanks (OWASP CSV injection, CWE-1236)."""


def inert(text: str) -> str:
    """Write a text so that no spreadsheet computes it: quoted where it would, and without control characters."""
    kept = "".join(character for character in text if character >= " ")
    return f"'{kept}" if _FORMULA.match(text) else kept
