"""Agreements between agencies; what is done to one is told to both agencies' parts of the ledger."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ... import metrics
from ...telling import Outbox
from .. import rules

logger = logging.getLogger(__name__)

_QUERIES: Final = load_queries("alpr_retention.sharing")
PAGE: Final = 50


class Agreements:
    """Keeps which agency lets which other one search its reads, who approved it, and whether it was stopped."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def propose(
        self,
        person: Person,
        profile: AgencyProfile,
        draft: rules.Draft,
        agencies: Mapping[str, AgencyProfile],
        now: datetime,
    ) -> str | Refused:
        """Keep a proposal; answers its id, or why there is none. Repeating it within the call's moment changes nothing."""
        refused = rules.refused_draft(draft, person, profile, agencies, now)
        if refused is not None:
            return refused
        name = make_id("agreement", person.agency, draft.receiver, person.person_id, now.isoformat())
        async with self._outbox.change(person.agency, draft.receiver) as connection:
            await connection.fetchval(
                _QUERIES["put_agreement"], UUID(name), person.agency, draft.receiver, draft.party_name, draft.party_kind,
                draft.party_state, list(draft.purposes), draft.statute_basis, draft.words, list(draft.device_ids),
                draft.max_age_days, draft.with_images, draft.with_hits, draft.starts_at, draft.expires_at,
                profile.version, person.person_id, person.full_name, now,
            )  # fmt: skip
            facts = {
                "receiver": draft.receiver,
                "purposes": " ".join(draft.purposes),
                "expires_at": draft.expires_at.isoformat(),
            }
            await self._tell(connection, person, draft.receiver, profile, "agreement_proposed", name, "1", now, facts)
        return name

    async def agreements(
        self, agency: str, name: str = "", before: datetime | None = None, limit: int = PAGE
    ) -> list[dict[str, Any]]:
        """List what an agency gives and what it holds, newest first, or the one named."""
        async with self._outbox.change(agency) as connection:
            return await self._found(connection, agency, name, before, limit)

    async def decide(
        self, person: Person, profile: AgencyProfile, name: str, decision: str, note: str, now: datetime
    ) -> Refused | None:
        """Approve or deny; the second of two different approvers brings it into force. Raises `KeyError`: none such."""
        async with self._outbox.change(person.agency) as connection:
            agreement = await self._locked(connection, person, name)
            refused = rules.decides(agreement, person, profile, now)
            if refused is not None:
                return refused
            receiver = agreement["receiver"]
            await connection.execute(
                _QUERIES["put_approval"], UUID(name), person.agency, receiver, person.person_id, person.full_name, now,
                decision, note,
            )  # fmt: skip
            kind = "agreement_denied"
            if decision == "deny":
                await connection.execute(_QUERIES["set_denied"], UUID(name), now)
            else:
                kind = "agreement_approved"
                given = sum(one["decision"] == "approve" for one in agreement["approvals"]) + 1
                if given >= rules.APPROVALS:
                    await connection.execute(_QUERIES["set_approved"], UUID(name), now)
            facts = {"receiver": receiver, "decision": decision}
            await self._tell(connection, person, receiver, profile, kind, name, person.person_id, now, facts)
        return None

    async def stop(
        self, person: Person, profile: AgencyProfile, name: str, reason: str, now: datetime
    ) -> Refused | None:
        """End an agreement at once: no search that begins after this returns rests on it. Raises `KeyError`."""
        async with self._outbox.change(person.agency) as connection:
            agreement = await self._locked(connection, person, name)
            refused = rules.stops(agreement, person, profile, now)
            if refused is not None:
                return refused
            await connection.execute(
                _QUERIES["stop_agreement"], UUID(name), now, person.person_id, person.full_name, reason
            )
            facts = {"receiver": agreement["receiver"]}
            await self._tell(
                connection, person, agreement["receiver"], profile, "agreement_stopped", name, "1", now, facts
            )
        return None

    async def turn(self, profiles: Mapping[str, AgencyProfile], now: datetime) -> None:
        """Stop what the policy in force would refuse: no agreement outlives the policy that permitted it (SHR-07).

        It stays stopped when the policy is changed back: two people approve a new one.
        """
        for giver, profile in list(profiles.items()):
            async with self._outbox.change(giver) as connection:
                rows = await connection.fetch(_QUERIES["open_agreements"], giver, now)
            for row in rows:
                refused = rules.outlived(row, profile, profiles.get(row["receiver"]))
                if refused is not None:
                    await self._end(giver, profile, row["agreement_id"], row["receiver"], refused, now)

    async def _end(
        self, giver: str, profile: AgencyProfile, name: UUID, receiver: str, refused: Refused, now: datetime
    ) -> None:
        async with self._outbox.change(giver) as connection:
            if not await connection.fetchval(_QUERIES["lock_open"], name):
                return  # somebody stopped it meanwhile
            by = f"policy {profile.version}"
            await connection.execute(
                _QUERIES["stop_agreement"], name, now, "", by, f"{refused.reason_code}: {refused.detail}"
            )
            facts = {"giver": giver, "receiver": receiver, "sharing_agreement_id": str(name)}
            for agency in (giver, receiver):
                await self._outbox.record(
                    connection, None, "agreement_stopped", str(name), f"1 {agency}", now, agency=agency,
                    reason_code=refused.reason_code, profile_version=profile.version, facts=facts,
                )  # fmt: skip
        metrics.AGREEMENTS_STOPPED.inc()
        logger.error("agreement_outlived_policy", extra={"agreement_id": str(name), "code": refused.reason_code})

    async def _locked(self, connection: Any, person: Person, name: str) -> dict[str, Any]:
        if not await connection.fetchval(_QUERIES["lock_agreement"], UUID(name), person.agency):
            raise KeyError(name)
        return (await self._found(connection, person.agency, name, None, 1))[0]

    async def _found(
        self, connection: Any, agency: str, name: str, before: datetime | None, limit: int
    ) -> list[dict[str, Any]]:
        rows = await connection.fetch(_QUERIES["agreements"], agency, UUID(name) if name else None, before, limit)
        return [
            {**dict(row), "agreement_id": str(row["agreement_id"]), "approvals": json.loads(row["approvals"])}
            for row in rows
        ]

    async def _tell(
        self, connection: Any, person: Person, receiver: str, profile: AgencyProfile, kind: str, name: str, version: str,
        now: datetime, facts: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Tell both agencies' ledgers: the one that gives and the one that receives."""
        for told in (person, replace(person, agency=receiver)):
            await self._outbox.record(
                connection, told, kind, name, f"{version} {told.agency}", now, profile_version=profile.version,
                facts={"giver": person.agency, "sharing_agreement_id": name, **facts},
            )  # fmt: skip
