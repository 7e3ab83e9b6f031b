"""Writes list files from a layout's own table, with plates that nobody has, and damages them."""

import io
import zipfile
from datetime import UTC, date, datetime

from alprcore.layouts import Line, read_list, shipped

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
LAYOUTS = shipped()
DAY = date(2026, 2, 3)
LINES = 30


def of(number, layout):
    """Say what line `number` holds, field by field; unsaid columns stay blank."""
    keys = [key for key in layout.categories if key != "*"]
    return {
        "plate": f"{number % 10}QZX{number:03d}",
        "state": "OR",
        "category": keys[number % len(keys)] if keys else "",
        "source_key": f"{'VW'[number % 2] * 2}{number:08d}",
        "originating_agency": "CA0570200",
        "effective_at": DAY,
        "expires_at": date(2027, 2, 3),
        "vehicle_year": "2009",
        "vehicle_make": "TOYT",
        "vehicle_model": "COR",
        "vehicle_style": "4D",
        "vehicle_color": "ONG/WHI",
        "notes": "dent left",
        "case_number": f"26-{number:05d}",
    }


def line(layout, said):
    """Lay out one line."""
    said = {name: text.strftime(_form(layout)) if isinstance(text, date) else text for name, text in said.items()}
    if layout.names and not layout.fields:
        return layout.delimiters[0].join(said.get(name, "") for name in layout.names)
    if layout.shape == "delimited":
        return layout.delimiters[0].join(_cells(layout, said))
    row = [" "] * _width(layout)
    tags = []
    # A slice within another is written after it: the category is the first letter of the record's number.
    places = sorted(
        ((name, place) for name, places in layout.fields.items() for place in places[:1]), key=lambda one: _span(one[1])
    )
    for name, place in places:
        if place.tag:
            tags.append(f"{place.tag}/{said.get(name, '')}")
        elif place.cut and not (layout.tags_from and name == "notes"):
            start, end = place.cut
            text = said.get(name, "")
            row[start : start + max(len(text), 0)] = text[: (end or 999) - start]
    return "".join(row)[: layout.tags_from or None] + " ".join(tags)


def _form(layout):
    return "%Y-%m-%d" if layout.dates[0] == "rfc3339" else layout.dates[0]


def _span(place):
    if not place.cut:
        return 0
    return -((place.cut[1] or 999) - place.cut[0])


def _width(layout):
    ends = [place.cut[1] for places in layout.fields.values() for place in places if place.cut and place.cut[1]]
    return layout.tags_from or max([*ends, layout.shortest])


def _cells(layout, said):
    cells = [""] * max(layout.shortest, *(p.column + 1 for places in layout.fields.values() for p in places))
    for name, places in layout.fields.items():
        if places[0].cut is None:
            cells[places[0].column] = said.get(name, "")
    for name, places in layout.fields.items():
        if places[0].cut is not None:
            start, end = places[0].cut
            text = cells[places[0].column]
            cells[places[0].column] = text[:start] + said.get(name, "")[: end - start] + text[end:]
    return cells


def header(layout):
    """Lay out the header, or nothing when the layout has none or can do without."""
    mark = layout.header
    if layout.names and not layout.names_optional:
        return layout.delimiters[0].join(names[0] for names in layout.names.values())
    if mark is None or mark.optional or layout.names_optional:
        return None
    if mark.time:
        return f"{mark.starts[0]}{datetime(2026, 3, 14, 4, 30):{mark.date}}"
    return "EXTRACT OF THE NIGHT"


def trailer(layout, count):
    """Lay out the trailer, or nothing."""
    mark = layout.trailer
    return None if mark is None or mark.optional else f"{mark.starts[0]} {count:07d}"


def rows(layout, count=LINES):
    """Lay out the body."""
    return [line(layout, of(number, layout)) for number in range(count)]


def text(layout, body=None, *, count=None, end="\n", head=True):
    """Lay out a whole file."""
    body = rows(layout) if body is None else body
    top, bottom = header(layout) if head else None, trailer(layout, len(body) if count is None else count)
    return "".join(row + end for row in (top, *body, bottom) if row is not None)


def read(layout, data, **more):
    """Read a file: its lines, its rejects as (number, code), and its end."""
    reading = read_list(io.BytesIO(data), layout, now=NOW, **more)
    items = list(reading)
    lines = [item for item in items if isinstance(item, Line)]
    rejects = [(item.number, item.reason_code) for item in items if not isinstance(item, Line)]
    return lines, rejects, reading.end


def first(layout):
    """Number of the first line of the body."""
    return 1 if header(layout) is None else 2


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    """Pack files as (name, bytes)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return target.getvalue()
