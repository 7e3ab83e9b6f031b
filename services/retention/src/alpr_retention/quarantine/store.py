"""Keeps dead letters of frames, reads and hits sealed under their agency and due day, and purges them with it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from alprcore import wire
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import Message
from alprcore.model import Frame, ImageRef, ImageRole, from_us
from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile
from alprcore.postgres import changed, load_queries, translated
from alprcore.seal import open_image, open_once, seal_image
from alprcore.topics import Topic

from .. import metrics
from ..store import ImageKeys
from ..telling import Outbox
from . import rules
from .rules import Letter

log = logging.getLogger(__name__)
_QUERIES: Final = load_queries("alpr_retention.quarantine")
_SCOPE: Final = "SELECT set_config('alpr.agencies', $1, true)"
_AT_ONCE: Final = 200
_REMEMBERED: Final = timedelta(days=9)
"""Days whose letters can still come: their topic keeps them for 8."""


class Quarantine:
    """Dead letters in the database and the object store (RET-11).

    The object is written before its row and removed before it, so that whatever breaks in between is found again by
    the next attempt.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        objects: ImageStore,
        keys: ImageKeys,
        profiles: Mapping[str, AgencyProfile],
        clock: Callable[[], datetime],
        outbox: Outbox,
        strangers: int = 10_000,
    ) -> None:
        """`strangers`: letters that no registered device has signed and that are kept whole of an agency and day."""
        self._pool, self._objects, self._keys, self._profiles, self._clock = pool, objects, keys, profiles, clock
        self._outbox, self._strangers = outbox, strangers
        self._kept: dict[tuple[str, date], int] = {}

    @asynccontextmanager
    async def _scoped(self, agency: str) -> AsyncIterator[Any]:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(_SCOPE, agency)
                yield connection

    async def take(self, message: Message) -> None:
        """Keep one dead letter, whatever it is; a repeat changes nothing. Raises `Transient`."""
        letter, frame = _letter(message, self._profiles)
        agency = letter.agency
        async with self._scoped(agency) as connection:
            if await connection.fetchval(_QUERIES["has_letter"], agency, UUID(letter.letter_id)):
                return
        if await self._floods(letter, len(message.value or b"")):
            return
        try:
            day = rules.stays_until(letter, self._profiles)
        except LookupError as error:
            raise Transient("no policy is known that says how long a dead letter stays") from error
        image, missing = await self._image(frame)
        packed = rules.pack(message.key, message.value, message.headers, image, missing=missing)
        key, name = rules.object_key(agency, day, letter.letter_id), rules.day_key(day)
        try:
            public = await asyncio.to_thread(self._keys.ensure, agency, name)
        except PermissionError:  # its day is purged: what comes so late is not kept any more
            log.warning("letter_too_late", extra={"letter_id": letter.letter_id, "due_day": day.isoformat()})
            return
        await self._objects.put(key, await asyncio.to_thread(seal_image, public, packed, aad=key.encode()))
        async with self._scoped(agency) as connection:
            await self._open_day(connection, agency, letter.received_at, day)
            await connection.execute(
                _QUERIES["put_letter"], UUID(letter.letter_id), day, agency, letter.topic, letter.reason_code,
                letter.service, letter.device_id, letter.camera_id, letter.device_kind, letter.captured_at,
                letter.received_at, self._clock(), letter.latitude, letter.longitude, key, name,
                hashlib.sha256(packed).digest(), len(packed), missing,
            )  # fmt: skip
        metrics.LETTERS.labels(letter.topic, "unattributed" if agency == rules.UNATTRIBUTED else "kept").inc()
        if letter.reason_code in rules.STRANGERS:
            self._kept[agency, letter.received_at.date()] += 1

    async def _floods(self, letter: Letter, size: int) -> bool:
        """Count a letter of a stranger that is not kept any more today; the first of a day and reason is told."""
        if letter.reason_code not in rules.STRANGERS:
            return False
        agency, on = letter.agency, letter.received_at.date()
        if (agency, on) not in self._kept:
            self._kept = {key: kept for key, kept in self._kept.items() if key[1] >= on - _REMEMBERED}
            async with self._scoped(agency) as connection:
                self._kept[agency, on] = await connection.fetchval(
                    _QUERIES["strangers"], agency, on, list(rules.STRANGERS)
                )
        if not rules.floods(letter, self._kept[agency, on], self._strangers):
            return False
        async with self._outbox.change(agency) as connection:
            first = await connection.fetchval(
                _QUERIES["count_flood"], agency, on, letter.topic, letter.reason_code, size, letter.received_at
            )
            if first:
                facts = {"topic": letter.topic, "code": letter.reason_code, "limit": str(self._strangers)}
                subject = f"{agency}/{on.isoformat()}/{letter.reason_code}"
                await self._outbox.record(
                    connection, None, "quarantine_flooded", subject, letter.topic, self._clock(), agency=agency,
                    facts=facts,
                )  # fmt: skip
                log.error("quarantine_flooded", extra={**facts, "agency": agency})
        metrics.LETTERS.labels(letter.topic, "counted").inc()
        return True

    async def _image(self, frame: Frame | None) -> tuple[bytes | None, bool]:
        """Fetch the image that a frame refers to, and say whether there should be one that is gone."""
        if frame is None or not isinstance(frame.image, ImageRef):
            return None, False
        ref = frame.image
        try:
            data = await self._objects.get(ref.key)
            return (open_once(ref.once_key, data, aad=ref.key.encode()) if ref.once_key else data), False
        except (KeyError, ValueError, InvalidMessage):
            return None, True

    async def payload(self, agency: str, letter_id: str) -> bytes | None:
        """Open what was kept of a letter, as `rules.pack` laid it out; None when there is none.

        Raises `InvalidMessage` when it is not what was kept.
        """
        async with self._scoped(agency) as connection:
            row = await connection.fetchrow(_QUERIES["one_letter"], agency, UUID(letter_id))
        return None if row is None else await self._opened(agency, row)

    async def _opened(self, agency: str, row: Any) -> bytes:
        private = self._keys.private(agency, row["sealed_to"])
        if private is None:
            raise KeyError(row["object_key"])
        sealed = await self._objects.get(row["object_key"])
        packed = await asyncio.to_thread(open_image, private, sealed, aad=row["object_key"].encode())
        if hashlib.sha256(packed).digest() != row["sha256"]:
            raise InvalidMessage("IMAGE_DAMAGED", "the letter is not the one that was kept")
        return packed

    async def purge(self, agency: str, due_day: date, now: datetime) -> dict[str, int]:  # noqa: ARG002 - as every door
        """Remove an agency's letters that fell due by a day and that no hold covers; answers how many went.

        What a hold covers is sealed anew to a key of its own first; a letter whose hold is over goes. Whatever breaks is
        ended by the next call: a key is destroyed when no row needs it, and the folder of keys is the list of what is
        left to do. Raises `Transient`.
        """
        gone = 0
        async with self._scoped(agency) as connection:
            days = [row["due_day"] for row in await connection.fetch(_QUERIES["due_days"], agency, due_day)]
        for day in days:
            gone += await self._purge_day(agency, day)
        gone += await self._purge_one_by_one(agency, due_day)
        await self._destroy_spent(agency, due_day)
        metrics.PURGED.labels("letters").inc(gone)
        return {"letters": gone}

    async def _purge_day(self, agency: str, day: date) -> int:
        async with self._scoped(agency) as connection:
            await connection.fetchval(_QUERIES["hold_lock"])
            while rows := await connection.fetch(_QUERIES["held_letters"], agency, day, _AT_ONCE):
                for row in rows:
                    key, name = await self._reseal(agency, row)
                    await connection.execute(_QUERIES["move_letter"], agency, row["letter_id"], key, name)
            for row in await connection.fetch(_QUERIES["day_letters"], agency, day):
                await self._keep_longer(connection, agency, row, day)
            return changed(await connection.execute(_QUERIES["drop_day"], agency, day))

    async def _keep_longer(self, connection: Any, agency: str, row: Any, day: date) -> None:
        """Move a letter to the day that the policy of today gives it, where that is a later one."""
        due = rules.stays_until(_known(row), self._profiles) if self._profiles else day
        if due <= day:
            return
        letter = str(row["letter_id"])
        key, name = await self._seal(agency, row, rules.object_key(agency, due, letter), rules.day_key(due))
        await self._open_day(connection, agency, row["received_at"], due)
        await connection.execute(_QUERIES["set_day"], agency, row["letter_id"], due, key, name)

    async def _open_day(self, connection: Any, agency: str, received_at: datetime, day: date) -> None:
        """Make the day known to purges, which go by days with partitions."""
        await connection.fetchval(_QUERIES["ensure_day"], day)
        await connection.execute(_QUERIES["put_day"], agency, received_at.astimezone(UTC).date(), day)

    async def _reseal(self, agency: str, row: Any) -> tuple[str, str]:
        letter = str(row["letter_id"])
        return await self._seal(agency, row, rules.held_object(agency, letter), rules.held_key(letter))

    async def _seal(self, agency: str, row: Any, key: str, name: str) -> tuple[str, str]:
        """Seal what lies there to another key under another name; gives these, also where nothing lies there."""
        try:
            packed = await self._opened(agency, row)
        except (KeyError, InvalidMessage):
            log.error("letter_missing", extra={"letter_id": str(row["letter_id"])})
            return key, name
        public = await asyncio.to_thread(self._keys.ensure, agency, name)
        await self._objects.put(key, await asyncio.to_thread(seal_image, public, packed, aad=key.encode()))
        return key, name

    async def _purge_one_by_one(self, agency: str, due_day: date) -> int:
        """Remove letters whose hold is over, and those that the policy of today keeps for a shorter time."""
        async with self._scoped(agency) as connection:
            await connection.fetchval(_QUERIES["hold_lock"])
            later = await connection.fetch(_QUERIES["later_letters"], agency, due_day) if self._profiles else []
            rows = [
                *await connection.fetch(_QUERIES["freed_letters"], agency, due_day),
                *(row for row in later if rules.stays_until(_known(row), self._profiles) <= due_day),
            ]
            for row in rows:  # object and key first: the row says that there is something to do
                await self._objects.delete(row["object_key"])
                if rules.day_of(row["sealed_to"]) is None:
                    await asyncio.to_thread(self._keys.destroy, agency, row["sealed_to"])
            ids = [row["letter_id"] for row in rows]
            return changed(await connection.execute(_QUERIES["drop_letters"], agency, ids))

    async def _destroy_spent(self, agency: str, due_day: date) -> None:
        """Destroy the keys of days up to this one of which nothing is kept, and what lies sealed to them."""
        for name in self._keys.names(agency, rules.DAY_KEY):
            day = rules.day_of(name)
            if day is None or day > due_day:
                continue
            async with self._scoped(agency) as connection:
                if await connection.fetchval(_QUERIES["has_day"], agency, day):
                    continue
            await self._objects.delete_prefix(rules.prefix(agency, day))
            await asyncio.to_thread(self._keys.destroy, agency, name)

    async def sweep_frames(self) -> int:
        """Remove images of frames whose messages are gone, and their keys with them; answers how many.

        Each was read within 12 h, or is a dead letter and kept as such.
        """
        before = self._clock() - rules.FRAMES_KEPT
        gone = 0
        for key in await self._objects.older(ImageRole.FRAME.value, before):
            await self._objects.delete(key)
            gone += 1
        metrics.PURGED.labels("frames").inc(gone)
        return gone

    async def lying(self, agency: str, after: str, limit: int) -> dict[str, Any]:
        """Tell what is kept of an agency: counts by topic and reason, and letters from the newest on, without contents."""
        async with self._scoped(agency) as connection:
            reasons = await connection.fetch(_QUERIES["reasons"], agency)
            rows = await connection.fetch(_QUERIES["letters"], agency, UUID(after) if after else None, limit)
            floods = await connection.fetch(_QUERIES["floods"], agency)
        return {
            "floods": [_shown(row) for row in floods],
            "reasons": [_shown(row) for row in reasons],
            "letters": [
                {
                    **_shown(row, without=("due_day", "was_due")),
                    "due_day": (row["was_due"] or row["due_day"]).isoformat(),
                    "held": row["was_due"] is not None,
                }
                for row in rows
            ],
            "next": str(rows[-1]["letter_id"]) if len(rows) == limit else None,
        }


