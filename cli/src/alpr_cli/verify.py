"""`alpr audit export`, `verify` and `receipt`: check copies and receipts with nothing but the ledger's public key.

The tree is computed here once more, by code of its own: what the ledger's writer gets wrong, this must notice.
Exit codes: 0 sound, 30 diverged (an entry or the tree is not what was signed), 40 invalid (nothing to judge by:
a broken copy, or a checkpoint that the key did not sign).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg

from alprcore.errors import AlprError, InvalidMessage
from alprcore.seal import verify_note

SOUND: Final = 0
DIVERGED: Final = 30
INVALID: Final = 40
FORMAT: Final = "plateline-ledger-copy-1"
_STEP: Final = 5000
_HASH_BYTES: Final = hashlib.sha256().digest_size
_COPY: Final = """
    SELECT e.idx, e.leaf, e.leaf_hash, p.salt, p.content::text AS content
    FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
    WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx
"""
_HEADS: Final = "SELECT size, note FROM audit.head WHERE size > $1 AND size <= $2 ORDER BY size"
_SIZE: Final = "SELECT max(size) FROM audit.head"


@dataclass(slots=True)
class Finding:
    """What a verification found: an exit code, words, and the first bad index where there is one."""

    code: int
    words: str
    first_bad: int | None = None


@dataclass(slots=True)
class _Roots:
    """Roots of the growing tree (RFC 6962 2.1): a stack of perfect subtrees, largest first."""

    size: int = 0
    stack: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, entry: bytes) -> None:
        width, top = 1, hashlib.sha256(b"\x00" + entry).digest()
        while self.stack and self.stack[-1][0] == width:
            top = _node(self.stack.pop()[1], top)
            width *= 2
        self.stack.append((width, top))
        self.size += 1

    def root(self) -> bytes:
        if not self.stack:
            return hashlib.sha256(b"").digest()
        top = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            top = _node(left, top)
        return top


def read_checkpoint(note: str, key: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint that the key signed; raises `InvalidMessage` for any other text."""
    lines = verify_note(note, key).split("\n")
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError) as error:
        raise InvalidMessage("NOTE_INVALID", "not a checkpoint") from error
    if size < 0 or len(root) != _HASH_BYTES:
        raise InvalidMessage("NOTE_INVALID", "not a checkpoint")
    return size, root


def verify_copy(lines: Iterable[str], checkpoint: str, key: str) -> Finding:
    """Recompute the tree of a copy and compare it with the checkpoint and with every signed head in the copy."""
    try:
        size, root = read_checkpoint(checkpoint, key)
    except AlprError as error:
        return Finding(INVALID, f"checkpoint: {error}")
    roots, sound, reached, erased = _Roots(), 0, size == 0, 0
    try:
        for line in _records(lines):
            if "head" in line:
                head = read_checkpoint(line["head"], key)
                if head != (roots.size, roots.root()):
                    return Finding(DIVERGED, f"the signed head of {head[0]} entries says otherwise", sound)
                sound = roots.size
                continue
            flaw = _flaw(line, roots.size)
            if flaw:
                return Finding(DIVERGED, flaw, roots.size)
            erased += "salt" not in line and "personal" in json.loads(line["entry"])
            roots.add(line["entry"].encode())
            if roots.size == size:
                if roots.root() != root:
                    return Finding(DIVERGED, "the tree is not the one that the checkpoint signs", sound)
                reached, sound = True, size
    except InvalidMessage:
        return Finding(DIVERGED, "a head in the copy is not signed by this key", sound)
    except (ValueError, KeyError, TypeError) as error:
        return Finding(INVALID, f"the copy cannot be read after entry {roots.size - 1}: {type(error).__name__}")
    if not reached:
        return Finding(DIVERGED, f"the copy ends before the {size} entries that were signed", roots.size)
    return Finding(SOUND, f"{roots.size} entries, {size} of them under the checkpoint, {erased} without content")


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    numbered = iter(lines)
    if json.loads(next(numbered, "null")) != {"format": FORMAT}:
        raise ValueError("another format")
    for line in numbered:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise TypeError("not a record")
        yield record


def _flaw(line: dict[str, Any], index: int) -> str:
    entry = line["entry"].encode()
    if line["index"] != index:
        return "an entry is missing or out of order"
    if hashlib.sha256(b"\x00" + entry).hexdigest() != line["hash"]:
        return "the entry is not the one that was hashed"
    if "salt" in line:
        content = bytes.fromhex(line["salt"]) + line["content"].encode()
        if hashlib.sha256(content).hexdigest() != json.loads(line["entry"]).get("personal"):
            return "the personal content is not the one that was committed to"
    return ""


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
        line |= {"salt": row["salt"].hex(), "content": _canonical(json.loads(row["content"], parse_int=_integer))}
    return json.dumps(line, ensure_ascii=False)


