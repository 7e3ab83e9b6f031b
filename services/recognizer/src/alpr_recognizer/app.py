"""The way of a frame through the recognizer: admission, models, passages, images, reads."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from typing_extensions import override

from alpr_recognizer import metrics
from alpr_recognizer.ctc import Text
from alpr_recognizer.models import FrameResult, Reader
from alpr_recognizer.models.jpeg import strip
from alpr_recognizer.settings import Settings
from alpr_recognizer.sighting import (
    DONE,
    LIMIT,
    Observed,
    Passage,
    Progress,
    Stamp,
    key_of,
    make_read,
    news,
    next_revision,
    observe,
    retraction,
)
from alprcore import policy, seal, wire
from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.kafka import BatchHandler, DeadLetters, Message, Publisher
from alprcore.model import Device, Frame, ImageRef, ImageRole, Read, Refused, View, from_us, to_us
from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile
from alprcore.profiles import profile_from_json
from alprcore.topics import Topic

logger = logging.getLogger(__name__)

_KEY_PATIENCE_S: Final = 60.0  # retention publishes keys ahead; a day still without one after this is not coming
_STUCK_S: Final = 30.0  # a passage nobody touched for this long ends even while other cameras are busy
_REPORT_WINDOW_S: Final = 60.0

Partition = tuple[str, int]


@dataclass(slots=True)
class Registry:
    """What the recognizer knows of devices, profiles and image keys: three topics, read whole."""

    devices: dict[str, Device] = field(default_factory=dict)
    profiles: dict[str, AgencyProfile] = field(default_factory=dict)
    keys: dict[tuple[str, date], bytes] = field(default_factory=dict)

    def take_device(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `devices`."""
        if value is None:
            self.devices.pop(key, None)
        else:
            self.devices[key] = wire.decode_device(value, headers)

    def take_profile(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `profiles`."""
        if value is None:
            self.profiles.pop(key, None)
            return
        record = wire.decode_profile(value, headers)
        try:
            self.profiles[record.agency] = profile_from_json(record.document)
        except Misconfigured as error:
            raise InvalidMessage("PROFILE_INVALID", str(error)) from error

    def take_key(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `image.keys`; a day's end takes its key away."""
        if value is None:
            agency, _, day = key.rpartition("/")
            self.keys.pop((agency, date.fromisoformat(day)), None)
        else:
            found = wire.decode_image_key(value, headers)
            self.keys[found.agency, found.due_day] = found.public_key


@dataclass(slots=True)
class _Item:
    """One frame on its way through a batch: admitted with its picture, or refused, or done before."""

    message: Message
    frame: Frame | None = None
    jpeg: bytes = b""
    error: InvalidMessage | None = None
    outcome: str = ""


@dataclass(slots=True)
class _Part:
    """One partition in our hands."""

    progress: Progress
    passages: dict[str, tuple[Passage, ...]] = field(default_factory=dict)
    touched: dict[str, float] = field(default_factory=dict)


class Recognizer(BatchHandler):
    """Handles `frames`: admission, models, passages, images, reads."""

    def __init__(
        self,
        *,
        registry: Registry,
        reader: Reader,
        publisher: Publisher,
        dead_letters: DeadLetters,
        store: ImageStore,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._store = store
        self._settings = settings
        self._clock = clock
        self._parts: dict[Partition, _Part] = {}
        self._results: dict[tuple[Partition, int], FrameResult] = {}
        self._devices: dict[str, Device] = {}
        self._key_missing: dict[tuple[str, date], float] = {}
        self._refusals: dict[str, deque[float]] = {}
        self._quarantined: set[str] = set()

    @override
    async def assigned(self, positions: Mapping[Partition, tuple[int | None, str]]) -> None:
        self._parts = {partition: _Part(Progress(*position)) for partition, position in positions.items()}
        self._results.clear()

    @override
    async def revoked(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._parts.pop(partition, None)

    @override
    def position(self, partition: Partition) -> tuple[int, str] | None:
        part = self._parts.get(partition)
        return None if part is None else part.progress.position()

    @override
    async def handle(self, messages: Sequence[Message]) -> None:
        """Take a batch through all stages; asked again with the same batch, goes on where it was."""
        items = []
        for message in messages:
            part = self._parts.get((message.topic, message.partition))
            if part is not None and (part.progress.next is None or message.offset >= part.progress.next):
                items.append(await self._prepare(part, message))
        await self._look(items)
        for item in items:
            await self._finish(item)
        self._results.clear()
        for part in self._parts.values():
            await self._care_for_silent(part)
            await self._end_overlong(part)
        self._release_calm_devices()
        metrics.PASSAGES_OPEN.set(sum(len(p) for part in self._parts.values() for p in part.passages.values()))

    async def _prepare(self, part: _Part, message: Message) -> _Item:
        """Decide whether a frame goes to the models (CAP-02, USE-14), and fetch its picture."""
        try:
            frame = wire.decode_frame(message.value or b"", message.headers)
        except InvalidMessage as error:
            done = part.progress.done_before(message.offset) == DONE
            return _Item(message, error=error, outcome="done" if done else "dead_letter")
        if frame.received_at is None:
            frame = replace(frame, received_at=from_us(message.timestamp_ms * 1000))
        item = _Item(message, frame)
        try:
            if part.progress.done_before(message.offset) == DONE:
                item.outcome = "done"
            elif part.progress.is_duplicate(frame.camera_id, frame.sequence, to_us(frame.captured_at), frame.frame_id):
                item.outcome = "duplicate"
            else:
                self._admit(frame)
                item.jpeg = await self._picture(frame)
        except InvalidMessage as error:
            item.error, item.outcome = error, "dead_letter"
        return item

    def _admit(self, frame: Frame) -> None:
        """Let a frame pass, whichever door it came through. Raises `InvalidMessage` with the rule's code."""
        device = self._registry.devices.get(frame.device_id)
        genuine = device is not None and seal.verify(device.public_key, frame.signature, frame.signed_text())
        decision = policy.may_collect(frame, device, signature_ok=genuine, now=self._clock())
        if isinstance(decision, Refused):
            raise InvalidMessage(decision.reason_code, decision.detail)
        if device is None or frame.received_at is None:
            raise InvalidMessage("DEVICE_UNKNOWN", "no such device is registered")
        profile = self._registry.profiles.get(device.agency)
        if profile is None:
            raise InvalidMessage("PROFILE_MISSING", "no policy profile is in force for the device's agency")
        self._devices[device.device_id] = device
        self._public_key(device.agency, policy.due_day(frame.captured_at, frame.received_at, device.kind, profile))

    def _public_key(self, agency: str, day: date) -> bytes:
        """Find the key that images of a due day are sealed to. Waits a minute for a missing one (`Transient`)."""
        key = self._registry.keys.get((agency, day))
        if key is not None:
            self._key_missing.pop((agency, day), None)
            return key
        since = self._key_missing.setdefault((agency, day), time.monotonic())
        if time.monotonic() - since < _KEY_PATIENCE_S:
            raise Transient(f"no image key for due day {day}")
        raise InvalidMessage("IMAGE_KEY_MISSING", f"no image key for due day {day}")

    async def _picture(self, frame: Frame) -> bytes:
        image = frame.image
        if isinstance(image, ImageRef):
            try:
                image = await self._store.get(image.key)
            except (KeyError, ValueError) as error:
                raise InvalidMessage("IMAGE_MISSING", "the image is not in the store") from error
        if hashlib.sha256(image).digest() != frame.sha256:
            raise InvalidMessage("SHA256_MISMATCH", "the image is not the one that was signed")
        return image

    async def _look(self, items: Sequence[_Item]) -> None:
        """Hand the admitted pictures to the models; answers are kept until the batch is through."""
        wanted = {
            ((item.message.topic, item.message.partition), item.message.offset): item.jpeg
            for item in items
            if not item.outcome
        }
        missing = [name for name in wanted if name not in self._results]
        if not missing:
            return
        begun = time.monotonic()
        results = await asyncio.to_thread(self._reader.find_plates, [wanted[name] for name in missing])
        metrics.MODEL_SECONDS.observe(time.monotonic() - begun)
        self._results.update(zip(missing, results, strict=True))

    async def _finish(self, item: _Item) -> None:
        """Bring one frame to its outcome: effects first, then our own memory of them."""
        message, frame = item.message, item.frame
        partition = (message.topic, message.partition)
        part = self._parts.get(partition)
        if part is None:
            return
        progress, gap = part.progress, part.progress.begin(message.offset)
        outcome, open_ordinals = item.outcome, set[int]()
        observed: Observed | None = None
        if not outcome and frame is not None:
            captured = to_us(frame.captured_at)
            if progress.is_duplicate(frame.camera_id, frame.sequence, captured, frame.frame_id):
                outcome = "duplicate"  # of another frame in this batch
            else:
                result = self._results[partition, message.offset]
                if result.error is not None:
                    item.error, outcome = InvalidMessage(*result.error), "dead_letter"
                else:
                    outcome = "read" if result.candidates else "no_plate"
                    observed = await self._observe(part, item, frame, result)
        if outcome == "dead_letter" and item.error is not None:
            await self._refuse(message, frame, item.error)
        # from here on nothing can fail: the effects are out, now we remember them
        if observed is not None and frame is not None:
            part.passages[frame.camera_id] = observed.going_on
            part.touched[frame.camera_id] = time.monotonic()
            for passage in observed.ended:
                progress.ended((glimpse.offset, glimpse.ordinal) for glimpse in passage.glimpses)
            open_ordinals = {
                glimpse.ordinal
                for passage in observed.going_on
                for glimpse in passage.glimpses
                if glimpse.offset == message.offset
            }
        # the number of a refused frame does not count: repaired and replayed, it is no duplicate
        uncounted = (
            progress.was_uncounted(message.offset) if outcome == "done" else outcome in {"duplicate", "dead_letter"}
        )
        if frame is not None and not uncounted:
            progress.number(message.offset, frame.camera_id, frame.sequence, to_us(frame.captured_at), frame.frame_id)
        progress.advance(message.offset, open_ordinals, uncounted=uncounted)
        if gap:
            metrics.EXPIRED.inc(gap)
            logger.error(
                "frames_expired", extra={"code": "FRAMES_EXPIRED", "count": gap, "partition": message.partition}
            )
        if outcome == "duplicate":
            metrics.REFUSED.labels("FRAME_DUPLICATE").inc()
        if outcome != "done":
            metrics.FRAMES.labels(outcome).inc()

    async def _observe(self, part: _Part, item: _Item, frame: Frame, result: FrameResult) -> Observed:
        """Add a frame to its camera's passages and publish what is new."""
        consumed = part.progress.done_before(item.message.offset)
        fresh = [(n, plate) for n, plate in enumerate(result.candidates) if not consumed >> n & 1]
        shown = replace(frame, image=item.jpeg)
        trace = item.message.headers.get("traceparent", b"").decode(errors="replace")
        before = part.passages.get(frame.camera_id, ())
        observed = observe(before, shown, item.message.offset, fresh, trace)
        for passage in observed.ended:
            await self._tell(passage, ended=True)
        going_on = [
            await self._tell(passage, ended=False) if passage.last.offset == item.message.offset else passage
            for passage in observed.going_on
        ]
        return Observed(tuple(going_on), observed.ended)

    async def _care_for_silent(self, part: _Part) -> None:
        """Tell what a silent camera's passages have to tell; end them only after 30 s, its link may be down.

        Frames that arrive late were captured in time: they must join the passage they belong to, not make a new read.
        """
        now = time.monotonic()
        for camera_id, passages in list(part.passages.items()):
            silence = now - part.touched.get(camera_id, now)
            if silence >= _STUCK_S:
                for passage in passages:
                    await self._end(part, camera_id, passage)
            elif silence >= self._settings.silent_seconds:
                part.passages[camera_id] = tuple([await self._tell(passage, ended=True) for passage in passages])

    async def _end_overlong(self, part: _Part) -> None:
        """End the oldest passages when what must be remembered beside the offset no longer fits."""
        while (position := part.progress.position()) is not None and len(position[1]) > LIMIT:
            open_ones = [(p.first.offset, camera, p) for camera, ps in part.passages.items() for p in ps]
            if not open_ones:
                raise RuntimeError("the commit note is full without an open passage")
            _, camera_id, passage = min(open_ones, key=lambda entry: entry[:2])
            metrics.FORCED.inc()
            await self._end(part, camera_id, passage)

    async def _end(self, part: _Part, camera_id: str, passage: Passage) -> None:
        await self._tell(passage, ended=True)
        left = tuple(other for other in part.passages[camera_id] if other.read_id != passage.read_id)
        part.passages[camera_id] = left
        part.progress.ended((glimpse.offset, glimpse.ordinal) for glimpse in passage.glimpses)

    async def _tell(self, passage: Passage, *, ended: bool) -> Passage:
        """Publish what a passage has to tell, if anything: images first, then the read that names them."""
        text = news(passage, ended=ended)
        if text is None:
            return passage
        read = await self._read(passage, text)
        taken_back = retraction(passage, text)
        for message in (taken_back, read):
            if message is not None:
                await self._publish(message, passage.best.trace)
        if taken_back is not None:
            metrics.READS.labels("retraction").inc()
        if passage.told is None:
            metrics.READS.labels("first" if read.plate else "unreadable").inc()
            metrics.CAPTURED_TO_READ.observe(max(0.0, (read.read_at - read.captured_at).total_seconds()))
        else:
            metrics.READS.labels("revision").inc()
        logger.info("read_published", extra={"read_id": read.read_id, "revision": read.revision, "ended": ended})
        return replace(passage, told=read)

    async def _read(self, passage: Passage, text: Text) -> Read:
        frame, plate = passage.best.frame, passage.best.candidate
        device = self._registry.devices.get(frame.device_id) or self._devices[frame.device_id]
        profile = self._registry.profiles[device.agency]
        if frame.received_at is None or not isinstance(frame.image, bytes):
            raise TypeError("an admitted frame carries its picture and its arrival")
        day = policy.due_day(frame.captured_at, frame.received_at, device.kind, profile)
        camera = device.camera(frame.camera_id)
        view = frame.view if frame.view is not View.UNKNOWN or camera is None else camera.view
        name = f"{device.agency}/{day.isoformat()}/{passage.read_id}-{next_revision(passage, text)}.bin"
        closeup, context = await asyncio.gather(
            self._keep(ImageRole.CLOSEUP, name, plate.closeup, (device.agency, day), view),
            self._keep(ImageRole.CONTEXT, name, strip(frame.image), (device.agency, day), view),
        )
        info = self._reader.info
        stamp = Stamp(info.detector, info.reader, profile.version, frame.received_at, self._clock())
        return make_read(passage, text, device, (closeup, context), stamp)

    async def _keep(self, role: ImageRole, name: str, data: bytes, due: tuple[str, date], view: View) -> ImageRef:
        """Seal an image to its due day and store it; a repeat overwrites itself."""
        key = f"{role.value}/{name}"
        public = self._registry.keys.get(due)
        if public is None:
            raise Transient("the image key of an open passage went away")
        await self._store.put(key, seal.seal_image(public, data, aad=key.encode()))
        return ImageRef(key, hashlib.sha256(data).digest(), role, view, due[1])

    async def _publish(self, read: Read, trace: str) -> None:
        headers = wire.headers_for(
            Topic.READS, id=f"{read.read_id}.{read.revision}", source="recognizer", time=read.read_at, traceparent=trace
        )
        key = key_of(read.plate, read.camera_id)
        await self._publisher.publish(Topic.READS, key=key, value=wire.encode_read(read), headers=headers)

    async def _refuse(self, message: Message, frame: Frame | None, error: InvalidMessage) -> None:
        await self._dead_letters.put(message, error)
        metrics.REFUSED.labels(error.code).inc()
        where = {"partition": message.partition, "offset": message.offset, "code": error.code}
        logger.warning("frame_refused", extra=where)
        if frame is None or frame.device_id not in self._registry.devices:
            return
        now, recent = time.monotonic(), self._refusals.setdefault(frame.device_id, deque(maxlen=1000))
        recent.append(now)
        while recent[0] < now - _REPORT_WINDOW_S:
            recent.popleft()
        if len(recent) >= self._settings.device_error_limit and frame.device_id not in self._quarantined:
            self._quarantined.add(frame.device_id)
            metrics.DEVICES_QUARANTINED.set(len(self._quarantined))
            logger.error("device_quarantined", extra={"device_id": frame.device_id, "code": error.code})

    def _release_calm_devices(self) -> None:
        """Take devices off the report that have had no frame refused for a minute, so that a next time is reported."""
        since = time.monotonic() - _REPORT_WINDOW_S
        calm = {device_id for device_id in self._quarantined if self._refusals[device_id][-1] < since}
        if calm:
            self._quarantined -= calm
            metrics.DEVICES_QUARANTINED.set(len(self._quarantined))
