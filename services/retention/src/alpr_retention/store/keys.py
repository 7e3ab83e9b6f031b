"""Private keys of images in a folder outside the database, and the images themselves: sealed, opened here and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from alprcore.errors import InvalidMessage, Transient
from alprcore.objects import ImageStore
from alprcore.seal import new_image_key, open_image, seal_image

from ..expiry import held_key

_NOTE: Final = 32
"""Bytes of a note of a released read: the run's id and the read's."""
HOLD: Final = "hold"
"""How the keys of holds begin: `hold-<hold id>` opens the images that this hold keeps."""


def _settle_folder(folder: Path) -> None:
    """Bring a new name to the disk: a key that is gone after a power cut would take its images with it."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class ImageKeys:
    """Private keys: `<folder>/<agency>/<name>.key`, mode 0600, private and public half in base64.

    The name is a due day, or `hold-<hold id>`. A destroyed key leaves `<name>.gone`, so that it is never made again and
    a database from an old backup is known by the days that it should not have any more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, agency: str, name: str) -> Path:
        if not agency or "/" in agency or agency.startswith("."):
            raise ValueError("not an agency")
        return self.folder / agency / f"{name}.key"

    def destroyed(self, agency: str, name: str) -> bool:
        """Whether there was a key of this name and it was destroyed."""
        return self._path(agency, name).with_suffix(".gone").exists()

    def ensure(self, agency: str, name: str) -> bytes:
        """The public half of a key, made when there is none; two processes at once agree on one.

        Raises `PermissionError` KEY_DESTROYED for a key that was destroyed: making it anew would undo a purge.
        """
        path = self._path(agency, name)
        if self.destroyed(agency, name):
            raise PermissionError("KEY_DESTROYED")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            text = "\n".join(base64.b64encode(half).decode() for half in new_image_key()) + "\n"
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            try:
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):  # another one was first, and its key counts
                    os.link(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
            _settle_folder(path.parent)
        return base64.b64decode(path.read_text().split()[1])

    def ensure_all(self, keys: Iterable[tuple[str, date]]) -> list[bytes]:
        """The public halves for these agencies and due days, in the same order."""
        return [self.ensure(agency, day.isoformat()) for agency, day in keys]

    def private(self, agency: str, name: str) -> bytes | None:
        """The private half; None when there is none or it was destroyed."""
        if self.destroyed(agency, name):
            return None
        try:
            return base64.b64decode(self._path(agency, name).read_text().split()[0])
        except FileNotFoundError:
            return None

    def seal_name(self, agency: str, name: str) -> str:
        """The name under which a hold seals now: its own, or the next one where that key was destroyed before."""
        again, found = 2, name
        while self.destroyed(agency, found):
            found, again = f"{name}-{again}", again + 1
        return found

    def note_released(self, agency: str, run_id: UUID, read_ids: Iterable[UUID]) -> None:
        """Note which reads a run takes that a hold kept beyond their day: a backup may bring them back with their hold."""
        path = self._path(agency, "none").with_name("released.ids")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.truncate(file.tell() // _NOTE * _NOTE)  # what a crash left of a note would shift all that follow
            file.write(b"".join(run_id.bytes + one.bytes for one in read_ids))
            file.flush()
            os.fsync(file.fileno())
        _settle_folder(path.parent)

    def released(self, agency: str) -> dict[UUID, set[UUID]]:
        """Reads of an agency that runs took after a hold had kept them beyond their day, by run."""
        try:
            noted = self._path(agency, "none").with_name("released.ids").read_bytes()
        except FileNotFoundError:
            return {}
        found: dict[UUID, set[UUID]] = {}
        for start in range(0, len(noted) - _NOTE + 1, _NOTE):
            run, read = noted[start : start + 16], noted[start + 16 : start + 32]
            found.setdefault(UUID(bytes=run), set()).add(UUID(bytes=read))
        return found

    def days(self) -> list[tuple[str, date]]:
        """Agency and due day of every key that stands for a day."""
        return sorted(self._named("key"))

    def destroyed_days(self) -> list[tuple[str, date]]:
        """Agency and due day of every day's key that was destroyed."""
        return sorted(self._named("gone"))

    def names(self, agency: str, beginning: str) -> list[str]:
        """Names of an agency's keys that begin like this."""
        return sorted(path.stem for path in self._path(agency, "").parent.glob(f"{beginning}*.key"))

    def _named(self, kind: str) -> Iterator[tuple[str, date]]:
        for path in self.folder.glob(f"*/*.{kind}"):
            with suppress(ValueError):  # a hold's key, or another feature's
                yield path.parent.name, date.fromisoformat(path.stem)

    def destroy(self, agency: str, name: str) -> bool:
        """Overwrite and remove a private key: what was sealed to it never opens again. False: there was none.

        The mark that it is gone comes first, so that whatever breaks here a half-destroyed key is none, and the next
        call ends the work.
        """
        path = self._path(agency, name)
        found = path.exists()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.with_suffix(".gone").touch(mode=0o600)
        _settle_folder(path.parent)
        with suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _settle_folder(path.parent)
        return found


class Images:
    """Sealed images: opened here and nowhere else."""

    def __init__(self, objects: ImageStore, keys: ImageKeys) -> None:
        self.objects, self.keys = objects, keys

    async def require_store(self) -> None:
        """See that this is the store that was used before: an empty one in its place would make every image look lost.

        The same random text lies in the store and beside the keys. Raises `Transient` where the store has none or another.
        """
        here, name = self.keys.folder / "store.id", "store/retention.id"
        try:
            there = (await self.objects.get(name)).decode()
        except KeyError:
            there = ""
        if here.exists():
            if there != here.read_text():
                raise Transient("image store: not the one that these keys belong to")
            return
        if not there:
            there = secrets.token_hex(16)
            await self.objects.put(name, there.encode())
        here.write_text(there)
        _settle_folder(self.keys.folder)

    async def open(self, agency: str, image: dict[str, Any]) -> bytes:
        """The plain JPEG. Raises `KeyError` when image or key is gone, `InvalidMessage` when it is not the one read."""
        data = await self.objects.get(image["key"])
        if image["sealed_to"]:
            private = self.keys.private(agency, image["sealed_to"])
            if private is None:
                raise KeyError(image["key"])
            data = open_image(private, data, aad=image["key"].encode())
        if hashlib.sha256(data).hexdigest() != image["sha256"]:
            raise InvalidMessage("IMAGE_DAMAGED", "the image is not the one that was read")
        return data

    async def reseal(self, agency: str, read_id: str, image: dict[str, Any], hold_id: str) -> dict[str, Any]:
        """Seal an image to the key of a hold and open it once more before anyone relies on it.

        Where the image is gone but its copy under this hold lies there already (a run broke off, or the database came
        back from a backup), that copy counts. Raises `KeyError` when there is neither, `InvalidMessage` for an image that is
        not the one read, and `Transient` when what was just written does not open: then the first copy stays.
        """
        name = self.keys.seal_name(agency, f"{HOLD}-{hold_id}")
        kept = {**image, "key": held_key(agency, hold_id, read_id, image["role"]), "sealed_to": name}
        if image["sealed_to"] == name:
            return image
        try:
            plain = await self.open(agency, image)
        except KeyError:
            await self.open(agency, kept)
            return kept
        sealed = seal_image(self.keys.ensure(agency, name), plain, aad=kept["key"].encode())
        await self.objects.put(kept["key"], sealed)
        try:
            await self.open(agency, kept)
        except (KeyError, InvalidMessage) as error:
            raise Transient("image store: what was just written does not open") from error
        return kept
