"""The tree as static files (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 entries, and their paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .tree import Place

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
ENTRIES: Final = -1
"""Level of the entry bundles, which stand beside the tiles of level 0."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One file: level (`ENTRIES` for a bundle), index within the level, and how many of its 256 places are taken."""

    level: int
    index: int
    width: int = WIDTH

    def path(self) -> str:
        """Where the file lies under the prefix of the log: `tile/0/x001/x234/067`, partial ones `….p/112`."""
        parts: list[str] = []
        rest = self.index
        while True:
            rest, part = divmod(rest, 1000)
            parts.append(f"x{part:03d}" if parts else f"{part:03d}")
            if not rest:
                break
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{'/'.join(reversed(parts))}" + ("" if self.width == WIDTH else f".p/{self.width}")

    def places(self) -> Iterator[Place]:
        """The subtrees whose hashes the tile holds, or the entries of a bundle as places of level 0."""
        for index in range(self.index * WIDTH, self.index * WIDTH + self.width):
            yield max(self.level, 0) * HEIGHT, index


def tiles_between(old: int, new: int, *, entries: bool = False) -> list[Tile]:
    """Name the files that a tree of `new` entries needs beyond one of `old`; partial ones only those of `new`."""
    levels = [ENTRIES] if entries else []
    levels += range((new.bit_length() + HEIGHT - 1) // HEIGHT)
    tiles = []
    for level in levels:
        shift = max(level, 0) * HEIGHT
        before, after = old >> shift, new >> shift
        if before == after:
            continue
        tiles += [Tile(level, index) for index in range(before // WIDTH, after // WIDTH)]
        if after % WIDTH:
            tiles.append(Tile(level, after // WIDTH, after % WIDTH))
    return tiles


def bundle(entries: Iterable[bytes]) -> bytes:
    """Write entries one after the other, each behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
