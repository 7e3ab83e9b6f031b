"""The list side of the match: a packed view of the entries of this worker's partitions, and the versions in force.

The view follows the compacted topic `hotlist`; `packed` holds what it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np

from alpr_matcher.packed import PackedBuckets, no_skeleton, skeleton_number, skeleton_numbers
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, ListVersion
from alprcore.plates import skeleton

ListName = tuple[str, str]
"""Agency and list code."""

_KEPT_VERSIONS: Final = 16  # announced versions of one list that may wait for their end offsets


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
