"""Pictures of counts: columns by month or day, laid out in a field of 1000 by 200, largest value at the top. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000.0
HEIGHT: Final = 200.0
_GAP: Final = 0.18
"""Part of a column's room that stays free beside it."""
_SEEN: Final = 3.0
"""A count above zero is drawn at least this high, so that one record among millions can be seen."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column shows: its label, its words when it is pointed at, and its count."""

    label: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of the picture: place and size in its field."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Blocks, the count at the top edge, and the labels under the first, the middle and the last column."""

    blocks: tuple[Block, ...]
    top: int
    ticks: tuple[str, ...]


def columns(rows: Sequence[Column]) -> Picture:
    """Lay out columns from left to right; without any count there is nothing to draw."""
    top = max((row.count for row in rows), default=0)
    if top <= 0:
        return Picture((), 0, ())
    room, width = WIDTH / len(rows), round(WIDTH / len(rows) * (1 - _GAP), 2)
    blocks = []
    for at, row in enumerate(rows):
        if row.count > 0:
            height = round(max(HEIGHT * row.count / top, _SEEN), 2)
            blocks.append(Block(round((at + _GAP / 2) * room, 2), round(HEIGHT - height, 2), width, height, row.words))
    return Picture(tuple(blocks), top, _ticks([row.label for row in rows]))


def _ticks(labels: Sequence[str]) -> tuple[str, ...]:
    if len(labels) < 3:
        return tuple(labels)
    return labels[0], labels[len(labels) // 2], labels[-1]


def share(part: int, whole: int) -> float:
    """Tell how far a work is, or how much of the whole a part is, from 0 to 100; a work of nothing is done."""
    return 100.0 if whole <= 0 else round(100.0 * min(max(part, 0), whole) / whole, 1)
