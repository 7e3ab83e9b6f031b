"""Requests and their papers: taken, documented, submitted, decided, withdrawn, filed; each with its ledger entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from alprcore.model import Person, Refused, make_id
from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile
from alprcore.seal import open_image, seal_image
from alprcore.wire import rfc3339

from ...store import ImageKeys
from ...telling import Outbox
from .. import rules
from .rows import QUERIES, Papers, asked_of, known_of, local_day, shown, unpacked, uuids

FILE: Final = "file"
"""The key that opens papers of requests, one for each agency: no due day takes it away (RET-16)."""
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Document:
    """The written request as it came in, or the form as it was signed."""

    name: str
    media_type: str
    data: bytes
    signed_by: str = ""

    @property
    def sha256(self) -> str:
        """Its hash, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


class RequestStore(Papers):
    """Requests of one database; whoever asks is judged by the rules under the row's lock."""

    def __init__(self, outbox: Outbox, objects: ImageStore, keys: ImageKeys) -> None:
        super().__init__(outbox)
        self._objects, self._keys = objects, keys

    async def take(
        self, person: Person, profile: AgencyProfile, asked: rules.Asked, read_ids: Sequence[str],
        query_id: int | None, now: datetime,
    ) -> str:  # fmt: skip
        """Write a request down as a draft; answers its id."""
        request_id = make_id("release", person.agency, person.session_id, asked.agency_name, now.isoformat())
        async with self._outbox.change(person.agency) as connection:
            await connection.execute(
                QUERIES["put_request"], UUID(request_id), person.agency, asked.agency_name, asked.requester_name,
                asked.requester_title, asked.requester_contact, asked.intended_purpose, asked.recipient_class.value,
                asked.received_as.value, asked.case_number, uuids(read_ids), query_id, person.person_id,
                person.full_name, now, profile.version,
            )  # fmt: skip
            facts = {"recipient_class": asked.recipient_class.value, "reads": str(len(read_ids))}
            told = {
                "recipient": asked.agency_name,
                "requester": asked.requester_name,
                **({"case_number": asked.case_number} if asked.case_number else {}),
            }
            facts |= {"query_id": str(query_id)} if query_id is not None else {}
            await self._act(connection, person, profile, request_id, "requested", now, facts=facts, personal=told)
        return request_id

    async def add_document(
        self, person: Person, profile: AgencyProfile, request_id: str, document: Document, now: datetime
    ) -> Refused | None:
        """Seal the written request and note its hash. Raises `KeyError` for a request that is unknown.

        The object lies there before the row names it: what a row names can always be read.
        """
        digest = document.sha256
        noted: dict[str, Any] = {
            "key": f"release/{person.agency}/{request_id}/{digest}", "name": document.name,
            "type": document.media_type, "bytes": len(document.data), "sha256": digest,
            "signed_by": document.signed_by,
        }  # fmt: skip
        found = await self.find(person.agency, request_id)
        if found is None:
            raise KeyError(request_id)
        if isinstance(refused := rules.may_change(known_of(found)), Refused):
            return refused
        public = self._keys.ensure(person.agency, FILE)
        await self._objects.put(noted["key"], seal_image(public, document.data, aad=noted["key"].encode()))
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_change(known_of(row)), Refused):
                return refused
            await connection.execute(QUERIES["put_document"], person.agency, UUID(request_id), json.dumps(noted))
            facts = {"sha256": digest, "bytes": str(len(document.data)), "signed_here": str(bool(document.signed_by))}
            await self._act(connection, person, profile, request_id, "document_added", now, facts=facts)
        if row["document"] and row["document"]["key"] != noted["key"]:
            await self._objects.delete(row["document"]["key"])
        return None

    async def sign(
        self, person: Person, profile: AgencyProfile, request_id: str, signed_by: str, now: datetime
    ) -> Refused | None:
        """Write the form that a requester signed at our screen, witnessed by who is signed in, as the document (SHR-02).

        Raises `KeyError` for a request that is unknown.
        """
        row = await self.find(person.agency, request_id)
        if row is None:
            raise KeyError(request_id)
        text = rules.signed_form(asked_of(row), profile, request_id, signed_by, person.full_name, now)
        document = Document("signed-form.txt", "text/plain; charset=utf-8", text.encode(), signed_by)
        return await self.add_document(person, profile, request_id, document, now)

    async def document(self, person: Person, profile: AgencyProfile, request_id: str, now: datetime) -> Document | None:
        """Open the written request; that it was read is on its way to the ledger first. None: there is no paper.

        Raises `KeyError` for a request that is unknown, or whose paper cannot be opened.
        """
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if row["document"] is None:
                return None
            await self._act(connection, person, profile, request_id, "document_read", now)
        noted = row["document"]
        private = self._keys.private(person.agency, FILE)
        if private is None:
            raise KeyError(noted["key"])
        data = open_image(private, await self._objects.get(noted["key"]), aad=noted["key"].encode())
        return Document(noted["name"], noted["type"], data, noted["signed_by"])

    async def scope(
        self, person: Person, profile: AgencyProfile, request_id: str, read_ids: Sequence[str], query_id: int | None,
        now: datetime,
    ) -> Refused | None:  # fmt: skip
        """Name the reads that are asked for. Raises `KeyError` for a request that is unknown."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_scope(known_of(row)), Refused):
                return refused
            await connection.execute(
                QUERIES["put_scope"], person.agency, UUID(request_id), uuids(read_ids), query_id, person.person_id
            )
            facts = {"reads": str(len(read_ids))} | ({"query_id": str(query_id)} if query_id is not None else {})
            await self._act(connection, person, profile, request_id, "scope_set", now, facts=facts)
        return None

    async def submit(
        self, person: Person, profile: AgencyProfile, request_id: str, now: datetime
    ) -> rules.Submitted | Refused:
        """Submit a draft and forward it to the file where all requests go there. Raises `KeyError` for an unknown one."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            made = rules.submit(known_of(row), profile)
            if isinstance(made, Refused):
                return made
            closed = None if made.state is rules.State.SUBMITTED else local_day(now, profile)
            await connection.execute(
                QUERIES["submit"], person.agency, UUID(request_id), made.state.value, person.person_id,
                person.full_name, now, json.dumps(list(made.basis)), closed, profile.version,
            )  # fmt: skip
            facts = {"state": made.state.value, "recipient_class": row["recipient_class"]}
            await self._act(connection, person, profile, request_id, "submitted", now, facts=facts)
            if made.state is rules.State.ROUTED:
                handed = {"to": profile.sharing.other_requests}
                await self._act(connection, person, profile, request_id, "routed_to_records", now, facts=handed)
            if made.state is rules.State.REFUSED:
                await self._act(connection, person, profile, request_id, "refused", now)
            await self._forward(connection, person, profile, request_id, made.state, now)
        return made

    async def decide(
        self, person: Person, profile: AgencyProfile, request_id: str, judgment: rules.Judgment, now: datetime
    ) -> Refused | None:
        """Approve or deny a submitted request, once. Raises `KeyError` for a request that is unknown."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            refused = rules.decide(known_of(row), judgment, person, profile)
            if isinstance(refused, Refused):
                return refused
            approves = judgment.verdict is rules.Verdict.APPROVE
            state = rules.State.APPROVED if approves else rules.State.DENIED
            delegation = rules.under(person, profile)
            roles = [role for role in profile.governance.release_approvers if role in person.roles]
            decision = {
                **asdict(judgment), "decided_by": person.person_id, "decided_name": person.full_name,
                "decided_as": profile.role_title(roles[0]) if roles else "Designee", "delegation_id": delegation,
                "decided_at": rfc3339(now), "profile_version": profile.version,
            }  # fmt: skip
            del decision["read_ids"]
            scope = (judgment.read_ids or row["read_ids"]) if approves else ()
            closed = None if approves else local_day(now, profile)
            await connection.execute(
                QUERIES["decide"], person.agency, UUID(request_id), state.value, json.dumps(decision), uuids(scope),
                closed,
            )  # fmt: skip
            facts = {
                "decision": judgment.verdict.value, "delegation_id": delegation, "reads": str(len(scope)),
                "legal_basis": judgment.legal_basis, "policy_basis": judgment.policy_basis,
                "clets_authorized": str(judgment.clets_authorized),
            }  # fmt: skip
            act = "approved" if approves else "denied"
            told = {"note": judgment.note, "citation": judgment.citation}
            await self._act(
                connection, person, profile, request_id, act, now, note=judgment.note, facts=facts, personal=told
            )
            await self._forward(connection, person, profile, request_id, state, now)
        return None

    async def withdraw(
        self, person: Person, profile: AgencyProfile, request_id: str, note: str, now: datetime
    ) -> Refused | None:
        """Close a request that its requester takes back; it stays on file. Raises `KeyError` for an unknown one."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_withdraw(known_of(row)), Refused):
                return refused
            await connection.execute(QUERIES["withdraw"], person.agency, UUID(request_id), local_day(now, profile))
            await self._act(
                connection, person, profile, request_id, "withdrawn", now, note=note, personal={"note": note}
            )
            await self._forward(connection, person, profile, request_id, rules.State.WITHDRAWN, now)
        return None

    async def take_into_file(
        self, person: Person, profile: AgencyProfile, request_id: str, now: datetime
    ) -> Refused | None:
        """Acknowledge that a request is in the file. Raises `KeyError` for a request that is unknown."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_file(known_of(row), person, profile), Refused):
                return refused
            await connection.execute(
                QUERIES["take_into_file"], person.agency, UUID(request_id), person.person_id, person.full_name, now
            )
            await self._act(connection, person, profile, request_id, "filed", now)
        return None

    async def requests(
        self, person: Person, profile: AgencyProfile, states: Sequence[str], *, filed: bool, after: str
    ) -> list[dict[str, Any]]:
        """List an agency's requests, newest first, a page at a time; `filed`: those in the file or on their way there."""
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(
                QUERIES["requests"], person.agency, list(states), filed, UUID(after) if after else None, PAGE
            )
        return [shown(unpacked(row), person, profile) for row in rows]
