"""Puts ingest together and runs it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alpr_ingest.api import Doors, build_app
from alpr_ingest.app import PurgeDoor, Relay, refusal_log
from alpr_ingest.entering import PARTIALS, Entering
from alpr_ingest.loading import DryRuns, ListLoader, Republishing, Resealing, Restating
from alpr_ingest.packing import Packing
from alpr_ingest.pulling import Limits, Puller, Watch
from alpr_ingest.settings import Settings
from alpr_ingest.store import Store
from alprcore.errors import Transient
from alprcore.kafka import DeadLetters, Publisher, follow_from, follow_whole, watch_streams
from alprcore.layouts import shipped, with_own
from alprcore.objects import ImageStore
from alprcore.ops import Health, ops_routes
from alprcore.policy import AgencyProfile
from alprcore.postgres import connect, require_schema
from alprcore.profiles import Profiles, load_profiles
from alprcore.refusals import RefusalLog
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys, SigningKey
from alprcore.told import sealing
from alprcore.topics import Topic

_PROBE_S = 5.0
_LISTS_S = 1.0
_SWITCH_S = 0.001
"""How long a thread that reads a list file keeps the loop waiting each time; Python's 5 ms add up over forty waits."""
_CONNECTIONS = 20  # a load keeps one to itself for a minute, and ten lists may be loaded at once


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event, clock: Callable[[], datetime] = utc_now) -> None:
    """Run until `stop`. Frames are taken only once the policies in force are read: a read's due day follows them."""
    profiles, followed, changed = Profiles(load_profiles()), asyncio.Event(), asyncio.Event()

    def apply(key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        if value is not None:  # an agency that ingest knows keeps its devices: the last policy stays
            profiles.apply(key, value, headers)
            changed.set()

    async def answer() -> None:
        while not (followed.is_set() or stop.is_set()):
            await asyncio.sleep(0.05)
        await serve_http(app, settings, stop)

    sys.setswitchinterval(_SWITCH_S)
    keys = ListKeys.load(settings.list_keys_file)
    layouts = with_own(Path(settings.layouts_folder)) if settings.layouts_folder else shipped()
    images = ImageStore(settings.objects_url)
    pool = await connect(settings.database_url.get_secret_value(), max=_CONNECTIONS)
    publisher = Publisher(settings.kafka, sealing(settings.events_public_key))
    try:
        await require_schema(pool, "ingest", "alpr_ingest")
        await publisher.start()
        store = Store(pool)
        await store.seed_hotlists(_lists(profiles))
        health = Health("ingest")
        relay = Relay(store, publisher)
        loader = ListLoader(store, publisher, keys, relay, clock, profiles, layouts)
        entering = Entering(store, loader, keys, relay, profiles, clock)
        puller = Puller(store, loader, relay, profiles, Limits.of(settings), clock)
        packing = None
        if settings.package_key_file:
            valid = timedelta(hours=settings.package_valid_hours)
            packing = Packing(store, SigningKey.load(settings.package_key_file), clock, valid)
        doors = Doors(
            store=store,
            publisher=publisher,
            dead_letters=DeadLetters(publisher, "ingest"),
            images=images,
            relay=relay,
            loader=loader,
            entering=entering,
            puller=puller,
            dry_runs=DryRuns(store, loader, settings.kafka, keys, clock, least=settings.dry_run_least),
            packing=packing,
            republishing=Republishing(store, publisher, relay, clock),
            profiles=profiles,
            person_key=settings.person_key,
            clock=clock,
            refusals=refusal_log(store, clock),
            largest_list=settings.largest_list_bytes,
        )
        restating = Restating(store, settings.kafka, doors.republishing, clock)
        app = ops_routes(health, build_app(doors))
        gc.freeze()  # what lives as long as the service is not looked through for garbage: a fifth of a load's publishing
        await together(
            _relay(relay, restating.done, health, stop),
            loader.run(stop, timedelta(seconds=settings.clean_after_seconds)),
            Resealing(store, publisher, keys, relay, clock).run(stop),
            restating.run(stop),
            entering.run(stop, health.progress("entered_plates", limit_s=300)),
            puller.run(stop, health.progress("feeds", limit_s=120), settings.feed_poll_seconds),
            Watch(store, relay, profiles, clock).run(
                stop, health.progress("list_watch", limit_s=300), settings.feed_poll_seconds
            ),
            _probe(store, health, stop),
            _tell_crowds(doors.refusals, stop),
            follow_whole(settings.kafka, Topic.PROFILES, apply, ready=followed, stop=stop),
            _name_lists(store, profiles, changed, stop),
            _follow_purges(settings, store, PurgeDoor(store, profiles, clock), health, followed, stop),
            watch_streams(settings.kafka, health, profiles, stop),
            answer(),
        )
    finally:
        await publisher.stop()
        await pool.close()


async def _tell_crowds(refusals: RefusalLog, stop: asyncio.Event) -> None:
    """Write down what was refused too often to have entries of its own."""
    while not stop.is_set():
        with suppress(Transient):
            await refusals.flush()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LISTS_S)
    with suppress(Transient):
        await refusals.flush(ending=True)


def _lists(profiles: Mapping[str, AgencyProfile]) -> list[tuple[Any, ...]]:
    return [
        (
            profile.agency, rule.code, rule.label, rule.list_type, rule.advisory_class, rule.reason,
            f"named by the policy {profile.policy_ref}", rule.loads_per_day, rule.list_type != "special", "profile",
        )
        for profile in list(profiles.values())
        for rule in (*profile.lists, PARTIALS)
    ]  # fmt: skip


async def _name_lists(
    store: Store, profiles: Mapping[str, AgencyProfile], changed: asyncio.Event, stop: asyncio.Event
) -> None:
    """Make the lists that the policies name whenever a policy changes (DEF-07, HOT-01)."""
    while not stop.is_set():
        if changed.is_set():
            changed.clear()
            try:
                await store.seed_hotlists(_lists(profiles))
            except Transient:
                changed.set()  # asked again: the database is away
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LISTS_S)


async def _follow_purges(
    settings: Settings, store: Store, door: PurgeDoor, health: Health, policies: asyncio.Event, stop: asyncio.Event
) -> None:
    """Apply retention's purges once the policies are read; not ready before all are that this database has not seen."""
    ready = asyncio.Event()
    health.check("purges", lambda: "" if ready.is_set() else "purge orders are not applied yet")
    while not (policies.is_set() or stop.is_set()):
        await asyncio.sleep(0.05)
    if not stop.is_set():
        await follow_from(settings.kafka, Topic.PURGES, store.purge_positions, door.take, ready=ready, stop=stop)


async def _relay(relay: Relay, restated: asyncio.Event, health: Health, stop: asyncio.Event) -> None:
    """Hand the outbox on, once all is in it that a fresh broker must be told: a part of it would look like the whole."""
    while not (restated.is_set() or stop.is_set()):
        await asyncio.sleep(0.05)
    await relay.run(stop, health.progress("relay", limit_s=120))


async def _probe(store: Store, health: Health, stop: asyncio.Event) -> None:
    """Ask the database every few seconds, so that /readyz knows without asking itself."""
    state = {"database": "not asked yet"}
    health.check("database", lambda: state["database"])
    while not stop.is_set():
        try:
            await store.waiting()
            state["database"] = ""
        except Transient as error:
            state["database"] = str(error)
        try:
            await asyncio.wait_for(stop.wait(), _PROBE_S)
        except TimeoutError:
            continue


def main(argv: Sequence[str] | None = None) -> int:
    """Run ingest; answers the exit status."""
    return run("ingest", Settings, serve, argv)
