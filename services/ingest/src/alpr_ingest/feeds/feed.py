"""What a feed is: where a list is fetched from and how often, and what an address may name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from alprcore.model import ADMITTED, Decision, Refused

SHORTEST_S: Final = 60
"""A source is asked once a minute at most: none of the systems that lists come from changes faster."""
DAY_S: Final = 86_400
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PORTS: Final = {"https": 443, "sftp": 22}


class FeedKind(StrEnum):
    """How a file is fetched."""

    SFTP = "sftp"
    HTTPS = "https"
    FOLDER = "folder"


KINDS: Final = tuple(kind.value for kind in FeedKind)


class Outcome(StrEnum):
    """What became of a pull.

    `loaded`: a new version is in force. `unchanged`: the source has what is in force already, which counts as a
    download of the day (HOT-03). `nothing_new`: nobody has dropped another file, which says nothing about the source.
    `refused`: a guard kept the file out. `failed`: no whole file came. `interrupted`: the service ended meanwhile.
    """

    RUNNING = "running"
    LOADED = "loaded"
    UNCHANGED = "unchanged"
    NOTHING_NEW = "nothing_new"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every so many seconds, or at times of the agency's day (`HH:MM`); one of the two."""

    every_s: int = 0
    at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """Where one list is fetched from, and how far that has come.

    `credential` names a folder of the operator's secrets and `host_key` pins an SFTP server; neither is secret.
    `sources` are the systems that a special list is put together from (HOT-10), `permissible_use` is what allows the
    use of registration data, where the list's own does not say (SEC-05).
    `etag`, `modified` and `sha256` are those of the file that was loaded last, as `version` of the list,
    `refused` names the one that a guard kept out last.
    """

    agency: str
    code: str
    kind: FeedKind
    address: str
    layout: str
    schedule: Schedule
    credential: str
    host_key: str
    move_loaded: bool
    sources: tuple[str, ...]
    permissible_use: str
    set_by: str
    set_at: datetime
    next_at: datetime
    failures: int = 0
    asked_by: str = ""
    last_ok_at: datetime | None = None
    etag: str = ""
    modified: str = ""
    sha256: bytes = b""
    version: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull of a list: when, how many bytes came, what became of it. `detail` never quotes the file."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    reason_code: str
    detail: str
    size: int
    sha256: bytes
    version: int
    asked_by: str


@dataclass(frozen=True, slots=True)
class Found:
    """A file that lies at a source: name, when it changed (seconds since 1970) and size in bytes."""

    name: str
    modified_s: float
    size: int


def admit_schedule(schedule: Schedule, loads_per_day: int) -> Decision:
    """Decide whether a schedule keeps the list's own rule: no gap longer than a day over its loads (HOT-03, HOT-05).

    Gaps are taken on the wall clock; the day with 25 hours has one that is an hour longer.
    """
    if bool(schedule.every_s) == bool(schedule.at):
        return Refused("HOT-03", "SCHEDULE_INVALID", "either every_s or at")
    longest = DAY_S // max(1, loads_per_day)
    if schedule.every_s:
        if not SHORTEST_S <= schedule.every_s <= longest:
            return Refused("HOT-03", "SCHEDULE_INVALID", f"every_s: {SHORTEST_S} to {longest} for this list")
        return ADMITTED
    if any(_TIME.fullmatch(time) is None for time in schedule.at) or len(set(schedule.at)) < len(schedule.at):
        return Refused("HOT-03", "SCHEDULE_INVALID", "at: times HH:MM, each once")
    minutes = sorted(int(time[:2]) * 60 + int(time[3:]) for time in schedule.at)
    gaps = [later - earlier for earlier, later in pairwise([*minutes, minutes[0] + 24 * 60])]
    if max(gaps) * 60 > longest:
        return Refused("HOT-03", "SCHEDULE_INVALID", f"at: a gap of more than {timedelta(seconds=longest)} h")
    return ADMITTED


def admit_address(kind: FeedKind, address: str, hosts: Iterable[str]) -> Decision:
    """Decide whether a feed may name this address; `hosts` are those the operator allows, `host` or `host:port`.

    Refuses secrets in an address, paths that leave the drop folder, and every host that is not on the list.
    """
    if kind is FeedKind.FOLDER:
        path = PurePosixPath(address)
        if (
            not address
            or path.is_absolute()
            or ".." in path.parts
            or "\\" in address
            or any(map(_globs, path.parts[:-1]))
        ):
            return Refused(
                "HOT-03", "ADDRESS_INVALID", "address: a path below the drop folder, * only in the last name"
            )
        return ADMITTED
    parts = _split(kind, address)
    if parts is None or parts.fragment or parts.query or parts.username is not None or not parts.path.strip("/"):
        return Refused("HOT-03", "ADDRESS_INVALID", f"address: {kind}://host/path without user, password or query")
    if kind is FeedKind.SFTP and any(map(_globs, parts.path.split("/")[:-1])):
        return Refused("HOT-03", "ADDRESS_INVALID", "address: sftp://host/path, * only in the last name")
    if host_allowed(kind, address, hosts):
        return ADMITTED
    return Refused("HOT-03", "HOST_NOT_ALLOWED", "address: not a host that the operator allows")


def host_allowed(kind: FeedKind, address: str, hosts: Iterable[str]) -> bool:
    """Tell whether the operator allows the host and port of an address."""
    host, port = host_of(kind, address)
    usual = _PORTS[kind.value]
    allowed = {name.lower() for name in hosts}
    return f"{host}:{port}" in allowed or (port == usual and host in allowed)


def host_of(kind: FeedKind, address: str) -> tuple[str, int]:
    """Give host and port of an admitted address."""
    parts = urlsplit(address)
    return (parts.hostname or "").lower(), parts.port or _PORTS[kind.value]


def remote_path(address: str) -> str:
    """Give the path that an admitted SFTP address names on its server."""
    return unquote(urlsplit(address).path)


def _split(kind: FeedKind, address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        port_is_one = parts.port is None or parts.port > 0  # reading it refuses what is no port
    except ValueError:
        return None
    clean = address.isascii() and not any(c.isspace() or ord(c) < 32 for c in address)
    return parts if parts.scheme == kind.value and parts.hostname and port_is_one and clean else None


def _globs(name: str) -> bool:
    return any(c in name for c in "*?[")


def newest(found: Sequence[Found], pattern: str) -> Found | None:
    """Choose the newest file whose name fits; of two of one moment the one whose name comes last."""
    fitting = [file for file in found if fnmatchcase(file.name, pattern)]
    return max(fitting, key=lambda file: (file.modified_s, file.name), default=None)
