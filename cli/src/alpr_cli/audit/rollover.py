"""The order to open a new epoch of a ledger: prepared by one, signed by two custodians, carried out by the writer.

A ledger whose database was restored from a backup refuses to go on: it would sign a second history under the same
name. Two people who are named in the settings may order that it goes on under the name of the next epoch. The order
names both heads and the reason; the first entry of the new epoch holds it.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

import asyncpg

from alprcore.errors import Misconfigured
from alprcore.seal import SigningKey, note_verifier, sign_note

from .proofs import epoch_of

_HEADER: Final = "plateline ledger rollover v1"
_STORED: Final = "SELECT size, root, note FROM audit.head ORDER BY size DESC LIMIT 1"


async def prepare(dsn: str, origin: str, checkpoint: str, reason: str) -> str:
    """Write the order, unsigned: what was signed last (empty text: lost), what is still stored, why.

    Raises `Misconfigured` for a reason that is not one line.
    """
    if not reason.strip() or "\n" in reason:
        raise Misconfigured("a reason is one line")
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(_STORED)
    finally:
        await connection.close()
    nothing = f"{origin}\n0\n{base64.b64encode(hashlib.sha256(b'').digest()).decode()}\n"
    heads = [" ".join((note or nothing).split("\n")[:3]) for note in (checkpoint, row["note"] if row else "")]
    epoch = max(epoch_of(head.partition(" ")[0])[1] for head in heads) + 1
    return "".join(f"{line}\n" for line in (_HEADER, f"{origin}/epoch-{epoch}", *heads, reason.strip()))


def sign(order: str, name: str, key: SigningKey) -> str:
    """Add a custodian's signature to an order that may have one already."""
    text, separator, signatures = order.partition("\n\n")
    text = text + "\n" if separator else order
    return f"{text}\n{signatures}{sign_note(key, name, text).rpartition(chr(10) * 2)[2]}"


def new_key(name: str, path: Path) -> str:
    """Make a custodian's key; answers the verification key for the settings. Raises `FileExistsError`."""
    return note_verifier(name, SigningKey.generate(path).public)
