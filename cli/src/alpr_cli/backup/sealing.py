"""Sealed files of a backup: written in one pass, opened by whoever holds the recipient's private key and nobody else.

A file is one line of JSON (form, name, facts, the content's key sealed to the recipient by HPKE, RFC 9180) and the content
in chunks of 1 MiB, AES-256-GCM as STREAM: a chunk that is altered, moved, left out or cut off does not open.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.seal import CHUNK_TAG_BYTES, Chunks, new_content_key, new_image_key, open_content_key

from .rules import FORM

CHUNK: Final = 1 << 20
_HEADER_LIMIT: Final = 1 << 16


def new_key(path: Path) -> str:
    """Make the recipient's key pair: `path` holds the private half, mode 0600, `path`.pub the public one; answers it.

    Raises `FileExistsError`: a key is never overwritten.
    """
    private, public = new_image_key()
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.b64encode(private).decode() + "\n")
    text = base64.b64encode(public).decode()
    path.with_name(f"{path.name}.pub").write_text(text + "\n")
    return text


def read_key(given: str | Path) -> bytes:
    """Read a key, private or public: a file, or the text itself. Raises `Misconfigured`."""
    try:
        path = Path(given)
        text = path.read_text("ascii") if path.is_file() else str(given)
        key = base64.b64decode(text.strip(), validate=True)
    except (OSError, ValueError) as error:
        raise Misconfigured("the backup's key cannot be read") from error
    if len(key) != 32:
        raise Misconfigured("the backup's key is not one: 32 bytes in base64")
    return key


def read_private(path: Path) -> bytes:
    """Read a private key, from a file only: what stands in arguments is everybody's to see. Raises `Misconfigured`."""
    if not path.is_file():
        raise Misconfigured("--key names a file that holds the private key")
    return read_key(path)


class Sealer:
    """A sealed file that is being written; `digest` and `size` are those of the file when it is closed."""

    def __init__(self, path: Path, name: str, facts: bytes, recipient: bytes) -> None:
        """Begins the file, mode 0600. Raises `Misconfigured` when the recipient is no key."""
        try:
            key, sealed = new_content_key(recipient, name)
        except ValueError as error:
            raise Misconfigured("the backup's recipient is no public key") from error
        header = json.dumps(
            {
                "form": FORM,
                "name": name,
                "facts": base64.b64encode(facts).decode(),
                "key": base64.b64encode(sealed).decode(),
            }
        ).encode()
        self._chunks = Chunks(key, header)
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self.size = 0
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._put(header + b"\n")

    def write(self, content: bytes) -> None:
        """Add content; it is sealed and written a chunk at a time."""
        self._waiting += content
        while len(self._waiting) > CHUNK:
            self._put(self._chunks.seal(bytes(self._waiting[:CHUNK]), last=False))
            del self._waiting[:CHUNK]

    def finish(self) -> str:
        """Seal what is left, bring the file to the disk and answer its SHA-256."""
        self._put(self._chunks.seal(bytes(self._waiting), last=True))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def _put(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self.size += len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()


def open_sealed(file: IO[bytes], private: bytes) -> tuple[str, bytes, Iterator[bytes]]:
    """Open a sealed file: its name, its facts, and its content a chunk at a time.

    Raises `InvalidMessage` SEAL_BROKEN for another key and for whatever was altered, at the chunk where it is found.
    """
    header = file.readline(_HEADER_LIMIT)
    try:
        fields = json.loads(header)
        name, facts = str(fields["name"]), base64.b64decode(fields["facts"], validate=True)
        sealed = base64.b64decode(fields["key"], validate=True)
        if fields["form"] != FORM:
            raise ValueError("another form")
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidMessage("SEAL_BROKEN", "not a sealed file of a backup") from error
    chunks = Chunks(open_content_key(private, sealed, name), header.rstrip(b"\n"))
    return name, facts, _contents(file, chunks)


def _contents(file: IO[bytes], chunks: Chunks) -> Iterator[bytes]:
    size = CHUNK + CHUNK_TAG_BYTES
    current = file.read(size)
    while following := file.read(size):
        yield chunks.open(current, last=False)
        current = following
    yield chunks.open(current, last=True)


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
