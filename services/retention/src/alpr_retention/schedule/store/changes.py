"""Changes of the rules: noticed, counted day by day, approved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import DeviceKind, Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ...telling import Outbox
from .. import rules

QUERIES: Final = load_queries("alpr_retention.schedule")


def seen(row: Mapping[str, Any]) -> rules.Change:
    """A change as the rules look at it."""
    return rules.Change(row["state"], rules.asks_custodian(json.loads(row["before"]), json.loads(row["after"])))


class Changes:
    """What became of each change of an agency's rules of keeping."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def notice(self, agency: str, profile: AgencyProfile, now: datetime) -> Mapping[str, Any] | None:
        """Compare the rules in force with those under which the stored records lie; answers the open change, if any.

        Other rules open a change; a change that is open under yet other rules is superseded. The ledger is told.
        """
        rules_now = rules.decisive(profile)
        async with self._outbox.change(agency) as connection:
            row = await connection.fetchval(QUERIES["known"], agency)
            if row is None:
                await connection.execute(QUERIES["put_known"], agency, json.dumps(rules_now), profile.version, now)
                return None
            known = json.loads(row)
            found = await connection.fetchrow(QUERIES["open_change"], agency)
            if found is not None and json.loads(found["after"]) == rules_now:
                return dict(found)
            if found is None and known == rules_now:
                return None
            if found is not None:  # records that were stored or moved meanwhile lie under its days
                await connection.execute(QUERIES["end_change"], agency, found["change_id"], "superseded", now)
            number = await connection.fetchval(QUERIES["count_changes"], agency)
            change_id = make_id("retention-change", agency, str(number), now.isoformat())
            await connection.execute(
                QUERIES["put_change"], UUID(change_id), agency, "change", json.dumps(known), json.dumps(rules_now),
                profile.version, now, "", "",
            )  # fmt: skip
            keys = rules.changed_keys(known, rules_now)
            await self._outbox.record(
                connection, None, "retention_change_noticed", change_id, profile.version, now,
                agency=agency, profile_version=profile.version, facts={"keys": " ".join(keys)},
            )  # fmt: skip
            return dict(await connection.fetchrow(QUERIES["open_change"], agency))

    async def ask(self, person: Person, profile: AgencyProfile, asked: AgencyProfile, now: datetime) -> str:
        """Begin to count what other rules would move; nothing comes of it. Answers the id."""
        change_id = make_id("retention-preview", person.agency, person.person_id, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                QUERIES["put_change"], UUID(change_id), person.agency, "what_if", json.dumps(rules.decisive(profile)),
                json.dumps(rules.decisive(asked)), profile.version, now, person.person_id, person.full_name,
            )  # fmt: skip
            await self._outbox.record(
                connection, person, "retention_change_previewed", change_id, profile.version, now,
                profile_version=profile.version,
                facts={"keys": " ".join(rules.changed_keys(rules.decisive(profile), rules.decisive(asked)))},
            )  # fmt: skip
        return change_id

    async def to_count(self, agency: str) -> list[dict[str, Any]]:
        """Changes and previews that are not counted to their end yet, the oldest first."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(QUERIES["counting"], agency)]

    async def groups(self, agency: str, day: date, profile: AgencyProfile) -> list[rules.Group]:
        """Reads of a due day, alike for the rules, counted."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(
                QUERIES["groups"], agency, day, profile.timezone, bool(profile.retention.hits)
            )
        return [
            rules.Group(DeviceKind(row[0]), row["captured_on"], row["received_on"], row["hit"], row["reads"])
            for row in rows
        ]

    async def due_days(self, agency: str) -> list[date]:
        """Due days on which records of an agency lie or lay."""
        async with self._outbox.change(agency) as connection:
            return [row[0] for row in await connection.fetch(QUERIES["due_days"], agency)]

    async def count(self, change: Mapping[str, Any], profile: AgencyProfile, now: datetime) -> str:
        """Count day by day what a change moves, from where an earlier count broke off; answers the state after it.

        A change that moves nothing is approved with that, unless the custodian has a say in what differs.
        """
        agency, change_id = change["agency"], change["change_id"]
        asked, today = rules.under(profile, json.loads(change["after"])), now.astimezone(UTC).date()
        moving = 0
        for day in await self.due_days(agency):
            if change["counted_to"] is not None and day <= change["counted_to"]:
                continue
            found = rules.moves(asked, await self.groups(agency, day, asked), day, today)
            async with self._outbox.change(agency) as connection:
                if found:
                    await connection.execute(
                        QUERIES["counted_day"], change_id, agency, day, list(found), list(found.values())
                    )
                await connection.execute(QUERIES["counted_to"], agency, change_id, day)
        async with self._outbox.change(agency) as connection:
            moving = sum(row["reads"] for row in await connection.fetch(QUERIES["change_days"], agency, change_id))
            if change["kind"] == "what_if":
                state = "previewed"
            elif moving or (seen(change).custodian and change["before"] != change["after"]):
                state = "awaiting"
            else:
                state = "approved"
            await connection.execute(QUERIES["counted"], agency, change_id, state, now)
            if change["kind"] == "change":
                await self._outbox.record(
                    connection, None, "retention_change_counted", str(change_id), "counted", now, agency=agency,
                    profile_version=change["profile_version"], facts={"reads": str(moving), "state": state},
                )  # fmt: skip
        return state

    async def approve(
        self, person: Person, profile: AgencyProfile, change_id: str, note: str, now: datetime
    ) -> Refused | None:
        """Approve a counted change: from now on it moves records and lets purges run. Raises `LookupError`."""
        role = "custodian" if "custodian" in person.roles else "program_manager"
        async with self._outbox.change(person.agency) as connection:
            known = await connection.fetch(QUERIES["changes"], person.agency, UUID(change_id))
            if not known or known[0]["kind"] != "change":
                raise LookupError(change_id)
            decision = rules.may_approve(person, profile, custodian=seen(known[0]).custodian)
            if isinstance(decision, Refused):
                return decision
            done = await connection.fetchval(
                QUERIES["approve"], person.agency, UUID(change_id), person.person_id, person.full_name, role, now, note
            )
            if done is None:
                state = known[0]["state"]
                return Refused("RET-14", "CHANGE_NOT_AWAITING", f"the change is {state}, not waiting for approval")
            await self._outbox.record(
                connection, person, "retention_change_approved", change_id, "approved", now,
                profile_version=profile.version,
                facts={"reads": str(known[0]["reads"]), "role": role, "rules": known[0]["profile_version"]},
                personal={"note": note} if note else None,
            )  # fmt: skip
        return None

    async def done(self, change: Mapping[str, Any], now: datetime) -> None:
        """Write that every record lies where the changed rules want it."""
        agency, change_id = change["agency"], change["change_id"]
        async with self._outbox.change(agency) as connection:
            await connection.fetchval(QUERIES["known"], agency)
            found = await connection.fetchrow(QUERIES["open_change"], agency)
            if found is None or found["change_id"] != change_id or found["state"] != "approved":
                return  # superseded meanwhile
            moved = sum(row["moved"] for row in await connection.fetch(QUERIES["change_days"], agency, change_id))
            await connection.execute(QUERIES["end_change"], agency, change_id, "done", now)
            await connection.execute(QUERIES["put_known"], agency, found["after"], found["profile_version"], now)
            await self._outbox.record(
                connection, None, "retention_change_done", str(change_id), "done", now, agency=agency,
                profile_version=found["profile_version"], facts={"reads": str(moved)},
            )  # fmt: skip

    async def listed(self, agency: str, change_id: str = "") -> list[dict[str, Any]]:
        """The last changes and previews of an agency with what they move, the newest first; or the named one."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["changes"], agency, UUID(change_id) if change_id else None)
            found = []
            for row in rows:
                days = await connection.fetch(QUERIES["change_days"], agency, row["change_id"]) if change_id else []
                found.append({**dict(row), "days": [dict(day) for day in days]})
        return found
