"""Accounts, what opens them, and sessions, in PostgreSQL; each change with its ledger entry in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from alprcore.errors import Misconfigured
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries
from alprcore.seal import ListKeys

from ...doors import Outbox
from ...proofs import Passwords
from ...settings import Settings
from .. import rules
from .coming import NO_KEYS, Came, came, problem_of, status_of
from .factors import FactorStore
from .ground import FindPapers, Ground, Papers
from .people import PeopleStore
from .sessions import SessionStore
from .sign_in import Outcome, SignInStore

__all__ = [
    "NO_KEYS",
    "AccountStore",
    "Came",
    "FactorStore",
    "Ground",
    "Outcome",
    "Papers",
    "PeopleStore",
    "SessionStore",
    "SignInStore",
    "came",
    "problem_of",
    "status_of",
]


class AccountStore:
    """Everything about accounts, by what it is about."""

    def __init__(
        self, pool: Any, outbox: Outbox, profiles: Mapping[str, AgencyProfile], papers: FindPapers, settings: Settings,
        keys: ListKeys | None,
    ) -> None:  # fmt: skip
        if settings.second_factors == "security_key" and not settings.public_url:
            raise Misconfigured("second_factors: security keys need public_url, the address that they sign for")
        opens_after = timedelta(minutes=settings.lockout_minutes) if settings.lockout_minutes else None
        ground = Ground(
            pool=pool,
            queries=load_queries("alpr_console.accounts"),
            outbox=outbox,
            profiles=profiles,
            papers=papers,
            passwords=Passwords(settings.password_scheme),
            keys=keys,
            attempts=rules.Attempts(settings.failures_per_minute),
            departures=rules.Attempts(settings.failures_per_minute),
            strangers=rules.Attempts(rules.MAX_FAILURES, window=opens_after or timedelta(days=3650)),
            idle=timedelta(minutes=settings.idle_lock_minutes),
            opens_after=opens_after,
            shortest_password=settings.password_length,
            dispatch_rooms=settings.dispatch_networks,
            provider_agencies=settings.oidc_agencies,
            provider_claim=settings.oidc_agency_claim,
            keys_only=settings.second_factors == "security_key",
        )
        self.people = PeopleStore(ground)
        self.sessions = SessionStore(ground)
        self.sign_ins = SignInStore(ground)
        self.factors = FactorStore(ground)
