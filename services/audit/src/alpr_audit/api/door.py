"""The order of every answer: record first, then answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from fastapi import Request

from alprcore.answering import Refusal, asker
from alprcore.errors import Transient
from alprcore.model import GeoPoint, Person
from alprcore.policy import AgencyProfile, standing_refusal
from alprcore.refusals import RefusalLog

from .. import ledger, metrics
from ..reviews import accesses
from ..store import Learn, Ledger, Questions, Receipt, Writer
from .answers import REVIEWED, SearchAway, refusal_of
from .limits import COUNTED, Limits, asker_of

NEARBY: Final = timedelta(days=1)
"""A correction may move the time of a capture a little; the bounds spare opening every due day."""
FOLLOW_UP: Final = timedelta(minutes=15)
"""How long a person may open reads and images of an answered query without asking anew."""
RESULT_OF: Final[Mapping[str, str]] = {
    "query": "query_result",
    "hit_query": "hit_query_result",
    "export": "export_result",
}
"""Kind of the entry that says how an intent was answered."""
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AGREED: Final = "AGREEMENT_"
"""How the reasons begin for which the database lets nobody search another agency's reads."""
_PERSON_FIELDS: Final = tuple(field.name for field in fields(Person))
_NOBODY: Final[Mapping[str, GeoPoint | None]] = {}


