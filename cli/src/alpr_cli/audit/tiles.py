"""Ledgers as static files (C2SP tlog-tiles): written from a database, and verified with nothing but the public key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from alprcore.errors import AlprError

from .proofs import DIVERGED, HASH_BYTES, INVALID, SOUND, Finding, Roots, key_for, leaf_hash, read_checkpoint

WIDTH: Final = 256
_LEAVES: Final = "SELECT idx, leaf FROM audit.entries WHERE idx >= $1 AND idx < $2 ORDER BY idx"
_NEWEST: Final = "SELECT note FROM audit.head ORDER BY size DESC LIMIT 1"


class _Odd(Exception):
    """A file that is not what the tree demands, and the first entry that it stands for."""

    def __init__(self, words: str, index: int) -> None:
        super().__init__(words)
        self.words, self.index = words, index


def tile_path(level: str, index: int, width: int = WIDTH) -> str:
    """Where a tile lies: three digits a folder, all but the last with an `x`; partial ones name their width."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


def _widths(count: int) -> Iterator[tuple[int, int]]:
    for index in range(-(-count // WIDTH)):
        yield index, min(WIDTH, count - index * WIDTH)


def _above(hashes: Sequence[bytes]) -> list[bytes]:
    """Hash each full tile of a level: what the level above holds."""
    above = []
    for begin in range(0, len(hashes) - WIDTH + 1, WIDTH):
        roots = Roots()
        for part in hashes[begin : begin + WIDTH]:
            roots.add(part)
        above.append(roots.root())
    return above


async def export_tiles(dsn: str, folder: Path) -> int:
    """Write the whole ledger as static files, entries included; answers how many entries. The checkpoint comes last."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            note = await connection.fetchval(_NEWEST)
            if note is None:
                return 0
            size = int(note.split("\n")[1])
            hashes: list[bytes] = []
            for index, width in _widths(size):
                rows = await connection.fetch(_LEAVES, index * WIDTH, index * WIDTH + width)
                entries = [bytes(row["leaf"]) for row in rows]
                hashes += map(leaf_hash, entries)
                data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
                await asyncio.to_thread(_write, folder / tile_path("entries", index, width), data)
    finally:
        await connection.close()
    await asyncio.to_thread(write_tree, folder, hashes)
    await asyncio.to_thread(_write, folder / "checkpoint", note.encode())
    return size


def write_tree(folder: Path, leaves: Sequence[bytes]) -> None:
    """Write the tiles of a tree over these leaf hashes."""
    level, hashes = 0, list(leaves)
    while hashes:
        for index, width in _widths(len(hashes)):
            data = b"".join(hashes[index * WIDTH : index * WIDTH + width])
            _write(folder / tile_path(str(level), index, width), data)
        hashes, level = _above(hashes), level + 1


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def verify_tiles(folder: Path, key: str, witnesses: Sequence[str] = (), checkpoint: str = "") -> Finding:
    """Recompute a published tree: entries where they are there, every tile, and the root that is signed.

    `checkpoint`: one kept elsewhere, of the same size or earlier, which the files must also contain.
    """
    try:
        note = (folder / "checkpoint").read_text("utf-8")
        size, root = read_checkpoint(note, key_for(note, key), witnesses)
        kept = read_checkpoint(checkpoint, key_for(checkpoint, key)) if checkpoint else (0, b"")
    except (AlprError, OSError, ValueError) as error:
        return Finding(INVALID, f"checkpoint: {type(error).__name__}")
    if kept[0] > size:
        return Finding(DIVERGED, f"the files end before the {kept[0]} entries that were signed", size)
    try:
        leaves = _level(folder, 0, size)
        bundles = (folder / "tile" / "entries").is_dir()
        if bundles:
            _entries(folder, leaves)
        hashes, level = leaves, 1
        while above := _above(hashes):
            stored = _level(folder, level, len(above))
            for index, (found, wanted) in enumerate(zip(stored, above, strict=True)):
                if found != wanted:
                    raise _Odd(f"a tile of level {level} is not the hash of its tile below", index * WIDTH**level)
            hashes, level = above, level + 1
        roots = Roots()
        for leaf in leaves:
            roots.add(leaf)
            if roots.size == kept[0] and roots.root() != kept[1]:
                raise _Odd("the tree is not the one that the kept checkpoint signs", 0)
    except _Odd as odd:
        return Finding(DIVERGED, odd.words, odd.index)
    if roots.root() != root:
        return Finding(DIVERGED, "the tree is not the one that the checkpoint signs", 0)
    return Finding(SOUND, f"{size} entries as tiles, {'with' if bundles else 'without'} their texts")


def _read(folder: Path, level: str, index: int, width: int, first: int) -> bytes:
    path = folder / tile_path(level, index, width)
    try:
        return path.read_bytes()
    except OSError:
        pass
    try:  # a partial tile may have given way to the full one
        return (folder / tile_path(level, index)).read_bytes()
    except OSError as error:
        raise _Odd(f"{path.relative_to(folder)} is missing", first) from error


def _level(folder: Path, level: int, count: int) -> list[bytes]:
    hashes: list[bytes] = []
    for index, width in _widths(count):
        first = index * WIDTH ** (level + 1)
        data = _read(folder, str(level), index, width, first)
        if len(data) not in (width * HASH_BYTES, WIDTH * HASH_BYTES):
            raise _Odd(f"a tile of level {level} has another size", first)
        hashes += [data[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)]
    return hashes


def _entries(folder: Path, leaves: Sequence[bytes]) -> None:
    for index, width in _widths(len(leaves)):
        first = index * WIDTH
        data = _read(folder, "entries", index, width, first)
        at = 0
        for place in range(first, first + width):
            length = int.from_bytes(data[at : at + 2], "big")
            entry = data[at + 2 : at + 2 + length]
            if len(data) < at + 2 or len(entry) < length or leaf_hash(entry) != leaves[place]:
                raise _Odd("the entry is not the one that was hashed", place)
            at += 2 + length
        if at < len(data) and width == WIDTH:
            raise _Odd("more entries than the bundle has places", first + WIDTH - 1)
