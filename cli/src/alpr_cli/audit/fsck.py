"""A whole database against everything computed again: entries, columns beside them, intents, nodes of the tree."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from .copies import canonical_text, committed, export, safe_number, verify_copy
from .proofs import DIVERGED, SOUND, Finding, node_hash

_STEP: Final = 5000
_BESIDE: Final = """
    SELECT e.idx, e.leaf, e.leaf_hash, e.kind, e.agency, e.event_id, e.about, p.salt, i.person_id, i.agency_scope,
           i.query::text AS query, p.content #>> '{person,person_id}' AS named
    FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx) LEFT JOIN audit.intents AS i USING (idx)
    WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx
"""
_HEADS: Final = "SELECT size, root, note FROM audit.head ORDER BY size"
_LEAVES: Final = "SELECT leaf_hash FROM audit.entries ORDER BY idx"
_NODES: Final = "SELECT level, idx, hash FROM audit.nodes"


async def check_database(dsn: str, checkpoint: str, key: str, witnesses: Sequence[str] = ()) -> Finding:
    """Verify the copy that the database gives, then all that lies beside the entries."""
    finding = verify_copy(await export(dsn), checkpoint, key, witnesses)
    connection = await asyncpg.connect(dsn)
    try:
        if finding.code == DIVERGED:
            return await _narrowed(finding, connection)
        if finding.code != SOUND:
            return finding
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            leaves, begin = list[bytes](), 0
            while rows := await connection.fetch(_BESIDE, begin, begin + _STEP):
                for row in rows:
                    words = _differs(row, json.loads(bytes(row["leaf"])))
                    if words:
                        return Finding(DIVERGED, words, row["idx"])
                    leaves.append(bytes(row["leaf_hash"]))
                begin += _STEP
            sound = 0
            for row in await connection.fetch(_HEADS):
                said = row["note"].split("\n")[1:3]
                if said != [str(row["size"]), base64.b64encode(bytes(row["root"])).decode()]:
                    return Finding(DIVERGED, f"the head of {row['size']} entries is not what was signed", sound)
                sound = row["size"]
            stored = {(row["level"], row["idx"]): bytes(row["hash"]) for row in await connection.fetch(_NODES)}
    finally:
        await connection.close()
    wanted = _perfect(leaves)
    for level, index in sorted(wanted.keys() | stored.keys(), key=lambda place: place[1] << place[0]):
        if wanted.get((level, index)) != stored.get((level, index)):
            return Finding(DIVERGED, f"a node of level {level} is not the hash of what lies below", index << level)
    return Finding(SOUND, f"{finding.words}, {len(stored)} nodes")


async def _narrowed(finding: Finding, connection: Any) -> Finding:
    """Where only a head over many entries told of a change, the stored nodes tell between which entries it lies."""
    leaves = [bytes(row["leaf_hash"]) for row in await connection.fetch(_LEAVES)]
    stored = {(row["level"], row["idx"]): bytes(row["hash"]) for row in await connection.fetch(_NODES)}
    wrong = [(1 << level, index << level) for (level, index), value in _perfect(leaves).items()
             if stored.get((level, index)) not in (None, value)]  # fmt: skip
    if not wrong or finding.first_bad is None:
        return finding
    width, first = min(wrong)
    if first + width <= finding.first_bad:
        return finding
    return Finding(finding.code, finding.words, max(first, finding.first_bad))


def _perfect(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Every perfect subtree above the leaves, by level and index."""
    nodes: dict[tuple[int, int], bytes] = {}
    level, hashes = 0, leaves
    while len(hashes) > 1:
        level += 1
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        nodes.update({(level, index): value for index, value in enumerate(hashes)})
    return nodes


def _differs(row: Any, entry: dict[str, Any]) -> str:
    columns = (row["kind"], row["agency"], row["event_id"], row["about"])
    if columns != (entry.get("kind"), entry.get("agency"), entry.get("event_id"), entry.get("about")):
        return "a column differs from the entry"
    if row["salt"] is None:
        return "the intent was kept and its content was not" if row["person_id"] is not None else ""
    if (row["person_id"] is not None) != ("permits" in entry):
        return "an intent without its entry, or an entry without its intent"
    if row["person_id"] is None:
        return ""
    query = canonical_text(json.loads(row["query"], parse_int=safe_number))
    if committed(bytes(row["salt"]), query) != entry["permits"] or list(row["agency_scope"]) != entry["scope"]:
        return "the intent is not the one that was committed to"
    return "" if row["named"] == row["person_id"] else "the intent names another person"
