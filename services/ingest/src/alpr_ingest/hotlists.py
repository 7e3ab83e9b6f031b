"""Reads list files and decides whether a load may replace what is active. Pure.

Rejects carry a line number and a code, never the line: a report may be shown where plates may not.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from alprcore.model import ADMITTED, Decision, EntryDetails, HitReason, Plate, Refused
from alprcore.plates import LONGEST, normalize

FORMATS: Final = ("generic_csv", "ncic_fixed")
SHRINK_LIMIT: Final = 0.5
"""A list that loses more than half of its entries at once is taken for a broken file (HOT-04)."""
CLOCK_AHEAD: Final = timedelta(minutes=10)
LONGEST_NOTE: Final = 2000
JUNK: Final = frozenset({"0", "00", "000", "0000", "190"})
"""Placeholders that real extracts carry in the plate column."""
COLUMNS: Final = frozenset(
    {
        "plate",
        "state",
        "reason",
        "advisory_class",
        "notes",
        "vehicle_year",
        "vehicle_make",
        "vehicle_model",
        "vehicle_style",
        "vehicle_color",
        "effective_at",
        "expires_at",
        "source_key",
        "originating_agency",
    }
)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_STATES: Final = frozenset(
    [
        "AL",
        "AK",
        "AZ",
        "AR",
        "CA",
        "CO",
        "CT",
        "DE",
        "DC",
        "FL",
        "GA",
        "HI",
        "ID",
        "IL",
        "IN",
        "IA",
        "KS",
        "KY",
        "LA",
        "ME",
        "MD",
        "MA",
        "MI",
        "MN",
        "MS",
        "MO",
        "MT",
        "NE",
        "NV",
        "NH",
        "NJ",
        "NM",
        "NY",
        "NC",
        "ND",
        "OH",
        "OK",
        "OR",
        "PA",
        "RI",
        "SC",
        "SD",
        "TN",
        "TX",
        "UT",
        "VT",
        "VA",
        "WA",
        "WV",
        "WI",
        "WY",
        "PR",
        "GU",
        "VI",
        "AS",
        "MP",
    ]
)
_PROVINCES: Final[Mapping[str, str]] = {
    "AB": "AB", "BC": "BC", "MB": "MB", "NK": "NB", "NF": "NL", "NL": "NL", "NT": "NT", "NS": "NS", "NU": "NU",
    "ON": "ON", "PE": "PE", "PQ": "QC", "QC": "QC", "SN": "SK", "SK": "SK", "YT": "YT",
}  # fmt: skip
"""Provinces of Canada; NCIC's own codes where they differ from the postal ones."""
_NCIC_ALIASES: Final[Mapping[str, str]] = {"NB": "NE"}
_NCIC_REASONS: Final[Mapping[str, str]] = {
    "A": HitReason.AMBER_ALERT,
    "F": HitReason.FELONY_VEHICLE,
    "W": HitReason.WANTED_PERSON,
    "V": HitReason.STOLEN_VEHICLE,
    "P": HitReason.STOLEN_PLATE,
    "M": HitReason.MISSING_PERSON,
    "C": HitReason.OTHER,
    "H": HitReason.DV_PROTECTIVE_ORDER,
    "K": HitReason.OTHER,
    "L": HitReason.OTHER,
    "R": HitReason.STOLEN_VEHICLE,
    "T": HitReason.TERRORISM_RELATED,
    "X": HitReason.OTHER,
    "N": HitReason.OTHER,
}
"""First letter of the NCIC number: which file the record comes from."""
_NCIC_SHORTEST: Final = 58
"""Columns up to the vehicle style; the color that follows may be cut by an editor that strips blanks."""


@dataclass(frozen=True, slots=True)
class Line:
    """One accepted line."""

    number: int
    plate: Plate
    details: EntryDetails


@dataclass(frozen=True, slots=True)
class Reject:
    """One line that was left out, and why."""

    number: int
    reason_code: str


@dataclass(frozen=True, slots=True)
class ParsedList:
    """A whole list file: what is accepted and what is rejected."""

    lines: tuple[Line, ...]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class ActiveList:
    """What is known of a list and its active version (0: never loaded)."""

    agency: str
    code: str
    name: str
    list_type: str
    advisory_class: str
    default_reason: str
    source: str
    loads_per_day: int
    approved: bool
    version: int
    entries: int
    source_time: datetime | None
    loaded_at: datetime | None

    @property
    def max_age_s(self) -> int:
        """Age at which a hit says that the list is stale: the interval between two loads (HOT-13)."""
        return 86_400 // max(self.loads_per_day, 1)


class _Unfit(Exception):
    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


