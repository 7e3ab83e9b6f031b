"""Puts the console together and runs it: HTTP, the consumer of hits, the outbox relay and the purge timer."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI

from alprcore import audited, kafka, postgres, profiles, wire
from alprcore.errors import Misconfigured, Transient
from alprcore.model import Person, Refused
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.policy import ACTIVITIES, AgencyProfile, local_day, may_access, valid_training
from alprcore.refusals import RefusalLog
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys, SigningKey
from alprcore.topics import Topic, physical

from .accounts import api as accounts_api
from .accounts import pages as accounts_pages
from .accounts import rules as accounts_rules
from .accounts.store import AccountStore, Papers
from .administration import api as administration_api
from .administration import pages as administration_pages
from .administration import rules as administration_rules
from .administration.store import AdministrationStore
from .audits import pages as audits_pages
from .audits import rules as audits_rules
from .canvasses import api as canvasses_api
from .canvasses import pages as canvasses_pages
from .canvasses import rules as canvasses_rules
from .canvasses.store import CanvassStore
from .doors import Doors, Outbox, refusal_log
from .equipment import api as equipment_api
from .equipment import pages as equipment_pages
from .equipment.store import EquipmentStore
from .hits import api as hits_api
from .hits import pages as hits_pages
from .hits import rules as hits_rules
from .hits.store import HitStore, Wakeups
from .lists import api as lists_api
from .lists import pages as lists_pages
from .lists import rules as lists_rules
from .profiles import api as profiles_api
from .profiles import pages as profiles_pages
from .profiles import rules as profiles_rules
from .profiles.store import ProfileStore
from .proofs import provider_of
from .publication import api as publication_api
from .publication import pages as publication_pages
from .publication import rules as publication_rules
from .publication.store import Gathered, PublicationStore
from .queries import api as queries_api
from .queries import pages as queries_pages
from .queries import rules as queries_rules
from .settings import Settings
from .sources import api as sources_api
from .sources import pages as sources_pages
from .sources.store import RegistrationSource, SourceStore
from .training import api as training_api
from .training import pages as training_pages
from .training import rules as training_rules
from .training.store import TrainingStore
from .web import Place, Web, create_app, new_password, new_second_factor

log = logging.getLogger(__name__)
SCHEMA: Final = "console"
GROUP: Final = "alpr-console"
DEMO: Final = "demo"
RELAY_PAUSE_S: Final = 0.25
PURGE_EVERY_S: Final = 600.0
PROFILES_EVERY_S: Final = 1.0
SESSIONS_KEPT: Final = timedelta(days=30)
PLACES: Final = (
    Place("/hits", "Live hits", lambda session: not isinstance(hits_rules.may_watch(session.person), Refused)),
    Place("/search", "Search", lambda session: queries_rules.may_search(session.person)),
    Place("/canvasses", "Canvasses", lambda session: canvasses_rules.may_work(session.person)),
    Place("/lists", "Lists", lambda session: lists_rules.reads_lists(session.person, session.profile)),
    Place("/devices", "Devices", lambda _: True),
    Place(
        "/people",
        "People",
        lambda session: administration_rules.looks_after_people(session.person.roles, session.profile),
    ),
    Place("/audits", "Audit", lambda session: audits_rules.may_look(session.person)),
)
"""The navigation, in the order it is shown."""
MENU: Final = (
    Place("/my-training", "My training", lambda _: True),
    Place("/policy", "Policy", lambda _: True),
    Place("/profile", "Policy profile", lambda session: profiles_rules.reads(session.person)),
    Place(
        "/guidelines", "Guidelines", lambda session: not isinstance(publication_rules.may_read(session.person), Refused)
    ),
    Place("/public/policy", "Published policy", lambda _: True),
    Place("/glossary", "Glossary", lambda _: True),
    Place("/account", "My account", lambda session: session.limit is None),
)
"""What lies in the person's own menu."""


