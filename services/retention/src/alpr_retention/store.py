"""Reads, hits, holds and purge runs in PostgreSQL, images in the object store, their private keys in a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.errors import InvalidMessage, Transient
from alprcore.model import Hit, ImageRef, Read
from alprcore.objects import ImageStore
from alprcore.plates import skeleton
from alprcore.postgres import load_queries, translated
from alprcore.seal import new_image_key, open_image, seal_image

from . import metrics
from .expiry import held_key

_QUERIES: Final = load_queries("alpr_retention")
HOLD: Final = "hold"
"""What `sealed_to` says of an image that a hold keeps: the agency's hold key opens it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A demand that records are kept beyond their due day."""

    hold_id: str
    agency: str
    ground: str
    case_reference: str
    placed_by: str
    placed_at: datetime
    read_ids: tuple[str, ...] = ()
    plate: str = ""
    device_id: str = ""
    captured_from: datetime | None = None
    captured_to: datetime | None = None

    @property
    def by_query(self) -> bool:
        """Whether the hold covers whatever fits its criteria, also what is stored later."""
        return bool(self.plate or self.device_id or self.captured_from or self.captured_to)


def _image(ref: ImageRef) -> dict[str, Any]:
    return {
        "role": ref.role.value,
        "view": ref.view.value,
        "key": ref.key,
        "sha256": ref.sha256.hex(),
        "sealed_to": ref.sealed_to.isoformat() if ref.sealed_to else "",
    }


def images_of(read: Read) -> list[dict[str, Any]]:
    """The images a read refers to: one close-up and one context view (CAP-03); without a key there is none."""
    return [_image(ref) for ref in (read.closeup, read.context) if ref.key]


def _read_row(read: Read, due: date) -> tuple[Any, ...]:
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
    }
    plate = read.plate.reveal()
    point = read.location.point
    return (
        UUID(read.read_id), due, read.agency, read.revision, read.retracted, plate, skeleton(plate), read.state,
        read.confidence, read.captured_at, read.received_at, read.read_at, read.device_id, read.device_kind.value,
        read.device_name, read.camera_id, read.direction, point.latitude, point.longitude,
        json.dumps(images_of(read)), json.dumps(details),
    )  # fmt: skip


def _hit_row(hit: Hit, due: date) -> tuple[Any, ...]:
    details = {
        "entry_plate": hit.entry_plate.reveal(),
        "entry_state": hit.entry_state,
        "match_kind": hit.match_kind.value,
        "explanation": hit.explanation,
        "probability": hit.probability,
        "list_name": hit.list_name,
        "list_source": hit.list_source,
        "list_source_time": hit.list_source_time.isoformat(),
        "list_loaded_at": hit.list_loaded_at.isoformat(),
        "list_stale": hit.list_stale,
        "delayed": hit.delayed,
        "profile_version": hit.profile_version,
        "entry_sealed": base64.b64encode(hit.entry_sealed).decode(),
        "entry_key_id": hit.entry_key_id,
    }
    read = hit.read
    return (
        UUID(hit.hit_id), due, UUID(read.read_id), read.agency, read.revision, hit.list_code, hit.list_version,
        UUID(hit.entry_id), hit.grade.value, hit.state_match.value, hit.reason, hit.advisory_class, read.captured_at,
        read.received_at, hit.matched_at, json.dumps(details),
    )  # fmt: skip


