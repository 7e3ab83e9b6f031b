"""The loops of this service: keep what arrives, have image keys ready, note the plates of ended days."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from typing_extensions import override

from alprcore import profiles
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import Message
from alprcore.model import Hit, ImageKey, Read, Refused
from alprcore.outbox import Publishes
from alprcore.policy import AgencyProfile, due_day, may_keep_less
from alprcore.topics import Topic, physical
from alprcore.wire import decode_hit, decode_read, encode_image_key, headers_for

from . import metrics
from .expiry import key_days, usual_days
from .store import Images, Records
from .telling import SOURCE

logger = logging.getLogger(__name__)

_NOTED_AT_ONCE: Final = 30
"""Due days noted in one turn for each agency: 0.3 s a day with 68,000 reads."""
_AGAIN_S: Final = 60.0
_KEYS_AT_ONCE: Final = 50  # published together: one turn of the broker for all of them


class Profiles(profiles.Profiles):
    """The policy in force by agency, and what it says of a read."""

    statute: str = ""
    """The law under which this deployment keeps records for less than a year; empty: none."""

    @override
    def apply(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Take a profile in force, or its end; one that this deployment may not follow is not taken (RET-01).

        Records of an agency without a profile wait on their topic. Raises `InvalidMessage`.
        """
        found = Profiles()
        profiles.Profiles.apply(found, key, value, headers)
        for profile in found.values():
            fits = may_keep_less(profile.retention, self.statute)
            if isinstance(fits, Refused):
                raise InvalidMessage(fits.reason_code, fits.detail)
        super().apply(key, value, headers)

    def due(self, read: Read) -> date:
        """The day on which a read falls due; `Transient` until its agency's policy is known."""
        try:
            profile = self[read.agency]
        except KeyError:
            raise Transient("no policy is known for the agency of a read") from None
        return due_day(read.captured_at, read.received_at, read.device_kind, profile)

    def longer(self, hit: Hit) -> date | None:
        """The day until which a read that hit is kept, where the policy keeps those longer than others."""
        profile, read = self.get(hit.read.agency), hit.read
        if profile is None or not profile.retention.hits:
            return None
        return due_day(read.captured_at, read.received_at, read.device_kind, profile, hit=True)


@dataclass(slots=True)
class Keeper:
    """Topics `reads` and `hits` into the database; what was fetched together is stored together."""

    records: Records
    profiles: Profiles
    topic_prefix: str
    _positions: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    async def assigned(self, positions: Mapping[tuple[str, int], tuple[int | None, str]]) -> None:  # noqa: ARG002
        """Begin anew: nothing is held between batches."""
        self._positions.clear()

    async def revoked(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Forget partitions that are somebody else's now."""
        for partition in partitions:
            self._positions.pop(partition, None)

    async def handle(self, messages: Sequence[Message]) -> None:
        """Store a batch; the last of several revisions of one read is decided by the database."""
        if not messages:
            return
        reads_topic = physical(Topic.READS, prefix=self.topic_prefix)
        reads: list[tuple[Read, date]] = []
        hits: list[tuple[Hit, date]] = []
        longer: dict[str, date] = {}
        for message in messages:
            if message.topic == reads_topic:
                read = decode_read(message.value or b"", message.headers)
                if not read.canary:  # a test plate is no record
                    reads.append((read, self.profiles.due(read)))
            else:
                hit = decode_hit(message.value or b"", message.headers)
                if not hit.read.canary:
                    hits.append((hit, self.profiles.due(hit.read)))
                    if (day := self.profiles.longer(hit)) is not None:
                        longer[hit.read.read_id] = day
        await self.records.keep(reads, hits, longer)
        for message in messages:
            self._positions[message.topic, message.partition] = (message.offset + 1, "")

    def position(self, partition: tuple[str, int]) -> tuple[int, str] | None:
        """The offset after the last stored record."""
        return self._positions.get(partition)


class House:
    """Image keys ready before frames need them, and the notes that keep searches short."""

    def __init__(
        self,
        records: Records,
        images: Images,
        profiles: Mapping[str, AgencyProfile],
        publisher: Publishes,
        clock: Callable[[], datetime],
    ) -> None:
        self.records, self.images, self.profiles = records, images, profiles
        self._publisher, self._clock = publisher, clock
        self._published: set[tuple[str, date]] = set()

    async def prepare_days(self) -> None:
        """Have keys ready for every due day that images may fall on, partitions for the usual ones; publish the keys.

        What cameras see now comes before what spools may still bring, and that before what only a wrong clock gives.
        The partition of such a rare day is made when a record comes.
        """
        now, profiles = self._clock(), dict(self.profiles)
        usual = {agency: usual_days(profile, now) for agency, profile in profiles.items()}
        wanted = {(agency, day) for agency, profile in profiles.items() for day in key_days(profile, now)}
        missing = sorted(wanted - self._published, key=lambda key: (key[1] in usual[key[0]], key[1]), reverse=True)
        for start in range(0, len(missing), _KEYS_AT_ONCE):
            await self._ready_keys(missing[start : start + _KEYS_AT_ONCE])
        await self.records.ensure_days(day for days in usual.values() for day in days)

    async def _ready_keys(self, keys: Sequence[tuple[str, date]]) -> None:
        made = await asyncio.to_thread(self.images.keys.ensure_all, keys)
        await asyncio.gather(
            *(
                self._publish_key(agency, day, encode_image_key(ImageKey(agency, day, public)))
                for (agency, day), public in zip(keys, made, strict=True)
            )
        )
        self._published.update(keys)
        metrics.KEYS.inc(len(keys))

    async def _publish_key(self, agency: str, day: date, value: bytes | None) -> None:
        key = f"{agency}/{day.isoformat()}"
        headers = headers_for(Topic.IMAGE_KEYS, id=key, source=SOURCE, time=self._clock())
        await self._publisher.publish(Topic.IMAGE_KEYS, key=key, value=value, headers=headers)

    async def note_days(self) -> None:
        """Note the plates of due days on which no more captures are expected; searches then open few days."""
        today = self._clock().astimezone(UTC).date()
        for agency in list(self.profiles):
            for day in await self.records.unnoted_days(agency, today, _NOTED_AT_ONCE):
                await self.records.note_day(agency, day)


async def every(seconds: float, stop: asyncio.Event, job: Callable[[], Any]) -> None:
    """Do a job now and then every so many seconds, until `stop`.

    One that was put off is tried again sooner: after a minute, then after two more, and so on.
    """
    again = _AGAIN_S
    while not stop.is_set():
        wait = seconds
        try:
            await job()
            again = _AGAIN_S
        except (Transient, PermissionError) as error:  # a purge a day must not wait for the next day
            logger.warning("job_put_off", extra={"job": getattr(job, "__name__", ""), "reason": str(error)})
            wait, again = min(seconds, again), again * 2
        try:
            await asyncio.wait_for(stop.wait(), wait)
        except TimeoutError:
            continue
