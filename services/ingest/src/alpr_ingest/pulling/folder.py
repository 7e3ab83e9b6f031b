"""Takes a file out of the drop folder, once whoever writes it has finished."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from alpr_ingest.feeds import Feed, Found, newest
from alpr_ingest.pulling.source import CHUNK, Fetched, Incoming, Limits, Place, PullFailed, is_plain_file

LOADED: Final = "loaded"
"""Folder beside a dropped file that it is moved to when the feed says so."""


async def fetch(feed: Feed, limits: Limits) -> Fetched:
    """Read the newest file that fits, if it stays as it is for a while; raises `PullFailed`.

    Links are not followed: what lies outside the agency's own part of the drop folder is none of its business.
    """
    if limits.drop_folder is None:
        raise PullFailed("FOLDER_MISSING", "the operator has set no drop folder", stop=True)
    wanted, root = PurePosixPath(feed.address), limits.drop_folder / feed.agency
    folder = root / wanted.parent
    found = await asyncio.to_thread(_look, root, folder)
    chosen = newest(found, wanted.name)
    if chosen is None:
        raise PullFailed("FILE_MISSING", "no file of that name in the drop folder")
    limits.check_size(chosen.size)
    await asyncio.sleep(limits.settle_s)
    return await asyncio.to_thread(_read, folder / chosen.name, chosen, limits)


def _look(root: Path, folder: Path) -> list[Found]:
    if not folder.resolve().is_relative_to(root.resolve()):
        raise PullFailed("FOLDER_MISSING", "the folder lies outside the drop folder", stop=True)
    try:
        return list(_files(folder))
    except OSError:
        raise PullFailed("FOLDER_MISSING", "the folder cannot be read") from None


def _files(folder: Path) -> Iterator[Found]:
    for path in folder.iterdir():
        state = is_plain_file(path)
        if state is not None:
            yield Found(path.name, state.st_mtime, state.st_size)


def _read(path: Path, chosen: Found, limits: Limits) -> Fetched:
    data = Incoming(limits)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            while chunk := file.read(CHUNK):
                data.add(chunk)
            state = os.fstat(file.fileno())
    except OSError:
        raise PullFailed("FILE_MISSING", "the file is gone or may not be read") from None
    if (state.st_size, state.st_mtime) != (chosen.size, chosen.modified_s) or data.size != chosen.size:
        raise PullFailed("FILE_CHANGING", "somebody is still writing the file")
    place = Place(path, state.st_ino, state.st_size, state.st_mtime_ns)
    made_at = datetime.fromtimestamp(chosen.modified_s, UTC)
    return data.whole(made_at, modified=str(chosen.modified_s), place=place)


def put_away(place: Place, number: int) -> None:
    """Move a loaded file beside the others that were loaded, under the number of its pull.

    Another file that came under its name meanwhile stays where it is. One that cannot be moved is known by its digest.
    """
    state = is_plain_file(place.path)
    found = None if state is None else (state.st_ino, state.st_size, state.st_mtime_ns)
    if found != (place.inode, place.size, place.modified_ns):
        return
    target = place.path.parent / LOADED
    try:
        target.mkdir(exist_ok=True)
        place.path.replace(target / f"{number}_{place.path.name}")
    except OSError:
        return
