"""The nouns of Plateline: frame, read, entry, hit, notification, device, and the ids that name them.

Values are frozen; invariants are checked when they are made and broken ones raise `ValueError`.
Times are UTC with microseconds. Ids are uuid5 over what makes the thing unique, so that a repeat
is recognized by its id and never has to be prevented (docs/decisions/0003).
"""

from alprcore.model.devices import Camera, Device, DeviceKind, GeoPoint, Location, LocationQuality, Siting, View
from alprcore.model.frames import (
    INLINE_JPEG_LIMIT,
    Box,
    Corners,
    Frame,
    ImageRef,
    ImageRole,
    Point,
    signed_text,
)
from alprcore.model.hits import (
    ClientKind,
    Difference,
    Grade,
    Hit,
    MatchKind,
    Notification,
    NotificationKind,
    NotificationStatus,
    StateMatch,
)
from alprcore.model.ids import (
    EPOCH,
    NAMESPACE,
    UNKNOWN,
    entry_id,
    event_id,
    frame_id,
    from_us,
    hit_id,
    incident_id,
    make_id,
    notification_id,
    read_id,
    to_us,
)
from alprcore.model.lists import Entry, EntryDetails, HitReason, ListVersion
from alprcore.model.people import ADMITTED, Admitted, Decision, Person, Refused
from alprcore.model.reads import Alternative, Character, Plate, Provenance, Read, StateScore, Vehicle
from alprcore.model.records import AuditEvent, Checkpoint, ImageKey, ProfileRecord

__all__ = [
    "ADMITTED",
    "EPOCH",
    "INLINE_JPEG_LIMIT",
    "NAMESPACE",
    "UNKNOWN",
    "Admitted",
    "Alternative",
    "AuditEvent",
    "Box",
    "Camera",
    "Character",
    "Checkpoint",
    "ClientKind",
    "Corners",
    "Decision",
    "Device",
    "DeviceKind",
    "Difference",
    "Entry",
    "EntryDetails",
    "Frame",
    "GeoPoint",
    "Grade",
    "Hit",
    "HitReason",
    "ImageKey",
    "ImageRef",
    "ImageRole",
    "ListVersion",
    "Location",
    "LocationQuality",
    "MatchKind",
    "Notification",
    "NotificationKind",
    "NotificationStatus",
    "Person",
    "Plate",
    "Point",
    "ProfileRecord",
    "Provenance",
    "Read",
    "Refused",
    "Siting",
    "StateMatch",
    "StateScore",
    "Vehicle",
    "View",
    "entry_id",
    "event_id",
    "frame_id",
    "from_us",
    "hit_id",
    "incident_id",
    "make_id",
    "notification_id",
    "read_id",
    "signed_text",
    "to_us",
]
