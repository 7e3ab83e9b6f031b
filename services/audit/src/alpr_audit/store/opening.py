"""How the writer takes up a stored tree, or refuses to: nothing altered, restored or forked goes on unnoticed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alprcore.errors import InvalidMessage, LedgerBroken, Misconfigured
from alprcore.postgres import load_queries
from alprcore.seal import note_verifier, verify_note

from .. import ledger

CUSTODIANS_NEEDED: Final = 2
"""Custodians who sign the order to open a new epoch: one person alone cannot leave entries behind."""
_QUERIES: Final = load_queries("alpr_audit", "ledger.sql")


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


@dataclass(frozen=True, slots=True)
class Trust:
    """By what a stored tree is judged: the ledger's public key and name, and who may order a new epoch."""

    public: bytes
    name: str
    checkpoint_file: Path
    custodians: tuple[str, ...] = ()
    order_file: Path | None = None

    def head(self, note: str, what: str) -> ledger.Head:
        """Read a head of any epoch of this ledger; raises `LedgerBroken` when its key did not sign it."""
        origin = note.partition("\n")[0]
        try:
            head = ledger.parse_head(verify_note(note, note_verifier(origin, self.public)))
        except (InvalidMessage, ValueError) as error:
            raise LedgerBroken(f"{what} is not signed by this ledger's key") from error
        if ledger.epoch_of(head.origin)[0] != self.name:
            raise LedgerBroken(f"{what} belongs to another ledger")
        return head

    def order(self) -> tuple[ledger.Rollover, str, tuple[str, ...]] | None:
        """Read the order to open a new epoch, its note and its signers; None without two custodians' signatures."""
        note = read_note_file(self.order_file) if self.order_file else None
        if note is None:
            return None
        signers = []
        for custodian in self.custodians:
            try:
                text = verify_note(note, custodian)
            except InvalidMessage:
                continue
            signers.append(custodian.partition("+")[0])
        if len(signers) < CUSTODIANS_NEEDED:
            return None
        try:
            return ledger.parse_rollover(text), note, tuple(signers)
        except ValueError:
            return None


def require_distinct(custodians: Sequence[str]) -> tuple[str, ...]:
    """Read the custodians' keys; raises `Misconfigured` unless names and keys are all different."""
    parts = [custodian.split("+", 2) for custodian in custodians]
    if any(len(part) != 3 for part in parts):
        raise Misconfigured("ALPR_AUDIT_CUSTODIANS: verification keys name+id+key")
    if len({part[0] for part in parts}) < len(parts) or len({part[2] for part in parts}) < len(parts):
        raise Misconfigured("ALPR_AUDIT_CUSTODIANS: every custodian has a name and a key of their own")
    return tuple(custodians)


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored tree that may be continued; `order`: only after the entry that opens the epoch was written."""

    tree: ledger.Tree
    origin: str
    note: str
    last_time: datetime | None
    order: ledger.Draft | None = None


async def open_tree(connection: Any, trust: Trust, sign: Callable[[ledger.Head], str]) -> Opened:
    """Take up the stored tree; raises `LedgerBroken` when it is not what was signed, or would fork the log."""
    row = await connection.fetchrow(_QUERIES["head"])
    last = await connection.fetchrow(_QUERIES["last_entry"])
    size = row["size"] if row else 0
    if (last is None and size) or (last is not None and last["idx"] != size - 1):
        raise LedgerBroken(f"the head covers {size} entries, the table ends at {last['idx'] if last else None}")
    outside = read_note_file(trust.checkpoint_file)
    kept = trust.head(outside, "the checkpoint file") if outside is not None else None
    nodes = await fetch_nodes(connection, places((0, size), (0, min(kept.size, size) if kept else 0)))
    try:
        tree = ledger.Tree(size, nodes)
        before = ledger.range_hash(0, kept.size, nodes) if kept and kept.size <= size else None
    except KeyError as error:
        raise LedgerBroken("a node of the stored tree is missing") from error
    stored = ledger.Head(trust.name, size, tree.root())
    if row is not None:
        signed = trust.head(row["note"], "the last head")
        if (signed.size, signed.root) != (size, tree.root()):
            raise LedgerBroken("the stored tree is not the one that was signed")
        stored = signed
    when = datetime.fromisoformat(json.loads(bytes(last["leaf"]))["time"]) if last is not None else None
    broken = _fork(stored, kept, before, trust)
    if not broken:
        return Opened(tree, stored.origin, row["note"] if row else sign(stored), when)
    kept = kept or ledger.Head(trust.name, 0, ledger.EMPTY_ROOT)
    found = trust.order()
    if found is not None and _carried_out(found[0], kept, stored):
        return Opened(tree, stored.origin, row["note"], when)  # only the checkpoint file was not yet replaced
    if found is None or not _meant(found[0], kept, stored):
        raise LedgerBroken(broken)
    draft = _opening(*found)
    return Opened(tree, draft.facts["origin"], row["note"] if row else "", when, draft)


def _fork(stored: ledger.Head, kept: ledger.Head | None, before: bytes | None, trust: Trust) -> str:
    """Say why the stored tree cannot go on under its name; empty when it can."""
    if kept is None:
        words = (
            f"the ledger has {stored.size} entries and {trust.checkpoint_file} is missing: a copy would go unnoticed"
        )
        return words if stored.size else ""
    if kept.origin != stored.origin and (stored.size or kept.size):
        return f"would fork: {kept.origin} was signed and the database holds {stored.origin}"
    if kept.size > stored.size:
        return f"would fork: {kept.size} entries were signed and the database holds {stored.size}"
    if before != kept.root:
        return "would fork: the stored tree does not extend the signed checkpoint"
    return ""


def _carried_out(order: ledger.Rollover, kept: ledger.Head, stored: ledger.Head) -> bool:
    """Whether the ordered epoch is open already, in the database."""
    return order.kept == kept and order.origin == stored.origin and stored.size > order.stored.size


def _meant(order: ledger.Rollover, kept: ledger.Head, stored: ledger.Head) -> bool:
    """Whether the order was made for exactly this state."""
    return (order.kept, order.stored) == (kept, stored) and order.origin == ledger.next_epoch(kept, stored)


def _opening(order: ledger.Rollover, note: str, signers: tuple[str, ...]) -> ledger.Draft:
    """Make the entry that opens the ordered epoch."""
    kept, stored = order.kept, order.stored
    facts = {
        "origin": order.origin,
        "signed_before": {"origin": kept.origin, "size": kept.size, "root": kept.root.hex()},
        "continued_from": {"origin": stored.origin, "size": stored.size, "root": stored.root.hex()},
        "signers": list(signers),
        "order": note,
    }
    return ledger.Draft(kind="epoch_opened", agency="", facts=facts)
