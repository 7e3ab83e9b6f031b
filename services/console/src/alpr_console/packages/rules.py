"""How the papers of a package are asked for in parts, and put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

HITS_AT_ONCE: Final = 400
PATIENCE_S: Final = 60.0
"""The custody of 200 reads is some thousand entries, each with its proof: seconds, on a busy ledger more."""


class NotBrought(Exception):
    """A service did not give or take a part of the papers."""


def brought(status: int, content: Any) -> Any:
    """Take an answer; raises `NotBrought` for any that is none."""
    if status >= 400 or not isinstance(content, dict):
        raise NotBrought(f"status {status}")
    return content


def parts(reads: Mapping[str, str], hits: Mapping[str, str]) -> Iterator[dict[str, Mapping[str, str]]]:
    """Divide a batch so that no part has more than 400 hits; `hits` are given with their reads."""
    of_read: dict[str, list[str]] = {}
    for hit_id, read_id in hits.items():
        of_read.setdefault(read_id, []).append(hit_id)
    some: dict[str, str] = {}
    theirs: dict[str, str] = {}
    for read_id, captured_at in reads.items():
        more = dict.fromkeys(of_read.get(read_id, ())[:HITS_AT_ONCE], read_id)
        if some and len(theirs) + len(more) > HITS_AT_ONCE:
            yield {"reads": some, "hits": theirs}
            some, theirs = {}, {}
        some[read_id] = captured_at
        theirs |= more
    if some:
        yield {"reads": some, "hits": theirs}


def merge(events: dict[int, dict[str, Any]], more: Iterable[Mapping[str, Any]]) -> None:
    """Add entries to those of other parts; one that is about reads of both is about all of them."""
    for event in more:
        known = events.setdefault(event["index"], {**event, "read_ids": []})
        known["read_ids"] = sorted({*known["read_ids"], *event["read_ids"]})
