"""Takes a file out of the drop folder, once whoever writes it has finished."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from alpr_ingest.feeds import Feed, Found, newest
from alpr_ingest.pulling.source import Fetched, Limits, PullFailed, is_plain_file

LOADED: Final = "loaded"
"""Folder beside a dropped file that it is moved to when the feed says so."""


async def fetch(feed: Feed, limits: Limits) -> Fetched:
    """Read the newest file that fits, if it stays as it is for a while; raises `PullFailed`.

    Links are not followed: what lies outside the drop folder is none of the feed's business.
    """
    if limits.drop_folder is None:
        raise PullFailed("FOLDER_MISSING", "the operator has set no drop folder", stop=True)
    wanted = PurePosixPath(feed.address)
    folder = limits.drop_folder / wanted.parent
    found = await asyncio.to_thread(_look, limits.drop_folder, folder)
    chosen = newest(found, wanted.name)
    if chosen is None:
        raise PullFailed("FILE_MISSING", "no file of that name in the drop folder")
    limits.check_size(chosen.size)
    await asyncio.sleep(limits.settle_s)
    place = folder / chosen.name
    data = await asyncio.to_thread(_read, place, chosen, limits)
    return Fetched(data, datetime.fromtimestamp(chosen.modified_s, UTC), place=place)


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


def _read(place: Path, chosen: Found, limits: Limits) -> bytes:
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            data = file.read(limits.max_bytes + 1)
            state = os.fstat(file.fileno())
    except OSError:
        raise PullFailed("FILE_MISSING", "the file is gone or may not be read") from None
    limits.check_size(len(data))
    if (state.st_size, state.st_mtime) != (chosen.size, chosen.modified_s) or len(data) != chosen.size:
        raise PullFailed("FILE_CHANGING", "somebody is still writing the file")
    return data


def put_away(place: Path) -> None:
    """Move a loaded file beside the others that were loaded; one that cannot be moved is known by its digest."""
    target = place.parent / LOADED
    try:
        target.mkdir(exist_ok=True)
        place.replace(target / place.name)
    except OSError:
        return
