"""Every step of the work on a hit: decided under the work's lock, written with its ledger entry, told to every screen."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import changed, load_queries
from alprcore.seal import ListKeys
from alprcore.workflow import (
    Broadcast,
    BroadcastKind,
    Call,
    Description,
    Given,
    Passed,
    ReadCheck,
    Verification,
    admit,
    closable,
    ends,
    may_confirm_call,
    state_of,
    step_of,
)

from ...doors import Outbox
from ...web import SignedIn
from .. import rules
from .checks import Sum, keep_check
from .duties import keep_tasks
from .entries import KINDS, record_step
from .telling import MISTAKEN, Telling
from .work import Hooks, Standing, repeated, rows_by_work, scene_of, standing, with_step, work_from

log = logging.getLogger(__name__)
Effect = Callable[[Any, Standing, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Made:
    """A step that was made, or had been: its id, the gates that it left out with a reason, and whether it is new."""

    step_id: str
    overridden: tuple[str, ...]
    unverified: bool
    state: str
    new: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a database answered: its reference, its words, by which way it was asked, and whether it is a test's."""

    reference: str = ""
    text: str = ""
    adapter: str = "manual"
    test: bool = False


class WorkflowStore:
    """Keeps the work on hits. Whoever asks for a hit that is not there gets None; what a rule refuses comes back."""

    def __init__(
        self,
        outbox: Outbox,
        profiles: Mapping[str, AgencyProfile],
        keys: ListKeys | None,
        hooks: Hooks,
        sum_up: Sum,
        live_for: timedelta,
        adapter_of: Callable[[str], str],
    ) -> None:
        self._outbox = outbox
        self._profiles = profiles
        self._keys = keys
        self._hooks = hooks
        self._sum_up = sum_up
        self._live_for = live_for
        self.adapter_of = adapter_of
        self._queries = load_queries("alpr_console.workflow")
        self._telling = Telling(outbox, self._queries, hooks)

    @property
    def seals(self) -> bool:
        """Tell whether there is a key to seal with; without one no answer's words are kept."""
        return self._keys is not None

    async def view(
        self, session: SignedIn, hit_id: str, now: datetime
    ) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
        """Give a hit's card and the work on it, laid out for whoever looks; None: no such hit. Nothing is written."""
        agency = session.person.agency
        async with self._outbox.change(agency) as connection:
            found = await self._found(connection, session, hit_id, now, lock=False)
            if found is None:
                return None
            checks = await self._checks(connection, agency, [hit_id])
            known = {task["kind"]: task for task in found.tasks}
            owner = await connection.fetchrow(self._queries["owner_of"], agency, hit_id)
        duties = [rules.task_row(task, known) for task in rules.duties(session.profile, found.scene, found.work)]
        card = {**found.card, "owner": _owner(owner)}
        laid_out = rules.work_view(
            session.profile, found.scene, found.work, found.rows, duties, card, checks.get(hit_id),
            self.adapter_of(agency),
        )  # fmt: skip
        return card, {**laid_out, "work_id": found.work_id}

    async def facts(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Say of each hit for its card how far the work is: `work`, `workflow_state`, and the finding about its read."""
        if (profile := self._profiles.get(agency)) is None:
            return {}
        works = {row["hit_id"]: row for row in await connection.fetch(self._queries["works_of"], agency, hit_ids)}
        names = sorted({row["work_id"] for row in works.values()})
        steps = rows_by_work(await connection.fetch(self._queries["steps"], agency, names))
        duties: dict[str, list[Any]] = {name: [] for name in names}
        for row in await connection.fetch(self._queries["tasks"], agency, names):
            duties[row["hit_id"]].append(dict(row))
        checks = await self._checks(connection, agency, hit_ids)
        found = {}
        for hit_id, row in works.items():
            card, work_id = json.loads(row["card"]), row["work_id"]
            work = work_from(card, steps.get(work_id, ()))
            short = rules.summary(profile, scene_of(card), work, duties[work_id])
            found[hit_id] = {
                "work": {"work_id": work_id, **short}, "workflow_state": short["state"],
                "read_check": rules.read_check(checks.get(hit_id)),
            }  # fmt: skip
        return found

    async def keep_tasks(self, connection: Any, agency: str, hit_id: str, now: datetime) -> None:
        """Open the duties that a hit brings with it before anybody has done a step, in the caller's transaction."""
        found = await standing(connection, self._queries, agency, hit_id, now, self._live_for)
        profile = self._profiles.get(agency)
        if found is not None and profile is not None:
            due = self._hooks.due_at(found.first, profile)
            await keep_tasks(connection, self._queries, profile, found, due, now)

    async def check(
        self, session: SignedIn, hit_id: str, given: ReadCheck, corrected_text: str, reason: str, now: datetime
    ) -> Made | Refused | None:
        """Record what a person found on comparing a read with its picture; what was read stays as it was (HIT-06, HIT-07)."""
        async with self._outbox.change(session.person.agency) as connection:
            asked = await self._found(connection, session, hit_id, now)
        if asked is None:
            return None
        corrected = rules.correct(session.person, asked.card["plate"], given.result, corrected_text)
        if isinstance(corrected, Refused):
            return corrected
        text = corrected

        async def effect(connection: Any, found: Standing, _step_id: str) -> None:
            due = self._hooks.due_at(found.card, session.profile)
            await keep_check(
                connection, self._queries, self._outbox, self._sum_up, session.person, found, given, text, due, now
            )

        return await self._do(session, hit_id, given, reason, now, effect, {"corrected_text": text.reveal()})

    async def verify(
        self, session: SignedIn, hit_id: str, given: Verification, answer: Answer, reason: str, now: datetime
    ) -> Made | Refused | None:
        """Keep what another database said of the entry (HIT-09, HIT-21); its words are sealed (SEC-06)."""
        opened = rules.source_open(session.person, given.source)
        if isinstance(opened, Refused):
            return opened
        person, agency = session.person, session.person.agency

        async def effect(connection: Any, found: Standing, step_id: str) -> None:
            await connection.execute(
                self._queries["put_verification"], step_id, agency, hit_id, given.source.value, given.route.value,
                given.result.value, answer.reference, reason, person.person_id, person.full_name,
                session.profile.version, now, self._hooks.due_at(found.first, session.profile), answer.adapter,
                answer.test,
            )  # fmt: skip
            if answer.text and self._keys is not None:
                sealed, key_id = self._keys.seal(answer.text.encode(), entry_id=step_id)
                await connection.execute(self._queries["put_verification_text"], step_id, agency, sealed, key_id)

        also = {
            "reference": answer.reference, "adapter": answer.adapter, "test": answer.test, "words": len(answer.text),
        }  # fmt: skip
        return await self._do(session, hit_id, given, reason, now, effect, also)

    async def asked(
        self, session: SignedIn, hit_id: str, given: Verification, reason: str, now: datetime
    ) -> tuple[Standing, str] | Refused | None:
        """Record that a database is about to be asked for a verification that would be taken; nobody is asked before.

        Answers the work and the name of the question: asked twice of the same work, it has the same name.
        """
        person, adapter = session.person, self.adapter_of(session.person.agency)
        opened = rules.source_open(person, given.source)
        if isinstance(opened, Refused):
            return opened
        async with self._outbox.change(person.agency) as connection:
            found = await self._found(connection, session, hit_id, now)
            if found is None:
                return None
            decision = admit(session.profile, found.scene, found.work, given, reason)
            if isinstance(decision, Refused):
                return decision
            row = await connection.fetchrow(self._queries["incident_of_work"], person.agency, hit_id)
            if row and rules.is_practice(adapter, row["status"]):
                return Refused("HIT-09", "EXERCISE", "nobody is asked about an exercise: enter the answer by hand")
            name = make_id("confirmation", found.work_id, given.source.value, given.route.value, str(found.next_no))
            facts = {"hit_id": hit_id, "source": given.source.value, "route": given.route.value, "adapter": adapter}
            await self._outbox.record(
                connection, person, "confirmation_asked", name, person.session_id, now, facts=facts,
                profile_version=session.profile.version,
            )  # fmt: skip
        return found, name

    async def broadcast(
        self, session: SignedIn, hit_id: str, given: Broadcast, reason: str, now: datetime
    ) -> Made | Refused | None:
        """Record what was put on the air, and tell every signed-on field client (HIT-27)."""

        async def effect(connection: Any, after: Standing, step_id: str) -> None:
            told = after.work.done[-1].given
            if isinstance(told, Broadcast):
                await self._telling.broadcast(connection, session.person, session.profile, after, step_id, told, now)

        return await self._do(session, hit_id, given, reason, now, effect)

    async def call(self, session: SignedIn, hit_id: str, given: Call, reason: str, now: datetime) -> Any:
        """Enter a call for service (HIT-20); the CAD system hears of it."""

        async def effect(connection: Any, _found: Standing, step_id: str) -> None:
            told = {
                "call_id": step_id, "call_type": given.call_type, "vehicle_description": given.vehicle_description,
                "direction_of_travel": given.direction_of_travel,
            }  # fmt: skip
            await self._hooks.call_opened(connection, session.person, hit_id, told, now)

        return await self._do(session, hit_id, given, reason, now, effect)

    async def describe(
        self, session: SignedIn, hit_id: str, call_id: str, given: Description, now: datetime
    ) -> Made | Refused | None:
        """Add to a call what the dispatcher learned of the vehicle (HIT-22)."""
        async with self._outbox.change(session.person.agency) as connection:
            found = await self._found(connection, session, hit_id, now)
        if found is None or found.row(call_id, "call") is None:
            return None

        async def effect(connection: Any, _found: Standing, _step_id: str) -> None:
            told = {"call_id": call_id, **rules.laid_out(given)}
            await self._hooks.changed(connection, session.person, hit_id, "call_state", told, now)

        return await self._do(session, hit_id, given, "", now, effect, {"call_id": call_id})

    async def step(
        self, session: SignedIn, hit_id: str, given: Given, reason: str, now: datetime,
        also: Mapping[str, Any] | None = None,
    ) -> Made | Refused | None:  # fmt: skip
        """Record a step that nothing but its row follows from; `also` is kept beside what was given."""
        return await self._do(session, hit_id, given, reason, now, _nothing, also)

    async def close(self, session: SignedIn, hit_id: str, reason: str, now: datetime) -> Made | Refused | None:
        """Close a hit (HIT-10, HIT-13, HIT-20, HIT-24)."""
        return await self._do(session, hit_id, None, reason, now, _nothing)

    async def set_call(
        self, session: SignedIn, hit_id: str, call_id: str, state: str, verification_id: str, now: datetime
    ) -> dict[str, Any] | Refused | None:
        """Set a call's state: confirmed takes the verification that found the entry active, attached (HIT-21)."""
        person, agency = session.person, session.person.agency
        async with self._outbox.change(agency) as connection:
            found = await self._found(connection, session, hit_id, now)
            call = found.row(call_id, "call") if found else None
            if found is None or call is None:
                return None
            if rules.enters_no_calls(person):
                return Refused("HIT-20", "ROLE_NOT_AUTHORISED", "calls are kept by dispatchers and supervisors")
            if state == "confirmed":
                decision = may_confirm_call(rules.attached(session.profile, found.work, found.rows, verification_id))
                if isinstance(decision, Refused):
                    return decision
            answer = {"call_id": call_id, "state": state, "verification_id": verification_id or None}
            if call["call_state"] == {name: answer[name] for name in ("state", "verification_id")}:
                return answer
            number = await connection.fetchval(
                self._queries["put_call_state"], call_id, agency, state, verification_id or None, person.person_id,
                person.full_name, now,
            )  # fmt: skip
            facts = {"hit_id": hit_id, "call_id": call_id, "state": state, "verification_id": verification_id}
            await self._outbox.record(
                connection, person, "call_state_set", call_id, str(number), now, facts=facts,
                profile_version=session.profile.version,
            )  # fmt: skip
            await self._hooks.changed(connection, person, hit_id, "call_state", {"state": state}, now)
            await self._hooks.tell(connection, agency, hit_id, now)
        return answer

    async def verifications(self, agency: str, hit_id: str) -> list[dict[str, Any]]:
        """List what databases said of a hit, oldest first, without their words."""
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries["verifications"], agency, hit_id)]

    async def read_text(
        self, person: Person, profile: AgencyProfile, verification_id: str, now: datetime
    ) -> str | None:
        """Open an answer's words, for a person with the grant, and record that they were read; None: there are none."""
        async with self._outbox.change(person.agency) as connection:
            row = await connection.fetchrow(self._queries["verification_text"], person.agency, verification_id)
            if row is None or self._keys is None:
                return None
            text = self._keys.open(row["sealed"], row["key_id"], entry_id=verification_id).decode()
            await self._outbox.record(
                connection, person, "verification_read", verification_id, f"{person.session_id}/{now.isoformat()}", now,
                profile_version=profile.version,
            )  # fmt: skip
        return text

    async def said_of(
        self,
        person: Person,
        profile: AgencyProfile,
        hit_ids: Sequence[str],
        clets: bool,
        package_id: str,
        now: datetime,
    ) -> list[dict[str, Any]]:
        """What databases said of hits that go into a package; their words only where `clets`, each recorded (SEC-06)."""
        said = []
        async with self._outbox.change(person.agency) as connection:
            for row in await connection.fetch(self._queries["verifications_of_hits"], person.agency, list(hit_ids)):
                text, name = "", row["verification_id"]
                if clets and row["sealed"] is not None and self._keys is not None:
                    text = self._keys.open(row["sealed"], row["key_id"], entry_id=name).decode()
                    await self._outbox.record(
                        connection, person, "verification_read", name, f"{package_id}/{row['hit_id']}", now,
                        profile_version=profile.version, facts={"hit_id": row["hit_id"]},
                    )  # fmt: skip
                said.append(
                    {"hit_id": row["hit_id"], "source": row["source"], "result": row["result"],
                     "verified_at": row["verified_at"].isoformat(), "verified_by": row["full_name"],
                     "has_text": row["sealed"] is not None, "text": text}
                )  # fmt: skip
        return said

    async def remove(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, int]:
        """Remove steps, duties and sealed words about hits, in a purge's transaction.

        The finding about a device stays, without its texts.
        """
        return {
            table: changed(await connection.execute(self._queries[f"remove_{table}"], agency, hit_ids))
            for table in ("verifications", "steps", "tasks", "read_checks")
        }

    async def _found(
        self, connection: Any, session: SignedIn, hit_id: str, now: datetime, *, lock: bool = True
    ) -> Standing | None:
        person = session.person
        client = rules.acts_from(session.client_kind, person.roles)
        return await standing(
            connection, self._queries, person.agency, hit_id, now, self._live_for, client, frozenset(person.roles),
            lock=lock,
        )  # fmt: skip

    async def _do(
        self, session: SignedIn, hit_id: str, given: Given | None, reason: str, now: datetime, effect: Effect,
        also: Mapping[str, Any] | None = None,
    ) -> Made | Refused | None:  # fmt: skip
        """Make a step, or close the hit where nothing is given; a repeat answers what was made and changes nothing."""
        try:
            async with self._outbox.change(session.person.agency) as connection:
                found = await self._found(connection, session, hit_id, now)
                if found is None:
                    return None
                return await self._made(connection, session, found, given, reason, now, effect, also or {})
        except asyncpg.CheckViolationError as error:  # the rules have passed it, the database knows better
            log.warning("step_refused_by_database", extra={"code": error.constraint_name})
            code = "PROFILE_CHANGED" if error.constraint_name == "profile_in_force" else "STEP_REFUSED"
            return Refused("CFG-03", code, "the policy in force does not take this step: look at the steps again")

    async def _made(
        self, connection: Any, session: SignedIn, found: Standing, given: Given | None, reason: str, now: datetime,
        effect: Effect, also: Mapping[str, Any],
    ) -> Made | Refused:  # fmt: skip
        person, profile = session.person, session.profile
        step = "closure" if given is None else step_of(given).value
        if isinstance(given, Broadcast) and given.kind is BroadcastKind.CLETS_RESULT:  # never what somebody typed
            spoken = {name: text for name, text in given.content.items() if name != "result"}
            told = {"result": rules.result_words(profile, found.work, found.rows), **spoken}
            given = replace(given, content=told)
        content = {**(rules.laid_out(given) if given is not None else {}), **also}
        if before := repeated(found, person, step, content, reason, now):
            state = state_of(profile, found.work).value
            return Made(before["step_id"], tuple(before["overridden"]), before["unverified"], state, new=False)
        decision: Passed | Refused = (
            closable(profile, found.scene, found.work, reason)
            if given is None
            else admit(profile, found.scene, found.work, given, reason)
        )
        if isinstance(decision, Refused):
            return decision
        said = decision.overridden[0].reason if decision.overridden else " ".join(reason.split())
        name = make_id("step", found.work_id, str(found.next_no))
        row: dict[str, Any] = {
            "step_id": name, "hit_id": found.hit_id, "work_id": found.work_id, "step_no": found.next_no, "step": step,
            "kind": rules.kind_of(profile, given) if given is not None else "closed", "given": content,
            "client_kind": found.scene.client_kind.value, "roles": sorted(person.roles), "person_id": person.person_id,
            "full_name": person.full_name, "override_reason": said,
            "overridden": [left.step for left in decision.overridden], "unverified": decision.unverified,
            "profile_version": profile.version, "done_at": now, "has_text": False, "call_state": None,
        }  # fmt: skip
        due = self._hooks.due_at(found.first, profile)
        await connection.execute(
            self._queries["put_step"], name, person.agency, found.hit_id, found.work_id, row["step_no"], step,
            row["kind"], json.dumps(content), row["client_kind"], row["roles"], person.person_id, person.full_name,
            said, row["overridden"], decision.unverified, profile.version, now, due,
        )  # fmt: skip
        after = with_step(found, row)
        await effect(connection, after, name)
        await keep_tasks(connection, self._queries, profile, after, due, now)
        await record_step(connection, self._outbox, session, after, row, decision, now)
        state = state_of(profile, after.work)
        was = state_of(profile, found.work)
        if was is not state and (state in MISTAKEN or (was in MISTAKEN and not ends(state))):
            await self._telling.found_other(connection, profile, after, name, state, now)
        heard = {"result": row["kind"], "state": state.value, "step_id": name}
        await self._hooks.changed(connection, person, found.hit_id, KINDS[step][1], heard, now)
        await self._hooks.tell(connection, person.agency, found.hit_id, now)
        return Made(name, tuple(row["overridden"]), decision.unverified, state.value, new=True)

    async def _checks(self, connection: Any, agency: str, hit_ids: Sequence[str]) -> dict[str, Any]:
        rows = await connection.fetch(self._queries["read_checks_of"], agency, hit_ids)
        return {row["hit_id"]: dict(row) for row in rows}


def _owner(row: Any) -> dict[str, Any] | None:
    return {"name": row["owner_name"], "since": row["owned_since"].isoformat()} if row else None


async def _nothing(_connection: Any, _found: Standing, _step_id: str) -> None:
    return None
