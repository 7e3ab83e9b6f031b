"""Frames and the devices they come from."""

from __future__ import annotations

from collections.abc import Mapping

from alpr.v1 import devices_pb2, frames_pb2, types_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import Camera, Device, DeviceChecks, DeviceKind, Frame, GeoPoint, ImageRef, Siting, View, to_us
from alprcore.topics import Topic
from alprcore.wire import envelope as e


def encode_frame(frame: Frame) -> bytes:
    """Lay out a frame for `frames`."""
    message = frames_pb2.Frame(
        frame_id=frame.frame_id,
        agency=frame.agency,
        device_id=frame.device_id,
        camera_id=frame.camera_id,
        sequence=frame.sequence,
        captured_at_us=to_us(frame.captured_at),
        received_at_us=0 if frame.received_at is None else to_us(frame.received_at),
        location=None if frame.location is None else e.to_location(frame.location),
        sha256=frame.sha256,
        signature=frame.signature,
        view=frame.view.value,
    )
    if isinstance(frame.image, ImageRef):
        message.image_ref.CopyFrom(e.to_image_ref(frame.image))
    else:
        message.jpeg = frame.image
    return message.SerializeToString(deterministic=True)


def decode_frame(value: bytes, headers: Mapping[str, bytes]) -> Frame:
    """Read a frame of `frames`; FIELD_MISSING names what CAP-02 asks for: location, captured_at, image."""
    message = e.parse(frames_pb2.Frame(), value, headers, Topic.FRAMES)
    image: bytes | ImageRef
    match message.WhichOneof("image"):
        case "jpeg" if message.jpeg:
            image = message.jpeg
        case "image_ref":
            image = e.from_image_ref("image", message.image_ref)
        case _:
            raise e.missing("image")
    if not message.HasField("location"):
        raise e.missing("location")
    with e.odd_is_invalid():
        return Frame(
            frame_id=e.need("frame_id", message.frame_id),
            agency=e.need("agency", message.agency),
            device_id=e.need("device_id", message.device_id),
            camera_id=e.need("camera_id", message.camera_id),
            sequence=message.sequence,
            captured_at=e.moment("captured_at", message.captured_at_us),
            received_at=e.moment_or_none("received_at", message.received_at_us),
            location=e.from_location("location", message.location),
            sha256=e.digest("sha256", message.sha256),
            signature=message.signature,
            view=e.choice("view", View, message.view, View.UNKNOWN),
            image=image,
        )


def encode_device(device: Device) -> bytes:
    """Lay out the registry state of a device for `devices`."""
    message = devices_pb2.Device(
        device_id=device.device_id,
        agency=device.agency,
        kind=device.kind.value,
        name=device.name,
        carrier=device.carrier,
        cameras=[
            devices_pb2.Camera(
                camera_id=camera.camera_id, name=camera.name, directions=camera.directions, view=camera.view.value
            )
            for camera in device.cameras
        ],
        in_service=device.in_service,
        public_key=device.public_key,
        software_version=device.software_version,
        revision=device.revision,
    )
    if device.siting is not None:
        declared_on = device.siting.declared_on
        message.siting.CopyFrom(
            devices_pb2.Siting(
                public_view=device.siting.public_view,
                approver=device.siting.approver,
                declared_on="" if declared_on is None else declared_on.isoformat(),
            )
        )
    if device.position is not None:
        message.position.CopyFrom(
            types_pb2.GeoPoint(latitude=device.position.latitude, longitude=device.position.longitude)
        )
    return message.SerializeToString(deterministic=True)


def decode_device(value: bytes, headers: Mapping[str, bytes]) -> Device:
    """Read the registry state of a device from `devices`."""
    message = e.parse(devices_pb2.Device(), value, headers, Topic.DEVICES)
    siting = None
    if message.HasField("siting"):
        declared_on = message.siting.declared_on
        siting = Siting(
            message.siting.public_view,
            message.siting.approver,
            e.day("siting.declared_on", declared_on) if declared_on else None,
        )
    if len(message.public_key) not in {0, 32}:
        raise InvalidMessage("FIELD_INVALID", "public_key")
    with e.odd_is_invalid():
        return Device(
            device_id=e.need("device_id", message.device_id),
            agency=e.need("agency", message.agency),
            kind=e.choice("kind", DeviceKind, message.kind),
            name=message.name,
            carrier=message.carrier,
            cameras=tuple(
                Camera(
                    e.need("cameras.camera_id", camera.camera_id),
                    camera.name,
                    tuple(camera.directions),
                    e.choice("cameras.view", View, camera.view, View.UNKNOWN),
                )
                for camera in message.cameras
            ),
            siting=siting,
            in_service=message.in_service,
            position=(
                GeoPoint(message.position.latitude, message.position.longitude)
                if message.HasField("position")
                else None
            ),
            public_key=message.public_key,
            software_version=message.software_version,
            revision=message.revision,
        )


def encode_device_checks(checks: DeviceChecks) -> bytes:
    """Lay out what people found about a device for `devices.checks`."""
    return devices_pb2.DeviceChecks(
        device_id=checks.device_id,
        agency=checks.agency,
        reader=checks.reader,
        checked=checks.checked,
        misread=checks.misread,
        characters=checks.characters,
        mistaken=checks.mistaken,
        updated_at_us=to_us(checks.updated_at),
    ).SerializeToString(deterministic=True)


def decode_device_checks(value: bytes, headers: Mapping[str, bytes]) -> DeviceChecks:
    """Read what people found about a device from `devices.checks`."""
    message = e.parse(devices_pb2.DeviceChecks(), value, headers, Topic.DEVICES_CHECKS)
    if message.misread > message.checked:
        raise InvalidMessage("FIELD_INVALID", "misread: more than were checked")
    return DeviceChecks(
        device_id=e.need("device_id", message.device_id),
        agency=e.need("agency", message.agency),
        reader=e.need("reader", message.reader),
        checked=message.checked,
        misread=message.misread,
        characters=dict(message.characters),
        mistaken=dict(message.mistaken),
        updated_at=e.moment("updated_at", message.updated_at_us),
    )
