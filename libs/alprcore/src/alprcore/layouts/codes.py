"""Why a line is left out and why a file is refused, in words a person reads; nothing of the line is ever said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REJECTS: Final[Mapping[str, str]] = {
    "ACTION_UNKNOWN": "what is to be done with the entry is not known",
    "CATEGORY_UNKNOWN": "the category is not one of this layout",
    "CHARACTER_INVALID": "the line holds a character that no text has",
    "COLUMNS_INVALID": "the columns are not those of the layout",
    "DATE_INVALID": "a date cannot be read",
    "DATE_WITHOUT_ZONE": "a time names no time zone",
    "DUPLICATE": "the same entry stands in an earlier line, which counts",
    "EXPIRED": "the record has expired",
    "LINE_SHORT": "the line is shorter than the layout",
    "LINE_TOO_LONG": "the line is longer than 20,000 characters",
    "NOTES_TOO_LONG": "the notes are longer than 2,000 characters",
    "PARTIAL_PLATE": "the plate is a partial one: enter it under Partial plates",
    "PLATE_JUNK": "the plate is a placeholder",
    "PLATE_MISSING": "there is no plate",
    "PLATE_TOO_LONG": "the plate has more than 12 characters",
    "REASON_INVALID": "the reason or advisory class is no code",
    "STATE_UNKNOWN": "the state or province is not known",
}
"""Codes of lines that are left out, while the others of the file count."""
REFUSALS: Final[Mapping[str, str]] = {
    "COLUMNS_INVALID": "the first line does not name the columns of the layout",
    "LAYOUT_INVALID": "the layout is wrong: every line and key that is wrong is named",
    "LAYOUT_UNKNOWN": "no layout has this name",
    "LIST_ARCHIVE_ENCRYPTED": "the zip is encrypted",
    "LIST_ARCHIVE_INVALID": "the archive is damaged, or holds other than exactly one list",
    "LIST_ARCHIVE_TOO_LARGE": "the zip unpacks to more than 2 GiB, or to more than a hundred times its size",
    "LIST_EMPTY": "no line was accepted",
    "LIST_ENCODING": "the file is not in the encoding of the layout",
    "LIST_HEADER_INVALID": "the header's count or time cannot be read",
    "LIST_HEADER_MISSING": "the first line is no header of this layout",
    "LIST_LINE_ENDLESS": "a line has no end",
    "LIST_MISFIT": "most lines do not fit the layout: it is the wrong one",
    "LIST_TRUNCATED": "the file is cut: a trailer, a count or the end of its last line is missing",
}
"""Codes of files that are refused whole."""
