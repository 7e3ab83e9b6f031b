"""What the console does by itself, again and again, on every replica."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
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


async def each(turn: str, agencies: Iterable[str], act: Callable[[str], Awaitable[int]]) -> int:
    """Act for one agency after the other; answers the sum of what they answer.

    What fails for one is logged and holds up no other. Raises `Transient`: then all of it is tried again.
    """
    done = 0
    for agency in agencies:
        try:
            done += await act(agency)
        except Transient:
            raise
        except Exception as error:  # noqa: BLE001 - law-skip: broad-except - one agency's bad row silences no other's alarms
            # the class alone: the words of a database error can hold the row
            log.error("turn_failed", extra={"turn": turn, "agency": agency, "error": type(error).__name__})
    return done
