"""What waits for a person, gathered from holds, evidence, requests and the schedule. Pure.

Each answer of the door says itself what this person may do next (`may`); nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .words import state


@dataclass(frozen=True, slots=True)
class Part:
    """Where something may wait: the door's path, the name of its list, the page, and acts that count, with words."""

    path: str
    name: str
    page: str
    key: str
    acts: Mapping[str, str]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do: its words, what it is about, the page where it is done, when it is due.

    `due` is a day (empty: none), `until` a moment where hours count.
    """

    words: str
    about: str
    page: str
    due: str = ""
    until: datetime | None = None


WAITING: Final = (
    Part(
        "/v1/retention/schedule", "changes", "/records/schedule", "change_id",
        {"approve": "Approve a change of the schedule"},
    ),
    Part(
        "/v1/retention/damaged-images", "damaged", "/records/purges", "",
        {"declare": "Decide on an image that does not open", "confirm": "Agree that an image is lost, or not"},
    ),
    Part(
        "/v1/holds", "holds", "/records/holds", "hold_id",
        {
            "confirm": "Confirm or lift a provisional hold", "release": "Agree to the release of a hold",
            "review": "Review a hold",
        },
    ),
    Part(
        "/v1/evidence-exports", "exports", "/records/evidence", "package_id",
        {"book": "Enter the booking number of a package"},
    ),
    Part(
        "/v1/release-requests", "release_requests", "/records/releases", "request_id",
        {
            "decide": "Decide on a request", "file": "Acknowledge the filing of a request",
            "fulfil": "Fulfill an approved request",
        },
    ),
    Part(
        "/v1/sharing-agreements", "agreements", "/records/sharing", "agreement_id",
        {"approve": "Decide on a sharing agreement"},
    ),
)  # fmt: skip
_LATE_ONLY: Final = frozenset({"review"})
"""Acts that are always possible and wait for somebody only when they are due."""


def tasks(part: Part, answer: Mapping[str, Any]) -> list[Task]:
    """Pick what waits of one part's answer; of several acts on one thing the first counts."""
    rows = answer.get(part.name)
    found = []
    for row in rows if isinstance(rows, list) else []:
        may = row.get("may") or ()
        act = next((act for act in part.acts if act in may and (act not in _LATE_ONLY or row.get("overdue"))), None)
        if act is None:
            continue
        page = f"{part.page}/{row.get(part.key, '')}" if part.key else part.page
        found.append(Task(part.acts[act], _about(row), page, str(row.get("review_due") or "")))
    return found


def breach_tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Put notices and tasks of breaches before everything else that waits (SEC-02)."""
    return [
        Task(
            "See a breach" if row["due_at"] is None else "Work on a breach",
            str(row["words"]), f"/records/breaches/{row['incident_id']}", until=row["due_at"],
        )
        for row in rows
    ]  # fmt: skip


def _about(row: Mapping[str, Any]) -> str:
    for name in ("ground_label", "agency_name", "words", "title", "receiver"):
        if row.get(name):
            return str(row[name])
    return state(str(row.get("state", "")))[0]
