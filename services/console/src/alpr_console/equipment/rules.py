"""What the counts about a device say, put together for its page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

UNREADABLE_DAYS: Final = 7
"""Days over which reads are counted: long enough for a quiet camera, short enough to see a lens that fogged up."""
REASONS: Final = {
    "TOO_SMALL": "too small",
    "BLURRED": "blurred",
    "DARK": "too dark",
    "GLARE": "glare",
    "STEEP": "seen too steeply",
    "UNSURE": "reader unsure",
    "": "no reason given",
}


def statistics(
    device_id: str, checks: Iterable[Mapping[str, Any]], cameras: Iterable[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """Put together what is known about a device's reads (HIT-07).

    `checks` counts people's findings by camera and reader model; `cameras` counts reads and unreadable plates by
    camera, or is None while retention does not answer.
    """
    found = [row for row in checks if row["device_id"] == device_id]
    readers: dict[str, dict[str, Any]] = {}
    for row in found:
        reader = readers.setdefault(row["reader"], {"reader": row["reader"], "checked": 0, "misreads": 0})
        reader["checked"] += row["checked"]
        reader["misreads"] += row["misreads"]
    return {
        "device_id": device_id,
        "checked": sum(row["checked"] for row in found),
        "misreads": sum(row["misreads"] for row in found),
        "readers": list(readers.values()),
        "days": UNREADABLE_DAYS,
        "cameras": None if cameras is None else [dict(camera) for camera in cameras],
    }


def copies_in_words(row: Mapping[str, Any]) -> str:
    """Say whether a device holds the version of a list that is in force (HOT-21)."""
    if not row["held"]:
        return "not held"
    if not row["outdated"]:
        return "up to date"
    minutes = int(row["behind_s"]) // 60
    return f"version {row['held']}, outdated for {f'{minutes // 60} h {minutes % 60} min' if minutes >= 60 else f'{minutes} min'}"


def in_words(reasons: Mapping[str, int]) -> str:
    """Say why plates could not be read, most frequent first: `12 blurred, 3 too small`."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {REASONS.get(code, code.lower().replace('_', ' '))}" for code, count in ordered)
