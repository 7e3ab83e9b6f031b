"""Making a backup: the database sealed in one moment, images mirrored as they lie, keys sealed in another place.

What a service destroys is gone from the mirrors at the next run: images of purged days from one, their keys from the other.
The order is database, images, keys: an image that a row names is written before the row, and the ledger's head outside
the database is never behind the one in the copy.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from alpr_cli.doctor.found import Found
from alprcore.errors import Misconfigured, Transient
from alprcore.objects import ImageStore

from . import rules
from .postgres import Snapshot
from .sealing import Sealer, digest_of

SETS: Final = "sets"
IMAGES: Final = "images"
DATABASE: Final = "database.sealed"
MANIFEST: Final = "manifest.json"
KEYS: Final = "keys.sealed"
NAMES: Final = "keys.names"
"""What the copy of the keys holds, by name: so that a folder that was not mounted does not empty it."""
_AT_ONCE: Final = 16
_PIECE: Final = 1 << 20
_BROKEN_OFF: Final = timedelta(days=1)
_KEY_FILES: Final = ("_key_file", "_keys_file")
"""How settings end that name a key of this installation; those of certificates lie deeper and are made anew."""
_CERTIFICATES: Final = "tls_key_file"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mirror of images: their sizes by name, how many were copied and how many went."""

    sizes: Mapping[str, int]
    copied: int
    gone: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made: where, and what it says of itself."""

    folder: Path
    manifest: rules.Manifest
    images: Mirrored


async def take(url: str, images: str, to: Path, recipient: bytes, now: datetime, *, prune: bool = False) -> Taken:
    """Make a backup of the database at `url` and of the images at `images` (empty: mirrored by others) below `to`.

    It counts once its manifest is there, which comes last. Raises `Transient` and `Misconfigured`; where images alone
    fail, the database's copy is kept all the same.
    """
    folder = to / SETS / rules.set_name(now)
    begun = folder.with_name(f".{folder.name}")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True, mode=0o700)
    try:
        facts, sealer, digest = await _take_database(url, begun / DATABASE, folder.name, recipient, now)
        failed: Misconfigured | Transient | None = None
        seen = Mirrored({}, 0, 0)
        try:
            seen = await take_images(images, to, prune=prune) if images else seen
        except (Misconfigured, Transient) as error:
            failed = error
        manifest = rules.Manifest(facts, sealer.size, digest, len(seen.sizes), sum(seen.sizes.values()))
        (begun / MANIFEST).write_text(rules.encode_manifest(manifest))
        begun.rename(folder)
    except BaseException:
        shutil.rmtree(begun, ignore_errors=True)
        raise
    _settle(folder.parent)
    if failed is not None:
        raise failed
    return Taken(folder, manifest, seen)


async def _take_database(
    url: str, file: Path, name: str, recipient: bytes, now: datetime
) -> tuple[rules.Facts, Sealer, str]:
    async with Snapshot(url) as snapshot:
        facts = await snapshot.facts(now)
        with Sealer(file, name, rules.encode_facts(facts), recipient) as sealer:
            with snapshot.copied() as copy:
                while piece := await asyncio.to_thread(copy.read, _PIECE):
                    sealer.write(piece)
            return facts, sealer, sealer.finish()


async def take_images(images: str, to: Path, *, prune: bool = False) -> Mirrored:
    """Bring the mirror of the images up to date. Raises `Misconfigured` for a store that is not there."""
    parts = urlsplit(images)
    if parts.scheme == "file" and not Path(unquote(parts.path)).is_dir():
        raise Misconfigured("the image store's folder is not there")  # opening it would make it
    return await mirror(ImageStore(images), ImageStore((to / IMAGES).resolve().as_uri()), prune=prune)


async def take_images_and_keys(
    found: Found, images: str, to: Path, keys_to: Path, recipient: bytes, now: datetime, *, prune: bool = False
) -> int:
    """Bring images and then keys up to date, so that no key is marked destroyed whose held images the mirror lacks.

    A purge seals what is held anew before it destroys a day's key: when it destroys one while images are copied, they
    are copied once more. Answers how many key files there are.
    """
    while True:
        gone = _destroyed(found)
        if images:
            await take_images(images, to, prune=prune)
        if _destroyed(found) == gone:
            count, archived = take_keys(found, keys_to, recipient, now, prune=prune)
            if archived <= gone:
                return count


def _destroyed(found: Found) -> frozenset[str]:
    return frozenset(name for name, _ in _places(found) if name.endswith(".gone"))


async def mirror(source: ImageStore, target: ImageStore, *, prune: bool = False) -> Mirrored:
    """Make a store hold what another holds and nothing else; what is new is copied first.

    Raises `Misconfigured` when more would go than a purge takes, unless `prune`: nothing is deleted then.
    """
    here, there = await source.sizes(), await target.sizes()
    copy, gone = rules.changes(there, here)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> bool:
        async with room:
            try:
                await target.put(key, await source.get(key))
            except KeyError:  # it went in the meantime
                return False
            return True

    done = await asyncio.gather(*map(one, copy))
    if not prune and (words := rules.refuse_loss(len(there), len(gone), len(here))):
        raise Misconfigured(words)
    await target.delete_all(gone)
    return Mirrored(here, sum(done), len(gone))


def take_keys(
    found: Found, to: Path, recipient: bytes, now: datetime, *, prune: bool = False
) -> tuple[int, frozenset[str]]:
    """Seal every key that settings name into one file, in the place of the last one.

    Answers how many files it holds, and which of them are marks of destroyed keys. Raises `Misconfigured` when keys are
    missing that it held before and no mark says that they were destroyed: the copy of before stays, unless `prune`.

    Of keys that were destroyed it holds the mark that they were, never the key. Keys in other stores (`env:`, `exec:`)
    are that store's to keep.
    """
    content, names = io.BytesIO(), set[str]()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, path in sorted(_places(found)):
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # destroyed in the meantime
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o600, int(now.timestamp())
            archive.addfile(info, io.BytesIO(data))
            names.add(name)
    if not names:
        raise Misconfigured("no setting names a key file: look at --settings")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    listed = to / NAMES
    before = listed.read_text("utf-8").split("\n") if listed.is_file() else []
    if not prune and (lost := rules.missing_keys(filter(None, before), names)):
        words = f"{len(lost)} keys are missing that were copied before, such as {lost[0]}: is their folder there?"
        raise Misconfigured(f"{words} --prune if they shall go")
    fresh = to / f".{KEYS}"
    with Sealer(fresh, KEYS, rules.encode_facts(_nothing(now)), recipient) as sealer:
        sealer.write(content.getvalue())
        sealer.finish()
    fresh.replace(to / KEYS)
    listed.write_text("\n".join(sorted(names)) + "\n", encoding="utf-8")
    _settle(to)
    return len(names), frozenset(name for name in names if name.endswith(".gone"))


def _places(found: Found) -> Iterator[tuple[str, Path]]:
    """Names in the archive and files: keys/…, image-keys/<agency>/…, ledger/…."""
    keys = {
        f"keys/{where.name}": where
        for service, one in found.settings.items()
        for name, value in one.items()
        if name.endswith(_KEY_FILES) and name != _CERTIFICATES and value
        if isinstance(where := found.key(service, value), Path)
    }
    yield from keys.items()
    if folder := found.settings.get("retention", {}).get("image_keys_dir"):
        base = found.place("retention", folder)
        if not base.is_dir():
            raise Misconfigured(f"{base} (image_keys_dir) is not there")
        for kind in ("key", "gone", "ids", "sent", "pem"):
            for path in base.rglob(f"*.{kind}"):
                if kind != "key" or not path.with_suffix(".gone").exists():
                    yield f"image-keys/{path.relative_to(base)}", path
    if kept := found.settings.get("audit", {}).get("checkpoint_file"):
        path = found.place("audit", kept)
        for one in (path, path.with_suffix(".log"), path.with_suffix(".cosigned")):
            yield f"ledger/{one.name}", one


def _nothing(now: datetime) -> rules.Facts:
    return rules.Facts(now.isoformat(), {}, 0, "", 0, 0, 0)


def sets_in(to: Path) -> list[str]:
    """Names of the backups that are whole, oldest first."""
    return sorted(
        one.name for one in (to / SETS).glob("*") if rules.taken(one.name) is not None and (one / MANIFEST).is_file()
    )


def manifest_of(to: Path, name: str) -> rules.Manifest:
    """Read a backup's manifest. Raises `Misconfigured`."""
    try:
        return rules.decode_manifest((to / SETS / name / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"backup {name}: its manifest cannot be read: {error}") from error


def fault_of(to: Path, name: str) -> str:
    """Say what is wrong with a backup's file as far as its manifest tells; empty when nothing is."""
    manifest = manifest_of(to, name)
    try:
        size, digest = digest_of(to / SETS / name / DATABASE)
    except OSError as error:
        return f"the copy of the database cannot be read: {type(error).__name__}"
    if (size, digest) != (manifest.bytes, manifest.sha256):
        return "the copy of the database is not the one that was written"
    return ""


def forget(to: Path, now: datetime, keep: timedelta) -> list[str]:
    """Remove backups that are older than the window, and what broken-off runs left a day ago; answers their names."""
    old = rules.expired(sets_in(to), now, keep)
    old += [
        one.name
        for one in (to / SETS).glob(".*")
        if (at := rules.taken(one.name.removeprefix("."))) is not None and now - at > _BROKEN_OFF
    ]
    for name in old:
        shutil.rmtree(to / SETS / name)
    return old


def same_device(one: Path, other: Path) -> bool:
    """Whether two folders, or what there is of them, lie on one disk."""
    return _device(one) == _device(other)


def _device(path: Path) -> int:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path.stat().st_dev


def _settle(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
