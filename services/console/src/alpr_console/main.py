"""Runs the console: HTTP, the consumers, the outbox relay and the timers."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from alprcore import kafka, postgres, profiles, wire
from alprcore.errors import Misconfigured, Transient
from alprcore.model import Person, Refused
from alprcore.ops import ConsumerMetrics, Health, ops_routes
from alprcore.policy import ACTIVITIES, AgencyProfile, local_day, may_access, may_keep_less
from alprcore.runtime import run, serve_http, together
from alprcore.told import sealing
from alprcore.topics import Topic, physical

from .accounts import rules as accounts_rules
from .building import Console, assemble
from .cad.store import CadFeed
from .settings import Settings
from .timers import every
from .training import rules as training_rules
from .web import new_password, new_second_factor

log = logging.getLogger(__name__)
SCHEMA: Final = "console"
GROUP: Final = "alpr-console"
DEMO: Final = "demo"
RELAY_PAUSE_S: Final = 0.25
TIDY_EVERY_S: Final = 600.0
DUTY_EVERY_S: Final = 5.0
PROFILES_EVERY_S: Final = 1.0
SESSIONS_KEPT: Final = timedelta(days=30)


def utc_now() -> datetime:
    """Read the clock; the only place that does."""
    return datetime.now(UTC)


def build(
    settings: Settings,
    pool: Any,
    policies: dict[str, AgencyProfile],
    stop: asyncio.Event,
    clock: Callable[[], datetime] = utc_now,
) -> Console:
    """Connect stores, doors and pages."""
    return assemble(settings, pool, policies, stop, clock)


async def seed_papers(
    console: Console, profile: AgencyProfile, username: str, roles: Sequence[str], grants: Sequence[str] = ()
) -> None:
    """Complete an account made on the machine itself, so that its person can work; nothing where nothing is missing.

    Nobody of the agency witnessed these papers: the ledger and the person's own page say so (ACC-03). `grants` open
    other sources with the first papers only: what a manager took away later stays away (ACC-07).
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
    certified = sorted({*grants}.intersection(profile.access.grant_certifications))
    await console.training.attest(person, profile, until, now, certified)
    if grants and not standing.policy_version:
        complete = await console.training.standing(person.person_id, now)
        refusal = await console.administration.set_grants(
            person, profile, complete, grants, "", now, {"by": "operator"}
        )
        if refusal is not None:
            raise Misconfigured(f"{username}: {refusal.detail}")


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
        await seed_papers(console, policies[DEMO], username, roles, accounts_rules.DEMO_GRANTS.get(username, ()))


def shipped_policies(settings: Settings) -> dict[str, AgencyProfile]:
    """Read the profiles that ship and those of the operator's folder. Raises `Misconfigured` naming agency and key."""
    documents = profiles.shipped_documents(settings.profiles_folder)
    policies = {agency: profiles.profile_from_json(document) for agency, document in documents.items()}
    for agency, policy in policies.items():
        fits = may_keep_less(policy.retention, settings.statutory_retention)
        if isinstance(fits, Refused):
            raise Misconfigured(f"profile {agency}: {fits.detail} (ALPR_CONSOLE_STATUTORY_RETENTION)")
    return policies


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
        async with kafka.Publisher(settings.kafka, sealing(settings.events_public_key)) as publisher:
            await together(
                serve_http(ops_routes(health, console.app, public=True), settings, stop),
                serve_figures(health, settings, stop),
                consume(console, settings, publisher, stop),
                console.wakeups.listen(stop),
                by_itself(console, publisher, health, stop),
                follow_cad(console, settings, publisher, policies, health, stop),
                follow_purges(console, settings, health, stop),
                kafka.watch_streams(settings.kafka, health, policies, stop),
            )
        await console.deliveries.end()
        await console.webhooks.close()
        with suppress(Transient):
            await console.refusals.flush(ending=True)
        await console.doors.close()
        await console.confirmations.close()
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
            notification = wire.decode_notification(value, message.headers)
            if notification.hit.read.canary:
                await console.chain.arrived(notification, utc_now())
            else:
                await hits.put_notification(notification, utc_now())
        elif message.topic == alarms:
            await console.accounts.people.put_alarm(wire.decode_list_alarm(value, message.headers))
        else:
            hit = wire.decode_hit(value, message.headers)
            if not hit.read.canary:  # its notification is what counts
                await hits.put_hit(hit, utc_now())

    await kafka.run_consumer(
        settings.kafka,
        (Topic.HITS, Topic.NOTIFICATIONS, Topic.HOTLIST_ALARMS),
        group=GROUP,
        handle=handle,
        dead_letters=kafka.DeadLetters(publisher, SERVICE),
        stop=stop,
        metrics=ConsumerMetrics(SERVICE),
    )


async def by_itself(console: Console, publisher: kafka.Publisher, health: Health, stop: asyncio.Event) -> None:
    """Empty the outbox, follow the profiles in force, tell what is late, and forget what nobody needs."""

    async def relay() -> bool:
        await console.refusals.flush()
        return await console.outbox.relay(publisher) > 0  # what cannot be published stays

    async def profiles_in_force() -> bool:
        await console.versions.due(utc_now())
        await console.versions.refresh()  # what another replica put into force
        return False

    async def duty() -> bool:
        now = utc_now()
        await console.duty.on_timer(now)
        await console.figures.open_reviews(now)
        await console.chain.on_timer(now)
        return False

    async def tidy() -> bool:
        now = utc_now()
        await console.figures.on_timer(now)  # what became of hits, before they go
        counts = await console.hits.tidy(now)
        counts["canvasses"] = await console.canvasses.purge(now)
        if late := await console.publication.check_posting():
            log.warning("posting_outdated", extra={"agencies": late})
        counts |= await console.administration.on_timer(now)
        counts["clients"] = await console.units.tidy(now)
        counts["clients_signed_off"] = await console.units.sweep(now)
        counts["suspensions"] = await console.training.note_suspensions(now)
        await console.accounts.sessions.forget(now - SESSIONS_KEPT, now)
        counts["cad_events"] = await console.cad.tidy(now)
        counts["handovers"] = await console.duty.purge(now)
        log.info("console_tidied", extra=counts)
        return False

    await together(
        every("relay", RELAY_PAUSE_S, relay, health, stop),
        every("profiles", PROFILES_EVERY_S, profiles_in_force, health, stop),
        every("duty", DUTY_EVERY_S, duty, health, stop),
        every("tidy", TIDY_EVERY_S, tidy, health, stop),
    )


async def follow_purges(console: Console, settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Remove what retention orders; not ready before every order is applied that this database has not seen (RET-10)."""
    ready = asyncio.Event()
    health.check("purges", lambda: "" if ready.is_set() else "purge orders are not applied yet")
    await kafka.follow_from(
        settings.kafka, Topic.PURGES, console.purges.position, console.purges.take, ready=ready, stop=stop
    )


async def follow_cad(
    console: Console,
    settings: Settings,
    publisher: kafka.Publisher,
    policies: Mapping[str, AgencyProfile],
    health: Health,
    stop: asyncio.Event,
) -> None:
    """Take what CAD systems answer, and send them what people did, on topics and to endpoints."""
    feed = CadFeed(
        console.cad, settings.kafka, publisher, lambda: list(policies), utc_now, SERVICE, ConsumerMetrics("console_cad")
    )

    async def send() -> bool:
        await console.deliveries.begin()
        return await console.cad.relay(feed.publish) > 0

    await together(feed.follow(stop), every("cad", RELAY_PAUSE_S, send, health, stop))


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
