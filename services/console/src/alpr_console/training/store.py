"""Papers of people in PostgreSQL; each new one goes to the ledger in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from alprcore.model import Decision, Person, make_id
from alprcore.policy import AgencyProfile, Certification, Clearance, Standing, TrainingDone, local_day
from alprcore.postgres import translated

from ..doors import Outbox
from . import rules

Authority = Callable[[Person, AgencyProfile, str, str, datetime], Awaitable[tuple[Decision, str]]]
"""Whether a person holds a power for a scope now, and under which delegation (administration/)."""
MaySee = Callable[[Person, AgencyProfile, datetime], Awaitable[Decision]]
"""Whether a person may look at others' papers (administration/)."""


class TrainingStore:
    """Keeps courses, completions, certifications, clearances, readings of the policy and unit assignments."""

    def __init__(
        self, pool: Any, queries: Mapping[str, str], outbox: Outbox, profiles: Mapping[str, AgencyProfile]
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._outbox = outbox
        self._profiles = profiles

    async def standing(self, person_id: str, now: datetime) -> Standing:
        """Read everything on file about a person; nobody known has the standing of an account never activated."""
        with translated():
            found = await self._pool.fetchval(self._queries["standing"], person_id, now)
        return standing_of(found) if found else Standing(person_id)

    async def find_person(self, agency: str, username: str) -> dict[str, Any] | None:
        """Find who has this username in the agency."""
        with translated():
            row = await self._pool.fetchrow(self._queries["find_person"], agency, username)
        return dict(row) if row else None

    async def standings(self, agency: str, now: datetime) -> list[dict[str, Any]]:
        """List the agency's living accounts with their standing."""
        with translated():
            rows = await self._pool.fetch(self._queries["standings"], agency, now)
        return [{**dict(row), "standing": standing_of(row["standing"])} for row in rows]

    async def courses(self, agency: str) -> list[dict[str, Any]]:
        """List the agency's courses, every version; what was attested on the machine is no course that anybody takes."""
        return await self._rows(agency, "courses", agency, rules.ATTESTED)

    async def course(self, agency: str, course_id: str) -> dict[str, Any] | None:
        """Find one version of a course."""
        rows = await self._rows(agency, "course", agency, course_id, rules.ATTESTED)
        return rows[0] if rows else None

    async def papers(self, agency: str, person_id: str) -> dict[str, list[dict[str, Any]]]:
        """List what is on file about a person: completions, certifications, readings, unit assignments."""
        kinds = {"records": "records_of", "certifications": "certifications_of", "readings": "readings_of"}
        return {
            name: await self._rows(agency, query, agency, person_id)
            for name, query in {**kinds, "units": "units_of"}.items()
        }

    async def file_of(self, agency: str, person_id: str, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
        """Put together what a person's papers cover and lack, and the papers themselves."""
        standing = await self.standing(person_id, now)
        planned = {"planned": await self.sessions(agency, now, person_id)}
        return {**rules.lacking(standing, profile, now), **await self.papers(agency, person_id), **planned}

    async def add_course(
        self, by: Person, profile: AgencyProfile, name: str, version: str, tags: Sequence[str],
        valid_days: int | None, now: datetime,
    ) -> str:  # fmt: skip
        """Describe a version of a course; answers its id, '' when that version is already described (TRN-01)."""
        course_id = make_id("course", by.agency, name, version)
        values = (course_id, by.agency, name, version, list(tags), valid_days, by.username, now)
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["put_course"], *values):
                return ""
            facts = {"name": name, "course_version": version, "tags": " ".join(tags)}
            await self._note(connection, by, "course_described", course_id, profile, now, facts)
        return course_id

    async def approve_course(self, by: Person, profile: AgencyProfile, course_id: str, now: datetime) -> bool:
        """Approve a version of a course for the department; False when there is none waiting (TRN-01)."""
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["approve_course"], by.agency, course_id, by.username, now):
                return False
            await self._note(connection, by, "course_approved", course_id, profile, now, {})
        return True

    async def record_training(
        self, by: Person, profile: AgencyProfile, person_id: str, course: Mapping[str, Any], *,
        context: str, completed_on: date, trainer: str, passed: bool, now: datetime,
    ) -> str:  # fmt: skip
        """Record a completion; answers its id, '' when exactly this one is on file (TRN-01)."""
        record_id = make_id("training", person_id, course["course_id"], context, completed_on.isoformat(), str(passed))
        ends = completed_on + timedelta(days=course["valid_days"]) if course["valid_days"] else None
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(
                self._queries["put_record"], record_id, by.agency, person_id, course["course_id"], context,
                completed_on, ends, trainer, passed, by.username, now,
            ):  # fmt: skip
                return ""
            facts = {
                "course_id": course["course_id"], "course": course["name"], "course_version": course["version"],
                "context": context, "completed_on": completed_on.isoformat(), "result": "passed" if passed else "failed",
            }  # fmt: skip
            await self._note(connection, by, "training_recorded", person_id, profile, now, facts)
        return record_id

    async def plan_session(
        self, by: Person, profile: AgencyProfile, course_id: str, starts_at: datetime, place: str,
        usernames: Sequence[str], now: datetime,
    ) -> str:  # fmt: skip
        """Plan when and where people learn a course; '' when one of them has no account here (TRN-04)."""
        session_id = make_id("training_session", by.agency, course_id, starts_at.isoformat(), place)
        invited = sorted(set(usernames))
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(
                self._queries["put_session"], session_id, by.agency, course_id, starts_at, place, invited, by.username,
                now,
            ):  # fmt: skip
                return ""
            facts = {"course_id": course_id, "starts_at": starts_at.isoformat(), "invited": str(len(invited))}
            await self._note(connection, by, "training_planned", session_id, profile, now, facts)
        return session_id

    async def sessions(self, agency: str, now: datetime, person_id: str | None = None) -> list[dict[str, Any]]:
        """List the trainings to come, of one person if named."""
        return await self._rows(agency, "sessions", agency, now, person_id)

    async def record_certification(
        self,
        by: Person,
        profile: AgencyProfile,
        person_id: str,
        kind: str,
        issuer: str,
        expires_on: date,
        now: datetime,
    ) -> str:
        """Record a certification; answers its id, '' when exactly this one is on file (ACC-05, ACC-13, ACC-14)."""
        one = make_id("certification", person_id, kind, issuer, expires_on.isoformat())
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(
                self._queries["put_certification"],
                one,
                by.agency,
                person_id,
                kind,
                issuer,
                expires_on,
                by.username,
                now,
            ):
                return ""
            facts = {"certification": kind, "issuer": issuer, "expires_on": expires_on.isoformat()}
            await self._note(connection, by, "certification_recorded", person_id, profile, now, facts)
        return one

    async def record_clearance(
        self, by: Person, profile: AgencyProfile, person_id: str, paper: Clearance, now: datetime
    ) -> str:
        """Record what is on file of a contractor; the newest record counts (ACC-06)."""
        one = make_id("clearance", person_id, now.isoformat())
        async with self._outbox.change(by.agency) as connection:
            await connection.fetchval(
                self._queries["put_clearance"], one, by.agency, person_id, paper.contract_id, paper.contract_end,
                paper.live_scan_on, paper.no_convictions, paper.waiver_sha256, paper.waiver_on, by.username, now,
            )  # fmt: skip
            facts = {
                "contract_end": paper.contract_end.isoformat() if paper.contract_end else "",
                "waiver_sha256": paper.waiver_sha256, "complete": str(paper.complete).lower(),
            }  # fmt: skip
            await self._note(connection, by, "clearance_recorded", person_id, profile, now, facts)
        return one

    async def acknowledge(self, by: Person, profile: AgencyProfile, person_id: str, method: str, now: datetime) -> None:
        """Record that a person read the policy in force, on the screen or on paper (TRN-05, TRN-06)."""
        async with self._outbox.change(by.agency) as connection:
            await connection.execute(
                self._queries["put_reading"], by.agency, person_id, profile.version, now, method, by.username
            )
            facts = {"version": profile.version, "method": method}
            await self._note(connection, by, "policy_acknowledged", person_id, profile, now, facts)

    async def assign_unit(
        self, by: Person, profile: AgencyProfile, person_id: str, device_id: str, now: datetime
    ) -> str:
        """Assign a person to a device (ACC-14); what it needs is decided before."""
        unit_id = make_id("unit", person_id, device_id, now.isoformat())
        async with self._outbox.change(by.agency) as connection:
            await connection.execute(
                self._queries["put_unit"], unit_id, by.agency, person_id, device_id, now, by.username
            )
            await self._note(connection, by, "unit_assigned", person_id, profile, now, {"device_id": device_id})
        return unit_id

    async def release_unit(self, by: Person, profile: AgencyProfile, unit_id: str, now: datetime) -> bool:
        """End a unit assignment; False when none lives under this id."""
        async with self._outbox.change(by.agency) as connection:
            person_id = await connection.fetchval(self._queries["end_unit"], by.agency, unit_id, now)
            if person_id is None:
                return False
            await self._note(connection, by, "unit_released", person_id, profile, now, {"unit_id": unit_id})
        return True

    async def start_device_session(self, by: Person, device_id: str, now: datetime) -> str:
        """Note that a person began to work with a device (ACC-03, TRN-08); what it needs is decided before."""
        async with self._outbox.change(by.agency) as connection:
            return await self.begin_device_session(connection, by, device_id, now)

    async def end_device_session(self, by: Person, session_id: str, now: datetime) -> bool:
        """Note that a person stopped working with a device; False when it is not theirs or has ended."""
        async with self._outbox.change(by.agency) as connection:
            return await self.finish_device_session(connection, by, session_id, now)

    async def begin_device_session(
        self, connection: Any, by: Person, device_id: str, now: datetime, unit: str = "", shift: str = ""
    ) -> str:
        """Note it in the caller's transaction, with the unit's call sign and its shift (DEF-10); answers the id."""
        session_id = make_id("device_session", by.person_id, device_id, now.isoformat())
        await connection.execute(
            self._queries["put_device_session"], session_id, by.agency, by.person_id, device_id, now, unit, shift
        )
        facts = {"device_id": device_id} | ({"unit": unit, "shift": shift} if unit else {})
        await self._note(connection, by, "device_session_started", session_id, self._profiles[by.agency], now, facts)
        return session_id

    async def finish_device_session(self, connection: Any, by: Person, session_id: str, now: datetime) -> bool:
        """Note the end in the caller's transaction; False when it is not theirs or has ended."""
        if not await connection.fetchval(self._queries["end_device_session"], by.agency, session_id, by.person_id, now):
            return False
        await self._note(connection, by, "device_session_ended", session_id, self._profiles[by.agency], now, {})
        return True

    async def note_suspensions(self, now: datetime) -> int:
        """Compare every account with its papers and put each change between in and out on the ledger (ACC-15).

        Access itself is decided anew with every request; this says since when. Answers how many changed.
        """
        changed = 0
        with translated():
            rows = await self._pool.fetch(self._queries["active_people"], now)
        for row in rows:
            profile = self._profiles.get(row["agency"])
            if profile is None:
                continue
            code = rules.suspension(standing_of(row["standing"]), profile, now)
            if code == row["suspended"]:
                continue
            person = Person(
                row["person_id"], row["username"], row["full_name"], row["organization"], row["agency"],
                tuple(row["roles"]), "", "",
            )  # fmt: skip
            async with self._outbox.change(row["agency"]) as connection:
                if await connection.fetchval(self._queries["set_suspended"], row["agency"], row["person_id"], code):
                    kind = "access_suspended" if code else "access_restored"
                    facts = {"cause": code or row["suspended"]}
                    await self._note(connection, person, kind, row["person_id"], profile, now, facts)
                    changed += 1
        return changed

    async def attest(
        self, person: Person, profile: AgencyProfile, contract_end: date | None, now: datetime, also: Sequence[str] = ()
    ) -> None:
        """Put complete papers on file without a witness: of the demonstration's people and of a first administrator.

        The course says whose word it is, and the ledger says that nobody of the agency recorded it. `also` are
        certifications beyond those that any access takes.
        """
        day, agency = local_day(profile, now), person.agency
        course_id = make_id("course", agency, rules.ATTESTED, "1")
        contexts = {need.context for need in profile.access.training if need.context} or {"initial"}
        async with self._outbox.change(agency) as connection:
            tags = sorted({need.tag for need in profile.access.training})
            await connection.fetchval(
                self._queries["put_attested_course"], course_id, agency, rules.ATTESTED, "1", tags, rules.OPERATOR, now
            )
            for context in sorted(contexts):
                await connection.fetchval(
                    self._queries["put_record"], make_id("attested", person.person_id, context, *tags), agency,
                    person.person_id, course_id, context, day, None, rules.OPERATOR, True, rules.OPERATOR, now,
                )  # fmt: skip
            for kind in sorted({*profile.access.certifications, rules.EQUIPMENT_CLEARANCE, *also}):
                until = day + timedelta(days=365)
                await connection.fetchval(
                    self._queries["put_certification"], make_id("attested", person.person_id, kind, until.isoformat()),
                    agency, person.person_id, kind, rules.OPERATOR, until, rules.OPERATOR, now,
                )  # fmt: skip
            if contract_end is not None:
                await connection.fetchval(
                    self._queries["put_clearance"], make_id("attested", person.person_id, contract_end.isoformat()),
                    agency, person.person_id, rules.ATTESTED, contract_end, day, True, "0" * 64, day, rules.OPERATOR,
                    now,
                )  # fmt: skip
            await connection.execute(
                self._queries["put_reading"], agency, person.person_id, profile.version, now, "paper", rules.OPERATOR
            )
            facts = {"tags": " ".join(tags), "version": profile.version}
            await self._note(connection, person, "papers_attested", person.person_id, profile, now, facts)

    async def _rows(self, agency: str, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries[query], *values)]

    async def _note(
        self, connection: Any, by: Person, kind: str, subject: str, profile: AgencyProfile, now: datetime,
        facts: Mapping[str, str],
    ) -> None:  # fmt: skip
        version = f"{now.isoformat()} {json.dumps(dict(facts), sort_keys=True)}"
        await self._outbox.record(
            connection, by, kind, subject, version, now, profile_version=profile.version, facts=facts
        )


def standing_of(found: str) -> Standing:
    """Build a standing from what the database's function answers."""
    row: dict[str, Any] = json.loads(found)
    reading, paper = row.pop("reading"), row.pop("clearance")
    return Standing(
        roles=tuple(row.pop("roles")),
        grants=tuple(row.pop("grants")),
        devices=tuple(row.pop("devices")),
        training=tuple(
            TrainingDone(
                tuple(one["tags"]), one["context"], date.fromisoformat(one["completed_on"]), _day(one["expires_on"]),
                one["approved"], one["passed"],
            )
            for one in row.pop("training")
        ),
        certifications=tuple(
            Certification(one["kind"], one["issuer"], date.fromisoformat(one["expires_on"]))
            for one in row.pop("certifications")
        ),
        policy_version=reading["version"] if reading else "",
        policy_read_at=datetime.fromisoformat(reading["at"]) if reading else None,
        clearance=Clearance(
            paper["contract_id"], _day(paper["contract_end"]), _day(paper["live_scan_on"]), paper["no_convictions"],
            paper["waiver_sha256"], _day(paper["waiver_on"]),
        )
        if paper
        else None,
        **row,
    )  # fmt: skip


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
