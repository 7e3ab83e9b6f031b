"""How an agency's switch is asked whether an entry is active, and what its answer must look like (HIT-09).

The form is called `alpr.confirmation.v1` and stands in docs/hits.md. Every field is checked before anything is
believed: an answer that does not repeat its question, is older than it, or says more than agreed confirms nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alprcore.errors import InvalidMessage
from alprcore.hooks import agreed, signed_headers
from alprcore.workflow import Result, Route, Source

FORM: Final = "alpr.confirmation.v1"
TEST: Final = "TEST - NOT CLETS/NCIC"
"""Stands in every text of an answer that no database gave."""
LARGEST: Final = 64 * 1024
"""Bytes of an answer at most."""
CLOCKS_APART: Final = timedelta(minutes=5)
"""How far the switch's clock may go from ours: an answer from before the question is somebody else's."""
_LINE: Final = r"^[^\x00-\x1f\x7f]*$"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `request_id` names this one try: asked again under it, the switch gives the same answer."""

    request_id: str
    agency: str
    plate: str
    state: str
    source: Source
    route: Route
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What was answered. `result` error: nothing is confirmed, and `failure` says why in words for the asker.

    `test`: no database gave this answer, and its texts say so.
    """

    result: Result
    text: str = ""
    reference: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None
    test: bool = False
    failure: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    form: Literal["alpr.confirmation.v1"]
    request_id: str
    plate: str
    state: str
    source: str
    result: Literal["active", "not_active", "no_record", "error"]
    reference: str = Field(max_length=64, pattern=_LINE)
    text: str = Field(max_length=8000, pattern=r"^[^\x00]*$")
    answered_by: str = Field(min_length=1, max_length=100, pattern=_LINE)
    answered_at: AwareDatetime
    test: bool


def body_of(question: Question) -> bytes:
    """Write the body of the request: the same bytes for the same question."""
    asked_at = question.asked_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "form": FORM,
        "request_id": question.request_id,
        "agency": question.agency,
        "plate": question.plate,
        "state": question.state,
        "source": question.source.value,
        "route": question.route.value,
        "asked_by": question.asked_by,
        "asked_at": asked_at,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def headers_of(question: Question, secrets: tuple[str, ...], now: datetime) -> dict[str, str]:
    """Give the request's headers; with secrets it is signed as Standard Webhooks 1.0. Raises `ValueError` for a
    secret that is none.
    """
    return signed_headers(question.request_id, body_of(question), secrets, now)


def read_answer(
    question: Question, status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> Confirmation:
    """Read the answer to a question. Raises `InvalidMessage` naming the first thing that is not as agreed."""
    answer = agreed(_Answer, status, headers, body, LARGEST)
    asked = (question.request_id, question.plate, question.state, question.source.value)
    if (answer.request_id, answer.plate, answer.state, answer.source) != asked:
        raise InvalidMessage("OTHER_QUESTION", "request_id, plate, state or source are not those of the question")
    if not question.asked_at - CLOCKS_APART <= answer.answered_at <= now + CLOCKS_APART:
        raise InvalidMessage("FIELD_INVALID", "answered_at: not between the question and now")
    if answer.test and not all(TEST in text for text in (answer.text, answer.reference, answer.answered_by)):
        raise InvalidMessage("FIELD_INVALID", f"a test answer says {TEST} in text, reference and answered_by")
    result = Result(answer.result)
    return Confirmation(
        result,
        answer.text,
        answer.reference,
        answer.answered_by,
        answer.answered_at.astimezone(UTC),
        answer.test,
        failure="the database answered with an error" if result is Result.ERROR else "",
    )


def stub_answer(question: Question, now: datetime) -> Confirmation:
    """Make up an answer for tests and demonstrations, always the same for a plate, with TEST in every text.

    A plate that ends in 7 is not active, in 8 has no record, in 9 ends in an error; every other is active.
    """
    ends: Mapping[str, Result] = {"7": Result.NOT_ACTIVE, "8": Result.NO_RECORD, "9": Result.ERROR}
    result = ends.get(question.plate[-1:], Result.ACTIVE)
    words = result.value.replace("_", " ").upper()
    return Confirmation(
        result,
        f"{TEST}. {words}. Made up for plate {question.plate} of {question.state or 'unknown state'}.",
        f"{TEST} {question.request_id[:8]}",
        f"{TEST}, stub",
        now,
        test=True,
        failure=f"{TEST}: an error, as a database would answer it" if result is Result.ERROR else "",
    )


def answer_of(question: Question, found: Confirmation, now: datetime) -> dict[str, Any]:
    """Write an answer as a switch gives it."""
    at = (found.answered_at or now).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "form": FORM,
        "request_id": question.request_id,
        "plate": question.plate,
        "state": question.state,
        "source": question.source.value,
        "result": found.result.value,
        "reference": found.reference,
        "text": found.text,
        "answered_by": found.answered_by,
        "answered_at": at,
        "test": found.test,
    }
