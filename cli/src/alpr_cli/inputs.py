"""What `alpr read` is asked to read: pictures, folders of them, videos, live addresses, each under the name it is told by."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from alpr_cli.sources import ADDRESSES, PHOTOGRAPHS, VIDEOS

_FOREIGN: Final = frozenset({".heic", ".heif", ".cr2", ".cr3", ".nef", ".arw", ".dng"})
"""Pictures of telephones and cameras that are known by their names, so that they fail with a word and not in silence."""


@dataclass(frozen=True, slots=True)
class Input:
    """One picture, video or live stream: `source` is opened, `name` is shown.

    Of a file in a folder the name is relative to that folder, or begins with the folder's when there are several; of an
    address it lacks user and password.
    """

    kind: str
    source: str
    name: str

    @property
    def moving(self) -> bool:
        """Whether it is one camera over time and not one picture."""
        return self.kind != "picture"


@dataclass(frozen=True, slots=True)
class Unfit:
    """An input of which nothing can be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What there is to read, what cannot be, and how many files of folders were passed over as neither."""

    fit: tuple[Input, ...]
    unfit: tuple[Unfit, ...]
    passed_over: int


def find(given: Sequence[str], *, apart_from: Sequence[Path] = ()) -> Inputs:
    """Find what the words of the command line name; folders are searched through, sorted.

    Files below `apart_from` (our own annotated pictures of a run before) are passed over.
    """
    fit: list[Input] = []
    unfit: list[Unfit] = []
    passed_over = 0
    names = _folder_names([Path(word) for word in dict.fromkeys(given) if Path(word).is_dir()])
    for word in given:
        path = Path(word)
        if word.lower().startswith(ADDRESSES):
            fit.append(Input("live", word, without_password(word)))
        elif path.is_dir():
            inside = list(_inside(path, apart_from))
            named = [(file, str(names[path] / file.relative_to(path))) for file in inside]
            known = [Input(kind, str(file), name) for file, name in named if (kind := _kind(file))]
            fit += known
            passed_over += len(inside) - len(known)
            if not known:
                unfit.append(Unfit(word, "holds no picture and no video"))
        elif not path.exists():
            unfit.append(Unfit(word, "does not exist"))
        elif not path.is_file():
            unfit.append(Unfit(word, "is not a file"))
        else:
            fit.append(Input(_kind(path) or _by_content(path), word, word))
    return Inputs(tuple(fit), tuple(unfit), passed_over)


def _folder_names(folders: Sequence[Path]) -> dict[Path, Path]:
    """Give what stands before the names of each folder's files: nothing for the only one, else what tells them apart."""
    short = {folder: Path(folder.resolve().name) for folder in folders}
    if len(folders) == 1:
        return {folders[0]: Path()}
    return short if len(set(short.values())) == len(folders) else {folder: folder for folder in folders}


def without_password(address: str) -> str:
    """Give an address as it may be shown: without user, password and what follows a question mark."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _inside(folder: Path, apart_from: Sequence[Path]) -> Iterator[Path]:
    apart = [path.resolve() for path in apart_from]
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (Path(root) / name).resolve() not in apart
        )
        yield from (Path(root) / name for name in sorted(files) if not name.startswith("."))


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    if suffix in PHOTOGRAPHS or suffix in _FOREIGN:
        return "picture"
    return "video" if suffix in VIDEOS else ""


def _by_content(file: Path) -> str:
    """Tell pictures from videos where the name does not."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file):
            return "picture"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return "video"
