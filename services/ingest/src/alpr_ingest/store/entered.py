"""What people enter one by one: hot plates and partial plates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store.lists import list_of
from alpr_ingest.store.outbox import Outgoing, Taken, put_out
from alprcore.model import Entry, Plate
from alprcore.plates import skeleton
from alprcore.postgres import load_queries, translated
from alprcore.topics import Topic

QUERIES: Final = load_queries("alpr_ingest.store", "entered.sql")


@dataclass(frozen=True, slots=True)
class EnteredPlate:
    """One hot plate or partial plate as it stands, its details sealed.

    `revision` grows with every change; `told` is the revision that the matchers were last told of; `gone` says that
    they were told of its end; `extends` and `successor` are the entries before and after it.
    """

    entry_id: str
    kind: str
    agency: str
    plate: Plate
    sealed: bytes
    key_id: str
    author: str
    entered_at: datetime
    effective_at: datetime
    expires_at: datetime
    extends: str = ""
    successor: str = ""
    withdrawn_at: datetime | None = None
    handed_over_at: datetime | None = None
    in_force_at: datetime | None = None
    revision: int = 1
    told: int = 0

    def entry(self, list_code: str, version: int) -> Entry:
        """Make the list entry of it."""
        return Entry(self.entry_id, self.plate, self.agency, list_code, version, 0, self.sealed, self.key_id)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """An entry of a state system's list with the plate of a hot plate, its details sealed."""

    hot_plate: EnteredPlate
    entry_id: str
    list_code: str
    sealed: bytes
    key_id: str


Announcing = Callable[[ActiveList], Sequence[Outgoing]]
"""Makes the messages that follow from the next version of the list of partial plates."""