def parse_list(data: bytes, file_format: str, *, now: datetime, declared: int | None = None) -> ParsedList | Refused:
    """Read a list file; refuses what is empty, cut short or not of this format.

    `declared` is how many entries the sender says there are; a CSV may say so itself in a last row `#entries,N`.
    """
    try:
        text = data.decode("utf-8-sig" if file_format == "generic_csv" else "latin-1")
    except UnicodeDecodeError:
        return Refused("HOT-04", "LIST_ENCODING", "the file is not UTF-8")
    match file_format:
        case "generic_csv":
            found = _parse_csv(text, now, declared)
        case "ncic_fixed":
            found = _parse_ncic(text, declared)
        case _:
            return Refused("HOT-01", "FORMAT_UNKNOWN", f"format: one of {', '.join(FORMATS)}")
    if isinstance(found, ParsedList) and not found.lines:
        return Refused("HOT-04", "LIST_EMPTY", f"no line was accepted, {len(found.rejects)} were rejected")
    return found


def _parse_csv(text: str, now: datetime, declared: int | None) -> ParsedList | Refused:
    rows = _csv_rows(text)
    if isinstance(rows, Refused):
        return rows
    if not rows:
        return Refused("HOT-04", "LIST_TRUNCATED", "the file is empty")
    header = [cell.strip().lower() for cell in rows[0][1]]
    unknown = sorted(set(header) - COLUMNS)
    if unknown or "plate" not in header or len(set(header)) < len(header):
        named = "the first line must name `plate`, and no column twice"
        detail = f"columns not known: {', '.join(unknown)[:200]}" if unknown else named
        return Refused("HOT-01", "COLUMNS_INVALID", detail)
    body = rows[1:]
    if body and body[-1][1][0].strip() == "#entries":
        try:
            declared = int(body[-1][1][1])
        except (ValueError, IndexError):
            return Refused("HOT-04", "LIST_TRUNCATED", "the trailer is cut")
        body = body[:-1]
    if not body:
        return Refused("HOT-04", "LIST_TRUNCATED", "no line after the header")
    if len(body[-1][1]) < len(header):
        return Refused("HOT-04", "LIST_TRUNCATED", f"line {body[-1][0]} ends before its last column")
    if declared is not None and declared != len(body):
        return Refused("HOT-04", "LIST_TRUNCATED", f"{len(body)} lines instead of {declared}")

    def lines() -> Iterator[Line | Reject]:
        for number, cells in body:
            if len(cells) != len(header):
                yield Reject(number, "COLUMNS_INVALID")
                continue
            record = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            try:
                yield Line(number, _plate(record["plate"]), _csv_details(record, now))
            except _Unfit as error:
                yield Reject(number, error.reason_code)

    return _sorted_out(lines())


def _csv_rows(text: str) -> list[tuple[int, list[str]]] | Refused:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, cells) for cells in reader if any(cells))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return Refused("HOT-04", "LIST_TRUNCATED", f"line {reader.line_num} ends inside quotes")
        return Refused("HOT-04", "LIST_ENCODING", f"line {reader.line_num} is no CSV")
    return rows


def _csv_details(record: Mapping[str, str], now: datetime) -> EntryDetails:
    reason = record.get("reason", "").lower()
    advisory = record.get("advisory_class", "").lower()
    if any(code and not _CODE.fullmatch(code) for code in (reason, advisory)):
        raise _Unfit("REASON_INVALID")
    notes = record.get("notes", "")
    if len(notes) > LONGEST_NOTE:
        raise _Unfit("NOTES_TOO_LONG")
    expires_at = _moment(record.get("expires_at", ""), day_at=time.max)
    if expires_at is not None and expires_at <= now:
        raise _Unfit("EXPIRED")
    return EntryDetails(
        state=_state(record.get("state", "")),
        reason=reason,
        advisory_class=advisory,
        source_key=record.get("source_key", ""),
        originating_agency=record.get("originating_agency", ""),
        effective_at=_moment(record.get("effective_at", ""), day_at=time.min),
        expires_at=expires_at,
        vehicle_year=record.get("vehicle_year", ""),
        vehicle_make=record.get("vehicle_make", ""),
        vehicle_model=record.get("vehicle_model", ""),
        vehicle_style=record.get("vehicle_style", ""),
        vehicle_color=record.get("vehicle_color", ""),
        notes=notes,
    )


