"""What the test plates that arrived say of the chain from camera to console. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any


def chain(canaries: Sequence[Mapping[str, Any]], limit: timedelta, now: datetime) -> dict[str, Any]:
    """Say whether the chain from camera to console is armed: each canary camera's plate arrived within the limit.

    `canaries`: camera_id, device_id, known_at, and captured_at and arrived_at of the newest that arrived. `armed` is
    None where there is no canary camera: nothing is known then.
    """
    cameras = [
        {
            "camera_id": one["camera_id"],
            "device_id": one["device_id"],
            "last_at": one["arrived_at"].isoformat() if one["arrived_at"] else None,
            "age_s": round((now - one["captured_at"]).total_seconds(), 1) if one["captured_at"] else None,
            "took_s": round((one["arrived_at"] - one["captured_at"]).total_seconds(), 3) if one["arrived_at"] else None,
            "ok": one["captured_at"] is not None and now - one["captured_at"] <= limit,
        }
        for one in canaries
    ]
    armed = all(one["ok"] for one in cameras) if cameras else None
    return {"armed": armed, "limit_s": limit.total_seconds(), "checked_at": now.isoformat(), "cameras": cameras}


def missing(canary: Mapping[str, Any], limit: timedelta, now: datetime) -> bool:
    """Tell whether a canary is overdue: since the last that arrived, or since the camera is one."""
    since: datetime = canary["captured_at"] or canary["known_at"]
    return now - since > limit
