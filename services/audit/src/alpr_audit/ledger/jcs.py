"""Canonical JSON (RFC 8785), the bytes of an entry, and salted commitments to personal content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

ENTRY_LIMIT: Final = 65_535
"""Bytes of one entry: tile bundles prefix an entry with its length in two bytes."""
SALT_BYTES: Final = 32
_SAFE_INTEGER: Final = 2**53 - 1
_QUICK: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_FIXED_NOTATION_DIGITS: Final = 21  # ECMAScript writes numbers below 1e21 without an exponent


class EntryInvalid(ValueError):
    """A value that cannot be a ledger entry: not canonical, too long, or of a kind JSON does not have."""


def canonical(value: Any) -> bytes:
    """Write a JSON value the one way of RFC 8785; raises `EntryInvalid` where JSON has no way.

    Keys are sorted by UTF-16 code units and numbers are written as ECMAScript does, so that any
    language reproduces the bytes that were hashed.
    """
    try:
        return (_QUICK.encode(value) if _plain(value) else _write(value)).encode()
    except UnicodeEncodeError as error:
        raise EntryInvalid("lone surrogate in a text") from error


def _plain(value: Any) -> bool:
    """Tell whether the standard library writes the value the canonical way, which is five times as fast."""
    rest = [value]
    while rest:
        item = rest.pop()
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is dict:
            for name in item:
                if type(name) is not str or not name.isascii():
                    return False
            rest.extend(item.values())
        elif kind is list or kind is tuple:
            rest.extend(item)
        elif kind is not int or not -_SAFE_INTEGER <= item <= _SAFE_INTEGER:
            return False
    return True


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(str.__str__(value), ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise EntryInvalid("integer beyond 2^53 - 1")
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise EntryInvalid("a key that is not a text")
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_write(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_write(item) for item in value) + "]"
    raise EntryInvalid(f"{type(value).__name__} is not JSON")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise EntryInvalid("number that is not finite")
    if value == 0:
        return "0"
    sign, raw, exponent = Decimal(repr(value)).as_tuple()
    if not isinstance(exponent, int):
        raise EntryInvalid("number that is not finite")
    text = "".join(map(str, raw))
    digits = text.rstrip("0")
    point = len(text) + exponent
    count = len(digits)
    if count <= point <= _FIXED_NOTATION_DIGITS:
        body = digits + "0" * (point - count)
    elif 0 < point <= _FIXED_NOTATION_DIGITS:
        body = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
        body = f"{mantissa}e{point - 1:+d}"
    return ("-" if sign else "") + body


def parse(text: str) -> Any:
    """Read JSON back from PostgreSQL, which writes large floating numbers without a point."""

    def integer(digits: str) -> int | float:
        return int(digits) if abs(int(digits)) <= _SAFE_INTEGER else float(digits)

    return json.loads(text, parse_int=integer)


def commitment(salt: bytes, content: Any) -> str:
    """Commit to personal content: hex of `SHA-256(salt || canonical(content))`.

    The salt of 32 random bytes lies beside the content; erasing both leaves a value from which no
    list of plates or names can be tried, while the entry and every proof stay valid.
    """
    return commit(salt, canonical(content))


def commit(salt: bytes, content: bytes) -> str:
    """Commit to content that is canonical already."""
    if len(salt) != SALT_BYTES:
        raise EntryInvalid("salt is not 32 bytes")
    return hashlib.sha256(salt + content).hexdigest()


def encode_entry(fields: Mapping[str, Any]) -> bytes:
    """Make the bytes of an entry; raises `EntryInvalid` when they would exceed 65,535."""
    entry = canonical(fields)
    if len(entry) > ENTRY_LIMIT:
        raise EntryInvalid(f"entry of {len(entry)} bytes")
    return entry


def decode_entry(entry: bytes) -> dict[str, Any]:
    """Read an entry back; raises `EntryInvalid` when its bytes are not the canonical ones."""
    try:
        fields = json.loads(entry)
    except ValueError as error:
        raise EntryInvalid("not JSON") from error
    if not isinstance(fields, dict) or canonical(fields) != entry:
        raise EntryInvalid("not canonical JSON")
    return fields
