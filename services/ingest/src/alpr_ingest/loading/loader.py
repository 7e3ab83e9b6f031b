"""Brings versions of lists into force: whole files, changes of a few entries, rollbacks; goes on with what stopped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO, Final

from alpr_ingest import metrics
from alpr_ingest.app import Relay, audit_message, first_of
from alpr_ingest.hotlists import LIFTABLE, ActiveList, guards
from alpr_ingest.loading.publishing import Publication
from alpr_ingest.loading.staging import Counts, Staging
from alpr_ingest.reading import Task, reading
from alpr_ingest.store import Changing, ListBusy, Load, Outgoing, Rollback, Store
from alprcore.errors import Transient
from alprcore.kafka import Publisher
from alprcore.layouts import Layout, Reject, find_layout
from alprcore.model import Decision, Entry, Person, Refused
from alprcore.policy import (
    AgencyProfile,
    ListSource,
    draws_on_registration,
    registration_basis,
    special_sources,
)
from alprcore.seal import ListKeys
from alprcore.wire import rfc3339

logger = logging.getLogger(__name__)

_CLEAN_IDLE_S: Final = 30.0
_RESUME_IDLE_S: Final = 10.0
_AT_ONCE: Final = 8
"""Files read at a time; each keeps a connection of the twenty, and the cameras' door needs some."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file on its way into a list: where it can be read, how, of when, and what its sender says of it."""

    source: BinaryIO
    layout: Layout
    source_time: datetime | None
    mode: str = "full"
    declared: int | None = None
    sources: Sequence[ListSource] = ()
    permissible_use: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a load of a file would bring, and the guards that it would hit. Nothing of it is kept."""

    entries: int
    added: int
    changed: int
    removed: int
    unchanged: int
    rejected: int
    category_off: int
    rejects: tuple[Reject, ...]
    guards: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load brought; `identical`: the very same file is in force already and there is no new version."""

    version: int
    entries: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    rejected: int = 0
    category_off: int = 0
    rejects: tuple[Reject, ...] = ()
    lifted: tuple[str, ...] = ()
    identical: bool = False
    seconds: float = 0.0


