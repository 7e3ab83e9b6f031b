"""The ledger's arithmetic: canonical entries, salted commitments, the Merkle tree of RFC 6962 and its proofs.

The tree is RFC 6962 section 2.1 exactly (leaf `H(00 || entry)`, node `H(01 || left || right)`).
Proofs are made here and verified by code of its own in the command `alpr audit`. An entry is canonical JSON (RFC 8785) of at most 65,535 bytes, the limit of C2SP tlog-tiles.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

ENTRY_LIMIT: Final = 65_535
"""Bytes of one entry: tile bundles prefix an entry with its length in two bytes."""
SALT_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_SAFE_INTEGER: Final = 2**53 - 1
_QUICK: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_FIXED_NOTATION_DIGITS: Final = 21  # ECMAScript writes numbers below 1e21 without an exponent


class EntryInvalid(ValueError):
    """A value that cannot be a ledger entry: not canonical, too long, or of a kind JSON does not have."""


def canonical(value: Any) -> bytes:
    """Write a JSON value the one way of RFC 8785; raises `EntryInvalid` where JSON has no way.

    Keys are sorted by UTF-16 code units and numbers are written as ECMAScript does, so that any
    language reproduces the bytes that were hashed.
    """
    try:
        return (_QUICK.encode(value) if _plain(value) else _write(value)).encode()
    except UnicodeEncodeError as error:
        raise EntryInvalid("lone surrogate in a text") from error


def _plain(value: Any) -> bool:
    """Tell whether the standard library writes the value the canonical way, which is five times as fast."""
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _plain(item) for name, item in value.items())
    if kind is list:
        return all(map(_plain, value))
    return kind is str or value is None or kind is bool or (kind is int and -_SAFE_INTEGER <= value <= _SAFE_INTEGER)


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(str.__str__(value), ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise EntryInvalid("integer beyond 2^53 - 1")
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise EntryInvalid("a key that is not a text")
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_write(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_write(item) for item in value) + "]"
    raise EntryInvalid(f"{type(value).__name__} is not JSON")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise EntryInvalid("number that is not finite")
    if value == 0:
        return "0"
    sign, raw, exponent = Decimal(repr(value)).as_tuple()
    if not isinstance(exponent, int):
        raise EntryInvalid("number that is not finite")
    text = "".join(map(str, raw))
    digits = text.rstrip("0")
    point = len(text) + exponent
    count = len(digits)
    if count <= point <= _FIXED_NOTATION_DIGITS:
        body = digits + "0" * (point - count)
    elif 0 < point <= _FIXED_NOTATION_DIGITS:
        body = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
        body = f"{mantissa}e{point - 1:+d}"
    return ("-" if sign else "") + body


def parse(text: str) -> Any:
    """Read JSON back from PostgreSQL, which writes large floating numbers without a point."""

    def integer(digits: str) -> int | float:
        return int(digits) if abs(int(digits)) <= _SAFE_INTEGER else float(digits)

    return json.loads(text, parse_int=integer)


def commitment(salt: bytes, content: Any) -> str:
    """Commit to personal content: hex of `SHA-256(salt || canonical(content))`.

    The salt of 32 random bytes lies beside the content; erasing both leaves a value from which no
    list of plates or names can be tried, while the entry and every proof stay valid.
    """
    return _commit(salt, canonical(content))


def _commit(salt: bytes, content: bytes) -> str:
    if len(salt) != SALT_BYTES:
        raise EntryInvalid("salt is not 32 bytes")
    return hashlib.sha256(salt + content).hexdigest()


def encode_entry(fields: Mapping[str, Any]) -> bytes:
    """Make the bytes of an entry; raises `EntryInvalid` when they would exceed 65,535."""
    entry = canonical(fields)
    if len(entry) > ENTRY_LIMIT:
        raise EntryInvalid(f"entry of {len(entry)} bytes")
    return entry


def decode_entry(entry: bytes) -> dict[str, Any]:
    """Read an entry back; raises `EntryInvalid` when its bytes are not the canonical ones."""
    try:
        fields = json.loads(entry)
    except ValueError as error:
        raise EntryInvalid("not JSON") from error
    if not isinstance(fields, dict) or canonical(fields) != entry:
        raise EntryInvalid("not canonical JSON")
    return fields


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


Place = tuple[int, int]
"""Level and index of a perfect subtree: it covers the leaves `index << level` to `(index + 1) << level`."""


def cover(begin: int, end: int) -> Iterator[Place]:
    """Name the perfect subtrees that make up the leaves `begin` to `end`, left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def range_hash(begin: int, end: int, nodes: Mapping[Place, bytes]) -> bytes:
    """Hash the leaves `begin` to `end` from perfect subtrees; `KeyError` when one is missing."""
    if begin == end:
        return EMPTY_ROOT
    parts = [nodes[place] for place in cover(begin, end)]
    top = parts.pop()
    while parts:
        top = node_hash(parts.pop(), top)
    return top


