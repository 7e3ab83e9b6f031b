"""Turns one row of a list file into an entry, by a layout: cells are cut in one call, each read by its own reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from operator import itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.layouts.schema import ANY, Category, Layout, Place, Slice
from alprcore.layouts.values import (
    Remembered,
    Unfit,
    agency_letters,
    category_key,
    code_word,
    date_reader,
    letters,
    names_owner,
    plate,
    removal,
    state_reader,
    words,
)
from alprcore.model import EntryDetails, Plate

LONGEST_NOTE: Final = 2000
Row = str | Sequence[str]
"""A line of fixed width, or the cells of a delimited one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One accepted line; `category` is the source's own letter or word for it, empty when the layout has none.

    `removal`: an incremental file takes the entry off the list with this line.
    """

    number: int
    plate: Plate
    details: EntryDetails
    category: str = ""
    removal: bool = False

    @property
    def record(self) -> str:
        """What tells entries of one plate and state apart: the source's record number or, without, the category.

        So a vehicle that is listed as stolen and under a person's warrant has both entries.
        """
        return self.details.source_key or self.category


@dataclass(frozen=True, slots=True)
class Reject:
    """One line that was left out, and why. Never its content: a report may be shown where plates may not."""

    number: int
    reason_code: str


class LineReader:
    """Reads rows of one file."""

    def __init__(
        self,
        layout: Layout,
        now: datetime,
        columns: Mapping[str, int] | None,
        others: Mapping[str, int],
        *,
        width: int,
        zone: str,
    ) -> None:
        """`columns` says where a header puts the fields (None: as the layout says), `others` what else it names.

        `zone` is where a day ends when the layout does not say.
        """
        places: dict[str, tuple[Place, ...]] = (
            dict(layout.fields) if columns is None else {field: (Place(column=at),) for field, at in columns.items()}
        )
        self.width = width
        """Columns a row has at least."""
        self.reach = max([width, *(place.column + 1 for found in places.values() for place in found if place.column)])
        """Columns the fields need; missing ones at the end of a row are empty."""
        self._now = now
        first = [name for name in ("plate", "action", "category") if name in places]
        places = {name: places[name] for name in (*first, *(name for name in places if name not in first))}
        self._extract, within = _extractor(layout, places)
        self._first = len(first)
        self._details = tuple(places)[self._first :]
        readers = [_within(_reader(layout, name, zone), cut) for name, cut in zip(places, within, strict=True)]
        self._plate, self._readers = readers[0], tuple(readers[self._first :])
        self._action = readers[1] if "action" in first else None
        self._category = readers[self._first - 1] if "category" in first else None
        self._skips = tuple((list(places).index(s.field), s.values) for s in layout.skip if s.field in places)
        self.skips = bool(self._skips)
        self.takes_out = self._action is not None
        told = tuple(others.items()) if layout.others == "notes" else ()
        self._others = tuple(one for one in told if not names_owner(one[0]))
        self._owners = tuple(at for name, at in told if names_owner(name))
        self._notes = "notes" in places or bool(self._others)
        self._rest = layout.categories.get(ANY)
        self._expires = "expires_at" in places

    def skipped(self, row: Row) -> bool:
        """Tell whether a rule of the layout passes this row over: it is no entry and no fault."""
        raw = self._extract(row)
        return any(words(raw[at]).upper() in values for at, values in self._skips)

    def read(self, number: int, row: Row) -> Line:
        """Read a row; raises `Unfit` with the code of what is wrong with it."""
        raw = self._extract(row)
        found = self._plate(raw[0])
        takes_out = self._action is not None and self._action(raw[1])
        texts = zip(self._readers, raw[self._first :], strict=True)
        fields: dict[str, Any] = dict(zip(self._details, [reader(text) for reader, text in texts], strict=True))
        key, other = "", ""
        if self._category is not None and (raw[self._first - 1].strip() or not takes_out):
            key, meaning = self._category(raw[self._first - 1])
            fields["reason"] = fields.get("reason") or meaning.reason
            fields["advisory_class"] = fields.get("advisory_class") or meaning.advisory_class
            other = raw[self._first - 1] if meaning is self._rest else ""
        if takes_out and self._category is not None and not (key or fields.get("source_key")):
            raise Unfit("CATEGORY_UNKNOWN")  # several entries of the plate could be meant
        if self._owners:
            said = [fields.get("registered_owner", ""), *(words(row[at]) for at in self._owners)]
            fields["registered_owner"] = "; ".join(filter(None, said))
        if self._notes or other:
            self._note(fields, row, other)
        if self._expires and fields["expires_at"] is not None and fields["expires_at"] <= self._now:
            raise Unfit("EXPIRED")
        return Line(number, found, EntryDetails(**fields), key, takes_out)

    def _note(self, fields: dict[str, Any], row: Row, other: str) -> None:
        """Put together what people read: words of a category that no table names, notes, columns of the user's own."""
        notes = [words(other), fields.get("notes", "")]
        notes += [f"{name}: {text}" for name, at in self._others if (text := words(row[at]))]
        fields["notes"] = "; ".join(filter(None, notes))
        if len(fields["notes"]) > LONGEST_NOTE:
            raise Unfit("NOTES_TOO_LONG")


