"""Puts the console together and runs it: HTTP, the consumer of hits, the outbox relay and the purge timer."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI

from alprcore import kafka, postgres, profiles, wire
from alprcore.errors import Misconfigured, Transient
from alprcore.model import ProfileRecord, make_id
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.policy import AgencyProfile
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys, SigningKey
from alprcore.topics import Topic, physical

from .accounts import api as accounts_api
from .accounts import pages as accounts_pages
from .accounts import rules as accounts_rules
from .accounts.store import AccountStore
from .doors import SOURCE, Doors, Outbox
from .equipment import api as equipment_api
from .equipment import pages as equipment_pages
from .equipment.store import EquipmentStore
from .hits import api as hits_api
from .hits import pages as hits_pages
from .hits.store import HitStore, Wakeups
from .queries import api as queries_api
from .queries import pages as queries_pages
from .settings import Settings
from .web import Web, create_app, new_password, new_second_factor

log = logging.getLogger(__name__)
SCHEMA: Final = "console"
GROUP: Final = "alpr-console"
DEMO: Final = "demo"
RELAY_PAUSE_S: Final = 0.25
PURGE_EVERY_S: Final = 600.0
SESSIONS_KEPT: Final = timedelta(days=30)


def utc_now() -> datetime:
    """Read the clock; the only place that does."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Console:
    """The console's parts, for `serve` and for tests."""

    app: FastAPI
    accounts: AccountStore
    hits: HitStore
    outbox: Outbox
    wakeups: Wakeups
    doors: Doors


def build(
    settings: Settings, pool: Any, policies: dict[str, AgencyProfile], stop: asyncio.Event, clock: Any = utc_now
) -> Console:
    """Connect stores, doors and pages."""
    queries = postgres.load_queries(__package__ or "alpr_console")
    outbox = Outbox(pool, queries)
    accounts = AccountStore(pool, queries, outbox, policies)
    keys = ListKeys.load(settings.list_keys_file) if settings.list_keys_file else None
    hits = HitStore(pool, queries, outbox, policies, timedelta(days=settings.keep_hits_days), keys)
    wakeups = Wakeups(pool)
    equipment = EquipmentStore(pool, queries)
    urls = {"ingest": settings.ingest_url, "audit": settings.audit_url, "retention": settings.retention_url}
    doors = Doors(urls, SigningKey.load(settings.person_key_file), clock, settings.door_timeout_s)
    web = Web(settings, policies, clock, accounts.find_session, accounts.touch, doors, stop)
    routers = (
        accounts_api.router(accounts),
        accounts_pages.router(accounts),
        hits_api.router(hits, wakeups),
        hits_pages.router(),
        equipment_api.router(equipment),  # before the forwards: its paths lie below one of theirs
        equipment_pages.router(equipment, equipment_api.camera_counts),
        queries_api.router(),
        queries_pages.router(),
    )
    return Console(create_app(web, routers, version=version("alpr-console")), accounts, hits, outbox, wakeups, doors)


async def publish_profiles(pool: Any, outbox: Outbox, documents: dict[str, str], now: datetime) -> None:
    """Put every profile into the table and, through the outbox, onto topic `profiles` (CFG-01).

    Said again at every start: the topic is compacted, and a version keeps the time it came into force.
    """
    queries = postgres.load_queries(__package__ or "alpr_console")
    with postgres.translated():
        async with pool.acquire() as connection, connection.transaction():
            for agency, document in sorted(documents.items()):
                number = profiles.profile_from_json(document).version
                await connection.execute(queries["put_profile"], agency, number, document, now)
                effective = await connection.fetchval(queries["profile_effective"], agency, number)
                record = ProfileRecord(agency=agency, version=number, document=document, effective_at=effective)
                headers = wire.headers_for(
                    Topic.PROFILES, id=make_id("profile", agency, number), source=SOURCE, time=effective
                )
                value = wire.encode_profile(record)
                await outbox.put(connection, Topic.PROFILES, key=agency, value=value, headers=headers, now=now)


