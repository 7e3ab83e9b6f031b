"""The ledger computed again once a day by the process that writes it, and when that was last found sound."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from .. import metrics

logger = logging.getLogger(__name__)

_EVERY: Final = timedelta(hours=24)
_UNSOUND_AGAIN: Final = timedelta(hours=1)
_FAILED_AGAIN: Final = timedelta(minutes=1)
_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True)
class Verification:
    """Asks for a recomputation of the whole ledger when one is due, and says when it was last found sound.

    `file` remembers that over restarts; it is no proof of anything, only the time of the last good answer.
    """

    compute: Callable[[], Awaitable[Mapping[str, Any]]]
    file: Path
    clock: Callable[[], datetime]
    _due: datetime | None = field(default=None, init=False)

    async def turn(self) -> None:
        """Compute when it is due. Raises `Transient` when the database is away and `OSError` for the file."""
        now = self.clock()
        if self._due is None:
            sound_at = await asyncio.to_thread(_remembered, self.file)
            metrics.VERIFIED_AT.set(sound_at.timestamp())
            self._due = sound_at + _EVERY
        if now < self._due:
            return
        self._due = now + _FAILED_AGAIN
        found = await self.compute()
        ended = self.clock()
        facts = {"size": found["size"], "seconds": round((ended - now).total_seconds(), 1)}
        metrics.UNSOUND.set(0 if found["sound"] else 1)
        if not found["sound"]:
            self._due = ended + _UNSOUND_AGAIN
            words = found["flaw"] or "the newest head is not the one that was signed"
            logger.error("ledger_unsound", extra={**facts, "first_bad": found["first_bad"], "flaw": words})
            await asyncio.to_thread(self.file.unlink, missing_ok=True)  # the next start looks at once
            return
        self._due = now + _EVERY
        metrics.VERIFIED_AT.set(now.timestamp())
        logger.info("ledger_verified", extra=facts)
        text = json.dumps({"sound_at": now.isoformat(), "size": found["size"]}) + "\n"
        await asyncio.to_thread(self.file.write_text, text, "utf-8")


def _remembered(file: Path) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(file.read_text("utf-8"))["sound_at"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # never, or cut off while it was written
        return _NEVER