class Records:
    """Schema `retention`, always within the agencies that the caller names."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
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

    async def keep(self, reads: Sequence[tuple[Read, date]], hits: Sequence[tuple[Hit, date]]) -> None:
        """Store reads and hits once each, under the day on which each falls due by the time it is first stored.

        Raises `InvalidMessage` for a record that the database cannot hold and `Transient` for anything that passes.
        """
        try:
            days = await self._fixed(reads, hits)
            await self.ensure_days(days.values())
            rows = sorted((_read_row(read, days[read.read_id]) for read, _ in reads), key=lambda row: row[0])
            found = sorted((_hit_row(hit, days[hit.hit_id]) for hit, _ in hits), key=lambda row: row[0])
            live = [
                (UUID(hit.hit_id), hit.read.agency, hit.matched_at, json.dumps(images_of(hit.read))) for hit, _ in hits
            ]
            seen = {(row[2], row[9].astimezone(UTC).date(), row[1]) for row in rows}
            seen |= {(row[3], row[12].astimezone(UTC).date(), row[1]) for row in found}
            async with self._scoped([row[2] for row in rows] + [row[3] for row in found]) as connection:
                await connection.executemany(_QUERIES["keep_captured_day"], sorted(seen))
                await connection.executemany(_QUERIES["keep_read"], rows)
                await connection.executemany(_QUERIES["keep_hit"], found)
                await connection.executemany(_QUERIES["keep_live_hit"], live)
        except asyncpg.CheckViolationError as error:
            if error.constraint_name is None:  # the partition went with a purge: make it again
                self._days.clear()
                raise Transient("partition gone") from error
            raise InvalidMessage("FIELD_INVALID", str(error.constraint_name)) from error
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "")[:2] == "22":  # data exception: a text or number that no column takes
                raise InvalidMessage("FIELD_INVALID", type(error).__name__) from error
            raise
        except ValueError as error:
            raise InvalidMessage("FIELD_INVALID", "an id that is none") from error
        metrics.KEPT.labels("read").inc(len(rows))
        metrics.KEPT.labels("hit").inc(len(found))

    async def _fixed(self, reads: Sequence[tuple[Read, date]], hits: Sequence[tuple[Hit, date]]) -> dict[str, date]:
        """Due day by id: of what is stored already, and a hit's is its read's; else the one computed now."""
        computed = {read.read_id: due for read, due in reads} | {hit.hit_id: due for hit, due in hits}
        known = await self._stored("reads", [(r.read_id, r.agency, r.captured_at) for r, _ in reads])
        known |= await self._stored("hits", [(h.hit_id, h.read.agency, h.read.captured_at) for h, _ in hits])
        of_reads = await self._stored("reads", [(h.read.read_id, h.read.agency, h.read.captured_at) for h, _ in hits])
        for hit, _ in hits:
            day = of_reads.get(hit.read.read_id) or computed.get(hit.read.read_id)
            if day is not None:
                known.setdefault(hit.hit_id, day)
        return computed | known

    async def _stored(self, what: str, wanted: Sequence[tuple[str, str, datetime]]) -> dict[str, date]:
        if not wanted:
            return {}
        ids = [UUID(item[0]) for item in wanted]
        with translated():
            rows = await self._pool.fetch(
                _QUERIES["stored_days"], what, ids, [item[1] for item in wanted], [item[2] for item in wanted]
            )
        return {str(row["id"]): row["due_day"] for row in rows if row["due_day"] is not None}

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

    async def forget(self, agencies: Iterable[str], live_before: datetime, used_before: datetime) -> None:
        """Forget hits that are no longer live and ledger entries that can no longer be used."""
        for agency in agencies:
            async with self._scoped([agency]) as connection:
                await connection.execute(_QUERIES["forget_live_hits"], agency, live_before)
        with translated():
            await self._pool.execute(_QUERIES["forget_used_entries"], used_before)

    async def place_hold(self, hold: Hold) -> None:
        """Store a hold; it binds every purge that begins a day after this returns."""
        async with self._scoped([hold.agency]) as connection:
            await connection.fetchval(_QUERIES["hold_lock"])
            await connection.execute(
                _QUERIES["place_hold"], UUID(hold.hold_id), hold.agency, hold.ground, hold.case_reference,
                hold.placed_by, hold.placed_at, [UUID(read) for read in hold.read_ids], hold.by_query,
                hold.plate or None, hold.device_id or None, hold.captured_from, hold.captured_to,
            )  # fmt: skip

    async def due_days(self, before: date) -> list[date]:
        """Due days before this one that still have partitions."""
        with translated():
            return [row[0] for row in await self._pool.fetch(_QUERIES["due_days"], before)]

    @asynccontextmanager
    async def purging(self) -> AsyncIterator[bool]:
        """Be the only purge, with no hold placed meanwhile; False when another one runs."""
        with translated():
            async with self._pool.acquire() as connection:
                got = bool(await connection.fetchval(_QUERIES["purge_lock"]))
                try:
                    yield got
                finally:
                    await connection.execute(_QUERIES["purge_unlock"])

    async def day_agencies(self, day: date) -> list[str]:
        """Agencies with records that fall due on this day."""
        with translated():
            return [row[0] for row in await self._pool.fetch(_QUERIES["day_agencies"], day)]

    async def newest_received(self, day: date, agencies: Sequence[str]) -> datetime | None:
        """When the day's newest record was received: the floor counts from there."""
        async with self._scoped(agencies) as connection:
            moment: datetime | None = await connection.fetchval(_QUERIES["newest_received"], day, agencies)
        return moment

    async def held(self, day: date, agencies: Sequence[str]) -> list[dict[str, Any]]:
        """Up to 500 held reads that still lie on this due day."""
        async with self._scoped(agencies) as connection:
            rows = await connection.fetch(_QUERIES["held_reads"], day, agencies)
        return [{**dict(row), "images": json.loads(row["images"])} for row in rows]

    async def move_held(self, row: dict[str, Any], day: date, images: list[dict[str, Any]]) -> None:
        """Take a held read and its hits out of their due day."""
        agency, read_id = row["agency"], row["read_id"]
        async with self._scoped([agency]) as connection:
            on = row["captured_at"].astimezone(UTC).date()
            await connection.execute(_QUERIES["keep_captured_day"], agency, on, date.max)
            await connection.execute(_QUERIES["hold_read"], read_id, day, agency, json.dumps(images))
            await connection.execute(_QUERIES["hold_hits"], read_id, day, agency)

    async def stray_images(self, day: date, agencies: Sequence[str]) -> list[str]:
        """Keys of the day's images outside the day's folders."""
        async with self._scoped(agencies) as connection:
            return [row[0] for row in await connection.fetch(_QUERIES["stray_images"], day, agencies, day.isoformat())]

    async def drop_day(self, day: date) -> dict[str, int]:
        """Drop a due day with all its records; raises `PermissionError` when floor or hold forbid it."""
        try:
            with translated():
                counts: dict[str, int] = json.loads(await self._pool.fetchval(_QUERIES["drop_day"], day))
        except asyncpg.CheckViolationError as error:
            raise PermissionError(error.message or "RETENTION_FLOOR") from error
        self._days.discard(day)
        return counts

    async def start_run(self, run_id: str, as_of: date, now: datetime) -> None:
        """Write that a purge began."""
        with translated():
            await self._pool.execute(_QUERIES["start_run"], UUID(run_id), as_of, now, "{}")

    async def finish_run(self, run_id: str, now: datetime, outcome: str, certificate: dict[str, Any]) -> None:
        """Write how a purge ended."""
        with translated():
            await self._pool.execute(_QUERIES["finish_run"], UUID(run_id), now, outcome, json.dumps(certificate))

    async def runs(self, run_id: str = "") -> list[dict[str, Any]]:
        """The last hundred purges, newest first, or the named one."""
        with translated():
            rows = await (
                self._pool.fetch(_QUERIES["run"], UUID(run_id)) if run_id else self._pool.fetch(_QUERIES["runs"])
            )
        return [
            {
                "run_id": str(row["run_id"]),
                "as_of": row["as_of"].isoformat(),
                "started_at": row["started_at"].isoformat(),
                "finished_at": row["finished_at"].isoformat() if row["finished_at"] else None,
                "outcome": row["outcome"],
                "certificate": json.loads(row["certificate"]),
            }
            for row in rows
        ]


