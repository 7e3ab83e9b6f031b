"""Replays the last day's reads against a file before it is put in force: how many alerts would it have made?

The topic is read twice, so that memory holds the day's distinct skeletons and what they could mean, never the day's
reads nor the whole file: the first time for the skeletons, the second for the reads that have an entry.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from alpr_ingest.hotlists import CATEGORY_OFF, ActiveList, left_out, version_of
from alpr_ingest.loading.loader import ListFile, ListLoader
from alpr_ingest.store import Store
from alprcore.errors import InvalidMessage
from alprcore.kafka import KafkaSettings, Message, follow_since
from alprcore.layouts import Line, read_list
from alprcore.matching import match_read
from alprcore.model import Entry, EntryDetails, Hit, ListVersion, Plate, Read, Refused, entry_id
from alprcore.plates import skeleton
from alprcore.policy import AgencyProfile
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from alprcore.wire import decode_entry_details, decode_read, read_heading

SPAN: Final = timedelta(hours=24)
"""As long as reads are kept on their topic."""
LONGEST_S: Final = 240.0
DISCLOSED: Final = 20
"""Counts below this, and differences, could tell of single vehicles."""
MOST_READS: Final = 5_000_000
MOST_SKELETONS: Final = 2_000_000
"""About 200 MB; the busiest agencies read some 500,000 vehicles a day."""
_PAGE: Final = 5_000
_LOOK_S: Final = 0.02


class _TooMuchError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Alerts:
    """What a version of a list would have made of the day's reads: hits, and alerts that ring, each by grade.

    Sightings of one vehicle within the profile's window are one alert, of the grade of the first.
    """

    hits: int
    alerts: int
    by_grade: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DryRun:
    """How many reads were replayed since when, and what the file and the version in force make of them."""

    since: datetime
    until: datetime
    reads: int
    entries: int
    rejected: int
    proposed: Alerts
    active: Alerts


@dataclass(slots=True)
class _Candidates:
    """The entries of one version that some read of the day could mean, by skeleton."""

    version: ListVersion
    entries: dict[str, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    details: dict[str, EntryDetails] = field(default_factory=dict)
    hits: dict[str, Hit] = field(default_factory=dict)

    def put(self, entry: Entry, details: EntryDetails) -> None:
        self.entries[skeleton(entry.plate)][entry.entry_id] = entry
        self.details[entry.entry_id] = details

    def take(self, entry: Entry) -> None:
        self.entries[skeleton(entry.plate)].pop(entry.entry_id, None)

    def judge(self, read: Read, name: str, profile: AgencyProfile, now: datetime) -> None:
        found = match_read(
            read, tuple(self.entries.get(name, {}).values()), self._open, {self._of: self.version}, profile, now
        )
        for hit in found:
            known = self.hits.get(hit.hit_id)
            if known is None or known.read.revision < hit.read.revision:
                self.hits[hit.hit_id] = hit

    @property
    def _of(self) -> tuple[str, str]:
        return self.version.agency, self.version.list_code

    def _open(self, entry: Entry) -> EntryDetails | None:
        return self.details[entry.entry_id]


class DryRuns:
    """Does one dry run at a time: it reads a whole day."""

    def __init__(
        self,
        store: Store,
        loader: ListLoader,
        kafka: KafkaSettings,
        keys: ListKeys,
        clock: Callable[[], datetime],
        *,
        least: int,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._store = store
        self._loader = loader
        self._least = least
        self._kafka = kafka
        self._keys = keys
        self._clock = clock
        self._longest_s = longest_s
        self._busy = asyncio.Lock()

    async def run(self, target: ActiveList, file: ListFile, profile: AgencyProfile) -> DryRun | Refused:
        """Count what a file would have made, and what the version in force makes of the same reads.

        Refuses a file that cannot be read, one that hardly differs from what is in force (this is no door to search
        by), a day too large, and a second run at the same time. Raises `Transient`.
        """
        if self._busy.locked():
            return Refused("HOT-04", "DRY_RUN_BUSY", "another dry run is under way")
        async with self._busy:
            try:
                async with asyncio.timeout(self._longest_s):
                    return await self._run(target, file, profile)
            except _TooMuchError:
                return Refused("HOT-04", "DRY_RUN_TOO_LARGE", "the day has more reads than are replayed at once")
            except TimeoutError:
                return Refused("HOT-04", "DRY_RUN_TOO_LONG", f"not done after {self._longest_s:g} s")

    async def _run(self, target: ActiveList, file: ListFile, profile: AgencyProfile) -> DryRun | Refused:
        now = self._clock()
        since = now - SPAN
        preview = await self._loader.preview(target, file)
        if isinstance(preview, Refused):
            return preview
        if preview.added + preview.removed < self._least:  # a changed note makes no list out of one plate
            detail = (
                f"the file must add or remove {self._least} entries: single vehicles are searched for, with a reason"
            )
            return Refused("USE-04", "DRY_RUN_TOO_SMALL", detail)
        reads, seen = 0, set[str]()

        def note(message: Message) -> None:
            nonlocal reads
            heading = read_heading(message.value or b"", message.headers)
            if heading.agency == target.agency and not heading.retracted and heading.plate:
                reads += 1
                if reads > MOST_READS or len(seen) > MOST_SKELETONS:
                    raise _TooMuchError
                seen.add(skeleton(heading.plate))

        await self._replay(note, since)
        active = _Candidates(_version(target, target.version, target.entries, now))
        await self._fill(active, target, sorted(seen))
        proposed = _Candidates(_version(target, 1, 0, now))
        if file.mode == "incremental":
            for held in active.entries.values():
                for entry in held.values():
                    proposed.put(_entry(target, entry.plate, entry.entry_id), active.details[entry.entry_id])
        counted = await asyncio.to_thread(self._read_file, proposed, target, file, seen, now, profile.timezone)
        if isinstance(counted, Refused):
            return counted
        wanted = {name for one in (active, proposed) for name, held in one.entries.items() if held}

        def judge(message: Message) -> None:
            if (message.key or b"").decode(errors="replace") in wanted:
                read = decode_read(message.value or b"", message.headers)
                if read.agency == target.agency and read.plate:
                    for one in (active, proposed):
                        one.judge(read, skeleton(read.plate), profile, now)

        if wanted:
            await self._replay(judge, since)
        window = timedelta(seconds=profile.incident_window_s)
        return DryRun(
            since, now, reads, *counted, _alerts(proposed.hits.values(), window), _alerts(active.hits.values(), window)
        )

    async def _replay(self, apply: Callable[[Message], None], since: datetime) -> None:
        """Give every read that was published since then, up to what lies there now.

        In a thread with a loop of its own: millions of reads are decoded, and frames and health must not wait for them.
        """
        given_up = threading.Event()

        async def follow() -> None:
            ready, stop = asyncio.Event(), asyncio.Event()

            async def end() -> None:
                while not (ready.is_set() or given_up.is_set()):
                    await asyncio.sleep(_LOOK_S)
                stop.set()

            ending = asyncio.create_task(end())
            try:
                await follow_since(self._kafka, Topic.READS, apply, since, ready=ready, stop=stop)
            finally:
                ending.cancel()

        try:
            await asyncio.to_thread(asyncio.run, follow())
        finally:
            given_up.set()  # the thread of a run that took too long ends by itself

    async def _fill(self, active: _Candidates, target: ActiveList, seen: Sequence[str]) -> None:
        """Fetch the entries in force that the day's reads could mean."""
        for start in range(0, len(seen), _PAGE):
            for entry in await self._store.entries_of(target, seen[start : start + _PAGE]):
                try:
                    plain = self._keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id)
                    active.put(entry, decode_entry_details(plain))
                except InvalidMessage:  # one that cannot be opened alerts all the same, by plate alone
                    active.put(entry, EntryDetails())

    def _read_file(
        self, proposed: _Candidates, target: ActiveList, file: ListFile, seen: set[str], now: datetime, zone: str
    ) -> tuple[int, int] | Refused:
        """Take the lines of a file that the day's reads could mean; answers how many it has and how many it rejects."""
        file.source.seek(0)
        use = file.permissible_use or target.permissible_use
        accepted = rejected = 0
        reading = read_list(
            file.source, file.layout, now=now, declared=file.declared, zone=zone,
            counts=lambda line: not left_out(target, line, use), incremental=file.mode == "incremental",
        )  # fmt: skip
        for item in reading:
            if not isinstance(item, Line):
                rejected += 1
            elif code := left_out(target, item, use):
                rejected += code != CATEGORY_OFF
            else:
                accepted += 1
                if skeleton(item.plate) in seen:
                    name = entry_id(target.agency, target.code, item.plate.reveal(), item.details.state, item.record)
                    entry = _entry(target, item.plate, name)
                    if item.removal:
                        proposed.take(entry)
                    else:
                        proposed.put(entry, item.details)
        return reading.end.refused or (accepted, rejected)


