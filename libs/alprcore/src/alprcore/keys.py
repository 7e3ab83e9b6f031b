"""Where the text of a key comes from: a file, the environment, or a program of the agency's key management.

A service is told a reference and never a key: the path of a file (mounted by the operator), `env:NAME`, or
`exec:program argument …`, whose output is the key. The program is the client of a key management system or of a
hardware module and decides by itself how it is let in; it is asked at the start (CJIS SC-12: keys stay under the
agency's control). No shell is involved.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator

from alprcore.errors import Misconfigured

KeySource = Annotated[str, BeforeValidator(str)]
"""A reference in a service's settings."""
PATIENCE_S: Final = 30.0
"""Longest that a key management may take: a service that waits longer is not started."""
_ENVIRONMENT, _PROGRAM = "env:", "exec:"


def key_text(reference: Path | str) -> str:
    """Fetch the text of a key. Raises `Misconfigured`, naming the reference and never what came."""
    name = str(reference)
    if name.startswith(_ENVIRONMENT):
        variable = name.removeprefix(_ENVIRONMENT)
        text = os.environ.get(variable, "")
        if not text:
            raise Misconfigured(f"key: {variable} is not set in the environment")
        return text
    if name.startswith(_PROGRAM):
        return _output(name.removeprefix(_PROGRAM))
    try:
        return Path(name).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Misconfigured(f"{shown(name)} cannot be read: {type(error).__name__}") from None


def shown(reference: Path | str) -> str:
    """Name a reference in a message: only what is one, for somebody may have put the key itself in its place."""
    name = str(reference)
    if name.startswith(_PROGRAM):
        return f"key of {name.split(maxsplit=1)[0]}"
    if name.startswith((_ENVIRONMENT, "/", "./", "../")):
        return f"key {name}"
    return "a key (its name is no path from /, env: or exec:, and is not shown)"


def _output(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        raise Misconfigured("key: exec: a quotation mark is not closed") from None
    if not words:
        raise Misconfigured("key: exec: names no program")
    try:
        done = subprocess.run(words, capture_output=True, text=True, encoding="ascii", timeout=PATIENCE_S, check=True)
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        # what it printed may hold the key or the way to it
        raise Misconfigured(f"key: {words[0]} gave none: {type(error).__name__}") from None
    return done.stdout
