"""The signature of messages to other organizations' systems, as Standard Webhooks 1.0 has it."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of one


def signatures(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message: HMAC-SHA256 of `id.timestamp.body`, one signature per secret.

    A secret is `whsec_` and base64. Raises `ValueError` for anything else.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    made = []
    for secret in secrets:
        if not secret.startswith(SECRET_PREFIX):
            raise ValueError("a secret begins with whsec_")
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        made.append("v1," + b64encode(hmac.digest(key, signed, "sha256")).decode())
    return " ".join(made)
