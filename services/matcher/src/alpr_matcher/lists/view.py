"""The entries of this worker's partitions, as a packed view.

The view follows the compacted topic `hotlist`; `packed` holds what it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from alpr_matcher.lists.packed import PackedBuckets, no_skeleton, skeleton_number, skeleton_numbers
from alprcore.errors import InvalidMessage
from alprcore.model import Entry
from alprcore.plates import skeleton


class EntryView:
    """The entries of the partitions of `hotlist` that this worker is responsible for."""

    __slots__ = ("_decode", "_parts", "_plates")

    def __init__(self, decode: Callable[[bytes], tuple[Entry, ...]], plates: Callable[[bytes], Sequence[str]]) -> None:
        """`plates` gives the plates of a bucket, for every bucket; `decode` its entries, for candidates only."""
        self._decode = decode
        self._plates = plates
        self._parts: dict[int, PackedBuckets] = {}

    def take(self, partition: int, page: Sequence[tuple[bytes, bytes | None]]) -> dict[int, InvalidMessage]:
        """Take over what the topic says of skeletons: of each its whole bucket, or None when nothing is listed now.

        Answers by index what was refused: a key that is no skeleton, a bucket that is none, or one whose plates have
        another skeleton. What it should have replaced stays.
        """
        numbers = skeleton_numbers([key for key, _ in page])
        held: dict[int, Sequence[str]] = {}
        refused: dict[int, InvalidMessage] = {}
        for index, (number, (_, bucket)) in enumerate(zip(numbers.tolist(), page, strict=True)):
            if not number:
                refused[index] = no_skeleton()
            elif bucket is not None:
                try:
                    held[index] = self._plates(bucket)
                except InvalidMessage as error:
                    refused[index] = error
        refused |= {index: _elsewhere() for index in _astray(page, held)}
        last = {number: index for index, number in enumerate(numbers.tolist()) if index not in refused}
        part = self._parts.setdefault(partition, PackedBuckets())
        kept = [(number, bucket) for number, index in last.items() if (bucket := page[index][1]) is not None]
        gone = [number for number, index in last.items() if page[index][1] is None]
        part.put(np.array([number for number, _ in kept], np.uint64), [bucket for _, bucket in kept])
        part.remove(np.array(gone, np.uint64))
        return refused

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


def _elsewhere() -> InvalidMessage:
    return InvalidMessage("FIELD_INVALID", "key: not the skeleton of every plate in the bucket")


def _astray(page: Sequence[tuple[bytes, bytes | None]], held: Mapping[int, Sequence[str]]) -> list[int]:
    """Find the buckets with a plate of another skeleton than their key.

    One comparison does for a page where all is well: a key holds no line break, so equal joined texts are equal pairs.
    """
    keys = b"\n".join(chain.from_iterable([page[index][0]] * len(plates) for index, plates in held.items()))
    if skeleton("\n".join(chain.from_iterable(held.values()))) == keys.decode():
        return []
    return [index for index, plates in held.items() if any(skeleton(p) != page[index][0].decode() for p in plates)]