def utc_now() -> datetime:
    """Read the clock; the only place that does."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Console:
    """The console's parts, for `serve` and for tests."""

    app: FastAPI
    accounts: AccountStore
    administration: AdministrationStore
    training: TrainingStore
    hits: HitStore
    outbox: Outbox
    wakeups: Wakeups
    doors: Doors
    refusals: RefusalLog
    versions: ProfileStore
    sources: SourceStore
    publication: PublicationStore
    canvasses: CanvassStore


def build(
    settings: Settings, pool: Any, policies: dict[str, AgencyProfile], stop: asyncio.Event, clock: Any = utc_now
) -> Console:
    """Connect stores, doors and pages."""
    queries = postgres.load_queries(__package__ or "alpr_console")
    outbox = Outbox(pool, queries)
    training = TrainingStore(pool, postgres.load_queries("alpr_console.training"), outbox, policies)

    versions = ProfileStore(pool, outbox, policies)

    async def papers(person_id: str, profile: AgencyProfile, now: datetime, since: datetime | None) -> Papers:
        standing = await training.standing(person_id, now)
        policy_changed = bool(standing.policy_version) and standing.policy_version != profile.version
        also_read = await versions.in_force_since(profile.agency, since) if policy_changed and since else ()
        return Papers(
            decision=may_access(standing, profile, "access_data", now, also_read),
            category=standing.category,
            training=valid_training(standing, profile, now),
            grants=standing.grants,
            devices=standing.devices,
            review_due=training_rules.announced(standing, profile, now),
            policy_changed=policy_changed and profile.access.policy_read,
        )

    keys = ListKeys.load(settings.list_keys_file) if settings.list_keys_file else None
    accounts = AccountStore(pool, outbox, policies, papers, settings, keys)
    provider = provider_of(settings, clock)
    administration = AdministrationStore(
        pool,
        postgres.load_queries("alpr_console.administration"),
        outbox,
        policies,
        accounts.people.issue_first_password,
    )
    hits = HitStore(pool, queries, outbox, policies, timedelta(days=settings.keep_hits_days), keys)
    wakeups = Wakeups(pool)
    equipment = EquipmentStore(pool, queries)
    urls = {"ingest": settings.ingest_url, "audit": settings.audit_url, "retention": settings.retention_url}
    doors = Doors(urls, SigningKey.load(settings.person_key_file), clock, settings.door_timeout_s)
    refusals = refusal_log(outbox, policies, clock)
    web = Web(settings, policies, clock, accounts.sessions.find, accounts.sessions.touch, doors, stop, refusals)
    publication = PublicationStore(pool, outbox, policies)

    gathered = Gathered(training.courses, audited.covered)
    sources = SourceStore(pool, outbox, keys)
    registrations = RegistrationSource(settings.registration_url, settings.door_timeout_s)
    canvasses = CanvassStore(outbox, keys)

    async def decides(person: Person, profile: AgencyProfile, power: str, now: datetime) -> bool:
        decision, _ = await administration.authority(person, profile, power, "data", now)
        return not isinstance(decision, Refused)

    routers = (
        administration_api.router(administration, training.standing),
        administration_pages.router(administration, training.file_of),
        training_api.router(training, administration.authority, administration.may_see),
        training_pages.router(training, administration.authority, administration.may_see),
        accounts_api.router(accounts, provider, administration.may_manage),
        accounts_pages.router(accounts, provider),
        hits_api.router(hits, wakeups),
        hits_pages.router(),
        sources_api.router(sources, registrations, hits.hit, hits_rules.check_expires_at),
        sources_pages.router(sources, registrations, hits.hit, hits_rules.check_expires_at, hits.viewed),
        equipment_api.router(equipment),  # before the forwards: its paths lie below one of theirs
        equipment_pages.router(equipment, equipment_api.camera_counts),
        profiles_api.router(versions, administration.acting),
        profiles_pages.router(versions, administration.acting),
        publication_api.router(publication, gathered, administration.acting),
        publication_pages.router(publication, gathered, administration.acting, versions.effective_at),
        lists_api.router(administration.acting),
        lists_pages.router(decides, administration.names),
        canvasses_api.router(canvasses),
        canvasses_pages.router(canvasses, queries_rules.positions),
        queries_api.router(),
        queries_pages.router(),
        audits_pages.router(),
    )
    app = create_app(web, routers, version=version("alpr-console"), places=PLACES, menu=MENU)
    audited.require("console", app.routes)
    return Console(
        app, accounts, administration, training, hits, outbox, wakeups, doors, refusals, versions, sources, publication,
        canvasses,
    )  # fmt: skip