def _extractor(
    layout: Layout, places: Mapping[str, tuple[Place, ...]]
) -> tuple[Callable[[Any], Sequence[str]], list[Slice | None]]:
    """Make the function that takes the raw texts of the fields out of a row, in the order of `places`.

    Where each field has one place this is a single call in C; what is left to be cut from each text comes beside it.
    """
    simple = [found[0] for found in places.values() if len(found) == 1 and not found[0].tag and found[0].value is None]
    if len(simple) == len(places) > 1:
        take = itemgetter(*(slice(*place.cut or ()) if place.column is None else place.column for place in simple))
        return take, [None if place.column is None else place.cut for place in simple]
    cutters = [tuple(_cutter(place) for place in found) for found in places.values()]
    tagged = any(place.tag for found in places.values() for place in found)

    def extract(row: Any) -> list[str]:
        tags = _tags(row[layout.tags_from :], layout.tags_divider) if tagged else {}
        return [next((text for cut in found if (text := cut(row, tags)).strip()), "") for found in cutters]

    return extract, [None] * len(places)


def _within(reader: Callable[[str], Any], cut: Slice | None) -> Callable[[str], Any]:
    if cut is None:
        return reader
    span = slice(*cut)
    return lambda text: reader(text[span])


def _cutter(place: Place) -> Callable[[Any, Mapping[str, str]], str]:
    if place.tag:
        return lambda _, tags: tags.get(place.tag, "")
    if place.value is not None:
        said = place.value
        return lambda *_: said
    span = slice(*(place.cut or (0, None)))
    if place.column is not None:
        at = place.column
        return lambda row, _: row[at][span]
    return lambda row, _: row[span]


def _tags(text: str, divider: str) -> dict[str, str]:
    """Read `VYR/05 VMA/DODG VCO/RED/BLK`: a word opens a tag; words without a divider belong to the tag before them."""
    tags: dict[str, list[str]] = {}
    said: list[str] = []
    for word in text.split():
        head, found, value = word.partition(divider)
        if found and head.isalpha() and len(head) == 3 and head not in tags:
            said = tags[head] = [value]
        else:
            said.append(word)
    return {name: " ".join(parts) for name, parts in tags.items()}


def _reader(layout: Layout, field: str, zone: str) -> Callable[[str], Any]:
    code = field in layout.letters
    match field:
        case "plate":
            junk = layout.junk
            return lambda text: plate(text, junk)
        case "category":
            return _category_reader(layout, code=code)
        case "state":
            states = layout.states
            read = state_reader(states.codes, states.default, keep_unknown=states.keep_unknown, code=code)
            return Remembered(read).__getitem__
        case "effective_at" | "expires_at":
            day_at, otherwise = (time.min, "UTC") if field == "effective_at" else (time.max, zone)
            read_date = date_reader(layout.dates, ZoneInfo(layout.timezone or otherwise), day_at=day_at)
            return Remembered(read_date).__getitem__
        case "action":
            return removal
        case "reason" | "advisory_class":
            return Remembered(code_word).__getitem__
        case "originating_agency":
            return Remembered(agency_letters if code else str.strip).__getitem__
        case "notes" | "basis" | "registered_owner":
            return words
        case "source_key" | "case_number":
            return str.strip
        case _:
            return Remembered(letters if code else str.strip).__getitem__


def _category_reader(layout: Layout, *, code: bool) -> Callable[[str], tuple[str, Category]]:
    """Make the reader of categories: the key by which a switch names it, and what it means here."""
    table = layout.categories
    rest = table.get(ANY)

    def read(text: str) -> tuple[str, Category]:
        key = category_key(text, code=code)
        meaning = table.get(key, rest)
        if meaning is None:
            raise Unfit("CATEGORY_UNKNOWN")
        return key, meaning

    return Remembered(read).__getitem__
