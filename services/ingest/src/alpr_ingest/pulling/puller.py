"""Pulls every list whose time has come, one process at a time, and writes down what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from alpr_ingest import metrics
from alpr_ingest.app import Relay, audit_message, first_of
from alpr_ingest.feeds import Feed, FeedKind, Outcome, Pull, due_again, host_allowed, retry_after
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.loading import ListFile, ListLoader
from alpr_ingest.pulling import folder, https, sftp
from alpr_ingest.pulling.alarms import Alarm, alarm_messages, ended_message, feed_person
from alpr_ingest.pulling.source import Fetched, Limits, PullFailed
from alpr_ingest.store import Outgoing, Store
from alprcore.errors import Transient
from alprcore.model import Refused
from alprcore.policy import AgencyProfile, ListSource
from alprcore.wire import rfc3339

logger = logging.getLogger(__name__)

AT_ONCE: Final = 3
"""Lists that are fetched side by side: each holds a connection to the database and its file in memory."""
_PASSING: Final = frozenset({"LIST_TRUNCATED"})
"""Refusals of a file that the next try may not meet: half of it was there."""
_NOBODYS: Final = timedelta(hours=1)
"""How long the feed of an agency without a profile is put off: it must not keep the others from their turn."""


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: Outcome
    reason_code: str = ""
    detail: str = ""
    version: int = 0
    fetched: Fetched | None = None
    alarm: bool = False
    retry: bool = False

    @property
    def good(self) -> bool:
        return self.outcome in {Outcome.LOADED, Outcome.UNCHANGED}


class Puller:
    """Fetches lists on their schedules (HOT-03, HOT-05)."""

    def __init__(
        self,
        store: Store,
        loader: ListLoader,
        relay: Relay,
        profiles: Mapping[str, AgencyProfile],
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self.limits = limits
        self._store = store
        self._loader = loader
        self._relay = relay
        self._profiles = profiles
        self._clock = clock
        self._kick = asyncio.Event()

    def kick(self) -> None:
        """Say that a list has become due."""
        self._kick.set()

    async def run(self, stop: asyncio.Event, beat: Callable[[], None], poll_s: float) -> None:
        """Pull what is due until `stop`; a pull in hand is given up then and begun anew later."""
        working: dict[tuple[str, str], asyncio.Task[None]] = {}
        try:
            while not stop.is_set():
                beat()
                self._kick.clear()
                try:
                    due = await self._store.due_feeds(self._clock(), AT_ONCE + len(working))
                except Transient as error:
                    logger.warning("feeds_wait", extra={"reason": str(error)})
                    due = []
                for feed in due:
                    name = (feed.agency, feed.code)
                    if name not in working and len(working) < AT_ONCE:
                        working[name] = asyncio.create_task(self._guarded(feed))
                await first_of(self._kick, stop, timeout_s=poll_s)
                for name in [name for name, task in working.items() if task.done()]:
                    working.pop(name).result()
        finally:
            for task in working.values():
                task.cancel()
            await asyncio.gather(*working.values(), return_exceptions=True)

    async def _guarded(self, feed: Feed) -> None:
        try:
            await self.pull(feed)
        except Transient as error:  # broker or database are away: the source is not asked again every few seconds
            logger.warning("feed_waits", extra={"list": feed.code, "reason": str(error)})
            with suppress(Transient):
                await self._store.postpone_feed(feed, self._clock() + retry_after(feed.failures + 1))

    async def pull(self, due: Feed) -> None:
        """Pull a list, unless another process does or has just done. Raises `Transient`."""
        async with self._store.pulling(due.agency, due.code) as ours:
            if not ours:
                return
            now = self._clock()
            feed, target = await self._store.feed(due.agency, due.code), await self._store.hotlist(due.agency, due.code)
            profile = self._profiles.get(due.agency)
            if feed is None or target is None or feed.next_at > now:
                return
            if profile is None:
                logger.warning("feed_without_profile", extra={"agency": feed.agency, "list": feed.code})
                await self._store.postpone_feed(feed, now + _NOBODYS)
                return
            number = await self._store.begin_pull(feed, now)
            result = await self._attempt(feed, target)
            await self._settle(feed, target, profile.timezone, number, now, result)
        self._relay.kick()

    async def _attempt(self, feed: Feed, target: ActiveList) -> _Result:
        """Try in a task of its own: a file that a fault of ours trips over must not end the door for frames."""
        task = asyncio.create_task(self._try(feed, target))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, Transient):
            raise error
        logger.error("feed_fault", extra={"list": feed.code}, exc_info=error)
        return _Result(Outcome.FAILED, "FAULT", type(error).__name__, alarm=True)

    async def _try(self, feed: Feed, target: ActiveList) -> _Result:
        """Fetch and load; whatever goes wrong is a result."""
        known = feed if feed.version and feed.version == target.version else replace(feed, sha256=b"")
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                fetched = await self._fetch(known)
        except PullFailed as failed:
            if feed.kind is FeedKind.FOLDER and failed.reason_code == "FILE_MISSING":
                return _Result(Outcome.NOTHING_NEW)
            return _Result(Outcome.FAILED, failed.reason_code, failed.detail, alarm=failed.stop, retry=not failed.stop)
        except TimeoutError:
            return _Result(Outcome.FAILED, "TIMED_OUT", f"not whole after {self.limits.timeout_s:g} s", retry=True)
        if fetched is None:
            return _Result(Outcome.UNCHANGED, version=target.version)
        if fetched.digest == known.sha256 and fetched.modified == known.modified:
            same = Outcome.NOTHING_NEW if feed.kind is FeedKind.FOLDER else Outcome.UNCHANGED
            return _Result(same, version=target.version, fetched=fetched)
        if feed.kind is FeedKind.FOLDER and not feed.asked_by and _mark(fetched, target) == feed.refused:
            return _Result(Outcome.NOTHING_NEW)  # it still lies there: one refusal is said once
        if fetched.digest in await self._store.rolled_back(feed.agency, feed.code):
            detail = "this file was rolled back by two people; a person can load it again"
            return _Result(Outcome.REFUSED, "LIST_ROLLED_BACK", detail, fetched=fetched, alarm=True)
        layout = self._loader.layout(feed.layout)
        if isinstance(layout, Refused):  # it shipped once
            return _Result(Outcome.REFUSED, layout.reason_code, layout.detail, alarm=True)
        made_at = fetched.modified_at or self._clock()  # a time that the file itself names goes before it
        sources = tuple(ListSource(name, made_at) for name in feed.sources)
        file = ListFile(fetched.source, layout, made_at, sources=sources, permissible_use=feed.permissible_use)
        brought = await self._loader.load(target, file, feed_person(feed.agency))
        if not isinstance(brought, Refused):
            outcome = Outcome.UNCHANGED if brought.identical else Outcome.LOADED
            return _Result(outcome, version=brought.version, fetched=fetched)
        passing = brought.reason_code in _PASSING
        return _Result(
            Outcome.FAILED if passing else Outcome.REFUSED,
            brought.reason_code,
            brought.detail,
            fetched=fetched,
            alarm=not passing,
            retry=passing,
        )

    async def _fetch(self, feed: Feed) -> Fetched | None:
        if feed.kind is not FeedKind.FOLDER and not host_allowed(feed.kind, feed.address, self.limits.hosts):
            raise PullFailed("HOST_NOT_ALLOWED", "the operator no longer allows this host", stop=True)
        match feed.kind:
            case FeedKind.SFTP:
                return await sftp.fetch(feed, self.limits)
            case FeedKind.HTTPS:
                return await https.fetch(feed, self.limits)
            case FeedKind.FOLDER:
                return await folder.fetch(feed, self.limits)
            case _:
                assert_never(feed.kind)

    async def _settle(
        self, feed: Feed, target: ActiveList, zone: str, number: int, begun: datetime, result: _Result
    ) -> None:
        """Write down what became of a pull, plan the next one, and tell who must know."""
        now = self._clock()
        fetched = result.fetched
        pull = Pull(
            number=number,
            started_at=begun,
            ended_at=now,
            outcome=result.outcome,
            reason_code=result.reason_code,
            detail=result.detail,
            size=fetched.size if fetched else 0,
            sha256=fetched.digest if fetched else b"",
            version=result.version,
            asked_by=feed.asked_by,
        )
        after = replace(
            feed,
            next_at=due_again(feed, now, zone, retry=result.retry),
            failures=feed.failures + 1 if result.outcome is Outcome.FAILED else 0,
            last_ok_at=now if result.good else None,
        )
        if result.good:
            after = replace(after, version=result.version)
            if fetched is not None:
                after = replace(after, etag=fetched.etag, modified=fetched.modified, sha256=pull.sha256)
        if fetched is not None and (result.good or result.outcome is Outcome.REFUSED):
            after = replace(after, refused="" if result.good else _mark(fetched, target))
        again = fetched is not None and _mark(fetched, target) == feed.refused
        said = [] if again else self._refusal(target, pull)
        raised = cleared = None
        if result.alarm:
            facts = {"pull": str(number), "outcome": result.outcome.value}
            revision = rfc3339(now)
            metrics.FEED_STOPPED.labels(feed.agency, feed.code).set(1)
            raised = alarm_messages(target, Alarm.FEED_STOPPED, result.reason_code, now, facts, revision=revision)
        elif result.good:
            cleared = [ended_message(target, Alarm.FEED_STOPPED, now)]
            metrics.FEED_STOPPED.labels(feed.agency, feed.code).set(0)
            metrics.FEED_OK.labels(feed.agency, feed.code).set(now.timestamp())
        await self._store.end_pull(after, pull, said, raised=raised, cleared=cleared)
        if result.good and feed.move_loaded and fetched is not None and fetched.place is not None:
            await asyncio.to_thread(folder.put_away, fetched.place, number)
        metrics.PULLS.labels(result.outcome.value, result.reason_code).inc()
        logger.info(
            "feed_pulled",
            extra={
                "list": feed.code,
                "outcome": result.outcome.value,
                "reason_code": result.reason_code,
                "version": result.version,
                "next_at": rfc3339(after.next_at),
            },
        )

    def _refusal(self, target: ActiveList, pull: Pull) -> list[Outgoing]:
        """Make the ledger's entry of a file that a guard kept out, as for a file that a person loads."""
        if pull.outcome is not Outcome.REFUSED:
            return []
        subject = f"{target.agency}/{target.code}"
        refused = Refused("HOT-04", pull.reason_code, "")
        facts = {"list": target.code, "pull": str(pull.number)}
        person = feed_person(target.agency)
        return [
            audit_message(
                "list_load_refused", subject, f"pull {pull.number}", person, self._clock(), refused=refused, facts=facts
            )
        ]


def _mark(fetched: Fetched, target: ActiveList) -> str:
    """Name a file as it was judged: another version in force may judge it otherwise."""
    return f"{target.version} {fetched.digest.hex()} {fetched.modified}"
