"""How things are named and how time is written: uuid5 over what makes a thing unique, microseconds of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Final
from uuid import UUID

NAMESPACE: Final = UUID("6f1c7e0a-3a0e-5d2b-9c58-1f0f2a7d4b11")
_SPACE: Final = NAMESPACE.bytes
UNKNOWN: Final = "unknown"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def make_id(kind: str, *parts: str) -> str:
    """Name a thing by what makes it unique: uuid5 over kind and parts, joined by a unit separator.

    Written out (RFC 9562 5.5), since a list of a million entries is named in one go: the library takes four times as
    long, most of it for checking what cannot be wrong here.
    """
    name = bytearray(sha1(_SPACE + "\x1f".join((kind, *parts)).encode(), usedforsecurity=False).digest()[:16])
    name[6] = name[6] & 0x0F | 0x50  # version 5
    name[8] = name[8] & 0x3F | 0x80  # variant
    text = name.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def frame_id(camera_id: str, sequence: int, sha256: bytes) -> str:
    """Name a frame by camera, sequence and the SHA-256 of its image."""
    return make_id("frame", camera_id, str(sequence), sha256.hex())


def read_id(first_frame_id: str, ordinal: int) -> str:
    """Name a read by the first frame of its passage and the plate's left-to-right ordinal in it."""
    return make_id("read", first_frame_id, str(ordinal))


def entry_id(agency: str, list_code: str, plate: str, state: str, source_key: str) -> str:
    """Name a list entry by its agency, list, plate, state and the source's record number."""
    return make_id("entry", agency, list_code, plate, state, source_key)


def hit_id(read: str, entry: str) -> str:
    """Name a hit by its read and entry; the list version is a field, not a part of the name (HIT-01)."""
    return make_id("hit", read, entry)


def incident_id(entry: str, first_read: str) -> str:
    """Name an incident by its entry and the first read of its window."""
    return make_id("incident", entry, first_read)


def notification_id(incident: str, target: str, revision: int) -> str:
    """Name a notification by incident, display target and revision."""
    return make_id("notification", incident, target, str(revision))


def event_id(subject: str, action: str, subject_version: str) -> str:
    """Name a ledger event by its subject, what was done to it and the subject's version."""
    return make_id("event", subject, action, subject_version)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC; raises `ValueError` for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("time without zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    """Turn microseconds since 1970-01-01 UTC into a time; raises `OverflowError` outside years 1..9999."""
    return EPOCH + timedelta(microseconds=microseconds)
