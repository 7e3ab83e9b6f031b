"""The device registry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from alpr_ingest.store.outbox import Outgoing, Taken, put_out
from alprcore.model import Camera, Device, DeviceKind, GeoPoint, Siting, View
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "devices.sql")


class Devices:
    """The devices of all agencies: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def devices(self, device_ids: Iterable[str]) -> dict[str, Device]:
        """Find devices by id, whosever they are: frames name no agency."""
        with translated():
            rows = await self._pool.fetch(QUERIES["device"], list(device_ids))
        return {row["device_id"]: device_of(row) for row in rows}

    async def devices_of(self, agency: str) -> list[Device]:
        """List an agency's devices."""
        with translated():
            return [device_of(row) for row in await self._pool.fetch(QUERIES["devices_of_agency"], agency)]

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
                    await put_out(connection, outgoing)
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
                await put_out(connection, outgoing)


def device_of(row: Mapping[str, Any]) -> Device:
    """Make a device of its row."""
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
