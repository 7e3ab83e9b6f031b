"""Counts about devices in PostgreSQL: what people found on comparing reads with their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alprcore.postgres import translated


class EquipmentStore:
    """Reads the counts; the findings are written by the hits."""

    def __init__(self, pool: Any, queries: Mapping[str, str]) -> None:
        self._pool = pool
        self._queries = queries

    async def checks(self, agency: str, device_id: str | None = None) -> list[dict[str, Any]]:
        """Count an agency's read checks and misreads by device, camera and reader model; of one device if named."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["speak_for"], agency)
                rows = await connection.fetch(self._queries["device_checks"], agency, device_id)
        return [dict(row) for row in rows]