async def seed_papers(console: Console, profile: AgencyProfile, username: str, roles: Sequence[str]) -> None:
    """Complete an account made on the machine itself, so that its person can work; nothing where nothing is missing.

    Nobody of the agency witnessed these papers: the ledger and the person's own page say so (ACC-03).
    """
    now, agency = utc_now(), profile.agency
    found = await console.administration.account(agency, username)
    if found is None:
        raise Misconfigured(f"there is no account {username}")
    standing = await console.training.standing(found["person_id"], now)
    if all(not isinstance(may_access(standing, profile, deed, now), Refused) for deed in sorted(ACTIVITIES)):
        return
    organization = found["organization"]
    person = Person(found["person_id"], username, found["full_name"], organization, agency, tuple(roles), "", "")
    category, title = training_rules.place(roles, profile)
    await console.administration.vouch(person, profile, found["employee_id"] or f"M-{username}", category, title, now)
    until = local_day(profile, now) + timedelta(days=365) if category == "contractor" else None
    await console.training.attest(person, profile, until, now)


async def seed_demo(console: Console, settings: Settings, policies: Mapping[str, AgencyProfile]) -> None:
    """Make the demonstration's people, all with the password of the settings. Raises `Misconfigured`."""
    password = settings.demo_password.get_secret_value()
    if len(password) < settings.password_length:
        raise Misconfigured(f"ALPR_CONSOLE_DEMO_PASSWORD: at least {settings.password_length} characters")
    for username, name, organization, roles in accounts_rules.DEMO_PEOPLE:
        await console.accounts.people.put_person(
            username=username,
            full_name=name,
            organization=organization or policies[DEMO].name,
            agency=DEMO,
            roles=roles,
            password=password,
            now=utc_now(),
        )
        await seed_papers(console, policies[DEMO], username, roles)


