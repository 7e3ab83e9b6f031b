"""The whole ledger computed again: every stored entry against its hash, its columns and its personal content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .entries import REDACTION
from .jcs import EntryInvalid, commitment, decode_entry
from .tree import Place, Tree, leaf_hash


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
        return _beside(stored, decode_entry(stored.leaf))
    except (KeyError, EntryInvalid, AttributeError) as error:
        return f"the entry cannot be read: {error}"


def _beside(stored: Stored, entry: Mapping[str, Any]) -> str:
    columns = (stored.kind, stored.agency, stored.event_id, stored.about)
    if columns != (entry["kind"], entry["agency"], entry.get("event_id"), entry.get("about")):
        return "a column differs from the entry"
    if stored.salt is None:
        return "the intent was kept and its content was not" if stored.person_id is not None else ""
    if commitment(stored.salt, stored.content) != entry.get("personal"):
        return "the personal content is not the one that was committed to"
    if (stored.person_id is not None) != ("permits" in entry):
        return "an intent without its entry, or an entry without its intent"
    if stored.person_id is not None:
        if list(stored.scope or ()) != entry["scope"] or commitment(stored.salt, stored.query) != entry["permits"]:
            return "the intent is not the one that was committed to"
        if stored.content.get("person", {}).get("person_id") != stored.person_id:
            return "the intent names another person"
    return ""


def erased_by(entry: Mapping[str, Any], index: int) -> tuple[int, int]:
    """Whose content this entry says was erased, before it in the log; an empty range for all other entries."""
    facts = entry["facts"]
    if (entry["kind"], entry["service"]) != (REDACTION, "audit"):
        return 0, 0
    begin, through = facts.get("from"), facts.get("through")
    if type(begin) is not int or type(through) is not int:
        return 0, 0
    return begin, min(through + 1, index)


class Erasures:
    """Entries without their personal content, and the redactions that say so."""

    def __init__(self) -> None:
        self._bare: list[tuple[int, int]] = []

    def bare(self, index: int) -> None:
        """Note that an entry commits to content that is not kept."""
        if self._bare and self._bare[-1][1] == index:
            self._bare[-1] = (self._bare[-1][0], index + 1)
        else:
            self._bare.append((index, index + 1))

    def redacted(self, begin: int, end: int) -> None:
        """Take what a redaction says: the content of the entries `begin` to `end` was erased."""
        if begin >= end:
            return
        left = []
        for first, last in self._bare:
            left += [(first, min(last, begin)), (max(first, end), last)]
        self._bare = [(first, last) for first, last in left if first < last]

    def first(self) -> int | None:
        """The first entry whose content is gone without a redaction."""
        return self._bare[0][0] if self._bare else None


class Audit:
    """A recomputation of the whole tree, entry by entry; stops at the first that is not what was signed."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.flaw = ""
        self.first_bad: int | None = None
        self._sound = 0
        self._completed: list[tuple[int, int, bytes]] = []
        self._erasures = Erasures()

    def entry(self, stored: Stored) -> bool:
        """Take the next entry; False when it is bad."""
        index = self.tree.size
        words = flaw(stored, index)
        if words:
            return self.bad(index, words)
        entry = decode_entry(stored.leaf)
        if stored.salt is None and "personal" in entry:
            self._erasures.bare(index)
        self._erasures.redacted(*erased_by(entry, index))
        self._completed = self.tree.append(stored.leaf_hash)
        return True

    def nodes(self, above: Mapping[Place, bytes]) -> bool:
        """Compare the stored subtrees that the last entry completed; False when one says otherwise.

        Where a head was signed since, that head is asked first: it tells an altered entry from an altered node.
        """
        for level, place, value in self._completed:
            if above.get((level, place)) != value:
                first = place << level if self._sound == self.tree.size else max(place << level, self._sound)
                return self.bad(first, f"a node of level {level} is not the hash of what lies below")
        return True

    def missing(self, index: int) -> None:
        """Say that there is no entry at this index."""
        self.bad(index, "the entry is missing")

    def head(self, size: int, root: bytes) -> bool:
        """Compare with a head signed when the tree had as many entries as now; False when it says otherwise.

        The entries since the last head that agreed contain the bad one; the first of them is named.
        """
        if size != self.tree.size or root != self.tree.root():
            return self.bad(self._sound, f"the head of {size} entries says otherwise")
        self._sound = size
        return True

    def finish(self) -> None:
        """After the last entry: content that is gone was erased by a redaction, or somebody took it."""
        first = self._erasures.first()
        if self.first_bad is None and first is not None:
            self.bad(first, "the personal content is gone and no redaction says so")

    def bad(self, index: int, words: str) -> bool:
        """Name the first entry that is not what was signed."""
        self.first_bad, self.flaw = index, words
        return False
