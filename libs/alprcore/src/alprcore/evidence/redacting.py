"""What of a record goes into a package, and what is left out of it and said to be (SEC-05, SEC-06)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alprcore.evidence.packing import Kind, Redaction

_INNER_READ: Final = frozenset({"due_day", "was_due", "skeleton", "cell", "retracted", "stored_at", "frame"})
_INNER_HIT: Final = frozenset({"due_day", "was_due", "entry_sealed", "entry_key_id"})
CLETS_WORDS: Final = (
    "The words in which CLETS or NCIC answered are left out: they are released only with an authority of their own. "
    "That they exist, when they came and what they came to is said."
)
NOTES_WORDS: Final = (
    "What the camera had written into its file beside the picture (place, owner, thumbnail, comments) was removed when it "
    "was read and is not kept; every pixel of the picture is. frame.txt has the SHA-256 of the file as it was sent."
)
TRAIL_WORDS: Final = (
    "Who else looked at these reads is left out: it may tell of other investigations. The agency's ledger has it."
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What another database answered about a hit; `text` are its words, empty where they were not released."""

    hit_id: str
    source: str
    result: str
    verified_at: str
    verified_by: str
    has_text: bool
    text: str = ""


def shown_read(row: Mapping[str, Any]) -> dict[str, Any]:
    """A read as the package shows it: everything known of it but the store's own columns; images by role and hash."""
    kept = {name: value for name, value in row.items() if name not in _INNER_READ and name != "details"}
    images = [
        {name: image[name] for name in ("role", "view", "sha256") if name in image} for image in row.get("images", ())
    ]
    return {**kept, **row.get("details", {}), "images": images}


def shown_hit(row: Mapping[str, Any]) -> dict[str, Any]:
    """A hit with its list and version; the list entry's sealed fields stay with the list."""
    kept = {**{name: value for name, value in row.items() if name != "details"}, **row.get("details", {})}
    return {name: value for name, value in kept.items() if name not in _INNER_HIT}


def shown_verifications(
    found: Sequence[Verification], *, clets: bool
) -> tuple[list[dict[str, Any]], tuple[Redaction, ...]]:
    """What is said of confirmations, and the note of what was left out; words only with their own authority (SEC-06)."""
    left_out = sum(one.has_text and not (clets and one.text) for one in found)
    said = [
        {
            "hit_id": one.hit_id,
            "source": one.source,
            "result": one.result,
            "verified_at": one.verified_at,
            "verified_by": one.verified_by,
            **({"text": one.text} if clets and one.text else {"text_redacted": "SEC-06"} if one.has_text else {}),
        }
        for one in found
    ]
    notes = (Redaction("SEC-06", "clets_text", left_out, CLETS_WORDS),) if left_out else ()
    return said, notes


def camera_note(context_sha256: str, sent_sha256: str) -> tuple[Redaction, ...]:
    """The note that a picture is not the very file which its camera sent, since it was stored without the camera's notes."""
    return () if context_sha256 == sent_sha256 else (Redaction("SEC-04", "camera_notes", 1, NOTES_WORDS),)


def trail_note(kind: Kind, reads: int) -> tuple[Redaction, ...]:
    """The note that a recipient of a release is not told who else looked; a court is told (AUD-04)."""
    return (Redaction("AUD-04", "access_trail", reads, TRAIL_WORDS),) if kind is Kind.RELEASE else ()
