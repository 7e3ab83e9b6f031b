"""What all sources share: limits, secrets, addresses that may be reached, and how a failure reads."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import BinaryIO, Final

from alpr_ingest.feeds import Feed, host_allowed
from alpr_ingest.settings import Settings

_LARGEST_SECRET: Final = 64 * 1024
CHUNK: Final = 256 * 1024
"""Bytes read at once: a file that is larger than announced is noticed after this much more."""


class PullFailed(Exception):
    """No whole file came. `reason_code` names why, `detail` says it without quoting file, address or secret.

    `stop`: a person must look before it is tried more often than its schedule says, for it will not pass by itself.
    """

    def __init__(self, reason_code: str, detail: str, *, stop: bool = False) -> None:
        super().__init__(reason_code)
        self.reason_code, self.detail, self.stop = reason_code, detail, stop


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dropped file lay, and what tells it from another one of the same name."""

    path: Path
    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file, when the source says that it was made, and what tells it from the one of next time.

    `place` is where it lies in the drop folder.
    """

    source: BinaryIO
    size: int
    digest: bytes
    modified_at: datetime | None
    etag: str = ""
    modified: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows feeds."""

    hosts: tuple[str, ...]
    private_networks: tuple[IPv4Network | IPv6Network, ...]
    credentials_folder: Path | None
    drop_folder: Path | None
    max_bytes: int
    timeout_s: float
    settle_s: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Take them from the settings."""
        return cls(
            hosts=tuple(settings.feed_hosts),
            private_networks=tuple(settings.feed_private_networks),
            credentials_folder=Path(settings.feed_credentials_folder) if settings.feed_credentials_folder else None,
            drop_folder=Path(settings.feed_drop_folder) if settings.feed_drop_folder else None,
            max_bytes=settings.feed_max_bytes,
            timeout_s=settings.feed_timeout_seconds,
            settle_s=settings.feed_settle_seconds,
        )

    def check_size(self, announced: int) -> None:
        """Refuse a file before a byte of it is read. Raises `PullFailed`."""
        if announced > self.max_bytes:
            raise PullFailed("FILE_TOO_LARGE", f"{announced} bytes instead of {self.max_bytes} at most", stop=True)


class Incoming:
    """A file as it comes: it is in memory once, and its digest is known with its last byte."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._source = io.BytesIO()
        self._digest = sha256()
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes. Raises `PullFailed` when it is more than a feed may bring."""
        self.size += len(chunk)
        self._limits.check_size(self.size)
        self._source.write(chunk)
        self._digest.update(chunk)

    def whole(
        self, modified_at: datetime | None, *, etag: str = "", modified: str = "", place: Place | None = None
    ) -> Fetched:
        """Say that this was all."""
        self._source.seek(0)
        return Fetched(self._source, self.size, self._digest.digest(), modified_at, etag, modified, place)


class Credential:
    """One folder of an agency's secrets, one file each; read anew for every pull and never kept.

    Its file `hosts` names where it may be used: no other host is ever shown the secrets, and no other agency's feed.
    """

    def __init__(self, limits: Limits, feed: Feed) -> None:
        self._folder = None
        if feed.credential:
            root = limits.credentials_folder
            folder = None if root is None else root / feed.agency / feed.credential
            if folder is None or not folder.is_dir():
                raise PullFailed("CREDENTIAL_MISSING", "no such credential of the agency", stop=True)
            self._folder = folder
            if not host_allowed(feed.kind, feed.address, (self.text("hosts") or "").split()):
                raise PullFailed("CREDENTIAL_NOT_FOR_HOST", "the credential's hosts do not name this one", stop=True)

    def path(self, item: str) -> Path | None:
        """Find a file of the credential."""
        found = self._folder / item if self._folder else None
        return found if found is not None and found.is_file() else None

    def text(self, item: str) -> str | None:
        """Read a secret; the line feed that editors leave at the end is no part of it."""
        found = self.path(item)
        if found is None:
            return None
        try:
            with found.open("rb") as file:
                return file.read(_LARGEST_SECRET).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise PullFailed("CREDENTIAL_MISSING", f"{item} of the credential cannot be read", stop=True) from None


async def resolve(limits: Limits, host: str, port: int) -> str:
    """Give the address to connect to, and only to it: a name that changes its mind afterwards changes nothing.

    Raises `PullFailed` when the host has an address inside that the operator did not allow: a feed must not become a
    way to services that only this machine can reach.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise PullFailed("SOURCE_AWAY", "the host has no address") from None
    addresses = sorted((ip_address(str(entry[4][0]).partition("%")[0]) for entry in found), key=lambda a: a.version)
    if not addresses or not all(_may_reach(address, limits.private_networks) for address in addresses):
        raise PullFailed("ADDRESS_NOT_ALLOWED", "the host has a private address", stop=True)
    return str(addresses[0])


def _may_reach(address: IPv4Address | IPv6Address, private: Sequence[IPv4Network | IPv6Network]) -> bool:
    plain = getattr(address, "ipv4_mapped", None) or address
    return (plain.is_global and not plain.is_multicast) or any(
        plain.version == network.version and plain in network for network in private
    )


def is_plain_file(path: Path) -> os.stat_result | None:
    """Give size and time of a regular file; None for links, folders and what is gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
