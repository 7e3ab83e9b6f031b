"""How a call to sign in came, and how a refusal of it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from alprcore.model import Refused

from ...web import Problem, caller, on_this_machine

NO_KEYS: Final = Refused("SEC-03", "SECURITY_KEYS_NOT_SET", "security keys need the setting public_url of this server")
_NOBODY: Final = frozenset(
    {
        "ACCOUNT_LOCKED",
        "CREDENTIALS_WRONG",
        "FIRST_PASSWORD_EXPIRED",
        "PROVIDER_REFUSED",
        "PROVIDER_SIGN_IN_REQUIRED",
        "SECOND_FACTOR_NOT_ENROLLED",
        "SECOND_FACTOR_WRONG",
        "SESSION_LOCKED",
        "STEP_EXPIRED",
    }
)
"""Refusals that leave open who is calling: 401. The rest know it and say no: 403."""
_OTHERS: Final = {
    "KEY_UNKNOWN": 404,
    "LAST_SECOND_FACTOR": 409,
    "PASSWORD_EASY": 422,
    "PASSWORD_SAME": 422,
    "PASSWORD_TOO_LONG": 422,
    "PASSWORD_TOO_SHORT": 422,
    "SEAL_NOT_AVAILABLE": 503,
    "SECURITY_KEYS_NOT_SET": 409,
    "SECURITY_KEY_REFUSED": 422,
    "TOO_MANY_ATTEMPTS": 429,
    "TOO_MANY_KEYS": 409,
}


@dataclass(frozen=True, slots=True)
class Came:
    """How somebody came: from which address, from this machine or not, and which banner was acknowledged."""

    source_ip: str
    loopback: bool
    banner: str = ""


def came(request: Request, banner: str = "") -> Came:
    """Say how a call came."""
    return Came(caller(request), on_this_machine(request), banner)


def status_of(refusal: Refused) -> int:
    """The status that a refusal is answered with."""
    return 401 if refusal.reason_code in _NOBODY else _OTHERS.get(refusal.reason_code, 403)


def problem_of(refusal: Refused, *, recorded: bool = False) -> Problem:
    """Turn a refusal into an answer; `recorded`: the ledger has it already."""
    return Problem.of(refusal, status_of(refusal), recorded=recorded)