@dataclass(frozen=True, slots=True)
class Ask:
    """One question as the ledger keeps it: kind of entry, what PostgreSQL or a source executes, and its reasons.

    `facts` stand in the entry, `personal` beside it; `source` is `local` or `learn`. `agency` is the other agency whose
    reads are asked for, under the agreement `agreement_id`; empty: the asker's own.
    """

    kind: str
    act: str
    search: Mapping[str, Any]
    facts: Mapping[str, Any]
    personal: Mapping[str, Any]
    source: str = "local"
    agency: str = ""
    agreement_id: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answered question: both entries and the rows between them."""

    intent: Receipt
    result: Receipt
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Followed:
    """An own answered query that a further look follows: its reasons, what it executed and which reads it gave."""

    query_id: int
    kind: str
    content: Mapping[str, Any]
    search: Mapping[str, Any]
    source: str
    agency: str = ""


@dataclass(slots=True)
class Door:
    """The order of every answer: authenticate, policy, intent committed, PostgreSQL, result committed, answer.

    `devices` tells an agency's devices and where the fixed ones stand; `learn` is the external source, if there is one.
    """

    writer: Writer
    store: Ledger
    questions: Questions
    profiles: Mapping[str, AgencyProfile]
    person_key: bytes
    clock: Callable[[], datetime]
    limits: Limits
    devices: Callable[[str], Mapping[str, GeoPoint | None]] = field(default=lambda _agency: _NOBODY)
    learn: Learn | None = None
    refusals: RefusalLog = field(init=False)
    _counting: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _counted_in: int = field(init=False, default=-1)

    def __post_init__(self) -> None:
        self.refusals = RefusalLog(self._enter_crowd, self._now)

    def _now(self) -> datetime:
        return self.clock()

    def person(self, request: Request) -> Person:
        """Who asks, by the console's token; never by anything in the body (QRY-06, QRY-07)."""
        try:
            return asker(request.headers.get("authorization", ""), self.person_key, self.clock())
        except PermissionError as error:
            raise Refusal(401, str(error), "no person token that holds") from error

    def profile(self, person: Person) -> AgencyProfile:
        """The policy in force for this person's agency."""
        try:
            return self.profiles[person.agency]
        except KeyError:
            raise Refusal(503, "PROFILE_UNKNOWN", "no policy is known for this agency", person=person) from None

    async def count(self, person: Person, *acts: str) -> None:
        """Count an act of a person under these limits; raises `Refusal` 429 where one is reached.

        Whoever begins to answer counts what was answered before: a restart gives nobody a fresh hour.
        """
        async with self._counting:
            if self._counted_in != self.writer.term:
                accesses = await self.store.accesses(self.clock() - self.limits.longest, tuple(COUNTED))
                self.limits.restart(accesses)
                self._counted_in = self.writer.term
        askers = {name: asker_of(name, person.person_id, person.agency) for name in acts}
        wait = self.limits.wait(askers, self.clock())
        if wait:
            raise Refusal(429, "RATE_LIMITED", "too many questions in a short time; wait and ask again", person=person,
                          retry_after_s=wait)  # fmt: skip

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
        once: str = "",
        agency: str = "",
    ) -> Receipt:
        """Commit an entry about what a person does; `once` names an act that is entered a single time.

        `agency` is the one whose records an act goes to; the person's own where empty.
        """
        profile = self.profiles.get(person.agency)
        scope = (agency or person.agency,)
        return await self.writer.append(
            ledger.Draft(
                kind=kind,
                agency=person.agency,
                outcome=outcome,
                profile_version=profile.version if profile else "",
                facts=facts,
                personal={"person": told_of(person), "ip": person.source_ip, **accesses.given(kind), **personal},
                about=about,
                event_id=once,
                intent=ledger.Intent(person.person_id, scope, act) if act is not None else None,
            )
        )

    async def answer(self, person: Person, ask: Ask) -> Answered:
        """Commit the intent, let the data's keeper answer it, commit the result; only then are there rows."""
        intent = await self.intend(person, ask)
        began = time.monotonic()
        rows = await self.fetch(person, ask, intent)
        spent = time.monotonic() - began
        metrics.SEARCH_SECONDS.observe(spent)
        result = await self.conclude(person, ask, intent, rows, spent, {})
        return Answered(intent, result, rows)

    async def intend(self, person: Person, ask: Ask) -> Receipt:
        """Commit the intent: who asks what, why, in which source and over which cameras (SB 34 1798.90.52)."""
        named = ask.search.get("device_ids") or self.devices(ask.agency or person.agency)
        facts = {
            "offense_code": "",
            **ask.facts,
            "sharing_agreement_id": ask.agreement_id,
            "source_system": ask.source,
            "cameras": ledger.camera_scope(named),
        }
        personal = {"on_behalf_of": "", "supervisor_id": "", **ask.personal}
        act = {"act": ask.act, "search": ask.search, **under(ask.agreement_id, ask.facts.get("purpose_code", ""))}
        intent = await self.record(ask.kind, person, facts=facts, personal=personal, act=act, agency=ask.agency)
        if ask.agency:
            told = {"elements": ask.facts.get("elements", []), "purpose_code": ask.facts.get("purpose_code", "")}
            await self.tell_giver(
                "shared_query", person, ask.agency, ask.agreement_id, intent, ask.kind, told, personal
            )
        return intent

    async def tell_giver(
        self,
        kind: str,
        person: Person,
        giver: str,
        agreement_id: str,
        intent: Receipt,
        act: str,
        facts: Mapping[str, Any],
        personal: Mapping[str, Any],
    ) -> None:
        """Enter with the agency whose records they are what another one asked of them, and what it was given."""
        profile = self.profiles.get(giver)
        await self.writer.append(
            ledger.Draft(
                kind=kind,
                agency=giver,
                profile_version=profile.version if profile else "",
                facts={
                    "query_id": str(intent.index),
                    "sharing_agreement_id": agreement_id,
                    "by_agency": person.agency,
                    "act": act,
                    **facts,
                },
                personal={"person": told_of(person), "ip": person.source_ip, **personal},
            )
        )

    async def fetch(self, person: Person, ask: Ask, intent: Receipt) -> list[dict[str, Any]]:
        """Let the data's keeper answer a committed intent; a failure is an entry and `SearchAway`."""
        try:
            return await self._asked(person, ask, intent.index)
        except (Transient, asyncpg.PostgresError) as error:
            code = (error.message or "") if isinstance(error, asyncpg.InsufficientPrivilegeError) else ""
            facts = {"error": type(error).__name__, "source_system": ask.source}
            kind = RESULT_OF[ask.kind]
            await self.record(kind, person, facts=facts, personal={}, about=intent.index, outcome="error")
            if code.startswith(_AGREED):  # stopped between the look at it and the search
                raise Refusal(403, code, "no agreement in force permits it", person=person) from error
            if code == "DEMAND_UNKNOWN":
                raise Refusal(403, code, "the agency has no such open demand of a person", person=person) from error
            raise SearchAway("the search could not be answered") from error

    def _asked(self, person: Person, ask: Ask, index: int) -> Awaitable[list[dict[str, Any]]]:
        if ask.act == "learn":
            if self.learn is None:
                raise Transient("no external source is set up")
            return self.learn.search(person.agency, index, ask.search)
        if ask.act == "hits":
            return self.questions.search_hits(index)
        if ask.act == "subject":
            return self.questions.subject_answer(index)
        return self.store.search(index)

    async def conclude(
        self,
        person: Person,
        ask: Ask,
        intent: Receipt,
        rows: list[dict[str, Any]],
        spent_s: float,
        facts: Mapping[str, Any],
    ) -> Receipt:
        """Commit the result: rows, bytes, duration and the digest of what was handed out."""
        digest, given = ledger.read_ids_digest(row.get("hit_id") or row["read_id"] for row in rows), _handed_out(rows)
        if ask.agency:
            told = {"rows": len(rows), "read_ids_sha256": digest}
            await self.tell_giver(
                "shared_query_result", person, ask.agency, ask.agreement_id, intent, ask.kind, told, given
            )
        return await self.record(
            RESULT_OF[ask.kind],
            person,
            facts={
                "rows": len(rows),
                "bytes": len(json.dumps(rows).encode()),
                "duration_ms": round(spent_s * 1000),
                "read_ids_sha256": digest,
                "source_system": ask.source,
                **facts,
            },
            personal=given,
            about=intent.index,
        )

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
            "proof": ledger.proof_text(intent.index, path, result.note, intent.leaf),
        }

    async def own_query(self, person: Person, query_id: int) -> Followed:
        """The reasons and the search of an own query, not older than 15 minutes, of one who may still search."""
        lost = standing_refusal(person, self.profile(person))
        if lost is not None:
            raise refusal_of(lost, person)
        found = await self.store.intent(query_id)
        if found is None or found["kind"] not in ("query", "hit_query") or found["person_id"] != person.person_id:
            raise Refusal(403, "QUERY_UNKNOWN", "no such query of yours", person=person)
        if "read_id" in found["content"]["criteria"]:  # a look at one read: following it would never end
            raise Refusal(403, "QUERY_UNKNOWN", "a look at one read is no question to follow", person=person)
        if self.clock() - found["committed_at"] > FOLLOW_UP:
            raise Refusal(403, "QUERY_EXPIRED", "the query is older than 15 minutes", person=person)
        query, (scope, *_) = found["query"], found["agency_scope"]
        return Followed(
            query_id,
            found["kind"],
            found["content"],
            query["search"],
            "learn" if query["act"] == "learn" else "local",
            scope if scope != person.agency else "",
        )

    async def follow_up(self, person: Person, query_id: int, read_id: str) -> tuple[Followed, datetime]:
        """An own query, and when the read it handed out was captured."""
        followed = await self.own_query(person, query_id)
        captured = await self.store.answered(query_id, read_id) if UUID.fullmatch(read_id) else None
        if captured is None:
            raise Refusal(403, "READ_NOT_ANSWERED", "the query did not answer this read", person=person)
        if followed.source != "local":
            raise Refusal(409, "SOURCE_EXTERNAL", "reads of an external source are not kept here", person=person)
        return followed, captured

    async def refuse(self, request: Request, refusal: Refusal) -> None:
        """Commit the one entry of a refusal (AUD-09); some are flagged for a person to look at (USE-07)."""
        person = refusal.person
        peer = request.client.host if request.client else ""
        route = request.scope.get("route")
        profile = self.profiles.get(person.agency) if person else None
        told = {"method": request.method, "route": getattr(route, "path", ""), "status": str(refusal.status)}
        if refusal.code in REVIEWED:
            told["review"] = REVIEWED[refusal.code]

        async def enter(person: Person | None, address: str, code: str, facts: Mapping[str, str]) -> None:
            personal: dict[str, Any] = {"peer": address}
            if person:
                personal = {"person": told_of(person), "ip": person.source_ip}
                if refusal.asked is not None:
                    personal["asked"] = dict(refusal.asked)
            await self._enter(person.agency if person else "", code, facts, personal, profile)

        await self.refusals.tell(person, peer, refusal.code, told, enter)

    async def _enter(
        self,
        agency: str,
        code: str,
        facts: Mapping[str, str],
        personal: Mapping[str, Any],
        profile: AgencyProfile | None = None,
    ) -> None:
        version = profile.version if profile else ""
        await self.writer.append(
            ledger.Draft(
                kind="refused",
                agency=agency,
                outcome="refused",
                reason_code=code,
                profile_version=version,
                facts=facts,
                personal=personal,
            )
        )

    async def _enter_crowd(self, _person: Person | None, address: str, code: str, facts: Mapping[str, str]) -> None:
        await self._enter("", code, facts, {"peer": address})

    def auditor(self, request: Request) -> Person:
        """Who asks, if it is an auditor."""
        person = self.person(request)
        if "auditor" not in person.roles:
            raise Refusal(403, "ROLE_NOT_AUTHORISED", "auditors only", person=person)
        return person


def told_of(person: Person) -> dict[str, Any]:
    """Lay out a person for the ledger; `asdict` copies every text and list, which nobody changes."""
    return {name: getattr(person, name) for name in _PERSON_FIELDS}


def under(agreement_id: str, purpose_code: str) -> dict[str, str]:
    """Name the agreement and the purpose to the database, where an act rests on one."""
    return {"agreement": agreement_id, "purpose": purpose_code} if agreement_id else {}


def around(captured: Iterable[datetime]) -> dict[str, str]:
    """Bound a search for reads that were captured at these times; without any, it is not bounded."""
    times = sorted(captured)
    if not times:
        return {}
    return {"captured_from": (times[0] - NEARBY).isoformat(), "captured_to": (times[-1] + NEARBY).isoformat()}


def _handed_out(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What an answer shows, so that a follow-up can be held against it."""
    listed = list(rows)
    hits = [row["hit_id"] for row in listed if "hit_id" in row]
    return {"reads": {row["read_id"]: row["captured_at"] for row in listed}, **({"hits": hits} if hits else {})}