class Tree:
    """The right edge of a growing tree: enough to append and to tell the root, in O(log size) memory."""

    def __init__(self, size: int = 0, edge: Mapping[Place, bytes] | None = None) -> None:
        self.size = size
        self._edge = [(edge or {})[place] for place in cover(0, size)]

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf hash; gives the perfect subtrees completed by it as level (from 1), index, hash."""
        completed = []
        level, index, top = 0, self.size, leaf
        while index & 1:
            top = node_hash(self._edge.pop(), top)
            level, index = level + 1, index >> 1
            completed.append((level, index, top))
        self._edge.append(top)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Hash of the whole tree."""
        if not self._edge:
            return EMPTY_ROOT
        top = self._edge[-1]
        for part in reversed(self._edge[:-1]):
            top = node_hash(part, top)
        return top

    def copy(self) -> Tree:
        """A second tree that grows by itself: a batch that fails leaves the first as it was."""
        other = Tree()
        other.size, other._edge = self.size, list(self._edge)
        return other


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose hashes prove that leaf `index` is in a tree of `size`, leaf side first."""
    if not 0 <= index < size:
        raise ValueError("leaf outside the tree")
    ranges: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Leaf ranges whose hashes prove that the tree of size `new` extends the tree of size `old`."""
    if not 0 < old <= new:
        raise ValueError("sizes must be 0 < old <= new")
    ranges: list[tuple[int, int]] = []
    begin, end, whole = 0, new, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin, whole = middle, False
    if not whole:
        ranges.append((begin, end))
    return ranges[::-1]


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head: whose ledger, how many entries, and their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The three lines that are signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_head(text: str) -> Head:
    """Read the text of a checkpoint, without its signatures; raises `ValueError` for any other shape."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0]:  # three lines and the end of the last
        raise ValueError("a checkpoint has three lines")
    if not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise ValueError("size of the checkpoint is not a number")
    root = base64.b64decode(lines[2], validate=True)
    if len(root) != len(EMPTY_ROOT):
        raise ValueError("root of the checkpoint is not 32 bytes")
    return Head(lines[0], int(lines[1]), root)


def read_ids_digest(read_ids: Iterable[str]) -> str:
    """Name a set of answered reads without telling them: SHA-256 over the ids, one per line, in answer order."""
    return hashlib.sha256("".join(f"{read_id}\n" for read_id in read_ids).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Intent:
    """What an entry permits: who asks, about which agencies, exactly what."""

    person_id: str
    agency_scope: tuple[str, ...]
    query: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a place; `personal` is committed to by a salted hash and kept beside the tree."""

    kind: str
    agency: str
    service: str = "audit"
    outcome: str = "ok"
    reason_code: str = ""
    profile_version: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, Any] = field(default_factory=dict)
    event_id: str = ""
    about: int | None = None
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An entry's bytes, and what is kept beside it in canonical JSON; empty where there is nothing."""

    leaf: bytes
    personal: bytes
    query: bytes


