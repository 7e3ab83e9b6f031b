"""Where an agency's CAD takes messages by HTTPS; secrets are sealed and shown once."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from alprcore.errors import InvalidMessage
from alprcore.hooks import signatures
from alprcore.model import Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries
from alprcore.seal import ListKeys

from ...doors import Outbox
from .. import rules


class Endpoints:
    """Keeps endpoints; every change is in the ledger."""

    def __init__(self, outbox: Outbox, keys: ListKeys | None) -> None:
        self._outbox = outbox
        self._queries = load_queries("alpr_console.cad")
        self._keys = keys

    @property
    def seals(self) -> bool:
        """Tell whether there is a key to seal secrets with."""
        return self._keys is not None

    async def all(self, agency: str, *, whole: bool) -> list[dict[str, Any]]:
        """List an agency's endpoints with how their deliveries stand; no secret among it.

        `whole`: with whole addresses, whose path may open something; else with their hosts alone.
        """
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["endpoints"], agency)
        listed = [{name: _told(value) for name, value in dict(row).items()} for row in rows]
        return listed if whole else [row | {"url": rules.host_of(row["url"])} for row in listed]

    async def add(
        self, person: Person, profile: AgencyProfile, name: str, url: str, now: datetime
    ) -> Mapping[str, str]:
        """Make an endpoint; answers its id and its secret, which is not told again."""
        endpoint_id = make_id("cad_endpoint", person.agency, url, now.isoformat(), secrets.token_hex(8))
        secret = rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
        sealed, key_id = self._seal(secret, endpoint_id)
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                self._queries["put_endpoint"], endpoint_id, person.agency, name, url, sealed, key_id, now,
                person.full_name,
            )  # fmt: skip
            await self._outbox.record(
                connection, person, "cad_endpoint_added", endpoint_id, "1", now, facts={"name": name, "host": rules.host_of(url)},
                profile_version=profile.version,
            )  # fmt: skip
        return {"endpoint_id": endpoint_id, "secret": secret}

    async def rotate(
        self, person: Person, profile: AgencyProfile, endpoint_id: str, now: datetime
    ) -> Mapping[str, str] | None:
        """Give an endpoint a new secret; for a day messages carry a signature with the old one, too."""
        secret = rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
        sealed, key_id = self._seal(secret, endpoint_id)
        until = now + rules.OLD_SECRET_FOR
        async with self._outbox.change(person.agency) as connection:
            found = await connection.fetchval(
                self._queries["rotate_endpoint"], person.agency, endpoint_id, sealed, key_id, until
            )
            if found is None:
                return None
            await self._outbox.record(
                connection, person, "cad_secret_rotated", endpoint_id, now.isoformat(), now, facts={},
                profile_version=profile.version,
            )  # fmt: skip
        return {"endpoint_id": endpoint_id, "secret": secret, "old_until": until.isoformat()}

    async def switch(
        self, person: Person, profile: AgencyProfile, endpoint_id: str, *, on: bool, now: datetime
    ) -> bool:
        """Switch an endpoint on or off; what waited for one that is switched off is forgotten. False: no such one."""
        async with self._outbox.change(person.agency) as connection:
            found = await connection.fetchval(self._queries["switch_endpoint"], person.agency, endpoint_id, on, now)
            if found is None:
                return False
            if not on:
                await connection.execute(self._queries["forget_deliveries"], person.agency, endpoint_id)
            kind = "cad_endpoint_enabled" if on else "cad_endpoint_disabled"
            await self._outbox.record(
                connection, person, kind, endpoint_id, now.isoformat(), now, facts={},
                profile_version=profile.version,
            )  # fmt: skip
        return True

    async def signer(
        self, agency: str, webhook_id: str, timestamp: int, content: bytes, signature: str, now: datetime
    ) -> str | None:
        """Find whose secret a request is signed with, as we sign ours; its name, or None. Raises `Transient`."""
        if self._keys is None:
            return None
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["secrets_of_agency"], agency)
        given = [part.encode() for part in signature.split(" ")[:4]]
        for row in rows:
            for secret in opened(self._keys, row["endpoint_id"], row, now):
                ours = signatures([secret], webhook_id, timestamp, content).encode()
                if any(hmac.compare_digest(ours, one) for one in given):
                    return str(row["name"])
        return None

    def _seal(self, secret: str, endpoint_id: str) -> tuple[bytes, str]:
        if self._keys is None:
            raise RuntimeError("no key to seal with: ask `seals` first")
        return self._keys.seal(secret.encode(), entry_id=endpoint_id)


def opened(keys: ListKeys, endpoint_id: str, row: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    """Open the secrets of an endpoint that hold now, the newest first; one whose key was taken away is left out."""
    sealed = [(row["sealed"], row["key_id"])]
    if row["old_sealed"] is not None and row["old_until"] > now:
        sealed.append((row["old_sealed"], row["old_key_id"]))
    found = []
    for blob, key_id in sealed:
        with suppress(InvalidMessage):
            found.append(keys.open(blob, key_id, entry_id=endpoint_id).decode())
    return tuple(found)


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
