"""Reads a list file line by line in bounded memory, and judges at its end whether it was whole."""

from __future__ import annotations

import csv
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from alprcore.layouts.lines import Line, LineReader, Reject, Row
from alprcore.layouts.opening import Broken, texts
from alprcore.layouts.schema import Layout, Mark
from alprcore.layouts.values import Unfit, date_reader
from alprcore.model import Refused

LONGEST_LINE: Final = 20_000
"""Characters; a file without line ends is no list, and must not be held whole."""
QUOTED_LINES: Final = 20
"""A cell in quotes may hold line ends, over so many lines at most: a quote never closed costs its own line only."""
_JUDGED_FROM: Final = 20
_CONTENT: Final = frozenset({"EXPIRED", "DUPLICATE", "PLATE_JUNK", "PARTIAL_PLATE", "PLATE_MISSING"})
"""Rejects of well-formed lines. When most lines of a file are rejected for anything else, the layout is the wrong
one, and what passed did so by chance."""
_ENTRY: Final = frozenset({"EXPIRED", "PLATE_JUNK"})
"""Faults that only an entry has, and no header."""


@dataclass(frozen=True, slots=True)
class ListEnd:
    """What is known when a file is read to its end; with `refused` nothing of it may be put in force."""

    body: int
    """Lines between header and trailer but for blank ones and comments: what a count in the file counts."""
    accepted: int
    rejected: int
    skipped: int
    source_time: datetime | None
    """When the source made the file, if the file says."""
    declared: int | None
    """How many entries the file says it has."""
    refused: Refused | None
    reject_codes: Mapping[str, int] = field(default_factory=dict)


Numbered = tuple[int, str, bool]
"""Number of a line, its text, and whether it is the last of the file."""


