"""The chain of custody of one read: from the camera to the package, and who looked at it in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_WORDS: Mapping[str, str] = {
    "query": "searched for",
    "query_result": "answered in a search",
    "hit_query": "searched for by its hit",
    "hit_query_result": "answered in a search of hits",
    "image_view": "image opened",
    "live_image_shown": "image of the live hit shown",
    "export": "taken into a file or package",
    "export_result": "taken into a file or package",
    "hit_view": "hit shown",
    "hold_placed": "hold placed",
    "hold_released": "hold released",
    "hold_covers": "hold placed",
    "held_image_damaged": "image found not to open",
    "held_image_missing": "image found to be gone",
    "held_image_lost": "kept without the image",
    "held_image_mended": "image opens again",
    "image_loss_declared": "image declared lost",
    "image_loss_confirmed": "loss of the image confirmed by a second person",
    "image_loss_denied": "loss of the image denied",
}


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """An entry of the ledger about a read: its number, time and kind, who acted, and the proof that it stands there."""

    index: int
    at: str
    kind: str
    username: str = ""
    full_name: str = ""
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """The hold under which a read is packed: since when, placed by whom, on which ground."""

    at: str
    by: str
    words: str


def custody_of(
    read: Mapping[str, Any],
    hits: Sequence[Mapping[str, Any]],
    events: Sequence[LedgerEvent],
    proofs: Mapping[int, str],
    *,
    packed_at: str,
    packed_by: str,
    held: Held | None = None,
) -> list[dict[str, Any]]:
    """List what happened to a read in the order of time: capture, receipt, reading, storing, hits, accesses, packing.

    `proofs` names the file of the proof by the number of the entry, `held` says under which hold it lies. Times are ISO 8601 with any offset, and UTC in the
    answer.
    """
    reader, detector = read.get("reader") or {}, read.get("detector") or {}
    said = any(event.kind in ("hold_placed", "hold_covers") for event in events)
    chain = [
        _step(read["captured_at"], "captured", read["device_id"], f"camera {read['camera_id'] or read['device_id']}"),
        _step(read["received_at"], "received", "ingest", "frame received"),
        _step(
            read["read_at"],
            "read",
            "recognizer",
            f"detector {detector.get('name', '')} sha256 {detector.get('sha256', '')}, "
            f"reader {reader.get('name', '')} sha256 {reader.get('sha256', '')}, revision {read['revision']}",
        ),
        _step(read["stored_at"], "stored", "retention", "stored, images sealed"),
        *(
            _step(
                hit["matched_at"],
                "matched",
                "matcher",
                f"hit {hit['hit_id']} against list {hit['list_code']} version {hit['list_version']}",
            )
            for hit in hits
        ),
        *(
            {
                **_step(event.at, event.kind, event.full_name or event.username, _WORDS.get(event.kind, event.kind)),
                "ledger_entry": event.index,
                "proof": proofs.get(event.index, ""),
            }
            for event in events
        ),
        *(
            _step(
                image["lost_at"],
                "image_lost",
                "retention",
                f"{image['role']} kept no longer: two people said it is lost",
            )
            for image in read.get("images") or ()
            if image.get("lost_at")
        ),
        *([_step(held.at, "held", held.by, held.words)] if held and not said else []),
        _step(packed_at, "packed", packed_by, "copied into this package, hashed and signed"),
    ]
    return sorted(chain, key=lambda step: step["at"])


def _step(at: str, what: str, by: str, words: str) -> dict[str, Any]:
    moment = datetime.fromisoformat(at).astimezone(UTC).isoformat(timespec="microseconds")
    return {"at": moment, "what": what, "by": by, "words": words}
