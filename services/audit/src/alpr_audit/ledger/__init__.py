"""The ledger's arithmetic: canonical entries, salted commitments, the Merkle tree of RFC 6962, its proofs and files.

Proofs are made here and verified by code of its own in the command `alpr audit`. An entry is canonical JSON
(RFC 8785) of at most 65,535 bytes, the limit of C2SP tlog-tiles.
"""

from .entries import (
    NEVER_EMPTY,
    REQUIRED,
    Draft,
    Encoded,
    FieldsMissing,
    Intent,
    camera_scope,
    encode_draft,
    missing,
    read_ids_digest,
)
from .heads import (
    Head,
    Rollover,
    epoch_of,
    epoch_origin,
    next_epoch,
    parse_head,
    parse_rollover,
    proof_text,
)
from .jcs import (
    ENTRY_LIMIT,
    SALT_BYTES,
    EntryInvalid,
    canonical,
    commitment,
    decode_entry,
    encode_entry,
    parse,
)
from .recompute import REDACTION, Audit, Stored, flaw
from .tiles import ENTRIES, WIDTH, Tile, bundle, tiles_between
from .tree import (
    EMPTY_ROOT,
    Place,
    Tree,
    consistency_ranges,
    cover,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    range_hash,
)

__all__ = [
    "EMPTY_ROOT",
    "ENTRIES",
    "ENTRY_LIMIT",
    "NEVER_EMPTY",
    "REDACTION",
    "REQUIRED",
    "SALT_BYTES",
    "WIDTH",
    "Audit",
    "Draft",
    "Encoded",
    "EntryInvalid",
    "FieldsMissing",
    "Head",
    "Intent",
    "Place",
    "Rollover",
    "Stored",
    "Tile",
    "Tree",
    "bundle",
    "camera_scope",
    "canonical",
    "commitment",
    "consistency_ranges",
    "cover",
    "decode_entry",
    "encode_draft",
    "encode_entry",
    "epoch_of",
    "epoch_origin",
    "flaw",
    "inclusion_ranges",
    "leaf_hash",
    "missing",
    "next_epoch",
    "node_hash",
    "parse",
    "parse_head",
    "parse_rollover",
    "proof_text",
    "range_hash",
    "read_ids_digest",
    "tiles_between",
]
