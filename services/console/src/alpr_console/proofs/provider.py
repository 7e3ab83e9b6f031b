"""An agency's identity provider: where it is, how a person is sent there, and what it says of who came back.

Authorization code with PKCE (RFC 7636), state, nonce and the issuer in the answer (RFC 9207); OpenID Connect Core 1.0.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from alprcore.errors import Misconfigured

from ..settings import Settings
from .tokens import ALGORITHMS, Expected, Identity, ProviderRefused, identity, key_named, signed_claims, signed_out

__all__ = ["Identity", "Provider", "ProviderAway", "ProviderRefused", "ProviderSettings", "provider_of"]

STEP: Final = timedelta(minutes=5)
"""How long ago a person who was asked to prove it again may have proved it."""
KEYS_KEPT: Final = timedelta(hours=1)
KEYS_AGAIN: Final = timedelta(seconds=10)
"""An unknown key's name lets the keys be fetched anew (rotation), this often at most."""
_LONGEST_ANSWER: Final = 262_144
_WAIT_S: Final = 5.0


class ProviderAway(Exception):
    """The provider does not answer, or answers nonsense."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What is agreed with the provider. `back` is our address that people are sent back to."""

    issuer: str
    client_id: str
    secret_file: Path | None
    back: str
    longest: timedelta
    acr: Sequence[str] = ()
    amr: Sequence[str] = ()
    scopes: Sequence[str] = ("openid", "profile")
    algorithms: Sequence[str] = ALGORITHMS

    def check(self) -> None:
        """Refuse what would be a hole. Raises `Misconfigured`."""
        if not _safe(self.issuer) or not _safe(self.back):
            raise Misconfigured("oidc_issuer and public_url must be https addresses (http only on this machine)")
        if not self.client_id:
            raise Misconfigured("oidc_client_id is missing")
        if not self.acr and not self.amr:
            raise Misconfigured(
                "oidc_required_acr or oidc_required_amr must name what the provider says of a second factor (CJIS IA-2)"
            )
        if not set(self.algorithms) <= set(ALGORITHMS):
            raise Misconfigured(f"oidc_algorithms: of {', '.join(ALGORITHMS)}")


