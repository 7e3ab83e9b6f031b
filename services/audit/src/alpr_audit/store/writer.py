"""The ledger's one writer in PostgreSQL: group commit, the tree head in the same transaction."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from alprcore.errors import InvalidMessage, LedgerBroken, Transient
from alprcore.postgres import load_queries, translated
from alprcore.seal import SigningKey, note_verifier, sign_note, verify_note

from .. import ledger, metrics

logger = logging.getLogger(__name__)

BATCH_LIMIT: Final = 512
"""Entries per commit: at this size the commit itself is no longer what takes the time."""
QUEUE_LIMIT: Final = 8192
_RETRY_S: Final = 0.5
_QUERIES: Final = load_queries("alpr_audit")


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
    salt: bytes
    since: float
    done: asyncio.Future[Receipt]


def read_note_file(path: Path) -> str | None:
    """Read the checkpoint kept outside the database; None when there is none yet."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write_note_file(path: Path, note: str) -> None:
    """Replace the checkpoint file so that a crash leaves the old one or the new one, never half of either."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def places(*ranges: tuple[int, int]) -> list[ledger.Place]:
    """Perfect subtrees that make up these leaf ranges."""
    return [place for begin, end in ranges for place in ledger.cover(begin, end)]


async def fetch_nodes(connection: Any, wanted: Iterable[ledger.Place]) -> dict[ledger.Place, bytes]:
    """Read the hashes of perfect subtrees."""
    listed = list(wanted)
    leaves = [index for level, index in listed if level == 0]
    above = [place for place in listed if place[0]]
    rows = await connection.fetch(_QUERIES["nodes"], leaves, [p[0] for p in above], [p[1] for p in above])
    return {(row["level"], row["idx"]): bytes(row["hash"]) for row in rows}


class Writer:
    """The one writer: gathers entries that wait, and commits them with the tree and its signed head at once.

    Leadership is a lock of the database session that also writes, so a writer that lost the lock cannot write.
    It starts only on a tree that extends both the last head in the database and the one in the checkpoint file.
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
    ) -> None:
        self._dsn, self._key, self._origin, self._file, self._clock = dsn, key, origin, checkpoint_file, clock
        self._patience = patience_s
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE_LIMIT)
        self._tree = ledger.Tree()
        self._leading = False
        self.verifier = note_verifier(origin, key.public)
        self.note = ""

    @property
    def leading(self) -> bool:
        """Whether entries can be written now."""
        return self._leading

    @property
    def size(self) -> int:
        """Entries in the tree that this writer signed last."""
        return self._tree.size

    def head(self) -> ledger.Head:
        """The head that this writer signed last."""
        return ledger.Head(self._origin, self._tree.size, self._tree.root())

    async def append(self, draft: ledger.Draft) -> Receipt:
        """Commit an entry. Raises `Transient` when that is not possible now and `EntryInvalid` for an odd entry."""
        if not self._leading:
            raise Transient("the ledger has no writer here")
        salt = secrets.token_bytes(ledger.SALT_BYTES)
        waiting = _Waiting(
            draft, ledger.encode_draft(draft, salt, self._clock()), salt, time.monotonic(), asyncio.Future()
        )
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Transient("too many entries wait") from None
        try:
            receipt = await asyncio.wait_for(waiting.done, self._patience)
        except TimeoutError:
            raise Transient("the ledger does not answer in time") from None
        metrics.APPEND_SECONDS.observe(time.monotonic() - waiting.since)
        return receipt

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`. Raises `LedgerBroken` when the stored tree is not what was signed."""
        while not stop.is_set():
            try:
                await self._lead(stop)
            except Transient as error:
                logger.warning("ledger_writer_lost", extra={"reason": str(error)})
            finally:
                self._step_down()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RETRY_S)

    def _step_down(self) -> None:
        self._leading = False
        metrics.LEADING.set(0)
        while not self._queue.empty():
            self._fail([self._queue.get_nowait()], Transient("the ledger's writer stopped"))

    async def _lead(self, stop: asyncio.Event) -> None:
        with translated():
            connection = await asyncpg.connect(
                self._dsn, command_timeout=self._patience, timeout=self._patience, server_settings={"timezone": "UTC"}
            )
        try:
            with translated():
                while not await connection.fetchval(_QUERIES["lead"]):
                    if stop.is_set():
                        return
                    await asyncio.sleep(_RETRY_S)
                await self._load(connection)
            self._leading = True
            metrics.LEADING.set(1)
            metrics.SIZE.set(self._tree.size)
            logger.info("ledger_leading", extra={"size": self._tree.size})
            await self._write_batches(connection, stop)
        finally:
            connection.terminate()  # frees the lock at once, whatever state the session is in

    async def _load(self, connection: Any) -> None:
        """Take up the stored tree, or refuse to: the checks of a restored or altered database."""
        row = await connection.fetchrow(_QUERIES["head"])
        last = await connection.fetchval(_QUERIES["last_index"])
        size = row["size"] if row else 0
        if (last is None and size) or (last is not None and last != size - 1):
            raise LedgerBroken(f"the head covers {size} entries, the table ends at {last}")
        outside = read_note_file(self._file)
        if outside is None and row is not None:
            raise LedgerBroken(f"the ledger has {size} entries and {self._file} is missing: a copy would go unnoticed")
        kept = self._opened(outside, "the checkpoint file") if outside is not None else None
        if kept is not None and kept.size > size:
            raise LedgerBroken(f"would fork: {kept.size} entries were signed and the database holds {size}")
        nodes = await fetch_nodes(connection, places((0, size), (0, kept.size if kept else 0)))
        try:
            tree = ledger.Tree(size, nodes)
            before = ledger.range_hash(0, kept.size, nodes) if kept else None
        except KeyError as error:
            raise LedgerBroken("a node of the stored tree is missing") from error
        if row is not None:
            signed = self._opened(row["note"], "the last head")
            if (signed.size, signed.root) != (size, tree.root()):
                raise LedgerBroken("the stored tree is not the one that was signed")
        if kept is not None and before != kept.root:
            raise LedgerBroken("would fork: the stored tree does not extend the signed checkpoint")
        self._tree = tree
        self.note = row["note"] if row else sign_note(self._key, self._origin, self.head().text())
        if outside is None:
            self._keep(self.note)

    def _opened(self, note: str, what: str) -> ledger.Head:
        try:
            head = ledger.parse_head(verify_note(note, self.verifier))
        except (InvalidMessage, ValueError) as error:
            raise LedgerBroken(f"{what} is not signed by this ledger's key") from error
        if head.origin != self._origin:
            raise LedgerBroken(f"{what} belongs to another ledger")
        return head

    def _keep(self, note: str) -> None:
        try:
            write_note_file(self._file, note)
        except OSError as error:
            raise Transient(f"checkpoint file: {type(error).__name__}") from error

    async def _write_batches(self, connection: Any, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while True:
                getting = asyncio.create_task(self._queue.get())
                await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED, timeout=self._patience)
                if not getting.done():
                    getting.cancel()
                    if stop.is_set():
                        return
                    with translated():
                        await connection.fetchval(_QUERIES["lead"])  # a lost session is noticed while nobody asks
                    continue
                batch = [getting.result()]
                while len(batch) < BATCH_LIMIT and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                try:
                    await self._commit(connection, batch)
                except BaseException as error:
                    self._fail(batch, Transient("the ledger could not write"))
                    if isinstance(error, asyncpg.UniqueViolationError):
                        raise Transient("another writer was faster") from error
                    raise
        finally:
            stopping.cancel()

    @staticmethod
    def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(error)

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
            nodes.extend(tree.append(ledger.leaf_hash(waiting.entry.leaf)))
        fresh = [(waiting, index) for waiting, index, repeat in placed if not repeat]
        if fresh:
            head = ledger.Head(self._origin, tree.size, tree.root())
            note = sign_note(self._key, self._origin, head.text())
            with translated():
                await connection.execute(_QUERIES["append"], *_columns(fresh, nodes), head.size, head.root, note)
            await asyncio.to_thread(self._keep, note)
            self._tree, self.note = tree, note
            metrics.BATCH.observe(len(fresh))
            metrics.SIZE.set(tree.size)
        root = self._tree.root()
        for waiting, index, repeat in placed:
            metrics.ENTRIES.labels("repeat" if repeat else waiting.draft.outcome).inc()
            if not waiting.done.done():
                waiting.done.set_result(Receipt(index, self._tree.size, root, self.note, waiting.entry.leaf, repeat))


def _columns(fresh: Sequence[tuple[_Waiting, int]], nodes: Sequence[tuple[int, int, bytes]]) -> list[list[Any]]:
    """Lay a batch out as the arrays of the statement `append`."""
    personal = [(waiting, index) for waiting, index in fresh if waiting.draft.personal]
    intents = [(waiting.draft.intent, waiting.entry.query, index) for waiting, index in fresh if waiting.draft.intent]
    return [
        [index for _, index in fresh],
        [waiting.entry.leaf for waiting, _ in fresh],
        [ledger.leaf_hash(waiting.entry.leaf) for waiting, _ in fresh],
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