class ListLoader:
    """Stages, publishes and switches. From the moment a version is staged it comes into force, killed or not."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        keys: ListKeys,
        relay: Relay,
        clock: Callable[[], datetime],
        profiles: Mapping[str, AgencyProfile],
        layouts: Mapping[str, Layout],
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._profiles = profiles
        self.layouts = layouts
        self._publication = Publication(store, publisher, relay, clock)
        self._progress: dict[tuple[str, str], tuple[str, int]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    def progress(self, agency: str, code: str) -> tuple[str, int] | None:
        """Tell stage and lines read of the file that is on its way into a list here, before its buckets are published."""
        return self._progress.get((agency, code))

    def layout(self, text: str) -> Layout | Refused:
        """Find a layout by its name, among those that ship and the agency's own, or read one that is sent itself."""
        return find_layout(text, self.layouts)

    async def preview(self, target: ActiveList, file: ListFile) -> Preview | Refused:
        """Tell what a load would bring (HOT-04); answers why when the file cannot be read at all."""
        async with (
            self._room,
            self._store.looking(target.agency, target.code) as changing,
            changing.staging(),
        ):
            read = await self._read(target, file, changing, seal=False)
        if isinstance(read, Refused):
            return read
        counts, _, hit = read
        return Preview(
            entries=_entries(target, counts, file.mode),
            added=counts.added,
            changed=counts.changed,
            removed=_removed(target, counts, file.mode),
            unchanged=counts.same,
            rejected=counts.rejected,
            category_off=counts.category_off,
            rejects=tuple(counts.rejects),
            guards=hit,
        )

    async def load(
        self,
        target: ActiveList,
        file: ListFile,
        person: Person,
        *,
        force: bool = False,
        note: str = "",
        against: int | None = None,
    ) -> LoadReport | Refused:
        """Load a file into a list; answers a report, or why the file may not replace what is active.

        `against` is the version that somebody saw the file compared with: no other one is replaced.
        `force` with a written note lifts the guards that judge by size alone. Raises `Transient` when database or
        broker are away; what was staged by then is switched to later.
        """
        async with self._room:
            try:
                return await self._load(target, file, person, force=force, note=note.strip(), against=against)
            except ListBusy:
                return Refused("HOT-04", "LIST_BUSY", "another version of this list is on its way into force")

    async def _load(
        self, target: ActiveList, file: ListFile, person: Person, *, force: bool, note: str, against: int | None
    ) -> LoadReport | Refused:
        begun = time.monotonic()
        async with self._store.changing(target.agency, target.code) as changing:
            target = await self._settle(changing, target)
            if against not in {None, target.version}:
                return Refused("HOT-04", "CHANGED_MEANWHILE", f"version {target.version} came into force meanwhile")
            sha256 = await asyncio.to_thread(_digest, file.source)
            if (same := await self._identical(changing, target, file, sha256)) is not None:
                return same
            async with self._shown(target), changing.staging():
                read = await self._read(target, file, changing, seal=True)
                if isinstance(read, Refused):
                    return read
                counts, source_time, hit = read
                kept = [one for one in hit if not (force and note and one.reason_code in LIFTABLE)]
                if kept:
                    return kept[0]
                load = Load(
                    agency=target.agency,
                    code=target.code,
                    version=target.version + 1,
                    source_time=source_time,
                    staged_at=self._clock(),
                    loaded_by=person.person_id,
                    file_sha256=sha256,
                    entries=_entries(target, counts, file.mode),
                    added=counts.added,
                    changed=counts.changed,
                    removed=_removed(target, counts, file.mode),
                    rejected=counts.rejected,
                    mode=file.mode,
                    layout=file.layout.name,
                    note=note if hit else "",
                    lifted=tuple(one.reason_code for one in hit),
                    sources=tuple({"name": s.name, "as_of": rfc3339(s.as_of)} for s in file.sources),
                    category_off=counts.category_off,
                    recipe=_recipe(target, file),
                    permissible_use=file.permissible_use or target.permissible_use,
                )
                self._progress[target.agency, target.code] = ("merging", counts.lines)
                await changing.merge(load, [_loaded(load, person)])
            await self._publication.switch(changing, load, target)
        seconds = time.monotonic() - begun
        metrics.LOAD_SECONDS.observe(seconds)
        metrics.LINES.labels("accepted").inc(counts.accepted)
        metrics.LINES.labels("rejected").inc(load.rejected)
        return LoadReport(
            version=load.version,
            entries=load.entries,
            added=load.added,
            changed=load.changed,
            removed=load.removed,
            unchanged=counts.same,
            rejected=load.rejected,
            category_off=load.category_off,
            rejects=tuple(counts.rejects),
            lifted=tuple(load.lifted),
            seconds=round(seconds, 3),
        )

    async def change(
        self,
        target: ActiveList,
        add: Sequence[Entry],
        close: Collection[str],
        person: Person | None,
        now: datetime,
        outgoing: Sequence[Outgoing],
    ) -> int:
        """Add and close a few entries of a list as a new version; answers its number.

        An entry that is in both is changed in place. The entries take the new version's number whatever they carry.
        `outgoing` belongs to the transaction that makes the change irrevocable; the version is in force when this
        returns. Waits for one page of another list's load at most. Raises `Transient`: then nothing has happened, or
        all of it will.
        """
        async with self._store.changing(target.agency, target.code) as changing:
            target = await self._settle(changing, target)
            draft = Load(
                agency=target.agency,
                code=target.code,
                version=target.version + 1,
                source_time=now,
                staged_at=now,
                loaded_by=person.person_id if person is not None else "",
                file_sha256=b"",
                entries=target.entries,
                added=0,
                changed=0,
                removed=0,
                rejected=0,
                mode="change",
            )
            load = await changing.amend(draft, add, close, outgoing)
            await self._publication.switch(changing, load, target)
        return load.version

    @asynccontextmanager
    async def _shown(self, target: ActiveList) -> AsyncIterator[None]:
        """Forget the progress of a list's load when it ends."""
        try:
            yield
        finally:
            self._progress.pop((target.agency, target.code), None)

    async def roll_back(self, target: ActiveList, asked: Rollback, person: Person) -> LoadReport | Refused:
        """Put the content of the version before the last load back in force, as a new version with its old time.

        Refuses when the list has moved on since the rollback was asked for: nobody approved leaving that version.
        """
        begun = time.monotonic()
        async with self._store.changing(target.agency, target.code) as changing:
            target = await self._settle(changing, target)
            old = await changing.made(asked.to_version)
            if (target.version, target.rollback_to) != (asked.from_version, asked.to_version) or old is None:
                return Refused("HOT-04", "ROLLBACK_OUTDATED", "the list has another version by now: ask again")
            draft = replace(
                old,
                version=target.version + 1,
                staged_at=self._clock(),
                loaded_by=person.person_id,
                rejected=0,
                category_off=0,
                mode="rollback",
                recipe=b"",
                note=asked.note,
                lifted=(),
                restores=asked.to_version,
            )
            facts = {"version": str(draft.version), "restores": str(draft.restores), "asked_by": asked.asked_by}
            subject = f"{target.agency}/{target.code}"
            done = audit_message("list_rolled_back", subject, str(draft.version), person, draft.staged_at, facts=facts)
            load = await changing.restore(draft, asked.rollback_id, [done])
            await self._publication.switch(changing, load, target)
        return LoadReport(
            version=load.version,
            entries=load.entries,
            added=load.added,
            changed=load.changed,
            removed=load.removed,
            unchanged=load.entries - load.added - load.changed,
            seconds=round(time.monotonic() - begun, 3),
        )

    async def _settle(self, changing: Changing, target: ActiveList) -> ActiveList:
        """Finish the load of this list that was interrupted between staging and switch; answers what is in force."""
        active = await changing.active() or target
        if (load := await changing.unfinished()) is not None:
            logger.warning("list_load_resumed", extra={"list": load.code, "version": load.version})
            await self._publication.switch(changing, load, active)
            active = await changing.active() or target
        return active

    async def _identical(
        self, changing: Changing, target: ActiveList, file: ListFile, sha256: bytes
    ) -> LoadReport | None:
        last = await changing.made(target.version)
        if last is None or (last.file_sha256, last.recipe) != (sha256, _recipe(target, file)):
            return None
        return LoadReport(version=target.version, entries=target.entries, unchanged=target.entries, identical=True)

    async def _read(
        self, target: ActiveList, file: ListFile, changing: Changing, *, seal: bool
    ) -> tuple[Counts, datetime, tuple[Refused, ...]] | Refused:
        """Compare a file with a list; answers counts, the time of its content and the guards that it hits."""
        now, use = self._clock(), file.permissible_use or target.permissible_use
        if isinstance(lawful := lawful_file(target, file), Refused):
            return lawful
        profile = self._profiles.get(target.agency)
        zone = profile.timezone if profile is not None else "UTC"

        def told(lines: int) -> None:
            if seal:
                self._progress[target.agency, target.code] = ("reading", lines)

        task = Task(target, file.layout, now, file.declared, zone, file.mode == "incremental", use)
        staging = Staging(target, self._keys, told)
        async with changing.comparing(), reading(task, file.source) as read:
            end = await staging.run(read, changing, seal=seal)
        counts = staging.counts
        lawful = registration_basis(registration=counts.without_basis, permissible_use=use)
        if isinstance(lawful, Refused):
            return lawful
        if end.refused is not None:
            return end.refused
        source_time = end.source_time or file.source_time
        if source_time is None:
            return Refused("HOT-04", "SOURCE_TIME_MISSING", "neither the file nor its sender says of when it is")
        entries = _entries(target, counts, file.mode)
        hit = [*guards(target, entries, source_time, now=now)]
        if target.list_type == "special":
            admitted = _sources_admitted(file, profile, now)
            hit += [admitted] if isinstance(admitted, Refused) else []
        if not counts.accepted and file.mode == "full":
            hit.insert(0, Refused("HOT-04", "LIST_EMPTY", f"no line was accepted, {counts.rejected} were rejected"))
        return counts, source_time, tuple(hit)

    async def run(self, stop: asyncio.Event, keep: timedelta) -> None:
        """Finish what was interrupted, then clean up, until `stop`."""
        while not stop.is_set():
            unfinished = True
            try:
                for agency, code in await self._store.publishing():
                    await self._resume(agency, code)
                unfinished = bool(await self._store.publishing())
                while not stop.is_set() and await self._publication.clean(self._clock() - keep):
                    pass
            except Transient as error:
                logger.warning("lists_wait", extra={"reason": str(error)})
            await first_of(stop, timeout_s=_RESUME_IDLE_S if unfinished else _CLEAN_IDLE_S)

    async def _resume(self, agency: str, code: str) -> None:
        """Finish a list's interrupted load unless somebody is at it."""
        target = await self._store.hotlist(agency, code)
        async with self._store.changing_now(agency, code) as changing:
            if changing is not None and target is not None:
                await self._settle(changing, target)


