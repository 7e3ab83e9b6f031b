"""What devices hold of the lists, what packages for them are made of, and checks before a shift."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from alpr_ingest.carried import Outdated
from alpr_ingest.store.lists import entry_of
from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.model import Entry
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "packages.sql")


@dataclass(frozen=True, slots=True)
class DeviceCopy:
    """What a device said it holds: by which package, when, and each list's version with the time it has had it."""

    package_id: str
    issued_at: datetime
    reported_at: datetime
    lists: Mapping[str, tuple[int, datetime]]

    @property
    def versions(self) -> dict[str, int]:
        """The version of each list."""
        return {code: version for code, (version, _) in self.lists.items()}


@dataclass(frozen=True, slots=True)
class ShiftCheck:
    """A check of a unit before its shift, as far as its lists go."""

    check_id: str
    agency: str
    device_id: str
    checked_by: str
    checked_at: datetime
    result: str
    gate_overridden: bool
    override_reason: str
    outdated: Sequence[Outdated]
    profile_version: str


class Packages:
    """Copies of lists on devices: every method raises `Transient` while the database is away."""

    _pool: Any

    async def use_nonce(self, device_id: str, nonce: str, called_at: datetime, forget: datetime) -> bool:
        """Use up the nonce of a device's call; False when it was used before. Those from before `forget` go."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["forget_nonces"], device_id, forget)
                return await connection.fetchval(QUERIES["use_nonce"], device_id, nonce, called_at) is not None

    async def floors(self, agency: str) -> dict[str, int]:
        """Give per list the newest version of which entries that left are forgotten."""
        with translated():
            return {row["code"]: row["version"] for row in await self._pool.fetch(QUERIES["floors"], agency)}

    async def floor(self, agency: str, code: str) -> int:
        """Give the floor of one list; 0 when nothing is forgotten."""
        with translated():
            return int(await self._pool.fetchval(QUERIES["floor"], agency, code) or 0)

    async def first_end(self, agency: str) -> datetime | None:
        """Tell when the first of an agency's hot plates ends."""
        with translated():
            found: datetime | None = await self._pool.fetchval(QUERIES["first_end"], agency)
        return found

    async def count_in_version(self, agency: str, code: str, version: int) -> int:
        """Count the entries of a version."""
        with translated():
            return int(await self._pool.fetchval(QUERIES["count_in_version"], agency, code, version))

    async def removed_since(self, agency: str, code: str, base: int, version: int, limit: int) -> list[UUID]:
        """Name entries that `base` or a later version had and a later one up to `version` lost; some came back."""
        with translated():
            rows = await self._pool.fetch(QUERIES["removed_since"], agency, code, base, version, limit)
        return [row["entry_id"] for row in rows]

    async def put_since(
        self, agency: str, code: str, version: int, after: tuple[int, str], limit: int
    ) -> tuple[list[Entry], tuple[int, str]]:
        """Give the next entries of a version in the order of the version that brought them, and where to go on.

        `after` is (base + 1, empty) at first: entries that `base` had are behind it. No page splits the entries of one
        version and skeleton.
        """
        with translated():
            rows = await self._pool.fetch(QUERIES["put_since"], agency, code, *after, version, limit)
        return [entry_of(row) for row in rows], (rows[-1]["from_version"], rows[-1]["skeleton"]) if rows else after

    async def device_copy(self, device_id: str) -> DeviceCopy | None:
        """Find what a device said it holds."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
                row = await connection.fetchrow(QUERIES["device_copy"], device_id)
                held = await connection.fetch(QUERIES["device_lists"], device_id)
        if row is None:
            return None
        return DeviceCopy(
            row["package_id"],
            row["issued_at"],
            row["reported_at"],
            {one["code"]: (one["version"], one["held_since"]) for one in held},
        )

    async def put_device_copy(
        self, device_id: str, agency: str, package_id: str, issued_at: datetime, held: Mapping[str, int], now: datetime
    ) -> bool:
        """Keep what a device says it holds; False when a later package of it is known already."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                told = (device_id, agency, package_id, issued_at, now)
                if await connection.fetchval(QUERIES["put_copy"], *told) is None:
                    return False
                await connection.execute(QUERIES["drop_lists"], device_id, list(held))
                rows = [(device_id, code, version, now) for code, version in sorted(held.items())]
                await connection.executemany(QUERIES["put_list"], rows)
                return True

    async def add_check(self, check: ShiftCheck, outgoing: Sequence[Outgoing]) -> None:
        """Keep a check together with the messages that say so."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    QUERIES["add_check"],
                    *(UUID(check.check_id), check.agency, check.device_id, check.checked_by, check.checked_at),
                    *(check.result, check.gate_overridden, check.override_reason),
                    json.dumps([asdict(one) for one in check.outdated]),
                    check.profile_version,
                )
                await put_out(connection, outgoing)
