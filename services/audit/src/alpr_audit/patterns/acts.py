"""What the patterns look at, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

ACCESSES: Final = frozenset({"query", "hit_query", "image_view", "export", "print"})
"""Acts that show data to a person who asked for it."""
QUERIES: Final = frozenset({"query", "hit_query"})
ENDING: Final = frozenset({"account_disabled", "access_suspended"})
BEGINNING: Final = frozenset({"account_opened", "account_activated", "access_restored"})
ACT_KINDS: Final = (*sorted(ACCESSES | ENDING | BEGINNING), "concurrent_session", "refused", "sign_in")
"""Kinds of entries that the patterns read."""
QUERY_ROUTES: Final = frozenset({"/v1/queries", "/v1/hit-queries", "/v1/exports"})
"""Where data is asked for; a page that is not for the person who opened it is no refused search."""


class Level(StrEnum):
    """How much a finding weighs: worth a look, out of the ordinary, or not to be explained by work."""

    NOTICE = "notice"
    ANOMALY = "anomaly"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Act:
    """One entry as the patterns see it.

    `plate` is the plate asked for, folded (empty: none); `subject` whom an act on an account is about; `lacking`
    what the person lacked at that time by the policy in force; `status` and `route` of a refused call.
    """

    index: int
    at: datetime
    kind: str
    person_id: str = ""
    username: str = ""
    full_name: str = ""
    plate: str = ""
    case_number: str = ""
    justification: str = ""
    session_id: str = ""
    ip: str = ""
    outcome: str = "ok"
    reason_code: str = ""
    subject: str = ""
    lacking: str = ""
    status: int = 0
    route: str = ""
    follows: int | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a reviewer should look at: about whom, which pattern, which entries, in one sentence.

    `key` names the occasion: the same key is the same finding.
    """

    kind: str
    level: Level
    key: str
    person_id: str
    username: str
    full_name: str
    entries: tuple[int, ...]
    detail: str
    at: datetime
