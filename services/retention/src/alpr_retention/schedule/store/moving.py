"""Reads, their hits and their images under other due days: what an approved change or a hit asks for."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore.errors import InvalidMessage, Transient
from alprcore.model import DeviceKind
from alprcore.policy import AgencyProfile
from alprcore.seal import seal_image

from ... import metrics
from ...store import Images, Records
from ...telling import Outbox
from .. import rules
from .changes import QUERIES, Changes

log = logging.getLogger(__name__)
BATCH: Final = 500
"""Reads moved in one transaction: keepers wait for it, some 20 ms."""
_IMAGES_AT_ONCE: Final = 8
_FIRST: Final = UUID(int=0)
_UNREAD_FOR: Final = timedelta(days=2)
"""A hit may come this long before its read; after that the read is among the dead letters."""
_AGAIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Move:
    """One read on its way to another day, its images as they were and as they are sealed anew."""

    read_id: UUID
    captured_at: datetime
    day: date
    was: list[dict[str, Any]]
    images: list[dict[str, Any]]

    @property
    def left(self) -> list[str]:
        """Objects that nothing names any more once the move is committed."""
        kept = {image["key"] for image in self.images}
        return [image["key"] for image in self.was if image["key"] and image["key"] not in kept]


class Mover:
    """Moves reads between due days. An image goes with its read: it is sealed anew to the key of the new day.

    In this order, so that whatever breaks is made good by the next turn: the image under its new day, opened once;
    rows, and the old object's name in the list of what is to be deleted, in one transaction; the old object.
    """

    def __init__(self, outbox: Outbox, records: Records, images: Images, changes: Changes) -> None:
        self._outbox, self._records, self._images, self._changes = outbox, records, images, changes

    async def move(
        self, change: Mapping[str, Any], profile: AgencyProfile, now: datetime, before: date | None = None
    ) -> bool:
        """Move what an approved change still has to move; only from due days before a day, or from all.

        Answers whether nothing is left to move.
        """
        agency, today = change["agency"], now.astimezone(UTC).date()
        asked = rules.under(profile, json.loads(change["after"]))
        await self.sweep(agency)
        for day in await self._changes.due_days(agency):
            if before is not None and day >= before:
                return False
            groups = await self._changes.groups(agency, day, asked)
            if rules.moves(asked, groups, day, today):
                await self._move_day(change, asked, day, today)
        await self._move_held(agency, asked, today)
        return True

    async def _move_day(self, change: Mapping[str, Any], profile: AgencyProfile, day: date, today: date) -> None:
        agency, after = change["agency"], _FIRST
        while True:
            async with self._outbox.change(agency) as connection:
                rows = await connection.fetch(QUERIES["batch"], agency, day, after, bool(profile.retention.hits), BATCH)
            wanted = []
            for row in rows:
                to_day = rules.new_day_of(
                    profile, DeviceKind(row["device_kind"]), row["captured_at"], row["received_at"],
                    hit=row["hit"], lies_on=day, today=today,
                )  # fmt: skip
                if to_day != day:
                    wanted.append((row["read_id"], row["captured_at"], to_day, json.loads(row["images"])))
            if wanted:
                await self._go(agency, day, wanted, change["change_id"])
            if len(rows) < BATCH:
                return
            after = rows[-1]["read_id"]

    async def _go(
        self,
        agency: str,
        day: date,
        wanted: Sequence[tuple[UUID, datetime, date, list[dict[str, Any]]]],
        change_id: UUID | None = None,
    ) -> int:
        """Seal anew, then move rows that are still as they were read; answers how many moved."""
        limit = asyncio.Semaphore(_IMAGES_AT_ONCE)

        async def made(read_id: UUID, captured_at: datetime, to_day: date, was: list[dict[str, Any]]) -> _Move:
            async with limit:
                images = [await self._sealed_to(agency, str(read_id), to_day, image) for image in was]
            return _Move(read_id, captured_at, to_day, was, images)

        going = await asyncio.gather(*(made(*one) for one in wanted))
        await self._records.ensure_days({move.day for move in going})
        try:
            moved = await self._commit(agency, day, going, change_id)
        except asyncpg.CheckViolationError as error:  # the partition went with a purge: the next turn makes it
            self._records.forget_days()
            raise Transient("partition gone") from error
        await self._delete(agency, [key for move in going if move.read_id in moved for key in move.left])
        metrics.MOVED.inc(len(moved))
        return len(moved)

    async def _commit(self, agency: str, day: date, going: Sequence[_Move], change_id: UUID | None) -> set[UUID]:
        async with self._outbox.change(agency) as connection:
            await connection.fetchval(QUERIES["move_lock"])
            await connection.fetchval(QUERIES["day_lock"], day)
            ids, days = [move.read_id for move in going], [move.day for move in going]
            images = [json.dumps(move.images) for move in going]
            rows = await connection.fetch(
                QUERIES["move_reads"], agency, day, ids, days, images, [json.dumps(move.was) for move in going]
            )
            moved = {row["read_id"] for row in rows}
            done = [move for move in going if move.read_id in moved]
            there = [move.read_id for move in done], [move.day for move in done]
            await connection.execute(QUERIES["move_hits"], agency, day, *there)
            await connection.execute(
                QUERIES["move_live_hits"], agency, there[0], [json.dumps(move.images) for move in done],
                sorted({day, *there[1]}),
            )  # fmt: skip
            pairs = {(move.captured_at.astimezone(UTC).date(), move.day) for move in done}
            await connection.executemany(QUERIES["keep_captured_day"], [(agency, *pair) for pair in sorted(pairs)])
            await connection.execute(QUERIES["put_moved_objects"], agency, [key for move in done for key in move.left])
            await connection.execute(QUERIES["uncount"], agency, day)
            if change_id is not None:
                sums: dict[date, int] = {}
                for move in done:
                    sums[move.day] = sums.get(move.day, 0) + 1
                await connection.execute(QUERIES["moved_days"], agency, change_id, day, list(sums), list(sums.values()))
        return moved

    async def _sealed_to(self, agency: str, read_id: str, day: date, image: dict[str, Any]) -> dict[str, Any]:
        """The image sealed to a day's key, under its own name and opened once; one that is under no day stays as it is.

        Where it is gone but its copy under the day lies there already (the database came back from a backup), that counts.
        """
        sealed_to = image.get("sealed_to", "")
        if not image["key"] or not _is_day(sealed_to) or sealed_to == day.isoformat():
            return image
        key = f"{image['role']}/{agency}/{day.isoformat()}/{read_id}.jpg"
        there = {**image, "key": key, "sealed_to": day.isoformat()}
        try:
            plain = await self._images.open(agency, image)
        except (KeyError, InvalidMessage):
            try:
                await self._images.open(agency, there)
            except (KeyError, InvalidMessage):
                log.error("moved_image_missing", extra={"read_id": read_id, "role": image["role"]})
                return image
            return there
        public = await asyncio.to_thread(self._images.keys.ensure, agency, day.isoformat())
        await self._images.objects.put(key, seal_image(public, plain, aad=key.encode()))
        await self._images.open(agency, there)
        return there

    async def _move_held(self, agency: str, profile: AgencyProfile, today: date) -> None:
        """Held reads lie under no day: only the day on which they fall due after their hold changes."""
        after = _FIRST
        while True:
            async with self._outbox.change(agency) as connection:
                rows = await connection.fetch(QUERIES["held_batch"], agency, after, bool(profile.retention.hits), BATCH)
                wanted = {}
                for row in rows:
                    day = rules.new_day_of(
                        profile, DeviceKind(row["device_kind"]), row["captured_at"], row["received_at"],
                        hit=row["hit"], lies_on=row["was_due"], today=today,
                    )  # fmt: skip
                    if day != row["was_due"]:
                        wanted[row["read_id"]] = day
                if wanted:
                    await connection.execute(QUERIES["move_held"], agency, list(wanted), list(wanted.values()))
            if len(rows) < BATCH:
                return
            after = rows[-1]["read_id"]

    async def sweep(self, agency: str) -> None:
        """Delete images whose reads moved and that a broken turn left behind."""
        while True:
            async with self._outbox.change(agency) as connection:
                rows = await connection.fetch(QUERIES["moved_objects"], agency, BATCH)
            if not rows:
                return
            await self._delete(agency, [row["object_key"] for row in rows])

    async def _delete(self, agency: str, keys: Iterable[str]) -> None:
        names = list(keys)
        for key in names:
            await self._images.objects.delete(key)
        if names:
            async with self._outbox.change(agency) as connection:
                await connection.execute(QUERIES["forget_moved_objects"], agency, names)

    async def settle(self, agency: str, now: datetime) -> int:
        """Bring single reads under the day they belong on: they hit a list, or were sealed to another day's key.

        A hit whose read has not come yet is looked at again a minute later. Answers how many were settled.
        """
        settled = 0
        while True:
            async with self._outbox.change(agency) as connection:
                rows = await connection.fetch(QUERIES["resettle"], agency, now, BATCH)
            for row in rows:
                settled += await self._settle(agency, row, now)
            if len(rows) < BATCH:
                return settled

    async def _settle(self, agency: str, asked: Mapping[str, Any], now: datetime) -> bool:
        read_id, captured_at, today = asked["read_id"], asked["captured_at"], now.astimezone(UTC).date()
        async with self._outbox.change(agency) as connection:
            lies_on = await connection.fetchval(QUERIES["read_lies_on"], agency, read_id, captured_at)
            text = None
            if lies_on is not None and lies_on != date.max:
                text = await connection.fetchval(QUERIES["read_images"], agency, lies_on, read_id)
        day = max(asked["to_day"], today)
        ended = lies_on is not None or captured_at <= now - _UNREAD_FOR
        if asked["reason"] == "image_day" and lies_on is not None and lies_on < today:
            ended = True  # it goes with the next purge, its images by name
        elif text is not None and lies_on is not None:
            day = lies_on if asked["reason"] == "image_day" else max(day, lies_on)
            ended = bool(await self._go(agency, lies_on, [(read_id, captured_at, day, json.loads(text))]))
        elif lies_on is None and asked["reason"] == "hit":
            await self._move_lone_hits(agency, read_id, captured_at, day)
        async with self._outbox.change(agency) as connection:
            if ended:
                await connection.execute(QUERIES["forget_resettle"], agency, read_id, asked["to_day"])
            else:
                await connection.execute(QUERIES["put_off_resettle"], agency, read_id, now + _AGAIN)
        return ended

    async def _move_lone_hits(self, agency: str, read_id: UUID, captured_at: datetime, day: date) -> None:
        """Move hits that came before their read."""
        await self._records.ensure_days([day])
        async with self._outbox.change(agency) as connection:
            await connection.fetchval(QUERIES["move_lock"])
            for row in await connection.fetch(QUERIES["hits_lie_on"], agency, read_id, captured_at):
                if row["due_day"] < day:
                    on = captured_at.astimezone(UTC).date()
                    await connection.execute(QUERIES["keep_captured_day"], agency, on, day)
                    await connection.execute(QUERIES["move_hits"], agency, row["due_day"], [read_id], [day])


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
