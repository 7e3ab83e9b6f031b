"""Bringing a backup back: the database into an empty one, images into their store, keys to their places.

Nothing that is there is overwritten, and a key that was destroyed after the backup stays destroyed.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata

from alpr_cli.roles import Database
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.kafka import KafkaSettings, existing_topics, load_topic_specs, partitions_of
from alprcore.kafka.publish import translated
from alprcore.objects import ImageStore
from alprcore.topics import TopicSpec

from . import postgres, rules
from .sealing import open_sealed
from .taking import DATABASE, IMAGES, KEYS, SETS, fault_of

KEEPERS: Final = ("retention", "console", "audit")
"""Services that write what topics bring into the database, by id, so that it may come twice."""


async def bring_database(database: Database, folder: Path, name: str, private: bytes) -> rules.Facts:
    """Bring a backup's database into the empty one at `database`; roles and passwords are made as `alpr prepare` does.

    Raises `Misconfigured` for a damaged backup, another key or a database that is not empty; `Transient` when
    pg_restore fails: then the database is to be made anew.
    """
    if fault := fault_of(folder, name):
        raise Misconfigured(f"backup {name}: {fault}")
    await asyncio.to_thread(database.prepare)
    await postgres.empty_for_restore(database.admin)
    with (folder / SETS / name / DATABASE).open("rb") as file:
        try:
            bound, facts, pieces = open_sealed(file, private)
            if bound != name:
                raise InvalidMessage("SEAL_BROKEN", "another backup's copy")
            with postgres.restoring(database.admin) as entry:
                for piece in pieces:
                    await asyncio.to_thread(entry.write, piece)
        except InvalidMessage as error:
            raise Misconfigured(f"backup {name}: {error.detail}") from error
    await asyncio.to_thread(database.prepare)  # what belongs to the database as a whole is no part of a copy
    await postgres.begin_anew(database.admin)
    return rules.decode_facts(facts)


async def bring_images(folder: Path, images: str) -> int:
    """Copy the mirrored images into their store; answers how many were copied. Nothing there is deleted."""
    if not (folder / IMAGES).is_dir():
        raise Misconfigured(f"no mirrored images lie in {folder}")
    source, target = ImageStore((folder / IMAGES).resolve().as_uri()), ImageStore(images)
    missing, _ = rules.changes(await target.sizes(), await source.sizes())
    room = asyncio.Semaphore(16)

    async def one(key: str) -> None:
        async with room:
            await target.put(key, await source.get(key))

    await asyncio.gather(*map(one, missing))
    return len(missing)


def bring_keys(folder: Path, private: bytes, places: Mapping[str, Path]) -> tuple[int, list[str]]:
    """Write the archived keys to their places, by the archive's folder (`keys`, `image-keys`, `ledger`).

    Answers how many were written, and which were left because another content lies there. A place that holds the mark
    of a destroyed key does not get that key. Raises `Misconfigured` for a damaged archive or another key.
    """
    written, kept = 0, []
    for name, content in _archived(folder / KEYS, private):
        kind, _, rest = name.partition("/")
        base = places.get(kind)
        if base is None:
            continue
        target = base / rest
        if target.suffix == ".key" and kind == "image-keys" and target.with_suffix(".gone").exists():
            continue
        if target.exists():
            if target.read_bytes() != content:
                kept.append(name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written += 1
    return written, kept


def _archived(path: Path, private: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            _, _, pieces = open_sealed(file, private)
            content = b"".join(pieces)
    except (OSError, InvalidMessage) as error:
        raise Misconfigured(f"the archive of keys does not open: {error}") from error
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: (not one.name.endswith(".gone"), one.name)):
            parts = PurePosixPath(member.name).parts
            taken = archive.extractfile(member)
            if taken is None or ".." in parts or PurePosixPath(member.name).is_absolute():
                raise Misconfigured("the archive of keys holds what is no file")
            yield member.name, taken.read()


def groups_of(specs: Iterable[TopicSpec], existing: Iterable[str]) -> dict[str, list[str]]:
    """Name the consumer groups of the keepers with their topics, those of each agency among them, out of the contract."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        shape = re.compile(re.escape(spec.name).replace("<agency>", "[^.]+"))
        names = sorted(name for name in existing if shape.fullmatch(name))
        for group in sorted({group for service, group in spec.groups.items() if service in KEEPERS}):
            found.setdefault(group, []).extend(names)
    return found


async def rewind(settings: KafkaSettings, to: datetime) -> dict[str, int]:
    """Set the groups whose effect lies in the database back to a moment, so that what came since comes again.

    Answers how many messages come again, by group; none is set forward, and one that never read begins by itself. The
    services must be stopped: a group that has members refuses. Raises `Transient` when no broker answers.
    """
    prefix, found = settings.topic_prefix, {}
    existing = [name.removeprefix(prefix) for name in await existing_topics(settings) if name.startswith(prefix)]
    for group, topics in groups_of(load_topic_specs(), existing).items():
        partitions = await partitions_of(settings, [prefix + name for name in topics])
        consumer = AIOKafkaConsumer(**settings.client_params(), group_id=group, enable_auto_commit=False)
        with translated():
            await consumer.start()
            try:
                consumer.assign(partitions)
                since = await consumer.offsets_for_times(dict.fromkeys(partitions, int(to.timestamp() * 1000)))
                kept = {one: await consumer.committed(one) for one in partitions}
                back = {
                    one: since[one].offset
                    for one, at in kept.items()
                    if at is not None and since.get(one) and since[one].offset < at
                }
                if back:
                    await consumer.commit({one: OffsetAndMetadata(offset, "") for one, offset in back.items()})
                found[group] = sum(kept[one] - offset for one, offset in back.items())
            finally:
                await consumer.stop()
    return found
