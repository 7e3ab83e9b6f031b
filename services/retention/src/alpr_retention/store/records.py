"""Reads and hits in PostgreSQL: kept once each under the day on which they fall due, shown where an entry permits."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.errors import InvalidMessage, Transient
from alprcore.model import FrameProof, Hit, ImageRef, Read
from alprcore.plates import skeleton
from alprcore.postgres import load_queries, translated

from .. import metrics

_QUERIES: Final = load_queries("alpr_retention")
_TRIES: Final = 5


def _image(ref: ImageRef) -> dict[str, Any]:
    return {
        "role": ref.role.value,
        "view": ref.view.value,
        "key": ref.key,
        "sha256": ref.sha256.hex(),
        "sealed_to": ref.sealed_to.isoformat() if ref.sealed_to else "",
    }


def _frame(frame: FrameProof) -> list[Any]:
    """What the camera signed, as a row keeps it: `alprcore.evidence.origin` reads it back."""
    texts = [base64.b64encode(part).decode() for part in (frame.sha256, frame.signature, frame.device_key)]
    return [frame.sequence, frame.placed, frame.view.value, *texts]


def images_of(read: Read) -> list[dict[str, Any]]:
    """The images a read refers to: one close-up and one context view (CAP-03); without a key there is none."""
    return [_image(ref) for ref in (read.closeup, read.context) if ref.key]


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidMessage("FIELD_INVALID", "an id that is none") from error


@dataclass(frozen=True, slots=True)
class _NewRead:
    """A read to be stored, and the day on which it falls due."""

    read_id: UUID
    read: Read
    due: date


@dataclass(frozen=True, slots=True)
class _NewHit:
    """A hit to be stored, and the day on which it falls due."""

    hit_id: UUID
    read_id: UUID
    hit: Hit
    due: date

    @property
    def read(self) -> Read:
        return self.hit.read


def _read_row(new: _NewRead) -> tuple[Any, ...]:
    read = new.read
    details = {
        "plate_raw": read.plate_raw,
        "state_confidence": read.state_confidence,
        "characters": [[c.first, c.first_probability, c.second, c.second_probability] for c in read.characters],
        "alternatives": [[a.plate.reveal(), a.probability] for a in read.alternatives],
        "box": [read.box.x, read.box.y, read.box.width, read.box.height],
        "location_quality": read.location.quality.value,
        "location_age_s": read.location.age_s,
        "heading": read.location.heading,
        "frame_ids": list(read.frame_ids),
        "detector": {"name": read.detector.name, "sha256": read.detector.sha256},
        "reader": {"name": read.reader.name, "sha256": read.reader.sha256},
        "profile_version": read.profile_version,
        "origins": [[origin.state, origin.probability] for origin in read.origins],
        "corners": read.corners,
        "unreadable_reason": read.unreadable_reason,
        "vehicle": {"color": read.vehicle.color, "color_probability": read.vehicle.color_probability},
    }
    plate = read.plate.reveal()
    point = read.location.point
    return (
        new.read_id, new.due, read.agency, read.revision, read.retracted, plate, skeleton(plate), read.state,
        read.confidence, read.captured_at, read.received_at, read.read_at, read.device_id, read.device_kind.value,
        read.device_name, read.camera_id, read.direction, point.latitude, point.longitude,
        json.dumps(images_of(read)), json.dumps(details), json.dumps(_frame(read.frame)) if read.frame else None,
    )  # fmt: skip


def _hit_row(new: _NewHit) -> tuple[Any, ...]:
    hit = new.hit
    details = {
        "entry_plate": hit.entry_plate.reveal(), "entry_state": hit.entry_state, "match_kind": hit.match_kind.value,
        "explanation": hit.explanation, "probability": hit.probability, "list_name": hit.list_name,
        "list_source": hit.list_source, "list_source_time": hit.list_source_time.isoformat(),
        "list_loaded_at": hit.list_loaded_at.isoformat(), "list_stale": hit.list_stale, "delayed": hit.delayed,
        "profile_version": hit.profile_version, "entry_sealed": base64.b64encode(hit.entry_sealed).decode(),
        "entry_key_id": hit.entry_key_id, "revision": hit.revision, "storm_id": hit.storm_id,
        "withdrawn_at": hit.withdrawn_at and hit.withdrawn_at.isoformat(), "withdrawn_reason": hit.withdrawn_reason,
    }  # fmt: skip
    read = hit.read
    return (
        new.hit_id, new.due, new.read_id, read.agency, read.revision, hit.list_code, hit.list_version,
        UUID(hit.entry_id), hit.grade.value, hit.state_match.value, hit.reason, hit.advisory_class, read.captured_at,
        read.received_at, hit.matched_at, json.dumps(details),
    )  # fmt: skip


Also = Callable[[Any, Sequence[tuple[Read, date]]], Awaitable[None]]
"""Writes what belongs to reads that are being stored, with their due days, into the transaction that stores them."""


def _unsettled(
    reads: Sequence[_NewRead], hits: Sequence[_NewHit], longer: Mapping[str, date]
) -> list[tuple[str, UUID, date, str, datetime]]:
    """Reads that have to come under another day, or their images to the key of their own: agency, read, day, why."""
    asked: dict[UUID, tuple[str, UUID, date, str, datetime]] = {}
    for new in reads:
        days = {ref.sealed_to for ref in (new.read.closeup, new.read.context) if ref.key and ref.sealed_to}
        if days - {new.due} and new.due != date.max:
            asked[new.read_id] = (new.read.agency, new.read_id, new.due, "image_day", new.read.captured_at)
    for hit in hits:
        day = longer.get(str(hit.read_id))
        if day is not None and hit.due < day:
            asked[hit.read_id] = (hit.read.agency, hit.read_id, day, "hit", hit.read.captured_at)
    return [asked[read_id] for read_id in sorted(asked)]


class Records:
    """Schema `retention`, always within the agencies that the caller names."""

    def __init__(self, pool: asyncpg.Pool, also: Sequence[Also] = ()) -> None:
        """`also` is what else is written in the transaction that stores reads."""
        self._pool, self._also = pool, also
        self._days: set[date] = set()

    @asynccontextmanager
    async def _scoped(self, agencies: Iterable[str]) -> AsyncIterator[Any]:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(_QUERIES["scope"], ",".join(sorted(set(agencies))))
                yield connection

    async def ensure_days(self, days: Iterable[date]) -> None:
        """Make the partitions of these due days, ahead of the first record."""
        for day in sorted(set(days) - self._days - {date.max}):  # held records have no due day
            with translated():
                await self._pool.fetchval(_QUERIES["ensure_day"], day)
            self._days.add(day)

    def forget_days(self) -> None:
        """Look again which partitions there are: a purge elsewhere dropped one."""
        self._days.clear()

    async def keep(
        self,
        reads: Sequence[tuple[Read, date]],
        hits: Sequence[tuple[Hit, date]],
        longer: Mapping[str, date] | None = None,
    ) -> None:
        """Store reads and hits once each, under the day on which each falls due by the time it is first stored.

        A record that is stored already keeps its day. A new hit takes its read's: the stored one, else that of the
        read beside it. Every other record takes the day given with it. `longer` names, by read, the day until which
        reads that hit are kept where that is longer; those, and reads whose images are sealed to another day, are
        noted to be settled.

        Raises `InvalidMessage` for a record that the database cannot hold and `Transient` for anything that passes.
        """
        new_reads = sorted((_NewRead(_id(read.read_id), read, due) for read, due in reads), key=lambda new: new.read_id)
        new_hits = sorted(
            (_NewHit(_id(hit.hit_id), _id(hit.read.read_id), hit, due) for hit, due in hits), key=lambda new: new.hit_id
        )
        try:
            for _ in range(_TRIES):
                generation = await self._generation()
                fixed = await self._fixed_reads(new_reads)
                if await self._store(fixed, await self._fixed_hits(new_hits, fixed), longer or {}, generation):
                    break
            else:
                raise Transient("records move all the time")
        except asyncpg.CheckViolationError as error:
            if error.constraint_name is None:  # the partition went with a purge: make it again
                self._days.clear()
                raise Transient("partition gone") from error
            raise InvalidMessage("FIELD_INVALID", str(error.constraint_name)) from error
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "")[:2] == "22":  # data exception: a text or number that no column takes
                raise InvalidMessage("FIELD_INVALID", type(error).__name__) from error
            raise
        except asyncpg.InterfaceError as error:  # no column takes the value: what passes is `Transient` by now
            raise InvalidMessage("FIELD_INVALID", type(error).__name__) from error
        metrics.KEPT.labels("read").inc(len(reads))
        metrics.KEPT.labels("hit").inc(len(hits))

    async def _generation(self) -> int:
        """How often reads were moved between days."""
        with translated():
            return int(await self._pool.fetchval(_QUERIES["move_generation"]))

    async def _store(
        self, reads: Sequence[_NewRead], hits: Sequence[_NewHit], longer: Mapping[str, date], generation: int
    ) -> bool:
        """Write records under their days; in the order of their ids, so that two keepers cannot block each other.

        False, and nothing is written, when reads were moved since it was looked up where they lie.
        """
        news: tuple[_NewRead | _NewHit, ...] = (*reads, *hits)
        seen = {(new.read.agency, new.read.captured_at.astimezone(UTC).date(), new.due) for new in news}
        await self.ensure_days({due for _, _, due in seen})
        live = [(new.hit_id, new.read.agency, new.hit.matched_at, json.dumps(images_of(new.read))) for new in hits]
        unsettled = _unsettled(reads, hits, longer)
        async with self._scoped(agency for agency, _, _ in seen) as connection:
            if await connection.fetchval(_QUERIES["keep_lock"]) != generation:
                return False
            await connection.executemany(_QUERIES["keep_captured_day"], sorted(seen))
            await connection.executemany(_QUERIES["keep_read"], [_read_row(new) for new in reads])
            await connection.executemany(_QUERIES["keep_hit"], [_hit_row(new) for new in hits])
            await connection.executemany(_QUERIES["keep_live_hit"], live)
            for note in self._also:
                await note(connection, [(new.read, new.due) for new in reads])
            if unsettled:
                await connection.executemany(_QUERIES["ask_settling"], unsettled)
        return True

    async def _fixed_reads(self, reads: Sequence[_NewRead]) -> list[_NewRead]:
        days = {new.read_id: new.due for new in reversed(reads)}  # of several revisions the first, as one by one
        days |= await self._stored("reads", [(new.read_id, new.read) for new in reads])
        return [replace(new, due=days[new.read_id]) for new in reads]

    async def _fixed_hits(self, hits: Sequence[_NewHit], beside: Sequence[_NewRead]) -> list[_NewHit]:
        of_reads = {new.read_id: new.due for new in beside}
        of_reads |= await self._stored("reads", [(new.read_id, new.read) for new in hits])
        days = {new.hit_id: of_reads.get(new.read_id, new.due) for new in reversed(hits)}
        days |= await self._stored("hits", [(new.hit_id, new.read) for new in hits])
        return [replace(new, due=days[new.hit_id]) for new in hits]

    async def _stored(self, what: str, wanted: Sequence[tuple[UUID, Read]]) -> dict[UUID, date]:
        """Days of what is stored already, by id."""
        if not wanted:
            return {}
        ids, reads = [found for found, _ in wanted], [read for _, read in wanted]
        with translated():
            agencies, times = [read.agency for read in reads], [read.captured_at for read in reads]
            rows = await self._pool.fetch(_QUERIES["stored_days"], what, ids, agencies, times)
        return {row["id"]: row["due_day"] for row in rows if row["due_day"] is not None}

    async def open_view(self, entry: int, person_id: str) -> dict[str, Any] | None:
        """The image that a committed, fresh, unused intent of this person names; None when it is gone.

        Raises `PermissionError` with the code that the database gives for any other entry.
        """
        try:
            with translated():
                row = await self._pool.fetchval(_QUERIES["open_view"], entry, person_id)
        except asyncpg.InsufficientPrivilegeError as error:
            raise PermissionError(error.message or "LEDGER_ENTRY_MISSING") from error
        return json.loads(row) if row else None

    async def live_images(self, agency: str, hit_id: str, since: datetime) -> list[dict[str, Any]]:
        """The images of a hit matched after `since`; none when there is no such hit of this agency."""
        async with self._scoped([agency]) as connection:
            row = await connection.fetchval(_QUERIES["live_hit"], agency, UUID(hit_id), since)
        return json.loads(row) if row else []

    async def camera_counts(self, agency: str, device_id: str, since: datetime) -> list[dict[str, Any]]:
        """Count a device's reads since a time of capture by camera; those without text by their reason too."""
        async with self._scoped([agency]) as connection:
            on = since.astimezone(UTC).date()
            rows = await connection.fetch(_QUERIES["camera_counts"], agency, device_id, since, on)
        return [{**dict(row), "reasons": json.loads(row["reasons"])} for row in rows]

    async def unnoted_days(self, agency: str, before: date, at_most: int) -> list[date]:
        """Due days, the latest first, whose captures ended before a day (UTC) and whose plates are not noted yet."""
        with translated():
            return [row[0] for row in await self._pool.fetch(_QUERIES["unnoted_days"], agency, before, at_most)]

    async def note_day(self, agency: str, day: date) -> None:
        """Note which plates a due day holds, so that searches need not open it in vain; a later record undoes it."""
        with translated():
            await self._pool.fetchval(_QUERIES["note_day"], agency, day)

    async def forget(self, agencies: Iterable[str], live_before: datetime, used_before: datetime) -> None:
        """Forget hits that are no longer live and ledger entries that can no longer be used."""
        for agency in agencies:
            async with self._scoped([agency]) as connection:
                await connection.execute(_QUERIES["forget_live_hits"], agency, live_before)
        with translated():
            await self._pool.execute(_QUERIES["forget_used_entries"], used_before)

    def forget_day(self, day: date) -> None:
        """Take note that a due day's partitions may be gone: the next record of it makes them again."""
        self._days.discard(day)
