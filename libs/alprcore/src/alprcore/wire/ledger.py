"""Profiles, image keys, ledger events and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

from alpr.v1 import audit_pb2, profiles_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import AuditEvent, Checkpoint, ImageKey, ProfileRecord, to_us
from alprcore.topics import Topic
from alprcore.wire import envelope as e


def encode_profile(profile: ProfileRecord) -> bytes:
    """Lay out the profile in force for `profiles`."""
    return profiles_pb2.Profile(
        agency=profile.agency,
        version=profile.version,
        document=profile.document,
        effective_at_us=to_us(profile.effective_at),
    ).SerializeToString(deterministic=True)


def decode_profile(value: bytes, headers: Mapping[str, bytes]) -> ProfileRecord:
    """Read the profile in force from `profiles`; its document is judged by `policy.profile_from_json`."""
    message = e.parse(profiles_pb2.Profile(), value, headers, Topic.PROFILES)
    return ProfileRecord(
        e.need("agency", message.agency),
        e.need("version", message.version),
        e.need("document", message.document),
        e.moment("effective_at", message.effective_at_us),
    )


def encode_image_key(key: ImageKey) -> bytes:
    """Lay out a day's public key for `image.keys`."""
    return profiles_pb2.ImageKey(
        agency=key.agency, due_day=key.due_day.isoformat(), public_key=key.public_key
    ).SerializeToString(deterministic=True)


def decode_image_key(value: bytes, headers: Mapping[str, bytes]) -> ImageKey:
    """Read a day's public key from `image.keys`."""
    message = e.parse(profiles_pb2.ImageKey(), value, headers, Topic.IMAGE_KEYS)
    if len(message.public_key) != 32:
        raise InvalidMessage("FIELD_INVALID" if message.public_key else "FIELD_MISSING", "public_key")
    return ImageKey(e.need("agency", message.agency), e.day("due_day", message.due_day), message.public_key)


def encode_audit_event(event: AuditEvent) -> bytes:
    """Lay out a ledger event for `audit`."""
    return audit_pb2.AuditEvent(
        event_id=event.event_id,
        occurred_at_us=to_us(event.occurred_at),
        agency=event.agency,
        kind=event.kind,
        service=event.service,
        outcome=event.outcome,
        reason_code=event.reason_code,
        profile_version=event.profile_version,
        facts=event.facts,
        personal=event.personal,
    ).SerializeToString(deterministic=True)


def decode_audit_event(value: bytes, headers: Mapping[str, bytes]) -> AuditEvent:
    """Read a ledger event of `audit`."""
    message = e.parse(audit_pb2.AuditEvent(), value, headers, Topic.AUDIT)
    return AuditEvent(
        event_id=e.need("event_id", message.event_id),
        occurred_at=e.moment("occurred_at", message.occurred_at_us),
        agency=message.agency,
        kind=e.need("kind", message.kind),
        service=e.need("service", message.service),
        outcome=e.need("outcome", message.outcome),
        reason_code=message.reason_code,
        profile_version=message.profile_version,
        facts=dict(message.facts),
        personal=dict(message.personal),
    )


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Lay out a signed tree head for `audit.checkpoints`."""
    return audit_pb2.Checkpoint(
        origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, note=checkpoint.note
    ).SerializeToString(deterministic=True)


def decode_checkpoint(value: bytes, headers: Mapping[str, bytes]) -> Checkpoint:
    """Read a signed tree head of `audit.checkpoints`; its signature is not checked here."""
    message = e.parse(audit_pb2.Checkpoint(), value, headers, Topic.AUDIT_CHECKPOINTS)
    return Checkpoint(
        e.need("origin", message.origin),
        message.size,
        e.digest("root", message.root),
        e.need("note", message.note),
    )
