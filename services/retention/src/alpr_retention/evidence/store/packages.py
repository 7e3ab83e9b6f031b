"""The life of a package in the database: opened under a ledger entry, built, handed out, booked, or ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.evidence import BATCH, READS_LIMIT, Item, Kind, Opened, Wish, volume_name
from alprcore.model import Person, Refused, make_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries

from ...telling import Outbox
from .. import rules
from .hooks import Subject
from .vault import Vault

_QUERIES: Final = load_queries("alpr_retention.evidence")
Covered = Callable[[Any, str, str, int], Awaitable[Sequence[tuple[Any, date]]]]
"""Tells ids and due days of the reads that a live hold covers: connection, agency, hold, at most so many."""
Booked = Callable[[Any, str, str, Sequence[str], str, str, Person, datetime], Awaitable[object]]
"""Lets a hold's booked reads go: connection, agency, hold, reads, package, booking number, by whom, when."""


@dataclass(slots=True)
class Packages:
    """Packages of all agencies; each change and its ledger event are one transaction."""

    outbox: Outbox
    vault: Vault
    profiles: Mapping[str, AgencyProfile]
    covered: Covered
    booked: Booked
    subjects: dict[Kind, Subject] = field(default_factory=dict)

    async def open(self, connection: Any, person: Person, wish: Wish, now: datetime) -> Opened:
        """Begin a package in the caller's transaction, which speaks for the person's agency.

        The ledger entry must be a committed, fresh, unused intent of this person about this very package. Raises
        `PermissionError` with a code LEDGER_ENTRY_*, SUBJECT_DIFFERS or PACKAGE_TOO_LARGE, and `LookupError` with
        HOLD_UNKNOWN or NOTHING_TO_EXPORT. Reads of a release that are
        gone are left out: `Opened.read_ids` says which are in.
        """
        agency, subject = person.agency, UUID(wish.subject)
        try:
            said = await connection.fetchval(_QUERIES["open_package"], wish.entry, person.person_id, agency)
        except asyncpg.InsufficientPrivilegeError as error:
            raise PermissionError(error.message or "LEDGER_ENTRY_MISSING") from error
        intended = json.loads(said)
        if intended != {"kind": wish.kind.value, "subject": wish.subject, "clets": wish.clets}:
            raise PermissionError("SUBJECT_DIFFERS")
        rows = await self._reads(connection, agency, wish)
        package_id = make_id("package", agency, wish.subject, str(wish.entry))
        ids, days = [row["read_id"] for row in rows], sorted({row["due_day"] for row in rows})
        hits = [row["hit_id"] for row in await connection.fetch(_QUERIES["hits_of"], agency, ids, days)]
        profile = self.profiles[agency]
        await connection.execute(
            _QUERIES["put_package"], UUID(package_id), agency, wish.kind.value, subject, wish.entry, now,
            person.person_id, person.username, person.full_name, profile.version, json.dumps(asdict(wish.cover)),
            wish.clets, wish.clets_authorized_by, wish.clets_basis, wish.medium, wish.serial, wish.witness, len(ids), len(hits),
        )  # fmt: skip
        await connection.executemany(
            _QUERIES["put_item"],
            [
                (UUID(package_id), agency, place, row["read_id"], row["due_day"], row["captured_at"])
                for place, row in enumerate(rows)
            ],
        )
        package = {
            "package_id": package_id,
            "agency": agency,
            "kind": wish.kind.value,
            "subject": wish.subject,
            "entry": wish.entry,
        }
        facts = {"reads": str(len(ids)), "hits": str(len(hits)), "clets": str(wish.clets).lower()}
        personal = {"clets_authorized_by": wish.clets_authorized_by, "clets_basis": wish.clets_basis}
        await self._tell(connection, person, package, "package_opened", now, facts, personal if wish.clets else {})
        return Opened(
            package_id,
            tuple(str(one) for one in ids),
            tuple(str(one) for one in hits),
        )

    async def _reads(self, connection: Any, agency: str, wish: Wish) -> list[Any]:
        days: list[date] | None = None
        if wish.kind is Kind.HOLD:
            covered = await self.covered(connection, agency, wish.subject, READS_LIMIT + 1)
            wanted = {UUID(str(read_id)) for read_id, _ in covered}
            days = sorted({day for _, day in covered})
        else:
            wanted = {UUID(read_id) for read_id in wish.read_ids}
        if len(wanted) > READS_LIMIT:
            raise PermissionError("PACKAGE_TOO_LARGE")
        rows: list[Any] = await connection.fetch(_QUERIES["reads_of"], agency, sorted(wanted), days)
        if not rows:
            raise LookupError("NOTHING_TO_EXPORT")
        return rows

    async def add_papers(self, person: Person, package_id: str, batch: int, data: bytes) -> None:
        """Store what is known of a batch of reads; after the last batch the package is built.

        Raises `LookupError` PACKAGE_UNKNOWN or PACKAGE_CLOSED; batches come in order, and one that comes again is taken
        for the one that came before.
        """
        package = await self._found(person.agency, package_id)
        if package["exporter_id"] != person.person_id:
            raise LookupError("PACKAGE_UNKNOWN")
        if batch < package["papers"]:
            return
        if batch > package["papers"] or package["state"] != "opened":
            raise LookupError("PACKAGE_CLOSED")
        await self.vault.put_papers(person.agency, package_id, batch, data)
        async with self.outbox.change(person.agency) as connection:
            of = rules.batches(package["reads"])
            await connection.execute(_QUERIES["put_papers"], person.agency, UUID(package_id), batch, of)

    async def wanted(self, person: Person, package_id: str, batch: int) -> dict[str, Any]:
        """The reads of a batch with the times of their capture, and its hits with their reads: what papers are about.

        Only for the exporter, while the package waits for papers. Raises `LookupError` PACKAGE_UNKNOWN or PACKAGE_CLOSED.
        """
        agency, package = person.agency, await self._found(person.agency, package_id)
        if package["exporter_id"] != person.person_id:
            raise LookupError("PACKAGE_UNKNOWN")
        of = rules.batches(package["reads"])
        if package["state"] != "opened" or not 0 <= batch < of:
            raise LookupError("PACKAGE_CLOSED")
        async with self.outbox.change(agency) as connection:
            rows = await connection.fetch(
                _QUERIES["batch"], agency, UUID(package_id), batch * BATCH, (batch + 1) * BATCH
            )
            ids, days = [row["read_id"] for row in rows], sorted({row["due_day"] for row in rows} | {date.max})
            hits = await connection.fetch(_QUERIES["hits_of"], agency, ids, days)
        return {
            "batch": batch,
            "of": of,
            "reads": {str(row["read_id"]): row["captured_at"].isoformat() for row in rows},
            "hits": {str(row["hit_id"]): str(row["read_id"]) for row in hits},
        }

    async def _found(self, agency: str, package_id: str) -> dict[str, Any]:
        async with self.outbox.change(agency) as connection:
            row = await connection.fetchrow(_QUERIES["package"], agency, UUID(package_id))
        if row is None:
            raise LookupError("PACKAGE_UNKNOWN")
        return package_of(row)

    async def state(self, agency: str, package_id: str, person: Person | None = None) -> dict[str, Any] | None:
        """A package as its door shows it; None when the agency has no such package."""
        async with self.outbox.change(agency) as connection:
            row = await connection.fetchrow(_QUERIES["package"], agency, UUID(package_id))
            if row is None:
                return None
            volumes = await connection.fetch(_QUERIES["volumes"], agency, [UUID(package_id)])
        return rules.shown(package_of(row), [_volume(one) for one in volumes], person)

    async def listed(
        self, person: Person, *, subject: str = "", state: str = "", after: str = "", limit: int = 50
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Packages of the person's agency, newest first, and where the next page begins."""
        agency = person.agency
        async with self.outbox.change(agency) as connection:
            rows = await connection.fetch(
                _QUERIES["packages"], agency, UUID(subject) if subject else None, state,
                UUID(after) if after else None, limit + 1,
            )  # fmt: skip
            found = [package_of(row) for row in rows[:limit]]
            ids = [UUID(one["package_id"]) for one in found]
            volumes = [_volume(row) for row in await connection.fetch(_QUERIES["volumes"], agency, ids)]
        shown = [
            rules.shown(one, [v for v in volumes if v["package_id"] == one["package_id"]], person) for one in found
        ]
        return shown, found[-1]["package_id"] if len(rows) > limit else None

    async def of_read(self, agency: str, read_id: str) -> list[dict[str, Any]]:
        """Tell on which media a read lies as evidence: the packages that left, with their booking numbers."""
        async with self.outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["of_read"], agency, UUID(read_id))
        ids = [{name: str(row[name]) for name in ("package_id", "hold_id")} for row in rows]
        return [{**dict(row), **ids[at], "given_at": row["given_at"].isoformat()} for at, row in enumerate(rows)]

    async def items(self, connection: Any, agency: str, package_id: str) -> list[Item]:
        """The reads of a built package, by id and by the hashes of what went in (SHR-12)."""
        rows = await connection.fetch(_QUERIES["items"], agency, UUID(package_id))
        return [_item(row) for row in rows]

    async def set_media(
        self, person: Person, package_id: str, medium: str, witness: str, serials: Mapping[int, str], now: datetime
    ) -> None:
        """Write down the media and who witnessed the writing; raises `LookupError`, or `ValueError` for no such volume."""
        async with self._locked(person.agency, package_id) as (connection, package):
            if "media" not in rules.may_do(package, person):
                raise LookupError("PACKAGE_CLOSED")
            writers = (package["exporter"], package["exporter_name"], person.username, person.full_name)
            if isinstance(refused := rules.may_witness(witness, *writers), Refused):
                raise PermissionError(refused.reason_code)
            await connection.execute(_QUERIES["set_media"], person.agency, UUID(package_id), medium, witness)
            for number, serial in serials.items():
                done = await connection.execute(_QUERIES["set_serial"], person.agency, UUID(package_id), number, serial)
                if done.endswith(" 0"):
                    raise ValueError(f"volume {number}")
            facts = {"medium": medium, "volumes": str(len(serials))}
            personal = {"witness": witness, **{f"serial_{number}": serial for number, serial in serials.items()}}
            await self._tell(connection, person, package, "evidence_media_set", now, facts, personal)

    async def book(self, person: Person, package_id: str, booking_number: str, now: datetime) -> tuple[str, ...]:
        """Close an export by the number under which its media were booked; answers what it still lacks, else nothing.

        Where the profile says so, the hold lets the booked reads go in the same transaction (RET-12). Raises
        `LookupError` when there is nothing to be booked.
        """
        agency = person.agency
        async with self._locked(agency, package_id) as (connection, package):
            if package["kind"] != Kind.HOLD.value or package["state"] not in {*rules.LIVE, "given"}:
                raise LookupError("PACKAGE_CLOSED")
            volumes = [_volume(one) for one in await connection.fetch(_QUERIES["volumes"], agency, [UUID(package_id)])]
            lacking = rules.missing({**package, "booking_number": booking_number}, volumes)
            if lacking:
                return lacking
            await connection.execute(
                _QUERIES["close"], agency, UUID(package_id), booking_number, now, person.username, person.full_name
            )
            goes = self.profiles[agency].retention.purge_after_booking
            if goes:
                reads = [item.read_id for item in await self.items(connection, agency, package_id)]
                await self.booked(
                    connection, agency, package["subject"], reads, package_id, booking_number, person, now
                )
            facts = {"purgeable": str(goes).lower()}
            personal = {"booking_number": booking_number, "witness": package["witness"]}
            await self._tell(connection, person, package, "evidence_booked", now, facts, personal)
        return ()

    async def end(
        self, agency: str, package_id: str, state: str, reason: str, now: datetime, person: Person | None = None
    ) -> bool:
        """End a package that was not handed out: cancelled, broken or expired; False when it had ended already."""
        async with self._locked(agency, package_id) as (connection, package):
            if person and isinstance(refused := rules.may_take(person, package["kind"]), Refused):
                raise PermissionError(refused.reason_code)
            done = await connection.execute(_QUERIES["end"], agency, UUID(package_id), state, reason, now)
            if done.endswith(" 0"):
                return False
            if subject := self.subjects.get(Kind(package["kind"])):
                rows = await connection.fetch(_QUERIES["handed"], agency, UUID(package_id))
                taker = (rows[0]["began_by"], rows[0]["began_name"], rows[0]["began_at"]) if rows else None
                await subject.broken(
                    connection, agency, package["subject"], package_id, reason, now, [_item(row) for row in rows], taker
                )
            await self._tell(connection, person, package, f"package_{state}", now, {"reason": reason})
        await self.clear(agency, package_id, now)
        return True

    async def clear(self, agency: str, package_id: str, now: datetime) -> None:
        """Destroy the working copy of a package that has ended; done again it does no harm."""
        await self.vault.clear(agency, package_id)
        async with self.outbox.change(agency) as connection:
            await connection.execute(_QUERIES["cleared"], agency, UUID(package_id), now)

    async def due(self, agency: str, due_day: date, now: datetime) -> Mapping[str, int]:  # noqa: ARG002
        """End every package of which a read is gone, whatever its day was; answers how many working copies went."""
        async with self.outbox.change(agency) as connection:
            live = await connection.fetch(_QUERIES["live"], agency)
        ended = 0
        for row in live:
            async with self.outbox.change(agency) as connection:
                purged = await connection.fetchval(_QUERIES["purged"], agency, row["package_id"])
            if purged:
                ended += await self.end(agency, str(row["package_id"]), "expired", "PURGED", now)
        return {"packages": ended}

    async def tidy(self, now: datetime) -> None:
        """End what waited too long, and clear away what ended packages have left behind."""
        for agency in list(self.profiles):
            async with self.outbox.change(agency) as connection:
                late = await connection.fetch(_QUERIES["late"], agency, now - rules.PAPERS_WITHIN, now)
                left = await connection.fetch(_QUERIES["uncleared"], agency)
            for row in late:
                opened = row["state"] == "opened"
                how = ("broken", "PAPERS_MISSING") if opened else ("expired", "NOT_TAKEN")
                await self.end(agency, str(row["package_id"]), *how, now)
            for row in left:
                await self.clear(agency, str(row["package_id"]), now)

    async def begin_taking(self, person: Person, package_id: str, number: int, now: datetime) -> dict[str, Any]:
        """Let a person take a volume, once: recorded before the first byte. Answers the volume with its open key.

        Raises `LookupError` PACKAGE_UNKNOWN, VOLUME_UNKNOWN or PACKAGE_GONE, `PermissionError` VOLUME_TAKEN or
        ROLE_NOT_AUTHORISED.
        """
        agency = person.agency
        async with self._locked(agency, package_id) as (connection, package):
            if isinstance(refused := rules.may_take(person, package["kind"]), Refused):
                raise PermissionError(refused.reason_code)
            volumes = [_volume(one) for one in await connection.fetch(_QUERIES["volumes"], agency, [UUID(package_id)])]
            volume = next((one for one in volumes if one["number"] == number), None)
            if volume is None:
                raise LookupError("VOLUME_UNKNOWN")
            stale = now - rules.TAKING_FOR
            parts = await connection.fetchval(
                _QUERIES["begin_taking"],
                agency,
                UUID(package_id),
                number,
                now,
                stale,
                person.person_id,
                person.full_name,
            )
            if parts is None:
                raise PermissionError("VOLUME_TAKEN")
            if package["state"] != "ready" or await connection.fetchval(_QUERIES["purged"], agency, UUID(package_id)):
                raise LookupError("PACKAGE_GONE")
            try:
                key = self.vault.open_key(agency, package_id, package["content_key"])
            except KeyError:
                raise LookupError("PACKAGE_GONE") from None
            facts = {"volume": str(number), "sha256": volume["sha256"], "bytes": str(volume["bytes"])}
            released = package["kind"] == Kind.RELEASE.value
            kind = "release_delivered" if released else "evidence_taken"
            await self._tell(connection, person, package, kind, now, facts)
        return {**volume, "key": key}

    async def stop_taking(self, person: Person, package_id: str, number: int, began: datetime) -> None:
        """Let a volume be taken again whose hand-out broke off."""
        async with self.outbox.change(person.agency) as connection:
            await connection.execute(_QUERIES["stop_taking"], person.agency, UUID(package_id), number, began)

    async def taken(self, person: Person, package_id: str, number: int, now: datetime) -> None:
        """Write that a volume was handed out; with the last one the working copy goes."""
        agency = person.agency
        async with self._locked(agency, package_id) as (connection, package):
            await connection.execute(
                _QUERIES["taken"], agency, UUID(package_id), number, now, person.username, person.full_name
            )
            given = await connection.execute(_QUERIES["given"], agency, UUID(package_id), now)
            if given.endswith(" 0"):
                return
            items = await self.items(connection, agency, package_id)
            if subject := self.subjects.get(Kind(package["kind"])):
                await subject.given(connection, agency, package["subject"], package_id, person, items, now)
            await self._tell(connection, person, package, "package_given", now, {"reads": str(len(items))})
        await self.clear(agency, package_id, now)

    @asynccontextmanager
    async def _locked(self, agency: str, package_id: str) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
        async with self.outbox.change(agency) as connection:
            row = await connection.fetchrow(_QUERIES["lock_package"], agency, UUID(package_id))
            if row is None:
                raise LookupError("PACKAGE_UNKNOWN")
            yield connection, package_of(row)

    async def _tell(
        self,
        connection: Any,
        person: Person | None,
        package: Mapping[str, Any],
        kind: str,
        now: datetime,
        facts: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> None:
        """Record an act about a package; its entry hangs on the intent, and on the hold or the request."""
        about = "hold_id" if package["kind"] == Kind.HOLD.value else "release_id"
        said = {about: package["subject"], "follows": str(package["entry"])}
        agency = package["agency"]
        profile = self.profiles.get(agency)
        await self.outbox.record(
            connection, person, kind, package["package_id"], now.isoformat(), now, agency=agency,
            profile_version=profile.version if profile else "", facts={**said, **(facts or {})},
            personal=personal,
        )  # fmt: skip

    async def built(
        self,
        package: Mapping[str, Any],
        volumes: Sequence[Mapping[str, Any]],
        packed: Sequence[tuple[int, Item, int]],
        end: Mapping[str, Any],
        now: datetime,
    ) -> bool:
        """Write that an attempt has built a package whole; False when another attempt or an end came between."""
        agency, package_id = package["agency"], package["package_id"]
        async with self._locked(agency, package_id) as (connection, _):
            done = await connection.execute(
                _QUERIES["built"], agency, UUID(package_id), now, now + rules.KEPT_FOR, json.dumps(end["redactions"]),
                end["key_sha256"], end["content_key"], package["attempt"],
            )  # fmt: skip
            if done.endswith(" 0"):
                return False
            for one in volumes:
                await connection.execute(
                    _QUERIES["put_volume"], UUID(package_id), agency, one["number"], one["parts"], one["bytes"],
                    one["sha256"], one["sums_sha256"], package["serial"] if one["number"] == 1 else "",
                )  # fmt: skip
            rows = [
                (agency, UUID(package_id), place, item.record_sha256, _images(item), volume)
                for place, item, volume in packed
            ]
            await connection.executemany(_QUERIES["pack_item"], rows)
            items = [item for _, item, _ in packed]
            if subject := self.subjects.get(Kind(package["kind"])):
                last = volumes[-1]["sums_sha256"]
                await subject.ready(connection, agency, package["subject"], package_id, items, last, now)
            facts = {
                "reads": str(len(items)),
                "volumes": str(len(volumes)),
                "key_sha256": end["key_sha256"],
                **{f"sums_sha256_{one['number']}": one["sums_sha256"] for one in volumes},
            }
            await self._tell(connection, None, package, "package_built", now, facts)
        return True


def _item(row: Mapping[str, Any]) -> Item:
    images = tuple((image["role"], image["sha256"]) for image in json.loads(row["images"]))
    return Item(str(row["read_id"]), row["record_sha256"], images)


def _images(item: Item) -> str:
    return json.dumps([{"role": role, "sha256": sha256} for role, sha256 in item.images])


def package_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A package as the database keeps it, its ids and documents read."""
    return {
        **dict(row),
        "package_id": str(row["package_id"]),
        "subject": str(row["subject"]),
        "cover": json.loads(row["cover"]),
        "redactions": json.loads(row["redactions"]),
    }


def _volume(row: Mapping[str, Any]) -> dict[str, Any]:
    package_id = str(row["package_id"])
    return {**dict(row), "package_id": package_id, "name": f"{volume_name(package_id, row['number'])}.zip"}
