"""Every metric of the recognizer: what it means and what to do."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from alprcore.model import Device

FRAMES: Final = Counter("alpr_recognizer_frames_total", "Frames by what became of them", ["outcome"])
"""read, no_plate, dead_letter, duplicate, skipped: each frame counts once, so the sum is what was taken from the topic.
Many dead letters: look with `alpr dlq list`. Many duplicates: a camera or gateway sends twice."""

REFUSED: Final = Counter("alpr_recognizer_refused_total", "Frames put aside, by reason code", ["code"])
"""SITING_NOT_DECLARED, SIGNATURE_INVALID and the like point at one device; MODEL_FAILED points at us."""

SKIPPED: Final = Counter(
    "alpr_recognizer_frames_skipped_total", "Frames left out because more came than can be looked at", ["reason"]
)
"""near_duplicate: its camera was looked at less than 0.4 s before. Lasting: add workers, or send fewer frames."""

LOAD_LEVEL: Final = Gauge("alpr_recognizer_load_level", "How many near-duplicate frames are left out, 0 none to 3 most")
"""At 3 for minutes while frames still wait longer: there are more cameras than this machine can look at."""

WAITED: Final = Gauge("alpr_recognizer_frames_waited_seconds", "How much longer frames wait than at best")
"""The least of all cameras, each against its own best, so that a clock that is wrong counts for nothing. Above a second frames are left out, beginning with near-duplicates."""

UNREADABLE: Final = Counter("alpr_recognizer_unreadable_total", "Plates that could not be read, by reason", ["reason"])
"""TOO_SMALL, BLURRED, DARK, GLARE, STEEP: the camera's place or exposure. By camera: the console's device page."""

EXPIRED: Final = Counter("alpr_recognizer_frames_expired_total", "Frames that expired unread (FRAMES_EXPIRED)")
"""The recognizer was away longer than the topic keeps. These frames are lost: keep more or add workers."""

READS: Final = Counter("alpr_recognizer_reads_total", "Reads published", ["kind"])
"""first, revision, retraction, unreadable; dismissed: not published, for it was seen briefly, faintly, and showed no text.
Many unreadable ones: a dirty lens, wrong exposure, plates too small."""

PASSAGES_OPEN: Final = Gauge("alpr_recognizer_passages_open", "Passages that have not ended")
"""Grows with traffic; growth without traffic means passages do not end."""

FORCED: Final = Counter("alpr_recognizer_passages_forced_total", "Passages ended because the commit note was full")
"""More than a few: too many cameras share a partition; add partitions to `frames`."""

MODEL_SECONDS: Final = Histogram(
    "alpr_recognizer_model_seconds", "Time the models take for a batch", buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
)
"""A rise without larger batches: the machine is shared or throttled."""

CAPTURED_TO_READ: Final = Histogram(
    "alpr_recognizer_captured_to_read_seconds",
    "Capture of the frame that was read to its first read",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600),
)
"""Part of the time to a notification. High while model time is low: frames arrive late or wait on the topic."""

DEVICES_QUARANTINED: Final = Gauge(
    "alpr_recognizer_devices_quarantined", "Devices whose frames are being refused in numbers"
)
"""Which ones stands in the log (`device_quarantined`); their frames wait in the dead letters."""

CAMERA_IN_SERVICE: Final = Gauge(
    "alpr_recognizer_camera_in_service", "1 for each camera of a device in service", ["agency", "camera", "kind"]
)
"""Every worker knows all of them. A camera that stands here and not below has sent nothing since the worker started."""

CAMERA_SEEN: Final = Gauge(
    "alpr_recognizer_camera_seen_timestamp_seconds",
    "When the newest frame of a camera was received",
    ["agency", "camera"],
)
"""Only frames that were let in count. Minutes ago for a fixed camera: its power, its link or its signature is at fault."""


def show_cameras(before: Device | None, after: Device | None) -> None:
    """Bring the cameras in service up to date with a device's registry state, and forget those that left."""
    kept = {camera.camera_id for camera in after.cameras} if after is not None and after.in_service else set()
    if before is not None:
        for camera in before.cameras:
            _forget(CAMERA_IN_SERVICE, before.agency, camera.camera_id, before.kind.value)
            if after is None or after.agency != before.agency or camera.camera_id not in kept:
                _forget(CAMERA_SEEN, before.agency, camera.camera_id)
    if after is not None:
        for camera_id in sorted(kept):
            CAMERA_IN_SERVICE.labels(after.agency, camera_id, after.kind.value).set(1)


def _forget(gauge: Gauge, *labels: str) -> None:
    with suppress(KeyError):
        gauge.remove(*labels)
