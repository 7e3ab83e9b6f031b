"""The rows of a purge: runs, items, orders, answers, certificates; and what the database alone may remove."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore import wire
from alprcore.model import PURGE_HELD, PURGE_PART, PurgeAnswer, PurgeOrder
from alprcore.postgres import load_queries, translated
from alprcore.topics import Topic

from ...telling import SOURCE, Outbox
from ..rules import Item
from .shapes import Run, answers_of, item_of, order_id_of, run_of

QUERIES: Final = load_queries("alpr_retention.purging")
LONG_S: Final = 600.0
"""How long a statement over a whole day may take; an ordinary one has 15 s."""


class Rows:
    """The purge's part of schema `retention`, always within the agencies that the caller names."""

    def __init__(self, pool: asyncpg.Pool, outbox: Outbox) -> None:
        self._pool, self.outbox = pool, outbox

    @asynccontextmanager
    async def scoped(self, agencies: Iterable[str]) -> AsyncIterator[Any]:
        """Open a transaction that sees these agencies' rows. Raises `Transient`."""
        async with self.outbox.change(*agencies) as connection:
            yield connection

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Be the only purge; False when another one runs. Holds may be placed meanwhile."""
        with translated():
            connection = await self._pool.acquire()
        try:
            with translated():  # not around the purge: its refusals are not the database's
                got = bool(await connection.fetchval(QUERIES["alone"]))
            yield got
        finally:
            with translated():
                await self._pool.release(connection)  # a connection given back holds no locks

    async def agencies(self, also: Iterable[str] = ()) -> list[str]:
        """Every agency that has or had records here."""
        with translated():
            rows = await self._pool.fetch(QUERIES["known_agencies"])
        return sorted({row[0] for row in rows} | set(also))

    async def due_days(self, before: date) -> list[date]:
        """Due days before this one that still have partitions."""
        with translated():
            return [row[0] for row in await self._pool.fetch(QUERIES["due_days"], before)]

    async def day_agencies(self, day: date) -> list[str]:
        """The agencies with records under this due day."""
        with translated():
            return [row[0] for row in await self._pool.fetch(QUERIES["day_agencies"], day)]

    async def runs_known(self, run_ids: Iterable[UUID]) -> set[UUID]:
        """Which of these runs this database knows."""
        with translated():
            return {row[0] for row in await self._pool.fetch(QUERIES["runs_known"], list(run_ids))}

    async def start(self, run: Run) -> None:
        """Write that a run began."""
        with translated():
            await self._pool.execute(
                QUERIES["start_run"], UUID(run.run_id), run.as_of, run.started_at, run.asked_by, run.asked_name,
                run.asked_agency, run.settle_by,
            )  # fmt: skip

    async def end(self, run_id: str, now: datetime, outcome: str) -> None:
        """Write that a run's own steps are over (`running`: its doors are waited for), or how it ended."""
        with translated():
            await self._pool.execute(QUERIES["end_run"], UUID(run_id), now, outcome)

    async def break_off(self, agencies: Sequence[str], now: datetime) -> None:
        """Mark what a process left that is no more: its runs are incomplete, what was only planned is planned anew."""
        async with self.scoped(agencies) as connection:
            await connection.execute(QUERIES["broken_items"], now)
            await connection.execute(QUERIES["broken_runs"], now)

    async def runs(self, run_id: str = "") -> list[Run]:
        """The last hundred runs, newest first, or the named one."""
        with translated():
            return [run_of(row) for row in await self._pool.fetch(QUERIES["runs"], UUID(run_id) if run_id else None)]

    async def unsettled(self, agencies: Sequence[str]) -> list[Run]:
        """Runs whose own steps are over and that wait for answers, or whose answers came after their certificate."""
        async with self.scoped(agencies) as connection:
            return [run_of(row) for row in await connection.fetch(QUERIES["unsettled_runs"])]

    async def items(self, agencies: Sequence[str], run_ids: Sequence[str]) -> dict[str, list[Item]]:
        """What these runs did or do for these agencies, with what the services answered, by run."""
        ids = [UUID(run) for run in run_ids]
        async with self.scoped(agencies) as connection:
            rows = await connection.fetch(QUERIES["items"], ids)
            said = await connection.fetch(QUERIES["answers"], ids)
        heard: dict[str, list[Any]] = {}
        for row in said:
            heard.setdefault(str(row["order_id"]), []).append(row)
        found: dict[str, list[Item]] = {}
        for row in rows:
            run_id, item = str(row["run_id"]), item_of(row)
            orders = [order_id_of(run_id, item.agency, item.due_day, item.kind, part) for part in range(item.parts)]
            answers = answers_of([one for order in orders for one in heard.get(order, ())])
            found.setdefault(run_id, []).append(replace(item, answers=answers))
        return found

    async def open_items(self, agencies: Sequence[str]) -> list[tuple[str, Item]]:
        """Items whose records are gone and whose key or images are not yet, with their runs."""
        async with self.scoped(agencies) as connection:
            return [(str(row["run_id"]), item_of(row)) for row in await connection.fetch(QUERIES["open_items"])]

    async def plan(self, run_id: str, items: Sequence[Item], now: datetime) -> None:
        """Write what is to be done before anything is done."""
        async with self.scoped({item.agency for item in items}) as connection:
            for item in items:
                await connection.execute(
                    QUERIES["plan"], UUID(run_id), item.agency, item.due_day, item.kind, item.state, item.reason_code,
                    item.profile_version, now,
                )  # fmt: skip

    async def refuse(self, run_id: str, item: Item, code: str, now: datetime) -> None:
        """Write that these records may not go, and why."""
        await self.step("refuse_item", run_id, item, code, now)

    async def step(self, query: str, run_id: str, item: Item, *values: Any) -> None:
        """Write one step of an item."""
        async with self.scoped([item.agency]) as connection:
            await connection.execute(QUERIES[query], UUID(run_id), item.agency, item.due_day, item.kind, *values)

    async def held_reads(self, agency: str, day: date) -> list[tuple[UUID, list[UUID]]]:
        """Reads that lie on this due day (`date.max`: those moved out of theirs) under a hold, with their holds."""
        async with self.scoped([agency]) as connection:
            rows = await connection.fetch(QUERIES["held_reads"], agency, day, timeout=LONG_S)
        return [(row["read_id"], row["hold_ids"]) for row in rows]

    async def reads_to_move(self, agency: str, day: date, read_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Images of these reads of a due day."""
        async with self.scoped([agency]) as connection:
            rows = await connection.fetch(QUERIES["reads_to_move"], agency, day, read_ids)
        return [{"read_id": row["read_id"], "images": json.loads(row["images"])} for row in rows]

    async def move_held(
        self, run_id: str, agency: str, day: date, held: Mapping[UUID, Sequence[UUID]], images: Mapping[UUID, Any]
    ) -> None:
        """Take held reads and their hits out of their due day; `held`: their holds, `images`: where these lie now."""
        async with self.scoped([agency]) as connection:
            await connection.fetchval(QUERIES["move_lock"])
            await connection.execute(QUERIES["move_captured"], agency, day, list(held))
            ids = list(images)
            texts = [json.dumps(images[read]) for read in ids]
            holds = [",".join(map(str, held[read])) for read in ids]
            await connection.execute(QUERIES["move_reads"], agency, day, ids, texts, holds)
            await connection.execute(QUERIES["move_hits"], agency, day, list(held))
            known = await connection.fetchval(QUERIES["item_holds"], UUID(run_id), agency, day)
            sums = Counter(json.loads(known or "{}"))
            sums.update(str(hold) for read in ids for hold in held[read])
            await connection.execute(QUERIES["add_held"], UUID(run_id), agency, day, len(ids), json.dumps(dict(sums)))

    async def ended_holds(self, agency: str, day: date) -> dict[str, int]:
        """Reads of a day that only holds cover which have ended, by hold."""
        async with self.scoped([agency]) as connection:
            rows = await connection.fetch(QUERIES["ended_holds"], agency, day, timeout=LONG_S)
        return {str(row["hold_id"]): row["reads"] for row in rows}

    async def cut(
        self, run_id: str, day: date, items: Mapping[str, Item], *, whole: bool, now: datetime
    ) -> dict[str, Item]:
        """Remove a day's records of these agencies, order the same of every door, and write both down, all or nothing.

        `whole`: nobody else's records lie on the day, so that its partitions are dropped. Answers the items as they are now.
        Raises `PermissionError` RECORD_HELD or RETENTION_FLOOR; then nothing has happened.
        """
        going = sorted(items)
        cut: dict[str, Item] = {}
        try:
            async with self.scoped(going) as connection:
                await connection.fetchval(QUERIES["close_day"], day, timeout=LONG_S)
                parts = {agency: await self._order(connection, run_id, agency, day, now) for agency in going}
                asked = (QUERIES["drop_day"], day) if whole else (QUERIES["empty_day"], day, going)
                gone = json.loads(await connection.fetchval(*asked, timeout=LONG_S))["agencies"]
                await connection.fetchval(QUERIES["scope"], ",".join(going))
                for agency, item in items.items():
                    was = gone.get(agency, {"reads": 0, "hits": 0, "strays": []})
                    await connection.execute(
                        QUERIES["cut_item"], UUID(run_id), agency, day, "day", was["reads"], was["hits"], parts[agency],
                        was["strays"], json.dumps(dict(item.holds)), now,
                    )  # fmt: skip
                    cut[agency] = replace(
                        item, state="cut", reads=was["reads"], hits=was["hits"], strays=tuple(was["strays"])
                    )
        except asyncpg.CheckViolationError as error:
            raise PermissionError(error.message or "RETENTION_FLOOR") from error
        return cut

    async def cut_released(self, run_id: str, item: Item, now: datetime) -> dict[str, int]:
        """Remove records that a hold kept beyond their day and none keeps any more, as `cut` does."""
        agency, day = item.agency, item.due_day
        holds: Counter[str] = Counter()
        try:
            async with self.scoped([agency]) as connection:
                await connection.fetchval(QUERIES["hold_lock"])
                reads = await connection.fetch(QUERIES["released_reads"], agency, day, timeout=LONG_S)
                hits = await connection.fetch(QUERIES["released_hits"], agency, day, timeout=LONG_S)
                keys = [image["key"] for row in reads for image in json.loads(row["images"]) if image["key"]]
                for row in reads:
                    holds.update(str(hold) for hold in row["held_under"] or ())
                pairs = [(str(row["hit_id"]), str(row["read_id"])) for row in hits]
                going = frozenset({str(row["read_id"]) for row in (*reads, *hits)})
                parts = await self._put_orders(connection, run_id, agency, day, item.kind, pairs, now, going)
                text = await connection.fetchval(QUERIES["drop_released"], agency, day, timeout=LONG_S)
                gone: dict[str, int] = json.loads(text)
                await connection.execute(
                    QUERIES["cut_item"], UUID(run_id), agency, day, "held", gone["reads"], gone["hits"], parts, keys,
                    json.dumps(dict(holds)), now,
                )  # fmt: skip
        except asyncpg.CheckViolationError as error:
            raise PermissionError(error.message or "RETENTION_FLOOR") from error
        return gone

    async def cut_again(self, run_id: str, item: Item, read_ids: Sequence[UUID], now: datetime) -> Item:
        """Remove what was purged before and a backup brought back; only while nobody vouches for the database.

        Raises `PermissionError` RECORD_HELD afterwards.
        """
        try:
            async with self.scoped([item.agency]) as connection:
                gone = json.loads(await connection.fetchval(QUERIES["drop_again"], item.agency, read_ids))
                await connection.execute(
                    QUERIES["cut_item"], UUID(run_id), item.agency, item.due_day, item.kind, gone["reads"],
                    gone["hits"], 0, [], "{}", now,
                )  # fmt: skip
        except asyncpg.CheckViolationError as error:
            raise PermissionError(error.message or "RECORD_HELD") from error
        return replace(item, state="cut", reads=gone["reads"], hits=gone["hits"])

    async def _order(self, connection: Any, run_id: str, agency: str, day: date, now: datetime) -> int:
        rows = await connection.fetch(QUERIES["hits_of_day"], agency, day, timeout=LONG_S)
        pairs = [(str(row["hit_id"]), str(row["read_id"])) for row in rows]
        return await self._put_orders(connection, run_id, agency, day, "day", pairs, now)

    async def _put_orders(
        self,
        connection: Any,
        run_id: str,
        agency: str,
        day: date,
        kind: str,
        pairs: Sequence[tuple[str, str]],
        now: datetime,
        going: frozenset[str] = frozenset(),
    ) -> int:
        """Order of every door what goes here, in parts; answers how many."""
        rows = await connection.fetch(QUERIES["held_of_day"], agency, day, PURGE_HELD + 1 + len(going))
        held = tuple(text for row in rows if (text := str(row["read_id"])) not in going)
        # an earlier day that still stands has held reads that nobody named
        all_named = await connection.fetchval(QUERIES["nothing_before"], agency, day, kind == "held")
        parts = max(1, -(-len(pairs) // PURGE_PART))
        for part in range(parts):
            mine = pairs[part * PURGE_PART : (part + 1) * PURGE_PART]
            order = PurgeOrder(
                order_id=order_id_of(run_id, agency, day, kind, part),
                run_id=run_id,
                agency=agency,
                due_day=day,
                part=part,
                parts=parts,
                hit_ids=tuple(hit for hit, _ in mine),
                read_ids=tuple(read for _, read in mine),
                held_read_ids=held[:PURGE_HELD],
                held_complete=all_named and len(held) <= PURGE_HELD,
                ordered_at=now,
            )
            headers = wire.headers_for(Topic.PURGES, id=order.order_id, source=SOURCE, time=now)
            value = wire.encode_purge_order(order)
            await self.outbox.put(connection, Topic.PURGES, key=agency, value=value, headers=headers, now=now)
        return parts

    async def forget_key(self, run_id: str, item: Item, *, gone: bool, now: datetime) -> None:
        """Write that a day's key is destroyed, and take its public half out of the topic."""
        async with self.scoped([item.agency]) as connection:
            if item.kind == "day":
                await self.unpublish(connection, item.agency, item.due_day, now)
            await connection.execute(QUERIES["keyless_item"], UUID(run_id), item.agency, item.due_day, item.kind, gone)

    async def unpublish(self, connection: Any, agency: str, day: date, now: datetime) -> None:
        """Take a day's public key out of its topic."""
        key = f"{agency}/{day.isoformat()}"
        headers = wire.headers_for(Topic.IMAGE_KEYS, id=key, source=SOURCE, time=now)
        await self.outbox.put(connection, Topic.IMAGE_KEYS, key=key, value=None, headers=headers, now=now)

    async def put_answer(self, answer: PurgeAnswer) -> None:
        """Keep what a service answered; the first answer to a part counts."""
        async with self.scoped([answer.agency]) as connection:
            await connection.execute(
                QUERIES["put_answer"], UUID(answer.order_id), answer.service, UUID(answer.run_id), answer.agency,
                answer.due_day, answer.part, json.dumps(dict(answer.gone)), json.dumps(dict(answer.left)),
                answer.answered_at,
            )  # fmt: skip

    async def released_days(self, agency: str, before: date) -> list[date]:
        """Due days of records that a hold kept beyond them and none keeps any more."""
        async with self.scoped([agency]) as connection:
            rows = await connection.fetch(QUERIES["released_days"], agency, before, timeout=LONG_S)
        return [row[0] for row in rows]

    async def certify(
        self,
        run_id: str,
        agency: str,
        certificate: Mapping[str, Any],
        sha256: str,
        done: Sequence[Item],
        now: datetime,
    ) -> None:
        """Keep an agency's certificate and tell the ledger of it, in one transaction (RET-15)."""
        totals, outcome = certificate["totals"], certificate["outcome"]
        facts = {
            "run_id": run_id,
            "as_of": certificate["as_of"],
            "outcome": outcome,
            "days": " ".join(day["day"] for day in certificate["days"]),
            **{name: str(number) for name, number in totals.items()},
            "errors": " ".join(error.replace(" ", ":") for error in certificate["errors"]),
            "holds": str(len(certificate["holds"])),
            "lost_images": str(len(certificate["lost_images"])),
            "certificate_sha256": sha256,
        }
        async with self.scoped([agency]) as connection:
            event = await self.outbox.record(
                connection, None, "purge", run_id, f"{agency} {sha256}", now, agency=agency,
                reason_code=certificate["errors"][0] if outcome == "stopped" else "",
                profile_version=certificate["profile_version"], facts=facts,
            )  # fmt: skip
            await connection.execute(
                QUERIES["put_certificate"], UUID(run_id), agency, outcome, json.dumps(certificate), sha256, event, now
            )
            for item in done:
                await connection.execute(QUERIES["done_item"], UUID(run_id), item.agency, item.due_day, item.kind, now)

    async def settle_run(self, run_id: str, now: datetime, outcome: str) -> None:
        """Write how a run ended for everybody; each agency's certificate says so to the ledger."""
        async with self.scoped([]) as connection:
            await connection.execute(QUERIES["end_run"], UUID(run_id), now, outcome)

    async def certificates(self, agencies: Sequence[str], run_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """The certificates of these runs, by run."""
        async with self.scoped(agencies) as connection:
            rows = await connection.fetch(QUERIES["certificates"], [UUID(run) for run in run_ids], "")
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(str(row["run_id"]), []).append(
                {**dict(row), "certificate": json.loads(row["certificate"])}
            )
        return found

    async def fetch(self, agency: str, query: str, *values: Any) -> list[Any]:
        """The rows of a question about one agency."""
        async with self.scoped([agency]) as connection:
            rows: list[Any] = await connection.fetch(QUERIES[query], agency, *values, timeout=LONG_S)
        return rows

    async def set_images(self, agency: str, read_id: UUID, images: Sequence[Any], holds: Sequence[UUID]) -> None:
        """Write where a held read's images lie now and under which holds."""
        async with self.scoped([agency]) as connection:
            await connection.execute(QUERIES["set_images"], agency, read_id, json.dumps(list(images)), list(holds))

    async def restore_hold(self, agency: str, hold_id: str, read_ids: Sequence[UUID], now: datetime) -> None:
        """Place a hold again that a database from a backup has lost; one that is there stays as it is."""
        async with self.scoped([agency]) as connection:
            await connection.fetchval(QUERIES["hold_lock"])
            await connection.execute(QUERIES["restore_hold"], UUID(hold_id), agency, now, list(read_ids))

    async def vouched(self) -> bool:
        """Whether somebody has vouched for this very database: every purge that it should know of is done in it."""
        with translated():
            return bool(await self._pool.fetchval(QUERIES["vouched"]))

    async def vouch(self) -> None:
        """Vouch for this database: from here on it answers."""
        with translated():
            await self._pool.fetchval(QUERIES["vouch"])
