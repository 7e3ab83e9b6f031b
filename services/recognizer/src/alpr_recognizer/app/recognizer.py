"""The way of a frame through the recognizer: admission, models, passages, images, reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from typing_extensions import override

from alpr_recognizer import metrics
from alpr_recognizer.app.admission import Admission, Registry, fetch, keep
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
    fuse,
    kept,
    key_of,
    make_read,
    news,
    next_level,
    next_revision,
    observe,
    retraction,
    settled,
    trail_of,
)
from alprcore import policy, wire
from alprcore.errors import InvalidMessage
from alprcore.kafka import BatchHandler, DeadLetters, Message, Publisher
from alprcore.model import Frame, ImageRole, Read, View, from_us, to_us
from alprcore.objects import ImageStore
from alprcore.topics import Topic

logger = logging.getLogger(__name__)

_STUCK_S: Final = 30.0  # a passage nobody touched for this long ends even while other cameras are busy
_REPORT_WINDOW_S: Final = 60.0
_LOAD_STEP_S: Final = 1.0  # between two decisions on the load

Partition = tuple[str, int]


class Outcome(StrEnum):
    """What becomes of a frame; each counts once."""

    READ = "read"
    NO_PLATE = "no_plate"
    DEAD_LETTER = "dead_letter"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    DONE = "done"
    """Handled before a restart: counted then."""


@dataclass(slots=True)
class _Item:
    """One frame on its way through a batch; its outcome stands before the models only where they are not asked."""

    message: Message
    frame: Frame | None = None
    jpeg: bytes = b""
    error: InvalidMessage | None = None
    outcome: Outcome | None = None

    @property
    def partition(self) -> Partition:
        """The partition it came on."""
        return self.message.topic, self.message.partition

    def refuse(self, error: InvalidMessage) -> None:
        """Make it a dead letter."""
        self.error, self.outcome = error, Outcome.DEAD_LETTER


@dataclass(slots=True)
class _Part:
    """One partition in our hands."""

    progress: Progress
    passages: dict[str, tuple[Passage, ...]] = field(default_factory=dict)
    touched: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Load:
    """How many frames are left out, how long the newest had waited when that was decided, and when.

    `least` is the shortest wait of each camera, which has its clock's error in it; `over` by how much more they wait now.
    """

    level: int = 0
    waited_s: float = 0.0
    since: float = 0.0
    idle: bool = False
    least: dict[bytes, float] = field(default_factory=dict)
    over: dict[bytes, float] = field(default_factory=dict)


def _is_duplicate(part: _Part, frame: Frame) -> bool:
    captured = to_us(frame.captured_at)
    return part.progress.is_duplicate(frame.camera_id, frame.sequence, captured, frame.frame_id)


def _remember(part: _Part, item: _Item, outcome: Outcome, observed: Observed | None) -> None:
    """Take a frame's outcome into our own memory, when its effects are out: nothing here can fail."""
    progress, offset, frame = part.progress, item.message.offset, item.frame
    gap = progress.begin(offset)
    open_ordinals = set[int]()
    if observed is not None and frame is not None:
        progress.look(offset, frame.camera_id, to_us(frame.captured_at))
        progress.keep_trails(frame.camera_id, observed.trails)
        part.passages[frame.camera_id] = observed.going_on
        part.touched[frame.camera_id] = time.monotonic()
        for passage in observed.ended:
            progress.ended((glimpse.offset, glimpse.ordinal) for glimpse in passage.glimpses)
        glimpses = (glimpse for passage in observed.going_on for glimpse in passage.glimpses)
        open_ordinals = {glimpse.ordinal for glimpse in glimpses if glimpse.offset == offset}
    # the number of a refused frame does not count: repaired and replayed, it is no duplicate
    uncounted = outcome in {Outcome.DUPLICATE, Outcome.DEAD_LETTER}
    if outcome is Outcome.DONE:
        uncounted = progress.was_uncounted(offset)
    if frame is not None and not uncounted:
        progress.number(offset, frame.camera_id, frame.sequence, to_us(frame.captured_at), frame.frame_id)
    progress.advance(offset, open_ordinals, () if observed is None else observed.known, uncounted=uncounted)
    if gap:
        metrics.EXPIRED.inc(gap)
        where = {"code": "FRAMES_EXPIRED", "count": gap, "partition": item.message.partition}
        logger.error("frames_expired", extra=where)
    if outcome is Outcome.DUPLICATE:
        metrics.REFUSED.labels("FRAME_DUPLICATE").inc()
    if outcome is Outcome.SKIPPED:
        metrics.SKIPPED.labels("near_duplicate").inc()
    if outcome is not Outcome.DONE:
        metrics.FRAMES.labels(outcome.value).inc()


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
        self._results: dict[tuple[Partition, int], tuple[bytes, FrameResult]] = {}
        self._admission = Admission(registry, clock)
        self._load = _Load(since=time.monotonic())
        self._refusals: dict[str, deque[float]] = {}
        self._quarantined: set[str] = set()

    @override
    async def assigned(self, positions: Mapping[Partition, tuple[int | None, str]]) -> None:
        self._parts = {partition: _Part(Progress(*position)) for partition, position in positions.items()}
        self._results.clear()
        self._load = _Load(since=time.monotonic())

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
                items.append(self._prepare(part, message))
        await self._look(self._surely_wanted(items))
        for item in items:
            if (part := self._parts.get(item.partition)) is not None:
                await self._finish(part, item)
        self._results.clear()
        for part in self._parts.values():
            await self._care_for_silent(part)
            await self._end_overlong(part)
        self._watch_load(messages)
        self._release_calm_devices()
        metrics.PASSAGES_OPEN.set(sum(len(p) for part in self._parts.values() for p in part.passages.values()))

    def _prepare(self, part: _Part, message: Message) -> _Item:
        """Decide whether a frame may go to the models (CAP-02, USE-14)."""
        item = _Item(message)
        done = part.progress.done_before(message.offset) == DONE
        try:
            frame = wire.decode_frame(message.value or b"", message.headers)
            if frame.received_at is None:
                frame = replace(frame, received_at=from_us(message.timestamp_ms * 1000))
            item.frame = frame
            if done:
                item.outcome = Outcome.DONE
            elif _is_duplicate(part, frame):
                item.outcome = Outcome.DUPLICATE
            else:
                agency = self._admission.admit(frame).agency
                metrics.CAMERA_SEEN.labels(agency, frame.camera_id).set(message.timestamp_ms / 1000)
        except InvalidMessage as error:
            item.refuse(error)
            if done:
                item.outcome = Outcome.DONE
        return item

    def _surely_wanted(self, items: Sequence[_Item]) -> list[_Item]:
        """Choose the frames that are looked at whatever is seen in those before them: the models take these at once."""
        wanted, looked = list[_Item](), dict[tuple[Partition, str], int]()
        for item in items:
            if item.outcome is not None or item.frame is None:
                continue
            progress, camera = self._parts[item.partition].progress, item.frame.camera_id
            captured, offset = to_us(item.frame.captured_at), item.message.offset
            last = looked.get((item.partition, camera))
            close = last is not None and abs(captured - last) < progress.thinning.spacing_us(offset)
            if not close and not progress.leaves_out(offset, camera, captured, settled=True):
                wanted.append(item)
                looked[item.partition, camera] = captured
        return wanted

    async def _look(self, items: Sequence[_Item]) -> None:
        """Fetch pictures and hand them to the models; answers are kept until the batch is through."""
        missing = [item for item in items if (item.partition, item.message.offset) not in self._results]
        for item in missing:
            if item.frame is not None:
                try:
                    item.jpeg = await fetch(self._store, item.frame)
                except InvalidMessage as error:
                    item.refuse(error)
        missing = [item for item in missing if item.outcome is None]
        if not missing:
            return
        begun = time.monotonic()
        results = await asyncio.to_thread(self._reader.find_plates, [item.jpeg for item in missing])
        metrics.MODEL_SECONDS.observe(time.monotonic() - begun)
        for item, result in zip(missing, results, strict=True):
            self._results[item.partition, item.message.offset] = (item.jpeg, result)

    async def _finish(self, part: _Part, item: _Item) -> None:
        """Bring one frame to its outcome: effects first, then our own memory of them."""
        outcome, observed = item.outcome, None
        if outcome is None and item.frame is not None:
            outcome, observed = await self._outcome(part, item, item.frame)
        if outcome is Outcome.DEAD_LETTER and item.error is not None:
            await self._refuse(item.message, item.frame, item.error)
        if outcome is not None:
            _remember(part, item, outcome, observed)

    async def _outcome(self, part: _Part, item: _Item, frame: Frame) -> tuple[Outcome, Observed | None]:
        """Tell what becomes of an admitted frame, and bring its effects about."""
        captured, calm = to_us(frame.captured_at), all(map(settled, part.passages.get(frame.camera_id, ())))
        if _is_duplicate(part, frame):  # of another frame in this batch
            return Outcome.DUPLICATE, None
        if part.progress.leaves_out(item.message.offset, frame.camera_id, captured, settled=calm):
            return Outcome.SKIPPED, None
        await self._look([item])
        if item.error is not None:
            return Outcome.DEAD_LETTER, None
        item.jpeg, result = self._results[item.partition, item.message.offset]
        if result.error is not None:
            item.error = InvalidMessage(*result.error)
            return Outcome.DEAD_LETTER, None
        observed = await self._observe(part, item, frame, result)
        return Outcome.READ if result.candidates else Outcome.NO_PLATE, observed

    async def _observe(self, part: _Part, item: _Item, frame: Frame, result: FrameResult) -> Observed:
        """Add a frame to its camera's passages and publish what is new."""
        consumed = part.progress.done_before(item.message.offset)
        fresh = [(n, plate) for n, plate in enumerate(result.candidates) if not consumed >> n & 1]
        shown = replace(frame, image=item.jpeg)
        before, trails = part.passages.get(frame.camera_id, ()), part.progress.trails_of(frame.camera_id)
        observed = observe(before, shown, item.message.offset, fresh, item.message.trace, trails)
        for passage in observed.ended:
            await self._close(passage)
        going_on = [
            await self._tell(passage, ended=False) if passage.seen_in(item.message.offset) else passage
            for passage in observed.going_on
        ]
        return replace(observed, going_on=tuple(going_on))

    def _watch_load(self, messages: Sequence[Message]) -> None:
        """Once a second, set how many frames are left out: by how long they wait, and whether that grows."""
        load, now = self._load, time.monotonic()
        load.idle = load.idle or not messages
        for message in messages:
            camera, wait = message.key or b"", to_us(self._clock()) / 1e6 - message.timestamp_ms / 1e3
            load.least[camera] = min(wait, load.least.get(camera, wait))
            load.over[camera] = wait - load.least[camera]
        elapsed = now - load.since
        if elapsed < _LOAD_STEP_S:
            return
        waited = min(load.over.values(), default=0.0)  # too many frames keep every camera waiting
        level = next_level(load.level, waited, load.waited_s, elapsed, idle=load.idle)
        if level != load.level:
            logger.warning("load_level", extra={"level": level, "waited_s": round(waited, 1)})
        self._load = _Load(level, waited, now, least=load.least)
        metrics.LOAD_LEVEL.set(level)
        metrics.WAITED.set(waited)
        for part in self._parts.values():
            if part.progress.next is not None:
                part.progress.thinning.plan(part.progress.next + self._settings.batch, level)

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
        await self._close(passage)
        trail = trail_of(passage, fuse(passage.glimpses).plate.reveal(), (part.progress.next or 0) - 1)
        part.progress.keep_trails(camera_id, kept([*part.progress.trails_of(camera_id), trail]))
        left = tuple(other for other in part.passages[camera_id] if other.read_id != passage.read_id)
        part.passages[camera_id] = left
        part.progress.ended((glimpse.offset, glimpse.ordinal) for glimpse in passage.glimpses)

    async def _close(self, passage: Passage) -> None:
        """Tell the last word on a passage that ended."""
        told = (await self._tell(passage, ended=True)).told
        if told is None:
            metrics.READS.labels("dismissed").inc()

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
            if read.unreadable_reason:
                metrics.UNREADABLE.labels(read.unreadable_reason).inc()
            metrics.CAPTURED_TO_READ.observe(max(0.0, (read.read_at - read.captured_at).total_seconds()))
        else:
            metrics.READS.labels("revision").inc()
        logger.info("read_published", extra={"read_id": read.read_id, "revision": read.revision, "ended": ended})
        return replace(passage, told=read)

    async def _read(self, passage: Passage, text: Text) -> Read:
        frame, plate = passage.best.frame, passage.best.candidate
        device = self._admission.device_of(frame)
        profile = self._admission.profile_of(device)
        if frame.received_at is None or not isinstance(frame.image, bytes):
            raise TypeError("an admitted frame carries its picture and its arrival")
        day = policy.due_day(frame.captured_at, frame.received_at, device.kind, profile)
        camera = device.camera(frame.camera_id)
        view = frame.view if frame.view is not View.UNKNOWN or camera is None else camera.view
        name = f"{device.agency}/{day.isoformat()}/{passage.read_id}-{next_revision(passage, text)}.bin"
        due = (device.agency, day)
        closeup, context = await asyncio.gather(
            keep(self._store, self._registry, plate.closeup, role=ImageRole.CLOSEUP, name=name, due=due, view=view),
            keep(
                self._store, self._registry, strip(frame.image), role=ImageRole.CONTEXT, name=name, due=due, view=view
            ),
        )
        info = self._reader.info
        canary = frame.camera_id in self._settings.canary_cameras
        stamp = Stamp(info.detector, info.reader, profile.version, frame.received_at, self._clock(), canary)
        return make_read(passage, text, device, (closeup, context), stamp)

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
