"""Signed questions to another organization's system over HTTP: one address, asked by POST, never followed elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from alprcore.errors import Misconfigured
from alprcore.hooks import signatures


class CallFailed(Exception):
    """The system gave no answer; the text says why in words for a person."""


class CalledSystem(BaseModel):
    """What the operator says of one system: where it is, how it knows us (by signature or mTLS), how long it may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(max_length=500, description="address of the system, HTTPS")
    secret_file: Path | None = Field(default=None, description="secrets (whsec_…) that sign messages, newest first")
    cert_file: Path | None = Field(default=None, description="our certificate at the system (mTLS)")
    key_file: Path | None = Field(default=None, description="its key")
    ca_file: Path | None = Field(default=None, description="who signs its certificate; without: the machine's list")
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="longest wait for an answer")


class AskedSystem(CalledSystem):
    """A system that answers in place of a person: who answers for one agency, and whether a made-up answer counts."""

    adapter: Literal["manual", "stub", "http"] = Field(
        default="manual", description="persons enter the answer, it is made up, or the agency's system gives it"
    )
    url: str = Field(default="", max_length=500, description="address of the system, HTTPS")
    allow_test: bool = Field(default=False, description="let answers that are made up count outside a demonstration")


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; of a body that is larger than expected only a little more than that."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """One system: believed over HTTPS, or on this machine; it knows us by a signature or by our certificate."""

    def __init__(self, place: str, system: CalledSystem) -> None:
        """Raises `Misconfigured`, naming the setting `place`, for a system that cannot be asked safely."""
        url, secret_file, cert_file = system.url, system.secret_file, system.cert_file
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise Misconfigured(f"{place}.url: an address without name, password or query")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise Misconfigured(f"{place}.url: answers are believed over HTTPS, or from this machine, only")
        if not secret_file and not cert_file:
            raise Misconfigured(f"{place}: secret_file (HMAC) or cert_file (mTLS) lets the system know who asks")
        self._url, self._patience_s = url, system.timeout_s
        try:
            lines = secret_file.read_text("ascii").split() if secret_file else []
            context = ssl.create_default_context(cafile=system.ca_file)
            if cert_file:
                context.load_cert_chain(cert_file, system.key_file)
            self.secrets = tuple(lines)
            if secret_file and not lines:
                raise ValueError("no secret")
            signatures(lines, "", 0, b"")  # a secret that is none shows here, not at the first question
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Misconfigured(f"{place}: {type(error).__name__} in its files") from error
        self._client = httpx.AsyncClient(
            timeout=system.timeout_s, follow_redirects=False, trust_env=False, verify=context
        )

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
