"""The Merkle tree of RFC 6962 section 2.1 exactly: leaf `H(00 || entry)`, node `H(01 || left || right)`; its proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


Place = tuple[int, int]
"""Level and index of a perfect subtree: it covers the leaves `index << level` to `(index + 1) << level`."""


def cover(begin: int, end: int) -> Iterator[Place]:
    """Name the perfect subtrees that make up the leaves `begin` to `end`, left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def range_hash(begin: int, end: int, nodes: Mapping[Place, bytes]) -> bytes:
    """Hash the leaves `begin` to `end` from perfect subtrees; `KeyError` when one is missing."""
    if begin == end:
        return EMPTY_ROOT
    parts = [nodes[place] for place in cover(begin, end)]
    top = parts.pop()
    while parts:
        top = node_hash(parts.pop(), top)
    return top


class Tree:
    """The right edge of a growing tree: enough to append and to tell the root, in O(log size) memory."""

    def __init__(self, size: int = 0, edge: Mapping[Place, bytes] | None = None) -> None:
        self.size = size
        self._edge = [(edge or {})[place] for place in cover(0, size)]

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf hash; gives the perfect subtrees completed by it as level (from 1), index, hash."""
        completed = []
        level, index, top = 0, self.size, leaf
        while index & 1:
            top = node_hash(self._edge.pop(), top)
            level, index = level + 1, index >> 1
            completed.append((level, index, top))
        self._edge.append(top)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Hash of the whole tree."""
        if not self._edge:
            return EMPTY_ROOT
        top = self._edge[-1]
        for part in reversed(self._edge[:-1]):
            top = node_hash(part, top)
        return top

    def copy(self) -> Tree:
        """A second tree that grows by itself: a batch that fails leaves the first as it was."""
        other = Tree()
        other.size, other._edge = self.size, list(self._edge)
        return other


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose hashes prove that leaf `index` is in a tree of `size`, leaf side first."""
    if not 0 <= index < size:
        raise ValueError("leaf outside the tree")
    ranges: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Leaf ranges whose hashes prove that the tree of size `new` extends the tree of size `old`."""
    if not 0 < old <= new:
        raise ValueError("sizes must be 0 < old <= new")
    ranges: list[tuple[int, int]] = []
    begin, end, whole = 0, new, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin, whole = middle, False
    if not whole:
        ranges.append((begin, end))
    return ranges[::-1]
