"""What a backup says of itself, which backups expire, and what may come back: decided without looking anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from alpr_cli.doctor.rules import head_size, head_text

FORM: Final = "plateline-backup/1"
WINDOW_DAYS: Final = 35
"""Longest time that a backup is kept: what is purged must be gone from backups too (RET-10, `retention.backup_window_days`)."""
LOSS_LEAST: Final = 1000
LOSS_SHARE: Final = 0.1
"""How many mirrored images may go at once: a day's, also where several days are purged together."""
_NAME: Final = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database held at the moment of its copy; it is bound to the sealed copy and cannot be changed alone.

    `revisions` by schema, `head` the ledger's signed head (empty: no entry yet), `entries` its size, `reads` and `hits`
    as many as were kept.
    """

    taken_at: str
    revisions: Mapping[str, str]
    entries: int
    head: str
    reads: int
    hits: int
    server: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup: its facts, the sealed file's size and digest, and how many images lay beside it."""

    facts: Facts
    bytes: int
    sha256: str
    images: int
    image_bytes: int
    form: str = FORM


def set_name(taken_at: datetime) -> str:
    """Name a backup after its moment, so that names sort by time."""
    return taken_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def taken(name: str) -> datetime | None:
    """Read the moment from a backup's name; None for something else."""
    return datetime.strptime(name, "%Y%m%dT%H%M%S%z") if _NAME.fullmatch(name) else None


def encode_facts(facts: Facts) -> bytes:
    """Write facts as the bytes that are bound to the copy."""
    return json.dumps(asdict(facts), sort_keys=True, separators=(",", ":")).encode()


def decode_facts(content: bytes) -> Facts:
    """Read facts; raises `ValueError` for anything else."""
    return _facts(json.loads(content))


def encode_manifest(manifest: Manifest) -> str:
    """Write a manifest for people and programs."""
    return json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n"


def decode_manifest(text: str) -> Manifest:
    """Read a manifest; raises `ValueError` for one of another form."""
    try:
        fields = json.loads(text)
        if fields["form"] != FORM:
            raise ValueError("another form")
        return Manifest(**{**fields, "facts": _facts(fields["facts"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not the manifest of a backup") from error


def _facts(fields: Mapping[str, object]) -> Facts:
    try:
        facts = Facts(**fields)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError("not the facts of a backup") from error
    datetime.fromisoformat(facts.taken_at)
    return facts


def expired(names: Iterable[str], now: datetime, keep: timedelta) -> list[str]:
    """Name the backups that are older than the window; the newest stays, whatever its age."""
    dated = sorted((at, name) for name in names if (at := taken(name)) is not None)
    return [name for at, name in dated[:-1] if now - at > keep]


def refuse_places(backup: str, keys: str, same_device: bool) -> str:
    """Say why keys may not lie there; empty when they may: images and their keys are never on one disk of backups."""
    data, secret = PurePosixPath(backup), PurePosixPath(keys)
    if secret == data or data in secret.parents or secret in data.parents:
        return "keys must not lie in the folder of the backup: whoever holds both reads what was purged"
    if same_device:
        return "keys must lie on another disk than the backup: name another place, or say --same-disk if it is one"
    return ""


def refuse_loss(there: int, gone: int, left: int) -> str:
    """Say why a mirror may not lose so many objects at once; empty when it may.

    A purge takes a day of a year. A store that is suddenly empty or small is one that is not there: a disk that was not
    mounted, a mistyped address, a bucket that was made anew.
    """
    if gone and not left:
        return f"the image store is empty and the mirror holds {there} images: is it the right one, and is it there?"
    if gone > max(LOSS_LEAST, there * LOSS_SHARE):
        return f"{gone} of {there} mirrored images are gone from the image store: --prune if they shall go"
    return ""


def missing_keys(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Name the keys that were copied before and are neither here nor marked as destroyed.

    Notes of what was sent end with their window, and the ledger's files are told by their own checks.
    """
    here = set(now)
    return sorted(
        name
        for name in set(before) - here
        if not name.startswith("ledger/")
        and not name.endswith(".sent")
        and not (name.endswith(".key") and f"{name.removesuffix('.key')}.gone" in here)
    )


def changes(there: Mapping[str, int], here: Mapping[str, int]) -> tuple[Sequence[str], Sequence[str]]:
    """Compare a mirror with what it mirrors, both as sizes by name: what is to be copied, and what is to go."""
    copy = sorted(name for name, size in here.items() if there.get(name) != size)
    return copy, sorted(set(there) - set(here))


def judge_head(facts: Facts, kept: str) -> tuple[str, str]:
    """Compare the ledger in a backup with the head kept outside: `same`, `older` or `lost`, and what that means."""
    size = head_size(kept)
    if not facts.entries and not size:
        return "same", "the ledger is empty"
    if not kept.strip():
        return "lost", "the head outside the database is lost: the ledger goes on by an order of two custodians"
    if size == facts.entries and head_text(kept) == head_text(facts.head):
        return "same", f"{size} entries: the ledger goes on where it stood"
    words = f"{size - facts.entries} entries were signed after this backup: the ledger goes on by an order of two custodians"
    return "older", words
