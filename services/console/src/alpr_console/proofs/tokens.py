"""Whether an identity provider's token may be believed: OpenID Connect Core 1.0, 3.1.3.7, and RFC 8725."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

LEEWAY: Final = timedelta(seconds=30)
"""How far the provider's clock may differ from ours."""
OLDEST_ISSUED: Final = timedelta(minutes=10)
"""A token is fetched the moment a person comes back; one that was issued longer ago was kept by somebody."""
LONGEST_TOKEN: Final = 16_384
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
_LOGOUT: Final = "http://schemas.openid.net/event/backchannel-logout"
_OWN_KEYS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})
"""Header fields by which a token would bring its own key or rules (RFC 8725 3.10)."""


class ProviderRefused(Exception):
    """The provider's word is not accepted; `reason` says what was wrong, in a word for the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to count here."""

    issuer: str
    client_id: str
    nonce: str
    longest: timedelta
    acr: Sequence[str] = ()
    amr: Sequence[str] = ()
    algorithms: Sequence[str] = ALGORITHMS


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says came, when and how it looked, and what else it says."""

    issuer: str
    subject: str
    authenticated_at: datetime
    amr: tuple[str, ...]
    acr: str
    session: str
    claims: Mapping[str, Any]


def key_named(token: str, keys: Sequence[Mapping[str, Any]], algorithms: Sequence[str]) -> Mapping[str, Any] | None:
    """Find the one published key that fits the token's header; None when its name is not published (yet).

    Raises `ProviderRefused` for a header that no honest provider writes.
    """
    if len(token) > LONGEST_TOKEN or token.count(".") != 2:
        raise ProviderRefused("form")
    try:
        header = json.loads(_unbase64(token.partition(".")[0]))
    except ValueError as error:
        raise ProviderRefused("form") from error
    if not isinstance(header, dict) or header.get("alg") not in algorithms:
        raise ProviderRefused("alg")
    if not _OWN_KEYS.isdisjoint(header):
        raise ProviderRefused("header")
    if header.get("typ", "JWT") not in ("JWT", "logout+jwt"):
        raise ProviderRefused("typ")
    kind, name = _KEY_TYPES[header["alg"][:2]], header.get("kid")
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind and key.get("use", "sig") == "sig" and key.get("alg", header["alg"]) == header["alg"]
    ]
    if name is None and len(fitting) == 1:
        return fitting[0]
    if not isinstance(name, str):
        raise ProviderRefused("kid")
    return next((key for key in fitting if key.get("kid") == name), None)


def signed_claims(token: str, key: Mapping[str, Any], algorithms: Sequence[str]) -> dict[str, Any]:
    """Check the signature; answers what was signed. Raises `ProviderRefused`."""
    public = {name: value for name, value in key.items() if name in ("kty", "n", "e", "crv", "x", "y", "kid")}
    registry = jws.JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    try:
        content = jws.deserialize_compact(token, JWKRegistry.import_key(public), registry=registry).payload
        claims = json.loads(content)
    except (JoseError, ValueError) as error:
        raise ProviderRefused("signature") from error
    if not isinstance(claims, dict):
        raise ProviderRefused("form")
    return claims


def identity(claims: Mapping[str, Any], expected: Expected, now: datetime, access_token: str = "") -> Identity:
    """Judge the claims of an ID token whose signature is right. Raises `ProviderRefused`."""
    _common(claims, expected, now)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()) or not expected.nonce:
        raise ProviderRefused("nonce")
    if _time(claims, "exp") <= now - LEEWAY:
        raise ProviderRefused("exp")
    looked = _time(claims, "auth_time")
    if looked > now + LEEWAY or now - looked > expected.longest + LEEWAY:
        raise ProviderRefused("auth_time")
    acr, amr = claims.get("acr", ""), claims.get("amr", ())
    if not isinstance(acr, str) or not isinstance(amr, list | tuple) or not all(isinstance(way, str) for way in amr):
        raise ProviderRefused("form")
    if expected.acr and acr not in expected.acr:
        raise ProviderRefused("acr")
    if not set(expected.amr) <= set(amr):
        raise ProviderRefused("amr")
    if "at_hash" in claims and claims["at_hash"] != _half_hash(access_token):
        raise ProviderRefused("at_hash")
    session = claims.get("sid", "")
    return Identity(
        issuer=expected.issuer,
        subject=_subject(claims),
        authenticated_at=looked,
        amr=tuple(way for way in amr if len(way) <= 32)[:8],
        acr=acr[:200],
        session=session if isinstance(session, str) else "",
        claims=claims,
    )


def signed_out(claims: Mapping[str, Any], expected: Expected, now: datetime) -> tuple[str, str]:
    """Judge the claims of a logout token (Back-Channel Logout 1.0, 2.6); answers subject and session, '' if not said.

    One that comes twice ends nothing twice, so its number is not kept. Raises `ProviderRefused`.
    """
    _common(claims, expected, now)
    events = claims.get("events")
    if not isinstance(events, Mapping) or _LOGOUT not in events or "nonce" in claims:  # an ID token is no logout token
        raise ProviderRefused("events")
    subject, session = claims.get("sub", ""), claims.get("sid", "")
    if not isinstance(subject, str) or not isinstance(session, str) or not (subject or session):
        raise ProviderRefused("sub")
    return subject, session


def _common(claims: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    if claims.get("iss") != expected.issuer:
        raise ProviderRefused("iss")
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):  # a second audience could replay it here
        raise ProviderRefused("aud")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise ProviderRefused("azp")
    issued = _time(claims, "iat")
    if issued > now + LEEWAY or now - issued > OLDEST_ISSUED:
        raise ProviderRefused("iat")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY:
        raise ProviderRefused("nbf")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # OpenID Connect Core 2: 255 ASCII characters
        raise ProviderRefused("sub")
    return subject


def _time(claims: Mapping[str, Any], name: str) -> datetime:
    seconds = claims.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ProviderRefused(name)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ProviderRefused(name) from error


def _half_hash(token: str) -> str:
    digest = hashlib.sha256(token.encode()).digest()  # every accepted algorithm is a SHA-256 one
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
