"""The files of a package: names, volumes, manifest, sums."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from alprcore.cells import inert

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
KEY: Final = "public-key.pem"
COVER: Final = "COVER.txt"
INSTRUCTIONS: Final = "README.txt"
FORMAT: Final = "plateline-evidence/1"
EXPORT_ROLES: Final = frozenset({"investigator", "supervisor", "program_manager"})
"""Who may have evidence written to media: whoever may hold it and may see plates at all (ADM-04)."""
READS_LIMIT: Final = 20_000
"""Reads in one package: about 8 GB of images, two DVDs."""
BATCH: Final = 200
"""Reads whose custody is fetched from the ledger at once."""
SECTOR: Final = 2048
"""Bytes of a sector of an optical disc (ECMA-119, ECMA-167): every file begins a new one."""
CAPACITY: Final[Mapping[str, int]] = {
    # single layer, 2,295,104 sectors (ECMA-267) less 1 % for the file system
    "dvd": 4_650_000_000,
    # 80 minutes, 360,000 sectors of 2,048 bytes less 1 %
    "cd": 729_000_000,
    # FAT32 takes no file of 4 GiB: a volume travels as one ZIP
    "usb": 4_200_000_000,
    "disk": 4_200_000_000,
}
"""Bytes that one volume may fill on each kind of medium."""
MEDIA: Final = tuple(CAPACITY)
_ENTRY_BYTES: Final = 700
"""What one file costs in manifest, sums and the directories of ZIP and disc, rounded up."""
_COLUMNS: Final = (
    "number", "read_id", "plate", "state", "confidence", "captured_at", "received_at", "read_at", "device_id",
    "device_name", "camera_id", "direction", "latitude", "longitude", "agency", "hits", "folder",
)  # fmt: skip


class Kind(StrEnum):
    """Why a package is made: evidence under a hold, or an approved release."""

    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Cover:
    """What the first page says: whose package, for whom, for what, and how it must be treated (SHR-09).

    `held_since`, `held_by` and `held_on` name the hold that keeps the reads: its moment, who placed it, the ground.
    """

    title: str
    number: str
    agency_name: str
    purpose: str
    confidentiality: str
    recipient_agency: str = ""
    recipient_person: str = ""
    case_reference: str = ""
    lines: tuple[str, ...] = ()
    held_since: str = ""
    held_by: str = ""
    held_on: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A package that is asked for: about which hold or request, under which ledger entry, with which reads.

    `read_ids` of a hold are empty: the hold says what it covers. `clets` says that CLETS text was authorized
    separately for this package (SEC-06), by whom and on what basis.
    """

    kind: Kind
    subject: str
    entry: int
    cover: Cover
    read_ids: tuple[str, ...] = ()
    clets: bool = False
    clets_authorized_by: str = ""
    clets_basis: str = ""
    medium: str = "dvd"
    serial: str = ""
    witness: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A package that was begun: its id, the reads that go in, in this order, and their hits."""

    package_id: str
    read_ids: tuple[str, ...]
    hit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One read of a built package, by id and by the hashes of what went out (SHR-12); images as (role, SHA-256)."""

    read_id: str
    record_sha256: str
    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """Something that was left out: by which rule, what, how often, and in words a reader understands."""

    rule: str
    what: str
    count: int
    words: str


@dataclass(frozen=True, slots=True)
class About:
    """What every volume of a package says of the package."""

    package_id: str
    kind: Kind
    subject: str
    agency: str
    agency_name: str
    exporter: str
    opened_at: datetime
    profile_version: str
    ledger_entry: int
    key_sha256: str
    medium: str
    witness: str = ""


def volume_name(package_id: str, number: int) -> str:
    """Name a volume's folder and ZIP: an id and a number, nothing that tells what is in it."""
    return f"plateline-{package_id}-{number:02}"


def folder_of(number: int, read_id: str) -> str:
    """Name the folder of a read: its number in the package and its id, no plate."""
    return f"reads/{number:05}-{read_id}"


def laid(sizes: Iterable[int]) -> int:
    """Bytes that files of these sizes take on an optical disc: whole sectors, and their entries in the lists."""
    return sum(-(-size // SECTOR) * SECTOR + _ENTRY_BYTES for size in sizes)


def manifest(
    about: About,
    cover: Cover,
    reads: Sequence[Mapping[str, Any]],
    files: Sequence[File],
    redactions: Sequence[Redaction],
    *,
    number: int,
    last: bool,
    previous: str,
) -> bytes:
    """Write a volume's manifest: the package, the volume's place in it, its reads and files, and what was left out.

    `previous` is the SHA-256 of the sums of the volume before, empty for the first: volumes hang together.
    """
    package = {name: value for name, value in asdict(about).items() if name != "opened_at"}
    said = {
        "format": FORMAT,
        "package": {**package, "kind": about.kind.value, "opened_at": about.opened_at.isoformat()},
        "volume": {"number": number, "last": last, "previous_sums_sha256": previous},
        "cover": asdict(cover),
        "reads": list(reads),
        "redactions": [asdict(one) for one in redactions],
        "files": [{"name": one.name, "bytes": one.size, "sha256": one.sha256} for one in files],
    }
    return (json.dumps(said, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def sums(files: Iterable[File]) -> bytes:
    """Write the list that `sha256sum -c` reads; binary mode, names as they stand on the medium."""
    return "".join(f"{one.sha256} *{one.name}\n" for one in files).encode()


def table(rows: Sequence[Mapping[str, Any]], mark: str) -> bytes:
    """Write the reads of a volume as CSV (RFC 4180), each row under the confidential mark; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*_COLUMNS, "mark"))
    for row in rows:
        writer.writerow([*(_cell(row.get(name)) for name in _COLUMNS), inert(mark)])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return "" if value is None else inert(str(value))