def shipped_policies(settings: Settings) -> dict[str, AgencyProfile]:
    """Read the profiles that ship and those of the operator's folder. Raises `Misconfigured` naming agency and key."""
    documents = profiles.shipped_documents(settings.profiles_folder)
    return {agency: profiles.profile_from_json(document) for agency, document in documents.items()}


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises `Misconfigured` or `Transient`; both say what is missing."""
    policies = shipped_policies(settings)
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        console = build(settings, pool, policies, stop)
        await console.versions.start(profiles.shipped_documents(settings.profiles_folder), utc_now())
        if sealed := await console.accounts.factors.seal_secrets():
            log.info("second_factors_sealed", extra={"count": sealed})
        if settings.seed_demo:
            await seed_demo(console, settings, policies)
        health = Health(SERVICE)
        async with kafka.Publisher(settings.kafka) as publisher:
            await together(
                serve_http(ops_routes(health, console.app, public=True), settings, stop),
                serve_figures(health, settings, stop),
                consume(console, settings, publisher, stop),
                console.wakeups.listen(stop),
                relay(console.outbox, console.refusals, publisher, health, stop),
                purge(console, health, stop),
                keep_profiles(console.versions, health, stop),
            )
        with suppress(Transient):
            await console.refusals.flush(ending=True)
        await console.doors.close()
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), 5.0)


SERVICE: Final = "console"


async def serve_figures(health: Health, settings: Settings, stop: asyncio.Event) -> None:
    """Serve /metrics on a port of its own, where one is set: the public one shows no figures to strangers."""
    if settings.ops_port is None:
        await stop.wait()
        return
    inside = settings.model_copy(update={"host": settings.ops_host, "port": settings.ops_port})
    await serve_http(ops_routes(health), inside, stop)


async def consume(console: Console, settings: Settings, publisher: kafka.Publisher, stop: asyncio.Event) -> None:
    """Store every hit, notification and alarm of a list; the offset is committed after the row."""
    hits, prefix = console.hits, settings.topic_prefix
    notifications, alarms = (physical(t, prefix=prefix) for t in (Topic.NOTIFICATIONS, Topic.HOTLIST_ALARMS))

    async def handle(message: kafka.Message) -> None:
        value = message.value or b""
        if message.topic == notifications:
            await hits.put_notification(wire.decode_notification(value, message.headers), utc_now())
        elif message.topic == alarms:
            await console.accounts.people.put_alarm(wire.decode_list_alarm(value, message.headers))
        else:
            await hits.put_hit(wire.decode_hit(value, message.headers), utc_now())

    await kafka.run_consumer(
        settings.kafka,
        (Topic.HITS, Topic.NOTIFICATIONS, Topic.HOTLIST_ALARMS),
        group=GROUP,
        handle=handle,
        dead_letters=kafka.DeadLetters(publisher, SERVICE),
        stop=stop,
        metrics=ConsumerMetrics(SERVICE),
    )


async def relay(
    outbox: Outbox, refusals: RefusalLog, publisher: kafka.Publisher, health: Health, stop: asyncio.Event
) -> None:
    """Empty the outbox, again and again; what cannot be published stays."""
    beat = health.progress("relay", 120.0)
    while not stop.is_set():
        beat()
        try:
            await refusals.flush()
            if await outbox.relay(publisher):
                continue
        except Transient:
            log.warning("outbox_relay_waits")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RELAY_PAUSE_S)


async def keep_profiles(versions: ProfileStore, health: Health, stop: asyncio.Event) -> None:
    """Put approved versions into force when their time has come, and follow what another replica put there."""
    beat = health.progress("profiles", 120.0)
    while not stop.is_set():
        beat()
        try:
            await versions.due(utc_now())
            await versions.refresh()
        except Transient:
            log.warning("profiles_wait")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PROFILES_EVERY_S)


async def purge(console: Console, health: Health, stop: asyncio.Event) -> None:
    """Remove expired hits and forgotten sessions on a timer."""
    beat = health.progress("purge", 3 * PURGE_EVERY_S)
    while not stop.is_set():
        beat()
        now = utc_now()
        try:
            counts = await console.hits.purge(now)
            counts["verifications"] = await console.sources.purge(now)
            counts["canvasses"] = await console.canvasses.purge(now)
            if late := await console.publication.check_posting():
                log.warning("posting_outdated", extra={"agencies": late})
            counts |= await console.administration.on_timer(now)
            counts["suspensions"] = await console.training.note_suspensions(now)
            await console.accounts.sessions.forget(now - SESSIONS_KEPT, now)
            log.info("console_purged", extra=counts)
        except Transient:
            log.warning("console_purge_waits")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PURGE_EVERY_S)


async def _seed_only(settings: Settings, stop: asyncio.Event) -> None:
    policies = shipped_policies(settings)
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        console = build(settings, pool, policies, stop)
        await console.versions.refresh()
        await seed_demo(console, settings, policies)
        stop.set()  # the job is done: ending now is what was asked
    finally:
        await pool.close()


async def _add_person(settings: Settings, stop: asyncio.Event, values: Sequence[str]) -> None:
    agency, username, full_name, roles = values
    policies = shipped_policies(settings)
    if agency not in policies:
        raise Misconfigured(f"no profile for agency {agency}")
    password, secret = new_password(), new_second_factor()
    pool = await postgres.connect(settings.database_url.get_secret_value())
    try:
        await postgres.require_schema(pool, SCHEMA, "alpr_console")
        console = build(settings, pool, policies, stop)
        await console.versions.refresh()  # papers are given for the policy in force, not for the one that ships
        saved = await console.accounts.people.put_person(
            username=username,
            full_name=full_name,
            organization=policies[agency].name,
            agency=agency,
            roles=roles.split(","),
            password=password,
            totp_secret=secret,
            first=True,
            now=utc_now(),
        )
        if saved:
            await seed_papers(console, policies[agency], username, roles.split(","))
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
