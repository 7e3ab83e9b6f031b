"""Reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alpr.v1 import reads_pb2
from alprcore.model import (
    UNKNOWN,
    Alternative,
    Character,
    DeviceKind,
    FrameProof,
    Plate,
    Read,
    StateScore,
    Vehicle,
    View,
    to_us,
)
from alprcore.topics import Topic
from alprcore.wire import envelope as e


def to_read(read: Read) -> reads_pb2.Read:
    """Lay out a read."""
    return reads_pb2.Read(
        read_id=read.read_id,
        revision=read.revision,
        agency=read.agency,
        device_id=read.device_id,
        device_kind=read.device_kind.value,
        device_name=read.device_name,
        camera_id=read.camera_id,
        frame_ids=read.frame_ids,
        plate=read.plate.reveal(),
        plate_raw=read.plate_raw,
        state=read.state,
        state_confidence=read.state_confidence,
        characters=[
            reads_pb2.CharacterScore(
                first=character.first,
                first_probability=character.first_probability,
                second=character.second,
                second_probability=character.second_probability,
            )
            for character in read.characters
        ],
        alternatives=[
            reads_pb2.Alternative(plate=alternative.plate.reveal(), probability=alternative.probability)
            for alternative in read.alternatives
        ],
        confidence=read.confidence,
        box=e.to_box(read.box),
        direction=read.direction,
        location=e.to_location(read.location),
        captured_at_us=to_us(read.captured_at),
        received_at_us=to_us(read.received_at),
        read_at_us=to_us(read.read_at),
        closeup=e.to_image_ref(read.closeup),
        context=e.to_image_ref(read.context),
        detector=e.to_provenance(read.detector),
        reader=e.to_provenance(read.reader),
        profile_version=read.profile_version,
        retracted=read.retracted,
        origins=[reads_pb2.StateScore(state=origin.state, probability=origin.probability) for origin in read.origins],
        corners=e.to_corners(read.corners),
        unreadable_reason=read.unreadable_reason,
        vehicle=None
        if read.vehicle == Vehicle()
        else reads_pb2.Vehicle(color=read.vehicle.color, color_probability=read.vehicle.color_probability),
        canary=read.canary,
        frame=_to_frame(read.frame),
    )


def _to_frame(frame: FrameProof | None) -> reads_pb2.FrameProof | None:
    if frame is None:
        return None
    return reads_pb2.FrameProof(
        sequence=frame.sequence, placed=frame.placed, view=frame.view.value, sha256=frame.sha256,
        signature=frame.signature, device_key=frame.device_key,
    )  # fmt: skip


def _from_frame(message: reads_pb2.Read) -> FrameProof | None:
    if not message.HasField("frame"):
        return None
    said = message.frame
    view = e.choice("frame.view", View, said.view)
    return FrameProof(said.sequence, said.placed, view, said.sha256, said.signature, said.device_key)


def from_read(message: reads_pb2.Read) -> Read:
    """Read a read; CAP-02 names what may not be missing."""
    for field in ("location", "closeup", "context", "box"):
        if not message.HasField(field):
            raise e.missing(field)
    with e.odd_is_invalid():
        return Read(
            read_id=e.need("read_id", message.read_id),
            revision=message.revision,
            agency=e.need("agency", message.agency),
            device_id=e.need("device_id", message.device_id),
            device_kind=e.choice("device_kind", DeviceKind, message.device_kind),
            device_name=message.device_name,
            camera_id=e.need("camera_id", message.camera_id),
            frame_ids=tuple(message.frame_ids),
            plate=e.plate("plate", message.plate),
            plate_raw=message.plate_raw,
            state=e.need("state", message.state),
            state_confidence=e.number("state_confidence", message.state_confidence),
            characters=tuple(
                Character(
                    score.first,
                    e.number("characters", score.first_probability),
                    score.second,
                    e.number("characters", score.second_probability),
                )
                for score in message.characters
            ),
            alternatives=tuple(
                Alternative(
                    e.plate("alternatives", alternative.plate), e.number("alternatives", alternative.probability)
                )
                for alternative in message.alternatives
            ),
            confidence=e.number("confidence", message.confidence),
            box=e.from_box(message.box),
            direction=e.need("direction", message.direction),
            location=e.from_location("location", message.location),
            captured_at=e.moment("captured_at", message.captured_at_us),
            received_at=e.moment("received_at", message.received_at_us),
            read_at=e.moment("read_at", message.read_at_us),
            closeup=e.from_image_ref("closeup", message.closeup),
            context=e.from_image_ref("context", message.context),
            detector=e.from_provenance(message.detector),
            reader=e.from_provenance(message.reader),
            profile_version=message.profile_version,
            retracted=message.retracted,
            origins=tuple(
                StateScore(e.need("origins", origin.state), e.number("origins", origin.probability))
                for origin in message.origins
            ),
            corners=e.from_corners(message.corners),
            unreadable_reason=message.unreadable_reason,
            vehicle=Vehicle(message.vehicle.color or UNKNOWN, e.number("vehicle", message.vehicle.color_probability)),
            canary=message.canary,
            frame=_from_frame(message),
        )


def encode_read(read: Read) -> bytes:
    """Lay out a read for `reads`."""
    return to_read(read).SerializeToString(deterministic=True)


@dataclass(frozen=True, slots=True)
class ReadHeading:
    """What of a read decides whether any list could mean it."""

    plate: Plate
    retracted: bool
    agency: str


def read_heading(value: bytes, headers: Mapping[str, bytes]) -> ReadHeading:
    """Read only plate and agency: 499 reads in 500 mean no entry, and the rest of a read takes fifteen times as long.

    Refuses what is no read, and a plate of other letters; what else `decode_read` refuses is not looked at.
    """
    message = e.parse(reads_pb2.Read(), value, headers, Topic.READS)
    return ReadHeading(e.plate("plate", message.plate), message.retracted, message.agency)


def decode_read(value: bytes, headers: Mapping[str, bytes]) -> Read:
    """Read a read of `reads`."""
    return from_read(e.parse(reads_pb2.Read(), value, headers, Topic.READS))
