"""What the console does by itself, again and again, on every replica."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from alprcore.errors import Transient
from alprcore.ops import Health

log = logging.getLogger(__name__)
QUIET_S: Final = 120.0
"""A timer that has not come round for so long, or for three of its periods, makes the console not ready."""


async def every(
    name: str, seconds: float, act: Callable[[], Awaitable[bool]], health: Health, stop: asyncio.Event
) -> None:
    """Act until `stop`, `seconds` after the last time; at once where `act` answers that more of the same waits.

    What the database or Kafka did not let happen is tried again; `act` does nothing by halves.
    """
    beat = health.progress(name, max(QUIET_S, 3 * seconds))
    while not stop.is_set():
        beat()
        try:
            if await act():
                continue
        except Transient:
            log.warning("timer_waits", extra={"timer": name})
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
