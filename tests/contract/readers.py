"""Who reads which topic, and how: each example of a topic must pass through every function listed for it.

A service adds one line for each topic it reads: the function takes value and headers and raises
`InvalidMessage` when it could not process the message.
"""

from collections.abc import Callable

from alprcore import wire

Reader = Callable[[bytes, dict[str, bytes]], object]

READERS: dict[tuple[str, str], Reader] = {
    ("recognizer", "frames"): wire.decode_frame,
    ("recognizer", "devices"): wire.decode_device,
    ("recognizer", "profiles"): wire.decode_profile,
    ("recognizer", "image.keys"): wire.decode_image_key,
    ("ingest", "reads"): wire.decode_read,
    ("ingest", "profiles"): wire.decode_profile,
    ("matcher", "reads"): wire.decode_read,
    ("matcher", "hotlist"): wire.decode_bucket,
    ("matcher", "hotlist.partials"): wire.decode_partial,
    ("matcher", "hotlist.versions"): wire.decode_list_version,
    ("matcher", "profiles"): wire.decode_profile,
    ("matcher", "hits"): wire.decode_hit,
    ("matcher", "devices.checks"): wire.decode_device_checks,
    ("matcher", "storm.releases"): wire.decode_storm_release,
    ("retention", "reads"): wire.decode_read,
    ("retention", "hits"): wire.decode_hit,
    ("retention", "profiles"): wire.decode_profile,
    ("console", "hits"): wire.decode_hit,
    ("console", "notifications"): wire.decode_notification,
    ("console", "hotlist.alarms"): wire.decode_list_alarm,
    ("console", "purges"): wire.decode_purge_order,
    ("ingest", "purges"): wire.decode_purge_order,
    ("retention", "purge.answers"): wire.decode_purge_answer,
    ("audit", "audit"): wire.decode_audit_event,
    ("audit", "profiles"): wire.decode_profile,
    ("audit", "devices"): wire.decode_device,
    ("witnesses", "audit.checkpoints"): wire.decode_checkpoint,
}
