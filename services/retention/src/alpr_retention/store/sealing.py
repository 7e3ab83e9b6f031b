"""Images sealed anew for the holds that keep them: a few here, many in processes of their own at low priority.

A day of millions of reads has thousands under a hold. Sealing them takes a processor for as long as all the rest of the
purge, and searches go on meanwhile: children share the work and give way to whoever else wants the processor.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from alprcore.errors import InvalidMessage, Transient

from .keys import Images

logger = logging.getLogger(__name__)

KEPT: Final = "kept"
MISSING: Final = "missing"
DAMAGED: Final = "damaged"
_AT_ONCE: Final = 8
"""Images in work at the same time in one process: the next are fetched while one is sealed."""
_WORTH: Final = 300
"""Images from which on children are started: below, 0.5 s until they are ready is what the work itself takes."""
_CHUNK: Final = 25
"""Images handed to a child at once: about 40 ms."""
_MOST: Final = 4
_LINE: Final = 1 << 20
"""Bytes of a line between parent and child; 25 images with 20 holds each take 40 kB."""
_PATIENCE_S: Final = 120.0
_PROGRAM: Final = "alpr_retention.store.sealing_child"


@dataclass(frozen=True, slots=True)
class Job:
    """An image of a held read, and the holds that keep it, the first that can take it counts."""

    read_id: str
    image: dict[str, Any]
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What became of one: `kept` with where it lies now, `missing` for good, or `damaged` and left as it lies."""

    image: dict[str, Any]
    state: str = KEPT
    code: str = ""


async def seal(images: Images, agency: str, job: Job) -> Sealed:
    """Seal one image to the first hold that can take it. Raises `Transient`.

    What does not open or is not there now may be in another copy of the store: it stays as it is, and people decide. It is
    `missing` only where nothing can bring it back: the key of its day is destroyed (only a copy from a backup was left), or it
    was never sealed here.
    """
    image = job.image
    if not image["key"]:
        return Sealed(image)
    gone = not image["sealed_to"] or images.keys.destroyed(agency, image["sealed_to"])
    for hold in job.holds:
        try:
            return Sealed(await images.reseal(agency, job.read_id, image, hold))
        except KeyError:
            continue  # gone, and not kept under this hold either
        except PermissionError as error:  # the hold's key was destroyed a moment ago: the next run takes another name
            raise Transient(str(error)) from error
        except InvalidMessage as error:
            if gone:
                continue
            return Sealed(image, DAMAGED, error.code)
    if gone:
        return Sealed({**image, "key": "", "missing": True}, MISSING, "IMAGE_MISSING")
    return Sealed(image, DAMAGED, "IMAGE_MISSING")


async def seal_all(images: Images, agency: str, jobs: Sequence[Job]) -> list[Sealed]:
    """Seal images in this process, some at the same time. Raises `Transient`."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(job: Job) -> Sealed:
        async with room:
            return await seal(images, agency, job)

    return list(await asyncio.gather(*map(one, jobs)))


class Sealers:
    """Seals images of held reads, here or in children, which `close` ends."""

    def __init__(self, images: Images, *, children: int | None = None, worth: int = _WORTH) -> None:
        """`children`: how many at most (default: one for each processor, four at most); below two none is started."""
        self._images, self._worth = images, worth
        self._most = min(_MOST, os.cpu_count() or 1) if children is None else children
        self._children: list[Process] = []

    async def seal(self, agency: str, jobs: Sequence[Job]) -> list[Sealed]:
        """Seal these images, in the order given. Raises `Transient`; what was sealed by then is sealed."""
        if self._most < 2 or (len(jobs) < self._worth and not self._children):
            return await seal_all(self._images, agency, jobs)
        if not self._children:
            self._children = [await self._start() for _ in range(self._most)]
        found: list[Sealed | None] = [None] * len(jobs)
        starts = iter(range(0, len(jobs), _CHUNK))
        feeding = [asyncio.create_task(self._feed(child, agency, jobs, starts, found)) for child in self._children]
        try:
            await asyncio.gather(*feeding)
        except BaseException:
            for task in feeding:
                task.cancel()
            await asyncio.gather(*feeding, return_exceptions=True)
            await self.close()  # one that still works on a part would answer the next question with it
            raise
        return [one for one in found if one is not None]

    async def close(self) -> None:
        """End the children."""
        children, self._children = self._children, []
        for child in children:
            if child.returncode is None:
                child.kill()
            await child.wait()

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", _PROGRAM, self._images.objects.url, str(self._images.keys.folder),
            stdin=PIPE, stdout=PIPE, limit=_LINE,
            start_new_session=True,  # a signal for the service is not for the child: it ends when its input does
        )  # fmt: skip

    async def _feed(
        self, child: Process, agency: str, jobs: Sequence[Job], starts: Iterator[int], found: list[Sealed | None]
    ) -> None:
        for start in starts:
            part = [asdict(job) for job in jobs[start : start + _CHUNK]]
            try:
                if child.stdin is None or child.stdout is None:
                    raise OSError("no pipe")
                child.stdin.write(json.dumps({"agency": agency, "jobs": part}).encode() + b"\n")
                await child.stdin.drain()
                line = await asyncio.wait_for(child.stdout.readline(), _PATIENCE_S)
            except (OSError, TimeoutError, ValueError) as error:
                raise _lost(type(error).__name__) from error
            if not line:
                raise _lost("ended")
            answer = json.loads(line)
            if "away" in answer:
                raise Transient(answer["away"])
            found[start : start + len(part)] = [Sealed(**one) for one in answer["sealed"]]


def _lost(why: str) -> Transient:
    logger.error("sealing_process_lost", extra={"reason": why})
    return Transient("a process that seals images ended")
