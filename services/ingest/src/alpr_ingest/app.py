"""What ingest does beside answering: loading lists, relaying the outbox, applying purges."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from alpr_ingest import metrics
from alpr_ingest.hotlists import over
from alpr_ingest.store import Outgoing, Store
from alprcore.errors import Transient
from alprcore.kafka import Message, Publisher
from alprcore.model import AuditEvent, Device, DeviceKind, Person, PurgeAnswer, Refused, event_id, personal_of
from alprcore.outbox import OLDEST, refusal_event
from alprcore.policy import AgencyProfile, due_day
from alprcore.refusals import RefusalLog
from alprcore.topics import Topic
from alprcore.wire import decode_purge_order, encode_audit_event, encode_purge_answer, headers_for

logger = logging.getLogger(__name__)

SOURCE: Final = "plateline/ingest"
_RELAY_BATCH: Final = 200
_RELAY_IDLE_S: Final = 1.0


def audit_message(
    kind: str,
    subject: str,
    revision: str,
    person: Person,
    now: datetime,
    *,
    refused: Refused | None = None,
    facts: dict[str, str] | None = None,
    personal: dict[str, str] | None = None,
) -> Outgoing:
    """Make the ledger's event of what a person did; `personal` is erased with the person's name (0017)."""
    event = AuditEvent(
        event_id=event_id(subject, kind, revision),
        occurred_at=now,
        agency=person.agency,
        kind=kind,
        service="ingest",
        outcome="ok" if refused is None else "refused",
        reason_code="" if refused is None else refused.reason_code,
        facts={"subject": subject, "person_id": person.person_id, **(facts or {})},
        personal=personal_of(person) | (personal or {}),
    )
    return Outgoing(Topic.AUDIT, event.event_id, encode_audit_event(event), event.event_id, now)


def device_message(
    kind: str, device: Device, revision: str, now: datetime, *, facts: Mapping[str, str] | None = None
) -> Outgoing:
    """Make the ledger's event of what a device did by itself, under its own key."""
    event = AuditEvent(
        event_id=event_id(device.device_id, kind, revision),
        occurred_at=now,
        agency=device.agency,
        kind=kind,
        service="ingest",
        outcome="ok",
        reason_code="",
        facts={"subject": device.device_id, "device_id": device.device_id, **(facts or {})},
        personal={},
    )
    return Outgoing(Topic.AUDIT, event.event_id, encode_audit_event(event), event.event_id, now)


def refusal_log(store: Store, clock: Callable[[], datetime]) -> RefusalLog:
    """Enter ingest's refusals through its outbox."""

    async def enter(person: Person | None, address: str, reason_code: str, facts: Mapping[str, str]) -> None:
        now = clock()
        event = refusal_event("ingest", person, address, reason_code, now, facts)
        value = encode_audit_event(event)
        await store.put_out([Outgoing(Topic.AUDIT, event.event_id, value, event.event_id, now)])

    return RefusalLog(enter, clock)


class PurgeDoor:
    """Applies the purges that retention orders (RET-06).

    Ingest keeps no reads: frames are passed on. What goes here are plates that people entered and that ended so long
    ago that a read of that time would have fallen due; until then they explain the hits they made (HOT-19).
    """

    def __init__(self, store: Store, profiles: Mapping[str, AgencyProfile], clock: Callable[[], datetime]) -> None:
        self._store, self._profiles, self._clock = store, profiles, clock

    async def take(self, message: Message) -> None:
        """Apply one order, and answer in the same transaction. Raises `Transient`, `InvalidMessage` for no order."""
        order, now = decode_purge_order(message.value or b"", message.headers), self._clock()
        profile = self._profiles.get(order.agency)

        def ended(moment: datetime) -> bool:
            return profile is not None and all(
                due_day(moment, moment, kind, profile) <= order.due_day for kind in DeviceKind
            )

        def answer(gone: Mapping[str, int]) -> Outgoing:
            told = PurgeAnswer(
                order.order_id, order.run_id, order.agency, order.due_day, order.part, "ingest",
                {table: number for table, number in gone.items() if number}, {}, now,
            )  # fmt: skip
            value = encode_purge_answer(told)
            return Outgoing(Topic.PURGE_ANSWERS, order.order_id, value, f"{order.order_id}/ingest", now)

        place = (message.partition, message.offset)
        gone = await self._store.apply_purge(
            order.agency, (order.order_id, order.part), place, lambda rows: over(rows, ended), answer, now
        )
        metrics.PURGED.inc(gone["entered"])


class Relay:
    """Carries the outbox to Kafka, in order, again and again until each message is acknowledged."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._kick = asyncio.Event()

    def kick(self) -> None:
        """Say that something waits."""
        self._kick.set()

    async def run(self, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        """Relay until `stop`."""
        while not stop.is_set():
            beat()
            self._kick.clear()
            try:
                await self._look()  # before the attempt: while the broker is away nothing comes after it
                sent = await self._store.relay(self._send, _RELAY_BATCH)
                if sent:
                    await self._look()
            except Transient as error:
                logger.warning("outbox_waits", extra={"reason": str(error)})
                sent = 0
            if sent < _RELAY_BATCH:
                await first_of(self._kick, stop, timeout_s=_RELAY_IDLE_S)

    async def _look(self) -> None:
        waiting, oldest_s = await self._store.waiting()
        metrics.OUTBOX.set(waiting)
        OLDEST.set(oldest_s)

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        acks = [
            await self._publisher.send(
                message.topic,
                key=message.key,
                value=message.value,
                headers=headers_for(message.topic, id=message.ce_id, source=SOURCE, time=message.created_at),
            )
            for message in messages
        ]
        for ack in acks:
            await ack


async def first_of(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of the events is set or the time has passed."""
    waiting: Iterable[asyncio.Task[bool]] = [asyncio.create_task(event.wait()) for event in events]
    _, pending = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