class Provider:
    """Sends people to one identity provider and judges what they bring back."""

    def __init__(
        self,
        settings: ProviderSettings,
        clock: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings.check()
        self.settings = settings
        self._clock = clock
        self._secret = settings.secret_file.read_text().strip() if settings.secret_file else ""
        self._client = httpx.AsyncClient(
            timeout=_WAIT_S, follow_redirects=False, trust_env=False, transport=transport
        )  # a redirect of a key address would be a door to anywhere
        self._metadata: dict[str, Any] = {}
        self._metadata_at: datetime | None = None
        self._keys: list[Mapping[str, Any]] = []
        self._keys_at: datetime | None = None
        self._turn = asyncio.Lock()

    async def way_there(self, state: str, nonce: str, verifier: str, *, again: bool = False) -> str:
        """Make the address that the browser is sent to; `again` demands a new look at the person."""
        metadata = await self._described()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.back,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "max_age": "0" if again else str(int(self.settings.longest.total_seconds())),
        }
        if self.settings.acr:
            asked["acr_values"] = " ".join(self.settings.acr)
        return f"{metadata['authorization_endpoint']}?{urlencode(asked)}"

    async def way_out(self, after: str) -> str:
        """Make the address that ends the provider's own session (OpenID Connect RP-Initiated Logout 1.0); '' if none."""
        try:
            endpoint = (await self._described()).get("end_session_endpoint", "")
        except ProviderAway:
            return ""
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": after}
        return f"{endpoint}?{urlencode(asked)}" if endpoint else ""

    async def redeem(self, code: str, issuer: str, nonce: str, verifier: str, *, again: bool = False) -> Identity:
        """Turn the code of a person who came back into who it is.

        `issuer` is what stood in the answer ('' when nothing did); `again`: the look at the person must be a new one. Raises `ProviderRefused` or `ProviderAway`.
        """
        metadata = await self._described()
        named = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (issuer or named):  # RFC 9207 2.4: another provider's answer
            raise ProviderRefused("mixed")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.back,
            "code_verifier": verifier,
        }
        basic = httpx.BasicAuth(self.settings.client_id, self._secret) if self._secret else None
        if basic is None:
            form["client_id"] = self.settings.client_id
        answer = await self._ask("POST", metadata["token_endpoint"], data=form, auth=basic)
        token, access = answer.get("id_token"), answer.get("access_token", "")
        if not isinstance(token, str) or not isinstance(access, str):
            raise ProviderRefused("form")
        expected = self._expected(nonce, STEP if again else self.settings.longest)
        return identity(await self._claims(token), expected, self._clock(), access)

    async def signed_out(self, token: str) -> tuple[str, str]:
        """Read who the provider says signed out there: subject and session, one of them perhaps ''.

        OpenID Connect Back-Channel Logout 1.0. Raises `ProviderRefused` or `ProviderAway`.
        """
        return signed_out(await self._claims(token), self._expected("", self.settings.longest), self._clock())

    def _expected(self, nonce: str, longest: timedelta) -> Expected:
        return Expected(
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=nonce,
            longest=longest,
            acr=self.settings.acr,
            amr=self.settings.amr,
            algorithms=self.settings.algorithms,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _claims(self, token: str) -> dict[str, Any]:
        algorithms = self.settings.algorithms
        key = key_named(token, await self._published(KEYS_KEPT), algorithms)
        if key is None:  # a new key, perhaps
            key = key_named(token, await self._published(KEYS_AGAIN), algorithms)
        if key is None:
            raise ProviderRefused("kid")
        return signed_claims(token, key, algorithms)

    async def _published(self, oldest: timedelta) -> list[Mapping[str, Any]]:
        async with self._turn:
            now = self._clock()
            if self._keys_at is None or now - self._keys_at > oldest:
                keys = (await self._ask("GET", (await self._described())["jwks_uri"])).get("keys")
                if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
                    raise ProviderAway("keys")
                self._keys, self._keys_at = keys, now
            return self._keys

    async def _described(self) -> dict[str, Any]:
        now = self._clock()
        if self._metadata_at is None or now - self._metadata_at > KEYS_KEPT:
            address = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._ask("GET", address)
            if found.get("issuer") != self.settings.issuer:  # OpenID Connect Discovery 1.0, 4.3: exactly the same
                raise ProviderAway("issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not _safe(str(found.get(name, ""))):
                    raise ProviderAway(name)
            self._metadata, self._metadata_at = found, now
        return self._metadata

    async def _ask(
        self, method: str, address: str, *, data: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, address, data=data, auth=auth)
            content = json.loads(answer.content) if len(answer.content) <= _LONGEST_ANSWER else None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway(urlsplit(address).path) from error
        if answer.status_code in (400, 401) and method == "POST":
            raise ProviderRefused("code")  # used before, of another person's attempt, or forgotten
        if answer.status_code != 200 or not isinstance(content, dict):
            raise ProviderAway(urlsplit(address).path)
        return content


def provider_of(settings: Settings, clock: Callable[[], datetime]) -> Provider | None:
    """Make the provider that the settings name; None when they name none. Raises `Misconfigured`."""
    if not settings.oidc_issuer:
        return None
    return Provider(
        ProviderSettings(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            secret_file=settings.oidc_client_secret_file,
            back=f"{settings.public_url.rstrip('/')}/login/provider/back",
            longest=timedelta(hours=12),
            acr=settings.oidc_required_acr,
            amr=settings.oidc_required_amr,
            scopes=settings.oidc_scopes,
        ),
        clock,
    )


def _safe(address: str) -> bool:
    parts = urlsplit(address)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))
