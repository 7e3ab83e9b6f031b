"""The child that seals images for a purge: a line of JSON for each chunk, until its input ends.

Run as `python -m alpr_retention.store.sealing_child STORE_URL KEY_FOLDER` by `Sealers`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from alprcore.errors import Transient
from alprcore.objects import ImageStore

from .keys import ImageKeys, Images
from .sealing import Job, seal_all

_NICE: Final = 10
_PR_SET_PDEATHSIG: Final = 1


def main(arguments: Sequence[str]) -> int:
    """Seal what comes in, a line for each chunk, until the input ends."""
    url, folder = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent takes the child along
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    images = Images(ImageStore(url), ImageKeys(Path(folder)))
    with asyncio.Runner() as runner:
        while line := sys.stdin.buffer.readline():
            asked = json.loads(line)
            jobs = [Job(one["read_id"], one["image"], tuple(one["holds"])) for one in asked["jobs"]]
            sys.stdout.buffer.write(json.dumps(runner.run(_answer(images, asked["agency"], jobs))).encode() + b"\n")
            sys.stdout.buffer.flush()
    return 0


async def _answer(images: Images, agency: str, jobs: Sequence[Job]) -> dict[str, Any]:
    try:
        return {"sealed": [asdict(found) for found in await seal_all(images, agency, jobs)]}
    except Transient as error:
        return {"away": str(error)}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
