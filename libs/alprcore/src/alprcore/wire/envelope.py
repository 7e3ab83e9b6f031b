"""The envelope of every message: CloudEvents headers, and the checks that all decoders share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from alpr.v1 import types_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import (
    Box,
    Corners,
    GeoPoint,
    ImageRef,
    ImageRole,
    Location,
    LocationQuality,
    Plate,
    Provenance,
    View,
    from_us,
)
from alprcore.plates import LONGEST
from alprcore.topics import Topic

CE_TYPE: Final[Mapping[Topic, str]] = {
    Topic.FRAMES: "alpr.v1.frame",
    Topic.READS: "alpr.v1.read",
    Topic.HOTLIST: "alpr.v1.hotlist_bucket",
    Topic.HOTLIST_PARTIALS: "alpr.v1.partial_entry",
    Topic.HOTLIST_VERSIONS: "alpr.v1.list_version",
    Topic.HOTLIST_ALARMS: "alpr.v1.list_alarm",
    Topic.DEVICES: "alpr.v1.device",
    Topic.DEVICES_CHECKS: "alpr.v1.device_checks",
    Topic.PROFILES: "alpr.v1.profile",
    Topic.IMAGE_KEYS: "alpr.v1.image_key",
    Topic.HITS: "alpr.v1.hit",
    Topic.STORM_RELEASES: "alpr.v1.storm_release",
    Topic.NOTIFICATIONS: "alpr.v1.notification",
    Topic.PURGES: "alpr.v1.purge_order",
    Topic.PURGE_ANSWERS: "alpr.v1.purge_answer",
    Topic.AUDIT: "alpr.v1.audit_event",
    Topic.AUDIT_CHECKPOINTS: "alpr.v1.checkpoint",
}
"""CloudEvents type of the messages of each topic; the `cad.` topics carry structured JSON instead."""

_PLATE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_PATTERN: Final = _PLATE | frozenset("?*")
M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=StrEnum)


def rfc3339(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC, microseconds always present so that texts sort like times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def headers_for(
    topic: Topic,
    *,
    id: str,  # noqa: A002 (CloudEvents calls it so)
    source: str,
    time: datetime,
    traceparent: str = "",
) -> list[tuple[str, bytes]]:
    """Make the headers of one message: CloudEvents 1.0 Kafka binding, binary content mode.

    For the `cad.` topics the value is a whole event, so only its content type is a header.
    `traceparent` (W3C Trace Context) follows a frame to its notification; empty: no trace.
    """
    if topic not in CE_TYPE:
        headers = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    else:
        headers = {
            "ce_specversion": "1.0",
            "ce_type": CE_TYPE[topic],
            "ce_source": source,
            "ce_id": id,
            "ce_time": rfc3339(time),
            "content-type": "application/protobuf",
        }
    if traceparent:
        headers["traceparent"] = traceparent
    return [(name, text.encode()) for name, text in headers.items()]


def parse(message: M, value: bytes, headers: Mapping[str, bytes] | None, topic: Topic | None = None) -> M:
    """Fill `message` from `value` after a look at its type; raises SCHEMA_UNKNOWN or MALFORMED."""
    if topic is not None:
        found = (headers or {}).get("ce_type", b"")
        if found != CE_TYPE[topic].encode():
            named = found[:80].decode("ascii", "replace") or "no ce_type"
            raise InvalidMessage("SCHEMA_UNKNOWN", f"{named} instead of {CE_TYPE[topic]}")
    try:
        message.ParseFromString(value)
    except (DecodeError, TypeError, RecursionError) as error:
        raise InvalidMessage("MALFORMED", f"{len(value)} bytes are no {message.DESCRIPTOR.full_name}") from error
    return message


@contextmanager
def odd_is_invalid() -> Iterator[None]:
    """Turn a broken invariant of the model into FIELD_INVALID."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise InvalidMessage("FIELD_INVALID", str(error)) from error


def missing(field: str) -> InvalidMessage:
    """Say that a required field is absent."""
    return InvalidMessage("FIELD_MISSING", field)


def need(field: str, value: str) -> str:
    """Insist on a text."""
    if not value:
        raise missing(field)
    return value


def plate(field: str, value: str, *, pattern: bool = False) -> Plate:
    """Accept A-Z and 0-9, at most 12 of them; a pattern may also hold `?` and `*`. Empty is empty."""
    if len(value) > LONGEST or not (_PATTERN if pattern else _PLATE).issuperset(value):
        raise InvalidMessage("FIELD_INVALID", field)
    return Plate(value)


def choice(field: str, kind: type[E], value: str, default: E | None = None) -> E:
    """Accept one word of a closed list; an empty one means `default` where there is one."""
    if not value:
        if default is None:
            raise missing(field)
        return default
    try:
        return kind(value)
    except ValueError:
        raise InvalidMessage("FIELD_INVALID", field) from None


