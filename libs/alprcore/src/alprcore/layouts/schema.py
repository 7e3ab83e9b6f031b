"""What a list layout says: where each fact stands in a file, and how it is written there. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

FIELDS: Final = (
    "plate",
    "state",
    "reason",
    "advisory_class",
    "category",
    "action",
    "source_key",
    "originating_agency",
    "effective_at",
    "expires_at",
    "vehicle_year",
    "vehicle_make",
    "vehicle_model",
    "vehicle_style",
    "vehicle_color",
    "notes",
    "case_number",
    "basis",
    "registered_owner",
)
"""What a line of a list may say."""
CODE_FIELDS: Final = frozenset(
    {"state", "category", "originating_agency", "vehicle_make", "vehicle_model", "vehicle_style", "vehicle_color"}
)
"""Columns of codes, in which sources write the letter O as the digit 0; a plate is no code."""
ENCODINGS: Final = ("utf-8", "latin-1", "cp1252", "utf-16")
SHAPES: Final = ("fixed", "delimited")
OTHERS: Final = ("refuse", "ignore", "notes")
STATE_CODES: Final = ("postal", "ncic")
JUNK: Final = frozenset({"0", "00", "000", "0000", "190"})
"""Placeholders that real extracts carry in the plate column; a layout may name more."""
ANY: Final = "*"
"""The category that stands for every other."""

Slice = tuple[int, int | None]
"""From (counted from 0) to (not included; None: the end of the line or cell)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands: a slice of the line, a column (or a slice of it), a tag, or one text for every line."""

    cut: Slice | None = None
    column: int | None = None
    tag: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A header or trailer: how to know it, and where it states a count of entries or the time of the file."""

    lines: int = 1
    starts: tuple[str, ...] = ()
    optional: bool = False
    count: Slice | None = None
    time: Slice | None = None
    date: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """What a letter or word of the source means here."""

    reason: str
    advisory_class: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class States:
    """How plate states are written, what stands for none, and whether a line with an unknown code is left out."""

    codes: str = "postal"
    default: str = ""
    keep_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """Lines that are no entries: by how they begin, or by what a field says."""

    starts: str = ""
    field: str = ""
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one kind of list file (HOT-01)."""

    name: str
    title: str
    shape: str
    fields: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field → names that a header may give its column; empty: columns are told by their position."""
    names_optional: bool = False
    """Without a header, the columns stand as `fields` says."""
    encoding: str = "utf-8"
    timezone: str = ""
    """Of days and times without a zone. Empty: a day begins with that of UTC, which is early in all of the country, and
    ends with that of the agency, so that no entry is missed for hours."""
    delimiters: tuple[str, ...] = (",",)
    quotes: bool = True
    dates: tuple[str, ...] = ("rfc3339",)
    header: Mark | None = None
    trailer: Mark | None = None
    shortest: int = 0
    """Fixed: a shorter line is cut. Delimited: the least number of columns."""
    columns_exact: bool = True
    tags_from: int = 0
    tags_divider: str = "/"
    letters: frozenset[str] = frozenset()
    states: States = States()
    categories: Mapping[str, Category] = field(default_factory=dict)
    junk: frozenset[str] = JUNK
    skip: tuple[Skip, ...] = ()
    others: str = "refuse"
    registration: bool = False
    """The file holds registration data: a load needs a permissible use (SEC-05)."""
