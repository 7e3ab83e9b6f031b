"""The parent's side: small files are read in a thread, large ones in a child, so that both cores are used.

The child and its parent share nothing but the file and two pipes; what the parent has not taken yet waits in the pipe,
so memory stays bounded on both sides.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, BinaryIO, Final

from alpr_ingest.reading.lines import LENGTH, Batch, Task, batches
from alprcore.errors import Transient
from alprcore.layouts import ListEnd

CHILD_FROM: Final = 4 * 2**20
"""Bytes from which a file has a child of its own: to start one takes as long as to read 20,000 lines."""
_BUFFERED: Final = 2**20
_PATIENCE_S: Final = 120.0
"""A batch takes 0.1 s; a child that says nothing for so long hangs."""
_ENVIRONMENT: Final = re.compile("PATH|PYTHON.*|LANG|LC_.*|TMPDIR")
"""What of the environment a child gets: no address and no password, whoever named them."""

Read = Callable[[], Coroutine[Any, Any, Batch | ListEnd]]
"""Gives the next batch of a file, and at last how it ended."""


@asynccontextmanager
async def reading(task: Task, source: BinaryIO) -> AsyncIterator[Read]:
    """Read a file; inside the block it is nobody else's. Raises `Transient` when the child that reads it dies."""
    described = _described(source)
    if described is None:
        walk = batches(task, source)
        yield lambda: asyncio.to_thread(next, walk)
        return
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alpr_ingest.reading.child", str(described)),
        pass_fds=(described,), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_BUFFERED,
        env={name: value for name, value in os.environ.items() if _ENVIRONMENT.fullmatch(name)},
        start_new_session=True,  # a signal for the service is not for the child: it ends with its parent
    )  # fmt: skip
    try:
        yield await _asked(child, task)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        # not wait(): with more than twice the limit unread the pipe is paused, and Python 3.11 waits for its end, too
        await child.communicate()


def _described(source: BinaryIO) -> int | None:
    """Descriptor of a file that is large enough for a child."""
    if source.seek(0, io.SEEK_END) < CHILD_FROM:
        return None
    try:
        described = source.fileno()
    except OSError:  # it lies in memory
        return None
    source.flush()
    return described


async def _asked(child: asyncio.subprocess.Process, task: Task) -> Read:
    asking, answers = child.stdin, child.stdout
    if asking is None or answers is None:
        raise TypeError("a child without pipes")
    with suppress(ConnectionError):  # it died: its answer is missing, which says so below
        asking.write(pickle.dumps(task, protocol=5))
        await asking.drain()

    async def read() -> Batch | ListEnd:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                length = int.from_bytes(await answers.readexactly(LENGTH), "big")
                found: Batch | ListEnd = pickle.loads(await answers.readexactly(length))  # noqa: S301 - our own child wrote it into our own pipe
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            raise Transient("the process that reads the file died") from error
        return found

    return read
