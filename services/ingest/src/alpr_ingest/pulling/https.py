"""Fetches a file from an HTTPS server, asking only for what is new."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from alpr_ingest.feeds import Feed, host_of
from alpr_ingest.pulling.source import CHUNK, Credential, Fetched, Incoming, Limits, PullFailed, resolve

_REDIRECTS: Final = 3


async def fetch(feed: Feed, limits: Limits) -> Fetched | None:
    """Fetch the file of a feed; None when the server says that it is the one that was loaded last.

    The certificate is verified against the name, by the authorities of the credential (`ca.pem`) or else the
    system's; a client certificate or a bearer token come from the credential. Redirects are followed on the same host
    only. Raises `PullFailed`.
    """
    credential = Credential(limits, feed)
    headers = {"accept-encoding": "identity", "user-agent": "plateline"}
    bearer = credential.text("bearer")
    if bearer is not None:
        headers["authorization"] = f"Bearer {bearer}"
    if feed.sha256 and feed.etag:
        headers["if-none-match"] = feed.etag
    if feed.sha256 and feed.modified:
        headers["if-modified-since"] = feed.modified
    host, port = host_of(feed.kind, feed.address)
    pinned = await resolve(limits, host, port)
    url = feed.address
    try:
        async with httpx.AsyncClient(
            verify=_context(credential), trust_env=False, timeout=limits.timeout_s, follow_redirects=False
        ) as client:
            for _ in range(_REDIRECTS + 1):
                at_address = httpx.URL(url).copy_with(host=pinned)
                name = host if port == 443 else f"{host}:{port}"
                request = client.build_request(
                    "GET", at_address, headers=headers | {"host": name}, extensions={"sni_hostname": host}
                )
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _read(response, limits)
                    url = urljoin(url, response.headers["location"])
                finally:
                    await response.aclose()
                if urlsplit(url).scheme != "https" or host_of(feed.kind, url) != (host, port):
                    raise PullFailed("REDIRECTED", "the server points to another host", stop=True)
    except httpx.ConnectError as error:
        if _is_about_certificates(error):
            raise PullFailed("CERTIFICATE_INVALID", "the server's certificate is not trusted", stop=True) from None
        raise PullFailed("SOURCE_AWAY", "HTTPS: ConnectError") from None
    except httpx.RemoteProtocolError:
        raise PullFailed("TRUNCATED", "the server broke off, or does not speak HTTP") from None
    except (httpx.HTTPError, ssl.SSLError, ValueError) as error:
        raise PullFailed("SOURCE_AWAY", f"HTTPS: {type(error).__name__}") from None
    raise PullFailed("REDIRECTED", f"more than {_REDIRECTS} redirects", stop=True)


def _context(credential: Credential) -> ssl.SSLContext:
    try:
        authorities = credential.path("ca.pem")
        context = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
        certificate, key = credential.path("client.pem"), credential.path("client.key")
        if certificate is not None:
            context.load_cert_chain(certificate, key, credential.text("passphrase"))
    except (OSError, ssl.SSLError):
        raise PullFailed("CREDENTIAL_MISSING", "a certificate of the credential cannot be read", stop=True) from None
    return context


def _is_about_certificates(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


async def _read(response: httpx.Response, limits: Limits) -> Fetched | None:
    if response.status_code == httpx.codes.NOT_MODIFIED:
        return None
    if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise PullFailed("LOGIN_REFUSED", f"HTTP {response.status_code}", stop=True)
    if response.status_code in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise PullFailed("FILE_MISSING", f"HTTP {response.status_code}")
    if response.status_code != httpx.codes.OK:
        raise PullFailed("SOURCE_FAILED", f"HTTP {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PullFailed("SOURCE_FAILED", "the server compresses unasked", stop=True)
    length = response.headers.get("content-length")
    if length is None and "chunked" not in response.headers.get("transfer-encoding", ""):
        raise PullFailed("LENGTH_UNKNOWN", "nothing says where the file ends", stop=True)
    limits.check_size(int(length or 0))
    data = Incoming(limits)
    async for chunk in response.aiter_raw(CHUNK):
        data.add(chunk)
    if length is not None and data.size != int(length):
        raise PullFailed("TRUNCATED", f"{data.size} bytes instead of {length}")
    modified = response.headers.get("last-modified", "")
    return data.whole(_moment(modified), etag=response.headers.get("etag", ""), modified=modified)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
