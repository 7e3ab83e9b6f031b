"""What of the last day's hits lies where on `hits`, and which of them stand for an entry that is no longer in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from alprcore.model import Entry, EntryDetails, Hit, ListVersion, MatchKind, WithdrawnReason, to_us

TOLD_FOR: Final = timedelta(hours=24)
"""A hit is withdrawn when its entry goes within this time (design: lists and matching)."""
_CLOCKS_APART: Final = timedelta(seconds=60)
"""An entry that another clock took for expired, and removed, this long before ours does has still expired."""
_UNKNOWN: Final = -1


@dataclass(slots=True)
class _Said:
    """The newest that was said of one hit."""

    order: tuple[int, int]
    offset: int
    matched_us: int
    withdrawn: bool
    held_by: str


@dataclass(slots=True)
class ToldEntry:
    """An entry with hits, in one partition. `stood_in` is the list's version in which it was last looked for."""

    entry_id: str
    agency: str
    list_code: str
    key: str
    partial: bool
    stood_in: int
    said: dict[str, _Said] = field(default_factory=dict)

    def stands(self, entries: Sequence[Entry], version: ListVersion | None) -> bool:
        """Tell whether the version of its list in force carries the entry."""
        return version is not None and any(
            entry.entry_id == self.entry_id and entry.in_version(version.version) for entry in entries
        )

    def open_hits(self, since: datetime) -> dict[str, int]:
        """Give the hits matched since a moment that are not withdrawn yet, each with its offset."""
        since_us = to_us(since)
        return {
            hit_id: said.offset
            for hit_id, said in self.said.items()
            if not said.withdrawn and said.matched_us >= since_us
        }


class ToldHits:
    """The hits of the last day by partition and entry: where each lies, no plate's content beyond the topic's key."""

    __slots__ = ("_changes", "_parts")

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, ToldEntry]] = {}
        self._changes: dict[int, int] = {}

    def take(self, partition: int, key: str, offset: int, hit: Hit) -> None:
        """Take note of what was said of a hit; what is older than what is known changes nothing."""
        part = self._parts.setdefault(partition, {})
        told = part.get(f"{key} {hit.entry_id}")
        if told is None:
            partial = hit.match_kind is MatchKind.PARTIAL
            told = ToldEntry(hit.entry_id, hit.read.agency, hit.list_code, key, partial, hit.list_version)
            part[f"{key} {hit.entry_id}"] = told
        elif told.stood_in != hit.list_version:
            told.stood_in = _UNKNOWN  # matched in another version than was looked at: it is looked for again
        known = told.said.get(hit.hit_id)
        if known is None or hit.order > known.order:
            told.said[hit.hit_id] = _Said(
                hit.order, offset, to_us(hit.matched_at), hit.withdrawn_at is not None, hit.storm_id if hit.held else ""
            )
        self._changes[partition] = self.changes(partition) + 1

    def changes(self, partition: int) -> int:
        """Count what was said in a partition so far."""
        return self._changes.get(partition, 0)

    def of(self, partition: int) -> tuple[ToldEntry, ...]:
        """Give every entry with hits in a partition."""
        return tuple(self._parts.get(partition, {}).values())

    def held(self, partition: int) -> dict[str, list[tuple[ToldEntry, str, int]]]:
        """Give the hits that wait with a storm: entry, hit and offset of each, by the storm's id."""
        found: dict[str, list[tuple[ToldEntry, str, int]]] = {}
        for told in self._parts.get(partition, {}).values():
            for hit_id, said in told.said.items():
                if said.held_by and not said.withdrawn:
                    found.setdefault(said.held_by, []).append((told, hit_id, said.offset))
        return found

    def prune(self, now: datetime) -> None:
        """Forget what is older than a day and does not wait with a storm."""
        since_us = to_us(now - TOLD_FOR)
        for part in self._parts.values():
            for name, told in list(part.items()):
                said = told.said.items()
                told.said = {name: one for name, one in said if one.matched_us >= since_us or one.held_by}
                if not told.said:
                    del part[name]

    def __len__(self) -> int:
        return sum(len(told.said) for part in self._parts.values() for told in part.values())


def to_look_for(told: ToldEntry, versions: Mapping[tuple[str, str], ListVersion]) -> bool:
    """Tell whether an entry must be looked for: its list has moved on, or tells its removals without a version."""
    version = versions.get((told.agency, told.list_code))
    return told.partial or version is None or version.version != told.stood_in


def withdrawal(
    hit: Hit,
    entries: Sequence[Entry],
    version: ListVersion | None,
    open_details: Callable[[Entry], EntryDetails | None],
    now: datetime,
) -> WithdrawnReason | None:
    """Say why a hit no longer stands, or None where its entry has only expired or was entered anew.

    `entries` are those of the read's skeleton and `version` is the one in force of the hit's list, None when the list
    is no longer kept. An entry that is gone once its time was over has expired, which withdraws nothing (HOT-19). One
    that stands in the list for the same plate and state under another id is the same matter, entered anew.
    """
    if version is None:
        return WithdrawnReason.LIST_WITHDRAWN
    own = Entry(hit.entry_id, hit.entry_plate, hit.read.agency, hit.list_code, 0, 0, hit.entry_sealed, hit.entry_key_id)
    details = open_details(own)
    if details is not None and details.expires_at is not None and details.expires_at <= now + _CLOCKS_APART:
        return None
    for entry in entries:
        of_list = (entry.agency, entry.list_code) == (own.agency, own.list_code) and entry.in_version(version.version)
        if of_list and entry.plate == own.plate:
            other = open_details(entry)
            if other is None or other.state == hit.entry_state:
                return None
    return WithdrawnReason.NOT_LISTED
