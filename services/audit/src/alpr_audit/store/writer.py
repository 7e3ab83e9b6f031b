"""The ledger's one writer in PostgreSQL: group commit, the tree head in the same transaction."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from alprcore.errors import Transient
from alprcore.postgres import load_queries, login, translated
from alprcore.seal import SigningKey, note_verifier, sign_note

from .. import ledger, metrics
from .opening import Trust, open_tree, require_distinct, write_note_file

logger = logging.getLogger(__name__)

BATCH_LIMIT: Final = 512
"""Entries per commit: at this size the commit itself is no longer what takes the time."""
_WORTH_HALVING: Final = 16
"""Entries that are divided in two commits when nothing is under way: the second commit then works while those who wait
for the first are answered and ask anew. All in one, writer and askers would wait for each other in turns."""
QUEUE_LIMIT: Final = 8192
_AHEAD: Final = 4
"""Batches that PostgreSQL may have before their heads stand in the checkpoint file."""
_RETRY_S: Final = 0.5
_SWEEP_S: Final = 0.25
_ITS_FAULT: Final = ("22", "23", "54")  # SQLSTATE classes: data exception, integrity constraint, program limit
_QUERIES: Final = load_queries("alpr_audit", "ledger.sql")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands and the signed head that covers it; `repeat`: it had been there before."""

    index: int
    size: int
    root: bytes
    note: str
    leaf: bytes
    repeat: bool = False


@dataclass(slots=True)
class _Waiting:
    draft: ledger.Draft
    entry: ledger.Encoded
    leaf_hash: bytes
    salt: bytes
    since: float
    done: asyncio.Future[Receipt]


@dataclass(slots=True)
class _Committed:
    """A batch that PostgreSQL keeps: what is left is the head outside of it."""

    placed: list[tuple[_Waiting, int, bool]]
    head: ledger.Head
    note: str


