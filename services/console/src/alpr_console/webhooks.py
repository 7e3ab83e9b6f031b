"""The way out to endpoints that agencies name: one request, to an address that is allowed, and nothing followed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from alprcore.errors import Misconfigured

AddressOpen = Callable[[IPv4Address | IPv6Address], bool]
"""Decides whether an address may be called."""
PATIENCE_S: Final = 10.0
CONNECT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What an endpoint answered: whether it took the message, and if not, why; never what its body said."""

    taken: bool
    reason: str
    retry_after: str = ""


class Webhooks:
    """Posts messages. The name is resolved here and the very address that was judged is called: a name that answers
    otherwise a moment later (DNS rebinding) leads nowhere.
    """

    def __init__(
        self, address_open: AddressOpen, authorities: Path | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """Takes who may be called, and a file of certificate authorities that count besides the public ones.

        Raises `Misconfigured`: the file holds none.
        """
        self._open = address_open
        self._patience_s = patience_s
        trusted = httpx.create_ssl_context(trust_env=False)
        try:
            if authorities is not None:
                trusted.load_verify_locations(authorities)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("webhook_authorities_file does not hold certificates") from error
        self._client = httpx.AsyncClient(
            verify=trusted,
            timeout=httpx.Timeout(patience_s, connect=min(CONNECT_S, patience_s)),
            # each message has a connection of its own: they are kept by address, and behind one address may be many
            # names, whose certificates would not be looked at again
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Post one message and wait for the status alone, at most the patience of this sender; never raises for it."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(self._patience_s):
                address = await self._address(host, parts.port or (443 if parts.scheme == "https" else 80))
                if address is None:
                    return Answered(False, "address not allowed")
                named = f"[{address}]" if address.version == 6 else str(address)
                netloc = f"{named}:{parts.port}" if parts.port else named
                request = self._client.build_request(
                    "POST",
                    urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, "")),
                    content=body,
                    headers={**headers, "host": parts.netloc, "user-agent": "plateline-webhook/1"},
                    extensions={"sni_hostname": host},
                )
                response = await self._client.send(request, stream=True)
                try:
                    return _judge(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            return Answered(False, f"no answer within {self._patience_s:g} s")
        except socket.gaierror:
            return Answered(False, "the name is not known")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answered(False, f"no answer: {type(error).__name__}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _address(self, host: str, port: int) -> IPv4Address | IPv6Address | None:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ip_address(item[4][0]) for item in found]
        if not addresses or not all(map(self._open, addresses)):
            return None  # a name with one forbidden address is not trusted with the others
        return addresses[0]


def _judge(response: httpx.Response) -> Answered:
    status = response.status_code
    if 200 <= status < 300:
        return Answered(True, "")
    reason = f"answered {status}" + (", redirects are not followed" if 300 <= status < 400 else "")
    return Answered(False, reason, response.headers.get("retry-after", ""))
