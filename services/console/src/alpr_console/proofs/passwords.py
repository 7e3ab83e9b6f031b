"""Keeps passwords as salted hashes: argon2id, or PBKDF2-HMAC-SHA256 where only FIPS-validated modules may be used."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import Final, Literal

import argon2

Scheme = Literal["argon2id", "pbkdf2_sha256"]
ITERATIONS: Final = 600_000
"""PBKDF2 rounds with SHA-256: OWASP Password Storage Cheat Sheet, 2023 on."""
_PREFIX: Final = "$pbkdf2-sha256$"
_SALT_BYTES: Final = 16  # NIST SP 800-132 5.1: 128 bits
_ARGON2: Final = argon2.PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)  # OWASP's second set: 19 MiB


class Passwords:
    """Hashes and checks passwords; two at a time, so that a storm of sign-ins takes 38 MiB at most."""

    def __init__(self, scheme: Scheme = "argon2id", iterations: int = ITERATIONS) -> None:
        self._scheme = scheme
        self._iterations = iterations
        self._turns = asyncio.Semaphore(2)
        self._nobody = self._hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Hash a new password under the scheme in force."""
        async with self._turns:
            return await asyncio.to_thread(self._hash, password)

    async def check(self, hashed: str, password: str) -> bool:
        """Tell whether the password is right; '' (no account, no password) takes as long and is never right."""
        async with self._turns:
            right = await asyncio.to_thread(_verify, hashed or self._nobody, password)
        return right and bool(hashed)

    def outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made under another scheme or with other costs: it is made anew at a sign-in."""
        if self._scheme == "pbkdf2_sha256":
            return not hashed.startswith(f"{_PREFIX}i={self._iterations}$")
        return hashed.startswith(_PREFIX) or _ARGON2.check_needs_rehash(hashed)

    def _hash(self, password: str) -> str:
        if self._scheme == "argon2id":
            return _ARGON2.hash(password)
        salt = secrets.token_bytes(_SALT_BYTES)
        key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, self._iterations)
        return f"{_PREFIX}i={self._iterations}${_text(salt)}${_text(key)}"


def _verify(hashed: str, password: str) -> bool:
    if not hashed.startswith(_PREFIX):
        try:
            return _ARGON2.verify(hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    rounds, salt, key = hashed.removeprefix(_PREFIX).split("$")
    wanted = base64.b64decode(key)
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds.removeprefix("i=")))
    return hmac.compare_digest(found, wanted)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