def moment(field: str, microseconds: int) -> datetime:
    """Accept a time; 0 means that it is absent."""
    if not microseconds:
        raise missing(field)
    try:
        return from_us(microseconds)
    except OverflowError:
        raise InvalidMessage("FIELD_INVALID", field) from None


def moment_or_none(field: str, microseconds: int) -> datetime | None:
    """Accept a time that may be absent."""
    return moment(field, microseconds) if microseconds else None


def day(field: str, text: str) -> date:
    """Accept a day as YYYY-MM-DD."""
    try:
        found = date.fromisoformat(need(field, text))
    except ValueError:
        raise InvalidMessage("FIELD_INVALID", field) from None
    if found.isoformat() != text:  # fromisoformat also takes 20260131 and 2026-W05-6
        raise InvalidMessage("FIELD_INVALID", field)
    return found


def number(field: str, value: float) -> float:
    """Accept a finite number."""
    if not math.isfinite(value):
        raise InvalidMessage("FIELD_INVALID", field)
    return value


def digest(field: str, value: bytes) -> bytes:
    """Accept a SHA-256."""
    if not value:
        raise missing(field)
    if len(value) != 32:
        raise InvalidMessage("FIELD_INVALID", field)
    return value


def to_location(location: Location) -> types_pb2.Location:
    """Lay out a location; headings keep one decimal, as in the text that devices sign."""
    return types_pb2.Location(
        point=types_pb2.GeoPoint(latitude=location.point.latitude, longitude=location.point.longitude),
        quality=location.quality.value,
        age_s=location.age_s,
        heading=None if location.heading is None else round(location.heading, 1),
    )


def from_location(field: str, message: types_pb2.Location) -> Location:
    """Read a location; without a point it counts as missing."""
    if not message.HasField("point"):
        raise missing(field)
    age_s = number(f"{field}.age_s", message.age_s)
    heading = round(number(f"{field}.heading", message.heading), 1) if message.HasField("heading") else None
    if age_s < 0 or not 0 <= (heading or 0) <= 360:
        raise InvalidMessage("FIELD_INVALID", field)
    try:
        point = GeoPoint(message.point.latitude, message.point.longitude)
    except ValueError:
        raise InvalidMessage("FIELD_INVALID", field) from None
    return Location(point, choice(f"{field}.quality", LocationQuality, message.quality), age_s, heading)


def to_image_ref(image: ImageRef) -> types_pb2.ImageRef:
    """Lay out a reference to a stored image."""
    return types_pb2.ImageRef(
        key=image.key,
        sha256=image.sha256,
        role=image.role.value,
        view=image.view.value,
        sealed_to="" if image.sealed_to is None else image.sealed_to.isoformat(),
        once_key=image.once_key,
    )


def from_image_ref(field: str, message: types_pb2.ImageRef) -> ImageRef:
    """Read a reference to a stored image; a key that could leave the store is refused."""
    key = need(field, message.key)
    if key.startswith("/") or ".." in key.split("/") or "\\" in key or not key.isprintable():
        raise InvalidMessage("FIELD_INVALID", f"{field}.key")
    if len(message.once_key) not in {0, 32}:
        raise InvalidMessage("FIELD_INVALID", f"{field}.once_key")
    return ImageRef(
        key,
        digest(f"{field}.sha256", message.sha256),
        choice(f"{field}.role", ImageRole, message.role),
        choice(f"{field}.view", View, message.view, View.UNKNOWN),
        day(f"{field}.sealed_to", message.sealed_to) if message.sealed_to else None,
        message.once_key,
    )


def to_box(box: Box) -> types_pb2.Box:
    """Lay out a rectangle."""
    return types_pb2.Box(x=box.x, y=box.y, width=box.width, height=box.height)


def from_box(message: types_pb2.Box) -> Box:
    """Read a rectangle."""
    return Box(*(number("box", side) for side in (message.x, message.y, message.width, message.height)))


def to_corners(corners: Corners | None) -> list[types_pb2.Point]:
    """Lay out a plate's four corners, or none."""
    return [types_pb2.Point(x=x, y=y) for x, y in corners or ()]


def from_corners(points: Sequence[types_pb2.Point]) -> Corners | None:
    """Read a plate's corners: four or none, finite."""
    if not points:
        return None
    if len(points) != 4:
        raise InvalidMessage("FIELD_INVALID", "corners")
    one, two, three, four = ((number("corners", point.x), number("corners", point.y)) for point in points)
    return one, two, three, four


def to_provenance(provenance: Provenance) -> types_pb2.Provenance:
    """Lay out a model's name and hash."""
    return types_pb2.Provenance(name=provenance.name, sha256=provenance.sha256)


def from_provenance(message: types_pb2.Provenance) -> Provenance:
    """Read a model's name and hash."""
    return Provenance(message.name, message.sha256)
