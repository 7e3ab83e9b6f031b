"""Guidelines in PostgreSQL: every set that was made, who approved it, what is published."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries, translated

from .. import metrics
from ..doors import DoorAway, Doors, Outbox
from . import rules

Acting = Callable[[Person, str, datetime], Awaitable[str]]
"""Tells under which live delegation a person uses a power: its id, or an empty text (ACC-10)."""
Courses = Callable[[str], Awaitable[Sequence[Mapping[str, Any]]]]
Ways = Callable[[], Sequence[tuple[str, str, str]]]
_KEY_AGAIN: Final = timedelta(minutes=5)


class Gathered:
    """Reads what the guidelines tell besides the profile, when somebody has them made."""

    def __init__(self, courses: Courses, ways: Ways) -> None:
        self._courses = courses
        self._ways = ways

    async def __call__(self, doors: Doors, person: Person) -> rules.Facts:
        """Ask training for its courses and audit for its newest closure and for the state of the log."""
        overview = await _ask(doors, person, "/v1/audit/overview")
        checked = await _ask(doors, person, "/v1/audit/verify")
        last = overview.get("last_audit") or {}
        return rules.Facts(
            courses=tuple(await self._courses(person.agency)),
            last_audit=str(last.get("closed_at", ""))[:10],
            last_audit_period=str(last.get("period", "")),
            ledger_state=_state(checked),
            ways=tuple(self._ways()),
        )


async def _ask(doors: Doors, person: Person, path: str) -> dict[str, Any]:
    try:
        answer = await doors.call("audit", "GET", path, person)
        content = await answer.json()
    except DoorAway:
        return {}
    return content if answer.status == 200 and isinstance(content, dict) else {}


def _state(checked: Mapping[str, Any]) -> str:
    if "sound" not in checked:
        return ""
    return "every entry is as it was written" if checked["sound"] else "a changed or missing entry was found"


class PublicationStore:
    """Keeps every set for good: what the public once read can be shown again."""

    def __init__(self, pool: Any, outbox: Outbox, policies: Mapping[str, AgencyProfile]) -> None:
        self._pool = pool
        self._policies = policies
        self._queries = load_queries("alpr_console.publication")
        self._outbox = outbox
        self._key: dict[str, Any] | None = None
        self._key_asked = datetime.min.replace(tzinfo=UTC)

    async def listed(self, agency: str) -> list[dict[str, Any]]:
        """List the sets of an agency, newest first."""
        with translated():
            return [dict(row) for row in await self._pool.fetch(self._queries["guidelines"], agency)]

    async def document(self, agency: str, number: int) -> dict[str, Any] | None:
        """Give one set as it was made."""
        with translated():
            text = await self._pool.fetchval(self._queries["guideline_document"], agency, number)
        return None if text is None else json.loads(text)

    async def published(self, agency: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give the newest published set: its row and its document."""
        row = next((found for found in await self.listed(agency) if found["published_at"]), None)
        document = None if row is None else await self.document(agency, row["number"])
        return None if row is None or document is None else (row, document)

    async def evidence_key(self, doors: Doors, now: datetime) -> dict[str, Any] | None:
        """Give the key that verifies evidence packages, as retention tells it to anyone; looked up every few minutes.

        None while it was never told: retention did not answer yet, or none is made.
        """
        if now - self._key_asked >= _KEY_AGAIN:
            self._key_asked = now
            self._key = await doors.told("retention", "/v1/evidence-key") or self._key
        return self._key

    async def public(
        self, profile: AgencyProfile, effective_at: datetime | None, key: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Put together what the public reads of an agency: live settings, the guidelines as published, the key."""
        published = await self.published(profile.agency)
        row, document = published or (None, None)
        governance = profile.governance
        return {
            "agency": profile.agency,
            "name": profile.name,
            "policy_ref": profile.policy_ref,
            "policy_date": profile.policy_date,
            "supersedes": profile.supersedes,
            "applies_to": profile.applies_to,
            "base_rule": profile.base_rule,
            "version": profile.version,
            "effective_at": effective_at,
            "program_manager": governance.program_manager,
            "designee": {
                "title": governance.designee_title, "name": governance.designee_name, "since": governance.designee_since,
            },
            "guidelines": None if row is None or document is None else {
                "number": row["number"], "sha256": row["sha256"], "approved_by": row["approved_by"],
                "approved_title": row["approved_title"], "approved_at": row["approved_at"],
                "published_at": row["published_at"], "sections": document["sections"],
            },
            "evidence_key": None if key is None else {"sha256": key.get("sha256", ""), "pem": key.get("pem", "")},
            "privacy": [{"measure": name, "words": words} for name, words in rules.privacy(profile)],
        }  # fmt: skip

    async def agencies(self) -> list[str]:
        """Name the agencies whose people this console serves."""
        with translated():
            return [row["agency"] for row in await self._pool.fetch(self._queries["served_agencies"])]

    async def check_posting(self) -> list[str]:
        """Name the served agencies whose posting is POSTING_OUTDATED, and count them for whoever watches (ADM-05)."""
        late = []
        for agency in await self.agencies():
            profile = self._policies.get(agency)
            if profile is not None and rules.posting(profile, await self.listed(agency))[0] == rules.OUTDATED:
                late.append(agency)
        metrics.POSTING_OUTDATED.set(len(late))
        return late

    async def make(self, person: Person, profile: AgencyProfile, facts: rules.Facts, now: datetime) -> int:
        """Make a new set from what is configured now; answers its number."""
        _, text, digest = rules.document(profile, rules.guidelines(profile, facts), now)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(self._queries["lock_guidelines"], profile.agency)
                number: int = await connection.fetchval(
                    self._queries["put_guidelines"], profile.agency, text, digest, profile.version, person.person_id,
                    person.full_name, now,
                )  # fmt: skip
                await self._tell(connection, person, profile, "guidelines_made", number, digest.hex(), now)
        return number

    async def act(
        self, person: Person, profile: AgencyProfile, number: int, act: str, now: datetime, delegation_id: str = ""
    ) -> Refused | dict[str, Any] | None:
        """Approve or publish a set (`act`); None when there is no such set."""
        agency = profile.agency
        document = await self.document(agency, number)
        row = next((found for found in await self.listed(agency) if found["number"] == number), None)
        if document is None or row is None:
            return None
        if act == "approved":
            decision = rules.may_stand(profile, rules.sections_of(document))
            if isinstance(decision, Refused):
                return decision
        elif row["approved_at"] is None:
            return Refused("ADM-05", "GUIDELINES_NOT_APPROVED", "guidelines are published after they are approved")
        title = profile.role_title(rules.APPROVER)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                new = await connection.fetchval(
                    self._queries["put_act"], agency, number, act, person.person_id, person.full_name, title,
                    delegation_id, now,
                )  # fmt: skip
                if new is not None:
                    await self._tell(
                        connection, person, profile, f"guidelines_{act}", number, row["sha256"], now, delegation_id
                    )
        return next(found for found in await self.listed(agency) if found["number"] == number)

    async def _tell(
        self, connection: Any, person: Person, profile: AgencyProfile, kind: str, number: int, sha256: str,
        now: datetime, delegation_id: str = "",
    ) -> None:  # fmt: skip
        facts = {"number": str(number), "sha256": sha256, "delegation_id": delegation_id}
        await self._outbox.record(
            connection, person, kind, f"{profile.agency}/{number}", sha256, now, facts=facts,
            profile_version=profile.version,
        )  # fmt: skip