def lawful_file(target: ActiveList, file: ListFile) -> Decision:
    """Decide by layout and sources, before a line is read, whether a file may be used for a list (SEC-05)."""
    drawn = file.layout.registration or draws_on_registration(
        [target.source, target.name, *(source.name for source in file.sources)]
    )
    use = file.permissible_use or target.permissible_use
    return registration_basis(registration=drawn, permissible_use=use)


def _entries(target: ActiveList, counts: Counts, mode: str) -> int:
    """How many entries the list has with this file."""
    return counts.accepted if mode == "full" else target.entries + counts.added - counts.removed


def _removed(target: ActiveList, counts: Counts, mode: str) -> int:
    return target.entries - counts.known if mode == "full" else counts.removed


def _digest(source: BinaryIO) -> bytes:
    """SHA-256 of a whole file, which is read from its begin and left there."""
    source.seek(0)
    digest = hashlib.file_digest(source, "sha256").digest()  # type: ignore[arg-type]
    source.seek(0)
    return digest


def _sources_admitted(file: ListFile, profile: AgencyProfile | None, now: datetime) -> Decision:
    if profile is None:
        return Refused("HOT-10", "AGENCY_UNKNOWN", "the agency has no profile")
    return special_sources(file.sources, profile, now)


def _recipe(target: ActiveList, file: ListFile) -> bytes:
    """Name everything beside the file that decides what a load makes of it: another layout makes another list."""
    use = file.permissible_use or target.permissible_use
    sources = [(one.name, rfc3339(one.as_of)) for one in file.sources]
    when = "" if file.source_time is None else rfc3339(file.source_time)
    parts = (repr(file.layout), sorted(target.categories_off), use, file.mode, sources, when)
    return hashlib.sha256(repr(parts).encode()).digest()


def _loaded(load: Load, person: Person) -> Outgoing:
    facts = {
        "version": str(load.version),
        "entries": str(load.entries),
        "removed": str(load.removed),
        "file_sha256": load.file_sha256.hex(),
    }
    if load.permissible_use:
        facts["permissible_use"] = load.permissible_use
    if load.lifted:
        facts["lifted"] = " ".join(load.lifted)
    note = {"note": load.note} if load.note else {}
    subject = f"{load.agency}/{load.code}"
    return audit_message("list_loaded", subject, str(load.version), person, load.staged_at, facts=facts, personal=note)
