"""What is asked of the committed ledger: heads, proofs, searches by intent, entries, a recomputation of the whole."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from alprcore.errors import InvalidMessage
from alprcore.postgres import load_queries, translated
from alprcore.seal import note_verifier, verify_note

from .. import ledger
from .opening import fetch_nodes, places

_VERIFY_STEP: Final = 2000
_NEWEST: Final = 100_000
"""Accesses read at once; more than two agencies may ask in an hour under the limits as they are shipped."""
_QUERIES: Final = load_queries("alpr_audit")
_LEDGER: Final = load_queries("alpr_audit", "ledger.sql")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries an auditor looks for; what is empty does not narrow."""

    before: int = 2**62
    kind: str = ""
    username: str = ""
    outcome: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    plate: str = ""
    case_number: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Who looked at something, when, and whether it was a look at one read."""

    kind: str
    agency: str
    person_id: str
    at: datetime
    one_read: bool


class Ledger:
    """What is asked of the committed ledger."""

    def __init__(self, pool: asyncpg.Pool, reader: asyncpg.Pool) -> None:
        self._pool, self._reader = pool, reader

    @property
    def pool(self) -> asyncpg.Pool:
        """The connections as `alpr_audit`."""
        return self._pool

    async def head(self) -> tuple[int, bytes, str] | None:
        """Size, root and note of the last head; None for a ledger without entries."""
        with translated():
            row = await self._pool.fetchrow(_LEDGER["head"])
        return (row["size"], bytes(row["root"]), row["note"]) if row else None

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that an entry is in the tree of that size; raises `ValueError` when it is not."""
        ranges = ledger.inclusion_ranges(index, size)
        with translated():
            nodes = await fetch_nodes(self._pool, places(*ranges))
        return [ledger.range_hash(begin, end, nodes) for begin, end in ranges]

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of size `new` extends that of size `old`; raises `ValueError` for impossible sizes."""
        ranges = ledger.consistency_ranges(old, new)
        with translated():
            nodes = await fetch_nodes(self._pool, places(*ranges))
        return [ledger.range_hash(begin, end, nodes) for begin, end in ranges]

    async def search(self, index: int) -> list[dict[str, Any]]:
        """Let PostgreSQL answer the committed intent, as the role that may do nothing else."""
        with translated():
            rows = await self._reader.fetch(_QUERIES["search"], index)
        return [json.loads(row[0]) for row in rows]

    async def intent(self, index: int) -> dict[str, Any] | None:
        """What the intent at this index says, with its personal content while that is kept."""
        with translated():
            row = await self._pool.fetchrow(_QUERIES["intent"], index)
        if row is None:
            return None
        return {
            **dict(row),
            "query": json.loads(row["query"]),
            "content": json.loads(row["content"]) if row["content"] else {},
        }

    async def answered(self, index: int, read_id: str) -> datetime | None:
        """When the read was captured, if the committed result of the query handed it out."""
        with translated():
            captured = await self._pool.fetchval(_QUERIES["answered"], index, read_id)
        return datetime.fromisoformat(captured) if captured else None

    async def accesses(self, since: datetime, kinds: Sequence[str]) -> list[Access]:
        """Accesses of these kinds since then, oldest first; of more than 100,000 the newest."""
        with translated():
            rows = await self._pool.fetch(_LEDGER["accesses"], since, list(kinds), _NEWEST)
        return [
            Access(row["kind"], row["agency"], row["person_id"], row["occurred_at"], row["one_read"]) for row in rows
        ]

    async def log(self, agency: str, before: int, kind: str, limit: int) -> list[dict[str, Any]]:
        """Entries of an agency, newest first."""
        with translated():
            rows = await self._pool.fetch(_QUERIES["log"], agency, before, kind, limit)
        return [_shown(row) for row in rows]

    async def find(self, agency: str, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """Entries of an agency that are wanted, newest first; of a case also what was done under its holds and releases."""
        values = (wanted.before, wanted.kind, wanted.username, wanted.outcome, wanted.begin, wanted.end, wanted.plate)
        with translated():
            named = await self._pool.fetch(_LEDGER["case"], agency, wanted.case_number) if wanted.case_number else []
            case = [row["idx"] for row in named] if wanted.case_number else None
            rows = await self._pool.fetch(_LEDGER["find"], agency, *values, case, limit)
        return [_shown(row) for row in rows]

    async def linked(self, agency: str, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """An entry of an agency and what belongs to it: what it is about or follows, what follows it, its session."""
        with translated():
            rows = await self._pool.fetch(_LEDGER["linked"], agency, index)
        shown = {row["idx"]: _shown(row) for row in rows}
        entry = shown.pop(index, None)
        return (entry, list(shown.values())) if entry is not None else None

    async def leaf(self, index: int) -> bytes | None:
        """The bytes of an entry."""
        with translated():
            row = await self._pool.fetchrow(_LEDGER["bundle"], index, index + 1)
        return bytes(row["leaf"]) if row else None

    async def verify(self, verifier: str, signed: ledger.Head | None = None, *, gently: bool = False) -> dict[str, Any]:
        """Recompute the whole stored tree against every signed head; names the first bad index.

        `signed`: a head that was signed before this began; a database that holds less was rolled back.
        `gently`: rest after every step for as long as it took, for those who append meanwhile. 2000 entries are held at
        a time, and beside them what was erased and is not explained yet.
        """
        with translated():
            last = await self._pool.fetchrow(_LEDGER["ends"])
        size = last["size"] or 0
        audit = ledger.Audit()
        for begin in range(0, size, _VERIFY_STEP):
            began = time.monotonic()
            await self._verify_part(audit, begin, min(begin + _VERIFY_STEP, size))
            if gently:
                await asyncio.sleep(time.monotonic() - began)
            if audit.first_bad is not None:
                break
        audit.finish()
        if audit.first_bad is None and (last["entries"] or 0) > size:
            audit.bad(size, "an entry that no signed head covers")
        if audit.first_bad is None and signed is not None and size < signed.size:
            audit.bad(size, f"{signed.size} entries were signed and the database ends here")
        head_signed = True
        if last["note"] is not None:
            try:
                text = verify_note(last["note"], note_verifier_of(last["note"], verifier))
                head = ledger.parse_head(text)
                head_signed = (head.size, head.root) == (size, bytes(last["root"]))
            except (InvalidMessage, ValueError):
                head_signed = False
        sound = head_signed and audit.first_bad is None
        return {
            "sound": sound,
            "size": size,
            "first_bad": audit.first_bad,
            "flaw": audit.flaw,
            "head_signed": head_signed,
        }

    async def _verify_part(self, audit: ledger.Audit, begin: int, end: int) -> None:
        with translated():
            rows = await self._pool.fetch(_LEDGER["copy"], begin, end)
            heads = {row["size"]: row for row in await self._pool.fetch(_LEDGER["heads_between"], begin, end)}
            nodes = await self._pool.fetch(_LEDGER["nodes_between"], begin, end)
        await asyncio.to_thread(_judge, audit, (begin, end), rows, heads, nodes)  # the writer's loop goes on meanwhile


def _judge(
    audit: ledger.Audit, span: tuple[int, int], rows: list[Any], heads: dict[int, Any], nodes: list[Any]
) -> None:
    stored = {row["idx"]: row for row in rows}
    above = {(row["level"], row["idx"]): bytes(row["hash"]) for row in nodes}
    for index in range(*span):
        row = stored.get(index)
        if row is None:
            audit.missing(index)
        elif audit.entry(_stored(row)):
            head = heads.get(index + 1)
            if head is None or audit.head(index + 1, bytes(head["root"])):
                audit.nodes(above)
        if audit.first_bad is not None:
            return


def note_verifier_of(note: str, verifier: str) -> str:
    """The key that verifies a head of an earlier epoch of the ledger with this key."""
    origin = note.partition("\n")[0]
    name, _, key = verifier.split("+", 2)
    if ledger.epoch_of(origin)[0] != ledger.epoch_of(name)[0]:
        return verifier
    return note_verifier(origin, base64.b64decode(key)[1:])


def _shown(row: Any) -> dict[str, Any]:
    """Lay out an entry; `personal` is None once it was erased, and empty where the entry never committed to any."""
    entry = json.loads(row["leaf"])
    erased: dict[str, Any] | None = None if "personal" in entry else {}
    return {
        "index": row["idx"],
        "committed_at": row["committed_at"].isoformat(),
        "entry": entry,
        "personal": json.loads(row["content"]) if row["content"] else erased,
    }


def _stored(row: Any) -> ledger.Stored:
    return ledger.Stored(
        index=row["idx"],
        leaf=bytes(row["leaf"]),
        leaf_hash=bytes(row["leaf_hash"]),
        kind=row["kind"],
        agency=row["agency"],
        event_id=row["event_id"],
        about=row["about"],
        salt=bytes(row["salt"]) if row["salt"] is not None else None,
        content=ledger.parse(row["content"]) if row["content"] is not None else None,
        person_id=row["person_id"],
        scope=tuple(row["agency_scope"]) if row["agency_scope"] is not None else None,
        query=ledger.parse(row["query"]) if row["query"] is not None else None,
    )
