"""Signed questions to another organization's system over HTTP: one address, asked by POST, never followed elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from alprcore.errors import Misconfigured
from alprcore.hooks import signatures


class CallFailed(Exception):
    """The system gave no answer; the text says why in words for a person."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; of a body that is larger than expected only a little more than that."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """One system: believed over HTTPS, or on this machine; it knows us by a signature or by our certificate."""

    def __init__(
        self,
        place: str,
        url: str,
        *,
        secret_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        ca_file: Path | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        """Raises `Misconfigured`, naming the setting `place`, for a system that cannot be asked safely."""
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise Misconfigured(f"{place}.url: an address without name, password or query")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise Misconfigured(f"{place}.url: answers are believed over HTTPS, or from this machine, only")
        if not secret_file and not cert_file:
            raise Misconfigured(f"{place}: secret_file (HMAC) or cert_file (mTLS) lets the system know who asks")
        self._url, self._patience_s = url, timeout_s
        try:
            lines = secret_file.read_text("ascii").split() if secret_file else []
            context = ssl.create_default_context(cafile=ca_file)
            if cert_file:
                context.load_cert_chain(cert_file, key_file)
            self.secrets = tuple(lines)
            if secret_file and not lines:
                raise ValueError("no secret")
            signatures(lines, "", 0, b"")  # a secret that is none shows here, not at the first question
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Misconfigured(f"{place}: {type(error).__name__} in its files") from error
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False, verify=context)

    async def post(self, body: bytes, headers: Mapping[str, str], largest: int) -> Reply:
        """Ask once; the whole answer has to be here within the patience. Raises `CallFailed`."""
        try:
            async with asyncio.timeout(self._patience_s):
                async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                    read = bytearray()
                    async for part in response.aiter_raw():
                        read += part
                        if len(read) > largest:
                            break
                    return Reply(response.status_code, dict(response.headers), bytes(read))
        except TimeoutError:
            raise CallFailed(f"no answer within {self._patience_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise CallFailed(f"it cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
