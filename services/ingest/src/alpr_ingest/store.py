"""Schema ingest: named statements in, model objects out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alpr_ingest.hotlists import ActiveList
from alprcore.model import Camera, Device, DeviceKind, Entry, GeoPoint, Plate, Siting, View
from alprcore.plates import skeleton
from alprcore.postgres import load_queries, translated
from alprcore.topics import Topic

QUERIES: Final = load_queries("alpr_ingest")
_BULK_TIMEOUT_S: Final = 300.0
"""Statements over a whole list: five million entries take about two minutes."""
_ENTRY_COLUMNS: Final = (
    "entry_id",
    "from_version",
    "agency",
    "code",
    "plate",
    "skeleton",
    "sealed",
    "key_id",
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message that belongs to a change: kept until Kafka has acknowledged it."""

    topic: Topic
    key: str
    value: bytes
    ce_id: str
    created_at: datetime
    number: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one list."""

    agency: str
    code: str
    version: int
    source_time: datetime
    staged_at: datetime
    loaded_by: str
    file_sha256: bytes
    entries: int
    added: int
    changed: int
    removed: int
    rejected: int


class Taken(Exception):
    """A device, camera or list of this id exists already."""


class Store:
    """What ingest keeps in PostgreSQL. Every method raises `Transient` while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def devices(self, device_ids: Iterable[str]) -> dict[str, Device]:
        """Find devices by id, whosever they are: frames name no agency."""
        with translated():
            rows = await self._pool.fetch(QUERIES["device"], list(device_ids))
        return {row["device_id"]: _device(row) for row in rows}

    async def devices_of(self, agency: str) -> list[Device]:
        """List an agency's devices."""
        with translated():
            return [_device(row) for row in await self._pool.fetch(QUERIES["devices_of_agency"], agency)]

    async def add_device(self, device: Device, outgoing: Sequence[Outgoing], now: datetime) -> None:
        """Register a device together with the messages that say so. Raises `Taken`."""
        siting = device.siting or Siting(public_view=False, approver="", declared_on=None)
        try:
            with translated():
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(
                        QUERIES["add_device"],
                        device.device_id,
                        device.agency,
                        device.kind.value,
                        device.name,
                        device.carrier,
                        None if device.siting is None else siting.public_view,
                        siting.approver,
                        siting.declared_on,
                        device.in_service,
                        device.position.latitude if device.position else None,
                        device.position.longitude if device.position else None,
                        device.public_key,
                        device.software_version,
                        device.revision,
                        now,
                    )
                    await connection.executemany(
                        QUERIES["add_camera"],
                        [
                            (camera.camera_id, device.device_id, n, camera.name, camera.directions, camera.view.value)
                            for n, camera in enumerate(device.cameras)
                        ],
                    )
                    await _put_out(connection, outgoing)
        except asyncpg.UniqueViolationError as error:
            raise Taken("camera" if error.table_name == "cameras" else "device") from error

    async def change_device(self, device: Device, outgoing: Sequence[Outgoing]) -> None:
        """Keep service state and siting of a device, together with the messages that say so.

        Raises `Taken` when the device has changed since this revision was made.
        """
        siting = device.siting
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                changed = await connection.fetchval(
                    QUERIES["change_device"],
                    device.agency,
                    device.device_id,
                    device.revision,
                    device.in_service,
                    None if siting is None else siting.public_view,
                    None if siting is None else siting.approver,
                    None if siting is None else siting.declared_on,
                )
                if changed is None:
                    raise Taken("revision")
                await _put_out(connection, outgoing)

    async def put_out(self, outgoing: Sequence[Outgoing]) -> None:
        """Keep messages for the relay that belong to no other change."""
        with translated():
            await _put_out(self._pool, outgoing)

    async def relay(self, send: Any, limit: int) -> int:
        """Hand the oldest messages of the outbox to `send` and forget them afterwards; answers how many.

        One process at a time relays, so that messages of one key stay in order.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(QUERIES["lock_relay"]):
                    return 0
                rows = await connection.fetch(QUERIES["outbox"], limit)
                messages = [
                    Outgoing(Topic(r["topic"]), r["key"], r["value"], r["ce_id"], r["created_at"], r["id"])
                    for r in rows
                ]
                if messages:
                    await send(messages)
                    await connection.execute(QUERIES["forget_outbox"], [message.number for message in messages])
                return len(messages)

    async def waiting(self) -> int:
        """Count the messages in the outbox."""
        with translated():
            return int(await self._pool.fetchval(QUERIES["count_outbox"]))

    async def seed_hotlists(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Make the lists that the profiles name (DEF-07, HOT-01); what is there already keeps its state."""
        with translated():
            await self._pool.executemany(QUERIES["seed_hotlist"], rows)

    async def add_hotlist(self, fields: Sequence[Any], outgoing: Sequence[Outgoing]) -> None:
        """Make a list. Raises `Taken`."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(QUERIES["add_hotlist"], *fields) is None:
                    raise Taken("list")
                await _put_out(connection, outgoing)

    async def hotlists(self, agency: str) -> list[tuple[ActiveList, tuple[int, int] | None]]:
        """List an agency's lists, and for one that is being loaded how many of how many buckets are published."""
        with translated():
            rows = await self._pool.fetch(QUERIES["hotlists"], agency)
        return [
            (_list(r), None if r["loading_buckets"] is None else (r["loading_published"], r["loading_buckets"]))
            for r in rows
        ]

    async def hotlist(self, agency: str, code: str) -> ActiveList | None:
        """Find a list."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["hotlist"], agency, code)
        return None if row is None else _list(row)

    async def loads(self, agency: str, code: str, limit: int) -> list[dict[str, Any]]:
        """List the newest loads of a list."""
        with translated():
            return [dict(row) for row in await self._pool.fetch(QUERIES["loads"], agency, code, limit)]

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Be the only one that changes entries, among all processes: buckets are shared between lists."""
        with translated():
            async with self._pool.acquire() as connection:
                while not await connection.fetchval(QUERIES["lock_lists"]):
                    await asyncio.sleep(0.1)
                try:
                    yield
                finally:
                    await connection.fetchval(QUERIES["unlock_lists"])

    async def open_entries(self, agency: str, code: str) -> dict[str, tuple[int, bytes, str]]:
        """Give first version, sealed details and key of every open entry of a list, by its id."""
        with translated():
            rows = await self._pool.fetch(QUERIES["open_entries"], agency, code, timeout=_BULK_TIMEOUT_S)
        return {str(r["entry_id"]): (r["from_version"], r["sealed"], r["key_id"]) for r in rows}

    async def stage(self, load: Load, new: Sequence[Entry], closed: Iterable[str]) -> None:
        """Write the entries of a load and close those it no longer has; nothing uses them before the switch."""
        where = (load.agency, load.code, load.version)
        records = [
            (
                UUID(e.entry_id),
                e.from_version,
                e.agency,
                e.list_code,
                e.plate.reveal(),
                skeleton(e.plate),
                e.sealed,
                e.key_id,
            )
            for e in new
        ]
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["close_entries"], *where, [UUID(c) for c in closed], timeout=_BULK_TIMEOUT_S
                )
                await connection.copy_records_to_table(
                    "entries", schema_name="ingest", columns=_ENTRY_COLUMNS, records=records, timeout=_BULK_TIMEOUT_S
                )
                await connection.execute(
                    QUERIES["add_load"],
                    *where,
                    load.source_time,
                    load.staged_at,
                    load.loaded_by,
                    load.file_sha256,
                    load.entries,
                    load.added,
                    load.changed,
                    load.removed,
                    load.rejected,
                )

    async def publishing(self) -> list[Load]:
        """List the loads that were staged but not switched to, oldest first."""
        with translated():
            rows = await self._pool.fetch(QUERIES["publishing_loads"])
        return [Load(**{name: row[name] for name in Load.__dataclass_fields__}) for row in rows]

    async def touched(self, load: Load) -> list[str]:
        """List the skeletons whose buckets a load changes."""
        with translated():
            rows = await self._pool.fetch(
                QUERIES["touched_skeletons"], load.agency, load.code, load.version, timeout=_BULK_TIMEOUT_S
            )
        return [row["skeleton"] for row in rows]

    async def buckets(self, skeletons: Sequence[str]) -> dict[str, list[Entry]]:
        """Gather all entries of these skeletons, of every list, with the spans they have."""
        with translated():
            rows = await self._pool.fetch(QUERIES["buckets"], skeletons, timeout=_BULK_TIMEOUT_S)
        found: dict[str, list[Entry]] = {name: [] for name in skeletons}
        for r in rows:
            found[r["skeleton"]].append(
                Entry(
                    str(r["entry_id"]),
                    Plate(r["plate"]),
                    r["agency"],
                    r["code"],
                    r["from_version"],
                    r["until_version"],
                    r["sealed"],
                    r["key_id"],
                )
            )
        return found

    async def set_progress(self, load: Load, buckets: int, published: int) -> None:
        """Note how far the publication of a load has come."""
        with translated():
            await self._pool.execute(QUERIES["set_progress"], load.agency, load.code, load.version, buckets, published)

    async def activate(self, load: Load, ends: Mapping[int, int], now: datetime, outgoing: Sequence[Outgoing]) -> None:
        """Switch a list to a load, together with the messages that say so."""
        where = (load.agency, load.code, load.version)
        offsets = json.dumps({str(partition): offset for partition, offset in ends.items()})
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["activate_load"], *where, now)
                await connection.execute(QUERIES["activate_list"], *where, load.entries, load.source_time, now, offsets)
                await _put_out(connection, outgoing)

    async def end_offsets(self, agency: str, code: str) -> dict[int, int]:
        """Give the end offsets that the active version of a list was published with."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["hotlist"], agency, code)
        return {int(partition): offset for partition, offset in json.loads(row["end_offsets"]).items()}

    async def closed(self, before: datetime, limit: int) -> list[str]:
        """List skeletons with entries that no version in force has had since `before`."""
        with translated():
            return [r["skeleton"] for r in await self._pool.fetch(QUERIES["closed_skeletons"], before, limit)]

    async def closed_of(self, skeletons: Sequence[str], before: datetime) -> set[tuple[str, int]]:
        """Name those entries: id and first version."""
        with translated():
            rows = await self._pool.fetch(QUERIES["closed_of_skeletons"], skeletons, before)
        return {(str(r["entry_id"]), r["from_version"]) for r in rows}

    async def forget(self, entries: Iterable[tuple[str, int]]) -> None:
        """Delete entries."""
        gone = list(entries)
        with translated():
            await self._pool.execute(QUERIES["forget_entries"], [UUID(e) for e, _ in gone], [v for _, v in gone])


async def _put_out(connection: Any, outgoing: Sequence[Outgoing]) -> None:
    await connection.executemany(
        QUERIES["put_outbox"], [(o.topic.value, o.key, o.value, o.ce_id, o.created_at) for o in outgoing]
    )


def _device(row: Mapping[str, Any]) -> Device:
    cameras = tuple(
        Camera(c["camera_id"], c["name"], tuple(c["directions"]), View(c["view"]))
        for c in json.loads(row["cameras"] or "[]")
    )
    siting = None
    if row["public_view"] is not None:
        siting = Siting(row["public_view"], row["siting_approver"] or "", row["siting_declared_on"])
    return Device(
        device_id=row["device_id"],
        agency=row["agency"],
        kind=DeviceKind(row["kind"]),
        name=row["name"],
        carrier=row["carrier"],
        cameras=cameras,
        siting=siting,
        in_service=row["in_service"],
        position=None if row["latitude"] is None else GeoPoint(row["latitude"], row["longitude"]),
        public_key=row["public_key"],
        software_version=row["software_version"],
        revision=row["revision"],
    )


def _list(row: Mapping[str, Any]) -> ActiveList:
    return ActiveList(
        agency=row["agency"],
        code=row["code"],
        name=row["name"],
        list_type=row["list_type"],
        advisory_class=row["advisory_class"],
        default_reason=row["default_reason"],
        source=row["source"],
        loads_per_day=row["loads_per_day"],
        approved=row["approved"],
        version=row["version"],
        entries=row["entries"],
        source_time=row["source_time"],
        loaded_at=row["loaded_at"],
    )
