"""Verification of a package: are all files there as listed, and do the volumes make one whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alprcore.evidence.packing import FORMAT, MANIFEST, SIGNATURE, SUMS

_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_UNLISTED: Final = frozenset({SUMS, SIGNATURE})
"""Files that the sums cannot list: themselves and their signature."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a package: which file, and in which way."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class VolumeHead:
    """A volume's place in its package."""

    package_id: str
    number: int
    last: bool
    previous: str
    sums_sha256: str


def parse_sums(text: str) -> dict[str, str]:
    """Read a list of sums: SHA-256 by name. Raises `ValueError` for a line that is none, or a name that leaves the folder."""
    listed: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None or found[2] in listed:
            raise ValueError("not a list of sums")
        if found[2].startswith("/") or ".." in found[2].split("/") or "\\" in found[2]:
            raise ValueError("a name that leaves the folder")
        listed[found[2]] = found[1]
    return listed


def compare(listed: Mapping[str, str], found: Mapping[str, str]) -> list[Fault]:
    """Hold the files of a volume, SHA-256 by name, against the signed list: missing, altered, or not listed."""
    faults = [
        Fault("MISSING" if name not in found else "ALTERED", name)
        for name, sha256 in sorted(listed.items())
        if found.get(name) != sha256
    ]
    faults += [Fault("NOT_LISTED", name) for name in sorted(found.keys() - listed.keys() - _UNLISTED)]
    if MANIFEST not in listed:
        faults.append(Fault("MISSING", MANIFEST))
    return faults


def head_of(manifest: bytes, sums_sha256: str) -> tuple[VolumeHead, dict[str, Any]]:
    """Read a manifest and its volume's place. Raises `ValueError` when it is none of ours."""
    try:
        said = json.loads(manifest)
        volume = said["volume"]
        if said["format"] != FORMAT:
            raise ValueError("another format")
        head = VolumeHead(
            str(said["package"]["package_id"]),
            int(volume["number"]),
            bool(volume["last"]),
            str(volume["previous_sums_sha256"]),
            sums_sha256,
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError("not a manifest of a package") from error
    return head, said


def agree(manifest: Mapping[str, Any], listed: Mapping[str, str]) -> list[Fault]:
    """Hold the manifest's files against the sums: both are signed and must say the same."""
    said = {one["name"]: one["sha256"] for one in manifest["files"]}
    others = {name: sha256 for name, sha256 in listed.items() if name != MANIFEST}
    return [Fault("MANIFEST_DIFFERS", name) for name in sorted({*said, *others}) if said.get(name) != others.get(name)]


def complete(heads: Sequence[VolumeHead]) -> list[Fault]:
    """Tell what keeps volumes from being one whole package: another package, a gap, a broken link, no last one."""
    faults: list[Fault] = []
    inorder = sorted(heads, key=lambda head: head.number)
    if len({head.package_id for head in inorder}) > 1:
        faults.append(Fault("OTHER_PACKAGE", ", ".join(sorted({head.package_id for head in inorder}))))
    for place, head in enumerate(inorder, 1):
        if head.number != place:
            faults.append(Fault("VOLUME_MISSING", str(place)))
            break
        if head.previous != (inorder[place - 2].sums_sha256 if place > 1 else ""):
            faults.append(Fault("CHAIN_BROKEN", str(head.number)))
    if not inorder or not inorder[-1].last:
        faults.append(Fault("VOLUME_MISSING", str((inorder[-1].number if inorder else 0) + 1)))
    return faults