class ImageKeys:
    """Private image keys: `<folder>/<agency>/<due day>.key`, mode 0600, private and public half in base64."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, agency: str, day: str) -> Path:
        if not agency or "/" in agency or agency.startswith("."):
            raise ValueError("not an agency")
        return self._folder / agency / f"{day}.key"

    def ensure(self, agency: str, day: str) -> bytes:
        """The public half for this day, made when there is none; two processes at once agree on one."""
        path = self._path(agency, day)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            text = "\n".join(base64.b64encode(half).decode() for half in new_image_key()) + "\n"
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(fresh)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return base64.b64decode(path.read_text().split()[1])

    def private(self, agency: str, day: str) -> bytes | None:
        """The private half for this day; None when it was destroyed."""
        try:
            return base64.b64decode(self._path(agency, day).read_text().split()[0])
        except FileNotFoundError:
            return None

    def days(self) -> list[tuple[str, date]]:
        """Agency and due day of every key."""
        return sorted(
            (path.parent.name, date.fromisoformat(path.stem))
            for path in self._folder.glob("*/*.key")
            if path.stem != HOLD
        )

    def destroy(self, agency: str, day: str) -> bool:
        """Overwrite and remove a private key: what was sealed to it never opens again."""
        path = self._path(agency, day)
        try:
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
        except FileNotFoundError:
            return False
        path.unlink()
        return True


class Images:
    """Sealed images: opened here and nowhere else."""

    def __init__(self, objects: ImageStore, keys: ImageKeys) -> None:
        self.objects, self.keys = objects, keys

    async def open(self, agency: str, image: dict[str, Any]) -> bytes:
        """The plain JPEG. Raises `KeyError` when image or key is gone, `InvalidMessage` when it is not the one read."""
        data = await self.objects.get(image["key"])
        if image["sealed_to"]:
            private = self.keys.private(agency, image["sealed_to"])
            if private is None:
                raise KeyError(image["key"])
            data = open_image(private, data, aad=image["key"].encode())
        if hashlib.sha256(data).hexdigest() != image["sha256"]:
            raise InvalidMessage("IMAGE_DAMAGED", "the image is not the one that was read")
        return data

    async def reseal(self, agency: str, read_id: str, image: dict[str, Any]) -> dict[str, Any]:
        """Seal an image to the agency's hold key and open it once more before anyone relies on it."""
        if image["sealed_to"] == HOLD:
            return image
        plain = await self.open(agency, image)
        kept = {**image, "key": held_key(agency, read_id, image["role"]), "sealed_to": HOLD}
        sealed = seal_image(self.keys.ensure(agency, HOLD), plain, aad=kept["key"].encode())
        await self.objects.put(kept["key"], sealed)
        await self.open(agency, kept)
        return kept
