"""Changing one list: who holds its lock stages a version, publishes its buckets page by page and switches to it.

Two locks, both PostgreSQL advisory ones, so that they hold among all processes and end with their connection:
one per list for the length of a change, and one for all lists for the length of a page. A bucket holds the
entries of several lists: read, published and acknowledged under the lock of pages it never goes back to an
older state, and whoever enters a hot plate waits for one page of a large load, not for the load.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store.lists import QUERIES as LISTS
from alpr_ingest.store.lists import list_of
from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.errors import Transient
from alprcore.model import Entry
from alprcore.plates import skeleton
from alprcore.postgres import load_queries, translated
from alprcore.wire import EntryRow

QUERIES: Final = load_queries("alpr_ingest.store", "changing.sql")
KEPT_REJECTS: Final = 20
"""Versions of a list whose rejected lines can still be looked up."""
BULK_TIMEOUT_S: Final = 300.0
"""Statements over a whole list: five million entries take about two minutes."""
_POLL_S: Final = 0.05
_WAIT_S: Final = 10.0
_STAGED_COLUMNS: Final = ("entry_id", "held", "removal", "plate", "skeleton", "sealed", "key_id", "digest")


Buckets = Mapping[str, Sequence[EntryRow]]
"""All entries of some skeletons, by skeleton; rows, since a load gives a million of them."""


class ListBusy(Transient):
    """Somebody else has been changing this list for a while."""


@dataclass(frozen=True, slots=True)
class Load:
    """One new version of one list, and how it came about."""

    agency: str
    code: str
    version: int
    source_time: datetime
    staged_at: datetime
    loaded_by: str
    file_sha256: bytes
    entries: int
    added: int
    changed: int
    removed: int
    rejected: int
    mode: str = "full"
    layout: str = ""
    note: str = ""
    lifted: Sequence[str] = ()
    sources: Sequence[Mapping[str, str]] = field(default=())
    category_off: int = 0
    permissible_use: str = ""
    restores: int | None = None
    recipe: bytes = b""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Load:
        """Read a row of the table."""
        fields = {name: row[name] for name in cls.__dataclass_fields__}
        return cls(**fields | {"sources": json.loads(row["sources"])})


class Changing:
    """One list, locked: nobody else changes it. Everything raises `Transient` while the database is away."""

    def __init__(self, connection: Any, agency: str, code: str) -> None:
        self._connection = connection
        self._where = (agency, code)

    async def active(self) -> ActiveList | None:
        """Give the list as it is in force."""
        row = await self._connection.fetchrow(LISTS["hotlist"], *self._where)
        return None if row is None else list_of(row)

    async def unfinished(self) -> Load | None:
        """Give the load that was staged and not switched to, if there is one."""
        row = await self._connection.fetchrow(QUERIES["publishing_of"], *self._where)
        return None if row is None else Load.of(row)

    async def made(self, version: int) -> Load | None:
        """Give the load that made a version."""
        row = await self._connection.fetchrow(QUERIES["made"], *self._where, version)
        return None if row is None else Load.of(row)

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[None]:
        """Open the tables that hold a load until it is whole; they are this connection's own and vanish with it."""
        await self._connection.execute(QUERIES["drop_staged"])
        await self._connection.execute(QUERIES["make_staged"])
        await self._connection.execute(QUERIES["make_left_out"])
        try:
            yield
        finally:
            if not self._connection.is_closed():
                await self._connection.execute(QUERIES["drop_staged"])

    @asynccontextmanager
    async def comparing(self) -> AsyncIterator[None]:
        """Look entries up by their index, whatever the statistics say: they know nothing of a list just loaded."""
        await self._connection.fetchval(QUERIES["set_scans"], "off")
        try:
            yield
        finally:
            if not self._connection.is_closed():
                await self._connection.fetchval(QUERIES["set_scans"], "on")

    async def held(self, entry_ids: Sequence[str]) -> dict[str, bytes | None]:
        """Give the digests of those of these entries that are open; an entry's id belongs to one list alone."""
        rows = await self._connection.fetch(QUERIES["held"], entry_ids, timeout=BULK_TIMEOUT_S)
        return {str(row["entry_id"]): row["digest"] for row in rows}

    async def put(self, staged: Sequence[tuple[Any, ...]], left_out: Sequence[tuple[int, str]]) -> None:
        """Keep some lines of a file for the merge: those accepted, and numbers and codes of those left out."""
        await self._connection.copy_records_to_table(
            "staged", schema_name="pg_temp", columns=_STAGED_COLUMNS, records=staged, timeout=BULK_TIMEOUT_S
        )
        if left_out:
            await self._connection.copy_records_to_table(
                "left_out", schema_name="pg_temp", columns=("line", "reason_code"), records=left_out
            )

    async def keep_last_lines(self) -> tuple[int, int, int, int]:
        """Forget all lines of an entry but its last; answers how many put entries in, are known, the same, take out."""
        bulk = {"timeout": BULK_TIMEOUT_S}
        await self._connection.execute(QUERIES["analyze_staged"], **bulk)
        async with self._connection.transaction():
            await self._connection.execute(QUERIES["set_joins"])
            await self._connection.execute(QUERIES["drop_superseded"], **bulk)
        puts, known, same, removed = await self._connection.fetchrow(QUERIES["count_staged"], **bulk)
        return puts, known, same, removed

    async def merge(self, load: Load, outgoing: Sequence[Outgoing]) -> None:
        """Make what was staged the list's next version, in one transaction; nothing uses it before the switch.

        From here on the load is finished whatever happens: a killed ingest goes on with it.
        """
        where = (*self._where, load.version)
        bulk = {"timeout": BULK_TIMEOUT_S}
        await self._connection.execute(QUERIES["analyze_staged"], **bulk)
        async with self._connection.transaction():
            # by hashing and in order, whatever the statistics say: they may know nothing of a million rows yet
            await self._connection.execute(QUERIES["set_joins"])
            if load.mode == "full":
                await self._connection.execute(QUERIES["close_missing"], *where, **bulk)
            await self._connection.execute(QUERIES["close_replaced"], *where, **bulk)
            await self._connection.execute(QUERIES["insert_staged"], *where, **bulk)
            await self._add_load(load)
            await self._connection.execute(QUERIES["insert_rejects"], *where, **bulk)
            await self._connection.execute(QUERIES["forget_rejects"], *self._where, load.version - KEPT_REJECTS)
            await put_out(self._connection, outgoing)

    async def amend(
        self, draft: Load, add: Sequence[Entry], close: Collection[str], outgoing: Sequence[Outgoing]
    ) -> Load:
        """Write a change of a few entries as the next version, in one transaction, like `merge`; answers its counts."""
        records = [
            (UUID(e.entry_id), draft.version, *self._where, e.plate.reveal(), skeleton(e.plate), e.sealed, e.key_id)
            for e in add
        ]
        columns = ("entry_id", "from_version", "agency", "code", "plate", "skeleton", "sealed", "key_id")
        async with self._connection.transaction():
            rows = await self._connection.fetch(
                QUERIES["close_entries"], *self._where, draft.version, [UUID(name) for name in close]
            )
            closed, brought = {row["entry_id"] for row in rows}, {record[0] for record in records}
            load = replace(
                draft,
                entries=draft.entries + len(brought) - len(closed),
                added=len(brought - closed),
                changed=len(brought & closed),
                removed=len(closed - brought),
            )
            await self._connection.copy_records_to_table(
                "entries", schema_name="ingest", columns=columns, records=records
            )
            await self._add_load(load)
            await put_out(self._connection, outgoing)
        return load

    async def restore(self, draft: Load, rollback_id: str, outgoing: Sequence[Outgoing]) -> Load:
        """Write the content of an earlier version as the next one, in one transaction, like `merge`."""
        where = (*self._where, draft.version)
        bulk = {"timeout": BULK_TIMEOUT_S}
        async with self._connection.transaction():
            await self._connection.execute(QUERIES["set_joins"])
            closed = _count(await self._connection.execute(QUERIES["close_later"], *where, draft.restores, **bulk))
            opened = _count(await self._connection.execute(QUERIES["open_again"], *where, draft.restores, **bulk))
            both = int(await self._connection.fetchval(QUERIES["count_both"], *where, **bulk))
            load = replace(draft, added=opened - both, changed=both, removed=closed - both)
            await self._add_load(load)
            approved = (UUID(rollback_id), load.loaded_by, load.staged_at, load.version)
            await self._connection.execute(QUERIES["approve_rollback"], *approved)
            await put_out(self._connection, outgoing)
        return load

    async def _add_load(self, load: Load) -> None:
        await self._connection.execute(
            QUERIES["add_load"],
            *(load.agency, load.code, load.version, load.source_time, load.staged_at, load.loaded_by),
            *(load.file_sha256, load.entries, load.added, load.changed, load.removed, load.rejected),
            *(load.mode, load.layout, load.note, list(load.lifted), json.dumps([dict(s) for s in load.sources])),
            *(load.category_off, load.restores, load.permissible_use, load.recipe),
        )

    async def count_touched(self, load: Load) -> int:
        """Count the buckets that a load changes."""
        args = (*self._where, load.version)
        return int(await self._connection.fetchval(QUERIES["count_touched"], *args, timeout=BULK_TIMEOUT_S))

    async def touched(self, load: Load, after: str, limit: int) -> list[str]:
        """List the next skeletons whose buckets a load changes, in order."""
        args = (*self._where, load.version, after, limit)
        return [r["skeleton"] for r in await self._connection.fetch(QUERIES["touched"], *args, timeout=BULK_TIMEOUT_S)]

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the lock of pages; nothing but progress is written here."""
        async with self._connection.transaction():
            await self._connection.execute(QUERIES["hold_pages"])
            await self._connection.execute(QUERIES["set_hasty"])  # nobody needs to wait for the disk to keep progress
            yield

    async def buckets(self, skeletons: Sequence[str]) -> Buckets:
        """Give these buckets whole, as they are now; to be published before the lock of pages is let go."""
        return await buckets_of(self._connection, skeletons)

    async def end_offsets(self) -> dict[int, int]:
        """Give the end offsets that the active version was published with."""
        row = await self._connection.fetchrow(LISTS["hotlist"], *self._where)
        return {int(partition): offset for partition, offset in json.loads(row["end_offsets"]).items()}

    async def skeletons(self, after: str, limit: int) -> list[str]:
        """List the next skeletons whose buckets have entries of this list, in order."""
        rows = await self._connection.fetch(QUERIES["skeletons"], *self._where, after, limit, timeout=BULK_TIMEOUT_S)
        return [row["skeleton"] for row in rows]

    async def reannounce(self, ends: Mapping[int, int], outgoing: Sequence[Outgoing]) -> None:
        """Keep where the version in force ends on the topic by now, together with the messages that say so."""
        offsets = json.dumps({str(partition): offset for partition, offset in ends.items()})
        async with self._connection.transaction():
            await self._connection.execute(QUERIES["set_ends"], *self._where, offsets)
            await put_out(self._connection, outgoing)

    async def set_progress(self, load: Load, buckets: int, published: int) -> None:
        """Note how far the publication of a load has come."""
        await self._connection.execute(QUERIES["set_progress"], *self._where, load.version, buckets, published)

    async def activate(self, load: Load, ends: Mapping[int, int], now: datetime, outgoing: Sequence[Outgoing]) -> None:
        """Switch the list to a load, together with the messages that say so; once, whoever comes first."""
        where = (*self._where, load.version)
        offsets = json.dumps({str(partition): offset for partition, offset in ends.items()})
        async with self._connection.transaction():
            if await self._connection.fetchval(QUERIES["activate_load"], *where, now) is None:
                return
            await self._connection.execute(
                QUERIES["activate_list"], *where, load.entries, load.source_time, now, offsets, load.mode
            )
            await put_out(self._connection, outgoing)


class Changes:
    """The ways to change lists. Every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    @asynccontextmanager
    async def changing(self, agency: str, code: str) -> AsyncIterator[Changing]:
        """Be the only one that changes a list, among all processes; raises `ListBusy` when that takes too long.

        Who waits holds no connection: twenty people at one list must not keep the cameras out.
        """
        ends = time.monotonic() + _WAIT_S
        while time.monotonic() < ends:
            async with self.changing_now(agency, code) as changing:
                if changing is not None:
                    yield changing
                    return
            await asyncio.sleep(_POLL_S)
        raise ListBusy(f"list {code} is being changed")

    @asynccontextmanager
    async def changing_now(self, agency: str, code: str) -> AsyncIterator[Changing | None]:
        """Be the only one that changes a list, or None when somebody else is."""
        with translated():
            async with self._pool.acquire() as connection:
                if not await connection.fetchval(QUERIES["try_list"], agency, code):
                    yield None
                    return
                async with _released(connection, agency, code) as changing:
                    yield changing

    @asynccontextmanager
    async def looking(self, agency: str, code: str) -> AsyncIterator[Changing]:
        """Look at a list without locking it: for answers only."""
        with translated():
            async with self._pool.acquire() as connection:
                yield Changing(connection, agency, code)

    @asynccontextmanager
    async def spending(self, before: datetime, limit: int) -> AsyncIterator[tuple[Buckets, bool]]:
        """Take entries that no version in force has had since `before` off their buckets, which are given whole.

        Beside them stands whether there may be more. What is published inside the block is the state that is kept; when
        the block fails nothing has changed.
        """
        with translated():
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(QUERIES["due_skeletons"], before, limit)
                skeletons = sorted({row["skeleton"] for row in rows})
                async with connection.transaction():
                    if skeletons:
                        await connection.execute(QUERIES["hold_pages"])
                        await connection.execute(QUERIES["spend"], skeletons, before)
                    yield await buckets_of(connection, skeletons) if skeletons else {}, len(rows) == limit

    async def forget_spent(self, limit: int) -> int:
        """Delete entries off their buckets that no rollback would bring back; answers how many.

        Up to which version is kept: a device that holds an older copy gets the list whole.
        """
        with translated():
            return int(await self._pool.fetchval(QUERIES["forget_spent"], limit))


def _count(tag: str) -> int:
    """How many rows a statement touched, by its command tag."""
    return int(tag.rpartition(" ")[2])


@asynccontextmanager
async def _released(connection: Any, agency: str, code: str) -> AsyncIterator[Changing]:
    try:
        yield Changing(connection, agency, code)
    finally:
        if not connection.is_closed():
            await connection.fetchval(QUERIES["release_list"], agency, code)


async def buckets_of(connection: Any, skeletons: Sequence[str]) -> Buckets:
    """Gather all entries of these skeletons, of every list, with the spans they have."""
    found: dict[str, list[EntryRow]] = {name: [] for name in skeletons}
    for row in await connection.fetch(QUERIES["buckets"], skeletons, timeout=BULK_TIMEOUT_S):
        found[row[-1]].append(row[:-1])
    return found
