"""Puts the features together: what one needs of another is handed over here, and nowhere else."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, FastAPI

from alprcore import audited
from alprcore.errors import Misconfigured
from alprcore.evidence import Kind
from alprcore.objects import ImageStore
from alprcore.outbox import Publishes, refusal_log
from alprcore.postgres import connect, require_schema
from alprcore.refusals import RefusalLog
from alprcore.seal import PackageSigner, key_fingerprint

from .app import House, Profiles
from .evidence import api as evidence_api
from .evidence.store import Bench, Builder, Packages, Unmoved, Vault
from .holding import api as holding_api
from .holding.store import Holds, RecordsSystems, Watch, booked, covered, hold_facts, note_images
from .purging import api as purging_api
from .purging.store import Purges, Rows, Ways
from .quarantine import api as quarantine_api
from .quarantine.store import Quarantine
from .releases import api as releases_api
from .releases.store import Disposal, HandingStore, RequestStore
from .schedule import api as schedule_api
from .schedule.store import Schedule, declare_statute
from .settings import RetentionSettings
from .sharing import api as sharing_api
from .sharing.store import Agreements, Demands, Partners, Repositories, SentNotes
from .store import ImageKeys, Images, Records
from .telling import Outbox
from .viewing import api as viewing_api
from .web import Door, answer_refusals


@dataclass(frozen=True, slots=True)
class Parts:
    """What this service is made of."""

    pool: Any
    clock: Callable[[], datetime]
    profiles: Profiles
    records: Records
    images: Images
    outbox: Outbox
    house: House
    purges: Purges
    schedule: Schedule
    watch: Watch
    systems: RecordsSystems
    quarantine: Quarantine
    packages: Packages
    builder: Builder
    agreements: Agreements
    repositories: Repositories
    partners: Partners
    disposal: Disposal
    refusals: RefusalLog
    app: FastAPI

    async def close(self) -> None:
        """Close what leads to other organizations."""
        await self.partners.close()
        await self.systems.close()


def create_app(refusals: RefusalLog, routers: Sequence[APIRouter]) -> FastAPI:
    """The doors of all features; raises `Misconfigured` for one without its line in the list of ledger entries."""
    app = FastAPI(title="Plateline retention", openapi_url=None, docs_url=None, redoc_url=None)
    answer_refusals(app, refusals)
    for router in routers:
        app.include_router(router)
    audited.require("retention", app.routes)
    return app


async def build(
    settings: RetentionSettings, profiles: Profiles, publisher: Publishes, clock: Callable[[], datetime]
) -> Parts:
    """Put the parts together; raises `Misconfigured` for a setting or schema that does not do."""
    try:
        person_key = base64.b64decode(settings.person_public_key, validate=True)
    except ValueError as error:
        raise Misconfigured("ALPR_RETENTION_PERSON_PUBLIC_KEY: not base64") from error
    pool = await connect(settings.database_url.get_secret_value())
    await require_schema(pool, "retention", "alpr_retention")
    await declare_statute(pool, settings.statutory_retention)
    return assemble(settings, pool, profiles, publisher, Door(person_key, clock))


def assemble(settings: RetentionSettings, pool: Any, profiles: Profiles, publisher: Publishes, door: Door) -> Parts:
    """Put the features together over an open database."""
    clock = door.clock
    outbox = Outbox(pool)
    images = Images(ImageStore(settings.objects_url), ImageKeys(settings.image_keys_dir))
    partners = Partners(settings.repositories)
    agreements, repositories = (
        Agreements(outbox),
        Repositories(outbox, profiles, partners, SentNotes(settings.image_keys_dir)),
    )
    records = Records(pool, also=[repositories.note])
    house = House(records, images, profiles, publisher, clock)
    systems = RecordsSystems(settings.case_files, clock)
    watch = Watch(outbox, systems, profiles, clock)
    quarantine = Quarantine(pool, images.objects, images.keys, profiles, clock, outbox, settings.quarantine_strangers)
    vault = Vault(images.objects, ImageKeys(settings.image_keys_dir / "packages"))
    packages = Packages(outbox, vault, profiles, covered, functools.partial(booked, outbox), {Kind.HOLD: Unmoved()})
    handing = HandingStore(outbox, profiles, packages.open, packages.state, repositories.disclosed, packages.of_read)
    packages.subjects[Kind.RELEASE] = handing
    signer = PackageSigner.at(settings.image_keys_dir / "evidence.pem")
    rows = Rows(pool, outbox)
    ways = Ways(
        end_due=watch.end_due,
        local={"quarantine": quarantine.purge, "evidence": packages.due, "repositories": repositories.purged},
        doors=tuple(name.strip() for name in settings.purge_doors.split(",") if name.strip()),
        patience=timedelta(minutes=settings.purge_answer_minutes),
        noted=note_images,
    )
    purges = Purges(rows, records, images, profiles, ways, clock)
    schedule = Schedule(outbox, records, images, profiles, purges.accounts.finished, clock)
    purges.may_purge = schedule.may_purge
    refusals = refusal_log(outbox, profiles, clock)
    routers = [
        viewing_api.routes(door, records, images, outbox, profiles),
        purging_api.routes(door, purges, outbox),
        schedule_api.routes(schedule, door, profiles),
        holding_api.routes(door, Holds(outbox), systems, profiles),
        evidence_api.routes(door, packages, hold_facts, signer.public, key_fingerprint(signer.public)),
        releases_api.routes(RequestStore(outbox, images.objects, images.keys), handing, door, profiles),
        sharing_api.routes(door, profiles, agreements, repositories, Demands(outbox), handing.holders),
        quarantine_api.routes(quarantine, door),
    ]
    return Parts(
        pool=pool,
        clock=clock,
        profiles=profiles,
        records=records,
        images=images,
        outbox=outbox,
        house=house,
        purges=purges,
        schedule=schedule,
        watch=watch,
        systems=systems,
        quarantine=quarantine,
        packages=packages,
        builder=Builder(packages, Bench(pool, outbox, profiles), images, signer, clock),
        agreements=agreements,
        repositories=repositories,
        partners=partners,
        disposal=Disposal(outbox, images.objects),
        refusals=refusals,
        app=create_app(refusals, routers),
    )
