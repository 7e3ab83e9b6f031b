"""How one cell of a list is read: states, dates, code columns, plates. Every reader is remembered per text, bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Final, TypeVar

from alprcore.model import Plate
from alprcore.plates import LONGEST, normalize

_REMEMBERED: Final = 50_000
"""Texts kept per reader: dates, makes and colors repeat; a file of nothing but different ones costs 5 MB, not more."""
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_US: Final = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA RI SC SD TN TX UT VT VA WA WV WI WY PR GU VI AS MP"
)
_CANADA: Final = "AB BC MB NB NL NT NS NU ON PE QC SK YT"
_POSTAL: Final = {code: f"US-{code}" for code in _US.split()} | {code: f"CA-{code}" for code in _CANADA.split()}
_TOLERATED: Final = {"NK": "CA-NB", "NF": "CA-NL", "PQ": "CA-QC", "SN": "CA-SK"}
"""Provinces as NCIC writes them; the letters stand for nothing else, so lists with postal codes may use them too."""
_NCIC_OWN: Final = {"NB": "US-NE", "GM": "US-GU"}
_NCIC_MEXICO: Final = frozenset({"NL", "GU"})
"""Nuevo León and Guanajuato in NCIC's table, Newfoundland and Guam in the post's."""
STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "postal": _POSTAL | _TOLERATED,
    "ncic": {code: iso for code, iso in _POSTAL.items() if code not in _NCIC_MEXICO} | _TOLERATED | _NCIC_OWN,
}
"""Two-letter code → ISO 3166-2, by table."""

_OWNER: Final = re.compile(r"owner|registrant|registered|addr(ess|\b)|\br[/_ ]?o\b|\b(dmv|bmv)\b")

T = TypeVar("T")


class Unfit(Exception):
    """A cell that its line is left out for; carries the code, never the cell."""

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


class Remembered(dict[str, T]):
    """What a reader made of a text, kept for the next line that says the same; emptied when it is full."""

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        """Read it; raises what the reader raises, and remembers nothing then."""
        value = self._read(text)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = value
        return value


def letters(text: str) -> str:
    """Read a code column: a 0 among letters alone is the letter O (0H, F0RD, 0NG/WHI); a model 300 or S10 stays."""
    text = text.strip().upper()
    if "0" not in text:
        return text
    return "/".join(part.replace("0", "O") if part.replace("0", "").isalpha() else part for part in text.split("/"))


def agency_letters(text: str) -> str:
    """Read an originating agency: its first two characters are a state's letters, the rest may be digits."""
    text = text.strip().upper()
    return letters(text[:2]) + text[2:]


def words(text: str) -> str:
    """Read a free text: single spaces."""
    return " ".join(text.split())


def names_owner(column: str) -> bool:
    """Tell whether a column of the user's own is the registered owner's, by its name in small letters (SEC-05)."""
    return _OWNER.search(column.replace("_", " ")) is not None


def category_key(text: str, *, code: bool) -> str:
    """Name a category: capitals and single spaces; where it is a code its every 0 is the letter O."""
    key = words(text).upper()
    return key.replace("0", "O") if code else key


def state_reader(codes: str, default: str, *, keep_unknown: bool, code: bool) -> Callable[[str], str]:
    """Make the reader of plate states, which answers ISO 3166-2 or nothing: the list does not say.

    A code of the table's alphabet that is not in it is a country's, another state's or a government's: with
    `keep_unknown` its line is kept without a state. `code`: the digit 0 stands for the letter O.
    """
    table = STATES[codes]

    def read(text: str) -> str:
        said = letters(text) if code else text.strip().upper()
        if not said:
            return default
        if (known := table.get(said)) is not None:
            return known
        if _REGION.fullmatch(said):
            return said
        if keep_unknown and len(said) == 2 and said.isalpha():
            return ""
        raise Unfit("STATE_UNKNOWN")

    return read


def date_reader(formats: tuple[str, ...], zone: tzinfo, *, day_at: time) -> Callable[[str], datetime | None]:
    """Make the reader of dates: RFC 3339 or formats of strptime; a day counts from its begin or to its end.

    Nothing, and nothing but zeros, is no date.
    """
    lengths = [(form, _length(form)) for form in formats]

    def read(text: str) -> datetime | None:
        text = text.strip()
        if not text.strip("0"):
            return None
        fault = "DATE_INVALID"
        for form, length in lengths:
            if length and len(text) != length:
                continue
            try:
                return _rfc3339(text, zone, day_at) if form == "rfc3339" else _formed(text, form, zone, day_at)
            except Unfit as error:
                fault = error.reason_code
            except (ValueError, OverflowError):  # not this format, or a "never" beyond the calendar
                continue
        raise Unfit(fault)

    return read


def _length(form: str) -> int:
    """Characters of a format whose parts stand side by side, where strptime would take 2026013 for a day; else 0."""
    return len(datetime(2026, 11, 21, tzinfo=UTC).strftime(form)) if re.search("%.%", form) else 0


def _rfc3339(text: str, zone: tzinfo, day_at: time) -> datetime:
    moment = datetime.fromisoformat(text)
    if len(text) == len("2026-01-31"):
        return datetime.combine(moment.date(), day_at, zone).astimezone(UTC)
    if moment.tzinfo is None:
        raise Unfit("DATE_WITHOUT_ZONE")
    return moment.astimezone(UTC)


def _formed(text: str, form: str, zone: tzinfo, day_at: time) -> datetime:
    moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the layout's, set below
    if "%H" not in form:
        moment = datetime.combine(moment.date(), day_at)
    return moment.replace(tzinfo=zone).astimezone(UTC)


def code_word(text: str) -> str:
    """Read a reason or advisory class that the file itself writes as a code."""
    said = text.strip().lower()
    if said and not _CODE.fullmatch(said):
        raise Unfit("REASON_INVALID")
    return said


_ACTIONS: Final = dict.fromkeys(("", "A", "ADD", "I", "INSERT", "N", "NEW", "U", "UPDATE", "C", "CHANGE", "+"), False)
_ACTIONS.update(dict.fromkeys(("D", "DEL", "DELETE", "R", "REMOVE", "X", "CANCEL", "-"), True))


def removal(text: str) -> bool:
    """Read what an incremental list wants done with a line: True takes the entry out."""
    found = _ACTIONS.get(text.strip().upper())
    if found is None:
        raise Unfit("ACTION_UNKNOWN")
    return found


def plate(text: str, junk: frozenset[str]) -> Plate:
    """Read a plate: never a letter for a digit, nor the other way round."""
    said = text.strip()
    if not (said.isascii() and said.isalnum()):
        if "?" in said or "*" in said:
            raise Unfit("PARTIAL_PLATE")
        said = normalize(said).reveal()
    if len(said) > LONGEST:
        raise Unfit("PLATE_TOO_LONG")
    said = said.upper()
    if not said:
        raise Unfit("PLATE_MISSING")
    if said in junk:
        raise Unfit("PLATE_JUNK")
    return Plate(said)
