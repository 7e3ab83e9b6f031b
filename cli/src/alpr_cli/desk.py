"""The command's side of the desk where the models read: starts it in its own environment, orders, takes events."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from alpr_cli import local
from alprcore.errors import Misconfigured

MODULE: Final = "alpr_recognizer.reading"
_SET_UP: Final = "the models are not installed; `make setup-models` installs them (about 7 GB, once)"
_LAST_WORDS: Final = 400
Event = Mapping[str, Any]


class Desk:
    """The recognizer's desk as a process of its own; events come in the order of the orders.

    Its own words (libraries print) are kept aside and shown only when it fails, without any of `secrets`.
    """

    def __init__(self, *, secrets: Sequence[str] = ()) -> None:
        """Start it. Raises `Misconfigured` when its environment is not there."""
        python = local.recognizer_python()
        self._secrets = tuple(secret for secret in secrets if secret)
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process does
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        try:
            self._process = subprocess.Popen(
                [str(python), "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                start_new_session=True,  # Ctrl-C is for the command, which then asks for an early end
                text=True,
                encoding="utf-8",
                env=environment,
            )
        except OSError as error:
            raise Misconfigured(_SET_UP) from error

    def order(self, **what: Any) -> None:
        """Hand in one order; what a desk that has ended misses shows in its events."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def events(self) -> Iterator[Event]:
        """Give what the desk tells, up to its last word. Raises `Misconfigured` when it ends without one."""
        for line in self._process.stdout or ():
            event: Event = json.loads(line)
            if event["event"] == "unfit":
                raise self._unfit(str(event["reason"]))
            yield event
            if event["event"] == "done":
                return
        self._process.wait()
        raise self._unfit(f"the models ended ({self._process.returncode})")

    def _unfit(self, reason: str) -> Misconfigured:
        words = self._own_words()
        if "No module named" in reason + words:
            return Misconfigured(_SET_UP)
        if reason.startswith("ALPR_RECOGNIZER_"):  # a setting of the service, and here an option
            name, _, why = reason.removeprefix("ALPR_RECOGNIZER_").partition(":")
            return Misconfigured(f"--{name.lower()}:{why}")
        return Misconfigured(self._safe(reason.partition(";")[0]) + words)

    def _own_words(self) -> str:
        self._words.seek(0)
        text = self._words.read()[-_LAST_WORDS * 4 :].decode(errors="replace")
        lines = [line for line in self._safe(text).splitlines() if line.strip()]
        return ": " + " / ".join(lines[-3:])[-_LAST_WORDS:] if lines else ""

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the desk: at once when something went wrong here, else by closing its orders."""
        if kind is not None:
            self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._words.close()
