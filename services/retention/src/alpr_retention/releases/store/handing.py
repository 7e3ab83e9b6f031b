"""What is handed over: packages of an approved scope, deliveries by item and hash, what was disclosed of a read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from alprcore.errors import Transient
from alprcore.evidence import Cover, Item, Kind, Opened, Wish
from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile

from ...telling import Outbox
from .. import rules
from .rows import QUERIES, Papers, act_shown, delivery_shown, known_of, local_day, shown, unpacked, uuids


class OpenPackage(Protocol):
    """Begins a package of an approved scope, in the caller's transaction."""

    async def __call__(self, connection: Any, person: Person, wish: Wish, now: datetime) -> Opened:
        """Raises `PermissionError` with the code of a ledger entry that does not permit it, `LookupError` for no reads."""


Batches = Callable[[str, str], Awaitable[list[dict[str, Any]]]]
"""Lists the batches in which a read went to a standing repository: agency and read id."""
Progress = Callable[[str, str], Awaitable[dict[str, Any] | None]]
"""Tells how far a package is: agency and its id; None for one that is unknown."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Data that lies ready for somebody outside: on which request, to whom, how, under which package."""

    delivery_id: str
    agency: str
    request_id: str
    recipient_agency: str
    recipient_person: str
    method: str
    package_id: str
    package_sha256: str
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """How an approved scope is to be handed over: to which person, by what, under which entry of the ledger."""

    recipient_person: str
    method: rules.Method
    medium: str
    entry: int
    clets: bool = False


def items_of(items: Sequence[Item]) -> list[tuple[str, str, str]]:
    """List what a package holds of each read as (read id, kind, SHA-256): the record, and each of its images."""
    listed = [(item.read_id, "read", item.record_sha256) for item in items]
    return listed + [(item.read_id, role, digest) for item in items for role, digest in item.images]


