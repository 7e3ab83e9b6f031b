"""What services tell the ledger of people travels sealed: applied on the way out, undone by the audit service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from alprcore import wire
from alprcore.model import AuditEvent
from alprcore.seal import TextsKey, TextsSeal
from alprcore.topics import Topic

_TYPE = {"ce_type": wire.CE_TYPE[Topic.AUDIT].encode()}
Changes = Mapping[Topic, Callable[[bytes], bytes]]


def sealing(public: str) -> Changes:
    """Give what a publisher does to messages for the ledger: names, plates and texts are sealed to this key (base64).

    Without a key nothing is done, as before there was one. Raises `Misconfigured` when it is none.
    """
    if not public:
        return {}
    seal = TextsSeal(public)

    def sealed(value: bytes) -> bytes:
        event = wire.decode_audit_event(value, _TYPE)
        return wire.encode_audit_event(replace(event, personal=seal.seal(event.personal, bound=event.event_id)))

    return {Topic.AUDIT: sealed}


def opened(event: AuditEvent, key: TextsKey | None) -> AuditEvent:
    """Open what an event tells of people. Raises `InvalidMessage` SEAL_BROKEN; without a key it stays sealed."""
    if key is None or not event.personal:
        return event
    return replace(event, personal=key.open(event.personal, bound=event.event_id))
