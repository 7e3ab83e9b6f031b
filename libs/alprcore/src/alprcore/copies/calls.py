"""How a device proves that a call is its own: HTTP Message Signatures (RFC 9421) with its registered Ed25519 key.

One form of them only: method, path, query, the digest of the body (RFC 9530) and the key that an answer is to be sealed
to are signed, always and in this order, with the time, a nonce, the device's id as `keyid` and `alg` ed25519. A form
that a caller could choose would be one that a caller could weaken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alprcore.seal import SigningKey, verify

CALL_SECONDS: Final = 120
"""How far a device's clock may be off: vehicles set theirs by GPS, and a call is used once whatever its age."""
_COMPONENTS: Final = '("@method" "@path" "@query" "content-digest" "alpr-seal-key")'
_INPUT: Final = re.compile(
    r"alpr=(?P<parameters>" + re.escape(_COMPONENTS) + r";created=(?P<created>[0-9]{10})"
    r';nonce="(?P<nonce>[A-Za-z0-9_-]{16,64})";keyid="(?P<keyid>[A-Za-z0-9._-]{1,64})";alg="ed25519")'
)
_SIGNATURE: Final = re.compile(r"alpr=:(?P<signature>[A-Za-z0-9+/]{86}==):")
_SEAL_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class DeviceCall:
    """Who called, when, with which nonce, and the X25519 key (32 bytes) that an answer is to be sealed to, or none."""

    device_id: str
    called_at: datetime
    nonce: str
    seal_key: bytes


def sign_call(
    key: SigningKey, device_id: str, method: str, path: str, query: str, body: bytes, seal_key: bytes, now: datetime
) -> dict[str, str]:
    """Give the headers of a call that the holder of `key` makes; `query` is written without its question mark."""
    parameters = (
        f'{_COMPONENTS};created={int(now.timestamp())};nonce="{secrets.token_urlsafe(24)}"'
        f';keyid="{device_id}";alg="ed25519"'
    )
    digest, sealing = _digest(body), _binary(seal_key)
    base = _base(method, path, query, digest, sealing, parameters)
    return {
        "content-digest": digest,
        "alpr-seal-key": sealing,
        "signature-input": f"alpr={parameters}",
        "signature": f"alpr={_binary(key.sign(base))}",
    }


def claimed_device(headers: Mapping[str, str]) -> str:
    """Name the device that a call says it is from; empty when it says none in our form."""
    said = _INPUT.fullmatch(headers.get("signature-input", ""))
    return "" if said is None else said["keyid"]


def read_call(
    public: bytes, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str], now: datetime
) -> DeviceCall:
    """Check a call against the device's registered key; `headers` are looked up in lower case.

    Raises `PermissionError` SIGNATURE_MISSING, SIGNATURE_INVALID or SIGNATURE_EXPIRED (more than `CALL_SECONDS` away).
    That its nonce has not been used is for the caller to see.
    """
    if "signature-input" not in headers or "signature" not in headers:
        raise PermissionError("SIGNATURE_MISSING")
    said = _INPUT.fullmatch(headers["signature-input"])
    signed = _SIGNATURE.fullmatch(headers["signature"])
    digest, sealing = headers.get("content-digest", ""), headers.get("alpr-seal-key", "")
    if said is None or signed is None or digest != _digest(body):
        raise PermissionError("SIGNATURE_INVALID")
    seal_key = _plain(sealing)
    if len(seal_key) not in {0, _SEAL_KEY_BYTES}:
        raise PermissionError("SIGNATURE_INVALID")
    base = _base(method, path, query, digest, sealing, said["parameters"])
    if not verify(public, base64.b64decode(signed["signature"]), base):
        raise PermissionError("SIGNATURE_INVALID")
    called_at = datetime.fromtimestamp(int(said["created"]), UTC)
    if abs((now - called_at).total_seconds()) > CALL_SECONDS:
        raise PermissionError("SIGNATURE_EXPIRED")
    return DeviceCall(said["keyid"], called_at, said["nonce"], seal_key)


def _base(method: str, path: str, query: str, digest: str, sealing: str, parameters: str) -> bytes:
    lines = (
        ("@method", method),
        ("@path", path),
        ("@query", f"?{query}"),
        ("content-digest", digest),
        ("alpr-seal-key", sealing),
        ("@signature-params", parameters),
    )
    return "\n".join(f'"{name}": {value}' for name, value in lines).encode()


def _digest(body: bytes) -> str:
    return f"sha-256={_binary(hashlib.sha256(body).digest())}"


def _binary(data: bytes) -> str:
    """Write bytes as a structured field does (RFC 8941 section 3.3.5)."""
    return f":{base64.b64encode(data).decode()}:"


def _plain(text: str) -> bytes:
    if len(text) < 2 or text[0] != ":" or text[-1] != ":":
        raise PermissionError("SIGNATURE_INVALID")
    try:
        return base64.b64decode(text[1:-1], validate=True)
    except binascii.Error:
        raise PermissionError("SIGNATURE_INVALID") from None
