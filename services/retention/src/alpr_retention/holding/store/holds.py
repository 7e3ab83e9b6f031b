"""Holds placed, looked at, reviewed and ended: each step is judged on the locked row and told in its transaction."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.model import Decision, Person, Refused, make_id
from alprcore.policy import AgencyProfile

from ...telling import Outbox
from .. import rules
from .rows import QUERIES, scope_of, standing_of

NAMED_AT_ONCE: Final = 2000
"""Reads that one entry of the ledger names: 90 kB."""
PAGE: Final = 50
Change = Callable[[Any, Mapping[str, Any]], Awaitable[Refused | None]]
"""Writes one step into the open transaction, given the hold's row; or refuses."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step is called in the history and in the ledger, who takes it, and the note it leaves."""

    name: str
    kind: str
    person: Person
    profile: AgencyProfile
    judge: Callable[[AgencyProfile, Person, rules.Standing], Decision]
    note: str
    now: datetime
    adapter: str = "manual"


def _reads(read_ids: Sequence[str]) -> str:
    """Name the reads that an entry is about, so that the trail of each finds it (AUD-04)."""
    return json.dumps(dict.fromkeys(read_ids, ""))


class Holds:
    """The holds of each agency, always within the agency of the person who asks."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def searched(self, entry: int, person: Person) -> tuple[Mapping[str, Any], datetime]:
        """Give an own search from the ledger and when it was committed.

        Raises `PermissionError` LEDGER_ENTRY_MISSING for anybody else's entry or none, `Transient`.
        """
        try:
            async with self._outbox.change(person.agency) as connection:
                found = json.loads(
                    await connection.fetchval(QUERIES["searched"], entry, person.person_id, person.agency)
                )
        except asyncpg.InsufficientPrivilegeError as error:
            raise PermissionError(error.message or "LEDGER_ENTRY_MISSING") from error
        return found["search"], datetime.fromisoformat(found["committed_at"])

    async def place(self, person: Person, profile: AgencyProfile, placed: rules.Placed, now: datetime) -> str:
        """Store a hold; once this returns, no purge takes what it covers. Answers its id. Raises `Transient`."""
        draft = placed.draft
        hold_id = make_id("hold", person.agency, person.person_id, draft.ground, draft.case_number, now.isoformat())
        scope = draft.scope
        criteria = json.dumps(scope.criteria) if scope.criteria else None
        dvd = json.dumps({"considered": draft.dvd.considered, "reason": draft.dvd.reason}) if draft.dvd else None
        async with self._outbox.change(person.agency) as connection:
            await connection.fetchval(QUERIES["hold_lock"])
            await connection.execute(
                QUERIES["place"], UUID(hold_id), person.agency, draft.ground, draft.case_number, draft.court_reference,
                person.person_id, now, [UUID(read) for read in scope.read_ids], criteria, placed.state, placed.flag,
                scope.entry, scope.forward, draft.note, person.full_name, profile.version, dvd, placed.review_due,
            )  # fmt: skip
            await self._act(connection, hold_id, person.agency, "placed", person, draft.note, now)
            facts = {
                "hold_id": hold_id,
                "ground": draft.ground,
                "state": placed.state,
                "flag": placed.flag,
                "reads": str(len(scope.read_ids)),
                "covers": rules.words_of(scope),
                "review_due": placed.review_due.isoformat(),
                **({"query_id": str(scope.entry)} if scope.entry is not None else {}),
                **({"read_id": scope.read_ids[0]} if len(scope.read_ids) == 1 else {}),
            }
            personal = {
                "case_number": draft.case_number,
                "court_reference": draft.court_reference,
                "criteria": criteria or "",
                "note": draft.note,
            }
            named = list(scope.read_ids) if len(scope.read_ids) > 1 else []
            if named:
                personal["reads"] = _reads(named[:NAMED_AT_ONCE])
            await self._outbox.record(
                connection, person, "hold_placed", hold_id, "0", now, profile_version=profile.version,
                reason_code=placed.flag, facts=facts, personal=personal,
            )  # fmt: skip
            for start in range(NAMED_AT_ONCE, len(named), NAMED_AT_ONCE):
                part = {"reads": _reads(named[start : start + NAMED_AT_ONCE])}
                await self._outbox.record(
                    connection, person, "hold_covers", hold_id, str(start), now, profile_version=profile.version,
                    facts={"hold_id": hold_id, "from": str(start)}, personal=part,
                )  # fmt: skip
        return hold_id

    async def listed(
        self, agency: str, state: str, now: datetime, after: tuple[datetime, str] | None = None
    ) -> list[Mapping[str, Any]]:
        """Up to 51 holds, the newest first: of a state, all with an empty one, or those whose review is `overdue`."""
        async with self._outbox.change(agency) as connection:
            at, hold_id = after or (None, None)
            given = UUID(hold_id) if hold_id else None
            return list(await connection.fetch(QUERIES["listed"], agency, state, now, at, given, PAGE + 1))

    async def one(self, agency: str, hold_id: str) -> Mapping[str, Any] | None:
        """One hold of the agency; None when there is none of this id."""
        async with self._outbox.change(agency) as connection:
            row: Mapping[str, Any] | None = await connection.fetchrow(QUERIES["one"], agency, UUID(hold_id))
        return row

    async def history(self, agency: str, hold_id: str) -> list[Mapping[str, Any]]:
        """What was done with a hold, the oldest first."""
        async with self._outbox.change(agency) as connection:
            return list(await connection.fetch(QUERIES["acts"], agency, UUID(hold_id)))

    async def read(self, person: Person, profile: AgencyProfile, hold_id: str, now: datetime) -> None:
        """Tell the ledger that a person was shown a hold with its plate. Raises `Transient`."""
        await self._outbox.tell(person, "hold_read", hold_id, now, {"hold_id": hold_id}, profile.version)

    async def review(self, step: Step, hold_id: str, *, due: datetime | None) -> Refused | None:
        """Note a look at a hold; `due` is when the next one comes, None: its action has ended, its end is asked for."""

        async def change(connection: Any, row: Mapping[str, Any]) -> Refused | None:
            agency = row["agency"]
            if due is not None:
                await connection.execute(QUERIES["set_review"], agency, row["hold_id"], due)
            else:
                await self._ask_end(connection, row, step, "action_ended")
            return None

        return await self._step(step, hold_id, change, {"next_review": due.isoformat() if due else ""})

    async def confirm(self, step: Step, hold_id: str) -> Refused | None:
        """Stand by a provisional hold: it is active from now on."""

        async def change(connection: Any, row: Mapping[str, Any]) -> Refused | None:
            await connection.execute(QUERIES["set_active"], row["agency"], row["hold_id"])
            return None

        return await self._step(step, hold_id, change, {})

    async def request_release(self, step: Step, hold_id: str, reason: str) -> Refused | None:
        """Ask for a hold's end; it binds until a second person releases it."""

        async def change(connection: Any, row: Mapping[str, Any]) -> Refused | None:
            await self._ask_end(connection, row, step, reason)
            return None

        return await self._step(step, hold_id, change, {"reason": reason})

    async def keep(self, step: Step, hold_id: str) -> Refused | None:
        """Answer a request for a hold's end with no."""
        return await self.confirm(step, hold_id)

    async def end(self, step: Step, hold_id: str, reason: str = "") -> Refused | None:
        """End a hold; expired data goes with the next purge. Without a reason it is the one that was asked with."""

        async def change(connection: Any, row: Mapping[str, Any]) -> Refused | None:
            why, person = reason or row["end_reason"], step.person
            args = (row["agency"], row["hold_id"], step.now, why, person.person_id, person.full_name)
            await connection.execute(QUERIES["end"], *args)
            return None

        return await self._step(step, hold_id, change, {})

    async def enter_case_file(self, step: Step, hold_id: str, status: str, purge_on: date | None) -> Refused | None:
        """Note what a person says of the case file; it counts when a second person says the same (RET-09)."""

        async def change(connection: Any, row: Mapping[str, Any]) -> Refused | None:
            known = standing_of(row).case_file
            found = rules.entered_case_file(known, step.person, status, purge_on)
            if isinstance(found, Refused):
                return found
            await keep_case_file(connection, row["agency"], str(row["hold_id"]), found, "")
            return None

        facts = {"status": status, "purge_on": purge_on.isoformat() if purge_on else ""}
        return await self._step(step, hold_id, change, facts)

    async def _ask_end(self, connection: Any, row: Mapping[str, Any], step: Step, reason: str) -> None:
        person = step.person
        args = (row["agency"], row["hold_id"], person.person_id, person.full_name, step.now, reason)
        await connection.execute(QUERIES["ask_end"], *args)

    async def _step(self, step: Step, hold_id: str, change: Change, facts: Mapping[str, str]) -> Refused | None:
        """Judge and write one step. Raises `LookupError` for no such hold, `Transient`."""
        person, agency = step.person, step.person.agency
        async with self._outbox.change(agency) as connection:
            if await connection.fetchval(QUERIES["lock_one"], agency, UUID(hold_id)) is None:
                raise LookupError(hold_id)
            row = await connection.fetchrow(QUERIES["one"], agency, UUID(hold_id))
            decided = step.judge(step.profile, person, standing_of(row, step.adapter))
            if isinstance(decided, Refused):
                return decided
            refused = await change(connection, row)
            if refused is not None:
                return refused
            await self._act(connection, hold_id, agency, step.name, person, step.note, step.now)
            await self._outbox.record(
                connection, person, step.kind, hold_id, step.now.isoformat(), step.now,
                profile_version=step.profile.version,
                facts={"hold_id": hold_id, "covers": rules.words_of(scope_of(row)), **facts},
                personal={"note": step.note, "case_number": row["case_number"]},
            )  # fmt: skip
        return None

    async def _act(
        self, connection: Any, hold_id: str, agency: str, act: str, person: Person, note: str, now: datetime
    ) -> None:
        args = (UUID(hold_id), agency, act, now, person.person_id, person.full_name, note)
        await connection.execute(QUERIES["add_act"], *args)


async def keep_case_file(connection: Any, agency: str, hold_id: str, found: rules.CaseFile, answered_by: str) -> None:
    """Write what is known of a hold's case file into the open transaction."""
    await connection.execute(
        QUERIES["keep_case_file"], UUID(hold_id), agency, found.adapter, found.status, found.purge_on, found.asked_at,
        found.answered_at, answered_by, found.problem, found.entered_by, found.entered_name, found.confirmed_by,
    )  # fmt: skip
