"""Copies of a ledger, line by line: made from its database, and verified with nothing but the public key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import asyncpg

from alprcore.errors import AlprError, InvalidMessage

from .proofs import DIVERGED, INVALID, SOUND, Finding, Roots, key_for, leaf_hash, read_checkpoint

FORMAT: Final = "plateline-ledger-copy-1"
_STEP: Final = 5000
_COPY: Final = """
    SELECT e.idx, e.leaf, e.leaf_hash, p.salt, p.content::text AS content
    FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
    WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx
"""
_HEADS: Final = "SELECT size, note FROM audit.head WHERE size > $1 AND size <= $2 ORDER BY size"
_SIZE: Final = "SELECT greatest((SELECT max(size) FROM audit.head), (SELECT max(idx) + 1 FROM audit.entries))"


@dataclass(slots=True)
class _Judge:
    """What is known so far of a copy that is read entry by entry."""

    key: str
    roots: Roots = field(default_factory=Roots)
    sound: int = 0
    erased: int = 0
    bare: dict[int, None] = field(default_factory=dict)

    def head(self, note: str) -> Finding | None:
        """Compare with a head that was signed when the tree had as many entries as now."""
        size, root = read_checkpoint(note, key_for(note, self.key))
        if (size, root) != (self.roots.size, self.roots.root()):
            return Finding(DIVERGED, f"the signed head of {size} entries says otherwise", self.sound)
        self.sound = self.roots.size
        return None

    def entry(self, line: dict[str, Any]) -> Finding | None:
        """Take the next entry."""
        index, raw = self.roots.size, line["entry"].encode()
        if line["index"] != index:
            return Finding(DIVERGED, "an entry is missing or out of order", index)
        if leaf_hash(raw).hex() != line["hash"]:
            return Finding(DIVERGED, "the entry is not the one that was hashed", index)
        try:
            entry = json.loads(raw)
            whole = isinstance(entry, dict) and canonical_text(entry).encode() == raw
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            return Finding(DIVERGED, "the entry is not canonical JSON", index)
        if "salt" in line:
            if committed(bytes.fromhex(line["salt"]), line["content"]) != entry.get("personal"):
                return Finding(DIVERGED, "the personal content is not the one that was committed to", index)
        elif "personal" in entry:
            self.erased += 1
            self.bare[index] = None
        if (entry.get("kind"), entry.get("service")) == ("redaction", "audit"):
            facts = entry["facts"]
            for gone in [at for at in self.bare if facts["from"] <= at <= facts["through"]]:
                del self.bare[gone]
        self.roots.add(leaf_hash(raw))
        return None


def verify_copy(lines: Iterable[str], checkpoint: str, key: str, witnesses: Sequence[str] = ()) -> Finding:
    """Recompute the tree of a copy and compare it with the checkpoint and with every signed head in the copy.

    Personal content may be gone only where a redaction in the log says that it was erased.
    """
    try:
        size, root = read_checkpoint(checkpoint, key_for(checkpoint, key), witnesses)
    except AlprError as error:
        return Finding(INVALID, f"checkpoint: {error}")
    judge, reached = _Judge(key), size == 0
    try:
        for line in _records(lines):
            bad = judge.head(line["head"]) if "head" in line else judge.entry(line)
            if bad is not None:
                return bad
            if judge.roots.size == size and not reached:
                if judge.roots.root() != root:
                    return Finding(DIVERGED, "the tree is not the one that the checkpoint signs", judge.sound)
                reached, judge.sound = True, size
    except InvalidMessage:
        return Finding(DIVERGED, "a head in the copy is not signed by this key", judge.sound)
    except (ValueError, KeyError, TypeError) as error:
        return Finding(INVALID, f"the copy cannot be read after entry {judge.roots.size - 1}: {type(error).__name__}")
    if not reached:
        return Finding(DIVERGED, f"the copy ends before the {size} entries that were signed", judge.roots.size)
    if judge.sound < judge.roots.size:
        return Finding(DIVERGED, "entries that no signed head covers", judge.sound)
    if judge.bare:
        return Finding(DIVERGED, "personal content is gone and no redaction says so", min(judge.bare))
    return Finding(
        SOUND, f"{judge.roots.size} entries, {size} of them under the checkpoint, {judge.erased} without content"
    )


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    numbered = iter(lines)
    if json.loads(next(numbered, "null")) != {"format": FORMAT}:
        raise ValueError("another format")
    for line in numbered:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise TypeError("not a record")
        yield record


async def export(dsn: str) -> list[str]:
    """Copy a ledger out of its database: entries, contents that are kept, and every signed head in its place."""
    connection = await asyncpg.connect(dsn)
    lines = [json.dumps({"format": FORMAT})]
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            size = await connection.fetchval(_SIZE) or 0
            for begin in range(0, size, _STEP):
                end = min(begin + _STEP, size)
                heads = {row["size"]: row["note"] for row in await connection.fetch(_HEADS, begin, end)}
                for row in await connection.fetch(_COPY, begin, end):
                    lines.append(_line(row))
                    if row["idx"] + 1 in heads:
                        lines.append(json.dumps({"head": heads[row["idx"] + 1]}))
    finally:
        await connection.close()
    return lines


def _line(row: Any) -> str:
    line = {"index": row["idx"], "entry": bytes(row["leaf"]).decode(errors="replace"), "hash": row["leaf_hash"].hex()}
    if row["salt"] is not None:
        line |= {
            "salt": row["salt"].hex(),
            "content": canonical_text(json.loads(row["content"], parse_int=safe_number)),
        }
    return json.dumps(line, ensure_ascii=False)


def committed(salt: bytes, content: str) -> str:
    """What an entry says of content that is kept beside it."""
    return hashlib.sha256(salt + content.encode()).hexdigest()


def canonical_text(value: Any) -> str:
    """Write JSON as RFC 8785 does: keys by UTF-16 units, numbers as ECMAScript prints them."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical_text(name)}:{canonical_text(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_text, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the first digit
    if value == 0:
        return "0"
    if -6 < point <= 21:  # within these, ECMAScript writes no exponent
        whole, rest = (
            text[: max(point, 0)].ljust(point, "0") or "0",
            text[max(point, 0) :].rjust(len(text) - point, "0"),
        )
        body = f"{whole}.{rest}" if len(text) > point else whole
    else:
        body = f"{text[0]}{'.' if text[1:] else ''}{text[1:]}e{point - 1:+d}"
    return f"{'-' if sign else ''}{body}"


def safe_number(text: str) -> int | float:
    """Read a number without a point; PostgreSQL also writes large floating ones so."""
    return int(text) if abs(int(text)) < 2**53 else float(text)
