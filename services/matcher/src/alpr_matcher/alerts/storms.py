"""Alert storms: a list, a camera, or one entry at one camera that suddenly makes many times its usual hits.

Hits are counted by the time of capture, so that what a spool brings late is judged by when it was seen, and each once,
however often it comes. A storm's hits are recorded and wait; nothing is left out (docs/decisions/0030).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from alprcore.model import Hit, make_id, to_us

_BINS: Final = 10  # parts of the window that are counted by themselves
_DAY_S: Final = 86_400
_LONGEST_S: Final = 43_200  # a worker that starts reads a day of hits: no hit may wait longer than it can know of
_FULL: Final = 1_000  # what a part counts to: far above every limit, and a bound for memory
_SECOND: Final = 1_000_000


class StormKind(StrEnum):
    """What makes too many hits. `entry`: one entry at one camera, a sign that reads like it or a vehicle that stands."""

    ENTRY = "entry"
    DEVICE = "device"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Limits:
    """A storm begins at `times` the usual count of a window of `window_s` seconds, and never below the least.

    Of a camera and of a list the different entries are counted, of an entry at a camera its hits: a stolen vehicle that
    stands before a camera holds back no other. A site has about 0.04 % hits: 2,000 reads an hour give one in ten
    windows, so 60 different vehicles in one are a fault of the camera or its picture. A state's 25 million reads a day
    give 70 a window over all its lists.
    """

    window_s: int = 600
    times: float = 10.0
    least_device: int = 60
    least_list: int = 100


class _Subject(NamedTuple):
    agency: str
    kind: StormKind
    name: str


@dataclass(slots=True)
class _Storm:
    """One that goes on. Workers that begin it at the same moment name it differently: the lowest name stays."""

    names: set[str]
    reason: str
    limit: float  # the count it began at
    begun_us: int  # when its first hit was matched, and its last one
    held_us: int


class Storms:
    """Counts hits, holds those of a storm and tells when it is over. What it knows can be told again from `hits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bin_us = limits.window_s * _SECOND // _BINS
        self._counts: dict[_Subject, dict[int, set[str]]] = defaultdict(dict)
        self._open: dict[_Subject, _Storm] = {}
        self._over: dict[str, int] = {}
        self._anew: dict[_Subject, int] = {}  # the part of the window after which it counts again
        self.ended = 0

    def hold(self, hit: Hit) -> Hit:
        """Count a new hit; give it back as it is, or held by the storm it belongs to."""
        for subject in _subjects(hit):
            self._count(subject, hit)
            storm = self._open.get(subject) or self._begin(subject, hit)
            if storm is not None:
                storm.held_us = max(storm.held_us, to_us(hit.matched_at))
                return replace(hit, storm_id=min(storm.names), storm_kind=subject.kind.value, storm_reason=storm.reason)
        return hit

    def take(self, hit: Hit) -> None:
        """Take over what some worker said of a hit: it counts, and its storm is known or over here too."""
        for subject in _subjects(hit):
            self._count(subject, hit)
            if subject.kind == hit.storm_kind:
                break  # what a narrow storm holds makes no wider one
        if not hit.storm_id:
            return
        if hit.released_at is not None:
            self.end(hit.storm_id, hit.released_at)
        elif hit.storm_id not in self._over:
            for subject in (subject for subject in _subjects(hit) if subject.kind == hit.storm_kind):
                at_us, limit = to_us(hit.matched_at), self._limit(subject, self._part(hit))
                storm = self._open.setdefault(subject, _Storm(set(), hit.storm_reason, limit, at_us, at_us))
                storm.names.add(hit.storm_id)
                storm.begun_us, storm.held_us = min(storm.begun_us, at_us), max(storm.held_us, at_us)

    def end(self, storm_id: str, now: datetime) -> None:
        """End a storm: its hits may be released, and the count of its window begins anew."""
        if storm_id in self._over:
            return
        self.ended += 1
        self._over[storm_id] = to_us(now)
        for subject, storm in list(self._open.items()):
            if storm_id in storm.names:
                self._over |= dict.fromkeys(storm.names, to_us(now))
                del self._open[subject]
                self._anew[subject] = to_us(now) // self._bin_us

    def is_over(self, storm_id: str) -> bool:
        """Tell whether the hits of this storm wait no longer."""
        return not any(storm_id in storm.names for storm in self._open.values())

    def calm(self, now: datetime) -> None:
        """End the storms whose count is back below half of what they began at, and those of half a day.

        Forgets what is older than a day.
        """
        now_us = to_us(now)
        for subject, storm in list(self._open.items()):
            quiet = now_us - storm.held_us >= self._bin_us
            calm = quiet and len(self._seen(subject, now_us // self._bin_us)) * 2 < storm.limit
            if calm or now_us - storm.begun_us >= _LONGEST_S * _SECOND:
                self.end(min(storm.names), now)
        oldest = (now_us - _DAY_S * _SECOND) // self._bin_us
        for subject in list(self._counts):
            bins = self._counts[subject]
            for number in [number for number in bins if number < oldest]:
                del bins[number]
            if not bins:
                del self._counts[subject]
        self._anew = {subject: number for subject, number in self._anew.items() if number >= oldest}
        self._over = {name: at_us for name, at_us in self._over.items() if at_us >= now_us - _DAY_S * _SECOND}

    def __len__(self) -> int:
        return len(self._open)

    def _part(self, hit: Hit) -> int:
        return to_us(hit.read.captured_at) // self._bin_us

    def _count(self, subject: _Subject, hit: Hit) -> None:
        seen = self._counts[subject].setdefault(self._part(hit), set())
        if len(seen) < _FULL:
            seen.add(hit.hit_id if subject.kind is StormKind.ENTRY else hit.entry_id)

    def _begin(self, subject: _Subject, hit: Hit) -> _Storm | None:
        number, least = self._part(hit), self._least(subject)
        if sum(map(len, self._parts(subject, number))) < least:
            return None  # cheaper than the different ones, for every hit comes here
        count, limit = len(self._seen(subject, number)), self._limit(subject, number)
        storm_id = make_id("storm", *subject, str(number))
        if count < limit or storm_id in self._over:
            return None
        usual, at_us = self._usual(subject, number), to_us(hit.matched_at)
        reason = _reason(subject, hit, count, usual, self._limits.window_s)
        storm = self._open[subject] = _Storm({storm_id}, reason, limit, at_us, at_us)
        return storm

    def _limit(self, subject: _Subject, number: int) -> float:
        return max(self._least(subject), self._limits.times * self._usual(subject, number))

    def _seen(self, subject: _Subject, number: int) -> set[str]:
        """The units of the window that ends with this part."""
        return set().union(*self._parts(subject, number))

    def _parts(self, subject: _Subject, number: int) -> list[set[str]]:
        bins = self._counts.get(subject, {})
        first = max(number - _BINS, self._anew.get(subject, 0)) + 1
        return [bins[part] for part in range(first, number + 1) if part in bins]

    def _usual(self, subject: _Subject, number: int) -> float:
        """What a window of the day before this one has on average."""
        parts = _DAY_S * _SECOND // self._bin_us - _BINS
        bins = self._counts.get(subject, {})
        return sum(len(seen) for part, seen in bins.items() if number - parts <= part + _BINS <= number) * _BINS / parts

    def _least(self, subject: _Subject) -> int:
        return self._limits.least_list if subject.kind is StormKind.LIST else self._limits.least_device


def _subjects(hit: Hit) -> tuple[_Subject, ...]:
    """What a hit counts for, narrowest first: the narrowest storm holds it."""
    read = hit.read
    if read.canary:
        return ()  # one a minute, by design
    return (
        _Subject(read.agency, StormKind.ENTRY, f"{read.device_id} {hit.entry_id}"),
        _Subject(read.agency, StormKind.DEVICE, read.device_id),
        _Subject(read.agency, StormKind.LIST, hit.list_code),
    )


def _reason(subject: _Subject, hit: Hit, count: int, usual: float, window_s: int) -> str:
    """Say it as a dispatcher must know it; it names no plate, for it is shown beside every hit of the storm."""
    device, often = (
        hit.read.device_name or hit.read.device_id,
        f"usually {usual:.1f}" if usual >= 0.05 else "usually none",
    )
    match subject.kind:
        case StormKind.ENTRY:
            what = f"{device} saw one listed plate {count} times"
        case StormKind.DEVICE:
            what = f"{device} matched {count} different entries"
        case StormKind.LIST:
            what = f"list {hit.list_name or hit.list_code} matched {count} different entries"
    return f"Alert storm: {what} in {max(1, round(window_s / 60))} min, {often}."