def encode_draft(draft: Draft, salt: bytes, now: datetime) -> Encoded:
    """Make the entry's bytes as of now; raises `EntryInvalid` for texts that no store can hold and for long ones."""
    personal = canonical(draft.personal) if draft.personal else b""
    query = canonical(draft.intent.query) if draft.intent is not None else b""
    fields: dict[str, Any] = {
        "v": 1,
        "time": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "kind": draft.kind,
        "agency": draft.agency,
        "service": draft.service,
        "outcome": draft.outcome,
        "reason_code": draft.reason_code,
        "profile_version": draft.profile_version,
        "facts": dict(draft.facts),
    }
    if draft.event_id:
        fields["event_id"] = draft.event_id
    if draft.about is not None:
        fields["about"] = draft.about
    if personal:
        fields["personal"] = _commit(salt, personal)
    if draft.intent is not None:
        fields["scope"] = list(draft.intent.agency_scope)
        fields["permits"] = _commit(salt, query)
    entry = encode_entry(fields)
    if b"\\u0000" in entry + personal + query:
        raise EntryInvalid("NUL in a text")  # PostgreSQL's jsonb refuses it
    return Encoded(entry, personal, query)


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the database gives it back, with what is kept beside it; `content` is None once erased."""

    index: int
    leaf: bytes
    leaf_hash: bytes
    kind: str
    agency: str
    event_id: str | None
    about: int | None
    salt: bytes | None
    content: Any
    person_id: str | None
    scope: tuple[str, ...] | None
    query: Any


def flaw(stored: Stored, index: int) -> str:
    """Tell what is wrong with a stored entry at this place; empty when nothing is."""
    if stored.index != index:
        return "another entry stands here"
    if leaf_hash(stored.leaf) != stored.leaf_hash:
        return "the entry is not the one that was hashed"
    try:
        entry = decode_entry(stored.leaf)
        beside = (stored.kind, stored.agency, stored.event_id, stored.about)
        if beside != (entry["kind"], entry["agency"], entry.get("event_id"), entry.get("about")):
            return "a column differs from the entry"
        if stored.salt is not None and commitment(stored.salt, stored.content) != entry.get("personal"):
            return "the personal content is not the one that was committed to"
        if (stored.person_id is not None) != ("permits" in entry):
            return "an intent without its entry, or an entry without its intent"
        if stored.person_id is not None and stored.salt is not None:
            if list(stored.scope or ()) != entry["scope"] or commitment(stored.salt, stored.query) != entry["permits"]:
                return "the intent is not the one that was committed to"
            if stored.content.get("person", {}).get("person_id") != stored.person_id:
                return "the intent names another person"
    except (KeyError, EntryInvalid, AttributeError) as error:
        return f"the entry cannot be read: {error}"
    return ""


class Audit:
    """A recomputation of the whole tree, entry by entry; stops at the first that is not what was signed."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.flaw = ""
        self.first_bad: int | None = None
        self._sound = 0

    def entry(self, stored: Stored) -> bool:
        """Take the next entry; False when it is bad."""
        words = flaw(stored, self.tree.size)
        if words:
            return self._bad(self.tree.size, words)
        self.tree.append(stored.leaf_hash)
        return True

    def missing(self, index: int) -> None:
        """Say that there is no entry at this index."""
        self._bad(index, "the entry is missing")

    def head(self, size: int, root: bytes) -> bool:
        """Compare with a head signed when the tree had as many entries as now; False when it says otherwise.

        The entries since the last head that agreed contain the bad one; the first of them is named.
        """
        if size != self.tree.size or root != self.tree.root():
            return self._bad(self._sound, f"the head of {size} entries says otherwise")
        self._sound = size
        return True

    def _bad(self, index: int, words: str) -> bool:
        self.first_bad, self.flaw = index, words
        return False
