"""The loops of this service: keep what arrives, have image keys ready, purge what is due."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from alprcore import profiles
from alprcore.errors import InvalidMessage, Transient
from alprcore.kafka import Message, Publisher
from alprcore.model import AuditEvent, Hit, ImageKey, Person, Read, event_id, make_id, to_us
from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile, add_years, due_day
from alprcore.refusals import RefusalLog
from alprcore.seal import open_image, seal_image
from alprcore.topics import Topic, physical
from alprcore.wire import (
    decode_hit,
    decode_read,
    encode_audit_event,
    encode_image_key,
    headers_for,
)

from . import metrics
from .expiry import LIVE, held_key, image_prefixes, key_days, purge_before, refused_as_of, usual_days
from .store import HOLD, ImageKeys, Records

logger = logging.getLogger(__name__)

SOURCE: Final = "/alpr/retention"
TELL_SECONDS: Final = 2.0
"""How long a live image waits for the ledger's topic; hits must show while that is away (design 7)."""
_USED_KEPT: Final = timedelta(days=1)
_NOTED_AT_ONCE: Final = 30
"""Due days noted in one turn for each agency: 0.3 s a day with 68,000 reads."""
_KEYS_AT_ONCE: Final = 50  # published together: one turn of the broker for all of them


class Profiles(profiles.Profiles):
    """The policy in force by agency, and what it says of a read."""

    def due(self, read: Read) -> date:
        """The day on which a read falls due; `Transient` until its agency's policy is known."""
        try:
            profile = self[read.agency]
        except KeyError:
            raise Transient("no policy is known for the agency of a read") from None
        return due_day(read.captured_at, read.received_at, read.device_kind, profile)


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
        for message in messages:
            if message.topic == reads_topic:
                read = decode_read(message.value or b"", message.headers)
                if not read.canary:  # a test plate is no record
                    reads.append((read, self.profiles.due(read)))
            else:
                hit = decode_hit(message.value or b"", message.headers)
                if not hit.read.canary:
                    hits.append((hit, self.profiles.due(hit.read)))
        await self.records.keep(reads, hits)
        for message in messages:
            self._positions[message.topic, message.partition] = (message.offset + 1, "")

    def position(self, partition: tuple[str, int]) -> tuple[int, str] | None:
        """The offset after the last stored record."""
        return self._positions.get(partition)


class Images:
    """Sealed images: opened here and nowhere else."""

    def __init__(self, objects: ImageStore, keys: ImageKeys) -> None:
        self.objects, self.keys = objects, keys

    async def open(self, agency: str, image: dict[str, Any]) -> bytes:
        """The plain JPEG. Raises `KeyError` when image or key is gone, `InvalidMessage` when it is not the one read."""
        data = await self.objects.get(image["key"])
        if image["sealed_to"]:
            private = self.keys.private(agency, image["sealed_to"])
            if private is None:
                raise KeyError(image["key"])
            data = open_image(private, data, aad=image["key"].encode())
        if hashlib.sha256(data).hexdigest() != image["sha256"]:
            raise InvalidMessage("IMAGE_DAMAGED", "the image is not the one that was read")
        return data

    async def reseal(self, agency: str, read_id: str, image: dict[str, Any]) -> dict[str, Any]:
        """Seal an image to the agency's hold key and open it once more before anyone relies on it."""
        if image["sealed_to"] == HOLD:
            return image
        plain = await self.open(agency, image)
        kept = {**image, "key": held_key(agency, read_id, image["role"]), "sealed_to": HOLD}
        sealed = seal_image(self.keys.ensure(agency, HOLD), plain, aad=kept["key"].encode())
        await self.objects.put(kept["key"], sealed)
        await self.open(agency, kept)
        return kept


