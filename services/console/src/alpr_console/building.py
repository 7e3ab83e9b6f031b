"""Puts the console together: its stores, its doors, its pages, and who knows what of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI

from alprcore import audited, postgres
from alprcore.model import Decision, Person, Refused
from alprcore.outbox import refusal_log
from alprcore.policy import AgencyProfile, may_access, valid_training
from alprcore.refusals import RefusalLog
from alprcore.seal import ListKeys, SigningKey
from alprcore.workflow import LIVE_FOR, may_watch

from .accounts import api as accounts_api
from .accounts import pages as accounts_pages
from .accounts.store import AccountStore, Papers
from .administration import api as administration_api
from .administration import pages as administration_pages
from .administration import rules as administration_rules
from .administration.store import AdministrationStore
from .audits import pages as audits_pages
from .audits import rules as audits_rules
from .breaches import api as breaches_api
from .breaches import pages as breaches_pages
from .breaches import rules as breaches_rules
from .breaches.store import BreachStore
from .cad import api as cad_api
from .cad import pages as cad_pages
from .cad import rules as cad_rules
from .cad.store import CadStore, Deliveries, Endpoints
from .canvasses import api as canvasses_api
from .canvasses import pages as canvasses_pages
from .canvasses import rules as canvasses_rules
from .canvasses.store import CanvassStore
from .chain import api as chain_api
from .chain.store import ChainStore
from .confirmation import Confirmations
from .doors import Doors, Outbox
from .duty import api as duty_api
from .duty import rules as duty_rules
from .duty.store import DutyStore, Hits
from .equipment import api as equipment_api
from .equipment import pages as equipment_pages
from .equipment.store import EquipmentStore
from .figures import api as figures_api
from .figures import pages as figures_pages
from .figures import rules as figures_rules
from .figures.store import FigureStore
from .hits import api as hits_api
from .hits import pages as hits_pages
from .hits import rules as hits_rules
from .hits.store import Also, HitStore, More, Wakeups
from .lists import api as lists_api
from .lists import pages as lists_pages
from .lists import rules as lists_rules
from .operations import api as operations_api
from .operations import pages as operations_pages
from .operations import rules as operations_rules
from .operations.store import OperationStore
from .packages import api as packages_api
from .packages.store import Gathering
from .profiles import api as profiles_api
from .profiles import pages as profiles_pages
from .profiles import rules as profiles_rules
from .profiles.store import ProfileStore
from .proofs import provider_of
from .publication import api as publication_api
from .publication import pages as publication_pages
from .publication import rules as publication_rules
from .publication.store import Gathered, PublicationStore
from .purging.store import PurgeStore
from .queries import api as queries_api
from .queries import pages as queries_pages
from .queries import rules as queries_rules
from .records import api as records_api
from .records import pages as records_pages
from .records import rules as records_rules
from .settings import Settings
from .sources import api as sources_api
from .sources import pages as sources_pages
from .sources.store import RegistrationSource, SourceStore
from .training import api as training_api
from .training import pages as training_pages
from .training import rules as training_rules
from .training.store import TrainingStore
from .units import api as units_api
from .units import pages as units_pages
from .units import rules as units_rules
from .units.store import UnitStore
from .web import Place, SignedIn, Web, create_app
from .webhooks import Webhooks
from .workflow import api as workflow_api
from .workflow.store import Hooks, WorkflowStore, keep_needs

PLACES: Final = (
    Place(
        "/hits",
        "Live hits",
        lambda session: not session.client_id and not isinstance(may_watch(session.person), Refused),
    ),
    Place("/unit", "Unit", lambda session: bool(units_rules.kinds_open(session.person, session.profile))),
    Place("/search", "Search", lambda session: queries_rules.may_search(session.person)),
    Place("/canvasses", "Canvasses", lambda session: canvasses_rules.may_work(session.person)),
    Place("/lists", "Lists", lambda session: lists_rules.reads_lists(session.person, session.profile)),
    Place("/devices", "Devices", lambda _: True),
    Place(
        "/operations", "Operations", lambda session: not isinstance(operations_rules.may_look(session.person), Refused)
    ),
    Place("/figures", "Figures", lambda session: not isinstance(figures_rules.may_read(session.person), Refused)),
    Place("/cad", "CAD", lambda session: not isinstance(cad_rules.may_look(session.person), Refused)),
    Place(
        "/people",
        "People",
        lambda session: administration_rules.looks_after_people(session.person.roles, session.profile),
    ),
    Place("/records", "Records", lambda session: bool(records_rules.first(session.person))),
    Place("/audits", "Audit", lambda session: audits_rules.may_look(session.person)),
)
"""The navigation, in the order it is shown."""
_BEGIN: Final = ("/search", "/records", "/people", "/audits")
MENU: Final = (
    Place("/my-training", "My training", lambda _: True),
    Place("/policy", "Policy", lambda _: True),
    Place("/profile", "Policy profile", lambda session: profiles_rules.reads(session.person)),
    Place(
        "/guidelines", "Guidelines", lambda session: not isinstance(publication_rules.may_read(session.person), Refused)
    ),
    Place("/public/policy", "Published policy", lambda _: True),
    Place("/records/breaches/new", "Report a breach", lambda _: True),
    Place("/glossary", "Glossary", lambda _: True),
    Place("/account", "My account", lambda session: session.limit is None),
)
"""What lies in the person's own menu."""


@dataclass(frozen=True, slots=True)
class Console:
    """The console's parts, for `serve` and for tests."""

    app: FastAPI
    accounts: AccountStore
    administration: AdministrationStore
    training: TrainingStore
    hits: HitStore
    units: UnitStore
    outbox: Outbox
    wakeups: Wakeups
    doors: Doors
    refusals: RefusalLog
    versions: ProfileStore
    sources: SourceStore
    publication: PublicationStore
    canvasses: CanvassStore
    duty: DutyStore
    figures: FigureStore
    chain: ChainStore
    cad: CadStore
    deliveries: Deliveries
    webhooks: Webhooks
    confirmations: Confirmations
    workflow: WorkflowStore
    purges: PurgeStore


def assemble(
    settings: Settings,
    pool: Any,
    policies: dict[str, AgencyProfile],
    stop: asyncio.Event,
    clock: Callable[[], datetime],
) -> Console:
    """Connect stores, doors and pages."""
    queries = postgres.load_queries(__package__ or "alpr_console")
    outbox = Outbox(pool, queries)
    training = TrainingStore(pool, postgres.load_queries("alpr_console.training"), outbox, policies)

    versions = ProfileStore(pool, outbox, policies, keep_needs, settings.statutory_retention)

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
    more: list[More] = []  # facts of other features on every card of a hit: who has some adds itself
    also: list[Also] = []  # and what else is done with a new notification
    hits = HitStore(pool, queries, outbox, policies, timedelta(days=settings.keep_hits_days), keys, more, also)
    units = UnitStore(outbox, policies, training, hits.cards, hits.tell)
    more.append(units.told)
    also.append(units.fan_out)
    wakeups = Wakeups(pool)
    equipment = EquipmentStore(pool, queries)
    urls = {"ingest": settings.ingest_url, "audit": settings.audit_url, "retention": settings.retention_url}
    doors = Doors(
        urls, SigningKey.load(settings.person_key_file), clock, settings.door_timeout_s, settings.doors_ca_file
    )
    refusals = refusal_log(outbox, policies, clock)
    breaches = BreachStore(outbox)

    async def found(token: str, now: datetime) -> SignedIn | None:
        session = await accounts.sessions.find(token, now)
        if session is None or session.limit or not breaches_rules.may_look(session.person):
            return session
        return replace(session, breaches=len(await breaches.waiting(session.person)))

    web = Web(settings, policies, clock, found, accounts.sessions.touch, doors, stop, refusals)
    publication = PublicationStore(pool, outbox, policies)

    gathered = Gathered(training.courses, audited.covered)
    sources = SourceStore(pool, outbox, keys)
    registrations = RegistrationSource(settings.registration_url, settings.door_timeout_s)
    confirmations = Confirmations(settings.confirmations, clock)
    confirmations.check(policies)
    canvasses = CanvassStore(outbox, keys)
    cad = CadStore(outbox, hits.hit_of, hits.tell, keys, settings.public_url, settings.link_minutes)
    more.append(cad.facts)
    also.append(cad.notified)
    endpoints = Endpoints(outbox, keys)
    allowed = partial(cad_rules.address_open, networks=settings.webhook_networks)
    webhooks = Webhooks(allowed, settings.webhook_authorities_file)
    deliveries = Deliveries(outbox, keys, webhooks.post, clock)
    workflow = WorkflowStore(
        outbox,
        policies,
        keys,
        Hooks(hits.tell, hits.hit_of, units.signed_on, cad.call_opened, cad.work_changed, hits_rules.check_expires_at),
        hits_rules.device_checks,
        LIVE_FOR,
        confirmations.adapter_of,
    )
    more.append(workflow.facts)
    gathering = Gathering(doors, workflow.said_of, clock)
    purges = PurgeStore(outbox, (units.remove, cad.remove, workflow.remove, hits.remove), clock)
    operations = OperationStore(outbox, units.prompt)
    chain = ChainStore(outbox, policies, settings)
    figures = FigureStore(outbox, policies)
    duty = DutyStore(outbox, policies, Hits(hits.tell, hits.hit_of, partial(_together, more), workflow.keep_tasks))

    async def may_operate(session: SignedIn, now: datetime) -> Decision:
        standing = await training.standing(session.person.person_id, now)
        return training_rules.may_start_device_session(standing, session.profile, now)

    async def decides(person: Person, profile: AgencyProfile, power: str, now: datetime) -> bool:
        decision, _ = await administration.authority(person, profile, power, "data", now)
        return not isinstance(decision, Refused)

    async def empowered(person: Person, now: datetime) -> Person:
        return records_rules.empowered(person, await administration.acting(person, records_rules.APPROVES, now))

    routers = (
        administration_api.router(administration, training.standing),
        administration_pages.router(administration, training.file_of),
        training_api.router(training, administration.authority, administration.may_see),
        training_pages.router(training, administration.authority, administration.may_see),
        accounts_api.router(accounts, provider, administration.may_manage),
        accounts_pages.router(accounts, provider),
        hits_api.router(hits, wakeups, units),
        hits_pages.router(duty_rules.may_own, _first),
        units_api.router(units, may_operate, may_watch),
        units_pages.router(
            may_watch,
            hits_rules.NOTICE,
            hits_rules.MUTE_LIMIT // timedelta(minutes=1),
            lambda session: lists_rules.enters_plates(session.person, session.profile),
        ),
        duty_api.router(duty),
        chain_api.router(chain),
        operations_api.router(operations),
        operations_pages.router(operations),
        figures_api.router(figures),
        figures_pages.router(figures),
        workflow_api.router(workflow, confirmations.ask, hits.viewed),
        sources_api.router(sources, registrations, hits.hit),
        sources_pages.router(sources, registrations, hits.hit, workflow_api.OnPages(workflow), hits.viewed),
        equipment_api.router(equipment),  # before the forwards: its paths lie below one of theirs
        equipment_pages.router(equipment, equipment_api.camera_counts),
        profiles_api.router(versions, administration.acting),
        profiles_pages.router(versions, administration.acting),
        publication_api.router(publication, gathered, administration.acting),
        publication_pages.router(publication, gathered, administration.acting, versions.effective_at),
        lists_api.router(administration.acting),
        lists_pages.router(decides, administration.names),
        cad_api.router(cad, endpoints, keys),
        cad_pages.router(cad, endpoints),
        canvasses_api.router(canvasses),
        breaches_api.router(breaches),
        breaches_pages.router(breaches, records_rules.tabs),
        canvasses_pages.router(canvasses, queries_rules.positions),
        queries_api.router(),
        queries_pages.router(),
        packages_api.router(gathering),  # before the forwards: a package takes an entry of the ledger first
        records_api.router(empowered),
        records_pages.router(empowered, breaches.waiting),
        audits_pages.router(),
    )
    app = create_app(web, routers, version=version("alpr-console"), places=PLACES, menu=MENU)
    audited.require("console", app.routes)
    return Console(
        app, accounts, administration, training, hits, units, outbox, wakeups, doors, refusals, versions, sources, publication,
        canvasses, duty, figures, chain, cad, deliveries, webhooks, confirmations, workflow, purges,
    )  # fmt: skip


def _first(session: SignedIn) -> str:
    """Where a person begins to whom live hits are not open: at what their work is, else at their account."""
    begin = (place.path for path in _BEGIN for place in PLACES if place.path == path and place.open_to(session))
    return next(begin, "/account")


async def _together(more: Sequence[More], connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, Any]:
    """Put together what the other features know about hits, by hit_id."""
    found: dict[str, dict[str, Any]] = {hit_id: {} for hit_id in hit_ids}
    for facts in more:
        for hit_id, known in (await facts(connection, agency, hit_ids)).items():
            found[hit_id] |= known
    return found
