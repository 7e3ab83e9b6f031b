"""How often one person and one agency may ask: counted here, in the one process that may answer.

What was answered before stands in the ledger, so a process that takes over counts on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..store.archive import Access

KEPT = 10_000
"""Askers whose times are kept at once; the ones idle for longer than their window go first."""
_ASKED: Final = ("queries", "agency_queries")
COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "query": _ASKED,
    "hit_query": _ASKED,
    "export": (*_ASKED, "exports"),
    "image_view": ("views",),
    "log_read": ("looks",),
    "report_read": ("looks",),
    "trail_read": ("looks",),
}
"""Under which limits an access of a kind counts; a query that opens one read counts as a view."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many acts within a sliding window; `times` 0 permits any number."""

    times: int
    within: timedelta


class Limits:
    """Sliding windows by act and asker. Only admitted acts count, so a flood does not lock anyone out for longer.

    The counts live in memory: exactly one process, the ledger's writer, can answer anything at all. When it begins to
    lead, `restart` takes up what the one before it has answered.
    """

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = dict(limits)
        self._seen: dict[tuple[str, str], deque[datetime]] = {}

    @property
    def longest(self) -> timedelta:
        """How far back an act counts."""
        return max((limit.within for limit in self._limits.values()), default=timedelta(0))

    def restart(self, accesses: Iterable[Access]) -> None:
        """Forget every count, and count what was answered before, oldest first."""
        self._seen.clear()
        for access in accesses:
            counted = COUNTED.get(access.kind, ())
            for name in ("views",) if access.one_read and counted == _ASKED else counted:
                asker = asker_of(name, access.person_id, access.agency)
                if name in self._limits and self._limits[name].times:
                    self._seen.setdefault((name, asker), deque()).append(access.at)

    def wait(self, acts: Mapping[str, str], now: datetime) -> float:
        """Count one act under each of these limits (limit's name to asker); gives the seconds to wait, 0 if admitted.

        Nothing is counted where one of the limits is reached.
        """
        waits = [self._wait(name, asker, now) for name, asker in acts.items()]
        longest = max(waits, default=0.0)
        if longest == 0.0:
            for name, asker in acts.items():
                if self._limits[name].times:
                    self._seen.setdefault((name, asker), deque()).append(now)
            self._forget(now)
        return longest

    def _wait(self, name: str, asker: str, now: datetime) -> float:
        limit = self._limits[name]
        times = self._seen.get((name, asker))
        if not limit.times or times is None:
            return 0.0
        while times and now - times[0] >= limit.within:
            times.popleft()
        if len(times) < limit.times:
            return 0.0
        return max(0.001, (times[-limit.times] + limit.within - now).total_seconds())

    def _forget(self, now: datetime) -> None:
        if len(self._seen) > KEPT:
            idle = [
                key for key, times in self._seen.items() if not times or now - times[-1] >= self._limits[key[0]].within
            ]
            for key in idle:
                del self._seen[key]


def asker_of(limit: str, person_id: str, agency: str) -> str:
    """Say whose acts a limit counts: a person's, or all of an agency."""
    return agency if limit.startswith("agency") else person_id
