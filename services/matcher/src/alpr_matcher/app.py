"""The matcher's two streams: reads become hits, hits become notifications.

faust keeps the group, the streams and the table of recent alerts; it lives in this room only. The lists are a view
of the compacted topic itself, read by the partitions that faust has been given (design: lists and matching).
Nothing is raised out of an agent: faust would take the message for done (its user guide, "When agents raise").
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import faust
from faust.contrib.asgi import faust_app_running

from alpr_matcher import metrics
from alpr_matcher.alerts.notify import KEPT_S, Alert, LastSent, Suppressed, decide_notification
from alpr_matcher.alerts.storms import Storms
from alpr_matcher.alerts.told import ToldEntry
from alpr_matcher.lists import EntryView, ListName, ListVersions, PartialView
from alpr_matcher.settings import Settings
from alpr_matcher.streams.cad import CadTopics
from alpr_matcher.streams.offsets import Offsets
from alpr_matcher.streams.recalls import Lists, Recalls
from alprcore import wire
from alprcore.errors import AlprError, InvalidMessage, Transient
from alprcore.kafka import AssignedFollower, DeadLetterLimit, DeadLetters, Message, Publisher
from alprcore.kafka.loop import Refusals
from alprcore.matching import match_read
from alprcore.model import DeviceChecks, Entry, EntryDetails, Hit, ListVersion
from alprcore.ops import Health
from alprcore.plates import skeleton
from alprcore.policy import AgencyProfile
from alprcore.profiles import Profiles
from alprcore.seal import ListKeys
from alprcore.topics import Topic, physical

logger = logging.getLogger(__name__)

GROUP: Final = "alpr-matcher"
_BUCKET_HEADERS: Final = {"ce_type": wire.CE_TYPE[Topic.HOTLIST].encode()}
_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 5.0  # what was away is used again within this
_CATCH_UP_POLL_S: Final = 0.02
_MEASURE_S: Final = 2.0
_HANGS_S: Final = 120.0  # far above a cold start with five million entries; retries count as progress
_PRUNE_S: Final = 3600.0

Work = Callable[[Message], Awaitable[None]]


class StreamFailed(AlprError):
    """faust has ended by itself: the process must start again."""


class LetGo(AlprError):
    """The message's partition has changed hands: whoever has it now does the work."""


