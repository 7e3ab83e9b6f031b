"""What may be collected: the rule that every frame passes, whichever door it came through."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from alprcore.model import ADMITTED, Decision, Device, Frame, Refused

CLOCK_AHEAD_LIMIT: Final = timedelta(seconds=120)
"""A frame from further in the future than this carries a wrong clock; late frames are never refused (CAP-04)."""


def may_collect(frame: Frame, device: Device | None, *, signature_ok: bool, now: datetime) -> Decision:
    """Decide whether a frame may be read, whichever door it came through (CAP-01, CAP-02, USE-14).

    `signature_ok` says whether the device's key verifies the frame's signature.
    """
    if device is None:
        return Refused("CAP-01", "DEVICE_UNKNOWN", "no such device is registered")
    refusals = (
        (frame.agency not in ("", device.agency), "CAP-12", "AGENCY_MISMATCH", "the device belongs to another agency"),
        (device.camera(frame.camera_id) is None, "CAP-01", "CAMERA_UNKNOWN", "the device has no such camera"),
        (not frame.signature, "CAP-01", "SIGNATURE_MISSING", "the frame is not signed"),
        (not signature_ok, "CAP-01", "SIGNATURE_INVALID", "the signature is not the device's"),
        (not device.in_service, "CAP-01", "DEVICE_OUT_OF_SERVICE", "the device is out of service"),
        (
            device.siting is None or not device.siting.public_view,
            "USE-14",
            "SITING_NOT_DECLARED",
            "no declaration that the device sees only what is in public view",
        ),
        (
            frame.location is None and device.position is None,
            "CAP-02",
            "FIELD_MISSING",
            "location: neither the frame nor the registry has a position",
        ),
        (
            frame.captured_at > now + CLOCK_AHEAD_LIMIT,
            "CAP-04",
            "CLOCK_AHEAD",
            "captured_at lies more than 120 s in the future",
        ),
    )
    return next((Refused(rule, code, detail) for broken, rule, code, detail in refusals if broken), ADMITTED)
