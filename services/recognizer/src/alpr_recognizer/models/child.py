"""The child: holds the models and answers batches until its pipe ends.

Run as `python -m alpr_recognizer.models.child WEIGHTS THREADS WIDE BACKEND FROM_FD TO_FD` by `ModelProcess`.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from alpr_recognizer.models.look import Models
from alprcore.errors import Misconfigured

_PR_SET_PDEATHSIG: Final = 1


def _send(pipe: BinaryIO, content: object) -> None:
    body = pickle.dumps(content, protocol=5)
    pipe.write(len(body).to_bytes(8, "big") + body)
    pipe.flush()


def main(arguments: Sequence[str]) -> int:
    """Answer batches until the parent closes its pipe."""
    weights, threads, wide, backend, from_fd, to_fd = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent takes the child along
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, questions = os.fdopen(int(to_fd), "wb"), os.fdopen(int(from_fd), "rb")
    # both libraries keep settings and caches in a home folder; here there may be none, and nothing of it is wanted later
    with tempfile.TemporaryDirectory(prefix="plateline-models-") as scratch:
        os.environ.update(YOLO_CONFIG_DIR=scratch, PADDLE_PDX_CACHE_HOME=scratch, MPLCONFIGDIR=scratch)
        return _answer(questions, answers, Path(weights), threads=int(threads), wide=wide == "1", backend=backend)


def _answer(questions: BinaryIO, answers: BinaryIO, weights: Path, *, threads: int, wide: bool, backend: str) -> int:
    try:
        models = Models(weights, threads=threads, wide=wide, backend=backend)
    except Misconfigured as error:
        _send(answers, str(error))
        return 1
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
        _send(answers, f"{type(error).__name__}: {error}")
        return 1
    _send(answers, models.info)
    while header := questions.read(8):
        jpegs, cut = pickle.loads(questions.read(int.from_bytes(header, "big")))  # noqa: S301 - written by our parent through our own pipe
        _send(answers, models.find_plates(jpegs, cut=cut))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