async def seed_demo(accounts: AccountStore, settings: Settings, policies: dict[str, AgencyProfile]) -> None:
    """Make the demonstration's people, all with the password of the settings. Raises `Misconfigured`."""
    password = settings.demo_password.get_secret_value()
    if len(password) < accounts_rules.MIN_PASSWORD:
        raise Misconfigured(f"ALPR_CONSOLE_DEMO_PASSWORD: at least {accounts_rules.MIN_PASSWORD} characters")
    for username, name, organization, roles in accounts_rules.DEMO_PEOPLE:
        await accounts.put_person(
            username=username,
            full_name=name,
            organization=organization or policies[DEMO].name,
            agency=DEMO,
            roles=roles,
            password=password,
            now=utc_now(),
        )


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises `Misconfigured` or `Transient`; both say what is missing."""
    policies = profiles.load_profiles()
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        console = build(settings, pool, policies, stop)
        if settings.seed_demo:
            await seed_demo(console.accounts, settings, policies)
        await publish_profiles(pool, console.outbox, profiles.shipped_documents(), utc_now())
        health = Health(SERVICE)
        async with kafka.Publisher(settings.kafka) as publisher:
            await together(
                serve_http(ops_routes(health, console.app), settings, stop),
                consume(console.hits, settings, publisher, stop),
                console.wakeups.listen(stop),
                relay(console.outbox, publisher, health, stop),
                purge(console, health, stop),
            )
        await console.doors.close()
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), 5.0)


SERVICE: Final = "console"


async def consume(hits: HitStore, settings: Settings, publisher: kafka.Publisher, stop: asyncio.Event) -> None:
    """Store every hit and notification; the offset is committed after the row."""
    prefix = settings.topic_prefix
    notifications = physical(Topic.NOTIFICATIONS, prefix=prefix)

    async def handle(message: kafka.Message) -> None:
        value = message.value or b""
        if message.topic == notifications:
            await hits.put_notification(wire.decode_notification(value, message.headers), utc_now())
        else:
            await hits.put_hit(wire.decode_hit(value, message.headers), utc_now())

    await kafka.run_consumer(
        settings.kafka,
        (Topic.HITS, Topic.NOTIFICATIONS),
        group=GROUP,
        handle=handle,
        dead_letters=kafka.DeadLetters(publisher, SERVICE),
        stop=stop,
        metrics=ConsumerMetrics(SERVICE),
    )


async def relay(outbox: Outbox, publisher: kafka.Publisher, health: Health, stop: asyncio.Event) -> None:
    """Empty the outbox, again and again; what cannot be published stays."""
    beat = health.progress("relay", 120.0)
    while not stop.is_set():
        beat()
        try:
            if await outbox.relay(publisher):
                continue
        except Transient:
            log.warning("outbox_relay_waits")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RELAY_PAUSE_S)


async def purge(console: Console, health: Health, stop: asyncio.Event) -> None:
    """Remove expired hits and forgotten sessions on a timer."""
    beat = health.progress("purge", 3 * PURGE_EVERY_S)
    while not stop.is_set():
        beat()
        now = utc_now()
        try:
            counts = await console.hits.purge(now)
            await console.accounts.forget_sessions(now - SESSIONS_KEPT)
            log.info("console_purged", extra=counts)
        except Transient:
            log.warning("console_purge_waits")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PURGE_EVERY_S)


async def _seed_only(settings: Settings, stop: asyncio.Event) -> None:
    policies = profiles.load_profiles()
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        await seed_demo(build(settings, pool, policies, stop).accounts, settings, policies)
        stop.set()  # the job is done: ending now is what was asked
    finally:
        await pool.close()


async def _add_person(settings: Settings, stop: asyncio.Event, values: Sequence[str]) -> None:
    agency, username, full_name, roles = values
    policies = profiles.load_profiles()
    if agency not in policies:
        raise Misconfigured(f"no profile for agency {agency}")
    password, secret = new_password(), new_second_factor()
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        saved = await build(settings, pool, policies, stop).accounts.put_person(
            username=username,
            full_name=full_name,
            organization=policies[agency].name,
            agency=agency,
            roles=roles.split(","),
            password=password,
            totp_secret=secret,
            now=utc_now(),
        )
    finally:
        await pool.close()
    if not saved:
        raise Misconfigured("the username is taken")
    label = quote(f"Plateline:{username}")
    sys.stdout.write(f"password {password}\notpauth://totp/{label}?secret={secret}&issuer=Plateline\n")
    stop.set()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console.

    `seed-demo` makes the demonstration's people and ends; `add-person AGENCY USERNAME "FULL NAME" ROLE[,ROLE]` makes an
    account, prints its first password and its authenticator's address once, and ends.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["seed-demo"]:
        return run(SERVICE, Settings, _seed_only, [])
    if arguments[:1] == ["add-person"] and len(arguments) == 5:
        return run(SERVICE, Settings, partial(_add_person, values=arguments[1:]), [])
    return run(SERVICE, Settings, serve, arguments)
