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


def custody_of(
    read: Mapping[str, Any],
    hits: Sequence[Mapping[str, Any]],
    events: Sequence[LedgerEvent],
    proofs: Mapping[int, str],
    *,
    packed_at: str,
    packed_by: str,
) -> list[dict[str, Any]]:
    """List what happened to a read in the order of time: capture, receipt, reading, storing, hits, accesses, packing.

    `proofs` names the file of the proof by the number of the entry. Times are ISO 8601 with any offset, and UTC in the
    answer.
    """
    reader, detector = read.get("reader") or {}, read.get("detector") or {}
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
        _step(packed_at, "packed", packed_by, "copied into this package, hashed and signed"),
    ]
    return sorted(chain, key=lambda step: step["at"])


def _step(at: str, what: str, by: str, words: str) -> dict[str, Any]:
    moment = datetime.fromisoformat(at).astimezone(UTC).isoformat(timespec="microseconds")
    return {"at": moment, "what": what, "by": by, "words": words}
