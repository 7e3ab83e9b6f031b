"""What CAD systems are sent and what they answer: CloudEvents 1.0 in structured mode, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NoReturn
from xml.sax.saxutils import escape

from alprcore.errors import InvalidMessage
from alprcore.model import (
    Before,
    CadSaid,
    CadStatus,
    CapType,
    Hit,
    HitReason,
    ImageLink,
    Notification,
    NotificationKind,
    NotificationStatus,
)
from alprcore.wire import envelope as e
from alprcore.wire.hits import name_of

_INCIDENT_TYPE: Final[Mapping[str, str]] = {
    HitReason.STOLEN_VEHICLE: "VEHSTLN",
    HitReason.STOLEN_PLATE: "VEHSUSP",
    HitReason.LOST_PLATE_OR_VEHICLE: "VEHSUSP",
    HitReason.AMBER_ALERT: "ABDUCTF",
    HitReason.MISSING_CHILD: "ABDUCTNF",
}
"""APCO 2.103.2-2019 common incident types; everything else is an attempt to locate (ATL)."""
NOTICE: Final = "Unverified lead from a plate reader, not grounds for a stop."
RESTRICTION: Final = "The agency's own dispatch system."
_LONGEST: Final = 500
_MESSAGE_LIMIT: Final = 65_536


def cad_event(
    kind: Literal["hit", "notification"],
    subject: Hit | Notification,
    *,
    source: str,
    before: Sequence[Before] = (),
    images: Sequence[ImageLink] = (),
) -> bytes:
    """Make the event for an agency's `cad.` topic.

    The data holds the figures a CAD needs flat; `cap`, the header of an OASIS CAP 1.2 message with the chain of those
    `before`; and `eido`, a projection on NENA EIDO 1.0 (STA-021.1b). Nothing sealed leaves by this door.
    """
    notification = subject if isinstance(subject, Notification) else None
    hit = subject.hit if isinstance(subject, Notification) else subject
    if (kind == "notification") != (notification is not None):
        raise ValueError("the kind does not fit the subject")
    data = hit_facts(hit)
    if notification is None:
        return _event(kind, name_of(hit), hit.hit_id, source, hit.matched_at, _with_images(data, images) | {
            "eido": eido(hit, hit.hit_id, images, source, hit.matched_at),
        })  # fmt: skip
    data |= {
        "notification_id": notification.notification_id,
        "incident_id": notification.incident_id,
        "revision": notification.revision,
        "update_no": 0,
        "kind": notification.kind.value,
        "status": notification.status.value,
        "target": notification.target,
        "audible": notification.audible,
        "screen_text": notification.screen_text,
        "notified_at": e.rfc3339(notification.notified_at),
        "cap": cap(
            hit.read.agency, notification.notification_id, notification.notified_at, notification.status,
            _cap_type(notification), before,
        ),
    }  # fmt: skip
    data["eido"] = eido(hit, notification.incident_id, images, source, notification.notified_at)
    return _event(
        kind, notification.notification_id, notification.incident_id, source, notification.notified_at,
        _with_images(data, images),
    )  # fmt: skip


def cad_work(
    kind: Literal["call", "update"],
    hit: Hit,
    *,
    event_id: str,
    incident_id: str,
    revision: int,
    update_no: int,
    cap_type: CapType,
    status: NotificationStatus,
    work: Mapping[str, str],
    source: str,
    now: datetime,
    before: Sequence[Before] = (),
    images: Sequence[ImageLink] = (),
) -> bytes:
    """Make the event that tells a CAD system what people did with a hit, or that a call for service was entered.

    `work` holds codes and what the call says; `update_no` counts these events of the incident from 1, so that
    (`revision`, `update_no`) puts everything said of it in order.
    """
    data = hit_facts(hit) | {
        "workflow_state": work.get("state") or hit.workflow_state,
        "incident_id": incident_id,
        "revision": revision,
        "update_no": update_no,
        "kind": kind,
        "status": status.value,
        "work": dict(work),
        "notified_at": e.rfc3339(now),
        "cap": cap(hit.read.agency, event_id, now, status, cap_type, before),
        "eido": eido(hit, incident_id, images, source, now),
    }
    return _event(kind, event_id, incident_id, source, now, _with_images(data, images))


def decode_cad_status(value: bytes) -> CadStatus:
    """Read what a CAD system said. Raises `InvalidMessage`: outsiders write this topic, anything may stand there."""
    if len(value) > _MESSAGE_LIMIT:
        raise InvalidMessage("MALFORMED", "longer than 64 KiB")
    try:
        event = json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage("MALFORMED", "no JSON") from error
    if not isinstance(event, dict) or not isinstance(data := event.get("data"), dict):
        raise InvalidMessage("MALFORMED", "no CloudEvent with data")
    if event.get("specversion") != "1.0" or event.get("type") != "alpr.v1.cad.status":
        raise InvalidMessage("SCHEMA_UNKNOWN", "specversion, type")
    try:
        status = CadSaid(_text(data, "status", 20))
        told = datetime.fromisoformat(_text(event, "time", 40))
        said_at = told.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidMessage("FIELD_INVALID", "status, time") from error
    if told.tzinfo is None:
        raise InvalidMessage("FIELD_INVALID", "time")
    said = CadStatus(
        event_id=e.need("id", _text(event, "id", 200)),
        incident_id=e.need("incident_id", _text(data, "incident_id", 64)),
        status=status,
        said_at=said_at,
        reason=_text(data, "reason", _LONGEST),
        call_number=_text(data, "call_number", 64),
        unit=_text(data, "unit", 64),
        simulated=data.get("simulated") is True,
    )
    if said.status is CadSaid.REJECTED and not said.reason:
        raise InvalidMessage("FIELD_MISSING", "reason")
    return said


def encode_cad_status(said: CadStatus, *, source: str) -> bytes:
    """Lay out an answer as a CAD system does; the simulator and tests speak with it."""
    data: dict[str, Any] = {"incident_id": said.incident_id, "status": said.status.value}
    data |= {name: text for name in ("reason", "call_number", "unit") if (text := getattr(said, name))}
    if said.simulated:
        data["simulated"] = True
    return _event("status", said.event_id, said.incident_id, source, said.said_at, data)


def hit_facts(hit: Hit) -> dict[str, Any]:
    """Lay out a hit flat: what was read, what is listed, where and when."""
    read = hit.read
    facts = {
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
    if hit.withdrawn_at is not None:
        facts |= {"withdrawn_at": e.rfc3339(hit.withdrawn_at), "withdrawn_reason": hit.withdrawn_reason}
    return facts


def cap(
    agency: str,
    identifier: str,
    sent: datetime,
    status: NotificationStatus,
    cap_type: CapType,
    before: Sequence[Before],
) -> dict[str, str]:
    """Lay out the header of a CAP 1.2 message; `references` names the messages before it, oldest first (CAP 3.2.1)."""
    sender = f"plateline.{agency}"
    references = " ".join(f"{sender},{item.identifier},{_cap_time(item.sent)}" for item in before)
    return {
        "identifier": identifier,
        "sender": sender,
        "sent": _cap_time(sent),
        "status": status.value,
        "msgType": cap_type.value,
        "scope": "Restricted",
        "restriction": RESTRICTION,
    } | ({"references": references} if references else {})


def eido(hit: Hit, incident_id: str, images: Sequence[ImageLink], source: str, now: datetime) -> dict[str, Any]:
    """Lay out a hit as NENA EIDO 1.0, with the elements its published OpenAPI schema requires of those used here.

    There is no element for a license plate: it stands in `ncVehicleComponent.identification`, category LPN. The
    vehicle is involved, never suspect: nobody has verified anything yet.
    """
    read, urn = hit.read, f"urn:plateline:{incident_id}"

    def refer(name: str) -> dict[str, str]:
        return {"$ref": f"{urn}:{name}"}

    def component(name: str, **fields: Any) -> dict[str, Any]:
        return {
            "$id": f"{urn}:{name}", "lastUpdateTimeStamp": e.rfc3339(now), "updatedByAgencyReference": refer("agency"),
            **fields,
        }  # fmt: skip

    identification: dict[str, Any] = {
        "identificationID": [{"value": hit.entry_plate.reveal()}],
        "conveyanceCategoryCode": [{"simpleType": "LPN"}],
    }
    if hit.entry_state:
        identification["jurisdiction"] = [{"text": [{"value": hit.entry_state.removeprefix("US-")}]}]
    media = [
        component(f"image-{link.role}", uri=link.url, contentType="image/jpeg", label=link.role) for link in images
    ]
    vehicle = component(
        "vehicle",
        vehicleRelationshipType=["InvolvedVehicle"],
        vehicleRelationshipTimeStamp=e.rfc3339(read.captured_at),
        ncVehicleComponent={"identification": [identification]},
        locationReference=[refer("location")],
    )
    if media:
        vehicle["mediaReferences"] = [{"$ref": item["$id"]} for item in media]
    whole = component(
        "eido",
        eidoVersion="1.0",
        issuingElementIdentification=source,
        agencyComponent=[
            component("agency", agencyRoleDescriptionRegistryText=["Dispatch"], agencyType=["police"])
            | {"incidentOwningAgencyIndicator": True}
        ],
        incidentComponent=component(
            "incident",
            incidentTypeCommonRegistryText=_INCIDENT_TYPE.get(hit.reason, "ATL"),
            internalIncidentId=incident_id,
            locationReference=[refer("location")],
            vehicleReference=[refer("vehicle")],
            notesReference=[refer("note")],
        ),
        locationComponent=[
            component("location", locationTypeDescriptionRegistryText="Incident", locationByValue=_pidf_lo(hit, urn))
        ],
        vehicleComponent=[vehicle],
        notesComponent=[component("note", notesActionComments=NOTICE)],
    )
    if media:
        whole["mediaComponent"] = media
    return whole


def _pidf_lo(hit: Hit, urn: str) -> str:
    point = hit.read.location.point
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
        'xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:gml="http://www.opengis.net/gml" '
        f'entity="{escape(urn)}"><dm:device id="vehicle"><gp:geopriv><gp:location-info>'
        '<gml:Point srsName="urn:ogc:def:crs:EPSG::4326">'
        f"<gml:pos>{point.latitude:.7f} {point.longitude:.7f}</gml:pos></gml:Point>"
        "</gp:location-info><gp:usage-rules/></gp:geopriv>"
        f"<dm:timestamp>{e.rfc3339(hit.read.captured_at)}</dm:timestamp></dm:device></presence>"
    )


def _with_images(data: dict[str, Any], images: Sequence[ImageLink]) -> dict[str, Any]:
    if not images:
        return data
    return data | {
        "images": [{"role": i.role, "url": i.url, "expires_at": e.rfc3339(i.expires_at)} for i in images]
    }  # fmt: skip


def _event(kind: str, event_id: str, subject: str, source: str, moment: datetime, data: Mapping[str, Any]) -> bytes:
    event = {
        "specversion": "1.0",
        "type": f"alpr.v1.cad.{kind}",
        "source": source,
        "id": event_id,
        "subject": subject,
        "time": e.rfc3339(moment),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _cap_type(notification: Notification) -> CapType:
    if notification.kind is NotificationKind.RECALL:
        return CapType.CANCEL
    return CapType.ALERT if notification.revision == 1 else CapType.UPDATE


def _cap_time(moment: datetime) -> str:
    """Whole seconds with a numeric offset: CAP 3.3.2 forbids the letter Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")


def _text(content: Mapping[str, Any], field: str, longest: int) -> str:
    text = content.get(field, "")
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise InvalidMessage("FIELD_INVALID", field)
    return text.strip()


def _no_number(_: str) -> NoReturn:
    raise ValueError("no JSON number")