def _version(target: ActiveList, version: int, entries: int, now: datetime) -> ListVersion:
    return version_of(target, version, entries, target.source_time or now, target.loaded_at or now)


def _alerts(hits: Iterable[Hit], window: timedelta) -> Alerts:
    """Count hits, and the alerts that they make: a sighting within the window of the one before adds nothing."""
    total, by_grade = 0, Counter[str]()
    last: dict[tuple[str, str], datetime] = {}
    for hit in sorted(hits, key=lambda hit: hit.read.captured_at):
        total += 1
        vehicle = (hit.entry_id, skeleton(hit.read.plate))
        before = last.get(vehicle)
        last[vehicle] = hit.read.captured_at
        if before is None or hit.read.captured_at - before > window:
            by_grade[hit.grade.value] += 1
    return Alerts(total, by_grade.total(), dict(sorted(by_grade.items())))


def _entry(target: ActiveList, plate: Plate, name: str) -> Entry:
    """Make an entry of the version that is tried: its details are held beside it, so nothing is sealed."""
    return Entry(name, plate, target.agency, target.code, 1, 0, b"", "")


def disclosed(number: int, active: int) -> int | str:
    """Give a count of the file that is tried as it may be told: one that would tell of single vehicles is withheld.

    Neither few alerts nor a few more or less than the version in force makes are told: both are what one plate that was
    put among many others would show (no search but through the query door, USE-04).
    """
    if number < DISCLOSED:
        return f"fewer than {DISCLOSED}"
    return number if abs(number - active) >= DISCLOSED else f"within {DISCLOSED} of what is in force"