class House:
    """Image keys, purges and what the ledger is told about them."""

    def __init__(
        self,
        records: Records,
        images: Images,
        profiles: Mapping[str, AgencyProfile],
        publisher: Publisher,
        clock: Callable[[], datetime],
    ) -> None:
        self.records, self.images, self.profiles = records, images, profiles
        self._publisher, self._clock = publisher, clock
        self._published: set[tuple[str, date]] = set()
        self._refusals = RefusalLog(self._refused, clock)

    async def tell(self, event: AuditEvent) -> None:
        """Hand an event to the ledger's topic and wait until it is there; `Transient` when it cannot be."""
        headers = headers_for(Topic.AUDIT, id=event.event_id, source=SOURCE, time=event.occurred_at)
        value = encode_audit_event(event)
        await self._publisher.publish(Topic.AUDIT, key=event.event_id, value=value, headers=headers)

    async def tell_of(
        self,
        person: Person | None,
        kind: str,
        subject: str,
        facts: Mapping[str, str],
        *,
        refused: str = "",
        address: str = "",
    ) -> None:
        """Tell what a person did or was refused; a topic that is away delays the answer by 2 s and is counted."""
        now = self._clock()
        profile = self.profiles.get(person.agency) if person else None
        event = AuditEvent(
            event_id=event_id(subject, kind, f"{to_us(now)}"),
            occurred_at=now,
            agency=person.agency if person else "",
            kind=kind,
            service="retention",
            outcome="refused" if refused else "ok",
            reason_code=refused,
            profile_version=profile.version if profile else "",
            facts=dict(facts),
            personal=_told(person) if person else {"source_ip": address} if address else {},
        )
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self.tell(event)
        except (Transient, TimeoutError):
            metrics.UNTOLD.inc()
            logger.warning("ledger_not_told", extra={"kind": kind})

    async def tell_refusal(self, person: Person | None, address: str, code: str, facts: Mapping[str, str]) -> None:
        """Tell of a refused call: one event each, a flood of nameless ones by address and minute (AUD-09)."""
        await self._refusals.tell(person, address, code, facts)

    async def tell_counted_refusals(self) -> None:
        """Tell of the refusals of the last minute that had no event of their own."""
        await self._refusals.flush()

    async def _refused(self, person: Person | None, address: str, code: str, facts: Mapping[str, str]) -> None:
        subject = f"{facts.get('route', '')} {secrets.token_hex(8)}"
        await self.tell_of(person, "refused", subject, facts, refused=code, address=address)

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

    async def purge(self, as_of: date | None = None) -> dict[str, Any]:
        """Purge every due day before `as_of` (default: all that have ended); answers the run with its certificate.

        Raises `PermissionError` RETENTION_FLOOR for a date that would take records early, PURGE_RUNNING for a second one.
        """
        now = self._clock()
        if as_of is not None and refused_as_of(as_of, now):
            raise PermissionError("RETENTION_FLOOR")
        before = as_of or purge_before(now)
        await self.records.forget(list(self.profiles), now - LIVE, now - _USED_KEPT)
        run_id = make_id("purge", now.isoformat())
        await self._tell_again()
        certificate: dict[str, Any] = {"run_id": run_id, "as_of": before.isoformat(), "days": [], "lone_keys": 0}
        async with self.records.purging() as alone:
            if not alone:
                raise PermissionError("PURGE_RUNNING")
            await self.records.start_run(run_id, before, now)
            try:
                for day in await self.records.due_days(before):
                    async with self.records.purging_day():
                        certificate["days"].append(await self._purge_day(day, now))
                certificate["lone_keys"] = await self._destroy_old_keys(before)
            except Transient as error:
                certificate["broke_off"] = str(error)
                await self.records.finish_run(run_id, self._clock(), "incomplete", certificate)
                raise
        metrics.OVERDUE.set(len(await self.records.due_days(before)))
        certificate["outcome"] = "incomplete" if any(day["refused"] for day in certificate["days"]) else "complete"
        outcome = certificate["outcome"] if await self._certified(certificate, now) else "incomplete"
        await self.records.finish_run(run_id, self._clock(), outcome, certificate)
        logger.info("purge_finished", extra={"run_id": run_id, "outcome": outcome})
        return (await self.records.runs(run_id))[0]

    async def _tell_again(self) -> None:
        """Tell the ledger of runs that it has not heard of; the ids are the same, so twice does no harm."""
        for run in await self.records.runs():
            if run["certificate"].get("untold"):
                certificate, started = run["certificate"], datetime.fromisoformat(run["started_at"])
                if await self._certified(certificate, started):
                    await self.records.finish_run(run["run_id"], self._clock(), certificate["outcome"], certificate)

    async def _purge_day(self, day: date, now: datetime) -> dict[str, Any]:
        """Hold, then images, then the key, then the rows: whatever breaks, the next run finds the day again."""
        agencies = await self.records.day_agencies(day)
        report: dict[str, Any] = {"day": day.isoformat(), "agencies": agencies, "held": 0, "images": 0, "refused": ""}
        newest = await self.records.newest_received(day, agencies)
        if newest is not None and add_years(newest.date(), 1) >= now.date():
            return {**report, "refused": "RETENTION_FLOOR"}
        try:
            while rows := await self.records.held(day, agencies):
                for row in rows:
                    kept = [await self._reseal(row, image) for image in row["images"]]
                    await self.records.move_held(row, day, kept)
                    report["held"] += 1
            for key in await self.records.stray_images(day, agencies):
                await self.images.objects.delete(key)
                report["images"] += 1
            for prefix in (prefix for agency in agencies for prefix in image_prefixes(agency, day)):
                report["images"] += await self.images.objects.delete_prefix(prefix)
            report["keys"] = [agency for agency in agencies if await self._destroy_key(agency, day)]
            counts = await self.records.drop_day(day)
        except PermissionError as error:
            return {**report, "refused": str(error)}
        for kind in ("reads", "hits"):
            metrics.PURGED.labels(kind).inc(counts[kind])
        metrics.PURGED.labels("images").inc(report["images"])
        return {**report, **counts}

    async def _reseal(self, row: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.images.reseal(row["agency"], str(row["read_id"]), image)
        except KeyError:
            logger.error("held_image_missing", extra={"read_id": str(row["read_id"]), "role": image["role"]})
            return {**image, "key": "", "missing": True}

    async def _destroy_key(self, agency: str, day: date) -> bool:
        gone = await asyncio.to_thread(self.images.keys.destroy, agency, day.isoformat())
        if gone:
            metrics.PURGED.labels("keys").inc()
            metrics.KEYS.dec()
        await self._publish_key(agency, day, None)
        return gone

    async def _destroy_old_keys(self, before: date) -> int:
        """Destroy keys of days that nothing was stored under, or whose rows went with an earlier, broken run."""
        still = set(await self.records.due_days(before))
        old = [(agency, day) for agency, day in self.images.keys.days() if day < before and day not in still]
        for agency, day in old:
            await self._destroy_key(agency, day)
        return len(old)

    async def _certified(self, certificate: dict[str, Any], now: datetime) -> bool:
        """Tell the ledger of a run, once for each agency concerned; False, and marked so, when that must wait."""
        days = certificate["days"]
        try:
            for agency in sorted({agency for day in days for agency in day["agencies"]}) or [""]:
                mine = [day for day in days if agency in day["agencies"]]
                profile = self.profiles.get(agency)
                sums = {what: sum(day.get(what, 0) for day in mine) for what in ("reads", "hits", "held", "images")}
                facts = {
                    "run_id": certificate["run_id"],
                    "as_of": certificate["as_of"],
                    "outcome": certificate["outcome"],
                    "days": " ".join(day["day"] for day in mine),
                    **{what: str(number) for what, number in sums.items()},
                }
                await self.tell(
                    AuditEvent(
                        event_id=event_id(certificate["run_id"], "purge", agency),
                        occurred_at=now,
                        agency=agency,
                        kind="purge",
                        service="retention",
                        profile_version=profile.version if profile else "",
                        facts=facts,
                    )
                )
        except Transient:
            certificate["untold"] = True
            return False
        certificate.pop("untold", None)
        return True


def _told(person: Person) -> dict[str, str]:
    """A person's fields as an event's personal texts."""
    return {name: " ".join(value) if isinstance(value, tuple) else value for name, value in asdict(person).items()}


async def every(seconds: float, stop: asyncio.Event, job: Callable[[], Any]) -> None:
    """Do a job now and then every so many seconds, until `stop`; what passes by itself is tried again next time."""
    while not stop.is_set():
        try:
            await job()
        except (Transient, PermissionError) as error:
            logger.warning("job_put_off", extra={"job": getattr(job, "__name__", ""), "reason": str(error)})
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue
