"""Whose a dead letter is, how long it stays, and how it lies in the store. Pure (RET-11)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from alprcore.model import DeviceKind, make_id
from alprcore.policy import AgencyProfile, due_day

from ..expiry import UNATTRIBUTED as UNATTRIBUTED  # noqa: PLC0414 - part of what its feature takes from here

FRAMES_KEPT: Final = timedelta(days=9)
"""How long the image of a frame lies in the store: its message is gone after 8 days, as dead letters are, with its key."""
DAY_KEY: Final = "letters-"
STRANGERS: Final = frozenset(
    {"AGENCY_MISMATCH", "DEVICE_UNKNOWN", "MALFORMED", "SCHEMA_UNKNOWN", "SIGNATURE_INVALID", "SIGNATURE_MISSING"}
)
"""Why a letter is nobody's for sure: no key of a registered device has signed it. Anyone can send as many as they like."""
_WAITED: Final = timedelta(days=2)
_NO_CLOCK: Final = datetime(1970, 1, 2, tzinfo=UTC)  # earlier times say nothing, and have no place in every time zone
LARGEST_LINE: Final = 64 * 1024
"""Bytes of headers that are kept of one letter; ours have some hundred."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was put aside, and what is known of it.

    `captured_at` is None where no frame can be read of it; a place is given only with a frame.
    """

    letter_id: str
    topic: str
    reason_code: str
    service: str
    agency: str
    device_id: str
    camera_id: str
    device_kind: str
    captured_at: datetime | None
    received_at: datetime
    latitude: float | None = None
    longitude: float | None = None


def letter_id(topic: str, partition: int, offset: int, timestamp_ms: int) -> str:
    """Name a letter by where it lay, and when: a topic that is made anew counts its offsets from zero again."""
    return make_id("letter", topic, str(partition), str(offset), str(timestamp_ms))


def owner(claimed: str, profiles: Mapping[str, AgencyProfile]) -> str:
    """Give the agency that a letter is kept for: the one it names when that is known."""
    return claimed if claimed in profiles else UNATTRIBUTED


def floods(letter: Letter, kept: int, limit: int) -> bool:
    """Tell whether a letter is only counted: so many of strangers were kept of its agency and day already (RET-11).

    What a registered device has signed is a record whatever is wrong with it, and is always kept.
    """
    return letter.reason_code in STRANGERS and kept >= limit


def stays_until(letter: Letter, profiles: Mapping[str, AgencyProfile]) -> date:
    """Give the day on which a letter falls due: as a read of that time and device would.

    Of several days the last one counts, where the kind of device or the agency is not known: nothing is destroyed
    early. Raises `LookupError` when no policy is known at all.
    """
    known = [profiles[letter.agency]] if letter.agency in profiles else list(profiles.values())
    kinds = [kind for kind in DeviceKind if kind.value == letter.device_kind] or list(DeviceKind)
    if not known:
        raise LookupError("no policy is known")
    captured = min(max(letter.captured_at or letter.received_at, _NO_CLOCK), letter.received_at)
    return max(due_day(captured, letter.received_at, kind, profile) for profile in known for kind in kinds)


def sent(value: bytes) -> dict[str, Any]:
    """Read device, camera and time from what a device sent that is no frame; empty where it is not even JSON."""
    try:
        meta = json.loads(value)["meta"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    if not isinstance(meta, dict):
        return {}
    found: dict[str, Any] = {name: meta[name] for name in ("device_id", "camera_id") if isinstance(meta.get(name), str)}
    try:
        captured = datetime.fromisoformat(str(meta.get("captured_at")))
    except ValueError:
        return found
    return {**found, "captured_at": captured} if captured.tzinfo is not None else found


def received(said: datetime | None, put_aside: datetime) -> datetime:
    """Tell when a letter's message arrived: as it says, within the two days before it was put aside.

    Longer no message waits; who writes its own time of receipt could else shorten the year that it stays.
    """
    return min(max(said or put_aside, put_aside - _WAITED), put_aside)


def pack(
    key: bytes | None, value: bytes | None, headers: Mapping[str, bytes], image: bytes | None, *, missing: bool
) -> bytes:
    """Lay out a letter for the store: one line of JSON, then its value and, where it referred to one, its image."""
    head: dict[str, Any] = {
        "key": None if key is None else base64.b64encode(key).decode(),
        "headers": {name: base64.b64encode(content).decode() for name, content in headers.items()},
        "value_bytes": None if value is None else len(value),
        "image_bytes": None if image is None else len(image),
        "image_missing": missing,
    }
    line = json.dumps(head, separators=(",", ":")).encode()
    if len(line) > LARGEST_LINE:
        line = json.dumps({**head, "headers": {}, "headers_dropped": True}, separators=(",", ":")).encode()
    return line + b"\n" + (value or b"") + (image or b"")


def unpack(packed: bytes) -> tuple[dict[str, Any], bytes | None, bytes | None]:
    """Take a packed letter apart: its head, its value and its image."""
    line, _, rest = packed.partition(b"\n")
    head = json.loads(line)
    middle = head["value_bytes"] or 0
    value = None if head["value_bytes"] is None else rest[:middle]
    return head, value, None if head["image_bytes"] is None else rest[middle:]


def object_key(agency: str, day: date, name: str) -> str:
    """Name the object of a letter; a purge sweeps a day by prefix."""
    return f"{prefix(agency, day)}/{name}.bin"


def held_object(agency: str, name: str) -> str:
    """Name the object of a letter that a hold keeps beyond its day."""
    return f"held-quarantine/{agency}/{name}.bin"


def day_key(day: date) -> str:
    """Name the key that letters of a due day are sealed to: not that of its images, which goes before holds are judged
    here.
    """
    return f"{DAY_KEY}{day.isoformat()}"


def day_of(name: str) -> date | None:
    """Give the due day that a key's name says; None for another kind of key."""
    try:
        return date.fromisoformat(name.removeprefix(DAY_KEY))
    except ValueError:
        return None


def held_key(name: str) -> str:
    """Name the key of one letter that a hold keeps."""
    return f"letter-{name}"


def prefix(agency: str, day: date) -> str:
    """Name the folder of an agency's letters of one due day."""
    return f"quarantine/{agency}/{day.isoformat()}"
