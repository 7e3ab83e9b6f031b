"""Which status a refusal of the policy has, and what is away while the ledger is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alprcore.answering import Refusal
from alprcore.errors import Transient
from alprcore.model import Person, Refused

_FORBIDDEN: Final = frozenset(
    {
        "APPROVAL_REQUIRED",
        "FIRST_AMENDMENT_PROHIBITED",
        "PURPOSE_NOT_PERMITTED",
        "RECIPIENT_CLASS_NOT_PERMITTED",
        "ROLE_NOT_AUTHORISED",
        "TRAINING_MISSING",
    }
)
"""Codes of refusals that another text in the body would not lift: 403; every other one is 422."""
REVIEWED: Final[Mapping[str, str]] = {"FIRST_AMENDMENT_PROHIBITED": "first_amendment"}
"""Refusals that a person looks at afterwards, and the name under which they are found (USE-07)."""


def refusal_of(refused: Refused, person: Person, asked: Mapping[str, Any] | None = None) -> Refusal:
    """Say no as the policy decided."""
    status = 403 if refused.reason_code in _FORBIDDEN else 422
    return Refusal(status, refused.reason_code, refused.detail, person=person, asked=asked)


class SearchAway(Transient):
    """The question is recorded, but whoever holds the data did not answer it."""
