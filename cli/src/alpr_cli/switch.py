"""A simulated agency switch: it answers confirmations in the agreed form, and every text of an answer says TEST."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import Any, Final, Protocol

from alpr_cli.simulated import JsonDoor
from alprcore.confirming import FORM, LARGEST, Question, answer_of, stub_answer
from alprcore.hooks import signatures
from alprcore.workflow import Route, Source

FRESH: Final = timedelta(minutes=5)
"""A signature older than this is a question somebody recorded and plays again."""
_NAMES: Final = frozenset({"form", "request_id", "agency", "plate", "state", "source", "route", "asked_by", "asked_at"})


class Switch:
    """Answers questions; under one request_id always the same, so that a question asked twice is one inquiry."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = secrets
        self._answers: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def answer(self, body: bytes, headers: Mapping[str, str], now: datetime) -> tuple[int, dict[str, Any]]:
        """Give status and content for a request."""
        if self._secrets and not signed(self._secrets, body, headers, now):
            return 401, {"error": "the signature does not hold"}
        try:
            asked = json.loads(body)
            if asked.keys() != _NAMES or asked["form"] != FORM or not asked["plate"]:
                raise ValueError("not of this form")
            question = Question(
                asked["request_id"],
                asked["agency"],
                asked["plate"],
                asked["state"],
                Source(asked["source"]),
                Route(asked["route"]),
                asked["asked_by"],
                datetime.fromisoformat(asked["asked_at"]),
            )
        except (ValueError, AttributeError, TypeError):
            return 422, {"error": "not a question of this form"}
        if headers.get("idempotency-key") != question.request_id:
            return 422, {"error": "idempotency-key is not request_id"}
        known = self._answers.get(question.request_id)
        if known is not None:
            return (200, known[1]) if known[0] == body else (409, {"error": "another question under this request_id"})
        given = answer_of(question, stub_answer(question, now), now)
        self._answers[question.request_id] = (body, given)
        return 200, given


def signed(secrets: tuple[str, ...], body: bytes, headers: Mapping[str, str], now: datetime) -> bool:
    """Tell whether one of these secrets signed this question, not more than 5 minutes ago."""
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdigit() or len(sent) > 12 or abs(now - datetime.fromtimestamp(int(sent), UTC)) > FRESH:
        return False
    shown = headers.get("webhook-signature", "").split()
    right = signatures(secrets, name, int(sent), body).split()
    return any(hmac.compare_digest(one, other) for one in shown for other in right)


class Answers(Protocol):
    """A simulated system: gives status and content for a request."""

    def answer(self, body: bytes, headers: Mapping[str, str], now: datetime) -> tuple[int, dict[str, Any]]:
        """Answer one request; header names in lower case."""


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def server(port: int, switch: Answers, clock: Callable[[], datetime] = utc_now) -> ThreadingHTTPServer:
    """Let a simulated system answer POST on a loopback port (0: any free one), whatever the path."""

    class Door(JsonDoor):
        def do_POST(self) -> None:  # noqa: N802 - http.server names it
            length = self.length(LARGEST)
            if length is None:
                self.answer(413, {})
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.answer(*switch.answer(self.rfile.read(length), headers, clock()))

    return ThreadingHTTPServer(("127.0.0.1", port), Door)
