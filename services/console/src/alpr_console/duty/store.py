"""Owners of hits, shifts handed over, and the timer that tells supervisors what is late."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from alprcore import wire
from alprcore.model import DeviceKind, Hit, Notification, Person, Refused, machine, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries
from alprcore.topics import Topic
from alprcore.workflow import DISPATCH, ENDS, LIVE_FOR

from .. import metrics
from ..doors import SOURCE, Outbox
from ..timers import each
from . import rules

log = logging.getLogger(__name__)
SEEN_WITHIN: Final = timedelta(minutes=30)
"""A session that was not used for so long is locked; its person is not at work on it."""
NOTES_KEPT: Final = timedelta(days=2)
"""A note of a hand-over may speak of vehicles: it goes with the live hits it speaks of."""

Tell = Callable[[Any, str, str, datetime], Awaitable[None]]
HitOf = Callable[[Any, str, str], Awaitable[Hit | None]]
KeepTasks = Callable[[Any, str, str, datetime], Awaitable[None]]
Facts = Callable[[Any, str, Sequence[str]], Awaitable[Mapping[str, Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Hits:
    """What the other features know and do about hits, given by `main`.

    `tell` redraws a hit on every screen, `of` gives it as it was sent, `work` how far its work is, by hit_id;
    `keep_tasks` opens what has to be done about a hit in time.
    """

    tell: Tell
    of: HitOf
    work: Facts
    keep_tasks: KeepTasks


class DutyStore:
    """Keeps who answers for each hit; every change is on the ledger and on every screen."""

    def __init__(self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], hits: Hits) -> None:
        self._queries = load_queries("alpr_console.duty")
        self._outbox = outbox
        self._profiles = profiles
        self._hits = hits
        self._asked: set[str] = set()
        self._closed: dict[str, set[str]] = {}

    async def own(
        self, person: Person, profile: AgencyProfile, hit_id: str, to: str, now: datetime
    ) -> dict[str, Any] | Refused | None:
        """Make a person the owner of a hit: oneself, or `to`; answers the owner, None when there is no such hit."""
        async with self._outbox.change(person.agency) as connection:
            owner = {"person_id": person.person_id, "full_name": person.full_name}
            if to and to != person.person_id:
                found = await self._who(connection, person.agency, to, now)
                decision = rules.may_receive(person, found)
                if isinstance(decision, Refused) or found is None:
                    return decision if isinstance(decision, Refused) else None
                owner = found
            await self._outbox.lock_events(connection, person.agency)
            held = await connection.fetch(self._queries["incidents_held"], person.agency, hit_id)
            if not held:
                return None
            changed = [row["incident_id"] for row in held if row["owner_id"] != owner["person_id"]]
            await self._own(connection, person.agency, changed, owner, now)
            for row in held:  # said again by the same owner, it is entered, and its time stands
                personal = {"from_name": row["owner_name"], "to_name": str(owner["full_name"])}
                await self._record(
                    connection, person, profile, "hit_owner_set", row["incident_id"], now, {"hit_id": hit_id}, personal
                )
            await self._hits.tell(connection, person.agency, hit_id, now)
        since = now if changed else held[0]["owned_since"]
        return {"name": owner["full_name"], "since": since.isoformat()}

    async def duty(self, person: Person, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
        """Tell who is on duty, what this person holds, what is being handed over, and what is late."""
        agency = person.agency
        async with self._outbox.change(agency) as connection:
            on_duty = await self._on_duty(connection, agency, now)
            handovers = await connection.fetch(
                self._queries["handovers_open"], agency, person.person_id, now - LIVE_FOR, now
            )
            limits, present = rules.limits(profile), {one["person_id"] for one in on_duty}
            rows = [
                row
                for row in await self._open(connection, agency, now, person.person_id)
                if row["owner_id"] == person.person_id or rules.late(_as_open(row), limits, present, now)
            ]
            rows = await self._with_state(connection, agency, rows)
            gap = await connection.fetchrow(self._queries["unattended"], agency)
        late = [(row, rules.late(_as_open(row), limits, present, now)) for row in rows]
        return {
            "dispatchers": [
                {"person_id": one["person_id"], "name": one["full_name"], "watching": one["watching"]}
                for one in on_duty
                if not DISPATCH.isdisjoint(one["roles"])
            ],
            "mine": [
                {
                    "incident_id": row["incident_id"], "hit_id": row["hit_id"], "reason_words": row["reason_words"],
                    "place": row["place"], "since": row["owned_since"].isoformat(),
                }
                for row in rows if row["owner_id"] == person.person_id and row["state"] not in ENDS
            ],
            "handovers": [
                {
                    "handover_id": row["handover_id"], "from": row["from_name"], "to": row["to_name"],
                    "note": row["note"], "offered_at": row["offered_at"].isoformat(), "hits": row["hits"],
                    "incoming": row["to_id"] == person.person_id,
                }
                for row in handovers
            ],
            "escalations": [
                {
                    "incident_id": row["incident_id"], "hit_id": row["hit_id"], "kind": why.value,
                    "words": rules.WORDS[why], "place": row["place"], "since": row["opened_at"].isoformat(),
                }
                for row, why in late if why is not None
            ],
            "unattended_since": gap["began_at"].isoformat() if gap and gap["alarmed_at"] else None,
        }  # fmt: skip

    async def offer(self, person: Person, profile: AgencyProfile, to: str, note: str, now: datetime) -> str | Refused:
        """Offer one's hits to the next dispatcher, with a note; they change hands when that person accepts."""
        async with self._outbox.change(person.agency) as connection:
            found = await self._who(connection, person.agency, to, now)
            decision = rules.may_receive(person, found)
            if isinstance(decision, Refused) or found is None:
                return decision if isinstance(decision, Refused) else rules.NOBODY_THERE
            name = make_id("handover", person.agency, person.session_id, to, now.isoformat())
            new = await connection.fetchval(
                self._queries["put_handover"], name, person.agency, person.person_id, person.full_name, to,
                found["full_name"], note, now, now + NOTES_KEPT,
            )  # fmt: skip
            if new is None:
                return rules.OFFERED_ALREADY
            personal = {"to_name": str(found["full_name"]), "note": note}
            await self._record(connection, person, profile, "shift_offered", name, now, {}, personal)
        return name

    async def accept(self, person: Person, profile: AgencyProfile, handover_id: str, now: datetime) -> int | None:
        """Take over every hit that the one who offered still holds; answers how many, None when nothing is offered.

        What was taken between offer and acceptance is handed over with the rest, and so is what is older than a day and
        still worked on: nothing is left behind.
        """
        agency = person.agency
        async with self._outbox.change(agency) as connection:
            await self._outbox.lock_events(connection, agency)
            offered = await connection.fetchrow(
                self._queries["accept_handover"], agency, handover_id, person.person_id, now
            )
            if offered is None:
                return None
            rows = await self._open(connection, agency, now, offered["from_id"])
            rows = [row for row in rows if row["owner_id"] == offered["from_id"]]
            incidents = [row["incident_id"] for row in rows]
            owner = {"person_id": person.person_id, "full_name": person.full_name}
            await self._own(connection, agency, incidents, owner, now)
            await connection.execute(self._queries["handed_over"], agency, handover_id, incidents)
            for row in rows:
                await self._hits.tell(connection, agency, row["hit_id"], now)
            facts = {"hits": str(len(rows)), "incidents": " ".join(incidents)}
            personal = {"from_name": offered["from_name"], "note": offered["note"]}
            await self._record(connection, person, profile, "shift_handed_over", handover_id, now, facts, personal)
        return len(rows)

    async def withdraw(self, person: Person, profile: AgencyProfile, handover_id: str, now: datetime) -> bool:
        """Take an offer back, or decline it; False when none is open."""
        async with self._outbox.change(person.agency) as connection:
            found = await connection.fetchval(
                self._queries["withdraw_handover"], person.agency, handover_id, person.person_id, now
            )
            if found:
                await self._record(connection, person, profile, "shift_offer_withdrawn", handover_id, now, {}, {})
        return found is not None

    async def exercise(
        self, person: Person, profile: AgencyProfile, kind: DeviceKind, now: datetime
    ) -> Notification | None:
        """Send a hit to practice on; None where the profile shows hits on no dispatch console.

        It travels on the topic of notifications like any other, and comes back to every screen of the agency.
        """
        made = rules.exercise(person, profile, kind, now)
        if not made:
            return None
        async with self._outbox.change(person.agency) as connection:
            for notification in made:
                await self._send(connection, notification, now)
            facts = {"hit_id": made[0].hit.hit_id, "device_kind": kind.value}
            await self._record(connection, person, profile, "exercise_started", made[0].incident_id, now, facts, {})
        return made[0]

    async def on_timer(self, now: datetime) -> dict[str, int]:
        """Tell supervisors what is late in every agency; answers how many of each (HIT-15).

        Several replicas may do so at once: what one has told, the row says, and the others find nothing. What fails for
        one agency holds up neither the others nor what else is told there.
        """
        shown: set[str] = set()

        async def open_tasks(agency: str) -> int:
            found = await self._open_tasks(agency, now)
            shown.update(found)
            return len(found)

        agencies = self._profiles
        escalated = await each("escalate", agencies, lambda agency: self._escalate(agency, agencies[agency], now))
        await each("open_tasks", agencies, open_tasks)
        self._asked = shown
        return {
            "escalated": escalated,
            "overdue": await each("overdue", agencies, lambda agency: self._overdue(agency, agencies[agency], now)),
            "alarmed": await each("attend", agencies, lambda agency: self._attend(agency, agencies[agency], now)),
        }

    async def purge(self, now: datetime) -> int:
        """Remove hand-overs whose notes are due; answers how many."""
        async with self._outbox.change("*") as connection:
            status: str = await connection.execute(self._queries["purge_handovers"], now)
        return int(status.rpartition(" ")[2])

    async def _escalate(self, agency: str, profile: AgencyProfile, now: datetime) -> int:
        limits, told = rules.limits(profile), 0
        closed = self._closed.get(agency, set())  # for good: nobody looks at their work again at every turn
        async with self._outbox.change(agency) as connection:
            rows = await self._open(connection, agency, now)
            closed &= {row["incident_id"] for row in rows}
            present = {one["person_id"] for one in await self._on_duty(connection, agency, now)} if rows else set()
            due = [row for row in rows if _untold(row, rules.late(_as_open(row), limits, present, now))]
            due = [row for row in due if row["incident_id"] not in closed]
            rows = await self._with_state(connection, agency, due)
        self._closed[agency] = closed | {row["incident_id"] for row in rows if row["state"] == "closed"}
        for row in rows:
            why = rules.late(_as_open(row), limits, present, now)
            if why is None:
                continue
            async with self._outbox.change(agency) as connection:
                await self._outbox.lock_events(connection, agency)
                if why is rules.Late.ACKNOWLEDGE:
                    done = await connection.fetchval(self._queries["escalate"], agency, row["incident_id"], now)
                else:
                    done = await connection.fetchval(
                        self._queries["owner_left"], agency, row["incident_id"], now, row["owner_id"]
                    )
                if done:
                    about = row["owned_since"].isoformat() if row["owned_since"] else ""
                    await self._told(connection, profile, {**row, "about": about}, why, "hit_escalated", now)
                    told += 1
        return told

    async def _open_tasks(self, agency: str, now: datetime) -> list[str]:
        """See that hits have their tasks from when they were shown, before anybody does a first step (HIT-19)."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["shown"], agency, now - LIVE_FOR)
        shown = [row["hit_id"] for row in rows]
        for hit_id in shown:
            if hit_id in self._asked:  # once here; another replica's second time changes nothing
                continue
            try:
                async with self._outbox.change(agency) as connection:
                    await self._hits.keep_tasks(connection, agency, hit_id, now)
            except asyncpg.CheckViolationError as error:  # what one hit owes holds up no other
                log.error("tasks_not_kept", extra={"hit_id": hit_id, "constraint": error.constraint_name})
        return shown

    async def _overdue(self, agency: str, profile: AgencyProfile, now: datetime) -> int:
        """Tell of what was not done in time: HIT-10, HIT-13, HIT-19, HIT-24."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(self._queries["tasks_due"], agency, now)
        told = 0
        for row in rows:
            why = rules.Late(row["kind"])
            async with self._outbox.change(agency) as connection:
                # the task, the lock, the incident: as a step takes them, so that the two never wait for each other
                if await connection.fetchval(self._queries["task_told"], agency, row["about"], now):
                    await self._outbox.lock_events(connection, agency)
                    kind = "task_overdue"
                    if why is rules.Late.BROADCAST:  # what HIT-19 counts; nothing else makes a hit overdue
                        kind = "overdue_broadcast"
                        await connection.execute(self._queries["overdue"], agency, row["incident_id"], now)
                    await self._told(connection, profile, row, why, kind, now)
                    told += 1
        return told

    async def _told(
        self, connection: Any, profile: AgencyProfile, row: Mapping[str, Any], why: rules.Late, kind: str, now: datetime
    ) -> None:
        agency, hit_id = profile.agency, row["hit_id"]
        await self._hits.tell(connection, agency, hit_id, now)
        hit = await self._hits.of(connection, agency, hit_id)
        if hit is not None:
            await self._send(connection, rules.escalation(hit, row, why, profile, now), now)
        facts = {"hit_id": hit_id, "why": why.value, "status": row["status"]}
        await self._record(connection, machine(agency), profile, kind, row["incident_id"], now, facts, {})
        metrics.ESCALATIONS.labels(why.value).inc()

    async def _attend(self, agency: str, profile: AgencyProfile, now: datetime) -> int:
        async with self._outbox.change(agency) as connection:
            if not await connection.fetchval(self._queries["has_dispatchers"], agency):
                return 0  # a policy that ships and no agency that works here: there is no room to be empty
            watched = await connection.fetchval(self._queries["last_watched"], agency)
            gap = await connection.fetchrow(self._queries["unattended"], agency)
            began_at = gap["began_at"] if gap else None
            since, alarmed = rules.unattended(watched, began_at, rules.limits(profile), now)
            system = machine(agency)
            if since is None:
                ended = gap and await connection.fetchrow(self._queries["end_unattended"], agency, now)
                if ended and ended["alarmed_at"]:
                    facts = {"since": ended["began_at"].isoformat()}
                    await self._record(connection, system, profile, "dispatch_attended", agency, now, facts, {})
                return 0
            if gap is None:
                await connection.execute(self._queries["begin_unattended"], agency, since)
            if not alarmed or not await connection.fetchval(self._queries["alarm_unattended"], agency, now):
                return 0
            facts = {"since": since.isoformat()}
            await self._record(connection, system, profile, "dispatch_unattended", agency, now, facts, {})
            alert_id = make_id("alert", agency, "unattended", since.isoformat())
            await self._outbox.alert(connection, alert_id, agency, "dispatch_unattended", facts, now)
        return 1

    async def _open(self, connection: Any, agency: str, now: datetime, owner: str = "") -> list[dict[str, Any]]:
        rows = await connection.fetch(self._queries["open_incidents"], agency, now - LIVE_FOR, now, owner)
        return [{**dict(row), "state": ""} for row in rows]

    async def _with_state(self, connection: Any, agency: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        work = await self._hits.work(connection, agency, [row["hit_id"] for row in rows]) if rows else {}
        states = {hit_id: (facts.get("work") or {}).get("state", "") for hit_id, facts in work.items()}
        return [{**row, "state": states.get(row["hit_id"], "")} for row in rows]

    async def _on_duty(self, connection: Any, agency: str, now: datetime) -> list[dict[str, Any]]:
        rows = await connection.fetch(self._queries["on_duty"], agency, now - SEEN_WITHIN, now - rules.WATCHED_WITHIN)
        return [dict(row) for row in rows]

    async def _who(self, connection: Any, agency: str, person_id: str, now: datetime) -> dict[str, Any] | None:
        on_duty = await self._on_duty(connection, agency, now)
        return next((one for one in on_duty if one["person_id"] == person_id), None)

    async def _own(
        self, connection: Any, agency: str, incidents: Sequence[str], owner: Mapping[str, Any], now: datetime
    ) -> None:
        await connection.execute(
            self._queries["own"], agency, list(incidents), owner["person_id"], owner["full_name"], now
        )

    async def _send(self, connection: Any, notification: Notification, now: datetime) -> None:
        headers = wire.headers_for(Topic.NOTIFICATIONS, id=notification.notification_id, source=SOURCE, time=now)
        await self._outbox.put(
            connection, Topic.NOTIFICATIONS, key=notification.incident_id, value=wire.encode_notification(notification),
            headers=headers, now=now,
        )  # fmt: skip

    async def _record(
        self, connection: Any, person: Person, profile: AgencyProfile, kind: str, subject: str, now: datetime,
        facts: Mapping[str, str], personal: Mapping[str, str],
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, person, kind, subject, now.isoformat(), now, facts=facts, personal=personal,
            profile_version=profile.version,
        )  # fmt: skip


def _as_open(row: Mapping[str, Any]) -> rules.OpenHit:
    return rules.OpenHit(row["device_kind"], row["state"], row["opened_at"], row["owner_id"])


def _untold(row: Mapping[str, Any], why: rules.Late | None) -> bool:
    return why is not None and row["escalated_at" if why is rules.Late.ACKNOWLEDGE else "left_at"] is None
