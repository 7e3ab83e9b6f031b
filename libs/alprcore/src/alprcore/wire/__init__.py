"""Bytes to model and back, for every topic. The only importer of the generated code.

A decoder raises `InvalidMessage` and nothing else: MALFORMED (bytes that are no such message),
SCHEMA_UNKNOWN (`ce_type` absent or of another version), FIELD_MISSING and FIELD_INVALID (naming the field).
"""

from alprcore.wire.envelope import CE_TYPE, headers_for, rfc3339
from alprcore.wire.frames import (
    decode_device,
    decode_device_checks,
    decode_frame,
    encode_device,
    encode_device_checks,
    encode_frame,
)
from alprcore.wire.hits import (
    cad_event,
    decode_hit,
    decode_notification,
    decode_storm_release,
    encode_hit,
    encode_notification,
    encode_storm_release,
    name_of,
)
from alprcore.wire.ledger import (
    decode_audit_event,
    decode_checkpoint,
    decode_image_key,
    decode_profile,
    encode_audit_event,
    encode_checkpoint,
    encode_image_key,
    encode_profile,
)
from alprcore.wire.lists import (
    bucket_plates,
    decode_bucket,
    decode_entry_details,
    decode_list_alarm,
    decode_list_version,
    decode_partial,
    encode_bucket,
    encode_entry_details,
    encode_list_alarm,
    encode_list_version,
    encode_partial,
)
from alprcore.wire.reads import ReadHeading, decode_read, encode_read, read_heading

__all__ = [
    "CE_TYPE",
    "ReadHeading",
    "bucket_plates",
    "cad_event",
    "decode_audit_event",
    "decode_bucket",
    "decode_checkpoint",
    "decode_device",
    "decode_device_checks",
    "decode_entry_details",
    "decode_frame",
    "decode_hit",
    "decode_image_key",
    "decode_list_alarm",
    "decode_list_version",
    "decode_notification",
    "decode_partial",
    "decode_profile",
    "decode_read",
    "decode_storm_release",
    "encode_audit_event",
    "encode_bucket",
    "encode_checkpoint",
    "encode_device",
    "encode_device_checks",
    "encode_entry_details",
    "encode_frame",
    "encode_hit",
    "encode_image_key",
    "encode_list_alarm",
    "encode_list_version",
    "encode_notification",
    "encode_partial",
    "encode_profile",
    "encode_read",
    "encode_storm_release",
    "headers_for",
    "name_of",
    "read_heading",
    "rfc3339",
]
