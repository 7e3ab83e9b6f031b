"""Working copies of packages: sealed in parts to a key of the package alone, which is destroyed with them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from alprcore.errors import InvalidMessage
from alprcore.objects import ImageStore
from alprcore.seal import CHUNK_TAG_BYTES, Chunks, new_content_key, open_content_key, open_image, seal_image

PART: Final = 8 * 1024 * 1024
"""Bytes of a volume that are sealed, stored and handed out together."""


class Keys(Protocol):
    """Private keys by agency and name, outside the database and its backups."""

    def ensure(self, agency: str, name: str) -> bytes:
        """The public half, made when there is none."""

    def private(self, agency: str, name: str) -> bytes | None:
        """The private half; None when it was destroyed."""

    def destroy(self, agency: str, name: str) -> bool:
        """Overwrite and remove a key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A volume in the object store: its parts, its size and the SHA-256 of the whole."""

    parts: int
    size: int
    sha256: str


class Vault:
    """The object store and the keys of packages. Everything of a package lies under one prefix and one key."""

    def __init__(self, objects: ImageStore, keys: Keys) -> None:
        self._objects, self._keys = objects, keys

    async def put_papers(self, agency: str, package_id: str, batch: int, data: bytes) -> None:
        """Store what ledger and console said of a batch of reads, sealed."""
        public = await asyncio.to_thread(self._keys.ensure, agency, package_id)
        name = _papers(agency, package_id, batch)
        await self._objects.put(name, seal_image(public, data, aad=name.encode()))

    async def papers(self, agency: str, package_id: str, batch: int) -> bytes:
        """Open a batch of papers. Raises `KeyError` when they or their key are gone."""
        name = _papers(agency, package_id, batch)
        return open_image(self._private(agency, package_id), await self._objects.get(name), aad=name.encode())

    def new_key(self, agency: str, package_id: str) -> tuple[bytes, bytes]:
        """Draw the key of one attempt's volumes, and seal it: two attempts share no key, so no nonce is used twice."""
        return new_content_key(self._keys.ensure(agency, package_id), package_id)

    def open_key(self, agency: str, package_id: str, sealed: bytes) -> bytes:
        """Open the key of the volumes. Raises `KeyError` when the package's key is gone."""
        return open_content_key(self._private(agency, package_id), sealed, package_id)

    def _private(self, agency: str, package_id: str) -> bytes:
        private = self._keys.private(agency, package_id)
        if private is None:
            raise KeyError(package_id)
        return private

    async def clear_volumes(self, agency: str, package_id: str) -> None:
        """Remove what an attempt that broke left behind."""
        await self._objects.delete_prefix(f"packages/{agency}/{package_id}/volumes")

    async def clear(self, agency: str, package_id: str) -> None:
        """Destroy the key, then the copies: whatever stays behind never opens."""
        await asyncio.to_thread(self._keys.destroy, agency, package_id)
        await self._objects.delete_prefix(f"packages/{agency}/{package_id}")

    def writer(self, agency: str, package_id: str, number: int, key: bytes) -> Writer:
        """Begin a volume."""
        return Writer(self._objects, _volume(agency, package_id, number), Chunks(key, _bound(package_id, number)))

    async def read(self, agency: str, package_id: str, number: int, parts: int, key: bytes) -> AsyncIterator[bytes]:
        """Open a volume part by part. Raises `KeyError` when a part is gone, `InvalidMessage` when it was altered."""
        chunks = Chunks(key, _bound(package_id, number))
        for part in range(parts):
            sealed = await self._objects.get(f"{_volume(agency, package_id, number)}/{part:06}")
            if len(sealed) < CHUNK_TAG_BYTES:
                raise InvalidMessage("SEAL_BROKEN", "cut off")
            yield chunks.open(sealed, last=part + 1 == parts)


class Writer:
    """Takes a volume's bytes as they come, and stores them in sealed parts; at most one part is held in memory."""

    def __init__(self, objects: ImageStore, prefix: str, chunks: Chunks) -> None:
        self._objects, self._prefix, self._chunks = objects, prefix, chunks
        self._waiting = bytearray()
        self._hash = hashlib.sha256()
        self._size = self._parts = 0

    def write(self, data: Any) -> int:
        """Take bytes; `ZipFile` writes here and cannot go back."""
        self._waiting += data
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing to do: parts are stored by `drain`."""

    def close(self) -> None:
        """Nothing to do: `finish` ends a volume."""

    async def drain(self) -> None:
        """Store the parts that are full; a last part is kept back, for only the end tells that it is the last."""
        while len(self._waiting) > PART:
            await self._store(bytes(self._waiting[:PART]), last=False)
            del self._waiting[:PART]

    async def finish(self) -> Stored:
        """Store the last part."""
        await self.drain()
        await self._store(bytes(self._waiting), last=True)
        self._waiting.clear()
        return Stored(self._parts, self._size, self._hash.hexdigest())

    async def _store(self, data: bytes, *, last: bool) -> None:
        await self._objects.put(f"{self._prefix}/{self._parts:06}", self._chunks.seal(data, last=last))
        self._parts += 1


def _papers(agency: str, package_id: str, batch: int) -> str:
    return f"packages/{agency}/{package_id}/papers/{batch:06}"


def _volume(agency: str, package_id: str, number: int) -> str:
    return f"packages/{agency}/{package_id}/volumes/{number:04}"


def _bound(package_id: str, number: int) -> bytes:
    return f"{package_id}/{number}".encode()
