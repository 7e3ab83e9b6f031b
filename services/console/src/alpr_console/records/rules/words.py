"""What the pages of records say, in plain words: states, stores, numbers, sizes, periods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from ...moments import day

STATES: Final[Mapping[str, tuple[str, str]]] = {
    # a purge run and its days
    "planned": ("Planned", "info"),
    "running": ("Running", "info"),
    "complete": ("Complete", "good"),
    "incomplete": ("Incomplete", "bad"),
    "stopped": ("Stopped", "warn"),
    "settling": ("Waits for the stores", "info"),
    "cut": ("Being purged", "info"),
    "keyless": ("Keys destroyed", "info"),
    "cleared": ("Images gone", "info"),
    # a hold
    "active": ("Active", "good"),
    "provisional": ("Provisional", "warn"),
    "release_requested": ("Release asked for", "warn"),
    "overdue": ("Review overdue", "bad"),
    "ended": ("Ended", "plain"),
    # a change of the schedule
    "counting": ("Being counted", "info"),
    "previewed": ("Previewed", "info"),
    "awaiting": ("Waits for approval", "warn"),
    "moving": ("Being applied", "info"),
    "done": ("Done", "good"),
    "superseded": ("Overtaken by a later one", "plain"),
    # a request for a release, an agreement, a demand
    "draft": ("Draft", "plain"),
    "submitted": ("Waits for a decision", "warn"),
    "approved": ("Approved", "good"),
    "fulfilling": ("Being fulfilled", "info"),
    "fulfilled": ("Fulfilled", "good"),
    "denied": ("Denied", "bad"),
    "refused": ("Refused", "bad"),
    "routed_to_records": ("Handed to Records", "info"),
    "withdrawn": ("Withdrawn", "plain"),
    "pending": ("Begins later", "info"),
    "in_force": ("In force", "good"),
    "expired": ("Expired", "plain"),
    "answered": ("Answered", "good"),
    # an evidence package, a batch, a breach
    "opened": ("Being built", "info"),
    "building": ("Being built", "info"),
    "ready": ("Ready to take", "good"),
    "given": ("Taken, waits for booking", "warn"),
    "booked": ("Booked into evidence", "good"),
    "cancelled": ("Canceled", "plain"),
    "broken": ("Not finished", "bad"),
    "made": ("Waits to be sent", "info"),
    "delivered": ("Delivered", "good"),
    "open": ("Open", "warn"),
    "closed": ("Closed", "plain"),
    # an image that does not open
    "declared": ("Waits for a second person", "warn"),
    "lost": ("Lost", "bad"),
}
"""A state's words and tone; what is not named here is shown as its code in words."""

STORES: Final[Mapping[str, str]] = {
    "retention": "Reads, hits and images",
    "database": "Database",
    "objects": "Object storage",
    "object_storage": "Object storage",
    "images": "Images",
    "image_keys": "Image keys",
    "kafka": "Event streams",
    "topics": "Event streams",
    "dead_letters": "Dead letters",
    "quarantine": "Frames in quarantine",
    "console": "Console: hits and how they were worked on",
    "ingest": "Ingest: rejected loads and quarantine",
    "audit": "Ledger",
    "exports": "Working copies of exports",
    "evidence": "Evidence packages",
    "repositories": "Standing repositories",
    "repository": "Standing repository",
    "arjis": "ARJIS",
}
"""Where records lie, as a certificate names it."""

KINDS: Final[Mapping[str, str]] = {
    "reads": "Reads",
    "hits": "Hits",
    "images": "Images",
    "notifications": "Notifications",
    "frames": "Frames",
    "objects": "Objects",
    "keys": "Image keys",
    "held": "Held back",
    "letters": "Dead letters",
}
_BYTES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def words_of(code: str) -> str:
    """Say a code in words: `routed_to_records` is “Routed to records”."""
    words = code.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}"


def state(code: str) -> tuple[str, str]:
    """Give a state's words and its tone."""
    return STATES.get(code, (words_of(code), "plain"))


def store(code: str) -> str:
    """Say which store is meant."""
    return STORES.get(code, words_of(code))


def kind(code: str) -> str:
    """Say which kind of record is counted."""
    return KINDS.get(code, words_of(code))


def number(value: Any) -> str:
    """Lay out a count for people; a dash where nobody counted."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "–"


def size(count: Any) -> str:
    """Lay out a size in bytes: 4.7 GB."""
    if not isinstance(count, int) or isinstance(count, bool):
        return "–"
    for unit, name in _BYTES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def period(months: Any) -> str:
    """Say a period given in months: 24 are 2 years, 18 are 18 months."""
    if not isinstance(months, int) or months <= 0:
        return "–"
    if months % 12:
        return f"{months} months"
    years = months // 12
    return f"{years} year{'' if years == 1 else 's'}"


def month(code: str) -> str:
    """Say a month given as `2027-11`: Nov 2027; anything else is shown as it is."""
    try:
        return f"{date.fromisoformat(f'{code}-01'):%b %Y}"
    except ValueError:
        return code


def due(moment: str, now: datetime, zone: str) -> tuple[str, str]:
    """Say when something is due and how urgent it is: late is bad, a week ahead is a warning."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return moment or "–", "plain"
    left = (at.date() - now.date()).days
    words = day(moment, zone)
    if left < 0:
        return f"{words}, {-left} day{'' if left == -1 else 's'} late", "bad"
    return words, "warn" if left <= 7 else "plain"
