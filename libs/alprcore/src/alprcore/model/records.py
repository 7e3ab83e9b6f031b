"""What services publish about themselves: profiles, image keys, ledger events, signed tree heads, purge orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """The profile in force for an agency, as published: version and canonical JSON."""

    agency: str
    version: str
    document: str
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class ImageKey:
    """Public key that an agency's images falling due on one day are sealed to (X25519, 32 bytes)."""

    agency: str
    due_day: date
    public_key: bytes


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A ledger entry that needs no answer; `personal` is kept erasable beside the tree."""

    event_id: str
    occurred_at: datetime
    agency: str
    kind: str
    service: str
    outcome: str = "ok"
    reason_code: str = ""
    profile_version: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head of the ledger."""

    origin: str
    size: int
    root: bytes
    note: str


PURGE_PART: Final = 10_000
"""Hits named in one part of a purge order: with their reads 320 kB."""
PURGE_HELD: Final = 30_000
"""Held reads named in a purge order, 480 kB: with a whole part still below what a message may have."""


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """What every service that keeps copies has to remove: records of one agency that fell due on one day.

    The hits go with everything that is keyed by them; `read_ids` are their reads, in the same order. Copies that no id
    names but whose due day is this one or an earlier one go too, but for `held_read_ids`, which a hold keeps, and only
    when these are all there are (`held_complete`).
    """

    order_id: str
    run_id: str
    agency: str
    due_day: date
    part: int
    parts: int
    hit_ids: tuple[str, ...]
    read_ids: tuple[str, ...]
    held_read_ids: tuple[str, ...]
    held_complete: bool
    ordered_at: datetime


@dataclass(frozen=True, slots=True)
class PurgeAnswer:
    """What a service removed by one part of an order: records gone, and records that could not go, by store."""

    order_id: str
    run_id: str
    agency: str
    due_day: date
    part: int
    service: str
    gone: Mapping[str, int]
    left: Mapping[str, int]
    answered_at: datetime
