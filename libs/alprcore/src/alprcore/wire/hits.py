"""Hits, notifications and releases of storms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from alpr.v1 import hits_pb2, notifications_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import (
    Broadcast,
    ClientKind,
    Difference,
    Grade,
    Hit,
    MatchKind,
    Notification,
    NotificationKind,
    NotificationStatus,
    StateMatch,
    StormRelease,
    to_us,
)
from alprcore.topics import Topic
from alprcore.wire import envelope as e
from alprcore.wire.reads import from_read, to_read

_SAME: Final = (
    "hit_id",
    "entry_id",
    "entry_state",
    "explanation",
    "list_code",
    "list_name",
    "list_version",
    "list_source",
    "list_age_s",
    "list_stale",
    "reason",
    "advisory_class",
    "profile_version",
    "advisory",
    "workflow_state",
    "entry_sealed",
    "entry_key_id",
    "delayed",
    "revision",
    "withdrawn_reason",
    "storm_id",
    "storm_reason",
    "storm_kind",
)
"""Fields that are the same in the model and on the wire."""


def _to_hit(hit: Hit) -> hits_pb2.Hit:
    return hits_pb2.Hit(
        **{name: getattr(hit, name) for name in _SAME},
        read=to_read(hit.read),
        entry_plate=hit.entry_plate.reveal(),
        state_match=hit.state_match.value,
        match_kind=hit.match_kind.value,
        grade=hit.grade.value,
        differences=[
            hits_pb2.Difference(
                position=difference.position,
                read_character=difference.read_character,
                entry_character=difference.entry_character,
                read_probability=difference.read_probability,
            )
            for difference in hit.differences
        ],
        probability=hit.probability,
        list_source_time_us=to_us(hit.list_source_time),
        list_loaded_at_us=to_us(hit.list_loaded_at),
        matched_at_us=to_us(hit.matched_at),
        withdrawn_at_us=to_us(hit.withdrawn_at) if hit.withdrawn_at else 0,
        released_at_us=to_us(hit.released_at) if hit.released_at else 0,
    )


def _from_hit(message: hits_pb2.Hit) -> Hit:
    if not message.HasField("read"):
        raise e.missing("read")
    for field in ("hit_id", "entry_id", "list_code", "reason", "advisory_class", "workflow_state"):
        e.need(field, getattr(message, field))
    match_kind = e.choice("match_kind", MatchKind, message.match_kind)
    with e.odd_is_invalid():
        return Hit(
            **{name: getattr(message, name) for name in _SAME},
            read=from_read(message.read),
            entry_plate=e.plate(
                "entry_plate", e.need("entry_plate", message.entry_plate), pattern=match_kind is MatchKind.PARTIAL
            ),
            state_match=e.choice("state_match", StateMatch, message.state_match),
            match_kind=match_kind,
            grade=e.choice("grade", Grade, message.grade),
            differences=tuple(
                Difference(
                    difference.position,
                    difference.read_character,
                    difference.entry_character,
                    e.number("differences", difference.read_probability),
                )
                for difference in message.differences
            ),
            probability=e.number("probability", message.probability),
            list_source_time=e.moment("list_source_time", message.list_source_time_us),
            list_loaded_at=e.moment("list_loaded_at", message.list_loaded_at_us),
            matched_at=e.moment("matched_at", message.matched_at_us),
            withdrawn_at=_moment_or_none("withdrawn_at", message.withdrawn_at_us),
            released_at=_moment_or_none("released_at", message.released_at_us),
        )


def _moment_or_none(field: str, value: int) -> datetime | None:
    return e.moment(field, value) if value else None


def encode_hit(hit: Hit) -> bytes:
    """Lay out a hit for `hits`."""
    return _to_hit(hit).SerializeToString(deterministic=True)


def name_of(hit: Hit) -> str:
    """Name the message of a hit: one said again is no repetition, which a subscriber may drop."""
    return f"{hit.hit_id}.{hit.revision}" if hit.revision else hit.hit_id


def decode_hit(value: bytes, headers: Mapping[str, bytes]) -> Hit:
    """Read a hit of `hits`."""
    return _from_hit(e.parse(hits_pb2.Hit(), value, headers, Topic.HITS))


def encode_notification(notification: Notification) -> bytes:
    """Lay out a notification for `notifications`."""
    return notifications_pb2.Notification(
        notification_id=notification.notification_id,
        incident_id=notification.incident_id,
        revision=notification.revision,
        agency=notification.agency,
        kind=notification.kind.value,
        status=notification.status.value,
        target=notification.target,
        client_kind=notification.client_kind.value,
        audible=notification.audible,
        screen_text=notification.screen_text,
        hit=_to_hit(notification.hit),
        notified_at_us=to_us(notification.notified_at),
        profile_version=notification.profile_version,
        broadcast=_to_broadcast(notification.broadcast) if notification.broadcast else None,
    ).SerializeToString(deterministic=True)


def _to_broadcast(told: Broadcast) -> notifications_pb2.Broadcast:
    return notifications_pb2.Broadcast(
        broadcast_id=told.broadcast_id,
        kind=told.kind,
        content=dict(told.content),
        channels=told.channels,
        audience=told.audience,
        by=told.by,
        at_us=to_us(told.at),
    )


def _from_broadcast(message: notifications_pb2.Broadcast) -> Broadcast:
    return Broadcast(
        broadcast_id=e.need("broadcast_id", message.broadcast_id),
        kind=e.need("kind", message.kind),
        content=dict(message.content),
        channels=tuple(message.channels),
        audience=tuple(message.audience),
        by=message.by,
        at=e.moment("at", message.at_us),
    )


def decode_notification(value: bytes, headers: Mapping[str, bytes]) -> Notification:
    """Read a notification of `notifications`."""
    message = e.parse(notifications_pb2.Notification(), value, headers, Topic.NOTIFICATIONS)
    if not message.HasField("hit"):
        raise e.missing("hit")
    if not message.revision:
        raise InvalidMessage("FIELD_MISSING", "revision")
    return Notification(
        notification_id=e.need("notification_id", message.notification_id),
        incident_id=e.need("incident_id", message.incident_id),
        revision=message.revision,
        agency=e.need("agency", message.agency),
        kind=e.choice("kind", NotificationKind, message.kind),
        status=e.choice("status", NotificationStatus, message.status),
        target=e.need("target", message.target),
        client_kind=e.choice("client_kind", ClientKind, message.client_kind),
        audible=message.audible,
        screen_text=message.screen_text,
        hit=_from_hit(message.hit),
        notified_at=e.moment("notified_at", message.notified_at_us),
        profile_version=message.profile_version,
        broadcast=_from_broadcast(message.broadcast) if message.HasField("broadcast") else None,
    )


def encode_storm_release(release: StormRelease) -> bytes:
    """Lay out a release for `storm.releases`."""
    return hits_pb2.StormRelease(
        storm_id=release.storm_id,
        agency=release.agency,
        released_by=release.released_by,
        released_at_us=to_us(release.released_at),
    ).SerializeToString(deterministic=True)


def decode_storm_release(value: bytes, headers: Mapping[str, bytes]) -> StormRelease:
    """Read a release of `storm.releases`."""
    message = e.parse(hits_pb2.StormRelease(), value, headers, Topic.STORM_RELEASES)
    return StormRelease(
        storm_id=e.need("storm_id", message.storm_id),
        agency=e.need("agency", message.agency),
        released_by=e.need("released_by", message.released_by),
        released_at=e.moment("released_at", message.released_at_us),
    )
