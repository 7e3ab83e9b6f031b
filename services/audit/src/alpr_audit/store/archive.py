"""What is asked of the committed ledger: heads, proofs, searches by intent, entries, a recomputation of the whole."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any, Final

import asyncpg

from alprcore.errors import InvalidMessage
from alprcore.postgres import load_queries, translated
from alprcore.seal import verify_note

from .. import ledger
from .writer import fetch_nodes, places

_VERIFY_STEP: Final = 2000
_QUERIES: Final = load_queries("alpr_audit")


class Ledger:
    """What is asked of the committed ledger."""

    def __init__(self, pool: asyncpg.Pool, reader: asyncpg.Pool) -> None:
        self._pool, self._reader = pool, reader

    async def head(self) -> tuple[int, bytes, str] | None:
        """Size, root and note of the last head; None for a ledger without entries."""
        with translated():
            row = await self._pool.fetchrow(_QUERIES["head"])
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

    async def log(self, agency: str, before: int, kind: str, limit: int) -> list[dict[str, Any]]:
        """Entries of an agency, newest first."""
        with translated():
            rows = await self._pool.fetch(_QUERIES["log"], agency, before, kind, limit)
        return [
            {
                "index": row["idx"],
                "committed_at": row["committed_at"].isoformat(),
                "entry": json.loads(row["leaf"]),
                "personal": json.loads(row["content"]) if row["content"] else None,
            }
            for row in rows
        ]

    async def verify(self, verifier: str) -> dict[str, Any]:
        """Recompute the whole stored tree against every signed head; names the first bad index."""
        last = await self.head()
        size = last[0] if last else 0
        audit = ledger.Audit()
        for begin in range(0, size, _VERIFY_STEP):
            end = min(begin + _VERIFY_STEP, size)
            with translated():
                rows = await self._pool.fetch(_QUERIES["copy"], begin, end)
                heads = {row["size"]: row for row in await self._pool.fetch(_QUERIES["heads_between"], begin, end)}
            stored = {row["idx"]: row for row in rows}
            for index in range(begin, end):
                row = stored.get(index)
                if row is None:
                    audit.missing(index)
                elif audit.entry(_stored(row)) and index + 1 in heads:
                    audit.head(index + 1, bytes(heads[index + 1]["root"]))
                if audit.first_bad is not None:
                    break
            if audit.first_bad is not None:
                break
            await asyncio.sleep(0)
        signed = True
        if last is not None:
            try:
                head = ledger.parse_head(verify_note(last[2], verifier))
                signed = (head.size, head.root) == (size, last[1])
            except (InvalidMessage, ValueError):
                signed = False
        sound = signed and audit.first_bad is None
        return {"sound": sound, "size": size, "first_bad": audit.first_bad, "flaw": audit.flaw, "head_signed": signed}


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
