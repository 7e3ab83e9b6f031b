"""Puts the ledger and the query door together and runs them."""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.kafka import DeadLetters, KafkaSettings, Message, Publisher, follow_whole, run_batches
from alprcore.model import AuditEvent, Checkpoint
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.policy import AgencyProfile
from alprcore.postgres import connect, require_schema
from alprcore.profiles import profile_from_json
from alprcore.runtime import run, serve_http, together
from alprcore.seal import SigningKey
from alprcore.topics import Topic
from alprcore.wire import decode_audit_event, decode_profile, encode_checkpoint, headers_for

from . import ledger
from .api import Door, create_app
from .settings import AuditSettings
from .store import Ledger, Writer

logger = logging.getLogger(__name__)

SOURCE: Final = "/alpr/audit"
_TURN_S: Final = 0.2
_NO_SALT: Final = bytes(ledger.SALT_BYTES)


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


class Profiles(dict[str, AgencyProfile]):
    """The policy in force by agency, kept up to date from topic `profiles`."""

    def apply(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Take a profile in force, or its end."""
        if value is None:
            self.pop(key, None)
            return
        record = decode_profile(value, headers)
        try:
            self[record.agency] = profile_from_json(record.document)
        except Misconfigured as error:
            raise InvalidMessage("FIELD_INVALID", f"document: {error}") from error


def draft_of(event: AuditEvent, now: datetime) -> ledger.Draft:
    """Turn an event of another service into an entry; raises `InvalidMessage` when no ledger can hold it."""
    draft = ledger.Draft(
        kind=event.kind,
        agency=event.agency,
        service=event.service,
        outcome=event.outcome,
        reason_code=event.reason_code,
        profile_version=event.profile_version,
        facts={**event.facts, "occurred_at": event.occurred_at.isoformat()},
        personal=dict(event.personal),
        event_id=event.event_id,
    )
    try:
        ledger.encode_draft(draft, _NO_SALT, now)
    except ledger.EntryInvalid as error:
        raise InvalidMessage("FIELD_INVALID", str(error)) from error
    return draft


@dataclass(slots=True)
class Events:
    """Topic `audit` into the ledger: what was fetched together is committed together; repeats are dropped by id."""

    writer: Writer
    _positions: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    async def assigned(self, positions: Mapping[tuple[str, int], tuple[int | None, str]]) -> None:  # noqa: ARG002
        """Begin anew: nothing is held between batches."""
        self._positions.clear()

    async def revoked(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Forget partitions that are somebody else's now."""
        for partition in partitions:
            self._positions.pop(partition, None)

    async def handle(self, messages: Sequence[Message]) -> None:
        """Commit the events of a batch."""
        now = utc_now()
        drafts = [draft_of(decode_audit_event(m.value or b"", m.headers), now) for m in messages]
        await asyncio.gather(*(self.writer.append(draft) for draft in drafts))
        for message in messages:
            self._positions[message.topic, message.partition] = (message.offset + 1, "")

    def position(self, partition: tuple[str, int]) -> tuple[int, str] | None:
        """The offset after the last committed event."""
        return self._positions.get(partition)


async def consume_while_leading(
    settings: KafkaSettings, writer: Writer, letters: DeadLetters, stop: asyncio.Event
) -> None:
    """Follow topic `audit` while this process writes the ledger; a process that waits takes no partition."""
    metrics = ConsumerMetrics("audit")
    while not stop.is_set():
        if not writer.leading:
            await asyncio.sleep(_TURN_S)
            continue
        enough = asyncio.Event()
        consuming = asyncio.create_task(
            run_batches(
                settings,
                [Topic.AUDIT],
                group="alpr-audit",
                handler=Events(writer),
                dead_letters=letters,
                stop=enough,
                metrics=metrics,
                max_records=256,
            )
        )
        while writer.leading and not stop.is_set() and not consuming.done():
            await asyncio.sleep(_TURN_S)
        enough.set()
        await consuming


async def publish_checkpoints(
    writer: Writer, publisher: Publisher, origin: str, log: Path, every_s: float, stop: asyncio.Event
) -> None:
    """Publish the signed head of a growing ledger to `audit.checkpoints` and the public file, about once a second."""
    published = 0
    while not stop.is_set():
        if writer.leading and writer.size > published:
            head, note = writer.head(), writer.note
            checkpoint = Checkpoint(origin, head.size, head.root, note)
            headers = headers_for(Topic.AUDIT_CHECKPOINTS, id=f"{origin}/{head.size}", source=SOURCE, time=utc_now())
            try:
                await asyncio.to_thread(_append, log, note + "\n")
                value = encode_checkpoint(checkpoint)
                await publisher.publish(Topic.AUDIT_CHECKPOINTS, key=origin, value=value, headers=headers)
                published = head.size
            except (Transient, OSError) as error:
                logger.warning("checkpoint_not_published", extra={"reason": type(error).__name__, "size": head.size})
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            continue


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


@dataclass(slots=True)
class App:
    """The parts of the running service."""

    writer: Writer
    door: Door
    http: FastAPI
    profiles: Profiles
    health: Health


async def build(settings: AuditSettings, profiles: Profiles | None = None) -> App:
    """Put the parts together; raises `Misconfigured` for a setting or schema that does not do."""
    try:
        person_key = base64.b64decode(settings.person_public_key, validate=True)
    except ValueError as error:
        raise Misconfigured("ALPR_AUDIT_PERSON_PUBLIC_KEY: not base64") from error
    pool = await connect(settings.database_url.get_secret_value())
    await require_schema(pool, "audit", "alpr_audit")
    reader = await connect(settings.reader_database_url.get_secret_value(), min=1, max=8)
    key = SigningKey.load(settings.ledger_key_file)
    writer = Writer(
        settings.database_url.get_secret_value(),
        key,
        settings.ledger_origin,
        settings.checkpoint_file,
        utc_now,
        patience_s=settings.answer_seconds,
    )
    profiles = Profiles() if profiles is None else profiles
    door = Door(writer, Ledger(pool, reader), profiles, person_key, utc_now)
    health = Health("audit")
    health.check("ledger", lambda: "" if writer.leading else "this process is not the ledger's writer")
    return App(writer, door, create_app(door), profiles, health)


async def serve(settings: AuditSettings, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises `LedgerBroken` when the stored tree is not what was signed."""
    app = await build(settings)
    followed = asyncio.Event()
    app.health.check("profiles", lambda: "" if followed.is_set() else "profiles are not read yet")
    log = settings.checkpoint_log or settings.checkpoint_file.with_suffix(".log")
    async with Publisher(settings.kafka) as publisher:
        letters = DeadLetters(publisher, "audit")
        await together(
            app.writer.run(stop),
            serve_http(ops_routes(app.health, app.http), settings, stop),
            follow_whole(settings.kafka, Topic.PROFILES, app.profiles.apply, ready=followed, stop=stop),
            consume_while_leading(settings.kafka, app.writer, letters, stop),
            publish_checkpoints(app.writer, publisher, settings.ledger_origin, log, settings.publish_seconds, stop),
        )


def main() -> int:
    """Run the audit service."""
    return run("audit", AuditSettings, serve, sys.argv[1:])
