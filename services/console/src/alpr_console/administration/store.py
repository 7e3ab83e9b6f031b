"""Accounts, assignments, delegations and access reviews in PostgreSQL; each change with its ledger entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Person, Refused, make_id
from alprcore.policy import AgencyProfile, Standing, may_administer

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
        found = rules.may_act(power, person.person_id, person.roles, own, now)
        return (found, "") if isinstance(found, Refused) else (ADMITTED, found.delegation_id)

    async def acting(self, person: Person, power: str, now: datetime) -> str:
        """Name the living delegation under which a person exercises a power, '' when there is none (ACC-10)."""
        delegations = await self._delegations(person.agency)
        found = rules.may_act(power, person.person_id, person.roles, delegations, now)
        return "" if isinstance(found, Refused) else found.delegation_id

    async def may_manage(self, person: Person, profile: AgencyProfile, now: datetime, username: str = "") -> Decision:
        """Decide whether a person manages the agency's accounts now, by role and assignment or as designee (ACC-08).

        With a `username`: whether also that account; one's own never, and guarded ones by the program manager only.
        """
        decision, _ = await self.authority(person, profile, "manage_access", "access", now)
        account = await self.account(person.agency, username) if username else None
        if isinstance(decision, Refused) or account is None:
            return decision
        if account["person_id"] == person.person_id:
            return rules.OWN_ACCOUNT
        return rules.may_look_after(person.roles, account["roles"], profile)

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

    async def names(self, agency: str) -> dict[str, str]:
        """Give the full names of everybody who ever had an account, by id."""
        return {one["person_id"]: one["full_name"] for one in await self.accounts(agency)}

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
                list(draft.roles), now, draft.employee_id, draft.category, draft.job_title, by.username, draft.leaves_on,
            ):  # fmt: skip
                return Refused("ACC-02", "USERNAME_TAKEN", "usernames are never given twice")
            facts = {"after": rules.written(draft), "delegation_id": under}
            await self._note(
                connection, by, "account_created", person_id, profile, now, facts, rules.whose(draft, "after")
            )
            await self._warn(connection, by.agency, person_id, draft, now)
        return person_id

    async def change(
        self, by: Person, profile: AgencyProfile, person_id: str, draft: rules.AccountDraft, organization: str,
        under: str, now: datetime,
    ) -> Refused | None:  # fmt: skip
        """Change what stands in an account, judged as it stands then; the ledger keeps what stood before (ACC-08)."""
        async with self._outbox.change(by.agency) as connection:
            before = await self._held(connection, by.agency, person_id)
            refusal = rules.change_refusal(by.roles, before["roles"], before["state"], draft, profile)
            if refusal is not None:
                return refusal
            if await self._twin(connection, by.agency, draft):
                return Refused("ACC-02", "ACCOUNT_EXISTS", "this person has an active account")
            await connection.execute(
                self._queries["change_account"], by.agency, person_id, draft.full_name,
                organization or before["organization"], draft.employee_id, draft.category, draft.job_title, list(draft.roles),
                draft.leaves_on,
            )  # fmt: skip
            facts = {"before": rules.written(before), "after": rules.written(draft), "delegation_id": under}
            names = {**rules.whose(before, "before"), **rules.whose(draft, "after")}
            await self._note(connection, by, "account_changed", person_id, profile, now, facts, names)
            if draft.leaves_on != before["leaves_on"]:
                await self._warn(connection, by.agency, person_id, draft, now)
        return None

    async def activate(
        self, by: Person, profile: AgencyProfile, account: Mapping[str, Any], under: str, now: datetime
    ) -> Refused | bool:
        """Activate an account as it was judged before; False when it is active already."""
        person_id, judged = account["person_id"], ("category", "job_title", "roles", "disabled_at")
        async with self._outbox.change(by.agency) as connection:
            held = await self._held(connection, by.agency, person_id)
            if held["state"] == "active":
                return False
            if any(held[name] != account[name] for name in judged):
                return Refused("ACC-08", "CHANGED_MEANWHILE", "somebody changed the account meanwhile: look again")
            await connection.execute(self._queries["activate"], by.agency, person_id, now)
            await self._note(connection, by, "account_activated", person_id, profile, now, {"delegation_id": under})
        return True

    async def issue_credentials(
        self, by: Person, profile: AgencyProfile, person_id: str, under: str, now: datetime
    ) -> Refused | str:
        """Give an account its first password, or a new one; it is answered once and kept nowhere (TRN-05, ACC-08)."""
        async with self._outbox.change(by.agency) as connection:
            held = await self._held(connection, by.agency, person_id)
            decision = rules.may_look_after(by.roles, held["roles"], profile)
            if isinstance(decision, Refused):
                return decision
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
            held = await self._held(connection, by.agency, person_id)
            decision = rules.may_look_after(by.roles, held["roles"], profile)
            if isinstance(decision, Refused):
                return decision
            if not disabled and held["employee_id"] and held["disabled_at"] is not None:
                values = (by.agency, held["employee_id"], account["username"])
                if await connection.fetchval(self._queries["active_twin"], *values):
                    return Refused("ACC-02", "ACCOUNT_EXISTS", "this person has another active account")
            if not reason.strip():
                return Refused("ACC-11", "FIELD_INVALID", "reason: say why, in a few words")
            await self._set_state(
                connection, by, profile, person_id, now if disabled else None, now, {"delegation_id": under}, reason
            )
        return None

    async def set_grants(
        self, by: Person, profile: AgencyProfile, standing: Standing, after: Sequence[str], under: str, now: datetime,
        more: Mapping[str, str] | None = None,
    ) -> Refused | None:  # fmt: skip
        """Set which other sources a person may see, judged by what is granted then (ACC-07); `more` goes on record."""
        person_id = standing.person_id
        async with self._outbox.change(by.agency) as connection:
            before = (await self._held(connection, by.agency, person_id))["grants"]
            refusal = rules.grants_refusal(before, after, standing, profile, now)
            if refusal is not None:
                return refusal
            await connection.execute(self._queries["set_grants"], by.agency, person_id, sorted(after))
            facts = {"before": " ".join(sorted(before)), "after": " ".join(sorted(after)), "delegation_id": under}
            await self._note(connection, by, "grants_changed", person_id, profile, now, {**facts, **(more or {})})
        return None

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
                "power": power, "delegation_id": one,
                "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(),
            }  # fmt: skip
            await self._note(
                connection, by, "delegation_made", designee["person_id"], profile, now, facts,
                {"designee": designee["full_name"], "title": designee["job_title"]},
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

    async def close_cycle(self, by: Person, profile: AgencyProfile, cycle_id: str, now: datetime) -> Refused | None:
        """Close a review: accounts nobody decided on stay out until somebody does (ACC-12).

        Refuses it before the quarter's end while an account is undecided: a closure shuts nobody out by surprise.
        """
        async with self._outbox.change(by.agency) as connection:
            if not await connection.fetchval(self._queries["close_cycle"], by.agency, cycle_id, now):
                if await connection.fetchval(self._queries["cycle_open"], by.agency, cycle_id):
                    return Refused(
                        "ACC-12", "REVIEW_UNDECIDED", "the review ends with its quarter or its last decision"
                    )
                return Refused("ACC-12", "REVIEW_UNKNOWN", "no open review has this id")
            await self._note(connection, by, "access_review_closed", cycle_id, profile, now, {})
        return None

    async def sole_manager(self, agency: str, person_id: str, profile: AgencyProfile, now: datetime) -> bool:
        """Tell whether nobody else manages the agency's access now: no other open account that could decide (ACC-12)."""
        managers = set(profile.governance.access_managers)
        assigned = managers & {"alpr_admin"} if profile.governance.assignment_required else set[str]()
        others = (list(managers - assigned), list(assigned), now)
        async with self._outbox.change(agency) as connection:
            return not await connection.fetchval(self._queries["other_managers"], agency, person_id, *others)

    async def decide(
        self,
        by: Person,
        profile: AgencyProfile,
        cycle_id: str,
        person_id: str,
        decision: str,
        reason: str,
        now: datetime,
    ) -> Refused | None:
        """Record continued need, or disable the account; late decisions count from now on (ACC-12)."""
        async with self._outbox.change(by.agency) as connection:
            if decision == "disable":
                held = await self._held(connection, by.agency, person_id)
                allowed = rules.may_look_after(by.roles, held["roles"], profile)
                if isinstance(allowed, Refused):
                    return allowed
            if not await connection.fetchval(
                self._queries["decide"], by.agency, cycle_id, person_id, decision, reason, by.username, now
            ):
                return Refused("ACC-12", "REVIEW_UNKNOWN", "this review does not list this account")
            own = str(person_id == by.person_id).lower()
            facts = {"cycle_id": cycle_id, "decision": decision, "own": own}
            await self._note(
                connection, by, "access_review_decided", person_id, profile, now, facts, {"justification": reason}
            )
            if decision == "disable":
                facts = {"cause": "NO_CONTINUED_NEED", "delegation_id": ""}
                await self._set_state(connection, by, profile, person_id, now, now, facts, reason)
        return None

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
            refusal = await self.close_cycle(_nobody(row["agency"]), profile, row["cycle_id"], now)
            counts["reviews_closed"] += refusal is None
        for row in await self._rows("*", "living_accounts", None):
            found = self._profiles.get(row["agency"])
            if found is not None and rules.closing_cause(row, found, now):
                counts["accounts_closed"] += await self._close_unused(row["agency"], row["person_id"], found, now)
        return counts

    async def _close_unused(self, agency: str, person_id: str, profile: AgencyProfile, now: datetime) -> bool:
        async with self._outbox.change(agency) as connection:
            await self._held(connection, agency, person_id)
            row = await connection.fetchrow(self._queries["living_accounts"], person_id)  # as it stands now
            cause = rules.closing_cause(row, profile, now) if row is not None else ""
            if cause:
                facts = {"cause": cause, "delegation_id": ""}
                words = rules.CAUSES[cause]
                await self._set_state(connection, _nobody(agency), profile, person_id, now, now, facts, words)
                alert_id = make_id("account_closed", person_id, now.isoformat())
                about = (person_id, row["username"], row["full_name"])
                await self._outbox.alert(connection, alert_id, agency, "account_closed", {"cause": words}, now, about)
        return bool(cause)

    async def _warn(
        self, connection: Any, agency: str, person_id: str, draft: rules.AccountDraft, now: datetime
    ) -> None:
        """Tell everybody who manages accounts, at once, of one that will end (CJIS AC-2h: within a day)."""
        if draft.leaves_on is not None:
            day = draft.leaves_on.isoformat()
            alert_id, about = make_id("account_leaving", person_id, day), (person_id, draft.username, draft.full_name)
            await self._outbox.alert(connection, alert_id, agency, "account_leaving", {"last_day": day}, now, about)

    async def _held(self, connection: Any, agency: str, person_id: str) -> Mapping[str, Any]:
        """Read an account anew and hold it to the transaction's end: what is judged is what is changed."""
        return dict(await connection.fetchrow(self._queries["lock_account"], agency, person_id))

    async def _set_state(
        self, connection: Any, by: Person, profile: AgencyProfile, person_id: str, disabled_at: datetime | None,
        now: datetime, facts: Mapping[str, str], reason: str,
    ) -> None:  # fmt: skip
        await connection.execute(self._queries["set_state"], by.agency, person_id, disabled_at, now, reason)
        if disabled_at is not None:
            await connection.execute(self._queries["end_sessions"], person_id, now, "disabled")
        kind = "account_disabled" if disabled_at is not None else "account_opened"
        await self._note(connection, by, kind, person_id, profile, now, facts, {"reason": reason})

    async def _twin(self, connection: Any, agency: str, draft: rules.AccountDraft) -> bool:
        values = (agency, draft.employee_id, draft.username)
        return bool(await connection.fetchval(self._queries["active_twin"], *values))

    async def _delegations(self, agency: str) -> list[rules.Delegation]:
        return [
            rules.Delegation(
                row["delegation_id"], row["power"], row["designee_id"], row["starts_at"], row["ends_at"],
                tuple(row["delegator_roles"]),
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
