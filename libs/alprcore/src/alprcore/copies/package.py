"""A package of lists on the wire: the signed head, then parts in sealed chunks. Written and read in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol
from uuid import UUID

from alprcore.copies.head import PackageHead
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, PackagePart
from alprcore.seal import CHUNK_TAG_BYTES, Chunks, SigningKey, open_content_key
from alprcore.wire import decode_part, encode_begin, encode_end, encode_put, encode_removed

CHUNK: Final = 256 * 1024
"""Bytes of content in every chunk but the last."""
LARGEST_HEAD: Final = 1024 * 1024
_LARGEST_PART: Final = 1024 * 1024
_LENGTH: Final = 4


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""


class PackageWriter:
    """Turns a head and parts into the bytes of a package; `opening` first, `close` at the end."""

    def __init__(self, head: PackageHead, content_key: bytes, key: SigningKey) -> None:
        note = head.signed(key)
        self.opening = len(note).to_bytes(_LENGTH, "big") + note
        self._chunks = Chunks(content_key, hashlib.sha256(note).digest())
        self._waiting = bytearray()
        self._put = self._removed = 0

    def begin(self, code: str) -> bytes:
        """Say that what follows belongs to this list; answers what is ready to be sent, which may be nothing."""
        return self._add(encode_begin(code))

    def removed(self, entry_ids: Iterable[UUID]) -> bytes:
        """Take entries out of the list."""
        ready = b""
        for entry_id in entry_ids:
            self._removed += 1
            ready += self._add(encode_removed(entry_id))
        return ready

    def put(self, entries: Iterable[Entry]) -> bytes:
        """Put entries into the list."""
        ready = []
        for one in entries:
            self._put += 1
            ready.append(self._add(encode_put(one)))
        return b"".join(ready)

    def close(self) -> bytes:
        """End the package: the last bytes of it."""
        ready = self._add(encode_end(self._put, self._removed))
        return ready + self._chunks.seal(bytes(self._waiting), last=True)

    def _add(self, data: bytes) -> bytes:
        self._waiting += len(data).to_bytes(_LENGTH, "big") + data
        ready = b""
        while len(self._waiting) > CHUNK:  # the last chunk is never empty and never known before the end
            ready += self._chunks.seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return ready


class PackageReader:
    """Reads a package that somebody signed. Nothing that it gives may be used before it has given everything."""

    def __init__(self, source: Readable, verifier: str) -> None:
        """Read the head; raises `InvalidMessage` when it is not signed by the holder of `verifier` (a vkey)."""
        self._source = source
        length = int.from_bytes(_exactly(source, _LENGTH), "big")
        if length > LARGEST_HEAD:
            raise InvalidMessage("PACKAGE_INVALID", "its head is too long")
        self._note = _exactly(source, length)
        self.head = PackageHead.read(self._note, verifier)

    def parts(self, private: bytes) -> Iterator[PackagePart]:
        """Open the content with the device's X25519 key and give its parts, without the end.

        Raises `InvalidMessage` SEAL_BROKEN (other device, altered, cut off) or PACKAGE_INVALID (parts that are none, or
        counts that differ).
        """
        key = open_content_key(private, self.head.sealed_key, self.head.package_id)
        put = removed = 0
        for part in _split(self._chunks(Chunks(key, hashlib.sha256(self._note).digest()))):
            if part.kind == "end":
                if (part.put, part.removed) != (put, removed):
                    raise InvalidMessage("PACKAGE_INVALID", "it does not hold what its end says")
                return
            put += part.kind == "put"
            removed += part.kind == "removed"
            yield part
        raise InvalidMessage("PACKAGE_INVALID", "it has no end")

    def _chunks(self, chunks: Chunks) -> Iterator[bytes]:
        size = CHUNK + CHUNK_TAG_BYTES
        sealed = _most(self._source, size)
        while True:
            following = _most(self._source, size) if len(sealed) == size else b""
            yield chunks.open(sealed, last=not following)
            if not following:
                return
            sealed = following


def _split(chunks: Iterator[bytes]) -> Iterator[PackagePart]:
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        at = 0
        while len(waiting) - at >= _LENGTH:
            length = int.from_bytes(waiting[at : at + _LENGTH], "big")
            if length > _LARGEST_PART:
                raise InvalidMessage("PACKAGE_INVALID", "a part is too long")
            if len(waiting) - at - _LENGTH < length:
                break
            try:
                yield decode_part(bytes(waiting[at + _LENGTH : at + _LENGTH + length]))
            except InvalidMessage as error:
                raise InvalidMessage("PACKAGE_INVALID", "a part is none") from error
            at += _LENGTH + length
        del waiting[:at]
    if waiting:
        raise InvalidMessage("PACKAGE_INVALID", "a part is cut off")


def _most(source: Readable, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end."""
    found = bytearray()
    while len(found) < size and (more := source.read(size - len(found))):
        found += more
    return bytes(found)


def _exactly(source: Readable, size: int) -> bytes:
    found = _most(source, size)
    if len(found) < size:
        raise InvalidMessage("PACKAGE_INVALID", "it is cut off")
    return found
