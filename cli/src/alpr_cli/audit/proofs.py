"""The tree once more, by code of its own: roots, inclusion and consistency (RFC 9162 2.1), checkpoints, receipts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alprcore.errors import AlprError, InvalidMessage
from alprcore.seal import note_verifier, read_cosignature, verify_note

SOUND: Final = 0
DIVERGED: Final = 30
INVALID: Final = 40
HASH_BYTES: Final = hashlib.sha256().digest_size
_HEADER: Final = "c2sp.org/tlog-proof@v1"
_LONGEST_PATH: Final = 63  # no tree of 2^63 entries exists
_EPOCH: Final = re.compile(r"(.+)/epoch-([1-9][0-9]{0,8})")


@dataclass(slots=True)
class Finding:
    """What a verification found: an exit code, words, and the first bad index where there is one."""

    code: int
    words: str
    first_bad: int | None = None


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Roots:
    """Roots of the growing tree (RFC 6962 2.1): a stack of perfect subtrees, largest first."""

    size: int = 0
    stack: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Append a leaf hash."""
        width, top = 1, leaf
        while self.stack and self.stack[-1][0] == width:
            top = node_hash(self.stack.pop()[1], top)
            width *= 2
        self.stack.append((width, top))
        self.size += 1

    def root(self) -> bytes:
        """Hash of the tree so far."""
        if not self.stack:
            return hashlib.sha256(b"").digest()
        top = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            top = node_hash(left, top)
        return top


def read_checkpoint(note: str, key: str, witnesses: Sequence[str] = ()) -> tuple[int, bytes]:
    """Size and root of a checkpoint that the key signed and all these witnesses cosigned; raises `InvalidMessage`."""
    lines = verify_note(note, key).split("\n")
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError) as error:
        raise InvalidMessage("NOTE_INVALID", "not a checkpoint") from error
    if str(size) != lines[1] or size < 0 or len(root) != HASH_BYTES or lines[0] != key.partition("+")[0]:
        raise InvalidMessage("NOTE_INVALID", "not a checkpoint of this ledger")
    for witness in witnesses:
        read_cosignature(note, witness)
    return size, root


def key_for(note: str, key: str) -> str:
    """The key of an earlier epoch of the same ledger, where a head belongs to one: same secret, earlier name."""
    name, earlier = key.partition("+")[0], note.partition("\n")[0]
    (base, epoch), (other, before) = epoch_of(name), epoch_of(earlier)
    if base != other or before >= epoch:
        return key
    try:
        return note_verifier(earlier, base64.b64decode(key.split("+", 2)[2], validate=True)[1:])
    except (IndexError, ValueError):
        return key


def epoch_of(origin: str) -> tuple[str, int]:
    """Name of the ledger and number of the epoch, as an origin says them."""
    found = _EPOCH.fullmatch(origin)
    return (found[1], int(found[2])) if found else (origin, 1)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the proof places the leaf hash at `index` in the tree of that size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or any(len(part) != HASH_BYTES for part in (leaf, *proof)):
        return False
    node, last, top = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            top = node_hash(part, top)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            top = node_hash(top, part)
        node, last = node >> 1, last >> 1
    return last == 0 and top == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the proof shows that the new tree extends the old one (RFC 9162 2.1.4.2); never from size 0."""
    if not 0 < old <= new or any(len(part) != HASH_BYTES for part in proof):
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
            before, after = node_hash(part, before), node_hash(part, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, part)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an answered query gave its asker."""

    index: int
    entry: bytes
    path: list[bytes]
    checkpoint: str


def parse_proof(text: str) -> Receipt:
    """Read a proof file (C2SP tlog-proof) whose extra data is the entry; raises `ValueError` for any other shape."""
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != _HEADER:
        raise ValueError("not a proof file")
    extra = lines.pop(1).removeprefix("extra ") if lines[1:] and lines[1].startswith("extra ") else ""
    name, _, number = lines[1].partition(" ") if lines[1:] else ("", "", "")
    if name != "index" or not number.isascii() or not number.isdigit() or str(int(number)) != number:
        raise ValueError("no index")
    if len(lines) - 2 > _LONGEST_PATH:
        raise ValueError("too many hashes")
    path = [base64.b64decode(line, validate=True) for line in lines[2:]]
    return Receipt(int(number), base64.b64decode(extra, validate=True), path, checkpoint)


def receipt_of(answer: dict[str, Any]) -> Receipt:
    """Read the receipt out of an answer; raises `ValueError`, `KeyError` or `TypeError` for any other shape."""
    receipt = answer.get("receipt", answer)
    path = [bytes.fromhex(part) for part in receipt["inclusion"]]
    return Receipt(int(receipt["index"]), receipt["entry"].encode(), path, receipt["checkpoint"])


def verify_receipt(receipt: dict[str, Any] | str | Receipt, key: str, witnesses: Sequence[str] = ()) -> Finding:
    """Check what an answered query gave its asker: the entry is in the tree that the signed checkpoint names."""
    try:
        if isinstance(receipt, str):
            receipt = parse_proof(receipt)
        elif isinstance(receipt, dict):
            receipt = receipt_of(receipt)
        size, root = read_checkpoint(receipt.checkpoint, key_for(receipt.checkpoint, key), witnesses)
    except (AlprError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return Finding(INVALID, f"receipt: {type(error).__name__}")
    if not verify_inclusion(receipt.index, size, leaf_hash(receipt.entry), receipt.path, root):
        return Finding(DIVERGED, "the entry is not in the tree that the checkpoint signs", receipt.index)
    return Finding(SOUND, f"entry {receipt.index} of {size}")