def _parse_ncic(text: str, declared: int | None) -> ParsedList | Refused:
    """Read the NCIC license plate reader extract, fixed width; line 1 is a header.

    Code columns of real extracts write the letter O as the digit 0, so they are read back; the plate never is.
    """
    ended = text.endswith(("\n", "\r"))
    body = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()][1:]
    if not body:
        return Refused("HOT-04", "LIST_TRUNCATED", "no line after the header")
    usual = min((len(line) for _, line in body[:-1]), default=_NCIC_SHORTEST)
    last = len(body[-1][1])
    if last < _NCIC_SHORTEST or (not ended and last < usual):
        return Refused("HOT-04", "LIST_TRUNCATED", f"line {body[-1][0]} is cut short")
    if declared is not None and declared != len(body):
        return Refused("HOT-04", "LIST_TRUNCATED", f"{len(body)} lines instead of {declared}")

    def lines() -> Iterator[Line | Reject]:
        for number, line in body:
            if len(line) < _NCIC_SHORTEST:
                yield Reject(number, "LINE_SHORT")
                continue
            try:
                yield Line(number, _plate(line[27:37]), _ncic_details(line))
            except _Unfit as error:
                yield Reject(number, error.reason_code)

    return _sorted_out(lines())


def _ncic_details(line: str) -> EntryDetails:
    number = line[0:10].strip()
    reason = _NCIC_REASONS.get(number[:1])
    if reason is None:
        raise _Unfit("CATEGORY_UNKNOWN")
    try:
        entered = datetime.strptime(line[19:27], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise _Unfit("DATE_INVALID") from None
    state = _letters(line[37:39])
    return EntryDetails(
        state=_state(_NCIC_ALIASES.get(state, state)),
        reason=str(reason),
        source_key=number,
        originating_agency=line[10:19].strip(),
        effective_at=entered,
        vehicle_year=line[45:49].strip(),
        vehicle_make=_letters(line[49:53]),
        vehicle_model=_letters(line[53:56]),
        vehicle_style=_letters(line[56:58]),
        vehicle_color=_letters(line[58:65]),
    )


def _letters(column: str) -> str:
    """Read a code column: the letter O is written as the digit 0 in NCIC extracts."""
    return column.strip().replace("0", "O")


def _plate(text: str) -> Plate:
    if "?" in text or "*" in text:
        raise _Unfit("PARTIAL_PLATE")
    plate = normalize(text)
    if not plate:
        raise _Unfit("PLATE_MISSING")
    if len(plate) > LONGEST:
        raise _Unfit("PLATE_TOO_LONG")
    if plate.reveal() in JUNK:
        raise _Unfit("PLATE_JUNK")
    return plate


def _state(text: str) -> str:
    """Name a state as ISO 3166-2; empty stays empty: the list does not say."""
    code = text.strip().upper()
    if not code or _REGION.fullmatch(code):
        return code
    if code in _STATES:
        return f"US-{code}"
    if code in _PROVINCES:
        return f"CA-{_PROVINCES[code]}"
    raise _Unfit("STATE_UNKNOWN")


def _moment(text: str, *, day_at: time) -> datetime | None:
    """Read RFC 3339, or a day, which counts from its begin or to its end in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Unfit("DATE_INVALID") from None
    if len(text) == len("2026-01-31"):
        return datetime.combine(moment.date(), day_at, UTC)
    if moment.tzinfo is None:
        raise _Unfit("DATE_WITHOUT_ZONE")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # "never" written as the last day of the year 9999, west of Greenwich
        raise _Unfit("DATE_INVALID") from None


def _sorted_out(found: Iterator[Line | Reject]) -> ParsedList:
    """Part accepted from rejected lines; of equal ones (plate, state, source's number) the first counts."""
    lines, rejects, seen = [], [], set()
    for item in found:
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        key = (item.plate.reveal(), item.details.state, item.details.source_key)
        if key in seen:
            rejects.append(Reject(item.number, "DUPLICATE"))
            continue
        seen.add(key)
        lines.append(item)
    return ParsedList(tuple(lines), tuple(rejects))


def admit_load(active: ActiveList, entries: int, source_time: datetime, *, now: datetime, force: bool) -> Decision:
    """Decide whether a load may replace the active version (HOT-04, HOT-06); `force` lifts the shrink guard only."""
    if active.list_type == "hot_plate":
        return Refused("HOT-16", "LIST_NOT_LOADABLE", "hot plates are entered one by one")
    if not active.approved:
        return Refused("HOT-06", "LIST_NOT_APPROVED", "a special list is loaded after its approval")
    if source_time > now + CLOCK_AHEAD:
        return Refused("HOT-04", "SOURCE_TIME_AHEAD", "source_time lies in the future")
    if active.source_time is not None and source_time < active.source_time:
        return Refused("HOT-04", "LIST_OLDER_THAN_ACTIVE", "the active version has a newer source time")
    if not force and entries < active.entries * (1 - SHRINK_LIMIT):
        return Refused("HOT-04", "LIST_SHRUNK", f"{entries} entries instead of {active.entries}")
    return ADMITTED
