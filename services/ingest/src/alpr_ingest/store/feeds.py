"""Feeds, their pulls, and what is known of the age of lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import asyncpg

from alpr_ingest.feeds import DayCount, Feed, FeedKind, Outcome, Pull, Schedule
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store.lists import entry_of, list_of
from alpr_ingest.store.outbox import Outgoing, put_out
from alprcore.model import Entry
from alprcore.postgres import load_queries, translated

QUERIES: Final = load_queries("alpr_ingest.store", "feeds.sql")
_STOPPED: Final = "feed_stopped"


@dataclass(frozen=True, slots=True)
class WatchedList:
    """A list and what its age is judged by; `running`: it is being pulled; `alarmed`: it was found too old before."""

    target: ActiveList
    watched_from: datetime
    confirmed_at: datetime | None
    fed: bool
    running: bool
    alarmed: bool
    judged_to: date | None


class Feeds:
    """Feeds of all agencies: every method raises `Transient` while the database is away."""

    _pool: asyncpg.Pool

    async def feed(self, agency: str, code: str) -> Feed | None:
        """Find the feed of a list."""
        with translated():
            row = await self._pool.fetchrow(QUERIES["feed"], agency, code)
        return None if row is None else _feed(row)

    async def feeds_of(self, agency: str) -> dict[str, tuple[Feed, str, str]]:
        """Give the feeds of an agency by list code, each with outcome and reason code of its newest pull."""
        with translated():
            rows = await self._pool.fetch(QUERIES["feeds_of"], agency)
        return {row["code"]: (_feed(row), row["outcome"] or "", row["reason_code"] or "") for row in rows}

    async def set_feed(self, feed: Feed, outgoing: Sequence[Outgoing]) -> None:
        """Set where a list is fetched from; what the feed before it had reached is forgotten."""
        fields = (
            feed.agency, feed.code, feed.kind.value, feed.address, feed.layout, feed.schedule.every_s,
            list(feed.schedule.at), feed.credential, feed.host_key, feed.move_loaded, list(feed.sources), feed.permissible_use, feed.set_by, feed.set_at,
            feed.next_at,
        )  # fmt: skip
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["set_feed"], *fields)
                await connection.execute(QUERIES["clear_list_alarm"], feed.agency, feed.code, _STOPPED)
                await put_out(connection, outgoing)

    async def _change(self, query: str, arguments: Sequence[Any], outgoing: Sequence[Outgoing]) -> bool:
        """Do one of the named changes together with its messages; answers whether there was anything to change."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(QUERIES[query], *arguments) is None:
                    return False
                await put_out(connection, outgoing)
        return True

    async def remove_feed(self, agency: str, code: str, outgoing: Sequence[Outgoing]) -> bool:
        """Stop fetching a list; what was wrong with its feed no longer matters."""
        return await self._change("remove_feed", (agency, code), outgoing)

    async def ask_pull(self, agency: str, code: str, now: datetime, person: str, outgoing: Sequence[Outgoing]) -> bool:
        """Make a list due at once."""
        return await self._change("ask_pull", (agency, code, now, person), outgoing)

    async def set_categories_off(
        self, agency: str, code: str, off: Sequence[str], outgoing: Sequence[Outgoing]
    ) -> bool:
        """Switch categories of a list off; the next load leaves their lines out."""
        return await self._change("set_categories_off", (agency, code, list(off)), outgoing)

    async def due_feeds(self, now: datetime, limit: int) -> list[Feed]:
        """List the feeds whose time has come, longest waiting first."""
        with translated():
            return [_feed(row) for row in await self._pool.fetch(QUERIES["due_feeds"], now, limit)]

    @asynccontextmanager
    async def pulling(self, agency: str, code: str) -> AsyncIterator[bool]:
        """Be the only one, among all processes, that pulls this list; gives False when another one does."""
        name = f"{agency}/{code}"
        with translated():
            async with self._pool.acquire() as connection:
                if not await connection.fetchval(QUERIES["lock_feed"], name):
                    yield False
                    return
                try:
                    yield True
                finally:
                    await connection.fetchval(QUERIES["unlock_feed"], name)

    async def begin_pull(self, feed: Feed, now: datetime) -> int:
        """Note that a pull begins; one that another process began and never ended was interrupted."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(QUERIES["interrupt_pulls"], feed.agency, feed.code, now)
                return int(await connection.fetchval(QUERIES["begin_pull"], feed.agency, feed.code, now, feed.asked_by))

    async def end_pull(
        self,
        feed: Feed,
        pull: Pull,
        outgoing: Sequence[Outgoing],
        *,
        raised: Sequence[Outgoing] | None,
        cleared: Sequence[Outgoing] | None,
    ) -> None:
        """Note what became of a pull, and where its feed stands now; `feed` is the feed as it is from here on.

        `raised` are the messages of an alarm that stops the feed, sent if it does not stand already, `cleared` those of
        its end, sent if it stood. A pull that was asked for meanwhile stays due.
        A look into a drop folder that found nothing new leaves no row: there is one a minute.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if pull.outcome is Outcome.NOTHING_NEW:
                    await connection.execute(QUERIES["drop_pull"], pull.number)
                else:
                    await connection.execute(
                    QUERIES["end_pull"], pull.number, pull.ended_at, pull.outcome.value, pull.reason_code, pull.detail,
                    pull.size, pull.sha256, pull.version,
                )  # fmt: skip
                await connection.execute(
                    QUERIES["feed_pulled"], feed.agency, feed.code, feed.set_at, feed.next_at, feed.failures,
                    feed.last_ok_at, feed.etag, feed.modified, feed.sha256, feed.version, feed.refused, pull.started_at,
                )  # fmt: skip
                await put_out(connection, outgoing)
                where = (feed.agency, feed.code, _STOPPED)
                if raised is not None:
                    alarm = (*where, pull.reason_code, pull.ended_at)
                    if await connection.fetchval(QUERIES["raise_list_alarm"], *alarm) is not None:
                        await put_out(connection, raised)
                elif cleared is not None and await connection.fetchval(QUERIES["clear_list_alarm"], *where) is not None:
                    await put_out(connection, cleared)

    async def postpone_feed(self, feed: Feed, until: datetime) -> None:
        """Put off a feed that cannot be pulled now."""
        with translated():
            await self._pool.execute(QUERIES["postpone_feed"], feed.agency, feed.code, feed.set_at, until)

    async def rolled_back(self, agency: str, code: str) -> set[bytes]:
        """Give the digests of the files that people have rolled back."""
        with translated():
            rows = await self._pool.fetch(QUERIES["rolled_back"], agency, code)
        return {row["file_sha256"] for row in rows}

    async def pulls(self, agency: str, code: str, limit: int) -> list[Pull]:
        """List the newest pulls of a list."""
        with translated():
            rows = await self._pool.fetch(QUERIES["pulls"], agency, code, limit)
        names = [name for name in Pull.__dataclass_fields__ if name != "outcome"]
        return [Pull(**{name: row[name] for name in names}, outcome=Outcome(row["outcome"])) for row in rows]

    async def forget_pulls(self, before: datetime) -> None:
        """Forget pulls that ended before a moment."""
        with translated():
            await self._pool.execute(QUERIES["forget_pulls"], before)

    async def raise_alarm(
        self, agency: str, code: str, kind: str, reason_code: str, now: datetime, outgoing: Sequence[Outgoing]
    ) -> bool:
        """Say once that something is wrong with a list, and again when it is something else; answers whether it is new."""
        return await self._change("raise_list_alarm", (agency, code, kind, reason_code, now), outgoing)

    async def clear_alarm(self, agency: str, code: str, kind: str, outgoing: Sequence[Outgoing]) -> bool:
        """Say that it is mended; answers whether it had been wrong."""
        return await self._change("clear_list_alarm", (agency, code, kind), outgoing)

    async def watched_lists(self, now: datetime, running_since: datetime) -> list[WatchedList]:
        """List what is loaded from files, with what its age is judged by."""
        with translated():
            await self._pool.execute(QUERIES["begin_watch"], now)
            rows = await self._pool.fetch(QUERIES["watched_lists"], running_since)
        return [
            WatchedList(
                target=list_of(row),
                watched_from=row["watched_from"],
                confirmed_at=row["last_ok_at"],
                fed=row["fed"],
                running=row["running"],
                alarmed=row["alarmed"],
                judged_to=row["judged_to"],
            )
            for row in rows
        ]

    async def entries_of(self, target: ActiveList, skeletons: Sequence[str]) -> list[Entry]:
        """Give the entries of a list's version in force that have one of these skeletons."""
        with translated():
            rows = await self._pool.fetch(QUERIES["entries_of"], target.agency, target.code, skeletons, target.version)
        return [entry_of(row) for row in rows]

    async def loads_between(self, agency: str, code: str, begin: datetime, end: datetime) -> int:
        """Count the successful loads of a list in a span of time, and the pulls that found it unchanged."""
        with translated():
            return int(await self._pool.fetchval(QUERIES["loads_between"], agency, code, begin, end))

    async def judge_day(self, target: ActiveList, count: DayCount, outgoing: Sequence[Outgoing]) -> bool:
        """Keep what a closed day had; answers whether it was not judged before."""
        where = (target.agency, target.code, count.day, count.loads, count.needed)
        return await self._change("judge_day", where, outgoing)


def _feed(row: Mapping[str, Any]) -> Feed:
    names = set(Feed.__dataclass_fields__) - {"kind", "schedule", "sources"}
    return Feed(
        **{name: row[name] for name in names},
        kind=FeedKind(row["kind"]),
        schedule=Schedule(row["every_s"], tuple(row["at"])),
        sources=tuple(row["sources"]),
    )
