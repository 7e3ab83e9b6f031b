"""The way out to standing repositories: one signed message at a time, to the address the operator named for an agency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from alprcore.calling import CalledSystem, Caller, CallFailed
from alprcore.hooks import signed_headers

from .repositories import Sent

_LARGEST_ANSWER: Final = 64 * 1024
_AGAIN: Final = frozenset({401, 403, 404, 408, 409, 425, 429})
"""Answers below 500 that a repository gives while it is set up or busy; any other says that the message is wrong."""


class Partners:
    """Brings messages to repositories; they are signed as Standard Webhooks has it, the batch's id is the message's."""

    def __init__(self, settings: Mapping[str, CalledSystem]) -> None:
        """Raises `Misconfigured` for a repository that cannot be called safely, before anything is sent."""
        self._callers = {agency: Caller(f"repositories.{agency}", one) for agency, one in settings.items()}

    def reaches(self, agency: str) -> bool:
        """Tell whether the operator named an address for this agency's repository."""
        return agency in self._callers

    async def send(self, agency: str, message_id: str, body: bytes, now: datetime) -> Sent:
        """Bring one message; what the repository answers is judged by its status alone."""
        caller = self._callers[agency]
        try:
            reply = await caller.post(body, signed_headers(message_id, body, caller.secrets, now), _LARGEST_ANSWER)
        except CallFailed as error:
            return Sent(taken=False, problem=str(error))
        if 200 <= reply.status < 300:
            return Sent(taken=True)
        final = 400 <= reply.status < 500 and reply.status not in _AGAIN
        return Sent(taken=False, problem=f"answered {reply.status}", final=final)

    async def close(self) -> None:
        """Close the connections."""
        for caller in self._callers.values():
            await caller.close()
