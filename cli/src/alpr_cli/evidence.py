"""`alpr evidence verify`: judge an evidence or release package with nothing but the agency's public key.

Exit codes as `alpr audit`: 0 sound, 30 diverged (something is not as it was signed), 40 invalid (nothing to judge by).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alprcore import evidence
from alprcore.evidence import Fault, VolumeHead
from alprcore.seal import key_fingerprint, verify, verify_package

from .audit.proofs import DIVERGED, INVALID, SOUND, verify_receipt

_CHUNK: Final = 1 << 20
_WORDS: Final = {
    "MISSING": "is missing",
    "ALTERED": "is not the file that was signed",
    "NOT_LISTED": "lies here and was never part of the volume",
    "MANIFEST_DIFFERS": "is listed otherwise in the manifest than in the signed sums",
    "PROOF_BROKEN": "does not prove that its entry stands in the ledger",
    "FRAME_FORGED": "is not what the device with this key signed",
    "OTHER_PACKAGE": "are volumes of different packages",
    "VOLUME_MISSING": "is the number of a volume that is missing",
    "CHAIN_BROKEN": "is the number of a volume that does not follow from the one before",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What came out for one volume."""

    faults: list[Fault]
    head: VolumeHead | None
    reads: int
    proofs: int
    frames: int = 0
    files: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Lay out `alpr evidence`."""
    commands = parser.add_subparsers(dest="evidence_command", required=True)
    check = commands.add_parser("verify", help="verify a package offline; exit 0 sound, 30 diverged, 40 invalid")
    check.add_argument("volumes", nargs="+", type=Path, help="folders of the volumes of one package")
    check.add_argument(
        "--key", type=Path, help="the agency's public key (PEM); else that of the volume, by its fingerprint"
    )
    check.add_argument("--fingerprint", default="", help="SHA-256 of the key, as the agency publishes it")
    check.add_argument("--ledger-key", default="", help="verification key of the ledger, to check its proofs too")
    check.add_argument("--some", action="store_true", help="do not ask for all volumes of the package")


def run(arguments: argparse.Namespace) -> int:
    """Run `alpr evidence verify`; answers the exit code."""
    heads: list[VolumeHead] = []
    code = SOUND
    for folder in arguments.volumes:
        try:
            public = (arguments.key or folder / evidence.KEY).read_bytes()
            known = key_fingerprint(public)
            if arguments.fingerprint and known != arguments.fingerprint.replace(":", "").lower():
                raise ValueError(f"the key's fingerprint is {known}")
            judged = judge(folder, public, arguments.ledger_key)
        except (OSError, ValueError) as error:
            print(f"INVALID: {folder}: {error}", file=sys.stderr)
            return INVALID
        for fault in judged.faults:
            print(f"DIVERGED: {folder}: {fault.name} {_WORDS[fault.code]}", file=sys.stderr)
            code = DIVERGED
        if judged.head:
            heads.append(judged.head)
        print(f"{folder}: {judged.reads} reads, {judged.proofs} ledger proofs, key {known}")
        print(f"{judged.frames} signed by their cameras, {judged.files} pictures are the very files that these sent")
        if not (arguments.key or arguments.fingerprint):
            print("The key came with the volume: compare its fingerprint with the one that the agency publishes.")
    if not arguments.some:
        for fault in evidence.complete(heads):
            print(f"DIVERGED: {fault.name} {_WORDS[fault.code]}", file=sys.stderr)
            code = DIVERGED
    if code == SOUND:
        print("SOUND: every file is as it was signed")
    return code


def judge(folder: Path, public: bytes, ledger_key: str = "") -> Judged:
    """Judge one volume. Raises `OSError` or `ValueError` where there is nothing signed to judge by."""
    listing = (folder / evidence.SUMS).read_bytes()
    if not verify_package(public, (folder / evidence.SIGNATURE).read_bytes(), listing):
        raise ValueError(f"{evidence.SUMS} is not signed by this key")
    listed = evidence.parse_sums(listing.decode())
    faults = evidence.compare(listed, dict(_hashed(folder)))
    if any(fault.name == evidence.MANIFEST for fault in faults):
        return Judged(faults, None, 0, 0)
    head, said = evidence.head_of((folder / evidence.MANIFEST).read_bytes(), hashlib.sha256(listing).hexdigest())
    faults += evidence.agree(said, listed)
    proofs = sorted(name for name in listed if name.endswith(".tlog-proof"))
    if ledger_key:
        faults += _unproved(folder, proofs, ledger_key)
    frames = sorted(name for name in listed if name.endswith(f"/{evidence.FRAME}"))
    forged = [name for name in frames if not _by_device(folder, name)]
    faults += [Fault("FRAME_FORGED", name) for name in forged]
    files = sum(_is_file(folder, name, listed) for name in frames)
    return Judged(faults, head, len(said["reads"]), len(proofs), len(frames) - len(forged), files)


def _by_device(folder: Path, name: str) -> bool:
    """Tell whether a frame's text is what the device signed whose key the read names."""
    place = (folder / name).parent
    try:
        key = folder / str(json.loads((place / "read.json").read_text("utf-8"))["frame"]["key"])
        if not key.resolve().is_relative_to(folder.resolve()):
            return False
        public, signature = evidence.key_of(key.read_bytes()), (place / evidence.FRAME_SIGNATURE).read_bytes()
        return verify(public, signature, (place / evidence.FRAME).read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_file(folder: Path, name: str, listed: Mapping[str, str]) -> bool:
    """Tell whether a read's context image is byte for byte the file of which the camera signed the SHA-256."""
    last = (folder / name).read_text("utf-8", "replace").splitlines()[-1:]
    return last == [listed.get(f"{name.removesuffix(evidence.FRAME)}context.jpg", "-")]


def _unproved(folder: Path, names: Sequence[str], ledger_key: str) -> list[Fault]:
    key = Path(ledger_key).read_text("utf-8").strip() if Path(ledger_key).is_file() else ledger_key
    return [
        Fault("PROOF_BROKEN", name)
        for name in names
        if (folder / name).is_file() and verify_receipt((folder / name).read_text("utf-8"), key).code != SOUND
    ]


def _hashed(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of every file below a folder; a link is what it is named, and never followed."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield name, "link"
        elif path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while data := file.read(_CHUNK):
                    digest.update(data)
            yield name, digest.hexdigest()
