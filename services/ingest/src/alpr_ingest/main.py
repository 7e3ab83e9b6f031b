"""Puts ingest together and runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from alpr_ingest.api import Doors, build_app
from alpr_ingest.app import ListLoader, Relay
from alpr_ingest.settings import Settings
from alpr_ingest.store import Store
from alprcore.errors import Transient
from alprcore.kafka import DeadLetters, Publisher
from alprcore.objects import ImageStore
from alprcore.ops import Health, ops_routes
from alprcore.postgres import connect, require_schema
from alprcore.profiles import load_profiles
from alprcore.runtime import run, serve_http, together
from alprcore.seal import ListKeys

_PROBE_S = 5.0


def utc_now() -> datetime:
    """The clock of this service."""
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event, clock: Callable[[], datetime] = utc_now) -> None:
    """Run until `stop`."""
    profiles = load_profiles()
    keys = ListKeys.load(settings.list_keys_file)
    images = ImageStore(settings.objects_url)
    pool = await connect(settings.database_url.get_secret_value())
    publisher = Publisher(settings.kafka)
    try:
        await require_schema(pool, "ingest", "alpr_ingest")
        await publisher.start()
        store = Store(pool)
        await store.seed_hotlists(
            [
                (
                    profile.agency, rule.code, rule.label, rule.list_type, rule.advisory_class, rule.reason,
                    f"named by the policy {profile.policy_ref}", rule.loads_per_day, rule.list_type != "special",
                    "profile",
                )
                for profile in profiles.values()
                for rule in profile.lists
            ]
        )  # fmt: skip
        health = Health("ingest")
        relay = Relay(store, publisher)
        loader = ListLoader(store, publisher, keys, relay, clock)
        doors = Doors(
            store=store,
            publisher=publisher,
            dead_letters=DeadLetters(publisher, "ingest"),
            images=images,
            relay=relay,
            loader=loader,
            profiles=profiles,
            person_key=settings.person_key,
            clock=clock,
        )
        app = ops_routes(health, build_app(doors))
        await together(
            relay.run(stop, health.progress("relay", limit_s=120)),
            loader.run(stop, timedelta(seconds=settings.clean_after_seconds)),
            _probe(store, health, stop),
            serve_http(app, settings, stop),
        )
    finally:
        await publisher.stop()
        await pool.close()


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
