"""Accounts, assignments, delegations and access reviews in PostgreSQL; each change with its ledger entry."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Person, Refused, make_id
from alprcore.policy import AgencyProfile, local_day, may_administer

from ..doors import Outbox
from . import rules

SYSTEM: Final = "console"
"""Who acts where a timer does: no person."""
IssuePassword = Callable[[Any, str, datetime], Awaitable[str]]
"""Puts a first password into an account within the transaction given; answers it (accounts/)."""


class AdministrationStore:
    """Keeps who holds which account, and who may say so."""

    def __init__(
        self, pool: Any, queries: Mapping[str, str], outbox: Outbox, profiles: Mapping[str, AgencyProfile],
        issue_password: IssuePassword,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._queries = queries
        self._outbox = outbox
        self._profiles = profiles
        self._issue_password = issue_password

    async def authority(
        self, person: Person, profile: AgencyProfile, power: str, scope: str, now: datetime
    ) -> tuple[Decision, str]:
        """Decide whether a person holds a power now, by role (with its assignment) or as a designee (ACC-08..10).

        Answers the decision and the delegation under which it is exercised, '' for one's own right.
        """
        assigned = await self.assigned(person.agency, person.person_id, scope, now)
        owners = rules.power_owners(power, profile)
        decision = may_administer(person.roles, owners, profile, assigned=assigned)
        if not isinstance(decision, Refused) or decision.reason_code != "ROLE_NOT_AUTHORISED":
            return decision, ""
        own = [one for one in await self._delegations(person.agency) if one.designee_id == person.person_id]
        own = [one for one in own if one.power == power]
        if not own:
            return decision, ""
        found = rules.may_act(power, person.person_id, own, now)
        return (found, "") if isinstance(found, Refused) else (ADMITTED, found.delegation_id)

    async def acting(self, person: Person, power: str, now: datetime) -> str:
        """Name the living delegation under which a person exercises a power, '' when there is none (ACC-10)."""
        found = rules.may_act(power, person.person_id, await self._delegations(person.agency), now)
        return "" if isinstance(found, Refused) else found.delegation_id

    async def may_manage(self, person: Person, profile: AgencyProfile, now: datetime) -> Decision:
        """Decide whether a person manages the agency's accounts now, by role and assignment or as designee (ACC-08)."""
        decision, _ = await self.authority(person, profile, "manage_access", "access", now)
        return decision

    async def may_see(self, person: Person, profile: AgencyProfile, now: datetime) -> Decision:
        """Decide whether a person may look at others' accounts and papers: who manages them, who trains, who audits."""
        if "auditor" in person.roles:
            return ADMITTED
        first, _ = await self.authority(person, profile, "manage_access", "access", now)
        if not isinstance(first, Refused):
            return ADMITTED
        second, _ = await self.authority(person, profile, "record_training", "training", now)
        return first if isinstance(second, Refused) else ADMITTED

    async def assigned(self, agency: str, person_id: str, scope: str, now: datetime) -> bool:
        """Tell whether a living assignment puts this person in charge of a scope (ACC-09)."""
        async with self._outbox.change(agency) as connection:
            return bool(await connection.fetchval(self._queries["assigned"], agency, person_id, scope, now))

    async def accounts(self, agency: str) -> list[dict[str, Any]]:
        """List every account the agency ever had, with last sign-in and sessions of the last 30 days (ACC-11)."""
        return await self._rows(agency, "accounts", agency, None)

    async def account(self, agency: str, username: str) -> dict[str, Any] | None:
        """Find one account."""
        rows = await self._rows(agency, "accounts", agency, username)
        return rows[0] if rows else None

    async def create(
        self,
        by: Person,
        profile: AgencyProfile,
        draft: rules.AccountDraft,
        organization: str,
        under: str,
        now: datetime,
    ) -> Refused | str:
        """Make an account without credentials; answers its person's id. Refuses a second one for a person (ACC-02)."""
        person_id = make_id("person", by.agency, draft.username)
        async with self._outbox.change(by.agency) as connection:
            if await self._twin(connection, by.agency, draft):
                return Refused("ACC-02", "ACCOUNT_EXISTS", "this person has an active account")
            if not await connection.fetchval(
                self._queries["put_account"], person_id, draft.username, draft.full_name, organization, by.agency,
                list(draft.roles), now, draft.employee_id, draft.category, draft.job_title, by.username,
            ):  # fmt: skip
                return Refused("ACC-02", "USERNAME_TAKEN", "usernames are never given twice")
            facts = {"after": _written(draft), "delegation_id": under}
            await self._note(
                connection, by, "account_created", person_id, profile, now, facts, {"name": draft.full_name}
            )
        return person_id

    async def change(
        self, by: Person, profile: AgencyProfile, before: Mapping[str, Any], draft: rules.AccountDraft,
        organization: str, under: str, now: datetime,
    ) -> Refused | None:  # fmt: skip
        """Change what stands in an account; the ledger keeps what stood there before (ACC-08)."""
        person_id = before["person_id"]
        async with self._outbox.change(by.agency) as connection:
            if await self._twin(connection, by.agency, draft):
                return Refused("ACC-02", "ACCOUNT_EXISTS", "this person has an active account")
            await connection.execute(
                self._queries["change_account"], by.agency, person_id, draft.full_name, organization, draft.employee_id,
                draft.category, draft.job_title, list(draft.roles),
            )  # fmt: skip
            facts = {"before": _written(before), "after": _written(draft), "delegation_id": under}
            names = {"name_before": before["full_name"], "name_after": draft.full_name}
            await self._note(connection, by, "account_changed", person_id, profile, now, facts, names)
        return None

    async def activate(self, by: Person, profile: AgencyProfile, person_id: str, under: str, now: datetime) -> bool:
        """Activate an account; what it needs is decided before. False when it is active already."""
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["activate"], by.agency, person_id, now):
                return False
            await self._note(connection, by, "account_activated", person_id, profile, now, {"delegation_id": under})
        return True

    async def issue_credentials(
        self, by: Person, profile: AgencyProfile, person_id: str, under: str, now: datetime
    ) -> str:
        """Give an account its first password, or a new one; it is answered once and kept nowhere (TRN-05)."""
        async with self._outbox.change(by.agency) as connection:
            password = await self._issue_password(connection, person_id, now)
            await connection.execute(self._queries["note_credentials"], by.agency, person_id, now)
            await self._note(connection, by, "credentials_issued", person_id, profile, now, {"delegation_id": under})
        return password

    async def set_disabled(
        self, by: Person, profile: AgencyProfile, account: Mapping[str, Any], reason: str, *, disabled: bool,
        under: str, now: datetime,
    ) -> Refused | None:  # fmt: skip
        """Disable an account and end its sessions at once, or open it again; the row stays either way (ACC-11)."""
        person_id = account["person_id"]
        async with self._outbox.change(by.agency) as connection:
            if not disabled and account["employee_id"] and account["disabled_at"] is not None:
                values = (by.agency, account["employee_id"], account["username"])
                if await connection.fetchval(self._queries["active_twin"], *values):
                    return Refused("ACC-02", "ACCOUNT_EXISTS", "this person has another active account")
            await self._disable(connection, by, profile, person_id, reason, now if disabled else None, now, under)
        return None

    async def set_grants(
        self, by: Person, profile: AgencyProfile, person_id: str, before: Sequence[str], after: Sequence[str],
        under: str, now: datetime,
    ) -> None:  # fmt: skip
        """Set which other sources a person may see (ACC-07); what it needs is decided before."""
        async with self._outbox.change(by.agency) as connection:
            await connection.execute(self._queries["set_grants"], by.agency, person_id, sorted(after))
            facts = {"before": " ".join(sorted(before)), "after": " ".join(sorted(after)), "delegation_id": under}
            await self._note(connection, by, "grants_changed", person_id, profile, now, facts)

    async def vouch(
        self, person: Person, profile: AgencyProfile, employee_id: str, category: str, title: str, now: datetime
    ) -> None:
        """Complete and activate an account made on the machine itself: demonstration and first administrators."""
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                self._queries["vouch"], person.agency, person.person_id, employee_id, category, title, now
            )
            await self._note(
                connection, person, "account_activated", person.person_id, profile, now, {"by": "operator"}
            )

    async def assign(
        self, by: Person, profile: AgencyProfile, person_id: str, scope: str, starts_at: datetime,
        ends_at: datetime | None, now: datetime,
    ) -> str:  # fmt: skip
        """Put a person in charge of a scope of daily work (ACC-09)."""
        one = make_id("assignment", person_id, scope, now.isoformat())
        async with self._outbox.change(by.agency) as connection:
            await connection.execute(
                self._queries["put_assignment"], one, by.agency, person_id, scope, starts_at, ends_at, by.username
            )
            facts = {"scope": scope, "assignment_id": one, "ends_at": ends_at.isoformat() if ends_at else ""}
            await self._note(connection, by, "assignment_made", person_id, profile, now, facts)
        return one

    async def end_assignment(self, by: Person, profile: AgencyProfile, assignment_id: str, now: datetime) -> bool:
        """End an assignment now; False when none lives under this id."""
        async with self._outbox.change(by.agency) as connection:
            person_id = await connection.fetchval(self._queries["end_assignment"], by.agency, assignment_id, now)
            if person_id is None:
                return False
            facts = {"assignment_id": assignment_id}
            await self._note(connection, by, "assignment_ended", person_id, profile, now, facts)
        return True

    async def assignments(self, agency: str) -> list[dict[str, Any]]:
        """List assignments, newest first."""
        return await self._rows(agency, "assignments", agency)

    async def delegate(
        self, by: Person, profile: AgencyProfile, power: str, designee: Mapping[str, Any], starts_at: datetime,
        ends_at: datetime, now: datetime,
    ) -> str:  # fmt: skip
        """Give a power to a named designee for a time (ACC-10)."""
        one = make_id("delegation", by.person_id, designee["person_id"], power, now.isoformat())
        async with self._outbox.change(by.agency) as connection:
            await connection.execute(
                self._queries["put_delegation"], one, by.agency, power, by.person_id, designee["person_id"],
                designee["full_name"], designee["job_title"], starts_at, ends_at,
            )  # fmt: skip
            facts = {
                "power": power, "delegation_id": one, "title": designee["job_title"],
                "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(),
            }  # fmt: skip
            await self._note(
                connection, by, "delegation_made", designee["person_id"], profile, now, facts,
                {"designee": designee["full_name"]},
            )  # fmt: skip
        return one

    async def end_delegation(self, by: Person, profile: AgencyProfile, delegation_id: str, now: datetime) -> bool:
        """End a delegation now; False when none lives under this id."""
        async with self._outbox.change(by.agency) as connection:
            designee = await connection.fetchval(self._queries["end_delegation"], by.agency, delegation_id, now)
            if designee is None:
                return False
            facts = {"delegation_id": delegation_id}
            await self._note(connection, by, "delegation_ended", designee, profile, now, facts)
        return True

    async def delegations(self, agency: str) -> list[dict[str, Any]]:
        """List delegations, newest first."""
        return await self._rows(agency, "delegations", agency)

    async def cycles(self, agency: str) -> list[dict[str, Any]]:
        """List access review cycles with how many accounts are decided."""
        return await self._rows(agency, "cycles", agency)

    async def cycle_accounts(self, agency: str, cycle_id: str) -> list[dict[str, Any]]:
        """List a cycle's accounts with their decisions (ACC-12)."""
        return await self._rows(agency, "cycle_accounts", agency, cycle_id)

    async def open_cycle(self, by: Person, profile: AgencyProfile, now: datetime) -> str:
        """Open the quarter's access review over every account; answers its id, '' when it is open (ACC-12)."""
        period, due = rules.quarter(now, profile)
        cycle_id = make_id("access_review", by.agency, period)
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["open_cycle"], cycle_id, by.agency, period, now, due):
                return ""
            await connection.execute(self._queries["fill_cycle"], by.agency, cycle_id)
            await self._note(connection, by, "access_review_opened", cycle_id, profile, now, {"period": period})
        return cycle_id

    async def close_cycle(self, by: Person, profile: AgencyProfile, cycle_id: str, now: datetime) -> bool:
        """Close a review: accounts nobody decided on stay out until somebody does (ACC-12)."""
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["close_cycle"], by.agency, cycle_id, now):
                return False
            await self._note(connection, by, "access_review_closed", cycle_id, profile, now, {})
        return True

    async def decide(
        self,
        by: Person,
        profile: AgencyProfile,
        cycle_id: str,
        person_id: str,
        decision: str,
        reason: str,
        now: datetime,
    ) -> bool:
        """Record continued need, or disable the account; late decisions count from now on (ACC-12)."""
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(
                self._queries["decide"], by.agency, cycle_id, person_id, decision, reason, by.username, now
            ):
                return False
            facts = {"cycle_id": cycle_id, "decision": decision}
            await self._note(
                connection, by, "access_review_decided", person_id, profile, now, facts, {"justification": reason}
            )
            if decision == "disable":
                await self._disable(connection, by, profile, person_id, "NO_CONTINUED_NEED", now, now, "")
        return True

    async def on_timer(self, now: datetime) -> dict[str, int]:
        """Do what is due: open and close reviews, disable idle accounts and those whose contract ended.

        Sources: ACC-06, ACC-12, CJIS AC-2(3). Answers counts.
        """
        counts = {"reviews_opened": 0, "reviews_closed": 0, "accounts_closed": 0}
        for agency, profile in self._profiles.items():
            if profile.access.review_quarterly and await self.open_cycle(_nobody(agency), profile, now):
                counts["reviews_opened"] += 1
        for row in await self._rows("*", "cycles_due", now):
            profile = self._profiles[row["agency"]]
            counts["reviews_closed"] += await self.close_cycle(_nobody(row["agency"]), profile, row["cycle_id"], now)
        for row in await self._rows("*", "living_accounts"):
            found = self._profiles.get(row["agency"])
            if found is None:
                continue
            ended = row["contract_end"] is not None and row["contract_end"] < local_day(found, now)
            cause = "CONTRACT_ENDED" if ended and "contractor" in row["roles"] else ""
            if not cause and rules.idle_since(row["activated_at"], row["last_login_at"], now):
                cause = "INACTIVE_90_DAYS"
            if cause:
                async with self._outbox.change(row["agency"]) as connection:
                    by = _nobody(row["agency"])
                    await self._disable(connection, by, found, row["person_id"], cause, now, now, "")
                counts["accounts_closed"] += 1
        return counts

    async def _disable(
        self, connection: Any, by: Person, profile: AgencyProfile, person_id: str, reason: str,
        disabled_at: datetime | None, now: datetime, under: str,
    ) -> None:  # fmt: skip
        await connection.execute(self._queries["set_state"], by.agency, person_id, disabled_at)
        if disabled_at is not None:
            await connection.execute(self._queries["end_sessions"], person_id, now, "disabled")
        kind = "account_disabled" if disabled_at is not None else "account_opened"
        facts = {"cause": reason, "delegation_id": under}
        await self._note(connection, by, kind, person_id, profile, now, facts)

    async def _twin(self, connection: Any, agency: str, draft: rules.AccountDraft) -> bool:
        values = (agency, draft.employee_id, draft.username)
        return bool(await connection.fetchval(self._queries["active_twin"], *values))

    async def _delegations(self, agency: str) -> list[rules.Delegation]:
        return [
            rules.Delegation(
                row["delegation_id"], row["power"], row["designee_id"], row["starts_at"], row["ends_at"],
                row["delegator_active"],
            )
            for row in await self.delegations(agency)
        ]  # fmt: skip

    async def _rows(self, agency: str, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self._outbox.change(agency) as connection:
            return [dict(row) for row in await connection.fetch(self._queries[query], *values)]

    async def _note(
        self, connection: Any, by: Person, kind: str, subject: str, profile: AgencyProfile, now: datetime,
        facts: Mapping[str, str], personal: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, by, kind, subject, now.isoformat(), now, profile_version=profile.version, facts=facts,
            personal=personal,
        )  # fmt: skip


def _nobody(agency: str) -> Person:
    return Person("", SYSTEM, SYSTEM, "", agency, (), "", "")


def _written(one: rules.AccountDraft | Mapping[str, Any]) -> str:
    """Lay out what stands in an account for the ledger; the name travels apart, with what can be erased."""
    names = ("employee_id", "category", "job_title", "roles")
    values = {name: one[name] if isinstance(one, Mapping) else getattr(one, name) for name in names}
    return json.dumps({**values, "roles": sorted(values["roles"])}, sort_keys=True)
