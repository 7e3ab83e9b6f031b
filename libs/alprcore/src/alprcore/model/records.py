"""What services publish about themselves: profiles, image keys, ledger events, signed tree heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime


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
