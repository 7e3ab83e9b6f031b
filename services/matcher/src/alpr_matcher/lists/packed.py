"""Buckets of list entries in little memory: five million fit in one gigabyte, and are taken over by the page.

A bucket stays the bytes it arrived as until a read asks for its skeleton. Where it lies is told by two sorted flat
arrays, 16 bytes an entry, and a small dict of what came since they were sorted.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from alprcore.errors import InvalidMessage
from alprcore.plates import LONGEST

Numbers = npt.NDArray[np.uint64]

_SKELETON: Final = re.compile(rf"[A-Z0-9]{{1,{LONGEST}}}")
_CHUNK: Final = 256 * 1024  # what is rewritten at once when half of a chunk is outdated: 2 ms
_SHIFT: Final = 32  # a place is the chunk's number and, in its low 32 bits, which of its buckets
_LOW: Final = (1 << _SHIFT) - 1
_RECENT: Final = 16_384  # a dict of this size is sorted in 4 ms; a sixteenth of the whole costs 9 bytes an entry
_RECENT_SHIFT: Final = 4
_NO_DIGIT: Final = 255
_DIGITS: Final = np.full(256, _NO_DIGIT, np.uint8)
_DIGITS[[ord(letter) for letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = range(36)


def skeleton_number(skeleton: str) -> int:
    """Write a skeleton as a number below 2**64; the leading 1 keeps `0A` and `A` apart.

    Raises `InvalidMessage` FIELD_INVALID for what is no skeleton: lower case, empty, longer than 12.
    """
    if _SKELETON.fullmatch(skeleton) is None:
        raise no_skeleton()
    return int("1" + skeleton, 36)


def no_skeleton() -> InvalidMessage:
    """Say that a key is no skeleton, without naming it."""
    return InvalidMessage("FIELD_INVALID", "key: not a plate skeleton")


def skeleton_numbers(keys: Sequence[bytes]) -> Numbers:
    """Write many skeletons as `skeleton_number` does; 0 stands for what is none."""
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    letters = np.array(keys, dtype=f"S{LONGEST}").view(np.uint8).reshape(len(keys), LONGEST)
    digits = _DIGITS[letters]
    numbers = np.ones(len(keys), np.uint64)
    good = (lengths >= 1) & (lengths <= LONGEST)
    for place in range(LONGEST):
        column, inside = digits[:, place], lengths > place
        good &= ~inside | (column != _NO_DIGIT)
        numbers = np.where(inside, numbers * np.uint64(36) + column, numbers)
    return np.where(good, numbers, np.uint64(0))


class _Places:
    """Skeleton number → place. Place 0 stands for none."""

    __slots__ = ("_numbers", "_places", "_recent", "count")

    def __init__(self) -> None:
        self._numbers: Numbers = np.empty(0, np.uint64)
        self._places: Numbers = np.empty(0, np.uint64)
        self._recent: dict[int, int] = {}
        self.count = 0

    def get(self, number: int) -> int:
        place = self._recent.get(number)
        if place is not None:
            return place
        slot = int(self._numbers.searchsorted(np.uint64(number)))
        if slot < len(self._numbers) and int(self._numbers[slot]) == number:
            return int(self._places[slot])
        return 0

    def get_all(self, numbers: Numbers) -> Numbers:
        """Places of many numbers."""
        found = np.zeros(len(numbers), np.uint64)
        if len(self._numbers):
            slots = np.minimum(self._numbers.searchsorted(numbers), len(self._numbers) - 1)
            found = np.where(self._numbers[slots] == numbers, self._places[slots], found)
        if self._recent:
            recent = self._recent
            for index, number in enumerate(numbers.tolist()):
                if (place := recent.get(number)) is not None:
                    found[index] = place
        return found

    def put_all(self, numbers: Numbers, places: Numbers) -> Numbers:
        """Set the places of different numbers; answers those before."""
        before = self.get_all(numbers)
        self.count += int(np.count_nonzero(places)) - int(np.count_nonzero(before))
        self._recent.update(zip(numbers.tolist(), places.tolist(), strict=True))
        if len(self._recent) > max(_RECENT, len(self._numbers) >> _RECENT_SHIFT):
            self._sort()
        return before

    def _sort(self) -> None:
        """Merge what came since into the sorted part: at most one copy of each array is made."""
        numbers = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
        places = np.fromiter(self._recent.values(), np.uint64, len(self._recent))
        order = numbers.argsort()
        numbers, places = numbers[order], places[order]
        slots = self._numbers.searchsorted(numbers)
        known = np.zeros(len(numbers), np.bool_)
        inside = slots < len(self._numbers)
        known[inside] = self._numbers[slots[inside]] == numbers[inside]
        self._places[slots[known]] = places[known]
        added = ~known & (places != 0)
        self._numbers = np.insert(self._numbers, slots[added], numbers[added])
        self._places = np.insert(self._places, slots[added], places[added])
        if not places.all():
            kept = self._places != 0
            self._numbers, self._places = self._numbers[kept], self._places[kept]
        self._recent = {}

    @property
    def size(self) -> int:
        """Bytes held; an entry of the dict with its two integers takes about 150."""
        return self._numbers.nbytes + self._places.nbytes + 150 * len(self._recent)


class _Chunk:
    """Buckets one after the other, with the number of each and where it ends."""

    __slots__ = ("data", "ends", "live", "numbers")

    def __init__(self) -> None:
        self.data: bytes | bytearray = bytearray()
        self.numbers = array("Q")
        self.ends = array("I", [0])
        self.live = 0

    def bucket(self, index: int) -> bytes:
        return bytes(self.data[self.ends[index] : self.ends[index + 1]])

    def outdate(self, index: int) -> None:
        self.live -= self.ends[index + 1] - self.ends[index]

    @property
    def size(self) -> int:
        return len(self.data) + 8 * len(self.numbers) + 4 * len(self.ends)


class PackedBuckets:
    """Skeleton number → bucket bytes of one partition, in chunks; a chunk that is half outdated is rewritten."""

    __slots__ = ("_chunks", "_newest", "_places", "_tail")

    def __init__(self) -> None:
        self._places = _Places()
        self._newest = 1
        self._tail = _Chunk()
        self._chunks = {1: self._tail}

    def __len__(self) -> int:
        return self._places.count

    @property
    def size(self) -> int:
        """Bytes held, index included."""
        return self._places.size + sum(chunk.size for chunk in self._chunks.values())

    def get(self, number: int) -> bytes | None:
        """Give the bucket of this skeleton, or None."""
        place = self._places.get(number)
        return self._chunks[place >> _SHIFT].bucket(place & _LOW) if place else None

    def put(self, numbers: Numbers, buckets: Sequence[bytes]) -> None:
        """Keep these buckets, each of another number, in place of those before."""
        if len(numbers):
            self._outdate(self._places.put_all(numbers, self._append(numbers, buckets)))

    def remove(self, numbers: Numbers) -> None:
        """Forget these skeletons, each another."""
        if len(numbers):
            self._outdate(self._places.put_all(numbers, np.zeros(len(numbers), np.uint64)))

    def _append(self, numbers: Numbers, buckets: Sequence[bytes]) -> Numbers:
        if len(self._tail.data) >= _CHUNK:
            full = self._tail
            full.data = bytes(full.data)  # exact size: a bytearray keeps room to grow
            full.numbers, full.ends = array("Q", full.numbers), array("I", full.ends)
            name, self._newest = self._newest, self._newest + 1
            self._tail = self._chunks[self._newest] = _Chunk()
            self._tidy(name)
        tail, first = self._tail, len(self._tail.numbers)
        ends = np.fromiter(map(len, buckets), np.uint32, len(buckets)).cumsum(dtype=np.uint32)
        tail.ends.frombytes((ends + np.uint32(len(tail.data))).tobytes())
        tail.numbers.frombytes(numbers.tobytes())
        tail.data += b"".join(buckets)
        tail.live += int(ends[-1])
        return np.arange(first, first + len(buckets), dtype=np.uint64) | np.uint64(self._newest << _SHIFT)

    def _outdate(self, places: Numbers) -> None:
        touched = set()
        for place in places[places != 0].tolist():
            self._chunks[place >> _SHIFT].outdate(place & _LOW)
            touched.add(place >> _SHIFT)
        for name in touched:
            self._tidy(name)

    def _tidy(self, name: int) -> None:
        """Move what is still valid out of a closed chunk of which no more than half is."""
        chunk = self._chunks.get(name)  # moving another one's buckets may have moved these
        if chunk is None or chunk is self._tail or 2 * chunk.live > len(chunk.data):
            return
        numbers = np.frombuffer(chunk.numbers, np.uint64)
        own = np.arange(len(numbers), dtype=np.uint64) | np.uint64(name << _SHIFT)
        (still,) = np.nonzero(self._places.get_all(numbers) == own)
        if len(still):
            kept = numbers[still]
            self._places.put_all(kept, self._append(kept, [chunk.bucket(index) for index in still.tolist()]))
        del self._chunks[name]
