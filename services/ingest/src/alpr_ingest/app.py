"""What ingest does beside answering: loading lists, relaying the outbox, cleaning up closed entries."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alpr_ingest import metrics
from alpr_ingest.hotlists import ActiveList, ParsedList, Reject, admit_load, parse_list
from alpr_ingest.store import Load, Outgoing, Store
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import Ack, Publisher
from alprcore.model import AuditEvent, Entry, ListVersion, Person, Refused, entry_id, event_id
from alprcore.refusals import RefusalLog
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from alprcore.wire import encode_audit_event, encode_bucket, encode_entry_details, encode_list_version, headers_for

logger = logging.getLogger(__name__)

SOURCE: Final = "plateline/ingest"
_PAGE: Final = 2_000
"""Buckets published before their acknowledgments are awaited: about 1 MB in flight."""
_RELAY_BATCH: Final = 200
_RELAY_IDLE_S: Final = 1.0
_CLEAN_IDLE_S: Final = 30.0
_RETRY_S: Final = 2.0
_RESUME_IDLE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load brought, with the numbers of the lines that were left out."""

    version: int
    entries: int
    added: int
    changed: int
    removed: int
    rejects: tuple[Reject, ...]
    seconds: float


def audit_message(
    kind: str,
    subject: str,
    revision: str,
    person: Person,
    now: datetime,
    *,
    refused: Refused | None = None,
    facts: dict[str, str] | None = None,
) -> Outgoing:
    """Make the ledger's event of what a person did."""
    event = AuditEvent(
        event_id=event_id(subject, kind, revision),
        occurred_at=now,
        agency=person.agency,
        kind=kind,
        service="ingest",
        outcome="ok" if refused is None else "refused",
        reason_code="" if refused is None else refused.reason_code,
        facts={"subject": subject, "person_id": person.person_id, **(facts or {})},
        personal=_named(person),
    )
    return Outgoing(Topic.AUDIT, event.event_id, encode_audit_event(event), event.event_id, now)


def _named(person: Person) -> dict[str, str]:
    return {
        "person_id": person.person_id,
        "username": person.username,
        "full_name": person.full_name,
        "organization": person.organization,
        "source_ip": person.source_ip,
        "session_id": person.session_id,
    }


def refusal_log(store: Store, clock: Callable[[], datetime]) -> RefusalLog:
    """Enter ingest's refusals through its outbox."""

    async def enter(person: Person | None, address: str, reason_code: str, facts: Mapping[str, str]) -> None:
        now = clock()
        event = AuditEvent(
            event_id=event_id(reason_code, "refused", f"{now.isoformat()} {secrets.token_hex(8)}"),
            occurred_at=now,
            agency=person.agency if person else "",
            kind="refused",
            service="ingest",
            outcome="refused",
            reason_code=reason_code,
            facts=facts,
            personal=_named(person) if person else {"source_ip": address},
        )
        value = encode_audit_event(event)
        await store.put_out([Outgoing(Topic.AUDIT, event.event_id, value, event.event_id, now)])

    return RefusalLog(enter, clock)


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
                sent = await self._store.relay(self._send, _RELAY_BATCH)
                metrics.OUTBOX.set(await self._store.waiting())
            except Transient as error:
                logger.warning("outbox_waits", extra={"reason": str(error)})
                sent = 0
            if sent < _RELAY_BATCH:
                await _first(self._kick, stop, timeout_s=_RELAY_IDLE_S)

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


