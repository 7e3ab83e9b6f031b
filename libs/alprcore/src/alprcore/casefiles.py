"""How an agency's records system is asked about a case file, and what its answer must look like (RET-09).

The form is called `alpr.casefile.v1` and stands in docs/records.md. Every field is checked before anything is
believed: an answer that does not repeat its question, is older than it, or says more than agreed says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.errors import InvalidMessage
from alprcore.hooks import agreed, signed_headers

FORM: Final = "alpr.casefile.v1"
TEST: Final = "TEST - NO RECORDS SYSTEM"
"""Stands in every text of an answer that no records system gave."""
LARGEST: Final = 16 * 1024
"""Bytes of an answer at most."""
CLOCKS_APART: Final = timedelta(minutes=5)
"""How far the records system's clock may go from ours."""
_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_MADE_UP: Final = re.compile(r"(\d{4})(\d{2})(\d{2})$")


class Status(StrEnum):
    """What a records system says of a case: `unknown` where it has no such case."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `request_id` names this one try: asked again under it, the same answer is given."""

    request_id: str
    agency: str
    case_number: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What was answered: the case's status and the day on which its file is purged, None while nobody knows it.

    `failure` says in words why nothing is known; `test`: no records system gave this answer, and its texts say so.
    """

    status: Status | None = None
    purge_on: date | None = None
    answered_by: str = ""
    answered_at: datetime | None = None
    test: bool = False
    failure: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    form: Literal["alpr.casefile.v1"]
    request_id: str
    case_number: str
    status: Literal["open", "closed", "unknown"]
    purge_on: date | None
    answered_by: str = Field(min_length=1, max_length=100, pattern=_LINE)
    answered_at: AwareDatetime
    test: bool


def body_of(question: Question) -> bytes:
    """Write the body of the request: the same bytes for the same question."""
    fields = {
        "form": FORM,
        "request_id": question.request_id,
        "agency": question.agency,
        "case_number": question.case_number,
        "asked_at": _moment(question.asked_at),
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def headers_of(question: Question, secrets: tuple[str, ...], now: datetime) -> dict[str, str]:
    """Give the request's headers; with secrets it is signed as Standard Webhooks 1.0. Raises `ValueError` for a
    secret that is none.
    """
    return signed_headers(question.request_id, body_of(question), secrets, now)


def read_answer(question: Question, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> CaseFile:
    """Read the answer to a question. Raises `InvalidMessage` naming the first thing that is not as agreed."""
    answer = agreed(_Answer, status, headers, body, LARGEST)
    if (answer.request_id, answer.case_number) != (question.request_id, question.case_number):
        raise InvalidMessage("OTHER_QUESTION", "request_id or case_number are not those of the question")
    if not question.asked_at - CLOCKS_APART <= answer.answered_at <= now + CLOCKS_APART:
        raise InvalidMessage("FIELD_INVALID", "answered_at: not between the question and now")
    if answer.test and TEST not in answer.answered_by:
        raise InvalidMessage("FIELD_INVALID", f"a test answer says {TEST} in answered_by")
    if answer.status == "unknown" and answer.purge_on is not None:
        raise InvalidMessage("FIELD_INVALID", "purge_on: of a case that is unknown")
    at = answer.answered_at.astimezone(UTC)
    return CaseFile(Status(answer.status), answer.purge_on, answer.answered_by, at, answer.test)


def stub_answer(question: Question, now: datetime) -> CaseFile:
    """Make up an answer for tests and demonstrations, always the same for a case number.

    A number that ends in eight digits of a day (`SIM-20240131`) is closed and its file is purged on that day; one that
    ends in `?` is unknown; every other case is open.
    """
    by = f"{TEST}, stub"
    if question.case_number.endswith("?"):
        return CaseFile(Status.UNKNOWN, None, by, now, test=True)
    named = _MADE_UP.search(question.case_number)
    try:
        day = date(*(int(part) for part in named.groups())) if named else None
    except ValueError:  # eight digits that are no day
        day = None
    return CaseFile(Status.CLOSED if day else Status.OPEN, day, by, now, test=True)


def answer_of(question: Question, found: CaseFile, now: datetime) -> dict[str, Any]:
    """Write an answer as a records system gives it."""
    return {
        "form": FORM,
        "request_id": question.request_id,
        "case_number": question.case_number,
        "status": found.status or Status.UNKNOWN,
        "purge_on": found.purge_on.isoformat() if found.purge_on else None,
        "answered_by": found.answered_by,
        "answered_at": _moment(found.answered_at or now),
        "test": found.test,
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
