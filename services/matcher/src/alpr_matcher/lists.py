"""The list side of the match: a packed view of the entries of this worker's partitions, and the versions in force.

The view follows the compacted topic `hotlist`. A bucket stays the bytes it arrived as until a read asks
for its skeleton: five million entries are then 1.5 GB instead of five as objects.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Callable, Mapping
from typing import Final

from alprcore.errors import InvalidMessage
from alprcore.model import Entry, ListVersion
from alprcore.plates import LONGEST

ListName = tuple[str, str]
"""Agency and list code."""

_SKELETON: Final = re.compile(rf"[A-Z0-9]{{1,{LONGEST}}}")
_CHUNK: Final = 256 * 1024  # small enough to rewrite in 2 ms when half of it is outdated
_SHIFT: Final = 32  # a position is the chunk's number and, in its low 32 bits, the offset inside it
_RECORD: Final = struct.Struct("<QI")  # skeleton number, length of the bucket
_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: spreads skeletons that differ in one character
_WORD: Final = (1 << 64) - 1
_FIRST_BITS: Final = 6
_KEPT_VERSIONS: Final = 16  # announced versions of one list that may wait for their end offsets


def skeleton_number(skeleton: str) -> int:
    """Write a skeleton as a number below 2**64; the leading 1 keeps `0A` and `A` apart.

    Raises `InvalidMessage` FIELD_INVALID for what is no skeleton: lower case, empty, longer than 12.
    """
    if _SKELETON.fullmatch(skeleton) is None:
        raise InvalidMessage("FIELD_INVALID", "key: not a plate skeleton")
    return int("1" + skeleton, 36)


class _Positions:
    """Skeleton number → position, open addressing in two flat arrays: 16 bytes a slot, no object per key."""

    __slots__ = ("_bits", "_keys", "_places", "count")

    def __init__(self) -> None:
        self._bits = _FIRST_BITS
        self._keys = array("Q", bytes(8 << self._bits))
        self._places = array("Q", bytes(8 << self._bits))
        self.count = 0

    def _slot(self, number: int) -> int:
        """The slot of this number, or the free one where it would go."""
        keys, mask = self._keys, (1 << self._bits) - 1
        slot = ((number * _GOLDEN) & _WORD) >> (64 - self._bits)
        while (found := keys[slot]) and found != number:
            slot = (slot + 1) & mask
        return slot

    def get(self, number: int) -> int | None:
        slot = self._slot(number)
        return self._places[slot] if self._keys[slot] else None

    def put(self, number: int, place: int) -> int | None:
        """Sets the place and gives the one before."""
        slot = self._slot(number)
        if self._keys[slot]:
            before, self._places[slot] = self._places[slot], place
            return before
        if 3 * self.count >= 2 << self._bits:
            self._grow()
            slot = self._slot(number)
        self._keys[slot], self._places[slot] = number, place
        self.count += 1
        return None

    def remove(self, number: int) -> None:
        """Frees the slot and closes the gap, so that no probe ends early (Knuth, TAOCP 3, algorithm 6.4R)."""
        keys, places, bits = self._keys, self._places, self._bits
        mask = (1 << bits) - 1
        gap = self._slot(number)
        if not keys[gap]:
            return
        self.count -= 1
        slot = gap
        while True:
            slot = (slot + 1) & mask
            if not (other := keys[slot]):
                keys[gap] = 0
                return
            home = ((other * _GOLDEN) & _WORD) >> (64 - bits)
            if (slot - home) & mask >= (slot - gap) & mask:
                keys[gap], places[gap] = other, places[slot]
                gap = slot

    def _grow(self) -> None:
        keys, places = self._keys, self._places
        self._bits += 1
        self._keys = array("Q", bytes(8 << self._bits))
        self._places = array("Q", bytes(8 << self._bits))
        for number, place in zip(keys, places, strict=True):
            if number:
                slot = self._slot(number)
                self._keys[slot], self._places[slot] = number, place

    @property
    def size(self) -> int:
        return 16 << self._bits


class PackedBuckets:
    """Skeleton number → bucket bytes of one partition, in chunks; a chunk that is half outdated is rewritten."""

    __slots__ = ("_chunks", "_live", "_open", "_positions", "_tail")

    def __init__(self) -> None:
        self._positions = _Positions()
        self._tail = bytearray()
        self._open = 0
        self._chunks: dict[int, bytes | bytearray] = {0: self._tail}
        self._live = {0: 0}

    def __len__(self) -> int:
        return self._positions.count

    @property
    def size(self) -> int:
        """Bytes held, index included."""
        return self._positions.size + sum(map(len, self._chunks.values()))

    def get(self, number: int) -> bytes | None:
        """Give the bucket of this skeleton, or None."""
        place = self._positions.get(number)
        if place is None:
            return None
        chunk, offset = self._chunks[place >> _SHIFT], place & ((1 << _SHIFT) - 1)
        _, length = _RECORD.unpack_from(chunk, offset)
        start = offset + _RECORD.size
        return bytes(chunk[start : start + length])

    def put(self, number: int, bucket: bytes) -> None:
        """Keep this bucket in place of the one before."""
        before = self._positions.put(number, self._append(number, bucket))
        if before is not None:
            self._outdate(before)

    def remove(self, number: int) -> None:
        """Forget this skeleton."""
        before = self._positions.get(number)
        if before is not None:
            self._positions.remove(number)
            self._outdate(before)

    def _append(self, number: int, bucket: bytes) -> int:
        if len(self._tail) >= _CHUNK:
            full = self._open
            self._chunks[full] = bytes(self._tail)  # exact size: a bytearray keeps room to grow
            self._open += 1
            self._tail = self._chunks[self._open] = bytearray()
            self._live[self._open] = 0
            self._tidy(full)
        place = (self._open << _SHIFT) | len(self._tail)
        self._tail += _RECORD.pack(number, len(bucket)) + bucket
        self._live[self._open] += _RECORD.size + len(bucket)
        return place

    def _outdate(self, place: int) -> None:
        name, offset = place >> _SHIFT, place & ((1 << _SHIFT) - 1)
        _, length = _RECORD.unpack_from(self._chunks[name], offset)
        self._live[name] -= _RECORD.size + length
        if name != self._open:
            self._tidy(name)

    def _tidy(self, name: int) -> None:
        """Moves what is still valid out of a closed chunk that is more than half outdated."""
        chunk = self._chunks[name]
        if 2 * self._live[name] > len(chunk):
            return
        offset = 0
        while offset < len(chunk):
            number, length = _RECORD.unpack_from(chunk, offset)
            end = offset + _RECORD.size + length
            if self._positions.get(number) == (name << _SHIFT) | offset:
                self._positions.put(number, self._append(number, bytes(chunk[offset + _RECORD.size : end])))
            offset = end
        del self._chunks[name], self._live[name]


class EntryView:
    """The entries of the partitions of `hotlist` that this worker is responsible for."""

    __slots__ = ("_decode", "_parts")

    def __init__(self, decode: Callable[[bytes], tuple[Entry, ...]]) -> None:
        """`decode` turns the bytes of one bucket into its entries; it is called for candidates only."""
        self._decode = decode
        self._parts: dict[int, PackedBuckets] = {}

    def apply(self, partition: int, skeleton: str, bucket: bytes | None) -> None:
        """Take over what the topic says of a skeleton: its whole bucket, or None when nothing is listed any more.

        Raises `InvalidMessage` when the key is no skeleton.
        """
        number = skeleton_number(skeleton)
        part = self._parts.get(partition)
        if part is None:
            part = self._parts[partition] = PackedBuckets()
        if bucket is None:
            part.remove(number)
        else:
            part.put(number, bucket)

    def entries(self, partition: int, skeleton: str) -> tuple[Entry, ...]:
        """Give every entry that a plate of this skeleton could mean, of all lists, agencies and versions."""
        part = self._parts.get(partition)
        bucket = part.get(skeleton_number(skeleton)) if part is not None else None
        return self._decode(bucket) if bucket is not None else ()

    def drop(self, partition: int) -> None:
        """Forget a partition that another worker is responsible for now."""
        self._parts.pop(partition, None)

    @property
    def buckets(self) -> int:
        """Skeletons with at least one entry."""
        return sum(map(len, self._parts.values()))

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(part.size for part in self._parts.values())


class ListVersions:
    """Which version of each list is in force, partition by partition.

    A version is announced when ingest has written it whole; it is in force in a partition as soon as the
    worker has read that partition of `hotlist` up to the end offset named in the announcement. Until then
    the version before stays in force, so a read is judged against exactly one version of each list.
    """

    __slots__ = ("_announced", "_cached", "_changes")

    def __init__(self) -> None:
        self._announced: dict[ListName, tuple[ListVersion, ...]] = {}
        self._changes = 0
        self._cached: dict[int, tuple[int, int, int, Mapping[ListName, ListVersion] | None]] = {}

    def announce(self, version: ListVersion) -> None:
        """Take note of a version. One that is not newer than those known starts the list afresh: its writer knows."""
        name = (version.agency, version.list_code)
        known = self._announced.get(name, ())
        newest = known[-1].version if known else -1
        if version.version == newest:
            known = known[:-1]
        elif version.version < newest:
            known = ()
        self._announced[name] = (*known, version)[-_KEPT_VERSIONS:]
        self._changes += 1

    def withdraw(self, agency: str, list_code: str) -> None:
        """Forget a list that is no longer kept: its entries stop matching."""
        self._announced.pop((agency, list_code), None)
        self._changes += 1

    def in_force(self, partition: int, position: int) -> Mapping[ListName, ListVersion] | None:
        """Give the one version of each list that holds for a worker at this position of its partition.

        `position` is the offset of the next message to read. None while a list has no version in force
        yet: then nothing may be judged, or its entries would be missed.
        """
        changes, since, until, versions = self._cached.get(partition, (-1, 0, 0, None))
        if changes != self._changes or not since <= position < until:
            versions, until = self._choose(partition, position)
            self._cached[partition] = (self._changes, position, until, versions)
        return versions

    def _choose(self, partition: int, position: int) -> tuple[Mapping[ListName, ListVersion] | None, int]:
        chosen: dict[ListName, ListVersion] = {}
        until = 1 << 63
        complete = True
        for name, known in self._announced.items():
            reached = [v for v in known if v.end_offsets.get(partition, 0) <= position]
            until = min([until, *(o for v in known if (o := v.end_offsets.get(partition, 0)) > position)])
            if reached:
                chosen[name] = reached[-1]
            else:
                complete = False
        return (chosen if complete else None), until

    def waiting(self, partition: int, position: int) -> tuple[ListName, ...]:
        """Name the lists that have no version in force at this position, for a person who looks for the reason."""
        return tuple(
            name
            for name, known in self._announced.items()
            if all(version.end_offsets.get(partition, 0) > position for version in known)
        )

    def __len__(self) -> int:
        return len(self._announced)

    def newest(self) -> tuple[ListVersion, ...]:
        """Give the newest announced version of every list."""
        return tuple(known[-1] for known in self._announced.values())
