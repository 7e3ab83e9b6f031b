"""What the writer's process tends beside writing: heads told to the world, witnesses asked, content erased, the whole verified."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alprcore.errors import InvalidMessage, Transient

from .. import ledger, metrics
from .erasure import Eraser
from .publication import Publication
from .verification import Verification
from .witnesses import Witnesses
from .writer import Writer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The timers of the ledger; each goes on when another cannot.

    `announce` publishes a head to topic `audit.checkpoints`; `log` is the public file to which heads are appended.
    Without witnesses the public folder follows every head, with them it follows what they cosigned.
    """

    writer: Writer
    log: Path
    announce: Callable[[ledger.Head, str], Awaitable[None]]
    witnesses: Witnesses | None
    publication: Publication | None
    eraser: Eraser
    clock: Callable[[], datetime]
    every_s: float = 1.0
    erase_s: float = 86_400.0
    verification: Verification | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Tend until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._tell_heads(), self.every_s, stop))
            group.create_task(self._again(self._be_witnessed(), self.every_s, stop))
            still = asyncio.Lock()  # content that goes while the whole is computed would be missed there
            group.create_task(self._again(self._erase(still), self.erase_s, stop))
            verifying = group.create_task(self._again(self._verify(still), self.every_s, stop))
            await stop.wait()
            verifying.cancel()  # it may take hours

    async def _again(self, act: Callable[[], Awaitable[None]], every_s: float, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self.writer.leading:
                try:
                    await act()
                except (Transient, OSError, InvalidMessage) as error:
                    logger.warning("ledger_upkeep_failed", extra={"act": act.__name__, "reason": type(error).__name__})
            try:
                await asyncio.wait_for(stop.wait(), every_s if self.writer.leading else self.every_s)
            except TimeoutError:
                continue

    def _tell_heads(self) -> Callable[[], Awaitable[None]]:
        told = ""

        async def tell_heads() -> None:
            nonlocal told
            head, note = self.writer.head(), self.writer.note
            if head.size and note != told:
                await asyncio.to_thread(_append, self.log, note + "\n")
                await self.announce(head, note)
                told = note
                if self.publication is not None and self.witnesses is None:
                    await self.publication.publish(head, note)
            metrics.TOLD_AT.set(self.clock().timestamp())
            usage = await asyncio.to_thread(shutil.disk_usage, self.log.parent)
            metrics.STORAGE_USED.set(usage.used / usage.total)

        return tell_heads

    def _be_witnessed(self) -> Callable[[], Awaitable[None]]:
        asked = ""

        async def be_witnessed() -> None:
            nonlocal asked
            if self.witnesses is None:
                return
            head, note = self.writer.head(), self.writer.note
            if head.size and (note != asked or self.witnesses.behind()):
                await self.witnesses.submit(head, note)
                asked = note
                if self.publication is not None and self.witnesses.note.startswith(note):
                    await self.publication.publish(head, self.witnesses.note)
            self.witnesses.tell_age()
            if self.witnesses.overdue():
                logger.error("ledger_not_cosigned", extra={"size": head.size})

        return be_witnessed

    def _erase(self, still: asyncio.Lock) -> Callable[[], Awaitable[None]]:
        async def erase() -> None:
            async with still:
                await self.eraser.erase(self.clock())

        return erase

    def _verify(self, still: asyncio.Lock) -> Callable[[], Awaitable[None]]:
        async def verify() -> None:
            if self.verification is not None:
                async with still:
                    await self.verification.turn()

        return verify


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
