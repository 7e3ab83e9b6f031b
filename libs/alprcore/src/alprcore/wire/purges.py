"""Purge orders and what the services answer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from alpr.v1 import purges_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import PURGE_HELD, PURGE_PART, PurgeAnswer, PurgeOrder, to_us
from alprcore.topics import Topic
from alprcore.wire import envelope as e

_PARTS: Final = 10_000  # a hundred million hits of one day


_LONGEST: Final = 100


def _id(field: str, text: str) -> str:
    try:
        return str(UUID(e.need(field, text)))
    except ValueError as error:
        raise InvalidMessage("FIELD_INVALID", field) from error


def _packed(ids: tuple[str, ...]) -> bytes:
    return b"".join(UUID(one).bytes for one in ids)


def _unpacked(field: str, packed: bytes, at_most: int) -> tuple[str, ...]:
    if len(packed) % 16 or len(packed) > at_most * 16:
        raise InvalidMessage("FIELD_INVALID", field)
    return tuple(str(UUID(bytes=packed[start : start + 16])) for start in range(0, len(packed), 16))


def encode_purge_order(order: PurgeOrder) -> bytes:
    """Lay out a purge order for `purges`. Raises `ValueError` for an id that is no uuid."""
    return purges_pb2.PurgeOrder(
        order_id=order.order_id,
        run_id=order.run_id,
        agency=order.agency,
        due_day=order.due_day.isoformat(),
        part=order.part,
        parts=order.parts,
        hit_ids=_packed(order.hit_ids),
        read_ids=_packed(order.read_ids),
        held_read_ids=_packed(order.held_read_ids),
        held_complete=order.held_complete,
        ordered_at_us=to_us(order.ordered_at),
    ).SerializeToString(deterministic=True)


def decode_purge_order(value: bytes, headers: Mapping[str, bytes]) -> PurgeOrder:
    """Read a purge order of `purges`."""
    message = e.parse(purges_pb2.PurgeOrder(), value, headers, Topic.PURGES)
    if not message.part < message.parts <= _PARTS:
        raise InvalidMessage("FIELD_INVALID", "part")
    hit_ids = _unpacked("hit_ids", message.hit_ids, PURGE_PART)
    read_ids = _unpacked("read_ids", message.read_ids, PURGE_PART)
    if len(hit_ids) != len(read_ids):
        raise InvalidMessage("FIELD_INVALID", "read_ids")
    return PurgeOrder(
        order_id=e.need("order_id", message.order_id),
        run_id=e.need("run_id", message.run_id),
        agency=e.need("agency", message.agency),
        due_day=e.day("due_day", message.due_day),
        part=message.part,
        parts=message.parts,
        hit_ids=hit_ids,
        read_ids=read_ids,
        held_read_ids=_unpacked("held_read_ids", message.held_read_ids, PURGE_HELD),
        held_complete=message.held_complete,
        ordered_at=e.moment("ordered_at", message.ordered_at_us),
    )


def encode_purge_answer(answer: PurgeAnswer) -> bytes:
    """Lay out a service's answer for `purge.answers`."""
    return purges_pb2.PurgeAnswer(
        order_id=answer.order_id,
        run_id=answer.run_id,
        agency=answer.agency,
        due_day=answer.due_day.isoformat(),
        part=answer.part,
        service=answer.service,
        gone=answer.gone,
        left=answer.left,
        answered_at_us=to_us(answer.answered_at),
    ).SerializeToString(deterministic=True)


def decode_purge_answer(value: bytes, headers: Mapping[str, bytes]) -> PurgeAnswer:
    """Read a service's answer of `purge.answers`."""
    message = e.parse(purges_pb2.PurgeAnswer(), value, headers, Topic.PURGE_ANSWERS)
    if message.part >= _PARTS:
        raise InvalidMessage("FIELD_INVALID", "part")
    if "," in message.agency or len(message.agency) > _LONGEST or len(message.service) > _LONGEST:
        raise InvalidMessage("FIELD_INVALID", "agency or service")
    return PurgeAnswer(
        order_id=_id("order_id", message.order_id),
        run_id=_id("run_id", message.run_id),
        agency=e.need("agency", message.agency),
        due_day=e.day("due_day", message.due_day),
        part=message.part,
        service=e.need("service", message.service),
        gone=dict(message.gone),
        left=dict(message.left),
        answered_at=e.moment("answered_at", message.answered_at_us),
    )
