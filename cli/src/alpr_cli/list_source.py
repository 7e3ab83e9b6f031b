"""`alpr simulate-list`: writes the file that a list's source would send, in its layout, with plates nobody has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from alprcore.layouts import Layout, shipped

MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """How the source of a list writes: in which layout, and what every line says beside the plate."""

    layout: str
    says: Mapping[str, str] = field(default_factory=dict)


_NCIC: Final = {"originating_agency": "CA0310000", "vehicle_make": "TOYT", "vehicle_color": "BLU"}
SOURCES: Final[Mapping[str, Source]] = {
    "SVS": Source("ca_svs"),
    "SRV": Source("ca_svs"),
    "SLR": Source("ca_slr"),
    "SFR": Source("ca_sfr"),
    "STOLEN_VEHICLES": Source("ca_svs"),
    "STOLEN_PLATES": Source("ca_slr"),
    "NCIC": Source("ncic_fixed", _NCIC | {"category": "V"}),
    "DOJ": Source("ncic_csv", _NCIC | {"category": "V"}),
    "FWS": Source("ncic_fixed", _NCIC | {"category": "W"}),
    "MUPS": Source("ncic_fixed", _NCIC | {"category": "M"}),
    "MISSING": Source("ncic_csv", _NCIC | {"category": "M"}),
    "WANTED": Source("ncic_csv", _NCIC | {"category": "W"}),
    "AMBER": Source("ncic_csv", _NCIC | {"category": "A"}),
    "MISSING_CHILDREN": Source("genetec", {"category": "Missing person"}),
    "BOLO": Source("genetec", {"category": "BOLO"}),
    "PC_ARREST": Source("vigilant", {"category": "Wanted person", "case_number": "26-00001"}),
    "WARRANTS": Source("vigilant", {"category": "Wanted person"}),
    "COUNTY_WARRANTS": Source("generic_csv", {"reason": "warrant"}),
    "IJIS_WARRANT": Source("generic_csv", {"reason": "warrant"}),
    "DMV": Source("generic_csv", {"reason": "other"}),
    "LOCAL": Source("generic_csv", {"reason": "other"}),
    "SPECIAL": Source("generic_csv", {"reason": "special_hot_list", "basis": "RMS 26-00001"}),
    "DEMO": Source("generic_csv", {"reason": "stolen_vehicle"}),
}
"""Source by list code: those of every shipped policy (HOT-01). Any other list is written as plain CSV."""
_PLAIN: Final = Source("generic_csv", {"reason": "other"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr simulate-list`."""
    parser.add_argument("list", help="its code, e.g. SVS")
    parser.add_argument("out", type=Path, help="file to write, e.g. one of a feed's drop folder")
    parser.add_argument("--entries", type=int, default=100, help="how many plates (default 100)")
    parser.add_argument("--first", type=int, default=0, help="number of the first plate: another one changes the list")


def run(options: argparse.Namespace) -> int:
    """Write the file whole or not at all; says in which layout it is."""
    source = source_of(options.list)
    if not 0 < options.entries <= MOST:
        print(f"alpr simulate-list: --entries: 1 to {MOST}", file=sys.stderr)
        return 2
    data = write(source, range(options.first, options.first + options.entries), datetime.now(UTC))
    unfinished = options.out.with_name(f".{options.out.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(options.out)
    print(f"{options.out}: {options.entries} entries, layout {source.layout}")
    return 0


def source_of(code: str) -> Source:
    """Tell how the source of a list writes."""
    return SOURCES.get(code, _PLAIN)


def write(source: Source, numbers: range, made_at: datetime) -> bytes:
    """Lay out a file of these plates: header, one line each, trailer, as the source's layout has them."""
    layout = shipped()[source.layout]
    date = "%Y-%m-%d" if layout.dates[0] == "rfc3339" else layout.dates[0]
    lines = []
    for number in numbers:
        said = {
            "plate": f"ZQ{number:05d}",
            "state": "CA",
            "source_key": f"{source.says.get('category', 'X')[:1]}{number:09d}",
            "effective_at": made_at.strftime(date),
        }
        lines.append(_line(layout, {**said, **source.says}))
    head, tail = _header(layout, made_at), _trailer(layout, len(lines))
    text = "".join(f"{line}\n" for line in (head, *lines, tail) if line)
    return text.encode(layout.encoding)


def _header(layout: Layout, made_at: datetime) -> str:
    mark = layout.header
    if _is_named(layout):
        return layout.delimiters[0].join(names[0] for names in layout.names.values())
    if mark is None or mark.optional or layout.names:
        return ""
    if mark.time is not None:
        return f"{mark.starts[0]}{made_at.astimezone(ZoneInfo(layout.timezone)):{mark.date}}"
    return "SYNTHETIC EXTRACT"


def _trailer(layout: Layout, count: int) -> str:
    mark = layout.trailer
    return (
        "" if mark is None or mark.optional or mark.count is None else f"{mark.starts[0]:<{mark.count[0]}}{count:07d}"
    )


def _is_named(layout: Layout) -> bool:
    return bool(layout.names) and not layout.names_optional


def _line(layout: Layout, said: Mapping[str, str]) -> str:
    if _is_named(layout):
        return layout.delimiters[0].join(said.get(name, "") for name in layout.names)
    places = {name: found[0] for name, found in layout.fields.items() if found[0].value is None}
    if layout.shape == "delimited":
        whole = {place.column: said.get(name, "") for name, place in places.items() if place.cut is None}
        width = max(layout.shortest, *(column + 1 for column in whole if column is not None))
        return layout.delimiters[0].join(whole.get(column, "") for column in range(width))
    width = max(layout.shortest, *(place.cut[1] for place in places.values() if place.cut and place.cut[1]))
    row = [" "] * width
    for name, place in places.items():
        if place.cut and name in said:
            start, end = place.cut
            text = said[name][: (end or width) - start]
            row[start : start + len(text)] = text
    return "".join(row)
