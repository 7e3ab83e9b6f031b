"""Images of held reads that do not open: found by a purge, declared lost by two people, or found to open again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import Person, Refused
from alprcore.postgres import load_queries

from ... import metrics
from ...telling import Outbox
from .. import rules

logger = logging.getLogger(__name__)
_QUERIES: Final = load_queries("alpr_retention.purging", "damages.sql")
Noted = Callable[[Any, str, Sequence[UUID], str, Person | None, str, datetime], Awaitable[None]]
"""Writes into the story of holds what happened to their images: connection, agency, holds, act, by whom, words, when."""


async def nowhere(*_: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a purge saw of one image of a held read: `damaged`, `missing`, `lost` as was decided, or `mended`."""

    read_id: UUID
    role: str
    state: str
    code: str
    holds: Sequence[UUID]


class Damages:
    """Schema `retention`, table `damaged_images`; what is found or decided goes to the ledger with it."""

    def __init__(self, outbox: Outbox, noted: Noted = nowhere) -> None:
        """`noted` tells the holds concerned."""
        self._outbox, self._noted = outbox, noted

    async def known(self, agency: str) -> dict[tuple[UUID, str], Mapping[str, Any]]:
        """What was found of an agency's images and is not settled by having opened again, by read and role."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["known"], agency)
        return {(row["read_id"], row["role"]): dict(row) for row in rows}

    async def write(self, agency: str, day: date, run_id: str, seen: Sequence[Seen], now: datetime) -> None:
        """Write what a run saw; what is written already is told to nobody again."""
        async with self._outbox.change(agency) as connection:
            for one in seen:
                found = (day, one.code, list(one.holds), now)
                values = {"damaged": found, "missing": (*found, UUID(run_id)), "lost": (UUID(run_id),), "mended": ()}
                args = (agency, one.read_id, one.role, *values[one.state])
                if await connection.fetchval(_QUERIES[one.state], *args) is None:
                    continue
                kind, words = rules.SEEN[one.state]
                logger.log(
                    logging.INFO if one.state == "mended" else logging.ERROR, kind,
                    extra={"read_id": str(one.read_id), "role": one.role, "code": one.code},
                )  # fmt: skip
                facts = {**_facts(one.read_id, one.role, one.holds), "code": one.code, "run_id": run_id}
                version = f"{run_id} {one.role}"
                await self._outbox.record(
                    connection, None, kind, str(one.read_id), version, now, agency=agency, facts=facts
                )
                await self._noted(connection, agency, one.holds, kind, None, f"{one.role}: {words}", now)
        await self.measure(agency)

    async def measure(self, agency: str) -> None:
        """Set the alarm: how many images keep a day of the agency from being purged."""
        known = await self.known(agency)
        metrics.DAMAGED.labels(agency).set(sum(row["state"] in rules.BARRING for row in known.values()))

    async def listed(self, agency: str) -> list[dict[str, Any]]:
        """Everything found of an agency's images, what is open first."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(_QUERIES["listed"], agency)]

    async def declare(self, person: Person, read_id: str, role: str, note: str, now: datetime) -> Refused | None:
        """Say that an image is lost; a second person has to say so, too. Raises `LookupError` for no such image."""
        return await self._decide(person, read_id, role, "declare", note, now)

    async def settle(
        self, person: Person, read_id: str, role: str, decision: str, note: str, now: datetime
    ) -> Refused | None:
        """Agree as the second person (`confirm`): the next run lets the read go on without it; or `deny`.

        Raises `LookupError` for no such image.
        """
        return await self._decide(person, read_id, role, decision, note, now)

    async def _decide(
        self, person: Person, read_id: str, role: str, decision: str, note: str, now: datetime
    ) -> Refused | None:
        agency = person.agency
        async with self._outbox.change(agency) as connection:
            row = await connection.fetchrow(_QUERIES["lock"], agency, UUID(read_id), role)
            if row is None:
                raise LookupError(read_id)
            refused = rules.may_decide_loss(person, row, decision)
            if isinstance(refused, Refused):
                return refused
            by = (person.person_id, person.full_name, now, note) if decision != "deny" else ()
            await connection.execute(_QUERIES[decision], agency, UUID(read_id), role, *by)
            kind = rules.DECIDED[decision]
            version = f"{now.isoformat()} {role}"
            await self._outbox.record(
                connection, person, kind, read_id, version, now, facts=_facts(row["read_id"], role, row["hold_ids"]),
                personal={"note": note} if note else None,
            )  # fmt: skip
            await self._noted(connection, agency, row["hold_ids"], kind, person, f"{role}: {note}".rstrip(": "), now)
        await self.measure(agency)
        return None

    async def of_runs(self, agencies: Sequence[str], run_ids: Sequence[str]) -> dict[tuple[str, str], list[Any]]:
        """Images without which held reads went on, as a certificate names them, by run and agency."""
        async with self._outbox.change(*agencies) as connection:
            rows = await connection.fetch(_QUERIES["of_runs"], [UUID(run) for run in run_ids])
        found: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            said = {"read_id": str(row["read_id"]), "role": row["role"], "state": row["state"], "code": row["code"]}
            found.setdefault((str(row["run_id"]), row["agency"]), []).append(said)
        return found


def _facts(read_id: UUID, role: str, holds: Sequence[UUID]) -> dict[str, str]:
    first = {"hold_id": str(holds[0])} if holds else {}
    return {**first, "read_id": str(read_id), "role": role}
