"""Puts the ledger and the query door together and runs them."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.kafka import DeadLetters, KafkaSettings, Message, Publisher, follow_whole, run_batches, watch_streams
from alprcore.keys import key_text
from alprcore.model import AuditEvent, Checkpoint, Device, DeviceKind, GeoPoint
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.postgres import connect, require_schema
from alprcore.profiles import Profiles
from alprcore.runtime import run, serve_http, together
from alprcore.seal import SigningKey, TextsKey
from alprcore.told import opened
from alprcore.topics import Topic
from alprcore.wire import decode_audit_event, decode_device, encode_checkpoint, headers_for

from . import ledger, metrics
from .api import Door, Limit, Limits, create_app
from .app import Reviewing
from .reviews.accesses import shaped
from .settings import AuditSettings
from .store import Learn, Ledger, Questions, Writer
from .store.erasure import Eraser
from .store.publication import Publication
from .store.reviews import Reviews
from .store.upkeep import Upkeep
from .store.verification import Verification
from .store.witnesses import Witnesses, read_witness

logger = logging.getLogger(__name__)

SOURCE: Final = "/alpr/audit"
_TURN_S: Final = 0.2
_NO_SALT: Final = bytes(ledger.SALT_BYTES)
_COLLECT: Final = (50_000, 20, 50)
"""Objects between looks for garbage: an entry and its answer have no cycles, and a full look takes a tenth of a second,
in which nobody is answered."""


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


class Devices(dict[str, Device]):
    """The registered devices, kept up to date from topic `devices`: over which cameras a question goes."""

    def apply(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Take a device's registry state, or its end."""
        if value is None:
            self.pop(key, None)
            return
        device = decode_device(value, headers)
        self[device.device_id] = device

    def of(self, agency: str) -> dict[str, GeoPoint | None]:
        """The agency's devices and where the fixed ones stand; what moves has no place."""
        return {
            name: None if device.kind is DeviceKind.MOBILE else device.position
            for name, device in self.items()
            if device.agency == agency
        }


def limits_of(settings: AuditSettings) -> Limits:
    """How often people may ask, as the operator set it (security: abuse by bulk search)."""
    minute = timedelta(minutes=1)
    return Limits(
        {
            "queries": Limit(settings.queries_per_minute, minute),
            "agency_queries": Limit(settings.agency_queries_per_minute, minute),
            "views": Limit(settings.views_per_minute, minute),
            "looks": Limit(settings.looks_per_minute, minute),
            "exports": Limit(settings.exports_per_hour, timedelta(hours=1)),
        }
    )


