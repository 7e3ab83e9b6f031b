"""The child: reads one list file, given by its descriptor, and ends. It gets no keys.

Run as `python -m alpr_ingest.reading.child FILE_FD` by `process`, which writes the task to standard input and reads the
batches from standard output, each a length and a pickle.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from typing import Final

from alpr_ingest.reading.lines import LENGTH, Task, batches

_PR_SET_PDEATHSIG: Final = 1
_YOUNG: Final = 50_000
"""Objects between looks for garbage: what is made here lives for a batch, and has no cycles but those of faults."""


def main(arguments: Sequence[str]) -> int:
    """Read the file and tell what it holds."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent takes the child along
    # sys.stdout.buffer is no buffer under PYTHONUNBUFFERED: a write that a signal cuts short would lose the rest
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no batch
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our parent through our own pipe
    gc.freeze()
    gc.set_threshold(_YOUNG)
    with os.fdopen(int(arguments[0]), "rb") as source:
        for found in batches(task, source):
            body = pickle.dumps(found, protocol=5)
            answers.write(len(body).to_bytes(LENGTH, "big") + body)
            answers.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
