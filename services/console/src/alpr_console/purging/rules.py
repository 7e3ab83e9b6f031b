"""What a purge's answer says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from alprcore.model import PurgeAnswer, PurgeOrder

SERVICE: Final = "console"


def together(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Put together what several features removed, by table; a table that two of them name counts both."""
    found: dict[str, int] = {}
    for count in counts:
        for table, number in count.items():
            found[table] = found.get(table, 0) + number
    return found


def answer(order: PurgeOrder, gone: Mapping[str, int], now: datetime) -> PurgeAnswer:
    """Answer one part of an order: rows that went, by table, empty ones left out. Nothing named is ever left."""
    return PurgeAnswer(
        order.order_id,
        order.run_id,
        order.agency,
        order.due_day,
        order.part,
        SERVICE,
        {table: number for table, number in gone.items() if number},
        {},
        now,
    )
