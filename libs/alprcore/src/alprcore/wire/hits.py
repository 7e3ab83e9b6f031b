"""Hits, notifications, and their projection for CAD systems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from alpr.v1 import hits_pb2, notifications_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import (
    ClientKind,
    Difference,
    Grade,
    Hit,
    HitReason,
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
    ).SerializeToString(deterministic=True)


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


_INCIDENT_TYPE: Final[Mapping[str, str]] = {
    HitReason.STOLEN_VEHICLE: "VEHSTLN",
    HitReason.STOLEN_PLATE: "VEHSUSP",
    HitReason.LOST_PLATE_OR_VEHICLE: "VEHSUSP",
    HitReason.AMBER_ALERT: "ABDUCTF",
    HitReason.MISSING_CHILD: "ABDUCTNF",
}
"""APCO 2.103.2-2019 common incident types; everything else is an attempt to locate (ATL)."""


def cad_event(kind: Literal["hit", "notification"], subject: Hit | Notification, *, source: str) -> bytes:
    """Make the event for an agency's `cad.` topic: CloudEvents 1.0 JSON, structured mode.

    The data holds the figures a CAD needs flat, and `eido`, a projection shaped like NENA EIDO 1.0
    (STA-021.1b): the plate stands in `ncVehicleComponent.identification` with category LPN. Nothing
    sealed and no image address leaves by this door.
    """
    notification = subject if isinstance(subject, Notification) else None
    hit = subject.hit if isinstance(subject, Notification) else subject
    if (kind == "notification") != (notification is not None):
        raise ValueError("the kind does not fit the subject")
    data = _facts(hit)
    if hit.withdrawn_at is not None:
        data |= {"withdrawn_at": e.rfc3339(hit.withdrawn_at), "withdrawn_reason": hit.withdrawn_reason}
    if notification is not None:
        data |= {
            "notification_id": notification.notification_id,
            "incident_id": notification.incident_id,
            "revision": notification.revision,
            "kind": notification.kind.value,
            "status": notification.status.value,
            "target": notification.target,
            "audible": notification.audible,
            "screen_text": notification.screen_text,
            "notified_at": e.rfc3339(notification.notified_at),
        }
    data["eido"] = _eido(hit, notification, source)
    event = {
        "specversion": "1.0",
        "type": f"alpr.v1.cad.{kind}",
        "source": source,
        "id": name_of(hit) if notification is None else notification.notification_id,
        "subject": hit.hit_id if notification is None else notification.incident_id,
        "time": e.rfc3339(hit.matched_at if notification is None else notification.notified_at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _facts(hit: Hit) -> dict[str, Any]:
    read = hit.read
    return {
        "hit_id": hit.hit_id,
        "read_id": read.read_id,
        "agency": read.agency,
        "plate_read": read.plate.reveal(),
        "plate_listed": hit.entry_plate.reveal(),
        "state_read": read.state,
        "state_listed": hit.entry_state,
        "state_match": hit.state_match.value,
        "grade": hit.grade.value,
        "probability": round(hit.probability, 4),
        "explanation": hit.explanation,
        "reason": hit.reason,
        "advisory_class": hit.advisory_class,
        "advisory": hit.advisory,
        "workflow_state": hit.workflow_state,
        "delayed": hit.delayed,
        "list": {
            "code": hit.list_code,
            "name": hit.list_name,
            "version": hit.list_version,
            "source": hit.list_source,
            "source_time": e.rfc3339(hit.list_source_time),
            "age_s": hit.list_age_s,
            "stale": hit.list_stale,
        },
        "device": {"id": read.device_id, "kind": read.device_kind.value, "name": read.device_name},
        "camera_id": read.camera_id,
        "direction": read.direction,
        "location": {
            "latitude": read.location.point.latitude,
            "longitude": read.location.point.longitude,
            "quality": read.location.quality.value,
        },
        "captured_at": e.rfc3339(read.captured_at),
        "read_at": e.rfc3339(read.read_at),
        "matched_at": e.rfc3339(hit.matched_at),
    }


def _eido(hit: Hit, notification: Notification | None, source: str) -> dict[str, Any]:
    point = hit.read.location.point
    identification: dict[str, Any] = {
        "identificationId": [hit.entry_plate.reveal()],
        "conveyanceCategoryCode": "LPN",
    }
    if hit.entry_state:
        identification["jurisdiction"] = {"stateCode": hit.entry_state.removeprefix("US-")}
    return {
        "eidoVersion": "1.0",
        "issuingElementIdentification": source,
        "agencyComponent": [{"agencyIdentifier": hit.read.agency}],
        "incidentComponent": {
            "incidentTrackingIdentifier": hit.hit_id if notification is None else notification.incident_id,
            "incidentTypeCommonRegistryText": [_INCIDENT_TYPE.get(hit.reason, "ATL")],
            "incidentTimeStamp": e.rfc3339(hit.read.captured_at),
        },
        "locationComponent": [{"locationGeodetic": {"latitude": point.latitude, "longitude": point.longitude}}],
        "vehicleComponent": [
            {
                "vehicleRelationshipType": ["InvolvedVehicle"],
                "ncVehicleComponent": {"identification": [identification]},
            }
        ],
        "notesComponent": [{"noteText": "Unverified lead from a plate reader, not grounds for a stop."}],
    }
