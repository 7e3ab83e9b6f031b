"""The standing repository: reads that an agency lets go there, and what is taken back when it is purged or corrected.

A read may lie there from the moment its batch is written, whether or not the answer came; so it is taken back whenever
it is purged, corrected or withdrawn here, and withdrawals go out although the flow is stopped (SHR-10). Batches keep
read ids, revisions and the digest of what was sent, never a plate: the text is read anew for each attempt.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from alprcore.model import Person, Read, Refused, event_id
from alprcore.policy import AgencyProfile
from alprcore.postgres import changed, load_queries

from ... import metrics
from ...telling import Outbox
from .. import rules
from .notes import Noted, SentNotes

logger = logging.getLogger(__name__)

_QUERIES: Final = load_queries("alpr_retention.sharing")
READS: Final = "reads"
WITHDRAWALS: Final = "withdrawals"
BATCH: Final = 500
"""Reads in one message: some 200 kB."""
TURNS: Final = 200
"""Messages in one turn at most; the rest goes in the next one."""
LOOKED_AT: Final = 5000
_DAY_ENDED: Final = timedelta(hours=36)  # a due day has ended everywhere 12 h after its end in UTC
_LOOK_AGAIN: Final = timedelta(minutes=10)
_SLOWEST: Final = timedelta(hours=1)
_FIRST_WAIT: Final = timedelta(seconds=15)
_BROUGHT_AGAIN: Final = timedelta(hours=25)
"""How long a broker that is set back may take until a read is stored again: topic `reads` keeps a day."""
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message: taken, or why not; `final` says that sending it again would change nothing."""

    taken: bool
    problem: str = ""
    final: bool = False


class Sends(Protocol):
    """Brings messages to an agency's standing repository."""

    def reaches(self, agency: str) -> bool:
        """Tell whether the operator named an address for this agency's repository."""

    async def send(self, agency: str, message_id: str, body: bytes, now: datetime) -> Sent:
        """Bring one message; never raises for what the repository does."""


