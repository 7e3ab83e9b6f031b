"""The parent's side: starts the child that holds the models, hands it frames, and starts it again when it dies.

Parent and child speak through two pipes, each message a length and a pickle; nobody else can write to them. The child's
standard output goes to standard error, because the libraries in it print.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from typing_extensions import override

from alpr_recognizer.sighting import Candidate
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.model import Provenance

logger = logging.getLogger(__name__)

_PROGRAM: Final = ("-m", "alpr_recognizer.models.child")
_HEADER: Final = 8
_START_S: Final = 240.0  # 3 s on two quiet cores; 15 s where torch is imported; many times that on busy ones
_ANSWER_S: Final = 120.0  # eight frames take 2 s; beyond this the child hangs


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What became of one frame: plates from left to right, or why it could not be looked at."""

    candidates: tuple[Candidate, ...] = ()
    error: tuple[str, str] | None = None

    def raise_error(self) -> None:
        """Raise `InvalidMessage` with the code, if there is one: a failed model is never an empty street."""
        if self.error is not None:
            raise InvalidMessage(*self.error)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which models answer, and on what they run."""

    detector: Provenance
    reader: Provenance
    backend: str
    at_once: int = 8
    """Frames that one call should hand over; more wait in the parent, as JPEGs."""


class Reader(Protocol):
    """What the service needs of its models; blocks, and is called from one thread at a time."""

    info: ModelInfo

    def find_plates(self, jpegs: Sequence[bytes], *, cut: bool = False) -> list[FrameResult]:
        """Find and read the plates of each frame; `cut`: each is one plate already cut out, and only read."""

    def close(self) -> None:
        """Let go of what is held."""


class _ChildDiedError(Exception):
    """The child ended or hung with a batch in hand."""


class ModelProcess(Reader):
    """The models in a child of their own.

    A child that dies is started again and gets its batch once more; then frame by frame, and a frame that kills it
    twice is answered with MODEL_FAILED, so that no frame blocks those behind it.
    """

    def __init__(
        self, weights: Path, *, threads: int, wide: bool, backend: str = "auto", program: Sequence[str] = _PROGRAM
    ) -> None:
        """Start the child and wait until its models answer.

        Raises `Misconfigured` when they cannot be loaded, or cannot run on the backend that was asked for.
        """
        self._command = [sys.executable, *program, str(weights), str(threads), str(int(wide)), backend]
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._to: BinaryIO | None = None
        self._from: BinaryIO | None = None
        self.info = self._start()

    @property
    def pid(self) -> int | None:
        """Process id of the child, for operators and tests."""
        return self._child.pid if self._child is not None else None

    def _start(self) -> ModelInfo:
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        try:
            self._child = subprocess.Popen(
                [*self._command, str(down_read), str(up_write)],
                pass_fds=(down_read, up_write),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                start_new_session=True,  # a signal for the service is not for the child: it ends when the pipe closes
            )
        finally:
            os.close(down_read)
            os.close(up_write)
        self._to, self._from = os.fdopen(down_write, "wb"), os.fdopen(up_read, "rb", buffering=0)
        try:
            answer = self._receive(_START_S)
        except _ChildDiedError as error:
            raise Misconfigured("the models could not be started; their own words stand above") from error
        if isinstance(answer, str):
            raise Misconfigured(answer if answer.startswith("ALPR_") else f"models: {answer}")
        if not isinstance(answer, ModelInfo):
            raise TypeError("the child introduced itself with something else")
        logger.info("models_ready", extra={"backend": answer.backend, "child": self._child.pid})
        return answer

    def _receive(self, patience_s: float) -> Any:
        if self._from is None:
            raise _ChildDiedError
        length = int.from_bytes(self._exactly(_HEADER, patience_s), "big")
        return pickle.loads(self._exactly(length, patience_s))  # noqa: S301 - written by our own child through our own pipe

    def _exactly(self, count: int, patience_s: float) -> bytes:
        parts: list[bytes] = []
        while count:
            if self._from is None or not select.select([self._from], [], [], patience_s)[0]:
                raise _ChildDiedError
            part = self._from.read(min(count, 1 << 20))
            if not part:
                raise _ChildDiedError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _ask(self, jpegs: Sequence[bytes], cut: bool) -> list[FrameResult]:
        body = pickle.dumps((list(jpegs), cut), protocol=5)
        try:
            if self._to is None:
                raise _ChildDiedError
            self._to.write(len(body).to_bytes(_HEADER, "big") + body)
            self._to.flush()
        except OSError as error:
            raise _ChildDiedError from error
        results: list[FrameResult] = self._receive(_ANSWER_S)
        return results

    def _again(self) -> None:
        self._end(kill=True)
        logger.error("models_restarted")
        self._start()

    @override
    def find_plates(self, jpegs: Sequence[bytes], *, cut: bool = False) -> list[FrameResult]:
        """Find and read the plates of each frame, as many at a time as the backend wants."""
        step = self.info.at_once
        with self._lock:
            return [result for at in range(0, len(jpegs), step) for result in self._chunk(jpegs[at : at + step], cut)]

    def _chunk(self, jpegs: Sequence[bytes], cut: bool) -> list[FrameResult]:
        for _ in range(2):
            try:
                return self._ask(jpegs, cut)
            except _ChildDiedError:
                self._again()
        if len(jpegs) == 1:
            return [_FAILED]
        results = []
        for jpeg in jpegs:
            try:
                results.extend(self._ask([jpeg], cut))
            except _ChildDiedError:
                results.append(_FAILED)
                self._again()
        return results

    @override
    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        child, self._child = self._child, None
        for pipe in (self._to, self._from):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:  # what was buffered for a dead child
                continue
        self._to = self._from = None
        if child is None:
            return
        if kill:
            child.kill()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


_FAILED: Final = FrameResult(error=("MODEL_FAILED", "the models died of this frame"))
