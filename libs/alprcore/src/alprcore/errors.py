"""What can go wrong, and what the one who catches it must do."""

from __future__ import annotations


class AlprError(Exception):
    """Anything Plateline raises on purpose."""


class InvalidMessage(AlprError):
    """A message that no retry can save: it becomes a dead letter with this code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Transient(AlprError):
    """Something outside is away for now: back off in place, never a dead letter."""


class Misconfigured(AlprError):
    """A setting is missing or wrong: the process exits with 78 and says which."""


class LedgerBroken(AlprError):
    """The ledger is not what its signed head says: stop writing, tell a person."""