class HandingStore(Papers):
    """What leaves the agency on an approved request; nothing can be taken before its delivery stands item by item."""

    def __init__(
        self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], open_package: OpenPackage, progress: Progress,
        batches: Batches,
        evidence: Batches,
    ) -> None:  # fmt: skip
        super().__init__(outbox)
        self._profiles, self._open_package, self._progress, self._batches = profiles, open_package, progress, batches
        self._evidence = evidence

    async def fulfil(
        self, person: Person, profile: AgencyProfile, request_id: str, given: Given, now: datetime
    ) -> Opened | Refused:
        """Have the package of the approved scope made, and of nothing else (SHR-03).

        Raises `KeyError` for a request that is unknown, and what beginning the package raises.
        """
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_fulfil(known_of(row), person, profile), Refused):
                return refused
            decision = row["decision"]
            clets = rules.may_hand_clets(
                person, authorized=decision["clets_authorized"], decided_by=decision["decided_by"]
            )
            if given.clets and isinstance(clets, Refused):
                return clets
            opened = await self._open_package(connection, person, _wish(row, profile, given), now)
            gone = sorted({str(one) for one in row["approved_ids"]} - set(opened.read_ids))
            handing = {"recipient_person": given.recipient_person, "method": given.method.value, "no_longer_kept": gone}
            await connection.execute(
                QUERIES["begin_package"], person.agency, UUID(request_id), opened.package_id, json.dumps(handing)
            )
            facts = {
                "package_id": opened.package_id, "reads": str(len(opened.read_ids)), "gone": str(len(gone)),
                "method": given.method.value, "clets": str(given.clets),
            }  # fmt: skip
            told = {"recipient_person": given.recipient_person}
            await self._act(
                connection, person, profile, request_id, "packing", now, facts=facts, personal=told, kept=handing
            )
        return opened

    async def ready(
        self, connection: Any, agency: str, request_id: str, package_id: str, items: Sequence[Item], digest: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """Write the delivery with every item, in the transaction from which on the package can be taken (SHR-12).

        Told twice of the same package, it writes once.
        """
        row = await self._package(connection, agency, request_id, package_id)
        delivery = Delivery(
            _delivery_id(package_id), agency, request_id, row["agency_name"], row["handing"]["recipient_person"],
            row["handing"]["method"], package_id, digest, now,
        )  # fmt: skip
        listed = items_of(items)
        if not await self._deliver(connection, delivery, listed):
            return
        await self._package_state(connection, row, "ready")
        facts = {"package_id": package_id, "package_sha256": digest, "items": str(len(listed))}
        await self._act(connection, None, self._of(agency), request_id, "ready", now, facts=facts)

    async def given(
        self, connection: Any, agency: str, request_id: str, package_id: str, person: Person, items: Sequence[Item],
        now: datetime,
    ) -> None:  # fmt: skip
        """Write that the last of a package was handed over: the request is fulfilled, each read's disclosure told."""
        row = await self._package(connection, agency, request_id, package_id)
        delivery_id = _delivery_id(package_id)
        changed = await connection.fetchval(
            QUERIES["hand_over"], agency, UUID(delivery_id), person.person_id, person.full_name, now
        )
        if changed is None:
            return
        profile = self._of(agency)
        await self._package_state(connection, row, "given", rules.State.FULFILLED, closed_on=local_day(now, profile))
        facts = {"package_id": package_id, "delivery_id": delivery_id, "reads": str(len(items))}
        told = _recipient(row)
        await self._act(connection, person, profile, request_id, "fulfilled", now, facts=facts, personal=told)
        await self._disclose(connection, person, profile, row, delivery_id, items, now, told)

    async def broken(
        self, connection: Any, agency: str, request_id: str, package_id: str, reason: str, now: datetime,
        handed: Sequence[Item] = (), taker: tuple[str, str, datetime] | None = None,
    ) -> None:  # fmt: skip
        """Write that a package cannot be taken any more: the request stays approved and can be fulfilled again.

        `handed` are the reads of the volumes that somebody began to take: of these the delivery stands, each told to
        the ledger, by `taker` (id, name, when first); only the rest is void.
        """
        row = await self._package(connection, agency, request_id, package_id)
        if row["package_state"] not in ("building", "ready"):
            return
        profile, delivery_id = self._of(agency), _delivery_id(package_id)
        facts, kept = {"package_id": package_id, "problem": reason}, {}
        if taker is None:
            await connection.fetchval(QUERIES["void"], agency, UUID(delivery_id), now)
        else:
            by_id, by_name, since = taker
            went = uuids(item.read_id for item in handed)
            await connection.fetchval(QUERIES["void_rest"], agency, UUID(delivery_id), now, by_id, by_name, since, went)
            facts |= {"delivery_id": delivery_id, "reads": str(len(handed))}
            kept = {"taken_by": by_id, "taken_name": by_name}
            told = {**_recipient(row), "person_id": by_id, "full_name": by_name}
            await self._disclose(connection, None, profile, row, delivery_id, handed, now, told)
        await self._package_state(connection, row, "broken", problem=reason)
        await self._act(connection, None, profile, request_id, "package_broken", now, facts=facts, kept=kept)

    async def _disclose(
        self, connection: Any, person: Person | None, profile: AgencyProfile, row: Mapping[str, Any], delivery_id: str,
        items: Sequence[Item], now: datetime, told: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Tell the ledger of each read that left: one entry for each, so that the read's trail has it (SHR-12)."""
        about = {"release_id": str(row["request_id"]), "delivery_id": delivery_id}
        about |= {"query_id": str(row["query_id"])} if row["query_id"] is not None else {}
        for item in items:
            await self._outbox.record(
                connection, person, "release_delivered", delivery_id, item.read_id, now, agency=profile.agency,
                profile_version=profile.version, personal=told,
                facts={**about, "read_id": item.read_id, "sha256": item.record_sha256},
            )  # fmt: skip

    async def _deliver(self, connection: Any, delivery: Delivery, items: Sequence[tuple[str, str, str]]) -> bool:
        """Write a delivery and its items (read id, kind, SHA-256); False when it stands already."""
        new = await connection.fetchval(
            QUERIES["put_delivery"], UUID(delivery.delivery_id), delivery.agency, UUID(delivery.request_id),
            delivery.recipient_agency, delivery.recipient_person, delivery.method, delivery.package_id,
            delivery.package_sha256, delivery.prepared_at,
        )  # fmt: skip
        if new is None:
            return False
        rows = [(new, delivery.agency, UUID(read_id), kind, digest) for read_id, kind, digest in items]
        await connection.executemany(QUERIES["put_item"], rows)
        return True

    async def acknowledge(
        self, person: Person, profile: AgencyProfile, request_id: str, recipient: str, note: str, now: datetime
    ) -> Refused | None:
        """Note that the recipient confirmed receipt and confidentiality (SHR-09). Raises `KeyError` for an unknown one."""
        async with self._outbox.change(person.agency) as connection:
            row = await self._locked(connection, person.agency, request_id)
            if isinstance(refused := rules.may_acknowledge(known_of(row)), Refused):
                return refused
            await connection.fetchval(QUERIES["acknowledge"], person.agency, UUID(request_id), recipient, now, note)
            await self._act(
                connection, person, profile, request_id, "acknowledged", now, note=note,
                personal={"recipient_person": recipient, "note": note}, kept={"recipient_person": recipient},
            )  # fmt: skip
        return None

    async def whole(self, person: Person, profile: AgencyProfile, request_id: str) -> dict[str, Any]:
        """Show a request with reads, history, package and deliveries: its file (SHR-04). Raises `KeyError`."""
        async with self._outbox.change(person.agency) as connection:
            row = await connection.fetchrow(QUERIES["request"], person.agency, UUID(request_id))
            if row is None:
                raise KeyError(request_id)
            acts = await connection.fetch(QUERIES["acts"], person.agency, UUID(request_id))
            deliveries = await connection.fetch(QUERIES["deliveries"], person.agency, UUID(request_id))
        found = shown(unpacked(row), person, profile)
        if found["package"]:
            found["package"]["progress"] = await self._progress(person.agency, row["package_id"])
        return {
            **found,
            "read_ids": [str(one) for one in row["read_ids"]],
            "scope_sha256": rules.scope_digest(str(one) for one in row["read_ids"]),
            "approved_ids": [str(one) for one in row["approved_ids"]],
            "history": [act_shown(act) for act in acts],
            "deliveries": [delivery_shown(one) for one in deliveries],
        }

    async def holders(self, agency: str) -> list[dict[str, Any]]:
        """Tell who was handed reads of an agency, how many different ones, and when last; the latest first (SHR-11)."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(QUERIES["holders"], agency)
        return [{"kind": "release", "withdrawn": 0, **dict(row)} for row in rows]

    async def disclosures(self, person: Person, profile: AgencyProfile, read_id: str, now: datetime) -> dict[str, Any]:
        """List every delivery that holds a read, every batch of a standing repository and every evidence package on media.

        Whether the read is still kept or not. That it was asked is told to the ledger (SHR-12).
        """
        batches = await self._batches(person.agency, read_id)
        media = await self._evidence(person.agency, read_id)
        async with self._outbox.change(person.agency) as connection:
            rows = await connection.fetch(QUERIES["disclosures"], person.agency, UUID(read_id))
            await self._outbox.record(
                connection, person, "disclosures_read", read_id, now.isoformat(), now,
                profile_version=profile.version, facts={"read_id": read_id, "deliveries": str(len(rows)), "batches": str(len(batches))},
            )  # fmt: skip
        return {
            "read_id": read_id,
            "deliveries": [delivery_shown(row) for row in rows],
            "repositories": batches,
            "evidence": media,
        }

    async def _package(self, connection: Any, agency: str, request_id: str, package_id: str) -> dict[str, Any]:
        row = await connection.fetchrow(QUERIES["package_request"], agency, UUID(request_id), package_id)
        if row is None:
            raise KeyError(request_id)
        return unpacked(row)

    async def _package_state(
        self, connection: Any, row: dict[str, Any], package: str, state: rules.State = rules.State.APPROVED, *,
        problem: str = "", closed_on: date | None = None,
    ) -> None:  # fmt: skip
        await connection.execute(
            QUERIES["package_state"], row["agency"], row["request_id"], package, problem, state.value, closed_on
        )

    def _of(self, agency: str) -> AgencyProfile:
        """The policy in force. Raises `Transient` until it is known."""
        try:
            return self._profiles[agency]
        except KeyError:
            raise Transient("no policy is known for the agency of a request") from None


def _wish(row: dict[str, Any], profile: AgencyProfile, given: Given) -> Wish:
    """Wish for what was approved: its reads, its purpose on the cover, who authorized CLETS text where it goes along."""
    decision, request_id = row["decision"], str(row["request_id"])
    facts = {
        **{name: decision[name] for name in ("legal_basis", "citation", "policy_basis", "delegation_id")},
        "approved_by": f"{decision['decided_name']}, {decision['decided_as']}, {decision['decided_at']}",
    }
    facts["legal_basis"] = profile.sharing.legal_bases.get(facts["legal_basis"], facts["legal_basis"])
    cover = Cover(
        title="Release of automated license plate reader data",
        number=request_id,
        agency_name=profile.name,
        purpose=row["intended_purpose"],
        confidentiality=profile.sharing.confidentiality,
        recipient_agency=row["agency_name"],
        recipient_person=given.recipient_person,
        case_reference=row["case_number"],
        lines=rules.cover_lines(profile, request_id, given.recipient_person, given.method.value, facts),
    )
    clets = given.clets
    return Wish(
        kind=Kind.RELEASE,
        subject=request_id,
        entry=given.entry,
        cover=cover,
        read_ids=tuple(str(one) for one in row["approved_ids"]),
        clets=clets,
        clets_authorized_by=decision["decided_name"] if clets else "",
        clets_basis=decision["citation"] or decision["note"] if clets else "",
        medium=given.medium,
    )


def _recipient(row: Mapping[str, Any]) -> dict[str, str]:
    return {"recipient": row["agency_name"], "recipient_person": row["handing"]["recipient_person"]}


def _delivery_id(package_id: str) -> str:
    return make_id("delivery", package_id)
