"""Opens a list file: a zip with exactly one list inside, byte-order marks, encodings; gives its text in pieces."""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, Final, Protocol

from alprcore.model import Refused

_PIECE: Final = 1 << 18
LARGEST: Final = 1 << 31
"""Bytes of a list inside a zip: ten million lines have 0.7 GB."""
RATIO: Final = 100
"""Unpacked to packed; lists of plates pack to a fifth, nothing but blanks to a thousandth."""
_SMALL: Final = 1 << 20
_DIRECTORY: Final = 1 << 20
"""Bytes of a zip that are asked for at once, its list of names above all: some twenty thousand."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_ZIP_FAULTS: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Broken(Exception):
    """A file that is refused whole."""

    def __init__(self, reason_code: str, detail: str, rule_id: str = "HOT-04") -> None:
        super().__init__(reason_code)
        self.refused = Refused(rule_id, reason_code, detail)


def texts(source: BinaryIO, encoding: str) -> Iterator[str]:
    """Give the text of a list file in pieces, with one line feed for every kind of line end; raises `Broken`.

    A byte-order mark says more than the layout: it is what the file itself says of its encoding.
    """
    with _opened(source) as file:
        start = _read(file, 4)
        if start in _UTF32:
            raise Broken("LIST_ENCODING", "UTF-32 is not read")
        for mark, marked in _MARKS:
            if start.startswith(mark):
                encoding, start = ("utf-16", start) if marked == "utf-16" else ("utf-8", start[len(mark) :])
                break
        else:
            if encoding != "utf-16" and len(start) > 1 and 0 in start[:2] and any(start[:2]):
                raise Broken("LIST_ENCODING", "the file looks like UTF-16 without a byte-order mark")
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("strict"), translate=True)
        try:
            piece = start + _read(file, _PIECE)
            while piece:
                if text := decoder.decode(piece):
                    yield text
                piece = _read(file, _PIECE)
            if text := decoder.decode(b"", final=True):
                yield text
        except UnicodeError:
            raise Broken("LIST_ENCODING", f"the file is not {encoding}") from None


class _Measured:
    """The file of a zip, of which nothing can be had at once that would take memory by the zip's own word."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if size > _DIRECTORY:
            raise Broken("LIST_ARCHIVE_INVALID", "a zip holds exactly one list, this one names thousands of files")
        return self._file.read(size)


def _opened(source: BinaryIO) -> AbstractContextManager[_Readable]:
    source.seek(0)
    start = source.read(4)
    source.seek(0)
    if start.startswith(b"\x1f\x8b"):
        raise Broken("LIST_ARCHIVE_INVALID", "gzip is not read; send the file itself or a zip")
    if start[:2] != b"PK" or start[2:] not in (b"\x03\x04", b"\x05\x06"):
        return nullcontext(source)  # it is its owner's to close
    try:
        archive = zipfile.ZipFile(_Measured(source))
        found = [one for one in archive.infolist() if not (one.is_dir() or _added_by_a_desktop(one.filename))]
        if len(found) != 1:
            raise Broken("LIST_ARCHIVE_INVALID", f"a zip holds exactly one list, this one holds {len(found)} files")
        [one] = found
        if one.flag_bits & 0x1:
            raise Broken("LIST_ARCHIVE_ENCRYPTED", "the zip is encrypted: unpack it before loading")
        if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Broken("LIST_ARCHIVE_INVALID", "the zip is packed in a way that is not read: only deflate is")
        if one.file_size > LARGEST or one.file_size > one.compress_size * RATIO + _SMALL:
            raise Broken("LIST_ARCHIVE_TOO_LARGE", f"the zip unpacks to {one.file_size} bytes")
        return archive.open(one)
    except _ZIP_FAULTS:
        raise Broken("LIST_ARCHIVE_INVALID", "the zip is damaged") from None


def _added_by_a_desktop(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in {".DS_Store", "Thumbs.db", "desktop.ini"}


def _read(file: _Readable, size: int) -> bytes:
    """Read; what a zip says beyond its declared size is not read, and its checksum is compared at the end."""
    try:
        return file.read(size)
    except _ZIP_FAULTS:
        raise Broken("LIST_ARCHIVE_INVALID", "the zip is damaged") from None