def _known(row: Any) -> Letter:
    """What the table knows of a letter."""
    return Letter(
        str(row["letter_id"]), "", "", "", row["agency"], "", "", row["device_kind"], row["captured_at"],
        row["received_at"],
    )  # fmt: skip


def _shown(row: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, UUID) else value
        for name, value in dict(row).items()
        if name not in without
    }


def _letter(message: Message, profiles: Mapping[str, AgencyProfile]) -> tuple[Letter, Frame | None]:
    """Find out what a dead letter says of itself; one that says nothing is kept for nobody in particular."""
    headers = {name: _text(content.decode(errors="replace")) for name, content in message.headers.items()}
    topic = _logical(headers.get("dlq-topic", ""))
    frame, seen = _seen(topic, message)
    return (
        Letter(
            rules.letter_id(message.topic, message.partition, message.offset, message.timestamp_ms),
            topic,
            headers.get("dlq-code", "") or "UNKNOWN",
            headers.get("dlq-service", ""),
            rules.owner(headers.get("alpr-agency") or seen.get("agency", ""), profiles),
            _text(seen.get("device_id", "")),
            _text(seen.get("camera_id", "")),
            headers.get("alpr-device-kind") or seen.get("device_kind", ""),
            seen.get("captured_at"),
            rules.received(seen.get("received_at"), from_us(message.timestamp_ms * 1000)),
            seen.get("latitude"),
            seen.get("longitude"),
        ),
        frame,
    )


