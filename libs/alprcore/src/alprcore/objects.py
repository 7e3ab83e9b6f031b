"""Images in an object store: a local folder or an S3 bucket, through obstore, the only room that imports it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from alprcore.errors import Misconfigured, Transient

_LISTED: Final = 1000
"""Objects listed and deleted together: what an S3 server takes in one call."""


class ImageStore:
    """Objects by key. Keys are built from ids, so a repeated put overwrites itself with the same bytes."""

    def __init__(self, url: str) -> None:
        """Opens `file:///folder` (made when missing) or `s3://bucket/prefix` (credentials from the environment).

        Raises:
            Misconfigured: another kind of address, or a folder that cannot be made.
        """
        import obstore.store  # 20 MB resident: only services that hold images pay for it

        self.url = url
        parts = urlsplit(url)
        try:
            if parts.scheme == "file" and not parts.netloc and parts.path:
                self._store: Any = obstore.store.LocalStore(Path(unquote(parts.path)), mkdir=True)
            elif parts.scheme == "s3" and parts.netloc:
                self._store = obstore.store.S3Store(parts.netloc, prefix=parts.path.strip("/") or None)
            else:
                raise Misconfigured(f"image store {parts.scheme}: file:///folder or s3://bucket/prefix")
        except (OSError, ValueError, obstore.exceptions.BaseError) as error:
            raise Misconfigured(f"image store cannot be opened: {type(error).__name__}") from error

    async def put(self, key: str, data: bytes) -> None:
        """Write an object, over an older one of the same key. Raises `Transient`, or `ValueError` for an odd key."""
        with _translated(key):
            await self._store.put_async(_checked(key), data)

    async def get(self, key: str) -> bytes:
        """Read an object. Raises `KeyError` when there is none, `Transient`, or `ValueError` for an odd key."""
        with _translated(key):
            result = await self._store.get_async(_checked(key))
            return bytes(await result.bytes_async())

    async def delete(self, key: str) -> None:
        """Delete an object; one that is gone already is fine, so that a purge can be repeated."""
        try:
            with _translated(key):
                await self._store.delete_async(_checked(key))
        except KeyError:
            return

    async def list(self, prefix: str) -> list[str]:
        """List the keys below a prefix: whole path segments, `closeup/demo` does not find `closeup/demo2`."""
        keys: list[str] = []
        with _translated(prefix):
            async for batch in self._store.list(prefix=_checked(prefix)):
                keys.extend(entry["path"] for entry in batch)
        return keys

    async def sizes(self) -> dict[str, int]:
        """Give the size of every object in bytes, by key: for a backup's mirror. Raises `Transient`."""
        found: dict[str, int] = {}
        with _translated("objects"):
            async for batch in self._store.list(chunk_size=_LISTED):
                found.update((entry["path"], entry["size"]) for entry in batch)
        return found

    async def older(self, prefix: str, before: datetime) -> Sequence[str]:
        """List the keys below a prefix that were last written before a time."""
        keys: list[str] = []
        with _translated(prefix):
            async for batch in self._store.list(prefix=_checked(prefix)):
                keys.extend(entry["path"] for entry in batch if entry["last_modified"] < before)
        return keys

    async def count(self, prefix: str) -> int:
        """Count the objects below a prefix."""
        found = 0
        with _translated(prefix):
            async for batch in self._store.list(prefix=_checked(prefix), chunk_size=_LISTED):
                found += len(batch)
        return found

    async def delete_prefix(self, prefix: str) -> int:
        """Delete everything below a prefix, a thousand at a time; answers how many objects that were."""
        gone = 0
        with _translated(prefix):
            async for batch in self._store.list(prefix=_checked(prefix), chunk_size=_LISTED):
                gone += len(batch)
                await self.delete_all([entry["path"] for entry in batch])
        return gone

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand at a time; those that are gone already are fine."""
        for start in range(0, len(keys), _LISTED):
            part = [_checked(key) for key in keys[start : start + _LISTED]]
            try:
                with _translated("objects"):
                    await self._store.delete_async(part)
            except KeyError:  # one of them is gone: then one by one
                for key in part:
                    await self.delete(key)


def _checked(key: str) -> str:
    if not key or any(part in {"", ".", ".."} for part in key.split("/")):
        raise ValueError("not an object key")
    return key


@contextmanager
def _translated(key: str) -> Iterator[None]:
    import obstore.exceptions as known

    try:
        yield
    except (FileNotFoundError, known.NotFoundError) as error:
        raise KeyError(key) from error
    except (known.PermissionDeniedError, known.UnauthenticatedError) as error:
        raise Misconfigured(f"image store refuses: {type(error).__name__}") from error
    except (OSError, known.BaseError) as error:
        raise Transient(f"image store: {type(error).__name__}") from error
