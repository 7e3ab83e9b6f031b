"""Versions of the profile in PostgreSQL: written, approved, in force; what is in force is published (CFG-02)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alprcore import profiles, wire
from alprcore.model import Person, ProfileRecord, Refused, make_id
from alprcore.policy import AgencyProfile, may_keep_less
from alprcore.postgres import load_queries, translated
from alprcore.topics import Topic

from ..doors import SOURCE, Outbox
from . import rules

Acting = Callable[[Person, str, datetime], Awaitable[str]]
"""Tells under which live delegation a person uses a power: its id, or an empty text (ACC-10)."""
ComesIntoForce = Callable[[Any, str, str, datetime], Awaitable[None]]
"""What else happens in the transaction in which an agency's version comes into force, and again at each start for the
one that is: connection, agency, version, now.
"""


@dataclass(frozen=True, slots=True)
class InForce:
    """The version an agency works under, its document as written, and since when."""

    place: int
    number: int | None
    version: str
    effective_at: datetime
    document: dict[str, Any]


class ProfileStore:
    """Keeps every version for good; `policies` is the console's own view of what is in force, kept up to date here."""

    def __init__(
        self,
        pool: Any,
        outbox: Outbox,
        policies: dict[str, AgencyProfile],
        comes_into_force: ComesIntoForce | None = None,
        statute: str = "",
    ) -> None:
        """`statute` is the law under which this deployment keeps records for less than a year; empty: none."""
        self._pool = pool
        self._queries = load_queries("alpr_console.profiles")
        self._outbox = outbox
        self._policies = policies
        self._comes_into_force = comes_into_force
        self._statute = statute

    async def start(self, documents: Mapping[str, str], now: datetime) -> None:
        """Put the shipped profiles into force where no agency's own version is, and publish what is in force.

        The shipped document is an agency's first version; a newer release brings a newer one until the agency has
        approved one of its own. Published at every start: the topic is compacted, a version keeps its time.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                for agency, document in sorted(documents.items()):
                    await connection.execute(self._queries["lock_agency"], agency)
                    version = profiles.profile_from_json(document).version
                    row = await connection.fetchrow(self._queries["agency_in_force"], agency)
                    if row is None or (row["number"] is None and row["version"] != version):
                        known = await connection.fetchval(self._queries["known_since"], agency, version)
                        since = now if row is not None or known is None else known
                        await self._put_in_force(connection, agency, None, version, document, since, now)
                    else:
                        if self._comes_into_force is not None:
                            await self._comes_into_force(connection, agency, row["version"], now)
                        await self._publish(
                            connection, agency, row["version"], row["document"], row["effective_at"], now
                        )
        await self.refresh()

    async def refresh(self) -> None:
        """Bring the console's view up to what is in force, whichever replica put it there."""
        with translated():
            rows = await self._pool.fetch(self._queries["in_force"])
            for row in rows:
                known = self._policies.get(row["agency"])
                if known is None or known.version != row["version"]:
                    document = await self._pool.fetchval(self._queries["document_of"], row["agency"], row["version"])
                    self._policies[row["agency"]] = profiles.profile_from_json(document)

    async def due(self, now: datetime) -> int:
        """Put approved versions into force whose time has come; answers how many."""
        with translated():
            waiting = await self._pool.fetch(self._queries["due"], None, now)
            for agency in sorted({row["agency"] for row in waiting}):
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(self._queries["lock_agency"], agency)
                    for row in await connection.fetch(self._queries["due"], agency, now):  # again: under the lock
                        document = await connection.fetchval(self._queries["draft_document"], agency, row["number"])
                        await self._put_in_force(
                            connection, agency, row["number"], row["version"], document, row["effective_at"], now
                        )
                        approver = Person(
                            row["person_id"], row["username"], row["full_name"], row["organization"], agency,
                            (rules.APPROVER,), "", "",
                        )  # fmt: skip
                        await self._tell_in_force(connection, approver, row["number"], row["version"], now)
        if waiting:
            await self.refresh()
        return len(waiting)

    async def in_force(self, agency: str) -> InForce | None:
        """Give the version in force with its document."""
        with translated():
            row = await self._pool.fetchrow(self._queries["agency_in_force"], agency)
        if row is None:
            return None
        return InForce(row["place"], row["number"], row["version"], row["effective_at"], json.loads(row["document"]))

    async def effective_at(self, agency: str) -> datetime | None:
        """Tell since when the agency's policy is in force."""
        current = await self.in_force(agency)
        return None if current is None else current.effective_at

    async def in_force_since(self, agency: str, moment: datetime) -> tuple[str, ...]:
        """Name the versions that were in force at this moment or came into force after it."""
        with translated():
            rows = await self._pool.fetch(self._queries["in_force_since"], agency, moment)
        return tuple(row["version"] for row in rows)

    async def versions(self, agency: str) -> list[dict[str, Any]]:
        """List what was written, newest first, each with its state."""
        with translated():
            current = await self._pool.fetchrow(self._queries["agency_in_force"], agency)
            rows = await self._pool.fetch(self._queries["drafts"], agency)
        place = current["place"] if current else 0
        return [{**dict(row), "state": rules.state(row, place)} for row in rows]

    async def history(self, agency: str) -> list[dict[str, Any]]:
        """List what was in force and since when, newest first; `number` is None for a shipped document."""
        with translated():
            return [dict(row) for row in await self._pool.fetch(self._queries["history"], agency)]

    async def document(self, agency: str, number: int) -> dict[str, Any] | None:
        """Give a written version's document."""
        with translated():
            text = await self._pool.fetchval(self._queries["draft_document"], agency, number)
        return None if text is None else json.loads(text)

    async def document_of(self, agency: str, version: str) -> dict[str, Any] | None:
        """Give the document that an event's stamp names."""
        with translated():
            text = await self._pool.fetchval(self._queries["document_of"], agency, version)
        return None if text is None else json.loads(text)

    async def propose(
        self,
        person: Person,
        title: str,
        now: datetime,
        *,
        note: str,
        document: Mapping[str, Any] | None = None,
        edits: Mapping[str, Any] | None = None,
    ) -> int | Refused | tuple[profiles.KeyProblem, ...]:
        """Keep a version that somebody wrote, whole or as edits of the one in force; answers its number.

        What is wrong with it comes back key by key, and nothing is kept.
        """
        decision, agency = rules.may_draft(person), person.agency
        current = await self.in_force(agency)
        if isinstance(decision, Refused):
            return decision
        if current is None:
            return Refused("CFG-01", "PROFILE_UNKNOWN", "the agency has no profile")
        try:
            asked = rules.edited(current.document if document is None else document, edits or {})
        except KeyError as error:
            return (profiles.KeyProblem(str(error.args[0]), "leads through something that has no keys"),)
        profile, problems = profiles.read_document(asked)
        if profile is not None and profile.agency != agency:
            problems = (profiles.KeyProblem("agency", "names another agency"),)
        if profile is None or problems:
            return problems
        fits = may_keep_less(profile.retention, self._statute)
        if isinstance(fits, Refused):
            return fits
        if profile.version == current.version:
            return Refused("CFG-02", "NOTHING_CHANGED", "this is the version in force, word for word")
        keys = [change.key for change in rules.changes(current.document, asked)]
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["lock_agency"], agency)
                number: int = await connection.fetchval(
                    self._queries["put_draft"], agency, profile.version, profiles.canonical(asked), current.version,
                    note, person.person_id, person.full_name, title, now,
                )  # fmt: skip
                await self._outbox.record(
                    connection, person, "profile_drafted", f"{agency}/{number}", profile.version, now,
                    profile_version=current.version,
                    facts={"version": profile.version, "based_on": current.version, "keys": ",".join(keys)},
                )  # fmt: skip
        return number

    async def approve(
        self, person: Person, title: str, number: int, effective_at: datetime, now: datetime, delegation_id: str = ""
    ) -> dict[str, Any] | Refused | None:
        """Approve a version; one that is due comes into force in the same transaction. None: no such version."""
        agency = person.agency
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["lock_agency"], agency)
                row, draft, decision = await self._judged(connection, person, number, bool(delegation_id))
                if row is None or draft is None or isinstance(decision, Refused):
                    return decision if isinstance(decision, Refused) else None
                await connection.execute(
                    self._queries["put_decision"], agency, number, "approved", person.person_id, person.full_name,
                    title, delegation_id, now, effective_at,
                )  # fmt: skip
                await self._outbox.record(
                    connection, person, "profile_approved", f"{agency}/{number}", row["version"], now,
                    profile_version=self._version(agency),
                    facts={
                        "version": row["version"], "based_on": row["based_on"], "author_id": row["author_id"],
                        "effective_at": effective_at.isoformat(), "delegation_id": delegation_id,
                    },
                )  # fmt: skip
                if effective_at <= now:
                    document = await connection.fetchval(self._queries["draft_document"], agency, number)
                    await self._put_in_force(connection, agency, number, row["version"], document, effective_at, now)
                    await self._tell_in_force(connection, person, number, row["version"], now)
        await self.refresh()
        return next(found for found in await self.versions(agency) if found["number"] == number)

    async def withdraw(
        self, person: Person, title: str, number: int, now: datetime, delegation_id: str = ""
    ) -> bool | Refused:
        """Withdraw a version that is not in force; False when there is no such version."""
        agency = person.agency
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["lock_agency"], agency)
                rows = {row["number"]: row for row in await connection.fetch(self._queries["drafts"], agency)}
                if number not in rows:
                    return False
                decision = rules.may_withdraw(person, _draft(rows[number]), delegated=bool(delegation_id))
                if isinstance(decision, Refused):
                    return decision
                await connection.execute(
                    self._queries["put_decision"], agency, number, "withdrawn", person.person_id, person.full_name,
                    title, delegation_id, now, None,
                )  # fmt: skip
                await self._outbox.record(
                    connection, person, "profile_withdrawn", f"{agency}/{number}", rows[number]["version"], now,
                    profile_version=self._version(agency), facts={"version": rows[number]["version"]},
                )  # fmt: skip
        return True

    async def _judged(
        self, connection: Any, person: Person, number: int, delegated: bool
    ) -> tuple[Any, rules.Draft | None, Any]:
        agency = person.agency
        rows = {row["number"]: row for row in await connection.fetch(self._queries["drafts"], agency)}
        if number not in rows:
            return None, None, None
        current = await connection.fetchrow(self._queries["agency_in_force"], agency)
        draft = _draft(rows[number])
        decision = rules.may_approve(
            person,
            draft,
            version_in_force=current["version"],
            waiting=[at for at, row in rows.items() if rules.state(row, current["place"]) == "approved"],
            managers=await connection.fetchval(self._queries["count_managers"], agency),
            delegated=delegated,
        )
        return rows[number], draft, decision

    async def _put_in_force(
        self,
        connection: Any,
        agency: str,
        number: int | None,
        version: str,
        document: str,
        since: datetime,
        now: datetime,
    ) -> None:
        await connection.execute(self._queries["put_document"], agency, version, document, since)
        await connection.execute(self._queries["put_in_force"], agency, number, version, since, now)
        if self._comes_into_force is not None:
            await self._comes_into_force(connection, agency, version, now)
        await self._publish(connection, agency, version, document, since, now)

    async def _tell_in_force(self, connection: Any, person: Person, number: int, version: str, now: datetime) -> None:
        await self._outbox.record(
            connection, person, "profile_in_force", f"{person.agency}/{number}", version, now, profile_version=version,
            facts={"version": version, "before": self._version(person.agency)},
        )  # fmt: skip

    async def _publish(
        self, connection: Any, agency: str, version: str, document: str, since: datetime, now: datetime
    ) -> None:
        record = ProfileRecord(agency=agency, version=version, document=document, effective_at=since)
        headers = wire.headers_for(Topic.PROFILES, id=make_id("profile", agency, version), source=SOURCE, time=since)
        value = wire.encode_profile(record)
        await self._outbox.put(connection, Topic.PROFILES, key=agency, value=value, headers=headers, now=now)

    def _version(self, agency: str) -> str:
        profile = self._policies.get(agency)
        return profile.version if profile else ""


def _draft(row: Mapping[str, Any]) -> rules.Draft:
    return rules.Draft(
        number=row["number"],
        based_on=row["based_on"],
        author_id=row["author_id"],
        approved=row["approved_at"] is not None,
        withdrawn=row["withdrawn_at"] is not None,
        in_force=row["place"] is not None,
    )
