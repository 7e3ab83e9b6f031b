"""What other pages hand over to the forms of records, and the choices of those forms. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alprcore.policy import AgencyProfile

from .words import words_of

READS_TAKEN: Final = 1000
"""Reads that are handed over by name at most; more are meant by the entry of the search that found them."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MEDIA: Final[Mapping[str, str]] = {
    "dvd": "DVD",
    "cd": "CD",
    "usb": "USB drive",
    "disk": "Hard drive",
}
"""Portable media that evidence is written to (RET-12, RET-13)."""
METHODS: Final = (("portable_media", "On portable media"), ("download", "As a download"))
RECEIVED: Final = (
    ("letter", "By letter"),
    ("email", "By e-mail"),
    ("form", "On the agency's form"),
    ("counter", "At the counter"),
    ("phone", "By telephone"),
)
COUNTERPARTIES: Final = (
    ("in_state", "An agency of this state"),
    ("out_of_state", "An agency of another state"),
    ("federal", "A federal agency"),
    ("private", "A private party"),
)
"""What the other side of an agreement is; the agency's policy says with which kinds there can be one."""
DEMANDS: Final = (
    ("discovery", "Discovery request"),
    ("subpoena", "Subpoena"),
    ("court_order", "Order of a court"),
    ("subject_access", "A person about their own vehicle"),
)
"""Demands for records by law, and of a person about themselves."""
HOLD_ENDS: Final[Mapping[str, str]] = {
    "booked": "It ends when the evidence is booked.",
    "action_ends": "It lasts only as long as the criminal or civil action needs it.",
    "case_file": "It ends on the day on which the case file itself is purged.",
}
"""When a hold ends by the agency's policy (RET-08, RET-09, RET-12)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a search's answer hands over: the ledger entry of the search, the reads ticked, and those of the page."""

    entry: int | None = None
    read_ids: tuple[str, ...] = ()
    page: tuple[str, ...] = ()
    case_number: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """The reads meant by name: those ticked, else those of the page."""
        return self.read_ids or self.page


def taken(form: Iterable[tuple[str, Any]]) -> Taken:
    """Read what a page handed over; what is no entry number and no read id is left out."""
    entry: int | None = None
    reads: dict[str, list[str]] = {"read_id": [], "page_read_id": []}
    case_number = ""
    for name, value in form:
        text = str(value).strip()
        if name == "query_id" and text.isascii() and text.isdecimal() and len(text) < 19:
            entry = int(text)
        elif name in reads and _UUID.fullmatch(text) and text not in reads[name]:
            reads[name].append(text)
        elif name == "case_number":
            case_number = text[:100]
    ticked, page = (tuple(found[:READS_TAKEN]) for found in reads.values())
    return Taken(entry, ticked, page, case_number)


def hold_ends(codes: Iterable[str]) -> str:
    """Say when a hold ends by the agency's policy."""
    return " ".join(HOLD_ENDS[code] for code in codes if code in HOLD_ENDS)


def counterparties(profile: AgencyProfile) -> list[tuple[str, str]]:
    """List the kinds of agencies with which the agency's policy lets there be an agreement (SHR-07)."""
    return [(code, words) for code, words in COUNTERPARTIES if code in profile.sharing.agreement_kinds]


def media(profile: AgencyProfile) -> list[tuple[str, str]]:
    """List the media of the agency's policy first, then the others."""
    first = [code for code in profile.retention.export_media if code in MEDIA]
    return [(code, MEDIA[code]) for code in (*first, *(code for code in MEDIA if code not in first))]


def pairs(rows: Iterable[Any]) -> list[tuple[str, str]]:
    """List choices as code and words, given as codes or as code and label."""
    return [
        (str(row["code"]), str(row.get("label") or words_of(str(row["code"]))))
        if isinstance(row, Mapping)
        else (str(row), words_of(str(row)))
        for row in rows
    ]


def class_words(form: Mapping[str, Any]) -> dict[str, str]:
    """Give the words of each class of recipients that the agency's form names."""
    return dict(pairs(form.get("classes") or ()))


def hold_words(row: Mapping[str, Any]) -> str:
    """Name a hold in a choice: its case, and its ground."""
    case = row.get("case_number") or row.get("court_reference") or "no reference"
    return f"{case}, {row.get('ground_label') or words_of(str(row.get('ground', '')))}"


def request_words(row: Mapping[str, Any]) -> str:
    """Name a request in a choice: who asks, and its case."""
    case = f", case {row['case_number']}" if row.get("case_number") else ""
    return f"{row.get('agency_name') or 'no agency named'}{case}"
