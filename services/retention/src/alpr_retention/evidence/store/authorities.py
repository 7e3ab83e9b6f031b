"""Authorities for CLETS text: an act of one person, used up by one package that another one makes (SEC-06)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ...telling import Outbox
from .. import rules

_QUERIES: Final = load_queries("alpr_retention.evidence")


@dataclass(slots=True)
class Authorities:
    """Authorities of all agencies, each for a hold."""

    outbox: Outbox
    profiles: Mapping[str, AgencyProfile]

    async def give(self, person: Person, hold_id: str, basis: str, now: datetime) -> str:
        """Let one package of a hold carry CLETS text; answers the authority's id. It is used by another person."""
        authority_id = make_id("clets_authority", person.agency, hold_id, person.person_id, now.isoformat())
        async with self.outbox.change(person.agency) as connection:
            await connection.execute(
                _QUERIES["put_authority"], UUID(authority_id), person.agency, UUID(hold_id), person.person_id,
                person.full_name, basis, now,
            )  # fmt: skip
            profile = self.profiles.get(person.agency)
            await self.outbox.record(
                connection, person, "clets_authorized", authority_id, now.isoformat(), now, facts={"hold_id": hold_id},
                profile_version=profile.version if profile else "", personal={"basis": basis},
            )  # fmt: skip
        return authority_id

    async def of(self, connection: Any, person: Person, hold_id: str, now: datetime) -> Any:
        """The unused authority of somebody else for a hold, locked; None where nobody gave one within 7 days."""
        since = now - rules.CLETS_FOR
        return await connection.fetchrow(_QUERIES["authority"], person.agency, UUID(hold_id), person.person_id, since)

    async def use(self, connection: Any, agency: str, authority_id: Any, package_id: str) -> None:
        """Note for which package an authority was used."""
        await connection.execute(_QUERIES["use_authority"], agency, authority_id, UUID(package_id))