class Repositories:
    """Which reads shall go to an agency's standing repository, which lie there, and every batch that went."""

    def __init__(self, outbox: Outbox, profiles: Mapping[str, AgencyProfile], sender: Sends, notes: SentNotes) -> None:
        self._outbox, self._profiles, self._sender, self._notes = outbox, profiles, sender, notes
        self._recalled: set[tuple[str, str]] = set()

    def adapter_of(self, agency: str) -> str:
        """Name the form in which this agency's reads go to its repository; empty: they do not go (SHR-10)."""
        profile = self._profiles.get(agency)
        return profile.sharing.standing_adapter if profile else ""

    async def note(self, connection: Any, reads: Sequence[tuple[Read, date]]) -> None:
        """Note reads that are stored in the caller's transaction, with their due days: they shall go, or come back."""
        rows = [
            (read.agency, adapter, UUID(read.read_id), read.captured_at, read.revision, _look_at(due, read.received_at))
            for read, due in reads if (adapter := self.adapter_of(read.agency))
        ]  # fmt: skip
        if rows:
            await connection.executemany(_QUERIES["note_read"], sorted(rows))

    async def switch(self, person: Person, adapter: str, reason: str, now: datetime, *, on: bool) -> Refused | None:
        """Start or stop the flow; once a stop has returned no batch of reads leaves.

        What lies there can still be taken back. A start sends what is stored from then on, and what had not left.
        """
        profile = self._profiles[person.agency]
        refused = rules.switches(person, adapter, profile, on=on, reason=reason)
        if refused is not None:
            return refused
        async with self._outbox.change(person.agency) as connection:
            switched = await connection.fetchval(
                _QUERIES["switch_repository"],
                person.agency,
                adapter,
                on,
                reason,
                person.person_id,
                person.full_name,
                now,
            )
            if switched is None:
                return Refused("SHR-10", "STATE_CONFLICT", f"the flow is {'on' if on else 'off'} already")
            kind = "repository_started" if on else "repository_stopped"
            await self._outbox.record(
                connection, person, kind, f"{person.agency} {adapter}", now.isoformat(), now,
                profile_version=profile.version, facts={"adapter": adapter}, personal={"reason": reason},
            )  # fmt: skip
        return None

    async def state(self, person: Person) -> list[dict[str, Any]]:
        """Tell how the flow to the agency's repository stands; empty where its policy knows none and none ever ran."""
        agency, profile = person.agency, self._profiles[person.agency]
        told = []
        for adapter in await self._adapters(agency):
            async with self._outbox.change(agency) as connection:
                row = await connection.fetchrow(_QUERIES["repository"], agency, adapter)
                figures = await connection.fetchrow(_QUERIES["repository_figures"], agency, adapter)
            on = bool(row and row["running"])
            may = rules.may_switch(person, adapter, profile, on=on, lying=figures["held_there"])
            told.append(
                {
                    "adapter": adapter,
                    "name": profile.sharing.standing_repository or adapter,
                    "on": on,
                    "configured": self._sender.reaches(agency),
                    "reason": row["reason"] if row else "",
                    "changed_by": row["changed_by"] if row else "",
                    "changed_name": row["changed_name"] if row else "",
                    "changed_at": row["changed_at"] if row else None,
                    **dict(figures),
                    "may": may,
                }
            )
        return told

    async def recall(self, person: Person, adapter: str, reason: str, now: datetime) -> Refused | int:
        """Take back everything that lies there; the flow is stopped first. Answers how many reads (SHR-10: control)."""
        profile = self._profiles[person.agency]
        async with self._outbox.change(person.agency) as connection:
            row = await connection.fetchrow(_QUERIES["repository"], person.agency, adapter)
            refused = rules.recalls(person, reason, on=row["running"] if row else None)
            if refused is not None:
                return refused
            count = changed(await connection.execute(_QUERIES["recall_items"], person.agency, adapter))
            await self._outbox.record(
                connection, person, "repository_recalled", f"{person.agency} {adapter}", now.isoformat(), now,
                profile_version=profile.version, facts={"adapter": adapter, "reads": str(count)},
                personal={"reason": reason},
            )  # fmt: skip
        return count

    async def _adapters(self, agency: str) -> list[str]:
        """The repository of the policy in force, and those of earlier ones: what lies there is still taken back."""
        async with self._outbox.change(agency) as connection:
            ran = await connection.fetch(_QUERIES["adapters"], agency)
        return sorted({row["adapter"] for row in ran} | set(filter(None, [self.adapter_of(agency)])))

    async def batches(self, agency: str, adapter: str, before: datetime | None) -> list[dict[str, Any]]:
        """List delivery records, newest first."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["batches"], agency, adapter, before, PAGE)
        return [{**dict(row), "batch_id": str(row["batch_id"])} for row in rows]

    async def disclosed(self, agency: str, read_id: str) -> list[dict[str, Any]]:
        """Tell which deliveries brought a read to the repository and which took it back."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["batches_of"], agency, UUID(read_id))
        return [{**dict(row), "batch_id": str(row["batch_id"])} for row in rows]

    async def turn(self, now: datetime) -> None:
        """Find what was purged here, take it back there, and send what waits, for every agency whose policy says so."""
        for agency in list(self._profiles):
            for adapter in await self._adapters(agency):
                await self._recollect(agency, adapter, now)
                await self._look(agency, adapter, now)
                if self._sender.reaches(agency):
                    await self._exchange(agency, adapter, now)

    async def purged(self, agency: str, due_day: date, now: datetime) -> Mapping[str, int]:  # noqa: ARG002
        """Note for withdrawal what lies there and went here with this due day, whichever day it was due on before.

        Answers how many reads will be taken back; that the repository took the message its delivery record says (SHR-10).
        """
        profile = self._profiles.get(agency)
        before, count = rules.captured_before(due_day, profile.retention if profile else None), 0
        for adapter in await self._adapters(agency):
            last: tuple[datetime, UUID] | None = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
            while last is not None:
                async with self._outbox.change(agency) as connection:
                    rows = await connection.fetch(_QUERIES["lying"], agency, adapter, before, *last, LOOKED_AT)
                    gone = [row["read_id"] for row in rows if row["due_day"] is None]
                    count += changed(await connection.execute(_QUERIES["purged_here"], agency, adapter, gone))
                last = (rows[-1]["captured_at"], rows[-1]["read_id"]) if len(rows) == LOOKED_AT else None
        return {"withdrawals": count}

    async def _recollect(self, agency: str, adapter: str, now: datetime) -> None:
        """Once for each database: enter what the notes say lies there and one that came from a backup does not know.

        Reads that a broker may still bring again are looked for after a day.
        """
        if (agency, adapter) in self._recalled:
            return
        await asyncio.to_thread(self._notes.forget, agency, adapter, now)
        async with self._outbox.change(agency) as connection:
            database = str(await connection.fetchval(_QUERIES["this_database"]))
        if await asyncio.to_thread(self._notes.known, agency, adapter) != database:
            found, pages = 0, self._notes.lying(agency, adapter)
            while page := await asyncio.to_thread(next, pages, ()):
                columns = (
                    [one.read_id for one in page],
                    [one.revision for one in page],
                    [one.captured_at for one in page],
                )
                async with self._outbox.change(agency) as connection:
                    found += changed(
                        await connection.execute(
                            _QUERIES["found_there"], agency, adapter, *columns, now + _BROUGHT_AGAIN
                        )
                    )
            if found:
                logger.warning("repository_recollected", extra={"adapter": adapter, "reads": found})
            await asyncio.to_thread(self._notes.know, agency, adapter, database)
        self._recalled.add((agency, adapter))

    async def _exchange(self, agency: str, adapter: str, now: datetime) -> None:
        for _ in range(TURNS):
            went = await self._send_next(agency, adapter, now)
            if went is False:
                return
            if went is None:
                made = [await make(agency, adapter, now) for make in (self._make_withdrawals, self._make_reads)]
                if not any(made):
                    return

    async def _look(self, agency: str, adapter: str, now: datetime) -> None:
        """Find reads that lie there and are not stored here any more, should they have gone without `purged` being told."""
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["look"], agency, adapter, now, LOOKED_AT)
            gone = [row["read_id"] for row in rows if row["due_day"] is None]
            later = [(row["read_id"], _look_at(row["due_day"], now)) for row in rows if row["due_day"] is not None]
            await connection.execute(_QUERIES["purged_here"], agency, adapter, gone)
            ids, times = [one for one, _ in later], [at for _, at in later]
            await connection.execute(_QUERIES["look_later"], agency, adapter, ids, times)

    async def _make_reads(self, agency: str, adapter: str, now: datetime) -> bool:
        async with self._outbox.change(agency) as connection:
            if adapter != self.adapter_of(agency) or not await connection.fetchval(
                _QUERIES["running"], agency, adapter
            ):
                return False
            waiting = await connection.fetch(_QUERIES["waiting_items"], agency, adapter, BATCH)
            if not waiting:
                return False
            ids, times = [row["read_id"] for row in waiting], [row["captured_at"] for row in waiting]
            stored = await connection.fetch(_QUERIES["stored_reads"], agency, ids, times)
            going = [row for row in stored if row["plate"] and not row["retracted"]]
            left = sorted(set(ids) - {row["read_id"] for row in going})
            await connection.execute(_QUERIES["drop_items"], agency, adapter, left)
            if not going:
                return True
            read_ids, revisions = [row["read_id"] for row in going], [row["revision"] for row in going]
            noted = [Noted(row["read_id"], row["revision"], row["captured_at"]) for row in going]
            await asyncio.to_thread(self._notes.sent, agency, adapter, now, noted)
            await connection.execute(_QUERIES["mark_sent"], agency, adapter, read_ids, revisions)
            await self._put_batch(connection, agency, adapter, READS, read_ids, revisions, [], now)
        return True

    async def _make_withdrawals(self, agency: str, adapter: str, now: datetime) -> bool:
        async with self._outbox.change(agency) as connection:
            rows = await connection.fetch(_QUERIES["items_back"], agency, adapter, BATCH)
            if not rows:
                return False
            read_ids, revisions = [row["read_id"] for row in rows], [row["sent_revision"] for row in rows]
            await connection.execute(_QUERIES["mark_taking"], agency, adapter, read_ids)
            reasons = [row["take_back"] for row in rows]
            await self._put_batch(connection, agency, adapter, WITHDRAWALS, read_ids, revisions, reasons, now)
        return True

    async def _put_batch(
        self, connection: Any, agency: str, adapter: str, kind: str, read_ids: Sequence[UUID], revisions: Sequence[int],
        reasons: Sequence[str], now: datetime,
    ) -> None:  # fmt: skip
        batch_id = UUID(event_id(agency, adapter, f"{kind} {now.isoformat()} {secrets.token_hex(8)}"))
        await connection.execute(
            _QUERIES["put_batch"], batch_id, agency, adapter, kind, list(read_ids), list(revisions), list(reasons), now
        )
        await self._record(connection, agency, adapter, f"repository_{kind}_made", str(batch_id), len(read_ids), now)

    async def _send_next(self, agency: str, adapter: str, now: datetime) -> bool | None:
        """Send one batch; None when there is none whose time has come, False when it failed or another process sends."""
        async with self._outbox.change(agency) as connection:
            if not await connection.fetchval(_QUERIES["turn_lock"], agency, adapter):
                return False
            running = bool(await connection.fetchval(_QUERIES["running"], agency, adapter))
            running = running and adapter == self.adapter_of(agency)
            batch = await connection.fetchrow(_QUERIES["open_batch"], agency, adapter, now, running)
            if batch is None:
                return None
            body, count = await self._body(connection, agency, adapter, batch)
            if not count:  # all of it was purged or corrected before it left
                await connection.execute(
                    _QUERIES["batch_done"], batch["batch_id"], "refused", None, "nothing of it is kept any more", ""
                )
                return True
            sent = await self._sender.send(agency, str(batch["batch_id"]), body, now)
            metrics.REPOSITORY.labels(batch["kind"], "taken" if sent.taken else "failed").inc()
            final = sent.final and batch["kind"] == READS  # what must come back is asked for again and again
            if not sent.taken and not final:
                wait = min(_SLOWEST, _FIRST_WAIT * 2 ** min(batch["attempts"], 20))
                await connection.execute(_QUERIES["batch_failed"], batch["batch_id"], now + wait, sent.problem)
                return False
            digest, delivered = hashlib.sha256(body).hexdigest(), now if sent.taken else None
            state = "delivered" if sent.taken else "refused"
            await connection.execute(_QUERIES["batch_done"], batch["batch_id"], state, delivered, sent.problem, digest)
            if batch["kind"] == WITHDRAWALS:
                await connection.execute(_QUERIES["taken_back"], agency, adapter, batch["read_ids"])
                await asyncio.to_thread(self._notes.back, agency, adapter, now, batch["read_ids"])
            await self._record(
                connection, agency, adapter, f"repository_{batch['kind']}_{state}", str(batch["batch_id"]), count, now,
                sha256=digest, outcome="ok" if sent.taken else "error",
            )  # fmt: skip
        return True

    async def _body(self, connection: Any, agency: str, adapter: str, batch: Any) -> tuple[bytes, int]:
        """Lay a batch out as it leaves, every read with its owner; of reads only what still may lie there."""
        head = {
            "form": "plateline-repository/1",
            "kind": batch["kind"],
            "batch_id": str(batch["batch_id"]),
            "owner_agency": agency,
            "owner_name": self._profiles[agency].name,
            "made_at": batch["made_at"].isoformat(),
        }
        items: list[dict[str, Any]]
        if batch["kind"] == WITHDRAWALS:
            told = zip(batch["read_ids"], batch["revisions"], batch["reasons"], strict=True)
            items = [{"read_id": str(one), "revision": revision, "reason": why} for one, revision, why in told]
        else:
            out = await connection.fetch(_QUERIES["still_out"], agency, adapter, batch["read_ids"], batch["revisions"])
            revisions = dict(zip(batch["read_ids"], batch["revisions"], strict=True))
            ids, times = [row["read_id"] for row in out], [row["captured_at"] for row in out]
            stored = await connection.fetch(_QUERIES["stored_reads"], agency, ids, times) if ids else []
            items = [
                _item(row, agency) for row in stored
                if row["revision"] == revisions[row["read_id"]] and not row["retracted"]
            ]  # fmt: skip
        return json.dumps({**head, "items": items}, separators=(",", ":")).encode(), len(items)

    async def _record(
        self, connection: Any, agency: str, adapter: str, kind: str, batch_id: str, count: int, now: datetime, *,
        sha256: str = "", outcome: str = "ok",
    ) -> None:  # fmt: skip
        await self._outbox.record(
            connection, None, kind, batch_id, "1", now, agency=agency, outcome=outcome,
            profile_version=self._profiles[agency].version,
            facts={"adapter": adapter, "batch_id": batch_id, "reads": str(count), "sha256": sha256},
        )  # fmt: skip


def _look_at(due_day: date, now: datetime) -> datetime:
    """When to look again for a read that is still stored: after its due day, or soon where a hold keeps it."""
    if due_day == date.max:
        return now + _LOOK_AGAIN
    ended = datetime(due_day.year, due_day.month, due_day.day, tzinfo=UTC) + _DAY_ENDED
    return max(ended, now + _LOOK_AGAIN)


def _item(row: Any, agency: str) -> dict[str, Any]:
    """Lay a read out for the repository: what was read where and when, by which of whose cameras; no image, no hit."""
    plain = ("revision", "plate", "state", "confidence", "device_id", "device_kind", "device_name", "camera_id",
             "direction", "latitude", "longitude")  # fmt: skip
    return {
        "read_id": str(row["read_id"]),
        "owner_agency": agency,
        **{name: row[name] for name in plain},
        "captured_at": row["captured_at"].isoformat(),
        "received_at": row["received_at"].isoformat(),
    }
