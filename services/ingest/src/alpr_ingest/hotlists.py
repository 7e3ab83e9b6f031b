"""Decides what a list takes of a file, and whether a load may replace the version that is in force. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from alprcore.layouts import Line
from alprcore.model import EntryDetails, ListVersion, Refused
from alprcore.policy import ENTERED, SPECIAL, basis_missing

T = TypeVar("T", bound=Hashable)
SHRINK_LIMIT: Final = 0.5
"""A list that loses more than half of its entries at once is taken for a broken file (HOT-04)."""
GROWTH_LIMIT: Final = 3
"""A list of more than three times its entries at once, and `GROWTH_FREE` more, is taken for another list's file."""
GROWTH_FREE: Final = 1_000
LIFTABLE: Final = frozenset({"LIST_SHRUNK", "LIST_GREW"})
"""What a person may lift who writes down why: sizes can be right although they are odd."""
CLOCK_AHEAD: Final = timedelta(minutes=10)
CATEGORY_OFF: Final = "CATEGORY_OFF"
"""Of a line whose category is switched off: neither an entry nor a fault."""
WITHOUT_BASIS: Final = "DPPA_BASIS_REQUIRED"
"""Of a line with registration data in a file for which no permissible use is named (SEC-05)."""


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
    categories_off: frozenset[str] = frozenset()
    rollback_to: int = 0
    permissible_use: str = ""
    """Of registration data, for every load that names none itself (HOT-09)."""

    @property
    def max_age_s(self) -> int:
        """Age at which a hit says that the list is stale: the interval between two loads (HOT-13).

        What people enter one by one has no interval: never, which is written as the most that the message holds.
        """
        if self.list_type in ENTERED:
            return _NEVER_S
        return 86_400 // max(self.loads_per_day, 1)


_NEVER_S: Final = 2**32 - 1


def guards(active: ActiveList, entries: int, source_time: datetime, *, now: datetime) -> tuple[Refused, ...]:
    """Name everything that keeps a file of so many entries from replacing the active version (HOT-04, HOT-06)."""
    hit: list[Refused] = []
    if active.list_type in ENTERED:
        hit.append(Refused("HOT-16", "LIST_NOT_LOADABLE", "its entries are entered one by one"))
    if not active.approved:
        hit.append(Refused("HOT-06", "LIST_NOT_APPROVED", "a special list is loaded after its approval"))
    if source_time > now + CLOCK_AHEAD:
        hit.append(Refused("HOT-04", "SOURCE_TIME_AHEAD", "source_time lies in the future"))
    if active.source_time is not None and source_time < active.source_time:
        words = f"the file is of {source_time.isoformat()}, the version in force of {active.source_time.isoformat()}"
        hit.append(Refused("HOT-04", "LIST_OLDER_THAN_ACTIVE", words))
    if entries < active.entries * (1 - SHRINK_LIMIT):
        hit.append(Refused("HOT-04", "LIST_SHRUNK", f"{entries} entries instead of {active.entries}"))
    if active.entries and entries > max(active.entries * GROWTH_LIMIT, active.entries + GROWTH_FREE):
        hit.append(Refused("HOT-04", "LIST_GREW", f"{entries} entries instead of {active.entries}"))
    return tuple(hit)


def unfit(list_type: str, details: EntryDetails) -> str:
    """Give the code for which a list of this type takes no such entry; empty when it does."""
    return "BASIS_MISSING" if list_type == SPECIAL and basis_missing(details) else ""


def left_out(active: ActiveList, line: Line, permissible_use: str) -> str:
    """Give the code for which a list does not take a line that could be read; empty when it does.

    A line that takes an entry out is asked for its category alone; one that puts an entry in also for the use under
    which registration data may be kept, and for what a list of this type demands.
    """
    if line.category and line.category in active.categories_off:
        return CATEGORY_OFF
    if line.removal:
        return ""
    if line.details.registered_owner and not permissible_use:
        return WITHOUT_BASIS
    return unfit(active.list_type, line.details)


def version_of(
    active: ActiveList,
    version: int,
    entries: int,
    source_time: datetime,
    loaded_at: datetime,
    end_offsets: Mapping[int, int] | None = None,
) -> ListVersion:
    """Make what is told of a version of a list: of when its content is, and how far `hotlist` must have been read."""
    return ListVersion(
        agency=active.agency,
        list_code=active.code,
        version=version,
        name=active.name,
        source=active.source,
        source_time=source_time,
        loaded_at=loaded_at,
        max_age_s=active.max_age_s,
        advisory_class=active.advisory_class,
        default_reason=active.default_reason,
        list_type=active.list_type,
        entries=entries,
        end_offsets=end_offsets or {},
    )


def over(entries: Iterable[tuple[T, T | None, datetime | None]], ended: Callable[[datetime], bool]) -> set[T]:
    """Choose the entered plates that are over for good: `ended` tells it of the time at which one ended.

    Each entry is its id, the one it extends and its end (None: it lives). One that a kept entry goes back to is kept
    too, so that what is kept stays whole (HOT-17).
    """
    known = {entry: (extends, end) for entry, extends, end in entries}
    gone = {entry for entry, (_, end) in known.items() if end is not None and ended(end)}
    for entry in known.keys() - gone:
        before = known[entry][0]
        while before is not None and before in gone:
            gone.discard(before)
            before = known[before][0]
    return gone