class EnteredPlates:
    """Entries that people made: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def enter(self, one: EnteredPlate, outgoing: Sequence[Outgoing]) -> None:
        """Keep a hot plate together with its messages. Raises `Taken` when what it extends has a successor."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await _insert(connection, one)
                await put_out(connection, outgoing)

    async def enter_partial(
        self, one: EnteredPlate, has_room: Callable[[Mapping[str, int]], bool], announcing: Announcing
    ) -> None:
        """Keep a partial plate, announced with it. Raises `Taken` when there is no room beside those that live."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["hold_partials"])
                if not has_room(_by_agency(await connection.fetch(QUERIES["live_partials"]))):
                    raise Taken("partials")
                await _insert(connection, one)
                await _announce(connection, one.agency, one.entered_at, announcing)

    async def live_partials(self) -> Mapping[str, int]:
        """Count the partial plates that are matched, by agency."""
        with translated():
            return _by_agency(await self._pool.fetch(QUERIES["live_partials"]))

    async def living_of_plate(self, agency: str, plate: Plate, now: datetime) -> list[EnteredPlate]:
        """List an agency's hot plates of these characters that have not ended."""
        with translated():
            rows = await self._pool.fetch(QUERIES["living_of_plate"], agency, plate.reveal(), now)
        return [entered_of(row) for row in rows]

    async def one_entered(self, agency: str, kind: str, entry_id: str) -> EnteredPlate | None:
        """Find an entry of an agency."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["one_entered"], agency, kind, UUID(entry_id))
        return None if row is None else entered_of(row)

    async def entered(
        self, agency: str, kind: str, now: datetime, limit: int, *, ended: bool, after: tuple[bool, str] | None = None
    ) -> list[EnteredPlate]:
        """List an agency's entries, the newest first; with `ended` then also those that no longer match.

        `after` is the last entry of the page before, and whether it lived then: an entry that ends between two pages
        may be listed twice, and none is passed over.
        """
        lived, last = after if after is not None else (True, None)
        with translated():
            rows = await self._pool.fetch(
                QUERIES["entered"], agency, kind, ended, now, limit, last and UUID(last), lived
            )
        return [entered_of(row) for row in rows]

    async def withdraw(
        self,
        agency: str,
        kind: str,
        entry_id: str,
        now: datetime,
        messages: Callable[[Sequence[str]], Sequence[Outgoing]],
        announcing: Announcing | None = None,
    ) -> list[str]:
        """End an entry and what follows it, with the messages that say so; answers which were ended."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(QUERIES["withdraw_entered"], agency, kind, UUID(entry_id), now)
                ended = [str(row["entry_id"]) for row in rows]
                if ended:
                    await put_out(connection, messages(ended))
                    if announcing is not None:
                        await _announce(connection, agency, now, announcing)
        return ended

    async def change_entered(self, one: EnteredPlate, now: datetime, outgoing: Sequence[Outgoing]) -> bool:
        """Keep the new details and end of an entry; answers False when it has ended or changed meanwhile."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                changed = await connection.fetchval(
                    QUERIES["change_entered"], UUID(one.entry_id), one.revision, one.sealed, one.key_id,
                    one.expires_at, one.handed_over_at, now,
                )  # fmt: skip
                if changed is not None:
                    await put_out(connection, outgoing)
        return changed is not None

    async def untold(self, now: datetime, limit: int) -> list[EnteredPlate]:
        """List the hot plates of which the matchers do not know how they stand, agency by agency."""
        with translated():
            return [entered_of(row) for row in await self._pool.fetch(QUERIES["untold"], now, limit)]

    async def told(self, alive: Sequence[EnteredPlate], ended: Iterable[str], now: datetime) -> None:
        """Note that the matchers know of these."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                ids, revisions = [UUID(one.entry_id) for one in alive], [one.revision for one in alive]
                await connection.execute(QUERIES["mark_told"], ids, revisions, now)
                await connection.execute(QUERIES["mark_gone"], [UUID(one) for one in ended])

    async def end_partials(
        self, now: datetime, limit: int, messages: Callable[[str, Sequence[str]], tuple[Sequence[Outgoing], Announcing]]
    ) -> int:
        """End the partial plates whose time is over, with the messages that say so; answers how many."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["hold_partials"])
                rows = await connection.fetch(QUERIES["expired_partials"], now, limit)
                for agency in sorted({row["agency"] for row in rows}):
                    ids = [str(row["entry_id"]) for row in rows if row["agency"] == agency]
                    outgoing, announcing = messages(agency, ids)
                    await put_out(connection, outgoing)
                    await _announce(connection, agency, now, announcing)
        return len(rows)

    async def agencies_of_hot_plates(self, now: datetime) -> list[str]:
        """List the agencies with hot plates that a state system could take over."""
        with translated():
            return [row["agency"] for row in await self._pool.fetch(QUERIES["agencies_of_hot_plates"], now)]

    async def taken_over(self, agency: str, codes: Sequence[str], now: datetime) -> list[TakenOver]:
        """Find the hot plates whose plate stands in one of these lists now (HOT-17).

        Each is looked up by its skeleton, whatever the statistics say: in the middle of a large load they know nothing
        of a million entries, and to read them all keeps a hot plate waiting for seconds.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["by_skeleton"])
                rows = await connection.fetch(QUERIES["taken_over"], agency, list(codes), now)
        return [
            TakenOver(entered_of(r), str(r["other_id"]), r["other_code"], r["other_sealed"], r["other_key_id"])
            for r in rows
        ]

    async def partials_told(self, now: datetime) -> None:
        """Note of which partial plates the matchers know: those whose messages have left."""
        with translated():
            await self._pool.execute(QUERIES["mark_partials_told"], now)

    async def waits(self, topic: Topic, key: str) -> bool:
        """Tell whether a message of this key has not left yet."""
        with translated():
            return bool(await self._pool.fetchval(QUERIES["waits"], topic.value, key))

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[bool]:
        """Be the only process that tells of changes and ends; gives False when another one is."""
        with translated():
            async with self._pool.acquire() as connection:
                mine = await connection.fetchval(QUERIES["lock_entered"])
                try:
                    yield mine
                finally:
                    if mine:
                        await connection.fetchval(QUERIES["unlock_entered"])


async def _insert(connection: Any, one: EnteredPlate) -> None:
    kept = await connection.fetchval(
        QUERIES["enter"], UUID(one.entry_id), one.kind, one.agency, one.plate.reveal(), skeleton(one.plate), one.sealed,
        one.key_id, one.author, one.entered_at, one.effective_at, one.expires_at,
        UUID(one.extends) if one.extends else None,
    )  # fmt: skip
    if kept is None:
        raise Taken("successor")


def _by_agency(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {row["agency"]: row["live"] for row in rows}


async def _announce(connection: Any, agency: str, now: datetime, announcing: Announcing) -> None:
    row = await connection.fetchrow(QUERIES["partial_version"], agency, now)
    await put_out(connection, announcing(list_of(row)))


def entered_of(row: Mapping[str, Any]) -> EnteredPlate:
    """Read a row of the table."""
    return EnteredPlate(
        entry_id=str(row["entry_id"]),
        kind=row["kind"],
        agency=row["agency"],
        plate=Plate(row["plate"]),
        sealed=row["sealed"],
        key_id=row["key_id"],
        author=row["author"],
        entered_at=row["entered_at"],
        effective_at=row["effective_at"],
        expires_at=row["expires_at"],
        extends=str(row["extends"] or ""),
        successor=str(row.get("successor") or ""),
        withdrawn_at=row["withdrawn_at"],
        handed_over_at=row["handed_over_at"],
        in_force_at=row["in_force_at"],
        revision=row["revision"],
        told=row["told"],
    )
