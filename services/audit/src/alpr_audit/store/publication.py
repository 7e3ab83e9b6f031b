"""The public copy: static files by which anyone checks a head, a receipt or a growing log (C2SP tlog-tiles)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, Final

import asyncpg

from alprcore.errors import InvalidMessage, Transient
from alprcore.postgres import load_queries, translated
from alprcore.seal import note_verifier, verify_note

from .. import ledger
from .opening import fetch_nodes, read_note_file, write_note_file

_QUERIES: Final = load_queries("alpr_audit", "ledger.sql")


class Publication:
    """A folder that any web server can serve: `checkpoint`, `tile/<level>/…`, and `tile/entries/…` where wished.

    Tiles hold hashes. Entries hold no name, plate or reason, only commitments to them; whether they are public
    is for the installation to say. The tree of a later epoch has a folder of its own: the first one's files stand.
    """

    def __init__(self, folder: Path, pool: asyncpg.Pool, public: bytes, *, entries: bool = False) -> None:
        self._folder, self._pool, self._public, self._entries = folder, pool, public, entries

    def place(self, origin: str) -> Path:
        """Where the files of this origin lie."""
        epoch = ledger.epoch_of(origin)[1]
        return self._folder if epoch == 1 else self._folder / f"epoch-{epoch}"

    def published(self, origin: str) -> int:
        """How many entries the files cover; 0 when there is no checkpoint of this ledger."""
        note = read_note_file(self.place(origin) / "checkpoint")
        if note is None:
            return 0
        try:
            return ledger.parse_head(verify_note(note, note_verifier(origin, self._public))).size
        except (InvalidMessage, ValueError):
            return 0

    async def publish(self, head: ledger.Head, note: str) -> None:
        """Bring the files to this head, the checkpoint last. Raises `Transient` when disk or database fails."""
        folder = self.place(head.origin)
        try:
            done = await asyncio.to_thread(self.published, head.origin)
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            for tile in ledger.tiles_between(min(done, head.size), head.size, entries=self._entries):
                content = await self._content(tile)
                await asyncio.to_thread(_write, folder, tile, content)
            if not done:
                vkey = note_verifier(head.origin, self._public)  # a copy from elsewhere is what makes it trustworthy
                await asyncio.to_thread(write_note_file, folder / "key", f"{vkey}\n")
            await asyncio.to_thread(write_note_file, folder / "checkpoint", note)
        except OSError as error:
            raise Transient(f"public folder: {type(error).__name__}") from error

    async def _content(self, tile: ledger.Tile) -> bytes:
        with translated():
            if tile.level == ledger.ENTRIES:
                begin = tile.index * ledger.WIDTH
                rows = await self._pool.fetch(_QUERIES["bundle"], begin, begin + tile.width)
                return ledger.bundle(bytes(row["leaf"]) for row in rows)
            nodes: dict[Any, bytes] = await fetch_nodes(self._pool, tile.places())
        try:
            return b"".join(nodes[place] for place in tile.places())
        except KeyError as error:
            raise Transient("a node of the tree is missing") from error


def _write(folder: Path, tile: ledger.Tile, content: bytes) -> None:
    path = folder / tile.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
    if tile.width == ledger.WIDTH:  # the partial ones before it are part of it now
        shutil.rmtree(path.with_name(path.name + ".p"), ignore_errors=True)
