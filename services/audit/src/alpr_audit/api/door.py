"""The order of every answer: record first, then answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from fastapi import Request

from alprcore.errors import Transient
from alprcore.model import Person
from alprcore.policy import AgencyProfile
from alprcore.seal import read_person

from .. import ledger, metrics
from ..store import Ledger, Receipt, Writer
from .answers import Refusal, SearchAway

FOLLOW_UP: Final = timedelta(minutes=15)
"""How long a person may open reads and images of an answered query without asking anew."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Door:
    """The order of every answer: authenticate, policy, intent committed, PostgreSQL, result committed, answer."""

    def __init__(
        self,
        writer: Writer,
        store: Ledger,
        profiles: Mapping[str, AgencyProfile],
        person_key: bytes,
        clock: Callable[[], datetime],
    ) -> None:
        self.writer, self.store, self.profiles, self.clock = writer, store, profiles, clock
        self._person_key = person_key

    def person(self, request: Request) -> Person:
        """Who asks, by the console's token; never by anything in the body (QRY-06, QRY-07)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "person" or not token:
            raise Refusal(401, "TOKEN_MISSING", "no person token")
        try:
            return read_person(token.strip(), self._person_key, self.clock())
        except PermissionError as error:
            raise Refusal(401, str(error), "the person token does not hold") from error

    def profile(self, person: Person) -> AgencyProfile:
        """The policy in force for this person's agency."""
        try:
            return self.profiles[person.agency]
        except KeyError:
            raise Refusal(503, "PROFILE_UNKNOWN", "no policy is known for this agency", person=person) from None

    async def record(
        self,
        kind: str,
        person: Person,
        *,
        facts: Mapping[str, Any],
        personal: Mapping[str, Any],
        about: int | None = None,
        act: Mapping[str, Any] | None = None,
        outcome: str = "ok",
    ) -> Receipt:
        """Commit an entry about what a person does."""
        profile = self.profiles.get(person.agency)
        scope = (person.agency,)
        return await self.writer.append(
            ledger.Draft(
                kind=kind,
                agency=person.agency,
                outcome=outcome,
                profile_version=profile.version if profile else "",
                facts=facts,
                personal={"person": asdict(person), **personal},
                about=about,
                intent=ledger.Intent(person.person_id, scope, act) if act is not None else None,
            )
        )

    async def answer(
        self, person: Person, search: Mapping[str, Any], personal: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> tuple[Receipt, Receipt, list[dict[str, Any]]]:
        """Commit the intent, let PostgreSQL answer it, commit the result; only then are there rows."""
        act = {"act": "search", "search": search}
        intent = await self.record("query", person, facts=facts, personal=personal, act=act)
        began = time.monotonic()
        try:
            rows = await self.store.search(intent.index)
        except (Transient, asyncpg.PostgresError) as error:
            facts = {"error": type(error).__name__}
            await self.record("query_result", person, facts=facts, personal={}, about=intent.index, outcome="error")
            raise SearchAway("the search could not be answered") from error
        spent = time.monotonic() - began
        metrics.SEARCH_SECONDS.observe(spent)
        read_ids = [row["read_id"] for row in rows]
        result = await self.record(
            "query_result",
            person,
            facts={
                "rows": len(rows),
                "bytes": len(json.dumps(rows).encode()),
                "duration_ms": round(spent * 1000),
                "read_ids_sha256": ledger.read_ids_digest(read_ids),
            },
            personal={"reads": {row["read_id"]: row["captured_at"] for row in rows}},
            about=intent.index,
        )
        return intent, result, rows

    async def receipt(self, intent: Receipt, result: Receipt) -> dict[str, Any]:
        """What the asker can keep: the entry, its proof, and the signed head that it leads to."""
        path = await self.store.inclusion(intent.index, result.size)
        return {
            "index": intent.index,
            "result_index": result.index,
            "entry": intent.leaf.decode(),
            "leaf_hash": ledger.leaf_hash(intent.leaf).hex(),
            "inclusion": [part.hex() for part in path],
            "tree_size": result.size,
            "root": result.root.hex(),
            "checkpoint": result.note,
        }

    async def follow_up(self, person: Person, query_id: int, read_id: str) -> tuple[dict[str, Any], datetime]:
        """The reasons of an own query, not older than 15 minutes, and when the read it handed out was captured."""
        found = await self.store.intent(query_id)
        if found is None or found["kind"] != "query" or found["person_id"] != person.person_id:
            raise Refusal(403, "QUERY_UNKNOWN", "no such query of yours", person=person)
        if self.clock() - found["committed_at"] > FOLLOW_UP:
            raise Refusal(403, "QUERY_EXPIRED", "the query is older than 15 minutes", person=person)
        captured = await self.store.answered(query_id, read_id) if _UUID.fullmatch(read_id) else None
        if captured is None:
            raise Refusal(403, "READ_NOT_ANSWERED", "the query did not answer this read", person=person)
        return {"reasons": found["content"].get("reasons", {}), "ip": person.source_ip}, captured

    async def refuse(self, request: Request, refusal: Refusal) -> None:
        """Commit the one entry of a refusal (AUD-09)."""
        person = refusal.person
        peer = request.client.host if request.client else ""
        route = request.scope.get("route")
        await self.writer.append(
            ledger.Draft(
                kind="refused",
                agency=person.agency if person else "",
                outcome="refused",
                reason_code=refusal.code,
                profile_version=self.profiles[person.agency].version
                if person and person.agency in self.profiles
                else "",
                facts={"method": request.method, "route": getattr(route, "path", ""), "status": refusal.status},
                personal={"person": asdict(person)} if person else {"peer": peer},
            )
        )

    def auditor(self, request: Request) -> Person:
        """Who asks, if it is an auditor."""
        person = self.person(request)
        if "auditor" not in person.roles:
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "auditors only", person=person)
        return person