class ListLoader:
    """Brings list files into force: stage, publish, switch, clean up. Interrupted at any point it goes on later."""

    def __init__(
        self, store: Store, publisher: Publisher, keys: ListKeys, relay: Relay, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._keys = keys
        self._relay = relay
        self._clock = clock

    async def load(
        self,
        target: ActiveList,
        data: bytes,
        file_format: str,
        source_time: datetime,
        person: Person,
        *,
        force: bool,
        declared: int | None,
    ) -> LoadReport | Refused:
        """Load a file into a list; answers a report, or why the file may not replace what is active.

        Raises `Transient` when database or broker are away; what was staged by then is switched to later.
        """
        begun = time.monotonic()
        now = self._clock()
        parsed = await asyncio.to_thread(parse_list, data, file_format, now=now, declared=declared)
        if isinstance(parsed, Refused):
            return parsed
        async with self._store.loading():
            await self._resume()
            active = await self._store.hotlist(target.agency, target.code) or target
            decision = admit_load(active, len(parsed.lines), source_time, now=now, force=force)
            if isinstance(decision, Refused):
                return decision
            held = await self._store.open_entries(target.agency, target.code)
            version = active.version + 1
            new, closed, changed = await asyncio.to_thread(self._difference, active, parsed, held, version)
            load = Load(
                agency=target.agency,
                code=target.code,
                version=version,
                source_time=source_time,
                staged_at=now,
                loaded_by=person.person_id,
                file_sha256=hashlib.sha256(data).digest(),
                entries=len(parsed.lines),
                added=len(new) - changed,
                changed=changed,
                removed=len(closed) - changed,
                rejected=len(parsed.rejects),
            )
            await self._store.stage(load, new, closed)
            await self._switch(load, active, person)
        seconds = time.monotonic() - begun
        metrics.LOAD_SECONDS.observe(seconds)
        metrics.LINES.labels("accepted").inc(load.entries)
        metrics.LINES.labels("rejected").inc(load.rejected)
        return LoadReport(version, load.entries, load.added, changed, load.removed, parsed.rejects, round(seconds, 3))

    def _difference(
        self, target: ActiveList, parsed: ParsedList, held: dict[str, tuple[int, bytes, str]], version: int
    ) -> tuple[list[Entry], set[str], int]:
        """Compare a file with the open entries: what to write, what to close, and how many are in both."""
        new: list[Entry] = []
        changed = 0
        gone = set(held)
        for line in parsed.lines:
            details = encode_entry_details(line.details)
            name = entry_id(
                target.agency, target.code, line.plate.reveal(), line.details.state, line.details.source_key
            )
            if name in held:
                if self._same(name, held[name], details):
                    gone.discard(name)
                    continue
                changed += 1
            sealed, key_id = self._keys.seal(details, entry_id=name)
            new.append(Entry(name, line.plate, target.agency, target.code, version, 0, sealed, key_id))
        return new, gone, changed

    def _same(self, name: str, held: tuple[int, bytes, str], details: bytes) -> bool:
        """Tell whether an entry is sealed with the current key and holds these details."""
        _, sealed, key_id = held
        if key_id != self._keys.current:
            return False
        try:
            return self._keys.open(sealed, key_id, entry_id=name) == details
        except InvalidMessage:  # sealed with a lost key of the same name: written anew
            return False

    async def _switch(self, load: Load, target: ActiveList, person: Person | None) -> None:
        """Publish the buckets of a staged load with both spans, then put its version in force."""
        skeletons = await self._store.touched(load)
        ends = await self._store.end_offsets(load.agency, load.code)
        await self._store.set_progress(load, len(skeletons), 0)
        for start in range(0, len(skeletons), _PAGE):
            page = skeletons[start : start + _PAGE]
            for ack in await self._publish(await self._store.buckets(page)):
                ends[ack.partition] = max(ends.get(ack.partition, 0), ack.offset + 1)
            await self._store.set_progress(load, len(skeletons), start + len(page))
            logger.info(
                "list_publishing",
                extra={"list": load.code, "version": load.version, "done": start + len(page), "of": len(skeletons)},
            )
        now = self._clock()
        key = f"{load.agency}/{load.code}"
        message = ListVersion(
            agency=load.agency,
            list_code=load.code,
            version=load.version,
            name=target.name,
            source=target.source,
            source_time=load.source_time,
            loaded_at=now,
            max_age_s=target.max_age_s,
            advisory_class=target.advisory_class,
            default_reason=target.default_reason,
            list_type=target.list_type,
            entries=load.entries,
            end_offsets=ends,
        )
        outgoing = [
            Outgoing(Topic.HOTLIST_VERSIONS, key, encode_list_version(message), f"{key}/{load.version}", now),
        ]
        if person is not None:
            facts = {"version": str(load.version), "entries": str(load.entries), "removed": str(load.removed)}
            outgoing.append(audit_message("list_loaded", key, str(load.version), person, now, facts=facts))
        await self._store.activate(load, ends, now, outgoing)
        self._relay.kick()
        logger.info("list_switched", extra={"list": load.code, "version": load.version, "entries": load.entries})

    async def _publish(self, buckets: dict[str, list[Entry]]) -> list[Ack]:
        """Publish whole buckets and wait for all acknowledgments; an empty one is a tombstone."""
        now = self._clock()
        pending: list[Awaitable[Ack]] = []
        for name, entries in buckets.items():
            value = encode_bucket(tuple(entries)) if entries else None
            headers = headers_for(Topic.HOTLIST, id=name, source=SOURCE, time=now)
            pending.append(await self._publisher.send(Topic.HOTLIST, key=name, value=value, headers=headers))
        return [await ack for ack in pending]

    async def _resume(self) -> None:
        """Finish loads that were interrupted between staging and switch."""
        for load in await self._store.publishing():
            target = await self._store.hotlist(load.agency, load.code)
            if target is not None:
                logger.warning("list_load_resumed", extra={"list": load.code, "version": load.version})
                await self._switch(load, target, None)

    async def clean(self, before: datetime) -> int:
        """Remove entries that no version in force has had since `before`; answers how many buckets were rewritten."""
        async with self._store.loading():
            skeletons = await self._store.closed(before, _PAGE)
            gone = await self._store.closed_of(skeletons, before)
            buckets = {
                name: [entry for entry in entries if (entry.entry_id, entry.from_version) not in gone]
                for name, entries in (await self._store.buckets(skeletons)).items()
            }
            await self._publish(buckets)
            await self._store.forget(gone)
        return len(skeletons)

    async def run(self, stop: asyncio.Event, keep: timedelta) -> None:
        """Finish what was interrupted, then clean up, until `stop`."""
        while not stop.is_set():
            try:
                if await self._store.publishing():
                    async with self._store.loading():
                        await self._resume()
                while not stop.is_set() and await self.clean(self._clock() - keep) == _PAGE:
                    pass
            except Transient as error:
                logger.warning("lists_wait", extra={"reason": str(error)})
            await _first(stop, timeout_s=_CLEAN_IDLE_S if not await self._any_publishing() else _RESUME_IDLE_S)

    async def _any_publishing(self) -> bool:
        try:
            return bool(await self._store.publishing())
        except Transient:
            return True


async def _first(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of the events is set or the time has passed."""
    waiting: Iterable[asyncio.Task[bool]] = [asyncio.create_task(event.wait()) for event in events]
    _, pending = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
