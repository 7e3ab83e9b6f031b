"""Breach records in PostgreSQL; each step is an entry of the ledger, and so is each look at them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ..doors import Outbox
from . import rules


class BreachStore:
    """Keeps breaches with their tasks, the notices to roles, and their course."""

    def __init__(self, outbox: Outbox) -> None:
        self._queries = load_queries("alpr_console.breaches")
        self._outbox = outbox

    async def open(self, person: Person, profile: AgencyProfile, draft: rules.Draft, now: datetime) -> str:
        """Keep a new breach, set its tasks and tell the roles that must know, all at once; answers its id."""
        name = make_id("breach", person.agency, person.session_id, draft.kind, now.isoformat())
        agency, queries = person.agency, self._queries
        async with self._outbox.change(agency) as connection:
            await connection.execute(
                queries["put_breach"], name, agency, draft.kind, draft.title.strip(), draft.description.strip(),
                draft.discovered_at, draft.occurred_from, draft.occurred_to, json.dumps(draft.affected()),
                profile.governance.breach_route, profile.version, person.person_id, person.full_name, now,
            )  # fmt: skip
            for number, task in enumerate(rules.tasks(draft, profile, now), 1):
                await connection.execute(
                    queries["put_task"], make_id("breach_task", name, str(number)), name, agency, number, task.code,
                    task.words, task.role, task.due_at,
                )  # fmt: skip
            words = rules.notice_words(draft, profile)
            for role in rules.NOTIFIED:
                await connection.execute(
                    queries["put_notice"], make_id("breach_notice", name, role), name, agency, role, words, now
                )
            await self._outbox.alert(connection, make_id("breach_alert", name), agency, "breach_opened",
                                     {"incident_id": name, "words": words}, now)  # fmt: skip
            await self._add(connection, person, name, "Reported", now)
            facts = {"incident_kind": draft.kind, "data": " ".join(draft.data), "notified": " ".join(rules.NOTIFIED)}
            personal = {"title": draft.title, "description": draft.description, "accounts": " ".join(draft.accounts)}
            await self._record(connection, person, profile, "breach_opened", name, "1", now, facts, personal)
        return name

    async def incidents(
        self, person: Person, profile: AgencyProfile, now: datetime, incident_id: str | None = None
    ) -> list[dict[str, Any]]:
        """List breaches, open ones first, or the one named; that they were looked at is recorded before it is shown."""
        async with self._outbox.change(person.agency) as connection:
            found = await self._found(connection, person.agency, incident_id)
            version = f"{person.session_id} {now.isoformat()}"
            facts = {"breaches": str(len(found))}
            await self._record(connection, person, profile, "breach_view", incident_id or "list", version, now, facts)
        return found

    async def notices(self, person: Person) -> list[dict[str, Any]]:
        """List the notices to this person's roles that nobody of them has seen."""
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(self._queries["notices_for"], person.agency, list(person.roles))
        return [dict(row) for row in rows]

    async def waiting(self, person: Person) -> list[dict[str, Any]]:
        """List what waits for this person's roles: notices that nobody saw, then open tasks, the most urgent first."""
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(self._queries["waiting_for"], person.agency, list(person.roles))
        return [dict(row) for row in rows]

    async def see(self, person: Person, profile: AgencyProfile, notice_id: str, now: datetime) -> bool:
        """Note that one of the role saw a notice; False when there is none unseen to this person's roles."""
        async with self._outbox.change(person.agency) as connection:
            incident = await connection.fetchval(
                self._queries["see_notice"], person.agency, notice_id, list(person.roles), now, person.person_id,
                person.full_name,
            )  # fmt: skip
            if incident is None:
                return False
            facts = {"notice_id": notice_id}
            await self._record(connection, person, profile, "breach_notice_seen", incident, notice_id, now, facts)
        return True

    async def do_task(
        self, person: Person, profile: AgencyProfile, incident_id: str, task_id: str, note: str, now: datetime, *,
        done: bool,
    ) -> Refused | None:  # fmt: skip
        """Mark a task as done, or as open again. Raises `KeyError`: no such breach or task."""
        async with self._outbox.change(person.agency) as connection:
            record = await self._locked(connection, person, incident_id)
            refused = rules.works_on(record, person)
            if refused is not None:
                return refused
            code = await connection.fetchval(
                self._queries["do_task"], person.agency, incident_id, task_id, now if done else None,
                person.person_id if done else "", person.full_name if done else "", note,
            )  # fmt: skip
            if code is None:
                raise KeyError(task_id)
            await self._add(connection, person, incident_id, f"{code}: {'done' if done else 'open again'}. {note}", now)
            facts = {"code": code, "done": str(done).lower()}
            version = f"{task_id} {now.isoformat()}"
            await self._record(
                connection, person, profile, "breach_task_done", incident_id, version, now, facts, {"note": note}
            )
        return None

    async def add_words(
        self, person: Person, profile: AgencyProfile, incident_id: str, words: str, now: datetime
    ) -> Refused | None:
        """Add to the course of a breach. Raises `KeyError`: no such breach."""
        async with self._outbox.change(person.agency) as connection:
            record = await self._locked(connection, person, incident_id)
            refused = rules.works_on(record, person)
            if refused is not None:
                return refused
            await self._add(connection, person, incident_id, words, now)
            version = f"{person.person_id} {now.isoformat()}"
            await self._record(
                connection, person, profile, "breach_noted", incident_id, version, now, {}, {"words": words}
            )
        return None

    async def keep_counts(
        self, person: Person, profile: AgencyProfile, incident_id: str, counts: Mapping[str, Any], now: datetime
    ) -> Refused | None:
        """Keep how many records are concerned, as counted now. Raises `KeyError`: no such breach."""
        async with self._outbox.change(person.agency) as connection:
            record = await self._locked(connection, person, incident_id)
            refused = rules.works_on(record, person)
            if refused is not None:
                return refused
            kept = {**counts, "asked_at": now.isoformat()}
            await connection.execute(self._queries["keep_counts"], person.agency, incident_id, json.dumps(kept))
            said = f"Counted: {counts['reads']} reads, {counts['hits']} hits, {counts['images']} images"
            await self._add(connection, person, incident_id, said, now)
            facts = {name: str(counts[name]) for name in ("reads", "hits", "images")}
            await self._record(connection, person, profile, "breach_counted", incident_id, now.isoformat(), now, facts)
        return None

    async def close(
        self, person: Person, profile: AgencyProfile, incident_id: str, words: str, now: datetime
    ) -> Refused | None:
        """End a breach record whose tasks are done. Raises `KeyError`: no such breach."""
        async with self._outbox.change(person.agency) as connection:
            record = await self._locked(connection, person, incident_id)
            refused = rules.closes(record, person, words)
            if refused is not None:
                return refused
            await connection.execute(self._queries["close_breach"], person.agency, incident_id, now, person.full_name)
            await self._add(connection, person, incident_id, f"Closed: {words}", now)
            await self._record(
                connection, person, profile, "breach_closed", incident_id, "1", now, {}, {"words": words}
            )
        return None

    async def _locked(self, connection: Any, person: Person, incident_id: str) -> dict[str, Any]:
        if not await connection.fetchval(self._queries["lock_breach"], person.agency, incident_id):
            raise KeyError(incident_id)
        return (await self._found(connection, person.agency, incident_id))[0]

    async def _found(self, connection: Any, agency: str, incident_id: str | None) -> list[dict[str, Any]]:
        rows = await connection.fetch(self._queries["breaches"], agency, incident_id)
        names = [row["incident_id"] for row in rows]
        tasks, notices, entries = [
            _grouped(await connection.fetch(self._queries[name], agency, names))
            for name in ("tasks_of", "notices_of", "entries_of")
        ]
        return [
            {
                **dict(row),
                "affected": json.loads(row["affected"]),
                "counts": json.loads(row["counts"]) if row["counts"] else None,
                "tasks": tasks.get(row["incident_id"], []),
                "notices": notices.get(row["incident_id"], []),
                "timeline": entries.get(row["incident_id"], []),
            }
            for row in rows
        ]

    async def _add(self, connection: Any, person: Person, incident_id: str, words: str, now: datetime) -> None:
        name = make_id("breach_entry", incident_id, person.person_id, words, now.isoformat())
        await connection.execute(
            self._queries["put_entry"], name, incident_id, person.agency, now, person.person_id, person.full_name, words
        )

    async def _record(
        self, connection: Any, person: Person, profile: AgencyProfile, kind: str, subject: str, version: str,
        now: datetime, facts: Mapping[str, str], personal: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, person, kind, subject, version, now, facts=facts, personal=personal or {},
            profile_version=profile.version,
        )  # fmt: skip


def _grouped(rows: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """Put rows by the breach they belong to, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        one = dict(row)
        found.setdefault(one.pop("incident_id"), []).append(one)
    return found