def _text(text: str) -> str:
    return text[:200].replace("\x00", "")  # which no column takes


def _logical(name: str) -> str:
    """Give a topic's name without the prefix of this deployment."""
    known = sorted((topic.value for topic in Topic), key=len, reverse=True)
    return next((topic for topic in known if name == topic or name.endswith(topic)), "unknown")


def _seen(topic: str, message: Message) -> tuple[Frame | None, dict[str, Any]]:
    """Read as much as can be read: a frame, a read, a hit, or what a device sent that is none of them."""
    value = message.value or b""
    try:
        match topic:
            case Topic.READS:
                read = wire.decode_read(value, message.headers)
            case Topic.HITS:
                read = wire.decode_hit(value, message.headers).read
            case _:
                frame = wire.decode_frame(value, message.headers)
                point = frame.location.point if frame.location else None
                return frame, {
                    "agency": frame.agency, "device_id": frame.device_id, "camera_id": frame.camera_id,
                    "captured_at": frame.captured_at, "received_at": frame.received_at,
                    "latitude": point and point.latitude, "longitude": point and point.longitude,
                }  # fmt: skip
    except InvalidMessage:
        return None, rules.sent(value)
    return None, {
        "agency": read.agency, "device_id": read.device_id, "camera_id": read.camera_id,
        "device_kind": read.device_kind.value, "captured_at": read.captured_at, "received_at": read.received_at,
        "latitude": read.location.point.latitude, "longitude": read.location.point.longitude,
    }  # fmt: skip
