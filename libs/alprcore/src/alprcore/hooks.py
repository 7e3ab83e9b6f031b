"""Messages to other organizations' systems: their signature, as Standard Webhooks 1.0 has it, and what is read back."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from alprcore.errors import InvalidMessage

_Agreed = TypeVar("_Agreed", bound=BaseModel)
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


def signed_headers(request_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Give the headers of a question in JSON; with secrets it is signed. Raises `ValueError` for a secret that is none."""
    timestamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "idempotency-key": request_id,
        "webhook-id": request_id,
        "webhook-timestamp": str(timestamp),
    }
    if secrets:
        headers["webhook-signature"] = signatures(secrets, request_id, timestamp, body)
    return headers


def agreed(model: type[_Agreed], status: int, headers: Mapping[str, str], body: bytes, largest: int) -> _Agreed:
    """Read an answer in an agreed form. Raises `InvalidMessage` naming the first thing that is not as agreed."""
    if status != 200:
        raise InvalidMessage("STATUS", f"answered {status}")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidMessage("FIELD_INVALID", "content-type: application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidMessage("FIELD_INVALID", "content-encoding: none")
    if len(body) > largest:
        raise InvalidMessage("TOO_LARGE", f"more than {largest} bytes")
    if not keys_once(body):
        raise InvalidMessage("FIELD_INVALID", "body: not JSON, or a name stands twice")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidMessage("FIELD_INVALID", f"{place}: {first['type']}") from error


def keys_once(body: bytes) -> bool:
    """Tell whether it is JSON in which no name stands twice: two readers could believe different ones."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    try:
        json.loads(body, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return False
    return True
