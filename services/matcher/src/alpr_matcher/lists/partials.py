"""Partial plates: all live patterns are tried on a read at once, by sets of bits (docs/decisions/0008)."""

from __future__ import annotations

from collections.abc import Iterator

from alprcore.errors import InvalidMessage
from alprcore.model import Entry
from alprcore.plates import ANY, LONGEST, laid_over, pattern_fault


class PartialView:
    """The live partial entries of every agency, each a bit.

    For every length, position and letter one integer has the bits of the patterns that allow it. A plate of seven
    letters is then seven lookups and as many ANDs, whatever the number of patterns: 3 microseconds with 10,000.
    """

    __slots__ = ("_allowed", "_entries", "_free", "_slots")

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._entries: list[Entry | None] = []
        self._free: list[int] = []
        self._allowed: dict[tuple[int, int, str], int] = {}

    def take(self, entry_id: str, entry: Entry | None) -> None:
        """Take over what the topic says of a partial entry; None when it is live no longer.

        Raises `InvalidMessage` for a key that is not the entry's and for what is no pattern: what was before stays.
        """
        if entry is not None and (entry.entry_id != entry_id or pattern_fault(entry.plate)):
            raise InvalidMessage("FIELD_INVALID", "key or pattern")
        slot = self._slots.pop(entry_id, None)
        if slot is not None and (before := self._entries[slot]) is not None:
            self._turn(slot, before)
            self._entries[slot] = None
            self._free.append(slot)
        if entry is not None:
            slot = self._free.pop() if self._free else len(self._entries)
            self._entries[slot : slot + 1] = [entry]
            self._slots[entry_id] = slot
            self._turn(slot, entry)

    def _turn(self, slot: int, entry: Entry) -> None:
        """Turn the entry's bit in every set it belongs to: on when it is off, off when it is on."""
        for length in range(1, LONGEST + 1):
            for position, letter in enumerate(laid_over(entry.plate, length) or ""):
                place = length, position, letter
                left = self._allowed.get(place, 0) ^ (1 << slot)
                if left:
                    self._allowed[place] = left
                else:
                    del self._allowed[place]

    def entries(self, plate: str) -> tuple[Entry, ...]:
        """Give every entry whose pattern fits this plate."""
        if not self._slots:
            return ()
        allowed, length, bits = self._allowed, len(plate), -1
        for position, letter in enumerate(plate):
            bits &= allowed.get((length, position, letter), 0) | allowed.get((length, position, ANY), 0)
            if not bits:
                return ()
        return tuple(entry for slot in _bits_of(bits) if (entry := self._entries[slot]) is not None)

    def entry(self, entry_id: str) -> Entry | None:
        """Give a live partial entry by its id."""
        slot = self._slots.get(entry_id)
        return self._entries[slot] if slot is not None else None

    def __len__(self) -> int:
        return len(self._slots)


def _bits_of(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