class Matcher:
    """What is done with one message of each stream, and what this worker knows of lists, profiles and CAD topics."""

    def __init__(
        self,
        settings: Settings,
        *,
        publisher: Publisher,
        dead_letters: DeadLetters,
        keys: ListKeys,
        health: Health,
        now: Callable[[], datetime],
    ) -> None:
        self._kafka = settings.kafka
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._keys = keys
        self._now = now
        self._refusals = {Topic.READS: Refusals(outsiders=False), Topic.HITS: Refusals(outsiders=False)}
        self.topics = {physical(topic, prefix=self._kafka.topic_prefix): topic for topic in self._refusals}
        self.in_hand = dict.fromkeys(self.topics, 0)
        self._pruned: dict[int, float] = {}
        self._cad = CadTopics(settings, keys, GROUP, now)
        self.view = EntryView(lambda bucket: wire.decode_bucket(bucket, _BUCKET_HEADERS), wire.bucket_plates)
        self.partials = PartialView()
        self.partials_read = asyncio.Event()
        self.versions = ListVersions()
        self.versions_read = asyncio.Event()
        self.profiles = Profiles()
        self.profiles_read = asyncio.Event()
        self.assigned: frozenset[int] | None = None
        self.follower = AssignedFollower(self._kafka, Topic.HOTLIST, apply=self.view.take, dropped=self.view.drop)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.alerts: MutableMapping[bytes, bytes] = {}
        self.offsets: Offsets
        self.checks: dict[str, DeviceChecks] = {}
        self.storms = Storms(settings.storm_limits())
        self._patience_s = settings.list_wait_seconds
        # a list that reads go on without has not withdrawn its entries: recalls wait for it
        lists = Lists(lambda partition: self._in_force(partition, whole=True), self._entries_for, self._open)
        self.recalls = Recalls(self._kafka, lists, self.storms, self._publish_hit, now)
        self._beat = health.progress("stream", _HANGS_S)
        health.check("lists", self.not_ready)

    def take_version(self, key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Take note of a list's version; raises `InvalidMessage`."""
        if value is None:
            agency, _, code = key.partition("/")
            self.versions.withdraw(agency, code)
        else:
            self.versions.announce(wire.decode_list_version(value, headers))

    def take_partial(self, key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Take note of a partial plate; raises `InvalidMessage`."""
        self.partials.take(key, None if value is None else wire.decode_partial(value, headers))

    def take_release(self, _key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Take note that a person ended an alert storm; raises `InvalidMessage`."""
        if value is not None:
            release = wire.decode_storm_release(value, headers)
            self.storms.end(release.storm_id, release.released_at)

    def take_checks(self, key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Take note of what people found about a device's reads; raises `InvalidMessage`."""
        if value is None:
            self.checks.pop(key, None)
        else:
            self.checks[key] = wire.decode_device_checks(value, headers)

    def take_profile(self, key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Take note of an agency's profile; raises `InvalidMessage`."""
        self.profiles.apply(key, value, headers)

    async def take_partitions(self, partitions: frozenset[int]) -> None:
        """Follow the lists of these partitions; those kept through a rebalance stay in memory."""
        self.assigned = partitions
        await self.follower.assign(set(partitions))

    def _known(self) -> bool:
        return all(read.is_set() for read in (self.versions_read, self.partials_read, self.profiles_read))

    def not_ready(self) -> str:
        """Say what keeps reads from being judged; empty when nothing does."""
        if not self._known():
            return "list versions, partial plates and profiles are being read"
        if self.assigned is None:
            return "no partitions assigned yet"
        for partition in sorted(self.assigned):
            if not self.follower.caught_up(partition):
                return f"hotlist partition {partition} is being read"
            waiting = self.versions.waiting(partition, self.follower.position(partition))
            if waiting:
                return f"hotlist partition {partition} has not reached the version of {'/'.join(waiting[0])}"
        return ""

    async def _lists(self, partition: int) -> Mapping[ListName, ListVersion]:
        """Wait until reads of this partition may be judged; answers the one version of each list. Raises `LetGo`.

        A list that the topic does not bring holds the reads of all agencies up, for a while: then they go on without.
        """
        begun = time.monotonic()
        while (versions := self._in_force(partition)) is None:
            if self.assigned is not None and partition not in self.assigned:
                raise LetGo(f"partition {partition}")  # its lists are no longer read here: it would wait for ever
            if not (self._known() and self.follower.caught_up(partition)):
                begun = time.monotonic()  # the topic is still being read: nothing is lost yet
            elif time.monotonic() - begun > self._patience_s:
                self._leave_out(partition)
            self._beat()
            await asyncio.sleep(_CATCH_UP_POLL_S)
        return versions

    def _leave_out(self, partition: int) -> None:
        waiting = self.versions.waiting(partition, self.follower.position(partition))
        self.versions.leave_out(partition, waiting)
        for agency, code in waiting:
            metrics.LISTS_LEFT_OUT.labels(agency, code).inc()
            logger.error("list_left_out", extra={"agency": agency, "list": code, "partition": partition})

    def _in_force(self, partition: int, *, whole: bool = False) -> Mapping[ListName, ListVersion] | None:
        """The one version of each list in this partition; None while its reads may not be judged."""
        if not (self._known() and self.follower.caught_up(partition)):
            return None
        return self.versions.in_force(partition, self.follower.position(partition), whole=whole)

    def _entries_for(self, partition: int, told: ToldEntry) -> tuple[Entry, ...]:
        if not told.partial:
            return self.view.entries(partition, told.key)
        entry = self.partials.entry(told.entry_id)
        return () if entry is None else (entry,)

    def _profile(self, agency: str) -> AgencyProfile:
        if agency not in self.profiles:
            raise InvalidMessage("PROFILE_MISSING", "agency: no policy profile is known for it")
        return self.profiles[agency]

    def _open(self, entry: Entry) -> EntryDetails | None:
        try:
            plain = self._keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id)
            return wire.decode_entry_details(plain)
        except InvalidMessage as error:
            metrics.SEALS_BROKEN.labels(error.code).inc()
            logger.error("entry_not_opened", extra={"entry_id": entry.entry_id, "code": error.code})
            return None

    async def settle(self, message: Message, work: Work, is_due: Callable[[], Awaitable[bool]]) -> bool:
        """Do a due message's work whatever it takes: put aside what is invalid, repeat the rest in place; else False."""
        topic, delay, begun, due, fault = self.topics[message.topic], _FIRST_DELAY_S, time.monotonic(), False, False
        code = ""
        where = {"topic": topic.value, "partition": message.partition, "offset": message.offset}
        self.in_hand[message.topic] += 1
        try:
            while True:
                if not fault:
                    self._beat()  # a fault of ours, unlike a broker that is away, is no sign of life
                try:
                    if not (due := due or await is_due()):
                        return False  # nothing was done, so nothing is counted
                    try:
                        await work(message)
                    except InvalidMessage as error:
                        code = error.code
                        self._refusals[topic].count(refused=True)
                        await self._dead_letters.put(message, error)
                        metrics.CONSUMER.messages.labels(topic.value, "dead_letter").inc()
                        metrics.CONSUMER.dead_letters.labels(topic.value, error.code).inc()
                        logger.warning("message_refused", extra={**where, "code": error.code})
                    else:
                        self._refusals[topic].count(refused=False)
                        metrics.CONSUMER.messages.labels(topic.value, "handled").inc()
                    seconds = time.monotonic() - begun
                    metrics.CONSUMER.handle.labels(topic.value).observe(seconds)
                    metrics.CONSUMER.handled(topic.value, message.timestamp_ms)
                    message.consumed(topic.value, GROUP, seconds, code)
                    return True
                except DeadLetterLimit as error:
                    if not self.failed.done():
                        self.failed.set_exception(error)
                    await asyncio.Event().wait()  # not done, so never committed; the process ends here
                except LetGo:
                    return False
                except Exception as error:  # noqa: BLE001 - what leaves an agent is lost
                    fault = not isinstance(error, Transient)
                    metrics.RETRIES.labels(topic.value).inc()
                    logger.warning("message_retried", extra={**where, "error": type(error).__name__})
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, _LONGEST_DELAY_S)
        finally:
            self.in_hand[message.topic] -= 1

    async def judge(self, message: Message) -> None:
        """Compare a read with every list in force and publish a hit for every match; raises for `settle`."""
        value = message.value or b""
        heading = wire.read_heading(value, message.headers)
        if heading.retracted or not heading.plate:
            wire.decode_read(value, message.headers)
            metrics.READS_JUDGED.labels("retracted" if heading.retracted else "unreadable").inc()
            return
        key = skeleton(heading.plate)
        if message.key != key.encode():
            raise InvalidMessage("FIELD_INVALID", "key: not the skeleton of the plate")  # its entries lie elsewhere
        versions = await self._lists(message.partition)
        # no await from here to the hits: one state of the lists
        entries = self.view.entries(message.partition, key) + self.partials.entries(heading.plate)
        if not entries:
            metrics.READS_JUDGED.labels("no_hit").inc()
            return
        read = wire.decode_read(value, message.headers)
        profile, checks = self._profile(read.agency), self.checks.get(read.device_id)
        found = match_read(read, entries, self._open, versions, profile, self._now(), checks)
        hits = tuple(map(self.storms.hold, found))
        trace = message.trace
        await asyncio.gather(*(self._publish_hit(hit, key, trace) for hit in hits))
        done = self._now()
        for hit in hits:
            logger.info("read_matched", extra={"hit_id": hit.hit_id, "read_id": read.read_id, "traceparent": trace})
            if not read.canary:
                metrics.HITS.labels(hit.grade.value, hit.list_code).inc()
            metrics.READ_TO_HIT.observe(max(0.0, done.timestamp() - message.timestamp_ms / 1000))
            late = max(0.0, (done - read.captured_at).total_seconds())
            metrics.CAPTURED_TO_HIT.labels(read.device_kind.value).observe(late)
        metrics.READS_JUDGED.labels("hit" if hits else "no_hit").inc()

    async def _publish_hit(self, hit: Hit, key: str, trace: str) -> None:
        await self._put(Topic.HITS, key, wire.name_of(hit), wire.encode_hit(hit), trace)

    async def _put(self, topic: Topic, key: str, name: str, value: bytes, trace: str, agency: str = "") -> None:
        headers = wire.headers_for(topic, id=name, source=GROUP, time=self._now(), traceparent=trace)
        await self._publisher.publish(topic, key=key, value=value, headers=headers, agency=agency)

    async def notify(self, message: Message) -> None:
        """Tell the clients and the CAD of a hit, once acknowledged remember it; raises for `settle`."""
        hit = wire.decode_hit(message.value or b"", message.headers)
        self._prune(message.partition)
        about = (
            f"storm|{hit.storm_id}"
            if hit.held and hit.withdrawn_at is None
            else f"{skeleton(hit.read.plate)}|{hit.entry_id}"
        )
        name, *older = self._keys.fingerprints(about.encode())  # a new key does not make an alert ring again
        known = next((found for found in map(self.alerts.get, (name, *older)) if found), None)
        last, profile = LastSent.from_json(known), self._profile(hit.read.agency)
        decision = decide_notification(hit, last, profile, self._now(), partition=message.partition)
        if isinstance(decision, Suppressed):
            metrics.SUPPRESSED.labels(decision.reason).inc()
            return
        await self._send(hit, decision, message.trace)
        self.alerts[name] = decision.memory.to_json()
        for note in decision.notifications:
            metrics.NOTIFICATIONS.labels(note.kind.value, note.target).inc()
        if decision.revision == 1:
            now, read = self._now(), hit.read
            metrics.FRAME_TO_NOTIFICATION.observe(max(0.0, (now - read.received_at).total_seconds()))
            late = max(0.0, (now - read.captured_at).total_seconds())
            metrics.CAPTURED_TO_NOTIFICATION.labels(read.device_kind.value).observe(late)

    async def _send(self, hit: Hit, alert: Alert, trace: str) -> None:
        key, notes = alert.incident_id, alert.notifications
        out = [(Topic.NOTIFICATIONS, note.notification_id, wire.encode_notification(note), "") for note in notes]
        out += [] if hit.read.canary else await self._cad.messages(hit, alert)  # nobody is to be sent to a test plate
        await asyncio.gather(*(self._put(topic, key, name, value, trace, to) for topic, name, value, to in out))

    def _prune(self, partition: int) -> None:
        """Forgets alerts older than a day (RET-11). The table may change only under a message of its partition."""
        if time.monotonic() - self._pruned.get(partition, -_PRUNE_S) < _PRUNE_S:
            return
        self._pruned[partition], now = time.monotonic(), self._now()
        for name, value in list(self.alerts.items()):
            memory = LastSent.from_json(value)
            if memory is None or (memory.partition == partition and (now - memory.sent_at).total_seconds() > KEPT_S):
                self.alerts.pop(name, None)

    async def watch(self, stop: asyncio.Event) -> None:
        """Keep the gauges and the sign of life until `stop`."""
        while not stop.is_set():
            if not any(self.in_hand.values()):
                self._beat()
            metrics.show_lists(self.view, self.versions, self._now(), caught_up=not self.not_ready())
            with suppress(TimeoutError):
                async with asyncio.timeout(_MEASURE_S):
                    await stop.wait()


def create_app(settings: Settings, matcher: Matcher) -> faust.App:
    """Make the faust app: settings that lost nothing on a real broker, two agents, one table."""
    prefix = settings.topic_prefix
    app = faust.App(
        prefix + GROUP,
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        web_enabled=False,  # it would serve the table on 0.0.0.0:6066
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=True,
        broker_commit_interval=1.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        key_serializer="raw",
        value_serializer="raw",
        table_standby_replicas=0,
        datadir=settings.state_dir,
        loghandlers=[],
    )
    reads, hits = (
        app.topic(physical(topic, prefix=prefix), key_type=bytes, value_type=bytes)
        for topic in (Topic.READS, Topic.HITS)
    )
    matcher.alerts = app.Table("last_sent", key_type=bytes, value_type=bytes)
    reads_name = physical(Topic.READS, prefix=prefix)
    offsets = matcher.offsets = Offsets(app, matcher.topics)

    async def on_partitions_assigned(_app: Any, assigned: set[Any], **_: Any) -> None:
        offsets.start()
        await matcher.take_partitions(frozenset(tp.partition for tp in assigned if tp.topic == reads_name))

    async def match_reads(stream: Any) -> None:
        async for event in stream.events():
            await _settle(event.message, offsets, matcher, matcher.judge)

    async def notify_hits(stream: Any) -> None:
        async for event in stream.events():
            await _settle(event.message, offsets, matcher, matcher.notify)

    app.on_partitions_assigned.connect(on_partitions_assigned, weak=False)
    app.agent(reads)(match_reads)  # concurrency stays 1: with 2, offset 5 was committed while 0 was in hand
    app.agent(hits)(notify_hits)
    return app


async def _settle(found: Any, offsets: Offsets, matcher: Matcher, work: Work) -> None:
    message = Message(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        key=found.key,
        value=found.value,
        headers={name: value or b"" for name, value in found.headers or ()},
        timestamp_ms=int(found.timestamp * 1000),
    )
    if await matcher.settle(message, work, lambda: offsets.is_due(found)):
        offsets.settled(found)


def _credentials(settings: Settings) -> Any:
    params = settings.kafka_security.params()
    context = params.get("ssl_context")
    if "sasl_mechanism" not in params:
        return faust.SSLCredentials(context=context) if context else None
    user, password = params["sasl_plain_username"], params["sasl_plain_password"]
    return faust.SASLCredentials(
        username=user, password=password, mechanism=params["sasl_mechanism"], ssl_context=context
    )


async def run_streams(app: faust.App, matcher: Matcher, stop: asyncio.Event, *, stop_timeout: float) -> None:
    """Run both streams until `stop`, then finish what is in hand. Raises `DeadLetterLimit` or `StreamFailed`."""
    stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    waited: set[asyncio.Future[Any]] = {stopping, matcher.failed}
    offsets = matcher.offsets
    async with faust_app_running(app):
        while not (stopping.done() or matcher.failed.done() or app.should_stop):
            await asyncio.wait(waited, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            metrics.show_lag(app.consumer, matcher.topics)
            try:
                await offsets.fetch_missing(matcher.in_hand)
            except Exception as error:  # noqa: BLE001 - mid-rebalance faust raises what it happens to miss
                logger.warning("offsets_not_sought", extra={"error": type(error).__name__})
        leaving = asyncio.create_task(_let_go(app, stop_timeout if stopping.done() else 0.0))
    leaving.cancel()
    stopping.cancel()
    if matcher.failed.done():
        matcher.failed.result()
    if not stop.is_set():
        raise StreamFailed("faust ended by itself")


async def _let_go(app: faust.App, after_s: float) -> None:
    """Ends faust's wait for what is in hand, which no cancellation reaches; it was not committed and comes again."""
    await asyncio.sleep(after_s)
    logger.warning("streams_stop_overdue")
    await app.consumer.stop()
