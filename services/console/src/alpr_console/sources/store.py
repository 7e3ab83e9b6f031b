"""What registration sources answered, in PostgreSQL: sealed, apart from hits and reads (SEC-05)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alprcore.errors import Transient
from alprcore.model import Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries, translated
from alprcore.seal import ListKeys

from ..doors import Outbox

FindHit = Callable[[str, str, datetime], Awaitable[Mapping[str, Any] | None]]
"""Finds a live hit of an agency."""
_LARGEST: Final = 64 * 1024


class Registration(BaseModel):
    """What a registration source answers; what else it says is not taken over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    answered_by: str = Field(min_length=1, max_length=100)
    simulated: bool = False
    owner_name: str = Field("", max_length=200)
    owner_address: str = Field("", max_length=300)
    vehicle: str = Field("", max_length=200)
    valid_to: str = Field("", max_length=32)


class RegistrationSource:
    """Asks the one address that the operator set for vehicle registrations, and nothing else."""

    def __init__(self, url: str, patience_s: float) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=patience_s, follow_redirects=False, trust_env=False)

    async def ask(self, plate: str, state: str, permissible_use: str) -> Registration:
        """Ask for a vehicle's registration. Raises `Transient`: no source is set, or it does not answer as agreed."""
        if not self._url:
            raise Transient("no registration source is set")
        body = {"plate": plate, "state": state, "permissible_use": permissible_use}
        try:
            answer = await self._client.post(f"{self._url}/registrations", json=body)
        except httpx.HTTPError as error:
            raise Transient(f"the registration source does not answer: {type(error).__name__}") from error
        if answer.status_code != 200 or len(answer.content) > _LARGEST:
            raise Transient(f"the registration source answered {answer.status_code}")
        try:
            return Registration.model_validate_json(answer.content)
        except ValidationError as error:
            raise Transient("the registration source does not answer in the agreed form") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class SourceStore:
    """Keeps registration lookups; what was answered is sealed under the keys that seal list entries."""

    def __init__(self, pool: Any, outbox: Outbox, keys: ListKeys | None) -> None:
        self._pool = pool
        self._queries = load_queries("alpr_console.sources")
        self._outbox = outbox
        self._keys = keys

    @property
    def seals(self) -> bool:
        """Tell whether there is a key to seal with; without one nothing is asked or kept."""
        return self._keys is not None

    async def note_lookup(
        self, person: Person, profile: AgencyProfile, hit_id: str, permissible_use: str, now: datetime
    ) -> tuple[str, str] | None:
        """Record that a registration is about to be asked for; answers the lookup's id and the entry's, or None."""
        name = make_id("registration-lookup", hit_id, person.session_id, now.isoformat())
        async with self._speaking_for(person.agency) as connection:
            entry_id = await connection.fetchval(self._queries["entry_of_hit"], person.agency, hit_id)
            if entry_id is None:
                return None
            await self._outbox.record(
                connection, person, "registration_asked", name, "1", now,
                facts={"hit_id": hit_id, "permissible_use": permissible_use}, profile_version=profile.version,
            )  # fmt: skip
        return name, entry_id

    async def keep_lookup(
        self,
        person: Person,
        hit_id: str,
        names: tuple[str, str],
        permissible_use: str,
        found: Registration,
        now: datetime,
    ) -> None:
        """Keep what the registration source answered, sealed; it goes when the hit's copy and its entry go."""
        if self._keys is None:
            raise Transient("there is no key to seal with")
        lookup_id, entry_id = names
        told = f"SIMULATED {found.answered_by}" if found.simulated else found.answered_by
        sealed, key_id = self._keys.seal(found.model_dump_json().encode(), entry_id=lookup_id)
        async with self._speaking_for(person.agency) as connection:
            await connection.execute(
                self._queries["put_lookup"], lookup_id, person.agency, hit_id, entry_id, permissible_use, told, sealed,
                key_id, person.person_id, person.full_name, now,
            )  # fmt: skip

    async def lookups(self, agency: str, hit_id: str) -> list[dict[str, Any]]:
        """List a hit's registration lookups, oldest first, without what was answered."""
        async with self._speaking_for(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries["lookups"], agency, hit_id)]

    async def read_lookup(
        self, person: Person, profile: AgencyProfile, hit_id: str, lookup_id: str, now: datetime
    ) -> dict[str, Any] | None:
        """Open a registration, for a person with the grant, and record that it was read; None: no such lookup."""
        async with self._speaking_for(person.agency) as connection:
            row = await connection.fetchrow(self._queries["lookup"], person.agency, hit_id, lookup_id)
            if row is None or self._keys is None:
                return None
            content = json.loads(self._keys.open(row["sealed"], row["key_id"], entry_id=lookup_id))
            await self._outbox.record(
                connection, person, "registration_read", lookup_id, f"{person.session_id}/{now.isoformat()}", now,
                facts={"permissible_use": row["permissible_use"]}, profile_version=profile.version,
            )  # fmt: skip
        return {"lookup_id": lookup_id, "answered_by": row["answered_by"], "permissible_use": row["permissible_use"],
                "registration": content}  # fmt: skip

    @asynccontextmanager
    async def _speaking_for(self, agency: str) -> AsyncIterator[Any]:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["speak_for"], agency)
                yield connection