class Writer:
    """The one writer: gathers entries that wait, and commits them with the tree and its signed head at once.

    Leadership is a lock of the database session that also writes, so a writer that lost the lock cannot write.
    It starts only on a tree that extends both the last head in the database and the one in the checkpoint file.
    An entry is done when its head stands in both places; the next batch is on its way meanwhile.
    """

    def __init__(
        self,
        dsn: str,
        key: SigningKey,
        origin: str,
        checkpoint_file: Path,
        clock: Callable[[], datetime],
        *,
        patience_s: float = 5.0,
        software: str = "",
        custodians: Sequence[str] = (),
        order_file: Path | None = None,
    ) -> None:
        self._dsn, self._key, self._file, self._clock = dsn, key, checkpoint_file, clock
        self._patience, self._software = patience_s, software
        order_file = order_file or checkpoint_file.with_suffix(".rollover")
        self._trust = Trust(key.public, origin, checkpoint_file, require_distinct(custodians), order_file)
        self._queue: deque[_Waiting] = deque()
        self._pending: deque[_Waiting] = deque()
        self._committed: deque[_Committed] = deque()
        self._files = ThreadPoolExecutor(1)  # one: an older head never overtakes a newer one
        self._wake, self._keep, self._kept = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._keeping = asyncio.Lock()
        self._tree = ledger.Tree()
        self._head = ledger.Head(origin, 0, ledger.EMPTY_ROOT)
        self._last_time: datetime | None = None
        self._leading = False
        self.term = 0
        """How often this process has begun to lead."""
        self.origin = origin
        self.note = ""

    @property
    def verifier(self) -> str:
        """The key that verifies heads of the present epoch."""
        return note_verifier(self.origin, self._key.public)

    @property
    def leading(self) -> bool:
        """Whether entries can be written now."""
        return self._leading

    @property
    def size(self) -> int:
        """Entries in the tree whose head stands in both places."""
        return self._head.size

    @property
    def waiting(self) -> int:
        """Entries that were handed over and are in no batch yet."""
        return len(self._queue)

    def head(self) -> ledger.Head:
        """The head that stands in both places."""
        return self._head

    async def append(self, draft: ledger.Draft) -> Receipt:
        """Commit an entry. Raises `Transient` when that is not possible now and `EntryInvalid` for an odd entry."""
        if not self._leading:
            raise Transient("the ledger has no writer here")
        if len(self._queue) >= QUEUE_LIMIT:
            raise Transient("too many entries wait")
        waiting = self._prepare(draft)
        self._queue.append(waiting)
        self._pending.append(waiting)
        self._wake.set()
        try:
            receipt = await waiting.done
        except Transient:  # whoever must ask again has waited too long, however soon that was said
            metrics.APPEND_SECONDS.observe(max(self._patience, time.monotonic() - waiting.since))
            raise
        metrics.APPEND_SECONDS.observe(time.monotonic() - waiting.since)
        return receipt

    def _prepare(self, draft: ledger.Draft) -> _Waiting:
        salt = secrets.token_bytes(ledger.SALT_BYTES)
        now, behind_ms = self._clock(), 0
        if self._last_time is not None and now < self._last_time:
            # the clock was set back: times in the log never decrease, and the entry says by how much it is off
            behind_ms = max(1, round((self._last_time - now).total_seconds() * 1000))
            now = self._last_time
        entry = ledger.encode_draft(draft, salt, now, software=self._software, behind_ms=behind_ms)
        self._last_time = now
        return _Waiting(
            draft,
            entry,
            ledger.leaf_hash(entry.leaf),
            salt,
            time.monotonic(),
            asyncio.get_running_loop().create_future(),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`. Raises `LedgerBroken` when the stored tree is not what was signed."""
        sweeping = asyncio.create_task(self._sweep())
        try:
            while not stop.is_set():
                try:
                    await self._lead(stop)
                except Transient as error:
                    logger.warning("ledger_writer_lost", extra={"reason": str(error)})
                finally:
                    self._step_down()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _RETRY_S)
        finally:
            sweeping.cancel()

    async def _sweep(self) -> None:
        """Give up on entries that waited too long; one clock for all is cheaper than one for each."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            patient_since = time.monotonic() - self._patience
            while self._pending and (self._pending[0].done.done() or self._pending[0].since < patient_since):
                _fail([self._pending.popleft()], Transient("the ledger does not answer in time"))

    def _step_down(self) -> None:
        self._leading = False
        metrics.LEADING.set(0)
        _fail([waiting for batch in self._committed for waiting, _, _ in batch.placed], Transient("the writer stopped"))
        _fail(self._queue, Transient("the ledger's writer stopped"))
        self._committed.clear()
        self._queue.clear()

    async def _lead(self, stop: asyncio.Event) -> None:
        with translated():
            connection = await asyncpg.connect(
                **login(self._dsn),
                command_timeout=self._patience,
                timeout=self._patience,
                server_settings={"timezone": "UTC"},
            )
        try:
            with translated():
                while not await connection.fetchval(_QUERIES["lead"]):
                    if stop.is_set():
                        return
                    await asyncio.sleep(_RETRY_S)
                opened = await open_tree(connection, self._trust, lambda head: self._sign(head)[1])
            self._tree, self.origin, self._last_time = opened.tree, opened.origin, opened.last_time
            self._head = ledger.Head(self.origin, self._tree.size, self._tree.root())
            self.note = opened.note
            if opened.order is not None:
                await self._commit(connection, [self._prepare(opened.order)])
                await self._keep_newest()
                logger.warning("ledger_epoch_opened", extra={"origin": self.origin, "size": self._tree.size})
            else:
                await self._write_file(self.note)
            self._leading = True
            self.term += 1
            metrics.LEADING.set(1)
            metrics.SIZE.set(self._tree.size)
            logger.info("ledger_leading", extra={"size": self._tree.size})
            await self._work(connection, stop)
        finally:
            connection.terminate()  # frees the lock at once, whatever state the session is in

    def _sign(self, head: ledger.Head) -> tuple[ledger.Head, str]:
        return head, sign_note(self._key, head.origin, head.text())

    async def _work(self, connection: Any, stop: asyncio.Event) -> None:
        """Commit batches and keep their heads outside, side by side, until one of them ends."""
        writing = asyncio.create_task(self._write_batches(connection, stop))
        tasks = {
            writing,
            asyncio.create_task(self._keep_heads()),
            asyncio.create_task(stop.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._wake.set()
                done, _ = await asyncio.wait({writing}, timeout=self._patience)  # the batch under way is finished
            for task in done:
                task.result()
            await self._keep_newest()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_batches(self, connection: Any, stop: asyncio.Event) -> None:
        rested = False
        while not stop.is_set():
            if len(self._committed) >= _AHEAD:
                self._kept.clear()
                await self._kept.wait()
                continue
            if not self._queue:
                rested = True
                self._wake.clear()
                try:
                    await asyncio.wait_for(self._wake.wait(), self._patience)
                except TimeoutError:
                    with translated():
                        await connection.fetchval(_QUERIES["lead"])  # a lost session is noticed while nobody asks
                continue
            count = len(self._queue)
            if rested and count >= _WORTH_HALVING:
                count //= 2
            rested = False
            batch = [self._queue.popleft() for _ in range(min(BATCH_LIMIT, count))]
            try:
                await self._commit(connection, batch)
            except asyncpg.UniqueViolationError as error:
                _fail(batch, Transient("the ledger could not write"))
                raise Transient("another writer was faster") from error
            except asyncpg.PostgresError as error:
                await self._one_by_one(connection, batch, error)
            except BaseException:
                _fail(batch, Transient("the ledger could not write"))
                raise

    async def _one_by_one(self, connection: Any, batch: Sequence[_Waiting], error: asyncpg.PostgresError) -> None:
        """After a statement that the database refuses: the entry at fault fails, and nobody else.

        Values, constraints and limits are the entry's fault; whatever else the database says is ours, and may pass.
        """
        if len(batch) > 1:
            for waiting in batch:
                try:
                    await self._commit(connection, [waiting])
                except asyncpg.UniqueViolationError:
                    _fail(batch, Transient("the ledger could not write"))
                    raise Transient("another writer was faster") from None
                except asyncpg.PostgresError as its_own:
                    await self._one_by_one(connection, [waiting], its_own)
            return
        metrics.ENTRIES.labels("refused_by_database").inc()
        logger.error("ledger_entry_refused", extra={"reason": type(error).__name__, "sqlstate": error.sqlstate})
        at_fault = str(error.sqlstate or "")[:2] in _ITS_FAULT
        _fail(
            batch, ledger.EntryInvalid("the database refuses it") if at_fault else Transient("the database refuses it")
        )

    async def _commit(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        named = [waiting.draft.event_id for waiting in batch if waiting.draft.event_id]
        known: dict[str, int] = {}
        if named:
            with translated():
                known = {row["event_id"]: row["idx"] for row in await connection.fetch(_QUERIES["repeats"], named)}
        tree = self._tree.copy()
        placed: list[tuple[_Waiting, int, bool]] = []
        nodes: list[tuple[int, int, bytes]] = []
        for waiting in batch:
            event = waiting.draft.event_id
            if event and event in known:
                placed.append((waiting, known[event], True))
                continue
            placed.append((waiting, tree.size, False))
            if event:
                known[event] = tree.size
            nodes.extend(tree.append(waiting.leaf_hash))
        fresh = [(waiting, index) for waiting, index, repeat in placed if not repeat]
        head, note = self._sign(ledger.Head(self.origin, tree.size, tree.root()))
        if fresh:
            with translated():
                await connection.execute(_QUERIES["append"], *_columns(fresh, nodes), head.size, head.root, note)
            self._tree = tree
            metrics.BATCH.observe(len(fresh))
        self._committed.append(_Committed(placed, head, note))
        self._keep.set()

    async def _keep_heads(self) -> None:
        while True:
            await self._keep.wait()
            self._keep.clear()
            await self._keep_newest()

    async def _keep_newest(self) -> None:
        """Write the newest head outside the database, then tell everybody whom it covers."""
        async with self._keeping:  # the keeper, and the writer's last act when it stops
            await self._keep_committed(list(self._committed))

    async def _keep_committed(self, batches: Sequence[_Committed]) -> None:
        if not batches:
            return
        newest = batches[-1]
        if newest.note != self.note:
            await self._write_file(newest.note)
        self._head, self.note = newest.head, newest.note
        metrics.SIZE.set(newest.head.size)
        for batch in batches:
            self._committed.popleft()
            self._kept.set()
            for outcome, count in Counter("repeat" if r else w.draft.outcome for w, _, r in batch.placed).items():
                metrics.ENTRIES.labels(outcome).inc(count)
            for waiting, index, repeat in batch.placed:
                if not waiting.done.done():
                    head, leaf = batch.head, waiting.entry.leaf
                    waiting.done.set_result(Receipt(index, head.size, head.root, batch.note, leaf, repeat))

    async def _write_file(self, note: str) -> None:
        try:
            async with asyncio.timeout(self._patience):  # a volume that hangs takes the lead from this process
                await asyncio.get_running_loop().run_in_executor(self._files, write_note_file, self._file, note)
        except OSError as error:  # a TimeoutError is one
            raise Transient(f"checkpoint file: {type(error).__name__}") from error


def _fail(batch: Sequence[_Waiting] | deque[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)


def _columns(fresh: Sequence[tuple[_Waiting, int]], nodes: Sequence[tuple[int, int, bytes]]) -> list[list[Any]]:
    """Lay a batch out as the arrays of the statement `append`."""
    personal = [(waiting, index) for waiting, index in fresh if waiting.draft.personal]
    intents = [(waiting.draft.intent, waiting.entry.query, index) for waiting, index in fresh if waiting.draft.intent]
    return [
        [index for _, index in fresh],
        [waiting.entry.leaf for waiting, _ in fresh],
        [waiting.leaf_hash for waiting, _ in fresh],
        [waiting.draft.kind for waiting, _ in fresh],
        [waiting.draft.agency for waiting, _ in fresh],
        [waiting.draft.event_id or None for waiting, _ in fresh],
        [waiting.draft.about for waiting, _ in fresh],
        [index for _, index in personal],
        [waiting.salt for waiting, _ in personal],
        [waiting.entry.personal.decode() for waiting, _ in personal],
        [index for _, _, index in intents],
        [intent.person_id for intent, _, _ in intents if intent],
        [json.dumps(intent.agency_scope) for intent, _, _ in intents if intent],
        [query.decode() for _, query, _ in intents],
        [level for level, _, _ in nodes],
        [index for _, index, _ in nodes],
        [value for _, _, value in nodes],
    ]
