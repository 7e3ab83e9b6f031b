"""Canvasses in PostgreSQL; case number and reason are sealed, and each look at them is recorded."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.errors import InvalidMessage
from alprcore.model import Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries
from alprcore.seal import ListKeys

from ..doors import Outbox
from .rules import Draft, expires_at

log = logging.getLogger(__name__)
_EVERY: Final = "*"


class CanvassStore:
    """Keeps canvasses, their units and the plates entered for them."""

    def __init__(self, outbox: Outbox, keys: ListKeys | None) -> None:
        self._queries = load_queries("alpr_console.canvasses")
        self._outbox = outbox
        self._keys = keys

    @property
    def seals(self) -> bool:
        """Tell whether there is a key to seal with; without one no canvass is opened."""
        return self._keys is not None

    async def open(self, person: Person, profile: AgencyProfile, draft: Draft, now: datetime) -> str:
        """Keep a new canvass; answers its id. Raises `Transient`, and `ValueError` without a key to seal with."""
        if self._keys is None:
            raise ValueError("no key to seal with")
        name = make_id("canvass", person.agency, person.session_id, draft.case_number, now.isoformat())
        kept = json.dumps({"case_number": draft.case_number, "justification": draft.justification})
        sealed, key_id = self._keys.seal(kept.encode(), entry_id=name)
        async with self._outbox.change(person.agency) as connection:
            await connection.fetchval(
                self._queries["put_canvass"], name, person.agency, draft.incident_type, json.dumps(draft.polygon),
                draft.captured_from, draft.captured_to, draft.purpose_code, sealed, key_id, profile.version,
                person.person_id, person.full_name, now, expires_at(draft.captured_to, profile),
            )  # fmt: skip
            await self._put_units(connection, person, name, draft.device_ids, now)
            await self._record(
                connection, person, profile, "canvass_opened", name, "1", now,
                {"incident_type": draft.incident_type, "purpose_code": draft.purpose_code,
                 "units": " ".join(draft.device_ids)},
                {"case_number": draft.case_number, "justification": draft.justification},
            )  # fmt: skip
        return name

    async def canvasses(
        self, person: Person, profile: AgencyProfile, now: datetime, canvass_id: str | None = None
    ) -> list[dict[str, Any]]:
        """List canvasses, open ones first, or the one named; that they were looked at is recorded before it is shown."""
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(self._queries["canvasses"], person.agency, canvass_id)
            subject = canvass_id or "list"
            await self._record(
                connection, person, profile, "canvass_view", subject, f"{person.session_id} {now.isoformat()}", now,
                {"canvasses": str(len(rows))}, {},
            )  # fmt: skip
        return [self._opened(row) for row in rows]

    async def set_units(
        self, person: Person, profile: AgencyProfile, canvass_id: str, device_ids: Sequence[str], now: datetime
    ) -> bool:
        """Assign exactly these units to an open canvass; False when there is none of this id."""
        async with self._outbox.change(person.agency) as connection:
            if not await connection.fetchval(self._queries["lock_open_canvass"], person.agency, canvass_id):
                return False
            await connection.execute(self._queries["keep_canvass_units"], person.agency, canvass_id, list(device_ids))
            await self._put_units(connection, person, canvass_id, device_ids, now)
            facts = {"units": " ".join(device_ids)}
            await self._record(
                connection, person, profile, "canvass_units", canvass_id, now.isoformat(), now, facts, {}
            )
        return True

    async def add_entry(
        self, person: Person, profile: AgencyProfile, canvass_id: str, kind: str, entry_id: str, now: datetime
    ) -> bool:
        """Note that a partial or a known plate was entered for an open canvass; False when there is none of this id."""
        async with self._outbox.change(person.agency) as connection:
            if not await connection.fetchval(self._queries["lock_open_canvass"], person.agency, canvass_id):
                return False
            new = await connection.fetchval(
                self._queries["put_canvass_entry"], canvass_id, person.agency, kind, entry_id, person.full_name, now
            )
            if new is not None:
                facts = {"kind": kind, "entry_id": entry_id}
                await self._record(
                    connection, person, profile, "canvass_entry_added", canvass_id, f"{kind}/{entry_id}", now, facts, {}
                )
        return True

    async def close(self, person: Person, profile: AgencyProfile, canvass_id: str, now: datetime) -> bool:
        """End an open canvass; False when there is none of this id."""
        async with self._outbox.change(person.agency) as connection:
            if not await connection.fetchval(self._queries["lock_open_canvass"], person.agency, canvass_id):
                return False
            await connection.execute(self._queries["close_canvass"], person.agency, canvass_id, now, person.full_name)
            await self._record(connection, person, profile, "canvass_closed", canvass_id, "1", now, {}, {})
        return True

    async def purge(self, now: datetime) -> int:
        """Remove canvasses whose reads are due, with their units and entries; answers how many."""
        async with self._outbox.change(_EVERY) as connection:
            status: str = await connection.execute(self._queries["purge_canvasses"], now)
        return int(status.rpartition(" ")[2])

    async def _put_units(
        self, connection: Any, person: Person, canvass_id: str, device_ids: Sequence[str], now: datetime
    ) -> None:
        for device_id in device_ids:
            await connection.execute(
                self._queries["put_canvass_unit"], canvass_id, person.agency, device_id, person.full_name, now
            )

    async def _record(
        self, connection: Any, person: Person, profile: AgencyProfile, kind: str, subject: str, version: str,
        now: datetime, facts: Mapping[str, str], personal: Mapping[str, str],
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, person, kind, subject, version, now, facts=facts, personal=personal,
            profile_version=profile.version,
        )  # fmt: skip

    def _opened(self, row: Any) -> dict[str, Any]:
        kept = {"case_number": "", "justification": ""}
        if self._keys is not None:
            try:
                kept = json.loads(self._keys.open(row["sealed"], row["key_id"], entry_id=row["canvass_id"]))
            except InvalidMessage as error:
                log.warning("canvass_closed", extra={"code": error.code, "canvass_id": row["canvass_id"]})
        entries = [dict(zip(("kind", "entry_id"), one.split(":", 1), strict=True)) for one in row["entries"]]
        shown = {name: row[name] for name in row.keys() if name not in ("sealed", "key_id")}  # noqa: SIM118 - a record
        return {**shown, **kept, "polygon": json.loads(row["polygon"]), "units": list(row["units"]), "entries": entries}