class _Seen:
    """Remembers 64-bit hashes of entries in 16 bytes each: a million in 32 MB at most, where a set takes 100."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._held = 0

    def add(self, key: tuple[str, str, str]) -> bool:
        """Take a key in; False when it was there."""
        slots, mask = self._slots, len(self._slots) - 1
        mark = hash(key) & 0xFFFF_FFFF_FFFF_FFFF or 1
        at = mark & mask
        while held := slots[at]:
            if held == mark:
                return False
            at = (at + 1) & mask
        slots[at] = mark
        self._held += 1
        if self._held * 2 > mask:
            self._grow()
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots = slots = array("Q", bytes(16 * len(old)))
        mask = len(slots) - 1
        for mark in filter(None, old):
            at = mark & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = mark


class ListReading:
    """One pass over a list file: yields its lines, accepted and rejected; `end` says whether it was whole.

    Raises nothing of its own while iterating; an `OSError` of the source passes through.
    """

    def __init__(
        self,
        source: BinaryIO,
        layout: Layout,
        now: datetime,
        declared: int | None,
        zone: str,
        counts: Callable[[Line], bool],
        *,
        incremental: bool,
    ) -> None:
        self.ordered = incremental
        """A file of changes, or one that says what is to be done: lines of an entry are no duplicates, the last holds."""
        self._counts = counts
        self._source = source
        self._layout = layout
        self._now = now
        self._zone = zone
        self._expected = declared
        self._end: ListEnd | None = None
        self._items = self._run()
        self._ended = True
        self._body = self._accepted = self._skipped = 0
        self._codes: Counter[str] = Counter()
        self._shortest = layout.shortest
        """Of the lines so far: characters of a fixed one, columns of a delimited one."""
        self._source_time: datetime | None = None
        self._declared: int | None = None
        self._trailed = False
        self._delimiter = layout.delimiters[0]
        self._blank = None if layout.shape == "fixed" else " \t" + "".join(layout.delimiters)
        self._queue: deque[Numbered] = deque()
        self._lines = self._numbered()

    def __iter__(self) -> Iterator[Line | Reject]:
        """Give the lines in the order of the file."""
        return self._items

    def __next__(self) -> Line | Reject:
        """Give the next line."""
        return next(self._items)

    @property
    def end(self) -> ListEnd:
        """What was found; raises `ValueError` before the last line was taken."""
        if self._end is None:
            raise ValueError("the list is not read to its end")
        return self._end

    def _run(self) -> Iterator[Line | Reject]:
        refused: Refused | None = None
        seen = _Seen()
        try:
            for item in self._judged():
                if isinstance(item, Line):
                    key = (item.plate, item.details.state, item.record)
                    if self.ordered or not self._counts(item) or seen.add(key):
                        self._accepted += 1
                        yield item
                        continue
                    left_out = Reject(item.number, "DUPLICATE")
                else:
                    left_out = item
                self._codes[left_out.reason_code] += 1
                yield left_out
            refused = self._verdict()
        except Broken as error:
            refused = error.refused
        self._end = ListEnd(
            self._body, self._accepted, self._codes.total(), self._skipped, self._source_time, self._declared, refused,
            dict(self._codes),
        )  # fmt: skip

    def _judged(self) -> Iterator[Line | Reject]:
        reader = self._head()
        self.ordered = self.ordered or reader.takes_out
        fixed = self._layout.shape == "fixed"
        comments = tuple(skip.starts for skip in self._layout.skip if skip.starts)
        while (item := self._next()) is not None:
            number, line, last = item
            if last and self._is_trailer(line):
                return
            if comments and line.startswith(comments):
                self._skipped += 1
                continue
            self._body += 1
            row: Row | None = self._whole(number, line, last=last) if fixed else self._cells(item, reader)
            if row is None:
                yield Reject(number, "LINE_SHORT" if fixed else "COLUMNS_INVALID")
            elif "\0" in line or len(line) > LONGEST_LINE:
                yield Reject(number, "CHARACTER_INVALID" if "\0" in line else "LINE_TOO_LONG")
            elif reader.skips and reader.skipped(row):
                self._skipped += 1
            else:
                try:
                    found: Line | Reject = reader.read(number, row)
                except Unfit as error:
                    found = Reject(number, error.reason_code)
                yield found

    def _next(self) -> Numbered | None:
        return self._queue.popleft() if self._queue else next(self._lines, None)

    def _numbered(self) -> Iterator[Numbered]:
        """Number the lines that are not blank; holds one back, to know the last."""
        number, rest, blank = 0, "", self._blank
        held: Numbered | None = None
        for text in texts(self._source, self._layout.encoding):
            lines = (rest + text).split("\n")
            rest = lines.pop()
            if len(rest) > LONGEST_LINE:
                raise Broken("LIST_LINE_ENDLESS", f"line {number + len(lines) + 1} has no end")
            for number, line in enumerate(lines, number + 1):  # noqa: B020 - numbering goes on from piece to piece
                if line.strip(blank):
                    if held is not None:
                        yield held
                    held = (number, line, False)
        rest = rest.rstrip("\x1a")  # the end of a file in DOS
        if rest.strip(blank):
            self._ended = False
            if held is not None:
                yield held
            held = (number + 1, rest, False)
        if held is not None:
            yield (held[0], held[1], True)

    def _head(self) -> LineReader:
        """Read what stands before the first entry; raises `Broken`."""
        layout, mark = self._layout, self._layout.header
        first = self._next()
        if first is None:
            raise Broken("LIST_TRUNCATED", "the file is empty")
        number, line, last = first
        if layout.names:
            reader = self._named(line)
            if reader is None:
                self._queue.append(first)
                return self._positional(line)
        else:
            reader = self._positional(line)
            if mark is None or not self._is_header(mark, reader, first):
                self._queue.append(first)
                return reader
        if last:
            raise Broken("LIST_TRUNCATED", "no line after the header")
        if mark is not None:
            self._told(mark, line, "LIST_HEADER_INVALID")
            while (item := self._next()) is not None and item[0] < number + mark.lines:
                pass  # blank lines of the header count, and never come here
            if item is not None:
                self._queue.appendleft(item)
        return reader

    def _is_header(self, mark: Mark, reader: LineReader, first: Numbered) -> bool:
        """Tell whether the first line is the header; without words to know it by, it is whatever is no entry."""
        number, line, _ = first
        if mark.starts:
            found = line.lstrip().upper().startswith(mark.starts)
        else:
            row = line if self._layout.shape == "fixed" else line.split(self._delimiter)
            try:
                found = len(row) < reader.reach or not reader.read(number, row)
            except Unfit as error:
                found = error.reason_code not in _ENTRY
        if not found and not mark.optional:
            raise Broken("LIST_HEADER_MISSING", "the first line is no header of this layout")
        return found

    def _positional(self, line: str) -> LineReader:
        layout = self._layout
        if layout.shape == "delimited" and len(layout.delimiters) > 1:
            fitting = [mark for mark in layout.delimiters if line.count(mark) + 1 >= layout.shortest]
            if not fitting:
                raise Broken("COLUMNS_INVALID", "no delimiter of the layout parts the first line", "HOT-01")
            self._delimiter = fitting[0]
        return LineReader(layout, self._now, None, {}, width=layout.shortest, zone=self._zone)

    def _named(self, line: str) -> LineReader | None:
        """Read the header's names; None when it names no plate and the layout can do without names."""
        layout = self._layout
        for delimiter in layout.delimiters:
            cells = [cell.strip().strip('"').strip().lower() for cell in line.split(delimiter)]
            if any(name in cells for name in layout.names["plate"]):
                break
        else:
            if layout.names_optional:
                return None
            raise Broken("COLUMNS_INVALID", "the first line must name the column of plates", "HOT-01")
        self._delimiter = delimiter
        if len(set(cells)) < len(cells):
            raise Broken("COLUMNS_INVALID", "the first line names a column twice", "HOT-01")
        columns: dict[str, int] = {}
        for field_name, names in layout.names.items():
            if at := [cells.index(name) for name in names if name in cells]:
                columns[field_name] = at[0]
        others = {name: at for at, name in enumerate(cells) if name and at not in columns.values()}
        if others and layout.others == "refuse":
            raise Broken("COLUMNS_INVALID", f"columns not known: {', '.join(sorted(others))[:200]}", "HOT-01")
        return LineReader(layout, self._now, columns, others, width=len(cells), zone=self._zone)

    def _is_trailer(self, line: str) -> bool:
        mark = self._layout.trailer
        if mark is None or not line.lstrip().upper().startswith(mark.starts):
            return False
        self._trailed = True
        self._told(mark, line, "LIST_TRUNCATED")
        return True

    def _told(self, mark: Mark, line: str, reason_code: str) -> None:
        """Take what a header or trailer states: count of entries, time of the file."""
        if mark.count is not None:
            count = line[slice(*mark.count)].strip(' ,;"\t')
            if not (count.isascii() and count.isdigit() and len(count) <= 12):
                raise Broken(reason_code, "the count of entries cannot be read")
            self._declared = int(count)
        if mark.time is not None:
            read = date_reader((mark.date,), ZoneInfo(self._layout.timezone or self._zone), day_at=time.min)
            try:
                self._source_time = read(line[slice(*mark.time)])
            except Unfit:
                self._source_time = None
            if self._source_time is None:
                raise Broken(reason_code, "the time of the file cannot be read")

    def _whole(self, number: int, line: str, *, last: bool) -> str | None:
        """Give a line of fixed width, or None when it is too short; raises `Broken` when the file ends within it."""
        length = len(line)
        if last and (length < self._layout.shortest or (not self._ended and length < self._shortest)):
            raise Broken("LIST_TRUNCATED", f"line {number} is cut short")
        if self._body == 1 or length < self._shortest:
            self._shortest = length
        return None if length < self._layout.shortest else line

    def _cells(self, item: Numbered, reader: LineReader) -> list[str] | None:
        """Part a line into cells; None when they are not what the layout says; raises `Broken` when it is cut."""
        number, line, last = item
        width = reader.width
        cells = self._quoted(item, width) if '"' in line and self._layout.quotes else line.split(self._delimiter)
        if cells is None or len(cells) == width == reader.reach:
            return cells
        found = len(cells)
        if last and (found < width or (not self._ended and found < self._shortest)):
            raise Broken("LIST_TRUNCATED", f"line {number} ends before its last column")
        if found < width or (found > width and self._layout.columns_exact):
            return None
        if self._body == 1 or found < self._shortest:
            self._shortest = found
        return cells + [""] * (reader.reach - found)

    def _quoted(self, item: Numbered, width: int) -> list[str] | None:
        """Part a line with quotes, and the lines that a cell in quotes goes on over.

        When they make no good row together, only the first line is left out and the others are read by themselves.
        """
        number, record, last = item
        more: list[Numbered] = []
        while record.count('"') % 2 and not last and len(more) < QUOTED_LINES:
            following = self._next()
            if following is None:
                break
            more.append(following)
            record, last = f"{record}\n{following[1]}", following[2]
        if record.count('"') % 2 and last and not more:
            raise Broken("LIST_TRUNCATED", f"line {number} ends inside quotes")
        try:
            cells = next(csv.reader([record], delimiter=self._delimiter, strict=True))
        except csv.Error:
            cells = []
        if more and len(cells) != width:
            self._queue.extendleft(reversed(more))
            return None
        return cells or None

    def _verdict(self) -> Refused | None:
        """Judge the whole file; None when it may be put in force."""
        trailer, body = self._layout.trailer, self._body
        if trailer is not None and not trailer.optional and not self._trailed:
            return Refused("HOT-04", "LIST_TRUNCATED", "the trailer is missing")
        for declared in (self._declared, self._expected):
            if declared is not None and declared != body:
                return Refused("HOT-04", "LIST_TRUNCATED", f"{body} lines instead of {declared}")
        if not body:
            return Refused("HOT-04", "LIST_TRUNCATED", "the file holds no line of a list")
        often = self._codes.most_common(1)[0][0] if self._codes else ""
        misfits = sum(count for code, count in self._codes.items() if code not in _CONTENT)
        if self._accepted == 0:
            words = f"no line was accepted, {self._codes.total()} were rejected, most for {often}"
            return Refused("HOT-04", "LIST_EMPTY", words)
        if body >= _JUDGED_FROM and misfits * 2 > body:
            words = f"{misfits} of {body} lines do not fit the layout, most for {often}"
            return Refused("HOT-04", "LIST_MISFIT", words)
        return None
