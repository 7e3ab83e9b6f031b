"""What is signed about the tree: heads (C2SP tlog-checkpoint), proofs (tlog-proof), and the order to open a new epoch.

An origin names one tree that only grows. When entries were lost with a restored backup, the tree that goes on is
another one: it gets the origin of the next epoch, so that nobody is asked to believe two trees of one name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .tree import EMPTY_ROOT

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
_ORDER_HEADER: Final = "plateline ledger rollover v1"
_EPOCH: Final = re.compile(r"(.+)/epoch-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head: whose ledger, how many entries, and their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The three lines that are signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_head(text: str) -> Head:
    """Read the text of a checkpoint, without its signatures; raises `ValueError` for any other shape."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0]:  # three lines and the end of the last
        raise ValueError("a checkpoint has three lines")
    if not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise ValueError("size of the checkpoint is not a number")
    root = base64.b64decode(lines[2], validate=True)
    if len(root) != len(EMPTY_ROOT):
        raise ValueError("root of the checkpoint is not 32 bytes")
    return Head(lines[0], int(lines[1]), root)


def proof_text(index: int, path: Sequence[bytes], checkpoint: str, entry: bytes = b"") -> str:
    """Write an inclusion proof as one file (C2SP tlog-proof); the entry itself travels as its extra data."""
    lines = [PROOF_HEADER]
    if entry:
        lines.append(f"extra {base64.b64encode(entry).decode()}")
    lines.append(f"index {index}")
    lines += [base64.b64encode(part).decode() for part in path]
    return "\n".join(lines) + f"\n\n{checkpoint}"


def epoch_of(origin: str) -> tuple[str, int]:
    """Tell the name of the ledger and the epoch from an origin; without a number it is the first."""
    found = _EPOCH.fullmatch(origin)
    return (found[1], int(found[2])) if found else (origin, 1)


def epoch_origin(name: str, epoch: int) -> str:
    """Name the tree of an epoch."""
    return name if epoch == 1 else f"{name}/epoch-{epoch}"


@dataclass(frozen=True, slots=True)
class Rollover:
    """The order to open a new epoch: what was signed last, what is still stored, why. Two custodians sign it."""

    origin: str
    kept: Head
    stored: Head
    reason: str

    def text(self) -> str:
        """The lines that the custodians sign (C2SP signed-note)."""
        lines = [_ORDER_HEADER, self.origin, *map(_line, (self.kept, self.stored)), self.reason]
        return "".join(f"{line}\n" for line in lines)


def _line(head: Head) -> str:
    return f"{head.origin} {head.size} {base64.b64encode(head.root).decode()}"


def parse_rollover(text: str) -> Rollover:
    """Read an order, without its signatures; raises `ValueError` for any other shape."""
    lines = text.split("\n")
    if len(lines) != 6 or lines[0] != _ORDER_HEADER or lines[-1] or not lines[4].strip():
        raise ValueError("not an order to open a new epoch")
    kept, stored = (parse_head("\n".join([*line.split(" "), ""])) for line in lines[2:4])
    return Rollover(lines[1], kept, stored, lines[4])


def next_epoch(kept: Head, stored: Head) -> str:
    """Name the epoch after both the one that was signed last and the one that is stored."""
    name = epoch_of(stored.origin)[0]
    return epoch_origin(name, max(epoch_of(kept.origin)[1], epoch_of(stored.origin)[1]) + 1)