def learn_of(settings: AuditSettings) -> Learn | None:
    """The external source, if one is set up; raises `Misconfigured` for a file or address that does not do."""
    if not settings.learn_tenants:
        return None
    for agency, url in settings.learn_tenants.items():
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise Misconfigured(f"ALPR_AUDIT_LEARN_TENANTS: {agency}: https, or this machine")
    tokens: dict[str, str] = {}
    if settings.learn_tokens_file is not None:
        try:
            tokens = dict(json.loads(settings.learn_tokens_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise Misconfigured(f"ALPR_AUDIT_LEARN_TOKENS_FILE: {type(error).__name__}") from error
    return Learn(settings.learn_tenants, tokens, settings.learn_seconds)


def draft_of(event: AuditEvent, now: datetime) -> ledger.Draft:
    """Turn an event of another service into an entry; raises `InvalidMessage` when no ledger can hold it."""
    if event.kind in ledger.OWN_KINDS or event.service == "audit":
        raise InvalidMessage("FIELD_INVALID", "kind or service: audit alone writes these")
    draft = ledger.Draft(
        kind=event.kind,
        agency=event.agency,
        service=event.service,
        outcome=event.outcome,
        reason_code=event.reason_code,
        profile_version=event.profile_version,
        facts={**event.facts, "occurred_at": event.occurred_at.isoformat()},
        personal=shaped(event.kind, event.facts, event.personal),
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
    key: TextsKey | None = None
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
        events = [opened(decode_audit_event(m.value or b"", m.headers), self.key) for m in messages]
        drafts = [draft_of(event, now) for event in events]
        try:
            await asyncio.gather(*(self.writer.append(draft) for draft in drafts))
        except ledger.EntryInvalid as error:
            raise InvalidMessage("FIELD_INVALID", str(error)) from error
        for message in messages:
            self._positions[message.topic, message.partition] = (message.offset + 1, "")

    def position(self, partition: tuple[str, int]) -> tuple[int, str] | None:
        """The offset after the last committed event."""
        return self._positions.get(partition)


async def consume_while_leading(
    settings: KafkaSettings, writer: Writer, letters: DeadLetters, stop: asyncio.Event, key: TextsKey | None
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
                handler=Events(writer, key),
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


def settle() -> None:
    """Leave out of every later look for garbage what lives as long as the service: modules, routes, profiles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def software_digest() -> str:
    """Name the code that writes entries: SHA-256 over the modules of this service and of its library."""
    digest = hashlib.sha256()
    for package in ("alpr_audit", "alprcore"):
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")) + sorted(root.rglob("*.sql")):
            digest.update(f"{package}/{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def announcer(publisher: Publisher) -> Callable[[ledger.Head, str], Awaitable[None]]:
    """Publish signed heads to topic `audit.checkpoints`."""

    async def announce(head: ledger.Head, note: str) -> None:
        headers = headers_for(Topic.AUDIT_CHECKPOINTS, id=f"{head.origin}/{head.size}", source=SOURCE, time=utc_now())
        value = encode_checkpoint(Checkpoint(head.origin, head.size, head.root, note))
        await publisher.publish(Topic.AUDIT_CHECKPOINTS, key=head.origin, value=value, headers=headers)

    return announce


def upkeep_of(settings: AuditSettings, app: App, announce: Callable[[ledger.Head, str], Awaitable[None]]) -> Upkeep:
    """Put the ledger's timers together; raises `Misconfigured` for a witness that cannot be read."""
    key = SigningKey.load(settings.ledger_key_file)
    cosigned = settings.cosigned_file or settings.checkpoint_file.with_suffix(".cosigned")
    witnesses = tuple(map(read_witness, settings.witnesses))
    folder = settings.public_folder
    pool = app.door.store.pool

    async def compute() -> Mapping[str, Any]:
        return await app.door.store.verify(app.writer.verifier, app.writer.head(), gently=True)

    return Upkeep(
        app.writer,
        settings.checkpoint_log or settings.checkpoint_file.with_suffix(".log"),
        announce,
        Witnesses(witnesses, cosigned, app.door.store.consistency, utc_now) if witnesses else None,
        Publication(folder, pool, key.public, entries=settings.public_entries) if folder else None,
        Eraser(pool, app.writer, settings.personal_years),
        utc_now,
        settings.publish_seconds,
        settings.erase_hours * 3600,
        Verification(compute, settings.checkpoint_file.with_suffix(".verified"), utc_now),
    )


@dataclass(slots=True)
class App:
    """The parts of the running service."""

    writer: Writer
    door: Door
    http: FastAPI
    profiles: Profiles
    devices: Devices
    health: Health
    reviewing: Reviewing


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
        software=software_digest(),
        custodians=settings.custodians,
        order_file=settings.order_file,
    )
    metrics.WAITING.set_function(lambda: writer.waiting)
    profiles = Profiles() if profiles is None else profiles
    devices = Devices()
    door = Door(
        writer=writer,
        store=Ledger(pool, reader),
        questions=Questions(pool, reader),
        profiles=profiles,
        person_key=person_key,
        clock=utc_now,
        limits=limits_of(settings),
        devices=devices.of,
        learn=learn_of(settings),
    )
    health = Health("audit")
    health.check("ledger", lambda: "" if writer.leading else "this process is not the ledger's writer")
    reviews = Reviews(pool)
    registry_key = hashlib.sha256(b"plateline employee plates\n" + key_text(settings.ledger_key_file).encode()).digest()
    reviewing = Reviewing(writer, reviews, profiles, utc_now, registry_key, door.refusals.flush)
    return App(writer, door, create_app(door, reviews, reviewing.digest), profiles, devices, health, reviewing)


async def serve(settings: AuditSettings, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises `LedgerBroken` when the stored tree is not what was signed."""
    events_key = TextsKey.load(settings.events_key_file) if settings.events_key_file else None
    app = await build(settings)
    settle()
    followed = asyncio.Event()
    app.health.check("profiles", lambda: "" if followed.is_set() else "profiles are not read yet")
    registered = asyncio.Event()  # nobody waits for it: without the registry a search counts as one of every place
    async with Publisher(settings.kafka) as publisher:
        letters = DeadLetters(publisher, "audit")
        await together(
            app.writer.run(stop),
            serve_http(ops_routes(app.health, app.http), settings, stop),
            follow_whole(settings.kafka, Topic.PROFILES, app.profiles.apply, ready=followed, stop=stop),
            follow_whole(settings.kafka, Topic.DEVICES, app.devices.apply, ready=registered, stop=stop),
            consume_while_leading(settings.kafka, app.writer, letters, stop, events_key),
            upkeep_of(settings, app, announcer(publisher)).run(stop),
            app.reviewing.run(settings.review_seconds, stop),
            watch_streams(settings.kafka, app.health, app.profiles, stop),
        )


def main() -> int:
    """Run the audit service."""
    return run("audit", AuditSettings, serve, sys.argv[1:])