def _canonical(value: Any) -> str:
    """Write JSON as RFC 8785 does: keys by UTF-16 units, numbers as ECMAScript prints them."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(name)}:{_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
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


def _integer(text: str) -> int | float:
    """Read a number without a point; PostgreSQL also writes large floating ones so."""
    return int(text) if abs(int(text)) < 2**53 else float(text)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the proof places the leaf hash at `index` in the tree of that size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or any(len(part) != _HASH_BYTES for part in (leaf, *proof)):
        return False
    node, last, top = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            top = _node(part, top)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            top = _node(top, part)
        node, last = node >> 1, last >> 1
    return last == 0 and top == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the proof shows that the new tree extends the old one (RFC 9162 2.1.4.2); never from size 0."""
    if not 0 < old <= new or any(len(part) != _HASH_BYTES for part in proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for part in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = _node(part, before), _node(part, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = _node(after, part)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def verify_receipt(receipt: dict[str, Any], key: str) -> Finding:
    """Check what an answered query gave its asker: the entry is in the tree that the signed checkpoint names."""
    try:
        size, root = read_checkpoint(receipt["checkpoint"], key)
        leaf = hashlib.sha256(b"\x00" + receipt["entry"].encode()).digest()
        proof = [bytes.fromhex(part) for part in receipt["inclusion"]]
        index = int(receipt["index"])
    except (AlprError, AttributeError, KeyError, TypeError, ValueError) as error:
        return Finding(INVALID, f"receipt: {type(error).__name__}")
    if not verify_inclusion(index, size, leaf, proof, root):
        return Finding(DIVERGED, "the entry is not in the tree that the checkpoint signs", index)
    return Finding(SOUND, f"entry {index} of {size}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Lay out `alpr audit`."""
    commands = parser.add_subparsers(dest="audit_command", required=True)
    copy = commands.add_parser("export", help="copy a ledger to a file")
    copy.add_argument("dsn", help="PostgreSQL address of a role that may read schema audit")
    copy.add_argument("file", type=Path)
    check = commands.add_parser("verify", help="verify a copy offline; exit 0 sound, 30 diverged, 40 invalid")
    check.add_argument("copy", help="file made by export, or a PostgreSQL address")
    check.add_argument("--checkpoint", type=Path, required=True, help="a signed checkpoint, kept outside the database")
    check.add_argument("--key", required=True, help="verification key name+id+key, or a file that holds it")
    paper = commands.add_parser("receipt", help="verify the receipt of an answer offline; the same exit statuses")
    paper.add_argument("file", type=Path, help="the answer, or its receipt, as JSON")
    paper.add_argument("--key", required=True, help="verification key name+id+key, or a file that holds it")


def run(arguments: argparse.Namespace) -> int:
    """Run `alpr audit export` or `alpr audit verify`; answers the exit code."""
    if arguments.audit_command == "export":
        lines = asyncio.run(export(arguments.dsn))
        arguments.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(lines) - 1} lines")
        return SOUND
    try:
        key = Path(arguments.key).read_text("utf-8").strip() if Path(arguments.key).is_file() else arguments.key
        checkpoint = "" if arguments.audit_command == "receipt" else arguments.checkpoint.read_text("utf-8")
        if arguments.audit_command == "receipt":
            answer = json.loads(arguments.file.read_text("utf-8"))
            finding = verify_receipt(answer.get("receipt", answer), key)
        elif arguments.copy.startswith(("postgresql://", "postgres://")):
            finding = verify_copy(asyncio.run(export(arguments.copy)), checkpoint, key)
        else:
            with Path(arguments.copy).open(encoding="utf-8") as file:
                finding = verify_copy(file, checkpoint, key)
    except (OSError, ValueError, AttributeError) as error:
        finding = Finding(INVALID, f"cannot be read: {type(error).__name__}")
    verdict = {SOUND: "sound", DIVERGED: "DIVERGED", INVALID: "INVALID"}[finding.code]
    place = "" if finding.first_bad is None else f", first bad index {finding.first_bad}"
    print(f"{verdict}{place}: {finding.words}", file=sys.stdout if finding.code == SOUND else sys.stderr)
    return finding.code


def main(argv: list[str] | None = None) -> int:
    """Run as a command of its own."""
    parser = argparse.ArgumentParser(prog="alpr audit", description="Copies of the ledger, and whether they are sound.")
    add_arguments(parser)
    return run(parser.parse_args(argv))
