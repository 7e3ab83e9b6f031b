"""Rows of holds as the rules see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from alprcore.postgres import load_queries

from ..rules import CaseFile, Scope, Standing

QUERIES: Final = load_queries("alpr_retention.holding")


def case_file_of(text: str | None) -> CaseFile | None:
    """Read a case file from its row as JSON; None when nothing was asked or entered yet."""
    if text is None:
        return None
    row = json.loads(text)
    return CaseFile(
        adapter=row["adapter"],
        status=row["status"],
        purge_on=date.fromisoformat(row["purge_on"]) if row["purge_on"] else None,
        asked_at=_moment(row["asked_at"]),
        answered_at=_moment(row["answered_at"]),
        problem=row["problem"],
        entered_by=row["entered_by"],
        entered_name=row["entered_name"],
        confirmed_by=row["confirmed_by"],
    )


def standing_of(row: Mapping[str, Any], adapter: str = "manual") -> Standing:
    """Give what the next step of a hold depends on; `adapter` says who is asked where nothing is known yet."""
    known = case_file_of(row["case_file"])
    return Standing(
        state=row["state"],
        placed_by=row["placed_by"],
        ground=row["ground"],
        flag=row["flag"],
        case_number=row["case_number"],
        end_asked_by=row["end_asked_by"],
        case_file=known or (CaseFile(adapter) if adapter != "manual" else None),
        court_reference=row["court_reference"],
    )


def scope_of(row: Mapping[str, Any]) -> Scope:
    """Give what a hold covers."""
    criteria = json.loads(row["covers"]) if row["by_query"] else None
    forward = row["forward"] and row["by_query"]
    return Scope(tuple(str(read) for read in row["read_ids"]), criteria, row["query_entry"], forward)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
