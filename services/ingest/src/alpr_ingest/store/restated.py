"""Everything that the topics of ingest carry, as the database has it: for a broker that lost it."""

from __future__ import annotations

from typing import Final

import asyncpg

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store.devices import device_of
from alpr_ingest.store.entered import EnteredPlate, entered_of
from alpr_ingest.store.lists import list_of
from alprcore.model import Device
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "restated.sql")


class Restated:
    """What is in force, whoever's it is: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def every_device(self) -> list[Device]:
        """List all registered devices."""
        with translated():
            return [device_of(row) for row in await self._pool.fetch(QUERIES["every_device"])]

    async def lists_in_force(self) -> list[ActiveList]:
        """List the lists that have a version."""
        with translated():
            return [list_of(row) for row in await self._pool.fetch(QUERIES["lists_in_force"])]

    async def living_partials(self) -> list[EnteredPlate]:
        """List the partial plates that live."""
        with translated():
            return [entered_of(row) for row in await self._pool.fetch(QUERIES["living_partials"])]
